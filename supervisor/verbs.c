/* SPDX-License-Identifier: Apache-2.0 */
/* What scale-agentctl may ask for. */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/jsonw.h"
#include "supervisor/operate.h"
#include "supervisor/plan.h"
#include "supervisor/root.h"
#include "supervisor/status.h"

static void verb_status(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    (void)arg;
    sa_status_build(sup, sa_client_out(c));
    sa_buf_addc(sa_client_out(c), '\n');
    sa_client_ok(c);
}

static void verb_accounts(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    (void)arg;
    for (size_t i = 0; i < sup->n_accounts; i++) {
        struct sa_jsonw j = sa_jsonw(sa_client_out(c));

        if (sup->accounts[i]->removing)
            continue;
        sa_status_account(&j, sup->accounts[i], false);
        sa_buf_addc(sa_client_out(c), '\n');
    }
    sa_client_ok(c);
}

static void verb_reload(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    (void)arg;
    sa_client_await_reload(c, sa_reload_request(sup->reload, true));
}

static void on_account(struct sa_supervisor *sup, struct sa_client *c, const char *name,
                       void (*f)(struct sa_acct *))
{
    struct sa_acct *a = sa_acct_find(sup, name);

    if (!a) {
        sa_client_error(c, SA_ENOTFOUND, "there is no account %s", name);
        return;
    }
    f(a);
    sa_client_ok(c);
}

static void verb_restart(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    struct sa_acct *a = sa_acct_find(sup, arg);

    if (a && a->paused)
        sa_client_error(c, SA_EREFUSED, "account %s is paused; resume it", arg);
    else
        on_account(sup, c, arg, sa_acct_restart);
}

static void verb_pause(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    on_account(sup, c, arg, sa_acct_pause);
}

static void verb_resume(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    on_account(sup, c, arg, sa_acct_resume);
}

struct sa_proc *sa_verb_worker(struct sa_supervisor *sup, struct sa_client *client,
                               const char *account)
{
    struct sa_acct *a = sa_acct_find(sup, account);

    if (!a) {
        sa_client_error(client, SA_ENOTFOUND, "there is no account %s", account);
        return NULL;
    }
    if (a->worker.state == SA_PROC_RUNNING)
        return &a->worker;
    sa_client_error(client, SA_EREFUSED, "account %s has no worker that could be asked: %s%s%s",
                    account, a->paused ? "paused" : sa_proc_state_name(a->worker.state),
                    a->worker.last_error[0] ? ", " : "", a->worker.last_error);
    return NULL;
}

static void verb_operate(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    sa_operate(sup, c, arg);
}

static void verb_discover(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    sa_plan_ask(sup, c, arg);
}

static void verb_log_level(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    enum sa_level level;

    if (sa_log_level_parse(arg, &level) < 0) {
        sa_client_error(c, SA_EREFUSED,
                        "%s is no log level; they are fatal, error, warn, info, debug, trace", arg);
        return;
    }
    sa_sup_set_level(sup, level);
    sa_client_ok(c);
}

static void verb_version(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    struct sa_jsonw j = sa_jsonw(sa_client_out(c));

    (void)sup;
    (void)arg;
    sa_jsonw_open(&j, NULL, '{');
    sa_jsonw_text(&j, "version", SA_VERSION);
    sa_jsonw_number(&j, "pid", (uint64_t)getpid());
    sa_jsonw_close(&j, '}');
    sa_buf_addc(sa_client_out(c), '\n');
    sa_client_ok(c);
}

static void verb_ping(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    (void)sup;
    (void)arg;
    sa_client_ok(c);
}

static void verb_stop(struct sa_supervisor *sup, struct sa_client *c, const char *arg)
{
    (void)arg;
    sa_client_ok(c);
    sa_sup_stop(sup);
}

static const struct {
    const char *name;
    bool has_arg;
    void (*serve)(struct sa_supervisor *sup, struct sa_client *c, const char *arg);
} verbs[] = {
    {"status", false, verb_status},      {"accounts", false, verb_accounts},
    {"reload", false, verb_reload},      {"restart", true, verb_restart},
    {"pause", true, verb_pause},         {"resume", true, verb_resume},
    {"log-level", true, verb_log_level}, {"version", false, verb_version},
    {"discover", true, verb_discover},   {"operate", true, verb_operate},
    {"ping", false, verb_ping},          {"stop", false, verb_stop},
};

void sa_verb_serve(struct sa_supervisor *sup, struct sa_client *client, char *line)
{
    char *arg = strchr(line, ' ');

    if (arg)
        *arg++ = '\0';
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(line, verbs[i].name) != 0)
            continue;
        if (verbs[i].has_arg != (arg && *arg))
            sa_client_error(client, SA_EPROTOCOL, "%s takes %s argument", line,
                            verbs[i].has_arg ? "one" : "no");
        else
            verbs[i].serve(sup, client, arg);
        return;
    }
    sa_client_error(client, SA_EPROTOCOL, "%s is no request that this version knows", line);
}
