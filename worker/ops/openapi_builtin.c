/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How Kubernetes' own kinds are merged, by the patchStrategy and patchMergeKey of their Go types
 * (k8s.io/api), for API servers whose OpenAPI documents can't be had. Status is left out: who
 * applies a manifest does not change it.
 */
#include <string.h>

#include "worker/ops/openapi_internal.h"

#define BUILTIN_MEMORY ((size_t)1 << 20)

struct row {
    const char *type, *field;
    const char *of;  /* the type of the field, or of its elements; "" none of these */
    const char *key; /* "" none */
    const char *strategy;
};
/* clang-format off */
static const struct row rows[] = {
    {"ObjectMeta", "finalizers", "", "", "merge"},
    {"ObjectMeta", "ownerReferences", "", "uid", "merge"},
    {"MutatingAdmissionPolicy", "spec", "Webhook", "", ""},
    {"ValidatingAdmissionPolicy", "spec", "ValidatingAdmissionPolicySpec", "", ""},
    {"ValidatingAdmissionPolicySpec", "matchConditions", "", "name", "merge"},
    {"ValidatingAdmissionPolicySpec", "variables", "", "name", "merge"},
    {"MutatingWebhookConfiguration", "webhooks", "Webhook", "name", "merge"},
    {"ValidatingWebhookConfiguration", "webhooks", "Webhook", "name", "merge"},
    {"Webhook", "matchConditions", "", "name", "merge"},
    {"DaemonSet", "spec", "WorkloadSpec", "", ""},
    {"Deployment", "spec", "DeploymentSpec", "", ""},
    {"DeploymentSpec", "strategy", "", "", "retainKeys"},
    {"DeploymentSpec", "template", "PodTemplateSpec", "", ""},
    {"ReplicaSet", "spec", "WorkloadSpec", "", ""},
    {"ReplicationController", "spec", "WorkloadSpec", "", ""},
    {"StatefulSet", "spec", "WorkloadSpec", "", ""},
    {"Job", "spec", "WorkloadSpec", "", ""},
    {"CronJob", "spec", "CronJobSpec", "", ""},
    {"CronJobSpec", "jobTemplate", "JobTemplateSpec", "", ""},
    {"JobTemplateSpec", "metadata", "ObjectMeta", "", ""},
    {"JobTemplateSpec", "spec", "WorkloadSpec", "", ""},
    {"WorkloadSpec", "template", "PodTemplateSpec", "", ""},
    {"PodTemplate", "template", "PodTemplateSpec", "", ""},
    {"PodTemplateSpec", "metadata", "ObjectMeta", "", ""},
    {"PodTemplateSpec", "spec", "PodSpec", "", ""},
    {"Pod", "spec", "PodSpec", "", ""},
    {"PodSpec", "containers", "Container", "name", "merge"},
    {"PodSpec", "initContainers", "Container", "name", "merge"},
    {"PodSpec", "ephemeralContainers", "Container", "name", "merge"},
    {"PodSpec", "hostAliases", "", "ip", "merge"},
    {"PodSpec", "imagePullSecrets", "", "name", "merge"},
    {"PodSpec", "resourceClaims", "", "name", "merge,retainKeys"},
    {"PodSpec", "schedulingGates", "", "name", "merge"},
    {"PodSpec", "topologySpreadConstraints", "", "topologyKey", "merge"},
    {"PodSpec", "volumes", "Volume", "name", "merge,retainKeys"},
    {"Container", "env", "", "name", "merge"},
    {"Container", "ports", "", "containerPort", "merge"},
    {"Container", "volumeDevices", "", "devicePath", "merge"},
    {"Container", "volumeMounts", "", "mountPath", "merge"},
    {"Volume", "ephemeral", "EphemeralVolumeSource", "", ""},
    {"EphemeralVolumeSource", "volumeClaimTemplate", "ClaimTemplate", "", ""},
    {"ClaimTemplate", "metadata", "ObjectMeta", "", ""},
    {"ResourceClaimTemplate", "spec", "ClaimTemplate", "", ""},
    {"Node", "spec", "NodeSpec", "", ""},
    {"NodeSpec", "podCIDRs", "", "", "merge"},
    {"Service", "spec", "ServiceSpec", "", ""},
    {"ServiceSpec", "ports", "", "port", "merge"},
    {"ServiceAccount", "secrets", "", "name", "merge"},
    {"PodDisruptionBudget", "spec", "PodDisruptionBudgetSpec", "", ""},
    {"PodDisruptionBudgetSpec", "selector", "", "", "replace"},
    {"CSINode", "spec", "CSINodeSpec", "", ""},
    {"CSINodeSpec", "drivers", "", "name", "merge"},
};
/* clang-format on */
#define N_ROWS (sizeof rows / sizeof *rows)

/* Of client-go's scheme, which is what kubectl knows. */
static bool is_builtin(const char *api_version)
{
    static const char *const groups[] = {"admissionregistration.k8s.io",
                                         "apps",
                                         "authentication.k8s.io",
                                         "authorization.k8s.io",
                                         "autoscaling",
                                         "batch",
                                         "certificates.k8s.io",
                                         "coordination.k8s.io",
                                         "discovery.k8s.io",
                                         "events.k8s.io",
                                         "extensions",
                                         "flowcontrol.apiserver.k8s.io",
                                         "networking.k8s.io",
                                         "node.k8s.io",
                                         "policy",
                                         "rbac.authorization.k8s.io",
                                         "resource.k8s.io",
                                         "scheduling.k8s.io",
                                         "storage.k8s.io"};
    const char *slash = strchr(api_version, '/');
    if (slash == NULL) {
        return true;
    }
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        size_t n = strlen(groups[i]);
        if (n == (size_t)(slash - api_version) && memcmp(api_version, groups[i], n) == 0) {
            return true;
        }
    }
    return false;
}

static int set_text(struct sa_arena *a, struct sa_val *map, const char *name, const char *text)
{
    return text[0] == '\0' ? 0 : sa_val_set(a, map, name, sa_val_text(a, text));
}

static int add_field(struct sa_arena *a, struct sa_val *properties, const struct row *row)
{
    struct sa_val *field = sa_val_submap(a, properties, row->field);
    return field == NULL || set_text(a, field, "$ref", row->of) != 0 ||
                   set_text(a, field, "x-kubernetes-patch-merge-key", row->key) != 0 ||
                   set_text(a, field, "x-kubernetes-patch-strategy", row->strategy) != 0
               ? -1
               : 0;
}

/* One type as an OpenAPI schema; the kind's own has metadata beside what its rows say. */
static int add_type(struct sa_compile *c, const char *type, bool root, struct sa_err **err)
{
    static const struct row metadata = {"", "metadata", "ObjectMeta", "", ""};
    SA_CLEANUP(sa_arena_free) struct sa_arena a = {0};
    sa_arena_init(&a, BUILTIN_MEMORY);
    struct sa_val *schema = sa_val_new(&a, SA_VAL_MAP);
    struct sa_val *properties = schema != NULL ? sa_val_submap(&a, schema, "properties") : NULL;
    int r = properties == NULL || (root && add_field(&a, properties, &metadata) != 0) ? -1 : 0;
    for (size_t i = 0; i < N_ROWS && r == 0; i++) {
        if (strcmp(rows[i].type, type) == 0) {
            r = add_field(&a, properties, &rows[i]);
        }
    }
    return r != 0 ? sa_val_no_memory(&a, "the schema of a kind", err)
                  : sa_compile_schema(c, type, schema, root, err);
}

static int add_types(struct sa_compile *c, const char *kind, struct sa_err **err)
{
    if (add_type(c, kind, true, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < N_ROWS; i++) { /* the rows of a type follow each other */
        bool first = i == 0 || strcmp(rows[i].type, rows[i - 1].type) != 0;
        if (first && strcmp(rows[i].type, kind) != 0 &&
            add_type(c, rows[i].type, false, err) != 0) {
            return -1;
        }
    }
    return 0;
}

int sa_schema_builtin(const char *api_version, const char *kind, struct sa_schema **schema,
                      struct sa_err **err)
{
    struct sa_compile c;
    *schema = NULL;
    if (!is_builtin(api_version)) {
        return 0;
    }
    int r = sa_compile_init(&c, err);
    if (r == 0) {
        r = add_types(&c, kind, err);
    }
    if (r == 0) {
        r = sa_compile_finish(&c, schema, err);
    }
    sa_compile_free(&c);
    if (r == 0) {
        (*schema)->partial = true;
    }
    return r;
}
