/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/status.h"

#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/plan.h"
#include "supervisor/reload.h"
#include "supervisor/root.h"

#define PROBLEMS_SHOWN 200u

void sa_status_problems(struct sa_jsonw *j, const struct sa_problems *p)
{
    sa_jsonw_number(j, "problems_total", p->n);
    sa_jsonw_open(j, "problems", '[');
    for (size_t i = 0; i < p->n && i < PROBLEMS_SHOWN; i++) {
        sa_jsonw_open(j, NULL, '{');
        sa_jsonw_text(j, "file", p->v[i].file);
        sa_jsonw_number(j, "line", p->v[i].line);
        sa_jsonw_number(j, "column", p->v[i].column);
        sa_jsonw_bool(j, "warning", p->v[i].warning);
        sa_jsonw_text(j, "text", p->v[i].text);
        sa_jsonw_close(j, '}');
    }
    sa_jsonw_close(j, ']');
}

static uint64_t seconds_since(uint64_t then_ns)
{
    uint64_t now = sa_mono_ns();

    return then_ns == 0 || then_ns > now ? 0 : (now - then_ns) / SA_NS_PER_S;
}

static void put_usage(struct sa_jsonw *j, const struct sa_proc_usage *u)
{
    sa_jsonw_number(j, "memory_bytes", u->rss);
    sa_jsonw_number(j, "memory_peak_bytes", u->peak);
    sa_jsonw_number(j, "virtual_bytes", u->virtual_size);
    sa_jsonw_number(j, "cpu_us", u->cpu_us);
    sa_jsonw_number(j, "threads", u->threads);
}

static void put_sandbox(struct sa_jsonw *j, const struct sa_slot *s)
{
    sa_jsonw_open(j, "sandbox", '{');
    sa_jsonw_bool(j, "no_new_privs", (s->sandbox & SA_SLOT_NNP) != 0);
    sa_jsonw_bool(j, "uid", (s->sandbox & SA_SLOT_UID) != 0);
    sa_jsonw_bool(j, "landlock", (s->sandbox & SA_SLOT_LANDLOCK) != 0);
    sa_jsonw_number(j, "landlock_abi", s->landlock_abi);
    sa_jsonw_bool(j, "tcp", (s->sandbox & SA_SLOT_TCP) != 0);
    sa_jsonw_bool(j, "seccomp", (s->sandbox & SA_SLOT_SECCOMP) != 0);
    sa_jsonw_close(j, '}');
    sa_jsonw_text(j, "lacks", s->sandbox_lacks);
}

static void put_counters(struct sa_jsonw *j, const struct sa_slot *s)
{
#define X(field, kind, name, help) sa_jsonw_number(j, name, s->field);
    SA_COUNTER_TABLE(X)
#undef X
}

static uint64_t count_of(const struct sa_slot_verb *v)
{
    uint64_t n = 0;

    for (int i = 0; i < SA_RESULT_COUNT; i++)
        n += v->results[i];
    return n;
}

static void put_verb(struct sa_jsonw *j, const char *name, const struct sa_slot_verb *v)
{
    sa_jsonw_open(j, name, '{');
    sa_jsonw_open(j, "results", '{');
    for (int i = 0; i < SA_RESULT_COUNT; i++)
        if (v->results[i] > 0)
            sa_jsonw_number(j, sa_result_name((enum sa_result)i), v->results[i]);
    sa_jsonw_close(j, '}');
    sa_jsonw_open(j, "within", '[');
    for (int i = 0; i < SA_DURATION_COUNT; i++)
        sa_jsonw_number(j, NULL, v->within[i]);
    sa_jsonw_close(j, ']');
    sa_jsonw_number(j, "sum_us", v->sum_us);
    sa_jsonw_close(j, '}');
}

/* Operations by verb; what was never asked for is left out. */
static void put_operations(struct sa_jsonw *j, const struct sa_slot *s)
{
    sa_jsonw_open(j, "operations", '{');
    for (int i = 0; i < SA_VERB_COUNT; i++)
        if (count_of(&s->verbs[i]) > 0)
            put_verb(j, sa_verb_name((enum sa_verb)i), &s->verbs[i]);
    sa_jsonw_close(j, '}');
}

/* How often the process ended, by reason; what never happened is left out. */
static void put_ends(struct sa_jsonw *j, const struct sa_proc *p)
{
    sa_jsonw_open(j, "ends", '{');
    for (int e = SA_END_NONE + 1; e < SA_END_COUNT; e++)
        if (p->ends[e] > 0)
            sa_jsonw_number(j, sa_end_name((enum sa_end)e), p->ends[e]);
    sa_jsonw_close(j, '}');
}

/* The newer of what the process says of itself and what the supervisor knows. */
static void put_last_error(struct sa_jsonw *j, const struct sa_proc *p, const struct sa_slot *s)
{
    bool own = s->last_error[0] && s->last_error_ns >= p->last_error_ns;

    sa_jsonw_text(j, "last_error", own ? s->last_error : p->last_error);
    sa_jsonw_number(j, "last_error_age_s",
                    seconds_since(own ? s->last_error_ns : p->last_error_ns));
}

static void put_process(struct sa_jsonw *j, const struct sa_proc *p, const struct sa_slot *s)
{
    uint64_t now = sa_mono_ns();

    sa_jsonw_text(j, "process", sa_proc_state_name(p->state));
    sa_jsonw_number(j, "pid", p->pid > 0 ? (uint64_t)p->pid : 0);
    sa_jsonw_number(j, "uptime_s", sa_proc_alive(p) ? seconds_since(p->started_ns) : 0);
    sa_jsonw_number(j, "restarts", p->restarts);
    sa_jsonw_number(j, "next_try_s",
                    sa_proc_waiting(p) && p->due_ns > now ? (p->due_ns - now) / SA_NS_PER_S : 0);
    sa_jsonw_text(j, "version", s->version);
    sa_jsonw_text(j, "cluster", s->cluster);
    sa_jsonw_text(j, "server", s->server);
    put_last_error(j, p, s);
    sa_jsonw_text(j, "last_exit", p->last_exit);
    sa_jsonw_text(j, "last_exit_reason", sa_end_name(p->end));
    put_ends(j, p);
    put_usage(j, &p->usage);
    put_sandbox(j, s);
    put_counters(j, s);
}

static void read_slot(const struct sa_proc *p, struct sa_slot *out)
{
    if (p->slot)
        sa_slot_read(p->slot, out);
    else
        memset(out, 0, sizeof(*out));
}

static void put_scopes(struct sa_jsonw *j, const struct sa_slot *s)
{
    sa_jsonw_open(j, "watched", '[');
    for (uint32_t i = 0; i < s->n_watched; i++) {
        const struct sa_slot_watch *w = &s->watched[i];

        sa_jsonw_open(j, NULL, '{');
        sa_jsonw_text(j, "name", w->name);
        sa_jsonw_text(j, "state", sa_plan_state_name((enum sa_plan_state)w->state));
        sa_jsonw_number(j, "objects", w->objects);
        if (w->event_ns > 0)
            sa_jsonw_number(j, "event_age_s", seconds_since(w->event_ns));
        sa_jsonw_close(j, '}');
    }
    sa_jsonw_close(j, ']');
}

/* The newest first. */
static void put_ring(struct sa_jsonw *j, const char *key, const struct sa_slot_ring *r, bool verbs)
{
    sa_jsonw_open(j, key, '[');
    for (uint32_t i = 1; i <= SA_SLOT_EVENTS && i <= r->n; i++) {
        const struct sa_slot_event *e = &r->v[(r->n - i) % SA_SLOT_EVENTS];

        sa_jsonw_open(j, NULL, '{');
        sa_jsonw_number(j, "age_s", seconds_since(e->at_ns));
        sa_jsonw_text(j, "what", e->what);
        if (verbs) {
            sa_jsonw_text(j, "verb", sa_verb_name((enum sa_verb)e->verb));
            sa_jsonw_text(j, "result", sa_result_name((enum sa_result)e->result));
            sa_jsonw_number(j, "ms", e->ms);
        } else {
            sa_jsonw_bool(j, "deleted", e->result != 0);
        }
        sa_jsonw_close(j, '}');
    }
    sa_jsonw_close(j, ']');
}

void sa_status_account(struct sa_jsonw *j, const struct sa_acct *a, bool detailed)
{
    struct sa_slot s;

    read_slot(&a->worker, &s);
    sa_jsonw_open(j, NULL, '{');
    sa_jsonw_text(j, "name", a->ref.name);
    sa_jsonw_text(j, "state", sa_state_name(sa_acct_state(a, &s)));
    sa_jsonw_bool(j, "paused", a->paused);
    sa_jsonw_text(j, "file", a->ref.file);
    if (sa_proc_alive(&a->helper))
        sa_jsonw_number(j, "helper_pid", (uint64_t)a->helper.pid);
    put_process(j, &a->worker, &s);
    put_operations(j, &s);
    if (detailed) {
        put_scopes(j, &s);
        put_ring(j, "last_changes", &s.changes, false);
        put_ring(j, "last_operations", &s.operations, true);
    }
    sa_jsonw_close(j, '}');
}

static void put_service(struct sa_jsonw *j, const char *key, const struct sa_proc *p)
{
    struct sa_slot s;
    const char *state;

    read_slot(p, &s);
    /* Past STARTING, what it says of itself, if it says anything. */
    state = sa_proc_state_name(p->state);
    if (p->state == SA_PROC_RUNNING && s.state != SA_STATE_STARTING)
        state = sa_state_name((enum sa_state)s.state);
    sa_jsonw_open(j, key, '{');
    sa_jsonw_text(j, "state", state);
    put_process(j, p, &s);
    sa_jsonw_close(j, '}');
}

static void put_config(struct sa_jsonw *j, const struct sa_supervisor *sup)
{
    sa_jsonw_open(j, "config", '{');
    sa_jsonw_bool(j, "valid", sa_reload_valid(sup->reload));
    sa_jsonw_number(j, "failed_reloads", sa_reload_failures(sup->reload));
    sa_jsonw_number(j, "loaded_at", (uint64_t)(sa_reload_loaded_us(sup->reload) / 1000000));
    sa_status_problems(j, sa_reload_problems(sup->reload));
    sa_jsonw_close(j, '}');
}

static uint64_t open_files(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 3; /* ".", ".." and the one that reads */
}

static void put_own(struct sa_jsonw *j, struct sa_supervisor *sup)
{
    struct rlimit files = {0}, memory = {0};

    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_AS, &memory);
    sa_jsonw_text(j, "version", SA_VERSION);
    sa_jsonw_number(j, "pid", (uint64_t)getpid());
    sa_jsonw_number(j, "uptime_s", seconds_since(sup->started_ns));
    sa_jsonw_number(j, "started_at", (uint64_t)(sup->started_us / 1000000));
    sa_jsonw_text(j, "agent_id", sup->agent_id);
    sa_jsonw_text(j, "zone_id", sup->settings.zone_id ? sup->settings.zone_id : "");
    sa_jsonw_text(j, "sink",
                  sup->settings.sink == SA_SINK_GRPC    ? "grpc"
                  : sup->settings.sink == SA_SINK_JSONL ? "jsonl"
                                                        : "sqlite");
    sa_jsonw_text(j, "runtime_dir", sup->runtime_dir);
    sa_jsonw_text(j, "state_dir", sup->state_dir);
    sa_jsonw_text(j, "sqlite_file", sup->settings.sqlite_file ? sup->settings.sqlite_file : "");
    sa_jsonw_text(j, "log_level", sa_log_level_name(sa_log_get_level()));
    sa_jsonw_bool(j, "stopping", sup->stopping);
    sa_jsonw_number(j, "open_files", open_files());
    sa_jsonw_number(j, "max_files", files.rlim_cur);
    sa_jsonw_number(j, "max_virtual_bytes", memory.rlim_cur);
    put_usage(j, &sup->usage);
    put_config(j, sup);
}

void sa_status_build(struct sa_supervisor *sup, struct sa_buf *out)
{
    sa_status_build_with(sup, "", out);
}

void sa_status_build_with(struct sa_supervisor *sup, const char *account, struct sa_buf *out)
{
    struct sa_jsonw j = sa_jsonw(out);

    sa_jsonw_open(&j, NULL, '{');
    sa_jsonw_open(&j, "agent", '{');
    put_own(&j, sup);
    put_service(&j, "uplink", &sup->uplink);
    if (sup->exporter.starts > 0)
        put_service(&j, "exporter", &sup->exporter);
    sa_jsonw_close(&j, '}');
    sa_jsonw_open(&j, "accounts", '[');
    for (size_t i = 0; i < sup->n_accounts; i++)
        if (!sup->accounts[i]->removing)
            sa_status_account(&j, sup->accounts[i],
                              strcmp(sup->accounts[i]->ref.name, account) == 0);
    sa_jsonw_close(&j, ']');
    sa_jsonw_close(&j, '}');
}
