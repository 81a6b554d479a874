/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files and ports a kubeconfig names. The YAML is untrusted until it was read, so where there
 * are privileges it is read by a child that has none; only names come back.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/process.h"
#include "ipc/msg.h"
#include "worker/credential_internal.h"

#define ANSWER_MAX    (64u * 1024u)
#define ANSWER_WITHIN (20 * SA_NS_PER_S)
#define PATH_SIZE     4096

#define CHILD_MEMORY (256u * 1024u * 1024u)

static void take_path(char **to, char **from)
{
    *to = *from;
    *from = NULL;
}

static void add_port(struct sa_credential_plan *p, uint16_t port)
{
    for (size_t i = 0; i < p->n_ports; i++) {
        if (p->ports[i] == port)
            return;
    }
    if (port != 0 && p->n_ports < sizeof(p->ports) / sizeof(p->ports[0]))
        p->ports[p->n_ports++] = port;
}

int sa_credential_plan_make(const struct sa_credential *c, struct sa_credential_plan *out,
                            struct sa_err **err)
{
    const struct sa_secret *bytes = &c->content[SA_PART_KUBECONFIG];
    struct sa_kubeconfig k;
    struct sa_endpoint e = {0};
    *out = (struct sa_credential_plan){0};
    if (sa_kubeconfig_parse(c->kubeconfig_file, bytes->p, bytes->n, c->context, &k, err) != 0)
        return -1;
    int rc = sa_endpoint_make(k.server, k.tls_server_name, k.proxy_url, !c->no_proxy, &e, err);
    if (rc != 0) {
        sa_err_wrap(err, "%s:%u:%u", c->kubeconfig_file, k.server_line, k.server_column);
    } else {
        take_path(&out->path[SA_PART_CA], &k.ca_file);
        take_path(&out->path[SA_PART_CERT], &k.cert_file);
        take_path(&out->path[SA_PART_KEY], &k.key_file);
        take_path(&out->path[SA_PART_TOKEN], &k.token_file);
        out->needs_helper = k.has_exec;
        out->needs_system_roots = e.https && k.ca_data.n == 0 && out->path[SA_PART_CA] == NULL &&
                                  !k.insecure && !c->insecure;
        add_port(out, e.proxy_port != 0 ? e.proxy_port : e.port);
    }
    sa_endpoint_free(&e);
    sa_kubeconfig_free(&k);
    return rc;
}

void sa_credential_plan_free(struct sa_credential_plan *p)
{
    for (size_t i = 0; i < SA_PART_COUNT; i++)
        free(p->path[i]);
    *p = (struct sa_credential_plan){0};
}

static void encode(struct sa_buf *b, const struct sa_credential_plan *p, const struct sa_err *e)
{
    sa_wr_u32(b, e != NULL ? (uint32_t)e->code : 0);
    sa_wr_str(b, e != NULL ? e->msg : "");
    for (size_t i = 0; i < SA_PART_COUNT; i++)
        sa_wr_str(b, p->path[i] != NULL ? p->path[i] : "");
    for (size_t i = 0; i < sizeof(p->ports) / sizeof(p->ports[0]); i++)
        sa_wr_u32(b, i < p->n_ports ? p->ports[i] : 0);
    sa_wr_u8(b, p->needs_helper);
    sa_wr_u8(b, p->needs_system_roots);
}

/* The child's bytes are as foreign as the YAML that it read. */
static int decode(const struct sa_buf *b, struct sa_credential_plan *out, struct sa_err **err)
{
    struct sa_rd r;
    char text[PATH_SIZE];
    sa_rd_init(&r, b->data, b->len);
    uint32_t code = sa_rd_u32(&r);
    sa_rd_str(&r, text, sizeof(text));
    if (!r.failed && code != 0)
        return sa_err_set(err, code <= SA_EREFUSED ? (enum sa_code)code : SA_ECONFIG, "%s", text);
    for (size_t i = 0; i < SA_PART_COUNT; i++) {
        sa_rd_str(&r, text, sizeof(text));
        if (text[0] != '\0' && (out->path[i] = strdup(text)) == NULL)
            return sa_err_set(err, SA_EMEMORY, "credential");
    }
    for (size_t i = 0; i < sizeof(out->ports) / sizeof(out->ports[0]); i++) {
        uint32_t port = sa_rd_u32(&r);
        if (port <= UINT16_MAX)
            add_port(out, (uint16_t)port);
    }
    out->needs_helper = sa_rd_u8(&r) != 0;
    out->needs_system_roots = sa_rd_u8(&r) != 0;
    if (!sa_rd_done(&r))
        return sa_err_set(err, SA_EPROTOCOL,
                          "the reader of the kubeconfig ended without an answer");
    return 0;
}

static _Noreturn void child(const struct sa_credential *c, uid_t uid, gid_t gid, int fd,
                            pid_t parent)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    struct sa_credential_plan plan = {0};
    struct sa_sandbox_report report;
    const struct sa_sandbox s = {
        .profile = SA_SANDBOX_READER,
        .required = c->sandbox == SA_SANDBOX_IS_REQUIRED,
        .off = c->sandbox == SA_SANDBOX_IS_OFF,
        .uid = uid,
        .gid = gid,
        .max_memory = CHILD_MEMORY,
    };
    struct sa_buf b;
    sa_buf_init(&b, ANSWER_MAX);
    signal(SIGPIPE, SIG_IGN);
    sa_close_others(&fd, 1);
    if (sa_die_with_parent(parent, &e) == 0 && sa_sandbox_enter(&s, &report, &e) == 0 &&
        sa_sandbox_seal(&s, &report, &e) == 0)
        (void)sa_credential_plan_make(c, &plan, &e);
    encode(&b, &plan, e);
    for (size_t done = 0; !b.failed && done < b.len;) {
        ssize_t n = write(fd, b.data + done, b.len - done);
        if (n <= 0)
            _exit(1);
        done += (size_t)n;
    }
    _exit(b.failed ? 1 : 0);
}

static int read_answer(int fd, struct sa_buf *b, struct sa_err **err)
{
    uint64_t until = sa_mono_ns() + ANSWER_WITHIN;
    for (;;) {
        uint64_t now = sa_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)((until - now) / SA_NS_PER_MS) + 1) == 0)
            return sa_err_set(err, SA_ELIMIT, "the kubeconfig could not be read within 20 s");
        char piece[4096];
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n == 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return sa_err_sys(err, errno, "reading the kubeconfig's reader");
        if (n > 0 && sa_buf_add(b, piece, (size_t)n) != 0)
            return sa_err_set(err, SA_EPROTOCOL, "the kubeconfig's reader answers too much");
    }
}

int sa_credential_plan_confined(const struct sa_credential *c, uid_t uid, gid_t gid,
                                struct sa_credential_plan *out, struct sa_err **err)
{
    int fds[2];
    struct sa_buf b;
    *out = (struct sa_credential_plan){0};
    if (pipe2(fds, O_CLOEXEC) != 0)
        return sa_err_sys(err, errno, "pipe");
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        child(c, uid, gid, fds[1], parent);
    sa_closep(&fds[1]);
    if (pid < 0) {
        sa_closep(&fds[0]);
        return sa_err_sys(err, errno, "fork");
    }
    sa_buf_init(&b, ANSWER_MAX);
    int rc = read_answer(fds[0], &b, err);
    if (rc != 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (rc == 0)
        rc = decode(&b, out, err);
    if (rc != 0)
        sa_credential_plan_free(out);
    sa_closep(&fds[0]);
    sa_buf_free(&b);
    return rc;
}
