/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: everything between here and there (doctor/doctor.h), in words. */
#include "doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/yaml_emit.h"
#include "ctl/check.h"
#include "ctl/cli.h"

#define PROGRESS_AFTER SA_NS_PER_S

struct progress {
    uint64_t begun_ns;
    bool shown, terminal;
};

static void on_progress(void *arg, size_t done, size_t all)
{
    struct progress *p = arg;
    if (!p->terminal || sa_mono_ns() - p->begun_ns < PROGRESS_AFTER)
        return;
    fprintf(stderr, "\rlooked at %zu of %zu ", done, all);
    p->shown = true;
}

static void end_progress(const struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

static enum sa_tone tone_of(enum sa_health h)
{
    static const enum sa_tone tones[] = {
        [SA_HEALTH_SKIPPED] = SA_TONE_DIM,
        [SA_HEALTH_OK] = SA_TONE_GOOD,
        [SA_HEALTH_WARNING] = SA_TONE_WARN,
        [SA_HEALTH_ERROR] = SA_TONE_BAD,
    };
    return tones[h];
}

static const char *title(const struct sa_finding *f)
{
    return strcmp(f->about, "account") == 0 ? f->account : f->about;
}

static size_t count(const struct sa_findings *all, enum sa_health h)
{
    size_t n = 0;
    for (size_t i = 0; i < all->n; i++)
        n += all->v[i].health == h;
    return n;
}

static void put_indented(const char *text, const char *indent, struct sa_buf *out)
{
    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        sa_buf_adds(out, indent);
        sa_buf_add(out, text, n);
        sa_buf_addc(out, '\n');
        text += n + (text[n] == '\n');
    }
}

/* What to do about each that is not well, with what is to be applied. */
static void put_advice(const struct sa_findings *all, struct sa_buf *out)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct sa_finding *f = &all->v[i];
        if (f->health < SA_HEALTH_WARNING || (f->fix[0] == '\0' && f->yaml[0] == '\0'))
            continue;
        sa_buf_addf(out, "\n%s: %s: %s\n", title(f), f->check, f->found);
        put_indented(f->fix, "  ", out);
        put_indented(f->yaml, "    ", out);
    }
}

static void put_sum(const struct sa_findings *all, struct sa_buf *out)
{
    size_t errors = count(all, SA_HEALTH_ERROR), warnings = count(all, SA_HEALTH_WARNING);
    sa_buf_addf(out, "\n%zu ok, %zu warning%s, %zu error%s, %zu skipped.\n",
                count(all, SA_HEALTH_OK), warnings, warnings == 1 ? "" : "s", errors,
                errors == 1 ? "" : "s", count(all, SA_HEALTH_SKIPPED));
}

/* Of the accounts that are well a line stands for all; wide has every check. */
static bool is_shown(const struct sa_cli *c, const struct sa_findings *all, size_t i)
{
    const struct sa_finding *f = &all->v[i];
    if (c->format == SA_FORMAT_WIDE || c->account != NULL || f->health >= SA_HEALTH_WARNING)
        return true;
    size_t accounts = 0;
    const char *last = "";
    for (size_t k = 0; k < all->n; k++) {
        if (strcmp(all->v[k].about, "account") != 0 || strcmp(all->v[k].account, last) == 0)
            continue;
        last = all->v[k].account;
        accounts++;
    }
    return accounts <= 3 || strcmp(f->about, "account") != 0;
}

static int print_table(const struct sa_cli *c, const struct sa_findings *all)
{
    static const char *const heads[] = {"ABOUT", "CHECK", "STATE", "FOUND"};
    struct sa_grid t;
    struct sa_buf out;
    sa_buf_init(&out, 0);
    sa_grid_init(&t, heads, sizeof heads / sizeof heads[0]);
    for (size_t i = 0; i < all->n; i++) {
        const struct sa_finding *f = &all->v[i];
        if (!is_shown(c, all, i))
            continue;
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", title(f));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", f->check);
        sa_grid_cell(&t, tone_of(f->health), "%s", sa_health_name(f->health));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", f->found);
    }
    sa_grid_print(&t, c->colour, &out);
    put_advice(all, &out);
    put_sum(all, &out);
    sa_grid_free(&t);
    return sa_put(&out);
}

static bool add_text(cJSON *o, const char *name, const char *text)
{
    return cJSON_AddStringToObject(o, name, text) != NULL;
}

/* {"errors", "warnings", "checks": [{"about", "account", "check", "state", "found", "fix",
 * "apply"}]} */
static cJSON *to_json(const struct sa_findings *all)
{
    cJSON *root = cJSON_CreateObject(), *list;
    bool ok =
        cJSON_AddNumberToObject(root, "errors", (double)count(all, SA_HEALTH_ERROR)) != NULL &&
        cJSON_AddNumberToObject(root, "warnings", (double)count(all, SA_HEALTH_WARNING)) != NULL &&
        (list = cJSON_AddArrayToObject(root, "checks")) != NULL;
    for (size_t i = 0; ok && i < all->n; i++) {
        const struct sa_finding *f = &all->v[i];
        cJSON *o = cJSON_CreateObject();
        ok = add_text(o, "about", f->about) && add_text(o, "account", f->account) &&
             add_text(o, "check", f->check) && add_text(o, "state", sa_health_name(f->health)) &&
             add_text(o, "found", f->found) && add_text(o, "fix", f->fix) &&
             add_text(o, "apply", f->yaml) && cJSON_AddItemToArray(list, o);
        if (!ok)
            cJSON_Delete(o);
    }
    if (ok)
        return root;
    cJSON_Delete(root);
    return NULL;
}

static int print_document(const struct sa_cli *c, const struct sa_findings *all)
{
    cJSON *root = to_json(all);
    struct sa_buf out;
    int r;
    if (root == NULL) {
        fputs("scale-agentctl: no memory\n", stderr);
        return SA_EXIT_NO;
    }
    if (c->format == SA_FORMAT_JSON) {
        r = sa_cli_print(c, root);
    } else {
        sa_buf_init(&out, 0);
        sa_yaml_emit(root, false, &out);
        r = sa_put(&out);
    }
    cJSON_Delete(root);
    return r;
}

/* The daemon need not run; if it does, its own limits count. */
static void ask_daemon(const struct sa_cli *c, struct sa_doctor_options *o)
{
    cJSON *status = NULL;
    if (sa_cli_status_of(c->socket, &status, NULL) != 0)
        return;
    const cJSON *agent = cJSON_GetObjectItemCaseSensitive(status, "agent");
    o->daemon = (pid_t)sa_cli_num(agent, "pid");
    o->max_files = (uint64_t)sa_cli_num(agent, "max_files");
    cJSON_Delete(status);
}

static int examine(const struct sa_cli *c, const struct sa_config_paths *paths)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct progress p = {.begun_ns = sa_mono_ns(), .terminal = isatty(STDERR_FILENO) == 1};
    struct sa_doctor_options o = {
        .paths = paths, .account = c->account, .progress = on_progress, .arg = &p};
    struct sa_findings all;
    ask_daemon(c, &o);
    int r = sa_doctor(&o, &all, &err);
    end_progress(&p);
    if (r != 0) {
        sa_cli_fail(err);
        return SA_EXIT_NO;
    }
    bool table = c->format == SA_FORMAT_TABLE || c->format == SA_FORMAT_WIDE;
    r = table ? print_table(c, &all) : print_document(c, &all);
    if (r == SA_EXIT_OK)
        r = count(&all, SA_HEALTH_ERROR) > 0     ? SA_EXIT_NO
            : count(&all, SA_HEALTH_WARNING) > 0 ? SA_EXIT_DEGRADED
                                                 : SA_EXIT_OK;
    sa_findings_free(&all);
    return r;
}

int sa_cmd_doctor(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_check_paths paths;
    int r = sa_check_find(c, &paths, &err) == 0 ? examine(c, &paths.paths) : sa_cli_fail(err);
    sa_check_free(&paths);
    return r;
}
