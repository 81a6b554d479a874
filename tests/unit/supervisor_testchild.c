/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scale-agentd-testchild: the daemon as it is, with children that misbehave on request. What a
 * worker does is the part of its account's name before the first "-":
 *
 *     ok        works            crash   aborts            exit1   exits with 1, saying why
 *     config    exits with 2     quit    exits with 0      hang    stops its heartbeat
 *     rss       grows in memory  oom     exits for memory  trap    makes a system call it may not
 * make deaf      ignores STOP     garble  sends nonsense    noisy   floods the log forever   never
 * gets READY mute    closes its channel
 *
 * or, when it is asked what it follows:
 *
 *     shy       ends                  strange says a state that there is not
 *     endless   never stops           short   says less than it announced
 *     absent    answers another question
 *
 * or, "twice" and "afterthought", it reports its files again before READY or after it, and "chatty"
 * says a thousand times why it will exit. "mutiny" asks things of the daemon by its control socket.
 *
 * The uplink writes what it is told to STATE_DIR/uplink.log, and reports a forgery that is asked
 * for in STATE_DIR/forgery. The configuration files that it is told of are in
 * STATE_DIR/config_files.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/asan.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/sandbox.h"
#include "config/settings.h"
#include "exporter/exporter.h"
#include "ipc/control.h"
#include "ipc/plan.h"
#include "ipc/slot.h"
#include "supervisor/commandline.h"

#define BEAT_NS (100 * SA_NS_PER_MS)

struct child {
    const struct sa_child_args *args;
    struct sa_loop *loop;
    struct sa_ctl *ctl;
    struct sa_timer beat;
    struct sa_sandbox sandbox;
    struct sa_sandbox_report report;
    FILE *journal; /* uplink */
};

static bool does(const struct child *c, const char *what)
{
    size_t n = strlen(what);

    return c->args->account && strncmp(c->args->account, what, n) == 0 &&
           (c->args->account[n] == '-' || c->args->account[n] == '\0');
}

static void note(struct child *c, const char *verb, struct sa_rd *rd, bool name, bool key)
{
    char text[256] = "-", hex[65] = "-";
    uint8_t bytes[32];
    uint32_t index = sa_rd_u32(rd);

    if (name)
        sa_rd_str(rd, text, sizeof(text));
    for (size_t i = 0; key && i < sizeof(bytes); i++)
        bytes[i] = sa_rd_u8(rd);
    if (key)
        sa_hex(bytes, sizeof(bytes), hex);
    fprintf(c->journal, "%s %u %s %s\n", verb, index, text, hex);
    fflush(c->journal);
}

/* Asked what it follows: one kind, by default. */
static int tell_plan(struct child *c, struct sa_rd *rd)
{
    uint32_t id = sa_rd_u32(rd), n = does(c, "endless") ? SA_PLAN_ROWS / 2 : 1;
    struct sa_plan_row row = {.resource = "pods\nERROR", .state = SA_PLAN_IN_STEP, .objects = 5};
    struct sa_buf b;

    if (does(c, "shy"))
        _exit(SA_EXIT_FAILED);
    sa_buf_init(&b, SA_CTL_MAX - 1);
    sa_wr_u32(&b, does(c, "absent") ? id + 1 : id);
    sa_wr_u8(&b, !does(c, "endless"));
    sa_wr_u32(&b, 0);
    sa_wr_u32(&b, does(c, "short") ? 2 : n);
    if (does(c, "strange"))
        row.state = SA_PLAN_STATE_COUNT;
    for (uint32_t i = 0; i < n; i++)
        sa_plan_put(&b, &row);
    for (int i = 0; i < (does(c, "endless") ? 3 : 1); i++)
        sa_ctl_send(c->ctl, SA_CTL_PLAN, &b, NULL);
    sa_buf_free(&b);
    return 0;
}

/* Says on the channel who asks, and closes it. */
static int operate(struct child *c, struct sa_rd *rd)
{
    uint32_t uid = sa_rd_u32(rd), pid = sa_rd_u32(rd);
    SA_CLEANUP(sa_closep) int fd = sa_ctl_take_fd(c->ctl);
    char text[128];
    int n = snprintf(text, sizeof(text), "account=%s uid=%u pid=%u\n", c->args->account, uid, pid);

    return fd >= 0 && send(fd, text, (size_t)n, MSG_NOSIGNAL) == n ? 0 : -1;
}

static int on_message(void *arg, uint8_t type, struct sa_rd *body)
{
    struct child *c = arg;

    switch (type) {
    case SA_CTL_STOP:
        if (c->journal) {
            fputs("stop\n", c->journal);
            fflush(c->journal);
        }
        if (!does(c, "deaf"))
            sa_loop_stop(c->loop);
        break;
    case SA_CTL_LOG_LEVEL:
        sa_log_set_level((enum sa_level)sa_rd_u8(body));
        break;
    case SA_CTL_ACCOUNT_ADD:
        note(c, "add", body, true, true);
        break;
    case SA_CTL_ACCOUNT_KEY:
        note(c, "key", body, false, true);
        break;
    case SA_CTL_ACCOUNT_REMOVE:
        note(c, "remove", body, false, false);
        break;
    case SA_CTL_ACCOUNTS_COMPLETE:
        fputs("complete\n", c->journal);
        fflush(c->journal);
        break;
    case SA_CTL_PLAN_WANT:
        return tell_plan(c, body);
    case SA_CTL_OPERATE:
        return operate(c, body);
    default:
        return -1;
    }
    return 0;
}

static void on_end(void *arg, const struct sa_err *reason)
{
    (void)arg;
    (void)reason;
    _exit(SA_EXIT_FAILED);
}

static void say(struct child *c, uint8_t type, const char *text)
{
    struct sa_buf b;

    sa_buf_init(&b, SA_CTL_MAX - 1);
    if (type == SA_CTL_FATAL)
        sa_wr_u32(&b, SA_ECREDENTIAL);
    if (text)
        sa_wr_str(&b, text);
    sa_ctl_send_now(c->args->control_fd, type, &b, NULL);
    sa_buf_free(&b);
}

static void report_forgery(struct child *c)
{
    char path[512];
    unsigned index, pid;
    struct sa_buf b;
    FILE *f;

    snprintf(path, sizeof(path), "%s/forgery", c->args->state_dir);
    f = fopen(path, "r");
    if (!f)
        return;
    sa_buf_init(&b, 64);
    if (fscanf(f, "%u %u", &index, &pid) == 2) {
        sa_wr_u32(&b, index);
        sa_wr_u32(&b, pid);
        sa_ctl_send(c->ctl, SA_CTL_FORGERY, &b, NULL);
        unlink(path);
    }
    sa_buf_free(&b);
    fclose(f);
}

static void beat(void *arg)
{
    struct child *c = arg;

    if (!does(c, "hang"))
        c->args->slot->heartbeat_ns = sa_mono_ns();
    if (c->journal)
        report_forgery(c);
    sa_timer_set(c->loop, &c->beat, BEAT_NS, beat, c);
}

/* Before READY. */
static int misbehave_early(struct child *c)
{
    if (does(c, "exit1")) {
        say(c, SA_CTL_FATAL, "the kubeconfig has no user");
        return SA_EXIT_FAILED;
    }
    if (does(c, "config")) {
        say(c, SA_CTL_FATAL, "the context does not exist");
        return SA_EXIT_CONFIG;
    }
    if (does(c, "oom"))
        return SA_EXIT_MEMORY;
    if (does(c, "quit"))
        return 0;
    if (does(c, "crash"))
        abort();
    return -1;
}

/* As a worker does it with its kubeconfig; before the privileges are given up. */
static void report_files(struct child *c)
{
    struct sa_account a = {0};
    char bytes[65536];
    uint8_t print[SA_FINGERPRINT_SIZE];
    struct sa_buf b;
    FILE *f = NULL;

    if (sa_account_from_json(c->args->settings, &a, NULL) == 0 && a.kubeconfig_file)
        f = fopen(a.kubeconfig_file, "r");
    if (f || does(c, "afterthought")) {
        sa_fingerprint(c->args->fingerprint_key, bytes, f ? fread(bytes, 1, sizeof(bytes), f) : 0,
                       print);
        if (f)
            fclose(f);
        sa_buf_init(&b, 8192);
        sa_wr_u32(&b, 1);
        sa_wr_str(&b, a.kubeconfig_file);
        for (size_t i = 0; i < sizeof(print); i++)
            sa_wr_u8(&b, print[i]);
        sa_wr_u8(&b, 0);
        sa_ctl_send_now(c->args->control_fd, SA_CTL_FILES, &b, NULL);
        sa_buf_free(&b);
    }
    sa_account_free(&a);
}

static void misbehave(struct child *c)
{
    if (does(c, "trap"))
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    if (does(c, "rss")) {
        size_t n = (size_t)(SA_ASAN ? 800 : 300) << 20;
        char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (p != MAP_FAILED)
            memset(p, 1, n);
    }
    if (does(c, "garble"))
        say(c, SA_CTL_FILES, "this is no list of files");
    if (does(c, "afterthought"))
        report_files(c);
    for (int i = 0; does(c, "chatty") && i < 1000; i++)
        say(c, SA_CTL_FATAL, "the end is near");
    if (does(c, "mute"))
        close(c->args->control_fd);
    for (int i = 0; does(c, "noisy") && i < 5000; i++)
        sa_log(SA_INFO, "noise %d\nlevel=fatal forged=yes", i);
}

/* Commands the daemon as if it were its owner, and notes what it answers. */
static void command(const struct sa_child_args *args, const char *note)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char path[512], answer[200];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ssize_t n = -1;
    FILE *f;

    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control.sock", args->runtime_dir);
    /* The refusal may be there, and the other end gone, before anything is asked. */
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0) {
        (void)send(fd, "ping\n", 5, MSG_NOSIGNAL);
        n = read(fd, answer, sizeof(answer));
    }
    close(fd);
    snprintf(path, sizeof(path), "%s/%s", args->state_dir, note);
    f = fopen(path, "w");
    if (f && n > 0)
        fwrite(answer, 1, (size_t)n, f);
    if (f)
        fclose(f);
}

/* By itself, and by a process that has left it: both before the sandbox, with the daemon's uid. */
static void mutiny(const struct sa_child_args *args)
{
    pid_t pid;

    command(args, "mutiny-child");
    pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            pid_t parent = getppid();

            for (int i = 0; i < 1000 && getppid() == parent; i++)
                usleep(1000);
            command(args, "mutiny-orphan");
        }
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static int set_up(struct child *c, enum sa_sandbox_profile profile, struct sa_err **err)
{
    struct sa_slot *slot = c->args->slot;

    c->sandbox = (struct sa_sandbox){
        .profile = profile,
        .off = c->journal != NULL, /* the test's uplink looks for a file that comes later */
        .uid = c->args->uid,
        .gid = c->args->gid,
    };
    if (sa_sandbox_enter(&c->sandbox, &c->report, err) < 0)
        return -1;
    c->loop = sa_loop_new(err);
    c->ctl = c->loop ? sa_ctl_new(c->loop, c->args->control_fd, on_message, on_end, c, err) : NULL;
    if (!c->ctl)
        return -1;
    sa_ctl_log_sink(c->ctl);
    sa_ctl_accept_fds(c->ctl);
    sa_sandbox_report_syscall_to(&slot->seccomp_nr);
    if (sa_sandbox_seal(&c->sandbox, &c->report, err) < 0)
        return -1;
    slot->sandbox = SA_SLOT_NNP | (c->report.seccomp ? SA_SLOT_SECCOMP : 0);
    slot->objects = 1000;
    slot->deltas = 7;
    sa_slot_set_text(slot->version, sizeof(slot->version), "v1.36.3");
    return 0;
}

static int run(struct child *c, enum sa_sandbox_profile profile)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int rc;

    sa_hash_init();
    sa_ctl_log_sink_fd(c->args->control_fd);
    report_files(c);
    if (does(c, "mutiny"))
        mutiny(c->args);
    if (does(c, "twice"))
        report_files(c);
    if (set_up(c, profile, &err) < 0) {
        say(c, SA_CTL_FATAL, sa_err_msg(err));
        return SA_EXIT_FAILED;
    }
    rc = misbehave_early(c);
    if (rc >= 0)
        return rc;
    c->args->slot->state = SA_STATE_STREAMING;
    if (!does(c, "forever"))
        sa_ctl_send(c->ctl, SA_CTL_READY, NULL, NULL);
    beat(c);
    misbehave(c);
    sa_loop_run(c->loop, NULL);
    return 0;
}

static int worker_main(const struct sa_child_args *args)
{
    struct child c = {.args = args};

    return run(&c, SA_SANDBOX_WORKER);
}

static int helper_main(const struct sa_child_args *args)
{
    struct child c = {.args = args};

    return run(&c, SA_SANDBOX_HELPER);
}

static void note_config_files(const struct sa_child_args *args)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/config_files", args->state_dir);
    f = fopen(path, "w");
    for (const char *const *p = args->config_files; f && p && *p; p++)
        fprintf(f, "%s\n", *p);
    if (f)
        fclose(f);
}

static int uplink_main(const struct sa_child_args *args)
{
    struct child c = {.args = args};
    char path[512];

    snprintf(path, sizeof(path), "%s/uplink.log", args->state_dir);
    c.journal = fopen(path, "a");
    if (!c.journal)
        return SA_EXIT_FAILED;
    note_config_files(args);
    fputs("start\n", c.journal);
    fflush(c.journal);
    return run(&c, SA_SANDBOX_UPLINK);
}

static int prepare(struct sa_err **err)
{
    (void)err;
    sa_hash_init();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct sa_child_mains mains = {
        .worker = worker_main,
        .helper = helper_main,
        .uplink = uplink_main,
        .exporter = sa_exporter_main,
        .prepare = prepare,
    };

    return sa_supervisor_main(argc, argv, &mains);
}
