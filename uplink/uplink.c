/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The uplink's process. It talks to Clouddriver (or the local cache) and to the workers, and never
 * holds a cluster's secret. The order of its start:
 *   1. settings from the supervisor
 *   2. the token helper is forked, if a token command is configured: after the seal nothing can be
 *      run, and it knows no secret of ours yet
 *   3. its own secret files are read, as whoever started us (secrets.h); uid, limits, Landlock
 *   4. the secrets are parsed; the environment, which they may have come by, is overwritten
 *   5. curl starts, the sink opens
 *   6. seccomp on every thread, READY, and the loop.
 */
#include "uplink/uplink.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/environment.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "config/settings.h"
#include "ipc/control.h"
#include "ipc/slot.h"
#include "uplink/confine.h"
#include "uplink/router.h"
#include "uplink/secrets.h"
#include "uplink/token.h"

#define TICK      (SA_NS_PER_S / 2)
#define CLOSE_MS  3000u /* for the sink, of the 4 s that a child has to stop */
#define NAME_MAX_ 256u

struct uplink {
    const struct sa_child_args *args;
    struct sa_settings settings;
    struct sa_uplink_secrets secrets;
    struct sa_token_helper token;
    struct sa_loop *loop;
    struct sa_ctl *ctl;
    struct sa_router *router;
    struct sa_timer tick;
    struct sa_confinement confinement;
    bool read, told; /* the secret files were read; the supervisor knows of them */
    uint8_t instance[16];
    int exit_code;
    bool stopped; /* by order: finish orderly */
};

static const struct sa_sink_ops *choose_sink(enum sa_sink_kind kind)
{
    switch (kind) {
    case SA_SINK_GRPC:
        return &sa_sink_grpc;
    case SA_SINK_JSONL:
        return &sa_sink_jsonl;
    default:
        return &sa_sink_sqlite;
    }
}

static void on_forgery(void *arg, uint32_t index, uint32_t pid)
{
    struct uplink *u = arg;
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};

    sa_wr_u32(&body, index);
    sa_wr_u32(&body, pid);
    sa_ctl_send(u->ctl, SA_CTL_FORGERY, &body, NULL);
}

static int on_add(struct uplink *u, struct sa_rd *rd)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char name[NAME_MAX_];
    uint32_t index = sa_rd_u32(rd);
    const uint8_t *key;

    sa_rd_str(rd, name, sizeof name);
    key = sa_rd_raw(rd, 32);
    if (!key || !sa_rd_done(rd))
        return -1;
    if (sa_router_add(u->router, index, name, key, &err) < 0)
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
    return 0;
}

static int on_key(struct uplink *u, struct sa_rd *rd)
{
    uint32_t index = sa_rd_u32(rd);
    const uint8_t *key = sa_rd_raw(rd, 32);

    if (!key || !sa_rd_done(rd))
        return -1;
    sa_router_rekey(u->router, index, key);
    return 0;
}

static int on_remove(struct uplink *u, struct sa_rd *rd)
{
    uint32_t index = sa_rd_u32(rd);

    if (!sa_rd_done(rd))
        return -1;
    sa_router_remove(u->router, index);
    return 0;
}

static int on_control(void *arg, uint8_t type, struct sa_rd *rd)
{
    struct uplink *u = arg;

    switch (type) {
    case SA_CTL_STOP:
        u->stopped = true;
        u->args->slot->state = SA_STATE_STOPPING;
        sa_loop_stop(u->loop);
        return 0;
    case SA_CTL_LOG_LEVEL:
        sa_log_set_level((enum sa_level)sa_rd_u8(rd));
        return 0;
    case SA_CTL_ACCOUNT_ADD:
        return on_add(u, rd);
    case SA_CTL_ACCOUNT_KEY:
        return on_key(u, rd);
    case SA_CTL_ACCOUNT_REMOVE:
        return on_remove(u, rd);
    case SA_CTL_ACCOUNTS_COMPLETE:
        sa_router_complete(u->router);
        return 0;
    default:
        return -1;
    }
}

/* Without its supervisor the process has no purpose, and no right to go on. */
static void on_control_end(void *arg, const struct sa_err *reason)
{
    (void)reason;
    (void)arg;
    _exit(SA_EXIT_FAILED);
}

static void on_tick(void *arg)
{
    struct uplink *u = arg;

    u->args->slot->heartbeat_ns = sa_mono_ns();
    if (u->router)
        sa_router_tick(u->router);
    if (sa_timer_set(u->loop, &u->tick, TICK, on_tick, u) < 0)
        sa_loop_stop(u->loop);
}

/* Two descriptors an account; the limit that was inherited may be that of a login shell. */
static void raise_files(void)
{
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
}

static int report_files(struct uplink *u, struct sa_err **err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};

    if (!u->read || u->told)
        return 0;
    sa_buf_init(&body, SA_CTL_MAX - 1);
    sa_secrets_files(&u->secrets, &u->settings.clouddriver, u->args->fingerprint_key, &body);
    if (body.failed)
        return sa_err_set(err, SA_EMEMORY, "no memory to report the files that were read");
    u->told = true;
    return u->ctl ? sa_ctl_send(u->ctl, SA_CTL_FILES, &body, err)
                  : sa_ctl_send_now(u->args->control_fd, SA_CTL_FILES, &body, err);
}

/* Steps 1 to 4: what needs the rights that are given up here. */
static int prepare(struct uplink *u, struct sa_err **err)
{
    static const char *const known[] = {SA_ENV_NETWORK, NULL};
    const struct sa_child_args *args = u->args;
    bool grpc;

    if (sa_settings_from_json(args->settings, &u->settings, err) < 0)
        return sa_err_wrap(err, "settings");
    /* The command line may have put the state directory elsewhere than the files say. */
    free(u->settings.state_dir);
    u->settings.state_dir = strdup(args->state_dir);
    if (!u->settings.state_dir)
        return sa_err_set(err, SA_EMEMORY, "no memory for settings");
    grpc = u->settings.sink == SA_SINK_GRPC;
    if (grpc && u->settings.clouddriver.token_command &&
        sa_token_helper_start(&u->token, &u->settings, args, err) < 0)
        return sa_err_wrap(err, "token helper");
    u->read = grpc;
    if (grpc && sa_secrets_read(&u->secrets, &u->settings.clouddriver, args->config_files, err) < 0)
        return -1;
    if (sa_confine_enter(&u->confinement, args, &u->settings, err) < 0)
        return sa_err_wrap(err, "sandbox");
    if (sa_secrets_parse(&u->secrets, &u->settings.clouddriver, err) < 0)
        return -1;
    sa_env_keep(known);
    return 0;
}

/* Steps 5 and 6. */
static int start(struct uplink *u, struct sa_err **err)
{
    struct sa_sink_setup setup = {.settings = &u->settings,
                                  .secrets = &u->secrets,
                                  .token = &u->token,
                                  .slot = u->args->slot,
                                  .instance = u->instance};

    u->loop = sa_loop_new(err);
    if (!u->loop)
        return -1;
    setup.loop = u->loop;
    u->ctl = sa_ctl_new(u->loop, u->args->control_fd, on_control, on_control_end, u, err);
    if (!u->ctl)
        return -1;
    sa_ctl_log_sink(u->ctl);
    u->router = sa_router_new(choose_sink(u->settings.sink), &setup, u->args->runtime_dir,
                              on_forgery, u, err);
    if (!u->router)
        return -1;
    on_tick(u);
    if (sa_confine_seal(&u->confinement, u->args, err) < 0)
        return sa_err_wrap(err, "sandbox");
    if (report_files(u, err) < 0)
        return -1;
    return sa_ctl_send(u->ctl, SA_CTL_READY, NULL, err);
}

static void say_fatal(struct uplink *u, const struct sa_err *err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf body = {0};

    sa_wr_u32(&body, (uint32_t)err->code);
    sa_wr_str(&body, sa_err_msg(err));
    sa_slot_error(u->args->slot, "%s", sa_err_msg(err));
    report_files(u, NULL); /* one of them may be what keeps it from starting */
    if (u->ctl)
        sa_ctl_drain(u->ctl, 500, NULL);
    sa_ctl_send_now(u->args->control_fd, SA_CTL_FATAL, &body, NULL);
    u->exit_code =
        err->code == SA_ECONFIG || err->code == SA_ECREDENTIAL ? SA_EXIT_CONFIG : SA_EXIT_FAILED;
}

int sa_uplink_main(const struct sa_child_args *args)
{
    struct uplink u = {.args = args};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    sa_hash_init();
    sa_title_set("uplink");
    sa_log_set_identity("uplink", NULL);
    sa_ctl_log_sink_fd(args->control_fd);
    sa_sandbox_report_syscall_to(&args->slot->seccomp_nr);
    umask(0077);
    raise_files();
    sa_random_bytes(u.instance, sizeof u.instance);
    args->slot->state = SA_STATE_STARTING;
    args->slot->heartbeat_ns = sa_mono_ns();
    if (prepare(&u, &err) < 0 || start(&u, &err) < 0 || sa_loop_run(u.loop, &err) < 0) {
        say_fatal(&u, err);
        return u.exit_code;
    }
    sa_router_free(u.router, u.stopped ? CLOSE_MS : 0);
    u.router = NULL;
    sa_ctl_drain(u.ctl, 200, NULL);
    sa_token_helper_stop(&u.token);
    sa_secrets_free(&u.secrets);
    return u.stopped ? 0 : SA_EXIT_FAILED;
}
