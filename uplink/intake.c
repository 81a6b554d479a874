/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/intake.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/sp.h"

#define KEY_SIZE 32u
#define SEND_MAX ((size_t)8 * 1024 * 1024) /* bytes that wait for one worker */
#define GUEST_MAX                                                                                  \
    (SA_DATA_HEADER + KEY_SIZE) /* bytes of the only message that a guest may send                 \
                                 */
#define GUEST_TIME (5 * SA_NS_PER_S)
#define GUESTS     4 /* of one account; with a further one, one has to leave */
#define SHY_MAX    8 /* connections that a process may close without a word, to one account */
#define BACKLOG    64
#define ACCEPTS    8 /* in one turn: whoever connects in a loop does not hold the others up */
/* Who may connect is decided by the key (and by the directory's mode, which is the supervisor's):
 * workers have uids of their own, and an unprivileged uplink can't give files away. */
#define SOCKET_MODE 0666

static const struct sa_sp_limits guest_limits = {.message = GUEST_MAX, .queue = SEND_MAX};

/* A connection; it is a guest, or its link's worker. */
struct visitor {
    struct sa_link *link;
    struct sa_sp *sp;
    uint64_t due; /* when a guest's time is over */
    uint32_t pid; /* of the peer when it connected, 0 unknown */
};

/* Processes that connected and closed without a word. */
struct shy {
    uint32_t pid, count;
};

struct sa_link {
    struct sa_intake *in;
    struct sa_link *next;
    void *account;
    uint32_t index;
    int fd; /* listens */
    uint8_t key[KEY_SIZE];
    struct visitor *worker;             /* NULL: none is bound */
    struct visitor *guests[GUESTS + 1]; /* the oldest first; NULL where there is none */
    struct shy shy[GUESTS];
    bool except; /* its worker is not paused with the others */
};

struct sa_intake {
    struct sa_loop *loop;
    const struct sa_intake_events *ev;
    void *arg;
    char *runtime_dir;
    struct sa_link *links;
    struct sa_timer timer; /* runs while there are guests */
    bool paused;
};

static void forget_guest(struct sa_link *k, const struct visitor *v)
{
    size_t n = 0;

    for (size_t i = 0; i <= GUESTS; i++)
        if (k->guests[i] && k->guests[i] != v)
            k->guests[n++] = k->guests[i];
    while (n <= GUESTS)
        k->guests[n++] = NULL;
}

static void send_off(struct visitor *v)
{
    sa_sp_free(v->sp);
    free(v);
}

static void unbind(struct sa_link *k)
{
    struct visitor *v = k->worker;

    if (!v)
        return;
    k->worker = NULL;
    send_off(v);
    k->in->ev->gone(k->in->arg, k->account);
}

static void refuse(struct sa_link *k, struct visitor *v)
{
    uint32_t pid = v->pid;

    forget_guest(k, v);
    send_off(v);
    k->in->ev->forgery(k->in->arg, k->account, pid);
}

/* A guest closed without a word. Once, a worker that dies may do that; who does it again and again
 * keeps the account's own worker from being accepted. */
static bool too_shy(struct sa_link *k, uint32_t pid)
{
    struct shy *s = &k->shy[0];

    for (size_t i = 0; i < GUESTS && s->pid != pid; i++)
        if (k->shy[i].pid == pid || k->shy[i].count < s->count)
            s = &k->shy[i];
    if (s->pid != pid)
        *s = (struct shy){.pid = pid};
    s->count++;
    if (s->count < SHY_MAX)
        return false;
    s->count = 0;
    return true;
}

static void on_end(void *arg, const struct sa_err *why)
{
    struct visitor *v = arg;
    struct sa_link *k = v->link;

    if (why)
        sa_log(SA_WARN, "connection of worker %u: %s", k->index, sa_err_msg(why));
    if (v == k->worker) {
        unbind(k);
    } else if ((why && (why->code == SA_EPROTOCOL || why->code == SA_ELIMIT)) ||
               too_shy(k, v->pid)) {
        refuse(k, v);
    } else {
        forget_guest(k, v);
        send_off(v);
    }
}

static void on_first_message(struct visitor *v, const uint8_t *p, size_t n)
{
    struct sa_data_header h;
    struct sa_link *k = v->link;

    if (sa_data_get_header(p, n, &h, NULL) < 0 || h.kind != SA_DATA_HELLO || n != GUEST_MAX ||
        sodium_memcmp(p + SA_DATA_HEADER, k->key, KEY_SIZE) != 0) {
        refuse(k, v);
        return;
    }
    forget_guest(k, v);
    sa_sp_limit(v->sp, SA_DATA_MAX);
    unbind(k); /* the one before has died, and its end has not been read yet */
    k->worker = v;
    k->except = false;
    k->in->ev->bound(k->in->arg, k->account);
}

static void on_message(void *arg, const uint8_t *p, size_t n)
{
    struct visitor *v = arg;
    struct sa_link *k = v->link;
    struct sa_intake *in = k->in;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_data_header h;
    int rc;

    if (v != k->worker) {
        on_first_message(v, p, n);
        return;
    }
    rc = sa_data_get_header(p, n, &h, &err);
    if (rc == 0 && h.kind != SA_DATA_ACCOUNT && h.kind != SA_DATA_RESULT &&
        (h.kind != SA_DATA_LAST || n > SA_DATA_HEADER))
        rc = sa_err_set(&err, SA_EPROTOCOL, "a message of kind %u", h.kind);
    if (rc == 0)
        rc = in->ev->message(in->arg, k->account, &h, p + SA_DATA_HEADER, n - SA_DATA_HEADER, &err);
    if (rc == 0)
        return;
    sa_log(SA_ERROR, "worker %u is cut off: %s", k->index, sa_err_msg(err));
    if (v == k->worker) /* or a reply that it did not take has ended it already */
        unbind(k);
}

static const struct sa_sp_events sp_events = {.message = on_message, .end = on_end};

/* The guest leaves, unless its word has come meanwhile. */
static void turn_out(struct sa_link *k, struct visitor *v)
{
    sa_sp_first(v->sp);
    for (size_t i = 0; i <= GUESTS; i++) {
        if (k->guests[i] == v) {
            refuse(k, v);
            return;
        }
    }
}

/* Of the process that has most guests here, the oldest: one process can't take the places of
 * others. */
static struct visitor *most_in_the_way(const struct sa_link *k)
{
    struct visitor *found = NULL;
    size_t most = 0;

    for (size_t i = 0; i <= GUESTS && k->guests[i]; i++) {
        size_t n = 0;

        for (size_t j = i; j <= GUESTS && k->guests[j]; j++)
            n += k->guests[j]->pid == k->guests[i]->pid;
        if (n > most) {
            most = n;
            found = k->guests[i];
        }
    }
    return found;
}

static void on_timer(void *arg);

static void watch_guests(struct sa_intake *in)
{
    if (!sa_timer_armed(&in->timer) &&
        sa_timer_set(in->loop, &in->timer, SA_NS_PER_S / 2, on_timer, in) < 0)
        sa_log(SA_ERROR, "no memory for a timer");
}

static void on_timer(void *arg)
{
    struct sa_intake *in = arg;
    uint64_t now = sa_mono_ns();
    bool more = false;

    for (struct sa_link *k = in->links; k; k = k->next) {
        while (!in->paused && k->guests[0] && now >= k->guests[0]->due)
            turn_out(k, k->guests[0]);
        more = more || k->guests[0];
    }
    if (more)
        watch_guests(in);
}

static uint32_t peer_pid(int fd)
{
    struct ucred cred = {0};
    socklen_t n = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0 || cred.pid < 0)
        return 0;
    return (uint32_t)cred.pid;
}

static void take_guest(struct sa_link *k, int fd)
{
    struct visitor *v = calloc(1, sizeof *v);
    size_t i = 0;

    if (!v) {
        close(fd);
        return;
    }
    v->link = k;
    v->pid = peer_pid(fd);
    v->due = sa_mono_ns() + GUEST_TIME;
    v->sp = sa_sp_new(k->in->loop, fd, &guest_limits, &sp_events, v, NULL);
    if (!v->sp) {
        free(v);
        return;
    }
    while (k->guests[i])
        i++;
    k->guests[i] = v;
    sa_sp_pause(v->sp, k->in->paused);
    watch_guests(k->in);
    /* A worker sends its key as soon as it has connected: it need not wait among others. */
    sa_sp_first(v->sp);
    if (k->guests[GUESTS])
        turn_out(k, most_in_the_way(k));
}

static void on_connection(void *arg, int fd, uint32_t events)
{
    struct sa_link *k = arg;
    int conn = 0;

    (void)events;
    for (int i = 0; i < ACCEPTS && conn >= 0; i++) {
        conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (conn >= 0)
            take_guest(k, conn);
    }
    if (conn < 0 && (errno == EMFILE || errno == ENFILE)) {
        static unsigned long long last;

        if (sa_log_every(60, &last))
            sa_log(SA_ERROR, "too few file descriptors: raise LimitNOFILE");
    }
}

struct sa_intake *sa_intake_new(struct sa_loop *l, const char *runtime_dir,
                                const struct sa_intake_events *ev, void *arg, struct sa_err **err)
{
    struct sa_intake *in = calloc(1, sizeof *in);

    if (!in || !(in->runtime_dir = strdup(runtime_dir))) {
        free(in);
        sa_err_set(err, SA_EMEMORY, "no memory for the data channels");
        return NULL;
    }
    in->loop = l;
    in->ev = ev;
    in->arg = arg;
    return in;
}

static int path_of(const struct sa_intake *in, uint32_t index, struct sockaddr_un *sa,
                   struct sa_err **err)
{
    static const char scheme[] = "ipc://";
    char url[sizeof scheme + sizeof sa->sun_path];

    memset(sa, 0, sizeof *sa);
    sa->sun_family = AF_UNIX;
    if (sa_data_url(url, sizeof url, in->runtime_dir, index) < 0 ||
        strlen(url) - (sizeof scheme - 1) >= sizeof sa->sun_path)
        return sa_err_set(err, SA_ECONFIG, "the path of the data sockets below %s is too long",
                          in->runtime_dir);
    memcpy(sa->sun_path, url + sizeof scheme - 1, strlen(url) - (sizeof scheme - 1));
    return 0;
}

static int listen_on(struct sa_link *k, struct sa_err **err)
{
    struct sockaddr_un sa;

    if (path_of(k->in, k->index, &sa, err) < 0)
        return -1;
    k->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (k->fd < 0)
        return sa_err_sys(err, errno, "make a socket");
    unlink(sa.sun_path);
    if (bind(k->fd, (const struct sockaddr *)&sa, sizeof sa) < 0 ||
        chmod(sa.sun_path, SOCKET_MODE) < 0 || listen(k->fd, BACKLOG) < 0)
        return sa_err_sys(err, errno, "listen on %s", sa.sun_path);
    return sa_loop_fd(k->in->loop, k->fd, EPOLLIN, on_connection, k, err);
}

static void close_link(struct sa_link *k)
{
    struct sockaddr_un sa;

    if (k->worker)
        send_off(k->worker);
    for (size_t i = 0; i <= GUESTS; i++)
        if (k->guests[i])
            send_off(k->guests[i]);
    if (k->fd >= 0) {
        sa_loop_fd_remove(k->in->loop, k->fd);
        close(k->fd);
        if (path_of(k->in, k->index, &sa, NULL) == 0)
            unlink(sa.sun_path);
    }
    sodium_memzero(k->key, sizeof k->key);
    free(k);
}

struct sa_link *sa_intake_add(struct sa_intake *in, uint32_t index, const uint8_t key[32],
                              void *account, struct sa_err **err)
{
    struct sa_link *k = calloc(1, sizeof *k);

    if (!k) {
        sa_err_set(err, SA_EMEMORY, "no memory for a data channel");
        return NULL;
    }
    k->in = in;
    k->account = account;
    k->index = index;
    k->fd = -1;
    memcpy(k->key, key, KEY_SIZE);
    if (listen_on(k, err) < 0) {
        close_link(k);
        return NULL;
    }
    k->next = in->links;
    in->links = k;
    return k;
}

void sa_intake_rekey(struct sa_link *k, const uint8_t key[32])
{
    if (sodium_memcmp(k->key, key, KEY_SIZE) == 0)
        return;
    memcpy(k->key, key, KEY_SIZE);
    unbind(k);
}

void sa_intake_remove(struct sa_intake *in, struct sa_link *k)
{
    struct sa_link **pp = &in->links;

    while (*pp && *pp != k)
        pp = &(*pp)->next;
    if (*pp)
        *pp = k->next;
    close_link(k);
}

void sa_intake_free(struct sa_intake *in)
{
    if (!in)
        return;
    sa_timer_cancel(in->loop, &in->timer);
    while (in->links)
        sa_intake_remove(in, in->links);
    free(in->runtime_dir);
    free(in);
}

void sa_intake_send(struct sa_link *k, enum sa_data_kind kind, const void *p, size_t n)
{
    const struct sa_data_header h = {.kind = (uint8_t)kind};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    uint8_t head[SA_DATA_HEADER];

    if (!k->worker)
        return;
    sa_data_put_header(head, &h);
    if (sa_sp_send(k->worker->sp, head, sizeof head, p, n, &err) == 0)
        return;
    sa_log(SA_ERROR, "worker %u does not take its replies and is cut off: %s", k->index,
           sa_err_msg(err));
    unbind(k);
}

bool sa_intake_send_first(struct sa_link *k, enum sa_data_kind kind, const void *p, size_t n,
                          size_t waiting_max)
{
    const struct sa_data_header h = {.kind = (uint8_t)kind};
    uint8_t head[SA_DATA_HEADER];

    if (!k->worker || sa_sp_queued(k->worker->sp) + n > waiting_max)
        return false;
    sa_data_put_header(head, &h);
    return sa_sp_send_first(k->worker->sp, head, sizeof head, p, n, NULL) == 0;
}

void sa_intake_except(struct sa_link *k, bool except)
{
    if (k->except == except)
        return;
    k->except = except;
    if (k->worker)
        sa_sp_pause(k->worker->sp, k->in->paused && !except);
}

void sa_intake_pause(struct sa_intake *in, bool paused)
{
    if (in->paused == paused)
        return;
    in->paused = paused;
    for (struct sa_link *k = in->links; k; k = k->next) {
        if (k->worker)
            sa_sp_pause(k->worker->sp, paused && !k->except);
        for (size_t i = 0; i < GUESTS && k->guests[i]; i++) {
            sa_sp_pause(k->guests[i]->sp, paused);
            k->guests[i]->due = sa_mono_ns() + GUEST_TIME; /* nobody listened meanwhile */
        }
    }
}

void sa_intake_drain(struct sa_intake *in)
{
    for (struct sa_link *k = in->links; k; k = k->next)
        if (k->worker)
            sa_sp_drain(k->worker->sp);
}
