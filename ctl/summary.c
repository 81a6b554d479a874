/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/summary.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const cJSON *at(const cJSON *o, const char *a, const char *b)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, a), b);
}

/* Appends text to a field, behind a comma if there is something, as far as it fits. */
static void append(char *field, size_t size, const char *text)
{
    size_t n = strlen(field);
    if (text[0] != '\0' && n + 1 < size)
        snprintf(field + n, size - n, "%s%s", n == 0 ? "" : ",", text);
}

static void add_images(const cJSON *pod_spec, struct sa_summary *out)
{
    const cJSON *c;
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(pod_spec, "containers"))
        append(out->detail, sizeof out->detail, sa_cli_string(c, "image"));
}

static void pod(const cJSON *o, struct sa_summary *out)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(o, "status");
    const char *phase = sa_cli_string(status, "phase");
    bool going = at(o, "metadata", "deletionTimestamp") != NULL;
    append(out->status, sizeof out->status, going ? "Terminating" : phase);
    append(out->detail, sizeof out->detail, sa_cli_string(status, "podIP"));
    append(out->detail, sizeof out->detail,
           sa_cli_string(cJSON_GetObjectItemCaseSensitive(o, "spec"), "nodeName"));
    add_images(cJSON_GetObjectItemCaseSensitive(o, "spec"), out);
}

/* Deployment, ReplicaSet, StatefulSet: ready of wanted, which is 1 where it is not said. */
static void replicated(const cJSON *o, struct sa_summary *out)
{
    const cJSON *wanted = at(o, "spec", "replicas");
    snprintf(out->status, sizeof out->status, "%.0f/%.0f",
             sa_cli_num(cJSON_GetObjectItemCaseSensitive(o, "status"), "readyReplicas"),
             cJSON_IsNumber(wanted) ? wanted->valuedouble : 1);
    add_images(at(cJSON_GetObjectItemCaseSensitive(o, "spec"), "template", "spec"), out);
}

static void daemon_set(const cJSON *o, struct sa_summary *out)
{
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(o, "status");
    snprintf(out->status, sizeof out->status, "%.0f/%.0f", sa_cli_num(status, "numberReady"),
             sa_cli_num(status, "desiredNumberScheduled"));
    add_images(at(cJSON_GetObjectItemCaseSensitive(o, "spec"), "template", "spec"), out);
}

static void service(const cJSON *o, struct sa_summary *out)
{
    const cJSON *spec = cJSON_GetObjectItemCaseSensitive(o, "spec");
    append(out->status, sizeof out->status, sa_cli_string(spec, "type"));
    append(out->detail, sizeof out->detail, sa_cli_string(spec, "clusterIP"));
}

static void job(const cJSON *o, struct sa_summary *out)
{
    const cJSON *wanted = at(o, "spec", "completions");
    snprintf(out->status, sizeof out->status, "%.0f/%.0f",
             sa_cli_num(cJSON_GetObjectItemCaseSensitive(o, "status"), "succeeded"),
             cJSON_IsNumber(wanted) ? wanted->valuedouble : 1);
    add_images(at(cJSON_GetObjectItemCaseSensitive(o, "spec"), "template", "spec"), out);
}

/* Namespaces, volumes and much else have a phase. */
static void phase(const cJSON *o, struct sa_summary *out)
{
    append(out->status, sizeof out->status,
           sa_cli_string(cJSON_GetObjectItemCaseSensitive(o, "status"), "phase"));
}

static const struct {
    const char *kind;
    void (*summarise)(const cJSON *o, struct sa_summary *out);
} kinds[] = {
    {"Pod", pod},
    {"Deployment", replicated},
    {"ReplicaSet", replicated},
    {"StatefulSet", replicated},
    {"DaemonSet", daemon_set},
    {"Service", service},
    {"Job", job},
};

static void set_age(const cJSON *o, double now, struct sa_summary *out)
{
    const cJSON *created = at(o, "metadata", "creationTimestamp");
    struct tm tm = {0};
    if (cJSON_IsString(created) &&
        strptime(created->valuestring, "%Y-%m-%dT%H:%M:%SZ", &tm) != NULL)
        sa_format_age(now - (double)timegm(&tm), out->age, sizeof out->age);
}

void sa_summarise(const cJSON *object, double now, struct sa_summary *out)
{
    const char *kind = sa_cli_string(object, "kind");
    void (*summarise)(const cJSON *, struct sa_summary *) = phase;
    *out = (struct sa_summary){{0}, {0}, {0}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].kind, kind) == 0)
            summarise = kinds[i].summarise;
    }
    summarise(object, out);
    set_age(object, now, out);
    append(out->status, sizeof out->status, out->status[0] == '\0' ? "-" : "");
    append(out->age, sizeof out->age, out->age[0] == '\0' ? "-" : "");
    append(out->detail, sizeof out->detail, out->detail[0] == '\0' ? "-" : "");
}
