/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/metrics.h"

#include <stdio.h>
#include <string.h>

#include "exporter/field.h"
#include "ipc/slot.h"

static void head(struct sa_buf *b, const char *name, const char *kind, const char *help)
{
    sa_buf_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

static void add_value(struct sa_buf *b, double v)
{
    sa_buf_addf(b, " %.17g\n", v);
}

/* key="value", with the value escaped as the format wants it. */
static void label(struct sa_buf *b, const char *key, const char *value)
{
    sa_buf_adds(b, key);
    sa_buf_adds(b, "=\"");
    for (; *value; value++) {
        if (*value == '\n')
            sa_buf_adds(b, "\\n");
        else if (*value == '\\' || *value == '"')
            sa_buf_addf(b, "\\%c", *value);
        else
            sa_buf_addc(b, *value);
    }
    sa_buf_addc(b, '"');
}

static void single(struct sa_buf *b, const char *name, const char *kind, const char *help, double v)
{
    head(b, name, kind, help);
    sa_buf_adds(b, name);
    add_value(b, v);
}

static double sum(const cJSON *accounts, const char *name)
{
    const cJSON *a;
    double total = 0;

    cJSON_ArrayForEach(a, accounts) total += sa_field_number(a, name);
    return total;
}

/* Prometheus counts time in seconds: the metric's name for a field, and what its values are
 * multiplied with. */
static double base_unit(const char *field, char *name, size_t n)
{
    static const char micro[] = "microseconds";
    size_t len = strlen(field), tail = sizeof(micro) - 1;

    if (len < tail || strcmp(field + len - tail, micro) != 0) {
        snprintf(name, n, "%s", field);
        return 1;
    }
    snprintf(name, n, "%.*sseconds", (int)(len - tail), field);
    return 1e-6;
}

/* Of each account, from the table that workers fill; the uplink's own under another prefix. */
static void write_counters(const cJSON *accounts, const cJSON *uplink, struct sa_buf *b)
{
    static const struct {
        const char *name, *kind, *help;
    } counters[] = {
#define X(field, kind, name, help) {name, #kind, help},
        SA_COUNTER_TABLE(X)
#undef X
    };
    const cJSON *a;

    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        const char *field = counters[i].name, *help = counters[i].help, *kind = counters[i].kind;
        char name[64];
        double scale = base_unit(field, name, sizeof(name));

        sa_buf_addf(b, "# HELP scale_agent_%s %s\n# TYPE scale_agent_%s %s\n", name, help, name,
                    kind);
        cJSON_ArrayForEach(a, accounts)
        {
            sa_buf_addf(b, "scale_agent_%s{", name);
            label(b, "account", sa_field_text(a, "name"));
            sa_buf_addc(b, '}');
            add_value(b, sa_field_number(a, field) * scale);
        }
        sa_buf_addf(b,
                    "# HELP scale_agent_uplink_%s of the uplink: %s\n"
                    "# TYPE scale_agent_uplink_%s %s\nscale_agent_uplink_%s",
                    name, help, name, kind, name);
        add_value(b, sa_field_number(uplink, field) * scale);
    }
}

/* verb and result are words of ours: nothing in them is to be escaped. */
static void write_results(const char *account, const cJSON *verb, struct sa_buf *b)
{
    const cJSON *r;

    cJSON_ArrayForEach(r, sa_field(verb, "results"))
    {
        sa_buf_adds(b, "scale_agent_operations_total{");
        label(b, "account", account);
        sa_buf_addf(b, ",verb=\"%s\",result=\"%s\"}", verb->string, r->string);
        add_value(b, r->valuedouble);
    }
}

static void bucket(const char *account, const char *verb, const char *bound, double n,
                   struct sa_buf *b)
{
    sa_buf_adds(b, "scale_agent_operation_duration_seconds_bucket{");
    label(b, "account", account);
    sa_buf_addf(b, ",verb=\"%s\",le=\"%s\"}", verb, bound);
    add_value(b, n);
}

static void write_durations(const char *account, const cJSON *verb, struct sa_buf *b)
{
    static const char *const bounds[] = {
#define X(ms, text) text,
        SA_DURATION_TABLE(X)
#undef X
    };
    const cJSON *within = sa_field(verb, "within"), *v = within ? within->child : NULL, *r;
    double n = 0, all = 0;

    cJSON_ArrayForEach(r, sa_field(verb, "results")) all += r->valuedouble;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        n += v ? v->valuedouble : 0;
        v = v ? v->next : NULL;
        bucket(account, verb->string, bounds[i], n, b);
    }
    bucket(account, verb->string, "+Inf", all, b);
    sa_buf_adds(b, "scale_agent_operation_duration_seconds_sum{");
    label(b, "account", account);
    sa_buf_addf(b, ",verb=\"%s\"}", verb->string);
    add_value(b, sa_field_number(verb, "sum_us") * 1e-6);
    sa_buf_adds(b, "scale_agent_operation_duration_seconds_count{");
    label(b, "account", account);
    sa_buf_addf(b, ",verb=\"%s\"}", verb->string);
    add_value(b, all);
}

static void write_operations(const cJSON *accounts, struct sa_buf *b)
{
    const cJSON *a, *verb;

    head(b, "scale_agent_operations_total", "counter", "operations that ended, by verb and result");
    cJSON_ArrayForEach(a, accounts)
    {
        cJSON_ArrayForEach(verb, sa_field(a, "operations"))
            write_results(sa_field_text(a, "name"), verb, b);
    }
    head(b, "scale_agent_operation_duration_seconds", "histogram",
         "time from an operation's arrival to its result, by verb");
    cJSON_ArrayForEach(a, accounts)
    {
        cJSON_ArrayForEach(verb, sa_field(a, "operations"))
            write_durations(sa_field_text(a, "name"), verb, b);
    }
}

static void write_states(const cJSON *accounts, struct sa_buf *b)
{
    const cJSON *a;

    head(b, "scale_agent_account_state", "gauge", "1 for the state that the account is in");
    cJSON_ArrayForEach(a, accounts)
    {
        sa_buf_adds(b, "scale_agent_account_state{");
        label(b, "account", sa_field_text(a, "name"));
        sa_buf_addc(b, ',');
        label(b, "state", sa_field_text(a, "state"));
        sa_buf_adds(b, "} 1\n");
    }
}

/* One line for each process: the accounts' workers, then uplink and exporter. */
struct process_metric {
    const char *name, *kind, *help, *source;
    double scale;
};

static void write_process(const struct process_metric *m, const cJSON *p, const char *role,
                          const char *account, struct sa_buf *b)
{
    if (!p)
        return;
    sa_buf_addf(b, "%s{role=\"%s\",", m->name, role);
    label(b, "account", account);
    sa_buf_addc(b, '}');
    add_value(b, sa_field_number(p, m->source) * m->scale);
}

static void write_processes(const cJSON *agent, const cJSON *accounts, struct sa_buf *b)
{
    static const struct process_metric metrics[] = {
        {"scale_agent_restarts_total", "counter", "processes started after the first", "restarts",
         1},
        {"scale_agent_process_memory_bytes", "gauge", "resident memory of the process",
         "memory_bytes", 1},
        {"scale_agent_process_cpu_seconds_total", "counter",
         "processor time of the present process", "cpu_us", 1e-6},
        {"scale_agent_process_uptime_seconds", "gauge", "age of the process", "uptime_s", 1},
    };
    const cJSON *a;

    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        head(b, metrics[i].name, metrics[i].kind, metrics[i].help);
        cJSON_ArrayForEach(a, accounts)
            write_process(&metrics[i], a, "worker", sa_field_text(a, "name"), b);
        write_process(&metrics[i], sa_field(agent, "uplink"), "uplink", "", b);
        write_process(&metrics[i], sa_field(agent, "exporter"), "exporter", "", b);
    }
}

static void write_ends_of(const cJSON *p, const char *role, const char *account, struct sa_buf *b)
{
    const cJSON *e;

    cJSON_ArrayForEach(e, sa_field(p, "ends"))
    {
        sa_buf_addf(b, "scale_agent_process_ends_total{role=\"%s\",", role);
        label(b, "account", account);
        sa_buf_addc(b, ',');
        label(b, "reason", e->string);
        sa_buf_addc(b, '}');
        add_value(b, e->valuedouble);
    }
}

static void write_ends(const cJSON *agent, const cJSON *accounts, struct sa_buf *b)
{
    const cJSON *a;

    head(b, "scale_agent_process_ends_total", "counter", "ends of processes by reason");
    cJSON_ArrayForEach(a, accounts) write_ends_of(a, "worker", sa_field_text(a, "name"), b);
    write_ends_of(sa_field(agent, "uplink"), "uplink", "", b);
    write_ends_of(sa_field(agent, "exporter"), "exporter", "", b);
}

static void write_agent(const cJSON *agent, const cJSON *accounts, struct sa_buf *b)
{
    const cJSON *config = sa_field(agent, "config");

    head(b, "scale_agent_info", "gauge", "1; what runs");
    sa_buf_adds(b, "scale_agent_info{");
    label(b, "version", sa_field_text(agent, "version"));
    sa_buf_addc(b, ',');
    label(b, "agent_id", sa_field_text(agent, "agent_id"));
    sa_buf_addc(b, ',');
    label(b, "sink", sa_field_text(agent, "sink"));
    sa_buf_adds(b, "} 1\n");
    single(b, "scale_agent_accounts", "gauge", "accounts configured", cJSON_GetArraySize(accounts));
    single(b, "scale_agent_config_valid", "gauge", "1 while the configuration on disk is valid",
           sa_field_number(config, "valid"));
    single(b, "scale_agent_config_failed_reloads_total", "counter",
           "readings of a configuration that was not valid",
           sa_field_number(config, "failed_reloads"));
    single(b, "scale_agent_config_loaded_timestamp_seconds", "gauge",
           "when the configuration in force was loaded", sa_field_number(config, "loaded_at"));
}

/* By the names that dashboards made for Armory's agent use. */
static void write_armory(const cJSON *uplink, const cJSON *accounts, struct sa_buf *b)
{
    single(b, "kubesvc_connection_count", "counter", "Number of connections.",
           sa_field_number(uplink, "connections_total"));
    single(b, "kubesvc_disconnection_total", "counter", "Number of disconnections.",
           sa_field_number(uplink, "disconnections_total"));
    single(b, "kubesvc_events_bytes_sent_total", "counter",
           "Amount of data sent by caching events.", sum(accounts, "delta_bytes_total"));
    single(b, "kubesvc_events_sent_total", "counter", "Number of caching events sent.",
           sum(accounts, "deltas_total"));
    single(b, "kubesvc_resource_agent_total", "counter", "Number of watched/polled resources.",
           sum(accounts, "watches"));
}

/* The usual process_ names, by role: that of many workers is their sum. */
static void write_roles(const cJSON *agent, const cJSON *accounts, struct sa_buf *b)
{
    static const struct process_metric metrics[] = {
        {"process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
         "cpu_us", 1e-6},
        {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.", "memory_bytes",
         1},
        {"process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", "virtual_bytes",
         1},
    };

    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        const struct process_metric *m = &metrics[i];

        head(b, m->name, m->kind, m->help);
        sa_buf_addf(b, "%s{role=\"supervisor\"}", m->name);
        add_value(b, sa_field_number(agent, m->source) * m->scale);
        sa_buf_addf(b, "%s{role=\"uplink\"}", m->name);
        add_value(b, sa_field_number(sa_field(agent, "uplink"), m->source) * m->scale);
        sa_buf_addf(b, "%s{role=\"worker\"}", m->name);
        add_value(b, sum(accounts, m->source) * m->scale);
    }
    single(b, "process_virtual_memory_max_bytes", "gauge",
           "Maximum amount of virtual memory available in bytes (to the supervisor).",
           sa_field_number(agent, "max_virtual_bytes"));
    single(b, "process_open_fds", "gauge", "Number of open file descriptors (of the supervisor).",
           sa_field_number(agent, "open_files"));
    single(b, "process_max_fds", "gauge",
           "Maximum number of open file descriptors (of the supervisor).",
           sa_field_number(agent, "max_files"));
    single(b, "process_start_time_seconds", "gauge",
           "Start time of the supervisor since unix epoch in seconds.",
           sa_field_number(agent, "started_at"));
}

void sa_metrics_write(const cJSON *status, struct sa_buf *out)
{
    const cJSON *agent = sa_field(status, "agent"), *accounts = sa_field(status, "accounts");

    write_agent(agent, accounts, out);
    write_states(accounts, out);
    write_counters(accounts, sa_field(agent, "uplink"), out);
    write_operations(accounts, out);
    write_processes(agent, accounts, out);
    write_ends(agent, accounts, out);
    write_armory(sa_field(agent, "uplink"), accounts, out);
    write_roles(agent, accounts, out);
}

bool sa_metrics_ready(const cJSON *status, const char **why)
{
    const cJSON *agent = sa_field(status, "agent"), *uplink = sa_field(agent, "uplink");

    *why = "ready";
    if (cJSON_IsTrue(sa_field(agent, "stopping")))
        *why = "stopping";
    else if (strcmp(sa_field_text(uplink, "process"), "running") != 0)
        *why = "the uplink does not run";
    else if (strcmp(sa_field_text(agent, "sink"), "grpc") == 0 &&
             sa_field_number(uplink, "connected") < 1)
        *why = "not connected to Spinnaker";
    else
        return true;
    return false;
}
