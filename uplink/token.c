/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/token.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"

/* A bearer token is one visible ASCII word (RFC 6750, 2.1); anything else could forge a header. */
static bool is_token(const char *s)
{
    if (!*s || strlen(s) > SA_TOKEN_MAX)
        return false;
    for (; *s; s++)
        if (*s <= ' ' || *s > '~')
            return false;
    return true;
}

static char *raw_token(const char *text, size_t n)
{
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    while (n > 0 && strchr(" \t\r\n", *text)) {
        text++;
        n--;
    }
    return memchr(text, '\0', n) ? NULL : strndup(text, n);
}

static char *json_token(const char *text, size_t n)
{
    cJSON *root = cJSON_ParseWithLength(text, n);
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, "token");
    char *token = cJSON_IsString(item) ? strdup(item->valuestring) : NULL;

    cJSON_Delete(root);
    return token;
}

int sa_token_parse(const char *format, const char *text, size_t n, char **token,
                   struct sa_err **err)
{
    bool raw = format && strcmp(format, "raw") == 0;

    *token = n == 0 ? NULL : raw ? raw_token(text, n) : json_token(text, n);
    if (*token && is_token(*token))
        return 0;
    free(*token);
    *token = NULL;
    return sa_err_set(err, SA_ECREDENTIAL, "the token command printed no %s",
                      raw ? "token" : "JSON object with a member \"token\"");
}

/* In the grandchild: becomes the command. */
static void run(const struct sa_clouddriver *c, int out)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char **argv = calloc(c->token_args.n + 2, sizeof *argv);

    if (null < 0 || !argv)
        _exit(127);
    argv[0] = c->token_command;
    for (size_t i = 0; i < c->token_args.n; i++)
        argv[i + 1] = c->token_args.v[i];
    setpgid(0, 0);
    /* What it says on stderr might hold the secret, so nobody sees it. */
    if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
        _exit(127);
    execv(c->token_command, argv);
    _exit(127);
}

/* Reads until the end, the bound or the deadline. */
static int collect(int fd, uint64_t deadline, char *out, size_t max, size_t *n)
{
    *n = 0;
    for (;;) {
        uint64_t now = sa_mono_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got;

        if (now >= deadline)
            return -1;
        if (poll(&p, 1, (int)((deadline - now) / SA_NS_PER_MS) + 1) <= 0)
            continue;
        got = read(fd, out + *n, max - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? 0 : -1;
        *n += (size_t)got;
        if (*n == max)
            return -1;
    }
}

/* Waits until the command has ended; at the deadline it and what it started are killed: -1. */
static int await(pid_t pid, uint64_t deadline, int *status)
{
    const struct timespec pause = {.tv_nsec = 10 * (long)SA_NS_PER_MS};
    pid_t ended = 0;

    while (sa_mono_ns() < deadline &&
           ((ended = waitpid(pid, status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)))
        nanosleep(&pause, NULL);
    if (ended == pid)
        return 0;
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
    return -1;
}

static int get_token(const struct sa_clouddriver *c, char **token, struct sa_err **err)
{
    uint64_t deadline = sa_mono_ns() + SA_TOKEN_TIMEOUT * SA_NS_PER_S;
    char text[SA_TOKEN_MAX];
    int fds[2], status = 0, rc;
    size_t n = 0;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return sa_err_sys(err, errno, "pipe for the token command");
    pid = fork();
    if (pid == 0)
        run(c, fds[1]);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return sa_err_sys(err, errno, "start the token command");
    }
    rc = collect(fds[0], deadline, text, sizeof text, &n);
    close(fds[0]);
    if (await(pid, rc < 0 ? 0 : deadline, &status) < 0) {
        rc = n == sizeof text
                 ? sa_err_set(err, SA_ECREDENTIAL, "the token command %s prints without end",
                              c->token_command)
                 : sa_err_set(err, SA_ECREDENTIAL, "the token command %s did not end in %u s",
                              c->token_command, SA_TOKEN_TIMEOUT);
    } else if (status != 0) {
        char why[64];

        sa_exit_text(status, -1, why, sizeof why);
        rc = sa_err_set(err, SA_ECREDENTIAL, "the token command %s failed: %s", c->token_command,
                        why);
    } else {
        rc = sa_token_parse(c->token_format, text, n, token, err);
    }
    sodium_memzero(text, sizeof text);
    return rc;
}

/* One answer: '+' and the token, or '-' and what went wrong. */
static int answer(int fd, const struct sa_clouddriver *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char *token = NULL, reply[SA_TOKEN_MAX + 1];
    const char *text;
    size_t n;
    int rc;

    reply[0] = get_token(c, &token, &err) == 0 ? '+' : '-';
    text = token ? token : sa_err_msg(err);
    n = strnlen(text, SA_TOKEN_MAX);
    memcpy(reply + 1, text, n);
    rc = send(fd, reply, n + 1, MSG_NOSIGNAL) < 0 ? -1 : 0;
    sodium_memzero(reply, sizeof reply);
    if (token)
        sodium_memzero(token, strlen(token));
    free(token);
    return rc;
}

static int helper_main(int fd, const struct sa_settings *s, const struct sa_child_args *args,
                       pid_t parent)
{
    sigset_t none;
    char c;

    sa_title_set("token helper");
    sa_close_others(&fd, 1);
    if (sa_die_with_parent(parent, NULL) < 0 || sa_harden_self(NULL) < 0 ||
        (args->uid != 0 && sa_drop_privileges(args->uid, args->gid, NULL) < 0))
        return 1;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the supervisor's mask is not for commands */
    for (;;) {
        ssize_t n = recv(fd, &c, 1, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || answer(fd, &s->clouddriver) < 0)
            return 0;
    }
}

int sa_token_helper_start(struct sa_token_helper *h, const struct sa_settings *s,
                          const struct sa_child_args *args, struct sa_err **err)
{
    pid_t parent = getpid(), pid;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
        return sa_err_sys(err, errno, "socket pair");
    pid = fork();
    if (pid == 0)
        _exit(helper_main(fds[1], s, args, parent));
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return sa_err_sys(err, errno, "fork");
    }
    h->fd = fds[0];
    return 0;
}

void sa_token_helper_stop(struct sa_token_helper *h)
{
    if (h->fd > 0)
        close(h->fd);
    h->fd = 0;
}

int sa_token_ask(struct sa_token_helper *h, struct sa_err **err)
{
    if (send(h->fd, "g", 1, MSG_NOSIGNAL) == 1)
        return 0;
    h->lost = true;
    return sa_err_sys(err, errno, "ask the token helper");
}

int sa_token_answer(struct sa_token_helper *h, char **token, struct sa_err **err)
{
    char reply[SA_TOKEN_MAX + 2];
    ssize_t n = recv(h->fd, reply, sizeof reply - 1, 0);
    int rc = 0;

    *token = NULL;
    h->lost = n <= 0;
    if (n < 0)
        return sa_err_sys(err, errno, "read from the token helper");
    if (n < 2)
        return sa_err_set(err, SA_ECREDENTIAL, "the token helper has ended");
    reply[n] = '\0';
    if (reply[0] == '+' && is_token(reply + 1)) {
        *token = strdup(reply + 1);
        rc = *token ? 0 : sa_err_set(err, SA_EMEMORY, "no memory for a token");
    } else {
        rc = sa_err_set(err, SA_ECREDENTIAL, "%s", reply[0] == '-' ? reply + 1 : "no token");
    }
    sodium_memzero(reply, sizeof reply);
    return rc;
}
