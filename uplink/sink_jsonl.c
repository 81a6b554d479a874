/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dry run: what would leave the cluster, one JSON object a line, on standard output or in a
 * file. To the workers it is another side that knows nothing, finds everything in step and wants
 * nothing. What was written is acknowledged after the write, so that a slow reader slows the
 * workers down.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "ipc/data.h"
#include "uplink/parts.h"
#include "uplink/reply.h"
#include "uplink/sink.h"

#define WINDOW      (1024u * 1024u) /* bytes of credit beyond what was received */
#define FLUSH_DELAY (10 * SA_NS_PER_MS)
#define RETRY_DELAY (20 * SA_NS_PER_MS)       /* of a reader that does not read */
#define HIGH_WATER  ((size_t)8 * 1024 * 1024) /* bytes that wait to be written */
#define KEEP        ((size_t)256 * 1024)

struct scope {
    uint32_t id;
    char *group, *resource, *namespace, *kind;
};

struct account {
    uint32_t handle;
    char *name;
    uint64_t epoch, sequence, used, granted;
    struct scope *scopes;
    size_t n_scopes;
    bool listing; /* further scopes of the list come */
    struct sa_parts parts;
    bool due; /* something of it waits to be written */
};

struct jsonl_sink {
    struct sa_sink base;
    struct sa_loop *loop;
    struct sa_slot *slot; /* may be NULL */
    const struct sa_sink_events *ev;
    void *arg;
    struct account **accounts;
    size_t n_accounts;
    uint64_t epoch; /* the last one given */
    struct sa_buf out, reply;
    struct sa_timer flush, retry;
    struct sa_backoff backoff;
    size_t chunk; /* bytes that a write takes without blocking, once the descriptor is writable */
    int fd;
    bool own_fd, up, pressed;
    bool torn; /* the last byte that was written ends no line */
};

static void free_scopes(struct account *a)
{
    for (size_t i = 0; i < a->n_scopes; i++) {
        free(a->scopes[i].group);
        free(a->scopes[i].resource);
        free(a->scopes[i].namespace);
        free(a->scopes[i].kind);
    }
    free(a->scopes);
    a->scopes = NULL;
    a->n_scopes = 0;
}

static void free_account(struct account *a)
{
    free_scopes(a);
    sa_parts_free(&a->parts);
    free(a->name);
    free(a);
}

static struct account *find(const struct jsonl_sink *k, uint32_t handle)
{
    for (size_t i = 0; i < k->n_accounts; i++)
        if (k->accounts[i]->handle == handle)
            return k->accounts[i];
    return NULL;
}

static const struct scope *find_scope(const struct account *a, uint32_t id)
{
    for (size_t i = 0; i < a->n_scopes; i++)
        if (a->scopes[i].id == id)
            return &a->scopes[i];
    return NULL;
}

static void member(struct sa_buf *b, const char *name, const char *value)
{
    sa_buf_addf(b, ",\"%s\":", name);
    sa_buf_add_json(b, value);
}

/* Starts a line: time, account, type, epoch. The caller ends it with "}\n". */
static void begin_line(struct jsonl_sink *k, const struct account *a, const char *type)
{
    sa_buf_addf(&k->out, "{\"time_us\":%" PRId64, sa_real_us());
    member(&k->out, "account", a->name);
    member(&k->out, "type", type);
    sa_buf_addf(&k->out, ",\"epoch\":%" PRIu64, a->epoch);
}

static void end_line(struct jsonl_sink *k)
{
    sa_buf_adds(&k->out, "}\n");
}

static void put_scope(struct jsonl_sink *k, const struct account *a, uint32_t id)
{
    const struct scope *s = find_scope(a, id);

    member(&k->out, "group", s ? s->group : "");
    member(&k->out, "resource", s ? s->resource : "");
    member(&k->out, "kind", s ? s->kind : "");
}

static void put_digest(struct jsonl_sink *k, const ProtobufCBinaryData *d)
{
    char hex[2 * SA_DIGEST_SIZE + 1] = "";

    if (d->len == SA_DIGEST_SIZE)
        sa_hex(d->data, d->len, hex);
    member(&k->out, "digest", hex);
}

static bool is_object(const char *p, size_t n)
{
    const char *end = NULL;
    cJSON *o = cJSON_ParseWithLengthOpts(p, n, &end, false);
    bool whole = cJSON_IsObject(o) && end == p + n;

    cJSON_Delete(o);
    return whole;
}

/* A worker's object is one JSON object in one line. What is not must not break the lines of others,
 * nor end its own object to add members to the line. */
static void put_object(struct jsonl_sink *k, const char *p, size_t n)
{
    bool plain = n > 0 && p[0] == '{' && p[n - 1] == '}';

    for (size_t i = 0; plain && i < n; i++)
        plain = (unsigned char)p[i] >= ' ';
    plain = plain && is_object(p, n);
    sa_buf_adds(&k->out, plain ? ",\"object\":" : ",\"malformed_bytes\":");
    if (plain)
        sa_buf_add(&k->out, p, n);
    else
        sa_buf_addf(&k->out, "%zu", n);
}

static int on_delta(struct jsonl_sink *k, struct account *a, const Scaleagent__V1__Delta *d,
                    struct sa_err **err)
{
    const void *object = NULL;
    size_t n = 0;
    int rc = d->deleted ? 1 : sa_parts_take(&a->parts, d, a->sequence, &object, &n, err);

    if (rc <= 0)
        return rc;
    begin_line(k, a, "delta");
    sa_buf_addf(&k->out, ",\"sequence\":%" PRIu64, a->sequence);
    put_scope(k, a, d->scope);
    member(&k->out, "namespace", d->namespace_);
    member(&k->out, "name", d->name);
    member(&k->out, "uid", d->uid);
    member(&k->out, "resourceVersion", d->resource_version);
    sa_buf_adds(&k->out, d->deleted ? ",\"deleted\":true" : ",\"deleted\":false");
    if (!d->deleted) {
        put_digest(k, &d->digest);
        put_object(k, object, n);
        if (d->object_size != 0)
            sa_parts_reset(&a->parts);
    }
    end_line(k);
    return 0;
}

static int on_deltas(struct jsonl_sink *k, struct account *a, const Scaleagent__V1__Deltas *m,
                     struct sa_err **err)
{
    if (m->first_sequence != a->sequence + 1)
        return sa_err_set(err, SA_EPROTOCOL, "deltas begin at %" PRIu64 ", after %" PRIu64,
                          m->first_sequence, a->sequence);
    for (size_t i = 0; i < m->n_deltas; i++) {
        a->sequence++;
        if (on_delta(k, a, m->deltas[i], err) < 0)
            return -1;
    }
    return 0;
}

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the jsonl sink");
}

static int send_reply(struct jsonl_sink *k, const struct account *a, int built, struct sa_err **err)
{
    if (built < 0)
        return no_memory(err);
    k->ev->reply(k->arg, a->handle, k->reply.data, k->reply.len);
    sa_buf_reset(&k->reply);
    return 0;
}

static int on_open(struct jsonl_sink *k, struct account *a, const Scaleagent__V1__AccountOpen *m,
                   struct sa_err **err)
{
    Scaleagent__V1__Welcome w = SCALEAGENT__V1__WELCOME__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    free_scopes(a);
    a->listing = false;
    sa_parts_reset(&a->parts);
    a->epoch = ++k->epoch;
    a->sequence = a->used = 0;
    a->granted = WINDOW;
    begin_line(k, a, "open");
    member(&k->out, "server", m->server);
    member(&k->out, "serverVersion", m->server_version);
    member(&k->out, "clusterId", m->cluster_id);
    end_line(k);
    w.role = SCALEAGENT__V1__WELCOME__ROLE__CACHING;
    w.credit = a->granted;
    r.epoch = a->epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME;
    r.welcome = &w;
    return send_reply(k, a, sa_reply_pack(&r, &k->reply), err);
}

static int take_scope(struct scope *s, const Scaleagent__V1__Scope *m)
{
    s->id = m->id;
    s->group = strdup(m->name ? m->name->group : "");
    s->resource = strdup(m->name ? m->name->resource : "");
    s->namespace = strdup(m->name ? m->name->namespace_ : "");
    s->kind = strdup(m->kind);
    return s->group && s->resource && s->namespace && s->kind ? 0 : -1;
}

static int on_scopes(struct jsonl_sink *k, struct account *a, const Scaleagent__V1__Scopes *m,
                     struct sa_err **err)
{
    struct scope *more;

    if (!a->listing)
        free_scopes(a);
    if (m->n_scopes > SA_SCOPES_MAX - a->n_scopes || (m->more && m->n_scopes == 0))
        return sa_err_set(err, SA_EPROTOCOL, "the list of scopes has no end");
    more = reallocarray(a->scopes, a->n_scopes + m->n_scopes + 1, sizeof *more);
    if (!more)
        return no_memory(err);
    a->scopes = more;
    a->listing = m->more;
    for (size_t i = 0; i < m->n_scopes; i++) {
        struct scope *s = &a->scopes[a->n_scopes];

        memset(s, 0, sizeof *s);
        a->n_scopes++;
        if (take_scope(s, m->scopes[i]) < 0)
            return no_memory(err);
        begin_line(k, a, "scope");
        put_scope(k, a, s->id);
        member(&k->out, "scopeNamespace", s->namespace);
        member(&k->out, "version", m->scopes[i]->version);
        end_line(k);
    }
    /* An object whose scope leaves amid its parts has no further ones. */
    if (!a->listing && a->parts.size != 0 && !find_scope(a, a->parts.scope))
        sa_parts_reset(&a->parts);
    return 0;
}

static int on_checkpoint(struct jsonl_sink *k, const struct account *a,
                         const Scaleagent__V1__Checkpoint *m)
{
    begin_line(k, a, "checkpoint");
    put_scope(k, a, m->scope);
    member(&k->out, "resourceVersion", m->resource_version);
    end_line(k);
    return 0;
}

static int on_page(struct jsonl_sink *k, const struct account *a,
                   const Scaleagent__V1__SnapshotPage *m, struct sa_err **err)
{
    begin_line(k, a, "page");
    put_scope(k, a, m->scope);
    sa_buf_addf(&k->out, ",\"keys\":%zu", m->n_entries);
    end_line(k);
    return send_reply(k, a, sa_reply_wants(a->epoch, m, NULL, 0, &k->reply), err);
}

static int dispatch(struct jsonl_sink *k, struct account *a,
                    const Scaleagent__V1__AccountMessage *m, struct sa_err **err)
{
    switch (m->body_case) {
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN:
        return on_open(k, a, m->open, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES:
        return on_scopes(k, a, m->scopes, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS:
        return send_reply(k, a, sa_reply_sums(a->epoch, m->sums->scope, true, &k->reply), err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_PAGE:
        return on_page(k, a, m->page, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_END:
        return send_reply(k, a, sa_reply_done(a->epoch, m->end, true, 0, &k->reply), err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS:
        return on_deltas(k, a, m->deltas, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_CHECKPOINT:
        return on_checkpoint(k, a, m->checkpoint);
    default:
        return 0;
    }
}

static void acknowledge(struct jsonl_sink *k, struct account *a)
{
    uint64_t sequence = a->parts.size != 0 ? a->parts.before : a->sequence;

    a->due = false;
    if (a->epoch == 0)
        return;
    a->granted = a->used + WINDOW;
    send_reply(k, a, sa_reply_ack(a->epoch, sequence, a->granted, &k->reply), NULL);
}

/* Writes what the reader takes now. -1: the output is broken. */
static int write_some(struct jsonl_sink *k)
{
    size_t done = 0;
    int rc = 0;

    while (done < k->out.len && rc == 0) {
        struct pollfd p = {.fd = k->fd, .events = POLLOUT};
        size_t n = k->out.len - done < k->chunk ? k->out.len - done : k->chunk;
        ssize_t put;

        if (poll(&p, 1, 0) <= 0)
            break;
        put = write(k->fd, k->out.data + done, n);
        if (put < 0 && errno != EINTR && errno != EAGAIN)
            rc = -1;
        else if (put < 0 && errno == EAGAIN)
            break;
        else if (put > 0)
            done += (size_t)put;
    }
    if (done > 0)
        k->torn = k->out.data[done - 1] != '\n';
    sa_buf_drop(&k->out, done);
    return rc;
}

static void go_up(void *arg)
{
    struct jsonl_sink *k = arg;

    k->up = true;
    if (k->torn)
        sa_buf_adds(&k->out, "\n");
    if (k->slot) {
        k->slot->connected = 1;
        k->slot->connections++;
    }
    k->ev->up(k->arg);
}

/* A full disk, usually: the epochs are over, and it is tried again with growing pauses. */
static void go_down(struct jsonl_sink *k, int error)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    sa_err_sys(&err, error, "write the jsonl output");
    sa_buf_reset(&k->out);
    for (size_t i = 0; i < k->n_accounts; i++)
        k->accounts[i]->epoch = 0;
    k->up = k->pressed = false;
    if (k->slot) {
        k->slot->connected = 0;
        k->slot->disconnections++;
    }
    if (sa_timer_set(k->loop, &k->retry, sa_backoff_next(&k->backoff), go_up, k) < 0)
        sa_log(SA_FATAL, "no memory for a timer");
    k->ev->down(k->arg, err);
}

static void on_flush(void *arg)
{
    struct jsonl_sink *k = arg;
    bool high;

    if (write_some(k) < 0) {
        go_down(k, errno);
        return;
    }
    high = k->out.len > HIGH_WATER;
    if (high != k->pressed) {
        k->pressed = high;
        k->ev->pressure(k->arg, high);
    }
    if (k->out.len > 0) {
        sa_timer_set(k->loop, &k->flush, RETRY_DELAY, on_flush, k);
        return;
    }
    sa_buf_trim(&k->out, KEEP);
    sa_backoff_reset(&k->backoff);
    for (size_t i = 0; i < k->n_accounts; i++)
        if (k->accounts[i]->due)
            acknowledge(k, k->accounts[i]);
}

static int handle(struct jsonl_sink *k, struct account *a, const Scaleagent__V1__AccountMessage *m,
                  size_t n, struct sa_err **err)
{
    bool open = m->body_case == SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN;

    if (!open && (a->epoch == 0 || m->epoch != a->epoch))
        return 0;
    if (m->body_case == SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS ||
        m->body_case == SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_PAGE)
        a->used += n;
    if (a->used > a->granted)
        return sa_err_set(err, SA_EPROTOCOL, "more was sent than was granted");
    if (dispatch(k, a, m, err) < 0)
        return -1;
    return k->out.failed ? no_memory(err) : 0;
}

static int jsonl_message(struct sa_sink *sink, uint32_t h, const void *p, size_t n, uint32_t events,
                         struct sa_err **err)
{
    struct jsonl_sink *k = (struct jsonl_sink *)sink;
    struct account *a = find(k, h);
    Scaleagent__V1__AccountMessage *m;
    int rc;

    (void)events;
    if (!a || !k->up)
        return 0;
    m = scaleagent__v1__account_message__unpack(NULL, n, p);
    if (!m)
        return sa_err_set(err, SA_EPROTOCOL, "%zu bytes from a worker are no AccountMessage", n);
    rc = handle(k, a, m, n, err);
    scaleagent__v1__account_message__free_unpacked(m, NULL);
    if (rc < 0) {
        a->epoch = 0;
        return -1;
    }
    a->due = true;
    if (!sa_timer_armed(&k->flush))
        sa_timer_set(k->loop, &k->flush, FLUSH_DELAY, on_flush, k);
    return 0;
}

static int set_output(struct jsonl_sink *k, const char *file, struct sa_err **err)
{
    struct stat st;

    k->own_fd = file && strcmp(file, "-") != 0;
    k->fd = STDOUT_FILENO;
    if (k->own_fd)
        k->fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (k->fd < 0 || fstat(k->fd, &st) < 0)
        return sa_err_sys(err, errno, "open %s", k->own_fd ? file : "standard output");
    k->chunk = S_ISREG(st.st_mode) ? 1024 * 1024 : PIPE_BUF;
    if (k->slot) {
        sa_slot_set_text(k->slot->server, sizeof k->slot->server, k->own_fd ? file : "stdout");
        sa_slot_set_text(k->slot->version, sizeof k->slot->version, "jsonl");
    }
    return 0;
}

static int jsonl_open(const struct sa_sink_setup *setup, const struct sa_sink_events *ev, void *arg,
                      struct sa_sink **out, struct sa_err **err)
{
    struct jsonl_sink *k = calloc(1, sizeof *k);

    if (!k)
        return no_memory(err);
    k->base.ops = &sa_sink_jsonl;
    k->loop = setup->loop;
    k->slot = setup->slot;
    k->ev = ev;
    k->arg = arg;
    k->backoff = (struct sa_backoff){SA_NS_PER_S, 30 * SA_NS_PER_S, 2.0, 0.2, 0};
    sa_buf_init(&k->out, 0);
    sa_buf_init(&k->reply, 0);
    /* Epochs grow over restarts as well: by the clock, since nothing is kept. */
    k->epoch = (uint64_t)sa_real_us();
    if (set_output(k, setup->settings->jsonl_file, err) < 0) {
        free(k);
        return -1;
    }
    *out = &k->base;
    return 0;
}

static struct account *make_account(const struct sa_sink_account *v)
{
    struct account *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->handle = v->handle;
    a->name = strdup(v->name);
    sa_parts_init(&a->parts);
    if (a->name)
        return a;
    free(a);
    return NULL;
}

static void jsonl_accounts(struct sa_sink *sink, const struct sa_sink_account *v, size_t n)
{
    struct jsonl_sink *k = (struct jsonl_sink *)sink;
    struct account **list = calloc(n + 1, sizeof(*list));
    size_t kept = 0;

    for (size_t i = 0; list && i < n; i++) {
        struct account *a = find(k, v[i].handle);

        if (!a)
            a = make_account(&v[i]);
        if (a)
            list[kept++] = a;
    }
    if (!list || kept < n)
        sa_log(SA_ERROR, "no memory for the list of accounts");
    if (!list)
        return;
    for (size_t i = 0; i < k->n_accounts; i++) {
        bool stays = false;

        for (size_t j = 0; j < kept && !stays; j++)
            stays = list[j] == k->accounts[i];
        if (!stays)
            free_account(k->accounts[i]);
    }
    free(k->accounts);
    k->accounts = list;
    k->n_accounts = kept;
    if (!k->up && !sa_timer_armed(&k->retry))
        go_up(k);
}

static void jsonl_gone(struct sa_sink *sink, uint32_t h, const char *reason)
{
    struct account *a = find((struct jsonl_sink *)sink, h);

    (void)reason;
    if (a)
        a->epoch = 0;
}

static void jsonl_close(struct sa_sink *sink, unsigned ms)
{
    struct jsonl_sink *k = (struct jsonl_sink *)sink;
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    while (k->out.len > 0 && write_some(k) == 0 && k->out.len > 0 && sa_mono_ns() < end)
        poll(&(struct pollfd){.fd = k->fd, .events = POLLOUT}, 1, 20);
    sa_timer_cancel(k->loop, &k->flush);
    sa_timer_cancel(k->loop, &k->retry);
    for (size_t i = 0; i < k->n_accounts; i++)
        free_account(k->accounts[i]);
    free(k->accounts);
    if (k->own_fd)
        close(k->fd);
    sa_buf_free(&k->out);
    sa_buf_free(&k->reply);
    free(k);
}

const struct sa_sink_ops sa_sink_jsonl = {
    .name = "jsonl",
    .open = jsonl_open,
    .accounts = jsonl_accounts,
    .message = jsonl_message,
    .account_gone = jsonl_gone,
    .close = jsonl_close,
};
