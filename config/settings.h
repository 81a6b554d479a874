/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effective settings, as the processes use them. They are made by the config reader from the files
 * and travel to each child as JSON (sa_settings_to_json, sa_account_to_json) that holds no secret;
 * a child makes the structs below from it again. The fields correspond one to one to the table of
 * keys in config/keys.h: name, type, default, range and help of each key stand there and only
 * there.
 */
#ifndef SA_CONFIG_SETTINGS_H
#define SA_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct sa_strings {
    char **v; /* n owned strings */
    size_t n;
};

struct sa_permission {
    char *permission;        /* "READ", "WRITE", "EXECUTE" */
    struct sa_strings roles; /* trimmed */
};

struct sa_crd_setting {
    char *kind; /* "Kind.group" */
    bool cluster_scoped;
};

/* kubernetes.accounts[] */
struct sa_account {
    char *name;
    char *kubeconfig_file; /* NULL: none; or a reference (config/secret_ref.h) */
    char *context;         /* NULL: the kubeconfig's current-context */
    bool service_account, insecure, no_proxy, allow_exec;
    bool only_namespaced_resources, only_spinnaker_managed;
    struct sa_strings kinds, omit_kinds, namespaces, omit_namespaces;
    struct sa_crd_setting *crds;
    size_t n_crds;
    struct sa_permission *permissions;
    size_t n_permissions;
    struct sa_strings redact; /* paths of fields that never leave:
                                 "spec.template.spec.containers[].env[].value" */
    int64_t max_resumable_resource_age_ms;
    /* from the agent-wide part, copied so that a worker needs nothing else */
    /* secrets.*: where kubeconfig files that are references come from; nothing secret */
    bool vault_enabled;
    char *vault_url, *vault_auth_method, *vault_role, *vault_path, *vault_namespace;
    char *vault_token_file, *vault_jwt_file, *vault_role_id_file, *vault_secret_id_file;
    char *vault_ca_file;
    char *seal_key_file;          /* opens sealed kubeconfig files */
    int64_t secrets_refresh_s;    /* how often a reference is read again */
    struct sa_strings exec_env;   /* names of environment variables that exec plugins may see */
    int64_t timeout_seconds;      /* of requests but watches and lists, 0: none */
    int64_t audit_interval_s;     /* slow list of every scope against what is known */
    int64_t forbidden_evict_s;    /* a lasting 403 empties a scope after this time */
    int64_t reconnect_timeout_ms; /* longest wait for an API server that can't be reached */
    int64_t budget_per_account;   /* lists at once; tasks.budgetPerAccount */
    int64_t start_delay_ms;       /* from cacheGroupSize and cacheGroupDelayMs */
    int64_t flush_ms;             /* longest wait of an event for others to go with it */
    int64_t max_object_bytes;
    int64_t requests_per_second; /* cap on requests to one API server */
    int64_t worker_memory_bytes; /* limit of a worker */
    char *sandbox;               /* "required", "auto", "off" */
    /* of operations: kubernetes.retries.*, and whether a Secret may be in a result */
    bool retries_enabled, retry_any_error, secrets_never;
    int64_t max_retries, retry_backoff_ms;
    /* kubernetes.serverSideApply: "allowed", "always" or "never" each; and by kind, as text of four
     * words: "Deployment always allowed never" (or "Deployment.apps ...") */
    char *ssa_enabled, *ssa_clear_managed_fields, *ssa_manifest_defaults;
    struct sa_strings ssa_kinds;
    struct sa_strings retryable_errors;
};

enum sa_sink_kind { SA_SINK_SQLITE, SA_SINK_GRPC, SA_SINK_JSONL };

/* clouddriver.*: for the uplink. The secrets in it are read by the uplink itself. */
struct sa_clouddriver {
    char *grpc;    /* host:port */
    bool insecure; /* plain text HTTP/2 */
    bool no_proxy, allow_plaintext_token;
    char *token; /* secret: NULL in settings that came by JSON */
    char *token_command;
    struct sa_strings token_args;
    char *token_format;
    int64_t token_refresh_s;
    int64_t backoff_base_ns, backoff_max_ns;
    double backoff_multiplier, backoff_jitter;
    int64_t heartbeat_s, timeout_s; /* keepAlive*Seconds */
    char *tls_server_name, *tls_client_cert_file, *tls_client_key_file, *tls_cacert_file;
    char *tls_client_key_password; /* secret, as token */
    bool tls_insecure_skip_verify;
};

struct sa_settings {
    char *agent_id, *zone_id; /* NULL: derived from the host name; "" */
    enum sa_sink_kind sink;
    char *sqlite_file, *jsonl_file; /* jsonl "-" is standard output */
    struct sa_clouddriver clouddriver;
    /* processes */
    char *runtime_dir, *state_dir;
    char *sandbox;
    char *user;                               /* that children become when started as root */
    int64_t uid_range_first, uid_range_count; /* a uid for each worker; count 0: all become user */
    char *control_group; /* group that may use the control socket; NULL: root only */
    int64_t restart_base_ms, restart_max_ms, restart_healthy_s;
    int64_t restart_intensity, restart_period_s, failed_retry_s;
    int64_t heartbeat_timeout_s;
    int64_t worker_memory_bytes, uplink_memory_bytes;
    int64_t exec_concurrency;
    int64_t rescan_s;          /* slow rescan of the watched directories */
    int64_t start_concurrency; /* tasks.totalBudget: workers in their first lists at once */
    /* logging.* */
    char *log_file;
    bool log_json, log_multi, log_local_time, log_compress;
    char *log_level;
    int64_t log_max_size_mb, log_max_age_days, log_max_backups;
    char **log_field_keys, **log_field_values;
    size_t n_log_fields;
    /* prometheus.*, server.* */
    bool prometheus_enabled;
    int64_t prometheus_port;
    char *prometheus_host; /* NULL: all addresses */
    char *server_host;
    int64_t server_port;
    char *server_token_sha256;

    struct sa_account *accounts; /* n_accounts; empty in what travels to a child */
    size_t n_accounts;
};

void sa_settings_free(struct sa_settings *s);
void sa_account_free(struct sa_account *a); /* its contents, not a itself */

/* JSON without secrets, by the names of the table of keys; *out is owned by the caller. */
int sa_settings_to_json(const struct sa_settings *s, char **out, struct sa_err **err);
int sa_account_to_json(const struct sa_account *a, char **out, struct sa_err **err);
/* The other way, in a child. */
int sa_settings_from_json(const char *json, struct sa_settings *out, struct sa_err **err);
int sa_account_from_json(const char *json, struct sa_account *out, struct sa_err **err);

#endif
