/* SPDX-License-Identifier: Apache-2.0 */
/* status and accounts: what the daemon says of itself, as tables. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ctl/cli.h"

#define MAX_ERROR 160 /* characters of the last error in a table */

/* X(state, needs attention, tone), by ipc/slot.h and the supervisor's own. */
static const struct {
    const char *state;
    bool degraded;
    enum sa_tone tone;
} states[] = {
    {"starting", false, SA_TONE_WARN},    {"connecting", true, SA_TONE_BAD},
    {"discovering", false, SA_TONE_WARN}, {"syncing", false, SA_TONE_WARN},
    {"streaming", false, SA_TONE_GOOD},   {"degraded", true, SA_TONE_BAD},
    {"waiting", true, SA_TONE_WARN},      {"standby", false, SA_TONE_PLAIN},
    {"paused", false, SA_TONE_DIM},       {"backoff", true, SA_TONE_BAD},
    {"failed", true, SA_TONE_BAD},        {"stopping", false, SA_TONE_DIM},
};

static bool is_degraded(const char *state)
{
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(states[i].state, state) == 0)
            return states[i].degraded;
    }
    return true; /* a state that we do not know */
}

static enum sa_tone tone_of(const char *state)
{
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(states[i].state, state) == 0)
            return states[i].tone;
    }
    return SA_TONE_PLAIN;
}

bool sa_status_degraded(const cJSON *status)
{
    const cJSON *agent = cJSON_GetObjectItemCaseSensitive(status, "agent"), *a;
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(agent, "config");
    if (!sa_cli_true(config, "valid"))
        return true;
    cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(status, "accounts"))
    {
        if (is_degraded(sa_cli_string(a, "state")))
            return true;
    }
    return false;
}

static void head_uplink(const cJSON *agent, struct sa_buf *out)
{
    const cJSON *uplink = cJSON_GetObjectItemCaseSensitive(agent, "uplink");
    char age[32];
    sa_buf_addf(out, "uplink: %s %s", sa_cli_string(agent, "sink"), sa_cli_string(uplink, "state"));
    if (sa_cli_string(uplink, "server")[0] != '\0')
        sa_buf_addf(out, ", %s", sa_cli_string(uplink, "server"));
    if (sa_cli_string(uplink, "last_error")[0] != '\0') {
        sa_format_age(sa_cli_num(uplink, "last_error_age_s"), age, sizeof age);
        sa_buf_addf(out, "; %s (%s ago)", sa_cli_string(uplink, "last_error"), age);
    }
    sa_buf_addc(out, '\n');
}

static void head_config(const cJSON *agent, bool colour, struct sa_buf *out)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(agent, "config"), *p;
    bool valid = sa_cli_true(config, "valid");
    if (!valid)
        sa_buf_addf(out, "%sconfiguration: not valid; the one before it stays in force%s\n",
                    colour ? "\033[31m" : "", colour ? "\033[0m" : "");
    cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(config, "problems"))
    {
        bool warning = sa_cli_true(p, "warning");
        if (warning && valid)
            continue; /* they were logged, and `check` shows them */
        sa_buf_addf(out, "  %s:%.0f:%.0f: %s: %s\n", sa_cli_string(p, "file"),
                    sa_cli_num(p, "line"), sa_cli_num(p, "column"), warning ? "warning" : "error",
                    sa_cli_string(p, "text"));
    }
}

void sa_status_head(const cJSON *status, bool colour, struct sa_buf *out)
{
    const cJSON *agent = cJSON_GetObjectItemCaseSensitive(status, "agent");
    const cJSON *accounts = cJSON_GetObjectItemCaseSensitive(status, "accounts"), *a;
    char age[32];
    int bad = 0, n = cJSON_GetArraySize(accounts);
    cJSON_ArrayForEach(a, accounts) bad += is_degraded(sa_cli_string(a, "state"));
    sa_format_age(sa_cli_num(agent, "uptime_s"), age, sizeof age);
    sa_buf_addf(out, "scale-agent %s %s, pid %.0f, up %s; %d account%s",
                sa_cli_string(agent, "version"), sa_cli_string(agent, "agent_id"),
                sa_cli_num(agent, "pid"), age, n, n == 1 ? "" : "s");
    if (bad > 0)
        sa_buf_addf(out, ", %s%d need%s attention%s", colour ? "\033[31m" : "", bad,
                    bad == 1 ? "s" : "", colour ? "\033[0m" : "");
    sa_buf_addc(out, '\n');
    head_uplink(agent, out);
    head_config(agent, colour, out);
}

static const cJSON *account_named(const cJSON *status, const char *name)
{
    const cJSON *a;
    cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(status, "accounts"))
    {
        if (strcmp(sa_cli_string(a, "name"), name) == 0)
            return a;
    }
    return NULL;
}

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

/* Columns that the table has beside those that it always has. */
enum extra { BRIEF, WIDE, LIVE };

static void cell_error(struct sa_grid *t, const cJSON *a, bool whole)
{
    const char *text = sa_cli_string(a, "last_error");
    char age[32];
    if (text[0] == '\0') {
        sa_grid_cell(t, SA_TONE_PLAIN, "-");
        return;
    }
    sa_format_age(sa_cli_num(a, "last_error_age_s"), age, sizeof age);
    bool cut = !whole && strlen(text) > MAX_ERROR;
    sa_grid_cell(t, SA_TONE_PLAIN, "%.*s%s (%s ago)", cut ? MAX_ERROR : INT_MAX, text,
                 cut ? "..." : "", age);
}

/* Growth of a counter since `before`, a second. A worker that was restarted begins at 0. */
static double rate(const cJSON *now, const cJSON *before, const char *name, double seconds)
{
    double d = sa_cli_num(now, name) - sa_cli_num(before, name);
    return before == NULL || d < 0 || seconds <= 0 ? 0 : d / seconds;
}

static void add_row(struct sa_grid *t, const cJSON *a, const cJSON *before, double seconds,
                    enum extra extra)
{
    const char *state = sa_cli_string(a, "state");
    char objects[32], lag[32];
    sa_format_count(sa_cli_num(a, "objects"), objects, sizeof objects);
    sa_format_lag(sa_cli_num(a, "lag_microseconds"), lag, sizeof lag);
    sa_grid_cell(t, SA_TONE_PLAIN, "%s", sa_cli_string(a, "name"));
    sa_grid_cell(t, tone_of(state), "%s", state);
    sa_grid_cell(t, SA_TONE_PLAIN, "%s", or_dash(sa_cli_string(a, "version")));
    sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", sa_cli_num(a, "watches"));
    sa_grid_cell(t, SA_TONE_PLAIN, "%s", objects);
    if (extra == LIVE) {
        sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", rate(a, before, "events_total", seconds));
        sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", rate(a, before, "deltas_total", seconds));
    } else if (extra == WIDE) {
        sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", sa_cli_num(a, "events_total"));
        sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", sa_cli_num(a, "deltas_total"));
    }
    if (extra != BRIEF)
        sa_grid_cell(t, SA_TONE_PLAIN, "%.1fM", sa_cli_num(a, "memory_bytes") / 1e6);
    sa_grid_cell(t, SA_TONE_PLAIN, "%s", sa_cli_num(a, "events_total") > 0 ? lag : "-");
    sa_grid_cell(t, sa_cli_num(a, "restarts") > 0 ? SA_TONE_WARN : SA_TONE_PLAIN, "%.0f",
                 sa_cli_num(a, "restarts"));
    if (extra == WIDE) {
        sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", sa_cli_num(a, "pid"));
        sa_grid_cell(t, SA_TONE_PLAIN, "%s", or_dash(sa_cli_string(a, "server")));
    }
    cell_error(t, a, extra == WIDE);
}

void sa_status_table(const cJSON *status, const cJSON *before, double seconds, bool wide,
                     bool colour, struct sa_buf *out)
{
    static const struct {
        const char *heads[13];
        size_t n;
    } columns[] = {
        [BRIEF] = {{"ACCOUNT", "STATE", "VERSION", "WATCHES", "OBJECTS", "LAG", "RESTARTS",
                    "LAST ERROR"},
                   8},
        [WIDE] = {{"ACCOUNT", "STATE", "VERSION", "WATCHES", "OBJECTS", "EVENTS", "DELTAS",
                   "MEMORY", "LAG", "RESTARTS", "PID", "SERVER", "LAST ERROR"},
                  13},
        [LIVE] = {{"ACCOUNT", "STATE", "VERSION", "WATCHES", "OBJECTS", "EVENTS/S", "DELTAS/S",
                   "MEMORY", "LAG", "RESTARTS", "LAST ERROR"},
                  11},
    };
    enum extra extra = seconds > 0 ? LIVE : wide ? WIDE : BRIEF;
    const cJSON *a;
    struct sa_grid t;
    sa_grid_init(&t, columns[extra].heads, columns[extra].n);
    /* what needs attention first; otherwise as configured */
    for (int round = 0; round < 2; round++) {
        cJSON_ArrayForEach(a, cJSON_GetObjectItemCaseSensitive(status, "accounts"))
        {
            if (is_degraded(sa_cli_string(a, "state")) == (round == 0))
                add_row(&t, a,
                        before == NULL ? NULL : account_named(before, sa_cli_string(a, "name")),
                        seconds, extra);
        }
    }
    sa_grid_print(&t, colour, out);
    sa_grid_free(&t);
}

int sa_cmd_status(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    cJSON *status;
    struct sa_buf out;
    if (sa_cli_status_of(c->socket, &status, &err) != 0)
        return sa_cli_fail(err);
    int r;
    if (sa_cli_data(c)) {
        r = sa_cli_print(c, status);
    } else {
        sa_buf_init(&out, 0);
        sa_status_head(status, c->colour, &out);
        sa_buf_addc(&out, '\n');
        sa_status_table(status, NULL, 0, c->format == SA_FORMAT_WIDE, c->colour, &out);
        r = sa_put(&out);
    }
    if (r == SA_EXIT_OK && sa_status_degraded(status))
        r = SA_EXIT_DEGRADED;
    cJSON_Delete(status);
    return r;
}

static void accounts_table(const cJSON *accounts, bool colour, struct sa_buf *out)
{
    static const char *const heads[] = {"ACCOUNT", "STATE", "SERVER", "CLUSTER", "PID", "FILE"};
    const cJSON *a;
    struct sa_grid t;
    sa_grid_init(&t, heads, sizeof heads / sizeof heads[0]);
    cJSON_ArrayForEach(a, accounts)
    {
        const char *state = sa_cli_string(a, "state");
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(a, "name"));
        sa_grid_cell(&t, tone_of(state), "%s", state);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", or_dash(sa_cli_string(a, "server")));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", or_dash(sa_cli_string(a, "cluster")));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%.0f", sa_cli_num(a, "pid"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(a, "file"));
    }
    sa_grid_print(&t, colour, out);
    sa_grid_free(&t);
}

int sa_cmd_accounts(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    cJSON *accounts;
    struct sa_buf out;
    if (sa_cli_ask(c->socket, "accounts", &accounts, &err) != 0)
        return sa_cli_fail(err);
    int r;
    if (sa_cli_data(c)) {
        r = sa_cli_print(c, accounts);
    } else {
        sa_buf_init(&out, 0);
        if (c->format == SA_FORMAT_NAME) {
            const cJSON *a;
            cJSON_ArrayForEach(a, accounts) sa_buf_addf(&out, "%s\n", sa_cli_string(a, "name"));
        } else {
            accounts_table(accounts, c->colour, &out);
        }
        r = sa_put(&out);
    }
    cJSON_Delete(accounts);
    return r;
}
