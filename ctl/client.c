/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, from the client's side. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ctl/cli.h"

#define MAX_ANSWER ((size_t)64 << 20)
#define PATIENCE_S 30 /* a reload reads every file */

static int explain_connect(const char *path, int errnum, struct sa_err **err)
{
    switch (errnum) {
    case ENOENT:
        return sa_err_set(
            err, SA_ENETWORK,
            "no agent runs here: there is no socket %s; start scale-agent, or name its "
            "socket by --socket",
            path);
    case ECONNREFUSED:
        return sa_err_set(
            err, SA_ENETWORK,
            "no agent answers on %s; it has ended without removing its socket, start it again",
            path);
    case EACCES:
    case EPERM:
        return sa_err_set(
            err, SA_ENETWORK,
            "you may not use %s; become root, or a member of the group that controlGroup "
            "names",
            path);
    default:
        return sa_err_set(err, SA_ENETWORK, "can't connect to %s: %s", path, strerror(errnum));
    }
}

static int connect_to(const char *path, struct sa_err **err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    size_t n = strlen(path);
    if (n >= sizeof address.sun_path)
        return sa_err_set(err, SA_ENETWORK, "the socket's path is longer than %zu bytes",
                          sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, n + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return sa_err_sys(err, errno, "making a socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    return explain_connect(path, errnum, err);
}

static int send_request(int fd, const char *request, struct sa_err **err)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "%s\n", request);
    if (n < 0 || (size_t)n >= sizeof line || strchr(request, '\n') != NULL)
        return sa_err_set(err, SA_EREFUSED, "the request is too long, or holds a line end");
    for (size_t sent = 0; sent < (size_t)n;) {
        ssize_t w = send(fd, line + sent, (size_t)n - sent, MSG_NOSIGNAL);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return sa_err_set(err, SA_ENETWORK, "the agent does not take requests: %s",
                              strerror(errno));
        sent += (size_t)w;
    }
    return 0;
}

static enum sa_code code_named(const char *name, size_t n)
{
    static const enum sa_code codes[] = {
#define X(sym, name, text) sym,
        SA_ERR_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        const char *known = sa_code_name(codes[i]);
        if (strlen(known) == n && memcmp(known, name, n) == 0)
            return codes[i];
    }
    return SA_EREFUSED;
}

/* Takes one line of the answer. 1: that was the last; 0: more come; -1: an error. */
static int take_line(const char *line, size_t n, cJSON *answer, struct sa_err **err)
{
    static const char error[] = "ERROR ";
    if (n == 2 && memcmp(line, "OK", 2) == 0)
        return 1;
    if (n >= sizeof error && memcmp(line, error, sizeof error - 1) == 0) {
        const char *code = line + sizeof error - 1;
        size_t rest = n - (sizeof error - 1);
        const char *blank = memchr(code, ' ', rest);
        size_t length = blank == NULL ? rest : (size_t)(blank - code);
        size_t skip = blank == NULL ? rest : length + 1;
        return sa_err_set(err, code_named(code, length), "%.*s", (int)(rest - skip), code + skip);
    }
    cJSON *v = cJSON_ParseWithLength(line, n);
    if (v == NULL)
        return sa_err_set(err, SA_EPROTOCOL, "the agent's answer is not JSON; do versions differ?");
    cJSON_AddItemToArray(answer, v);
    return 0;
}

/* Takes the complete lines in b. As take_line. */
static int take_lines(struct sa_buf *b, cJSON *answer, struct sa_err **err)
{
    size_t used = 0;
    int r = 0;
    for (const char *end;
         r == 0 && b->len > used && (end = memchr(b->data + used, '\n', b->len - used)) != NULL;) {
        r = take_line(b->data + used, (size_t)(end - b->data) - used, answer, err);
        used = (size_t)(end - b->data) + 1;
    }
    sa_buf_drop(b, used);
    return r;
}

/* As recv(); a descriptor that comes along goes to *passed (NULL: none is wanted). */
static ssize_t receive(int fd, void *p, size_t size, int *passed)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec v = {p, size};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (passed != NULL && *passed < 0) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_LEN(sizeof(int)); /* of one alone */
    }
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    struct cmsghdr *h = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
        h->cmsg_len == CMSG_LEN(sizeof(int)) && passed != NULL)
        memcpy(passed, CMSG_DATA(h), sizeof(int));
    return n;
}

static int read_answer(int fd, cJSON *answer, int *passed, struct sa_err **err)
{
    struct sa_buf b;
    char chunk[65536];
    int r = 0;
    sa_buf_init(&b, MAX_ANSWER);
    while (r == 0) {
        ssize_t n = receive(fd, chunk, sizeof chunk, passed);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            r = sa_err_set(err, SA_ENETWORK, "the agent did not answer within %d seconds",
                           PATIENCE_S);
        else if (n < 0)
            r = sa_err_set(err, SA_ENETWORK, "reading the agent's answer: %s", strerror(errno));
        else if (n == 0)
            r = sa_err_set(err, SA_ENETWORK,
                           "the agent closed the connection before its answer was complete");
        else if (sa_buf_add(&b, chunk, (size_t)n) != 0)
            r = sa_err_set(err, SA_ELIMIT, "the agent's answer is too long");
        else
            r = take_lines(&b, answer, err);
    }
    sa_buf_free(&b);
    return r < 0 ? -1 : 0;
}

int sa_cli_ask_all(const char *socket, const char *request, cJSON **answer, struct sa_err **err)
{
    *answer = cJSON_CreateArray();
    if (*answer == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for an answer");
    SA_CLEANUP(sa_closep) int fd = connect_to(socket, err);
    return fd >= 0 && send_request(fd, request, err) == 0 ? read_answer(fd, *answer, NULL, err)
                                                          : -1;
}

int sa_cli_operate(const char *socket, const char *account, struct sa_err **err)
{
    char request[4096];
    int passed = -1;
    int n = snprintf(request, sizeof request, "operate %s", account);
    if (n < 0 || (size_t)n >= sizeof request)
        return sa_err_set(err, SA_EREFUSED, "the account's name is too long");
    SA_CLEANUP(sa_closep) int fd = connect_to(socket, err);
    if (fd < 0 || send_request(fd, request, err) != 0)
        return -1;
    cJSON *answer = cJSON_CreateArray();
    int r = answer == NULL ? sa_err_set(err, SA_EMEMORY, "no memory for an answer")
                           : read_answer(fd, answer, &passed, err);
    cJSON_Delete(answer);
    if (r == 0 && passed < 0)
        r = sa_err_set(err, SA_EPROTOCOL, "the agent passed no channel; do versions differ?");
    if (r != 0)
        sa_closep(&passed);
    return passed;
}

int sa_cli_ask(const char *socket, const char *request, cJSON **answer, struct sa_err **err)
{
    if (sa_cli_ask_all(socket, request, answer, err) == 0)
        return 0;
    cJSON_Delete(*answer);
    *answer = NULL;
    return -1;
}

int sa_cli_status_of(const char *socket, cJSON **status, struct sa_err **err)
{
    cJSON *answer;
    *status = NULL;
    if (sa_cli_ask(socket, "status", &answer, err) != 0)
        return -1;
    *status = cJSON_DetachItemFromArray(answer, 0);
    cJSON_Delete(answer);
    if (cJSON_IsObject(*status))
        return 0;
    cJSON_Delete(*status);
    *status = NULL;
    return sa_err_set(err, SA_EPROTOCOL,
                      "the agent's status is not as expected; do versions differ?");
}

int sa_cli_fail(struct sa_err *err)
{
    fprintf(stderr, "scale-agentctl: %s\n", sa_err_msg(err));
    return err != NULL && err->code == SA_ENETWORK ? SA_EXIT_UNREACHABLE : SA_EXIT_NO;
}
