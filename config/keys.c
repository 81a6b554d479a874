/* SPDX-License-Identifier: Apache-2.0 */
/* The table itself, in the order in which the reference lists the keys. */
#include "config/keys.h"

#define W(field)    .home = SA_HOME_WIDE, .offset = offsetof(struct sa_wide, settings.field)
#define COMMON(f)   .home = SA_HOME_WIDE, .offset = offsetof(struct sa_wide, common.f)
#define OTHER(f)    .home = SA_HOME_WIDE, .offset = offsetof(struct sa_wide, f)
#define A(field)    .home = SA_HOME_ACCOUNT, .offset = offsetof(struct sa_account, field)
#define BOOL        .type = SA_KEY_BOOL
#define STRING      .type = SA_KEY_STRING
#define MODE        .type = SA_KEY_CHOICE, .choices = "allowed|always|never", .preset = "allowed"
#define STRINGS     .type = SA_KEY_STRINGS
#define INT(lo, hi) .type = SA_KEY_INT, .min = (lo), .max = (hi)
#define MS(hi)      .type = SA_KEY_INT, .unit = SA_UNIT_MS, .min = 0, .max = (hi)
#define SECONDS(lo) .type = SA_KEY_INT, .unit = SA_UNIT_SECONDS, .min = (lo), .max = 31536000
#define SIZE(lo)    .type = SA_KEY_BYTES, .min = (lo), .max = 1e12
#define IGNORED     .class = SA_KEY_IGNORED, .type = SA_KEY_ANY
#define REFUSED     .class = SA_KEY_REFUSED, .type = SA_KEY_ANY
#define DERIVED     .class = SA_KEY_DERIVED
#define ACC         "kubernetes.accounts[]."
#define DAY_MS      86400000

/* A key of Clouddriver's own accounts, which this agent has no use for. */
#define CLOUDDRIVERS(name, why)                                                                    \
    {                                                                                              \
        .path = ACC name, IGNORED, .help = (why)                                                   \
    }
#define CD_POLLING    "It tunes how Clouddriver polls a cluster; here changes are streamed."
#define CD_ITSELF     "It is for Clouddriver itself; set it there."
#define CD_DEPRECATED "Clouddriver itself no longer uses it."
#define ASKED_AGAIN                                                                                \
    "A result that could not be sent is not sent again by itself: Clouddriver's side asks for it " \
    "again, by the operation's id, as soon as there is a stream, and for ten minutes the agent "   \
    "knows what it did."
#define VAULT_LOGIN                                                                                \
    "Users and passwords of Vault are for people; make an AppRole or a role of its kubernetes "    \
    "method for the agent, see secrets.vault.authMethod."
#define DYNAMIC                                                                                    \
    "Accounts are not taken over from Clouddriver: it keeps those and polls them. To stream one, " \
    "name it in a file."

/* One entry reads as a block. */
/* clang-format off */
const struct sa_key sa_keys[] = {
/* the agent */
{.path = "agentId", STRING, W(agent_id),
 .help = "Name of this agent, unique among those that connect to one Clouddriver. By default the "
         "host name (in Kubernetes the pod's name)."},
{.path = "zoneId", STRING, W(zone_id),
 .help = "Name of the zone that this agent runs in. Clouddriver shows it."},
{.path = "sink", .type = SA_KEY_CHOICE_ENUM, .choices = "sqlite|grpc|jsonl", W(sink),
 .preset = "sqlite",
 .help = "Where changes go: into a SQLite database on this machine, to Clouddriver, or as lines "
         "of JSON to a file. If any key below clouddriver is set, the default is grpc."},
{.path = "sqlite.file", STRING, W(sqlite_file),
 .help = "The database of the sqlite sink, by default cache.db below stateDir."},
{.path = "jsonl.file", STRING, W(jsonl_file), .preset = "-",
 .help = "File that the jsonl sink appends to; \"-\" is standard output."},
{.path = "flushMs", MS(10000), COMMON(flush_ms), .preset = "20",
 .help = "Longest time that a change waits for others, to be sent together with them."},

/* clouddriver */
{.path = "clouddriver.grpc", STRING, W(clouddriver.grpc), .preset = "spin-clouddriver-grpc:9091",
 .help = "Host and port of Clouddriver's plugin, or of a gRPC proxy before it."},
{.path = "clouddriver.insecure", BOOL, W(clouddriver.insecure), .preset = "true",
 .help = "Connect without TLS. Set it to false where the other side speaks TLS."},
{.path = "clouddriver.allowPlaintextToken", BOOL, W(clouddriver.allow_plaintext_token),
 .help = "Send the bearer token although the connection has no TLS, so that whoever is on the "
         "way can read it. Without this key such a configuration is refused."},
{.path = "clouddriver.noProxy", BOOL, W(clouddriver.no_proxy),
 .help = "Connect directly, whatever HTTPS_PROXY and HTTP_PROXY say."},
{.path = "clouddriver.auth.token", STRING, W(clouddriver.token), .secret = true,
 .help = "Bearer token that is sent with the stream's request."},
{.path = "clouddriver.auth.tokenCommand.command", STRING, W(clouddriver.token_command),
 .help = "Program that prints the bearer token; an absolute path."},
{.path = "clouddriver.auth.tokenCommand.args", STRINGS, W(clouddriver.token_args),
 .help = "Arguments of the program."},
{.path = "clouddriver.auth.tokenCommand.format", .type = SA_KEY_CHOICE, .choices = "json|raw",
 W(clouddriver.token_format), .preset = "json",
 .help = "What the program prints: the token itself (raw), or a JSON object with the member "
         "token."},
{.path = "clouddriver.auth.tokenCommand.refreshIntervalSeconds", SECONDS(0),
 W(clouddriver.token_refresh_s), .preset = "0",
 .help = "How often the program is run again; 0: once for each connection."},
{.path = "clouddriver.tls.serverName", STRING, W(clouddriver.tls_server_name),
 .help = "Name that the server's certificate must have, where it is not the host's."},
{.path = "clouddriver.tls.insecureSkipVerify", BOOL, W(clouddriver.tls_insecure_skip_verify),
 .help = "Accept any certificate. Whoever is on the way can then read and change everything."},
{.path = "clouddriver.tls.clientCertFile", STRING, W(clouddriver.tls_client_cert_file),
 .help = "Client certificate (PEM) for mutual TLS."},
{.path = "clouddriver.tls.clientKeyFile", STRING, W(clouddriver.tls_client_key_file),
 .help = "Its private key (PEM), if it is not in the same file."},
{.path = "clouddriver.tls.clientKeyFilePassword", STRING, W(clouddriver.tls_client_key_password),
 .secret = true,
 .help = "Password of the private key."},
{.path = "clouddriver.tls.cacertFile", STRING, W(clouddriver.tls_cacert_file),
 .help = "Certificates (PEM) that the server's must lead to; by default those of the system."},
{.path = "clouddriver.backoff.baseDelay", .type = SA_KEY_INT, .unit = SA_UNIT_NS, .min = 1e6,
 .max = 3.6e12, W(clouddriver.backoff_base_ns), .preset = "1000000000",
 .help = "Wait after the first connection that failed, in nanoseconds."},
{.path = "clouddriver.backoff.multiplier", .type = SA_KEY_FLOAT, .min = 1, .max = 100,
 W(clouddriver.backoff_multiplier), .preset = "1.6",
 .help = "Growth of the wait from one failure to the next."},
{.path = "clouddriver.backoff.jitter", .type = SA_KEY_FLOAT, .min = 0, .max = 0.99,
 W(clouddriver.backoff_jitter), .preset = "0.2",
 .help = "Random part of the wait."},
{.path = "clouddriver.backoff.maxDelay", .type = SA_KEY_INT, .unit = SA_UNIT_NS, .min = 1e6,
 .max = 3.6e12, W(clouddriver.backoff_max_ns), .preset = "120000000000",
 .help = "Longest wait, in nanoseconds."},
{.path = "clouddriver.keepAliveHeartbeatSeconds", SECONDS(0), W(clouddriver.heartbeat_s),
 .preset = "20",
 .help = "How often a heartbeat is sent; 0: never."},
{.path = "clouddriver.keepAliveTimeOutSeconds", SECONDS(0), W(clouddriver.timeout_s),
 .preset = "20",
 .help = "How long a heartbeat may stay without an answer before the connection is given up; 0: "
         "for ever."},
{.path = "clouddriver.keepAliveOperationSeconds", IGNORED,
 .help = "A connection without operations is no sign of a broken one; heartbeats find that out "
         "(clouddriver.keepAliveHeartbeatSeconds)."},
{.path = "clouddriver.responseRetries.enabled", IGNORED, .help = ASKED_AGAIN},
{.path = "clouddriver.responseRetries.maxRetries", IGNORED, .help = ASKED_AGAIN},
{.path = "clouddriver.responseRetries.backOffMs", IGNORED, .help = ASKED_AGAIN},

/* all clusters */
{.path = "kubernetes.noProxy", BOOL, COMMON(no_proxy),
 .help = "Connect to API servers directly, whatever HTTPS_PROXY and HTTP_PROXY say. An account's "
         "own noProxy overrides it."},
{.path = "kubernetes.allowExec", BOOL, COMMON(allow_exec),
 .help = "Let kubeconfig files run credential programs (users[].user.exec). An account's own "
         "allowExec overrides it."},
{.path = "kubernetes.redact", STRINGS, COMMON(redact),
 .help = "Paths of fields that never leave the agent, besides those of the account, as "
         "spec.template.spec.containers[].env[].value."},
{.path = "kubernetes.reconnectTimeoutMs", MS(DAY_MS), COMMON(reconnect_timeout_ms),
 .preset = "5000",
 .help = "Longest wait between two tries to reach an API server that can't be reached (at least "
         "100). It is asked by one request; when it answers, everything that waits for it is read "
         "within a second. What else fails is repeated after at most a minute."},
{.path = "kubernetes.cacheGroupSize", INT(0, 1000000), OTHER(cache_group_size), .preset = "0",
 .help = "Number of accounts that start at once; 0: all."},
{.path = "kubernetes.cacheGroupDelayMs", MS(DAY_MS), OTHER(cache_group_delay_ms), .preset = "0",
 .help = "Wait between two such groups."},
{.path = "kubernetes.auditSeconds", SECONDS(60), COMMON(audit_interval_s), .preset = "3600",
 .help = "How often each resource is listed to prove that nothing was missed. The moment is "
         "random within the interval."},
{.path = "kubernetes.forbiddenEvictSeconds", SECONDS(0), COMMON(forbidden_evict_s),
 .preset = "3600",
 .help = "A resource that the API server refuses (403) for this long loses its objects in "
         "Spinnaker."},
{.path = "kubernetes.requestsPerSecond", INT(1, 100000), COMMON(requests_per_second),
 .preset = "50",
 .help = "Most requests a second to one API server."},
{.path = "kubernetes.secrets", .type = SA_KEY_CHOICE_BOOL, .choices = "always|never",
 COMMON(secrets_never), .preset = "always",
 .help = "Whether the result of an operation may hold what is in a Secret. What is streamed never "
         "does. With never, Secrets can't be read by operations, and those deployed come back "
         "without their data: Spinnaker then makes a new version of a versioned Secret each time."},
{.path = "kubernetes.retries.enabled", BOOL, COMMON(retries_enabled), .preset = "true",
 .help = "Repeat an operation's request that failed. What may have been done is never repeated."},
{.path = "kubernetes.retries.maxRetries", INT(0, 1000), COMMON(max_retries), .preset = "3",
 .help = "How often the same request is repeated."},
{.path = "kubernetes.retries.backOffMs", MS(DAY_MS), COMMON(retry_backoff_ms), .preset = "3000",
 .help = "Wait before each repetition; without effect where the operation's time limit is "
         "nearer."},
{.path = "kubernetes.retries.retryAnyError", BOOL, COMMON(retry_any_error),
 .help = "Repeat whatever the error is, answers that would be the same again (400 to 428) apart."},
{.path = "kubernetes.retries.retryableErrors", STRINGS, COMMON(retryable_errors),
 .preset = "timeout,deadline exceeded",
 .help = "Texts; a request is repeated if its error holds one of them."},
{.path = "kubernetes.serverSideApply.enabled", MODE, COMMON(ssa_enabled),
 .help = "Whether manifests are applied server-side: always or never, whatever kinds and "
         "annotations say; allowed: where the operation, the kind's entry or the annotation "
         "agent-k8s.armory.io/serverside-apply: enabled asks for it."},
{.path = "kubernetes.serverSideApply.clearManagedFields", MODE, COMMON(ssa_clear_managed_fields),
 .help = "Whether the agent becomes the only manager of what it applies server-side: other "
         "managers are removed from the object's managedFields before, and what was applied "
         "client-side becomes its own. The annotation is "
         "agent-k8s.armory.io/ssa-clear-managed-fields: enabled."},
{.path = "kubernetes.serverSideApply.manifestDefaults", MODE, COMMON(ssa_manifest_defaults),
 .help = "Whether defaults that the server's OpenAPI names (protocol: TCP) are written into what "
         "is applied server-side. The annotation is agent-k8s.armory.io/ssa-manifest-defaults: "
         "enabled."},
{.path = "kubernetes.serverSideApply.kinds", .type = SA_KEY_SSA_KINDS, COMMON(ssa_kinds),
 .help = "The same for single kinds. What is not given for a kind is allowed."},
{.path = "kubernetes.serverSideApply.kinds[].kind", STRING,
 .help = "The kind, as Deployment or Deployment.apps."},
{.path = "kubernetes.serverSideApply.kinds[].enabled", MODE, .help = "Applied server-side."},
{.path = "kubernetes.serverSideApply.kinds[].clearManagedFields", MODE,
 .help = "The agent becomes the only manager."},
{.path = "kubernetes.serverSideApply.kinds[].manifestDefaults", MODE,
 .help = "Defaults are written out."},
{.path = "timeoutSeconds", SECONDS(0), COMMON(timeout_seconds), .preset = "0",
 .help = "How long a request to an API server may take, watches and lists apart. Each kind of "
         "request has a limit of its own as well, a minute or less; 0: that alone."},
{.path = "tasks.totalBudget", INT(0, 1000000), W(start_concurrency), .preset = "1000",
 .help = "How many accounts may read their first lists at once; 0: all."},
{.path = "tasks.budgetPerAccount", INT(0, 100000), COMMON(budget_per_account), .preset = "50",
 .help = "How many lists an account may read at once; 0: all."},
{.path = "tasks.queueCheckFrequencyMs", IGNORED,
 .help = "Work starts when there is room for it; no queue is looked at from time to time."},

/* accounts */
{.path = "kubernetes.accounts", .type = SA_KEY_ACCOUNTS,
 .help = "The clusters. Lists of several files are joined; a name may be there once."},
{.path = ACC "name", STRING, A(name), .help = "Name of the account in Spinnaker. Required; but with serviceAccount one that is left out "
         "or empty is made from the certificate authority of the cluster around, and stays the "
         "same as long as that does."},
{.path = ACC "kubeConfigFile", .alias = "kubeconfigFile", STRING, A(kubeconfig_file),
 .reference = true,
 .help = "Path of the kubeconfig file, plain or sealed by scale-agentctl seal, or a reference to a "
         "store of secrets, as encryptedFile:vault!e:secret!p:clusters/a!k:kubeconfig; it or "
         "serviceAccount is required."},
{.path = ACC "context", STRING, A(context),
 .help = "Context of the kubeconfig file, by default its current-context."},
{.path = ACC "serviceAccount", BOOL, A(service_account),
 .help = "Use the service account of the pod that the agent runs in, for the cluster around it."},
{.path = ACC "insecure", BOOL, A(insecure),
 .help = "Accept any certificate of the API server. Whoever is on the way can then take the "
         "credentials."},
{.path = ACC "noProxy", BOOL, A(no_proxy),
 .help = "Connect directly, whatever HTTPS_PROXY and HTTP_PROXY say."},
{.path = ACC "allowExec", BOOL, A(allow_exec),
 .help = "Let the kubeconfig file run its credential program (users[].user.exec)."},
{.path = ACC "kinds", STRINGS, A(kinds),
 .help = "Kinds to stream, as deployment or Kind.group; by default those that Clouddriver "
         "caches, and all custom resources."},
{.path = ACC "omitKinds", STRINGS, A(omit_kinds),
 .help = "Kinds not to stream. It excludes kinds."},
{.path = ACC "namespaces", STRINGS, A(namespaces),
 .help = "Namespaces to stream, by default all; with the account's other lists at most 480 KB."},
{.path = ACC "omitNamespaces", STRINGS, A(omit_namespaces),
 .help = "Namespaces not to stream. It excludes namespaces."},
{.path = ACC "onlyNamespacedResources", BOOL, A(only_namespaced_resources),
 .help = "Touch nothing that is not in a namespace, for accounts whose rights end there. It "
         "needs namespaces, and customResourceDefinitions where custom resources are wanted."},
{.path = ACC "onlySpinnakerManaged", BOOL, A(only_spinnaker_managed),
 .help = "Stream only what Spinnaker deployed: objects with the annotation "
         "moniker.spinnaker.io/application."},
{.path = ACC "customResourceDefinitions", .type = SA_KEY_CRDS, A(crds),
 .help = "Custom resources, where the agent may not look them up (onlyNamespacedResources)."},
{.path = ACC "customResourceDefinitions[].kind", STRING, .help = "Kind.group of the resource."},
{.path = ACC "customResourceDefinitions[].scope", .type = SA_KEY_CHOICE,
 .choices = "Namespaced|Cluster", .preset = "Namespaced",
 .help = "Whether its objects are in namespaces."},
{.path = ACC "permissions", .type = SA_KEY_PERMISSIONS, A(permissions),
 .help = "Which roles may read, write and execute: a map, or a list of maps, from READ, WRITE or "
         "EXECUTE to a list of roles. Without it, everyone may."},
{.path = ACC "redact", STRINGS, A(redact), .help = "Paths of fields that never leave the agent."},
{.path = ACC "maxResumableResourceAgeMs", MS(7.0 * DAY_MS), A(max_resumable_resource_age_ms),
 .preset = "300000",
 .help = "How old the last known version of a resource may be for a watch to go on from it; past "
         "it the resource is listed. A running worker goes on from what is a minute old in any "
         "case."},
{.path = ACC "metrics", IGNORED, .help = "Pod metrics are not sent by this version."},
{.path = ACC "oAuthScopes", IGNORED,
 .help = "It belongs to the gcp auth provider, which Kubernetes removed in 1.26; use "
         "gke-gcloud-auth-plugin in the kubeconfig file, and allowExec."},
{.path = ACC "kubeconfigContents", REFUSED,
 .help = "Credentials do not belong in this file; write the kubeconfig to a file of its own and "
         "name it by kubeConfigFile."},
CLOUDDRIVERS("accountType", CD_DEPRECATED),
CLOUDDRIVERS("cacheAllApplicationRelationships", CD_ITSELF),
CLOUDDRIVERS("cacheIntervalSeconds", CD_POLLING),
CLOUDDRIVERS("cacheThreads", CD_POLLING),
CLOUDDRIVERS("cachingPolicies", CD_ITSELF),
CLOUDDRIVERS("checkPermissionsOnStartup",
             "Rights are seen from the API server's answers, and shown by status."),
CLOUDDRIVERS("configureImagePullSecrets", CD_DEPRECATED),
CLOUDDRIVERS("customResources", CD_ITSELF),
CLOUDDRIVERS("debug", "Use logging.level."),
CLOUDDRIVERS("dockerRegistries", CD_DEPRECATED),
CLOUDDRIVERS("environment", CD_ITSELF),
CLOUDDRIVERS("kubectlExecutable", "No kubectl is run."),
CLOUDDRIVERS("kubectlRequestTimeoutSeconds", "No kubectl is run; see timeoutSeconds."),
CLOUDDRIVERS("liveManifestCalls", CD_ITSELF),
CLOUDDRIVERS("namingStrategy", CD_ITSELF),
CLOUDDRIVERS("oAuthServiceAccount",
             "It belongs to the gcp auth provider, which Kubernetes removed in 1.26."),
CLOUDDRIVERS("providerVersion", CD_DEPRECATED),
CLOUDDRIVERS("rawResourcesEndpointConfig", CD_ITSELF),
CLOUDDRIVERS("requiredGroupMembership", CD_DEPRECATED " Use permissions."),
CLOUDDRIVERS("skin", CD_DEPRECATED),
CLOUDDRIVERS("spinnakerKindMap", CD_ITSELF),
{.path = "dynamicAccounts.enabled", IGNORED, .help = DYNAMIC},
{.path = "dynamicAccounts.interceptor.enabled", IGNORED, .help = DYNAMIC},
{.path = "dynamicAccounts.scanBatchSize", IGNORED, .help = DYNAMIC},
{.path = "dynamicAccounts.scanFrequencySeconds", IGNORED, .help = DYNAMIC},
{.path = "dynamicAccounts.namePatterns", IGNORED, .help = DYNAMIC},
{.path = "dynamicAccounts.credentialScanNamePatterns", IGNORED, .help = DYNAMIC},

/* processes */
{.path = "runtimeDir", STRING, W(runtime_dir), .preset = "/run/scale-agent",
 .help = "Directory of the sockets."},
{.path = "stateDir", STRING, W(state_dir), .preset = "/var/lib/scale-agent",
 .help = "Directory of what must outlive a restart."},
{.path = "user", STRING, W(user), .preset = "_scale-agent",
 .help = "User that the processes become, when the agent is started as root."},
{.path = "uidRange.first", INT(0, 4294967294.0), W(uid_range_first), .preset = "0",
 .help = "First of the user ids that workers get, each its own, when the agent is started as "
         "root."},
{.path = "uidRange.count", INT(0, 1000000), W(uid_range_count), .preset = "0",
 .help = "Number of these ids; 0: all workers become user."},
{.path = "controlGroup", STRING, W(control_group),
 .help = "Group that may use the control socket besides root and the agent's own user."},
{.path = "sandbox", .type = SA_KEY_CHOICE, .choices = "auto|required|off", W(sandbox),
 .preset = "auto",
 .help = "Confine the processes as far as the kernel can (auto), refuse to run where it can't in "
         "full (required), or do not (off, for diagnosis only)."},
{.path = "heartbeatTimeoutSeconds", SECONDS(2), W(heartbeat_timeout_s), .preset = "20",
 .help = "A process that shows no sign of life for this long is killed and started again."},
{.path = "rescanSeconds", SECONDS(1), W(rescan_s), .preset = "30",
 .help = "How often watched files are looked at even if the kernel reported no change."},
{.path = "restart.baseMs", .type = SA_KEY_INT, .unit = SA_UNIT_MS, .min = 1, .max = DAY_MS,
 W(restart_base_ms), .preset = "1000",
 .help = "Wait before the first restart; it doubles from one to the next."},
{.path = "restart.maxMs", .type = SA_KEY_INT, .unit = SA_UNIT_MS, .min = 1, .max = DAY_MS,
 W(restart_max_ms), .preset = "60000",
 .help = "Longest wait before a restart."},
{.path = "restart.healthySeconds", SECONDS(1), W(restart_healthy_s), .preset = "60",
 .help = "After this time without an end the wait is the first one again."},
{.path = "restart.intensity", INT(1, 100000), W(restart_intensity), .preset = "10",
 .help = "More restarts than this within restart.periodSeconds, and the account counts as failed."},
{.path = "restart.periodSeconds", SECONDS(1), W(restart_period_s), .preset = "300",
 .help = "The time of restart.intensity."},
{.path = "restart.failedRetrySeconds", SECONDS(1), W(failed_retry_s), .preset = "180",
 .help = "How often a failed account is tried again."},
{.path = "limits.workerMemory", SIZE(8e6), W(worker_memory_bytes), .preset = "64Mi",
 .help = "Memory that one account's worker may use."},
{.path = "limits.uplinkMemory", SIZE(16e6), W(uplink_memory_bytes), .preset = "1Gi",
 .help = "Memory that the uplink may use."},
{.path = "limits.objectSize", SIZE(1e5), COMMON(max_object_bytes), .preset = "8Mi",
 .help = "Largest object that is streamed; larger ones are reported and left out."},
{.path = "exec.concurrency", INT(1, 1000), W(exec_concurrency), .preset = "4",
 .help = "How many credential programs may run at once."},
{.path = "exec.env", STRINGS, COMMON(exec_env),
 .preset = "PATH,HOME,LANG,HTTPS_PROXY,HTTP_PROXY,NO_PROXY,AWS_REGION,AWS_DEFAULT_REGION,"
           "AWS_ROLE_ARN,AWS_WEB_IDENTITY_TOKEN_FILE,AWS_STS_REGIONAL_ENDPOINTS,"
           "GOOGLE_APPLICATION_CREDENTIALS,AZURE_CLIENT_ID,AZURE_TENANT_ID,"
           "AZURE_FEDERATED_TOKEN_FILE,AZURE_AUTHORITY_HOST",
 .help = "Names of the environment variables that credential programs see."},

/* observation */
{.path = "logging.level", .type = SA_KEY_CHOICE,
 .choices = "panic|fatal|error|warn|warning|info|debug|trace", W(log_level), .preset = "info",
 .help = "Least severity that is logged, in any case of letters."},
{.path = "logging.format", .type = SA_KEY_CHOICE_BOOL, .choices = "text|json", W(log_json),
 .preset = "text",
 .help = "A line of text or a JSON object for each record."},
{.path = "logging.file", STRING, W(log_file), .help = "File to log to, instead of standard error."},
{.path = "logging.multiWrite", BOOL, W(log_multi),
 .help = "Log to standard error as well as to the file."},
{.path = "logging.maxSizeMb", INT(0, 1000000), W(log_max_size_mb), .preset = "1",
 .help = "Size at which the file is rotated, in megabytes; 0: never."},
{.path = "logging.maxAgeDays", INT(0, 100000), W(log_max_age_days), .preset = "10",
 .help = "Age at which a rotated file is removed; 0: none."},
{.path = "logging.maxBackups", INT(0, 100000), W(log_max_backups), .preset = "10",
 .help = "Number of rotated files that are kept; 0: all."},
{.path = "logging.localTime", BOOL, W(log_local_time), .preset = "true",
 .help = "Local time instead of UTC."},
{.path = "logging.compress", BOOL, W(log_compress), .help = "Compress rotated files."},
{.path = "logging.fields", .type = SA_KEY_MAP, W(log_field_keys),
 .help = "Names and values added to each record. agentNamespace and agentCluster without a value "
         "are found out where the agent runs in Kubernetes."},
{.path = "prometheus.enabled", BOOL, W(prometheus_enabled), .help = "Serve metrics."},
{.path = "prometheus.port", INT(1, 65535), W(prometheus_port), .preset = "8008",
 .help = "Port of /metrics and /prometheus_metrics."},
{.path = "prometheus.host", STRING, W(prometheus_host),
 .help = "Address that metrics are served on; by default all, as a Prometheus elsewhere needs it."},
{.path = "server.host", STRING, W(server_host), .preset = "localhost",
 .help = "Address that health is served on. Probes of a kubelet need 0.0.0.0."},
{.path = "server.port", INT(0, 65535), W(server_port), .preset = "8082",
 .help = "Port of /health, /ready and the status page; 0: none."},
{.path = "server.tokenSha256", STRING, W(server_token_sha256),
 .help = "SHA-256, in hex, of the token that opens the status page where server.host is not this "
         "machine alone (as bearer token, or as password of any user name); without it the page is "
         "not served there. Take a long random token: its hash is no secret."},
{.path = "server.ssl", IGNORED,
 .help = "Health is served without TLS; it says nothing that is secret."},
{.path = "pprof.enabled", IGNORED,
 .help = "There is no Go runtime to profile; see scale-agentctl support-dump."},
{.path = "pprof.port", IGNORED, .help = "There is no Go runtime to profile."},

/* kubeconfig files in stores of secrets */
{.path = "secrets.refreshSeconds", SECONDS(10), COMMON(secrets_refresh_s), .preset = "300",
 .help = "How often a kubeconfig that is in a store of secrets is read again; another one restarts "
         "that account's worker. The moment is random within a tenth of the interval. It is read "
         "at once, too, when the API server no longer takes the credential."},
{.path = "secrets.sealKeyFile", STRING, COMMON(seal_key_file),
 .preset = "/etc/scale-agent/seal.key",
 .help = "Key of this host, made by scale-agentctl seal --init, that opens sealed kubeconfig "
         "files."},
{.path = "secrets.vault.enabled", BOOL, COMMON(vault_enabled), .preset = "true",
 .help = "Whether Vault, or OpenBao, may be asked."},
{.path = "secrets.vault.url", STRING, COMMON(vault_url),
 .help = "Address of Vault, as https://vault.example:8200."},
{.path = "secrets.vault.authMethod", .type = SA_KEY_CHOICE, .choices = "KUBERNETES|TOKEN|APPROLE",
 COMMON(vault_auth_method), .preset = "KUBERNETES",
 .help = "How to log in: by the pod's service account, by a token, or by an AppRole."},
{.path = "secrets.vault.role", STRING, COMMON(vault_role),
 .help = "Role of the KUBERNETES login."},
{.path = "secrets.vault.path", STRING, COMMON(vault_path),
 .help = "Where the login's method is mounted below auth/, by default kubernetes or approle."},
{.path = "secrets.vault.namespace", STRING, COMMON(vault_namespace),
 .help = "Namespace of Vault, for login and secrets."},
{.path = "secrets.vault.tokenFile", STRING, COMMON(vault_token_file),
 .help = "File with the token of the TOKEN login; by default the token is that of the environment "
         "variable VAULT_TOKEN."},
{.path = "secrets.vault.jwtFile", STRING, COMMON(vault_jwt_file),
 .preset = "/var/run/secrets/kubernetes.io/serviceaccount/token",
 .help = "File with the service account's token, for the KUBERNETES login."},
{.path = "secrets.vault.roleIdFile", STRING, COMMON(vault_role_id_file),
 .help = "File with the role_id of the APPROLE login."},
{.path = "secrets.vault.secretIdFile", STRING, COMMON(vault_secret_id_file),
 .help = "File with the secret_id of the APPROLE login."},
{.path = "secrets.vault.caFile", STRING, COMMON(vault_ca_file),
 .help = "Certificates (PEM) that Vault's must lead to; by default those of the system."},
{.path = "secrets.vault.token", REFUSED,
 .help = "A secret does not belong in this file; write the token to a file of its own and name it "
         "by secrets.vault.tokenFile."},
{.path = "secrets.vault.username", REFUSED, .help = VAULT_LOGIN},
{.path = "secrets.vault.password", REFUSED, .help = VAULT_LOGIN},
{.path = "secrets.vault.userAuthPath", REFUSED, .help = VAULT_LOGIN},

/* worked out by the config reader, for the children */
{.path = "account.startDelayMs", DERIVED, MS(1e15), A(start_delay_ms)},
{.path = "account.workerMemory", DERIVED, SIZE(0), A(worker_memory_bytes)},
{.path = "account.sandbox", DERIVED, STRING, A(sandbox)},
};
/* clang-format on */
const size_t sa_n_keys = sizeof sa_keys / sizeof sa_keys[0];
