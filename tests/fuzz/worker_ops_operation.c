/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation as it comes down the wire, and what an API server answers to it: any bytes. An input
 * is a byte, 16 bits of length, so many bytes of an encoded Operation, and answers: a byte that
 * picks the status, 16 bits of length, the body. The first byte's lowest bit gives the operation an
 * id and a time limit, so that what is tried goes further than the checks of those; the next three
 * say what happens beside the answers, and the others before which of them.
 *
 * What holds whatever they are: a worker that was asked answers once, with the operation's id, in
 * words that are UTF-8, unless the stream has ended; its requests have paths that lead nowhere
 * else, headers that are one line, and change nothing where the operation reads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/ops/engine.h"
#include "worker/ops/ids.h"
#include "worker_fake.h"

#define ROUNDS 64 /* requests that are answered */

typedef Scaleagent__V1__Operation operation;

struct bytes {
    const uint8_t *p;
    size_t n;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    sa_log_set_level(SA_FATAL);
    return 0;
}

static struct bytes take(struct bytes *b, size_t n)
{
    struct bytes out = {b->p, n < b->n ? n : b->n};

    b->p += out.n;
    b->n -= out.n;
    return out;
}

static struct bytes take_piece(struct bytes *b)
{
    struct bytes n = take(b, 2);

    return take(b, n.n == 2 ? (size_t)n.p[0] << 8 | n.p[1] : 0);
}

/* What the assertions of worker_fake.c call: there is no runner of Check here. */
void _mark_point(const char *file, int line)
{
    (void)file;
    (void)line;
}

void _ck_assert_failed(const char *file, int line, const char *expr, const char *msg, ...)
{
    (void)msg;
    fprintf(stderr, "%s:%d: %s\n", file, line, expr);
    abort();
}

/* ---- what is looked at ---- */

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool is_text(const char *s)
{
    while (*s) {
        size_t n = sa_utf8_length(s);

        if (n == 0)
            return false;
        s += n;
    }
    return true;
}

/* Segments that are there, and are neither "." nor ".."; nothing that ends a line, or the path. */
static void check_path(const char *path)
{
    const char *query = strchr(path, '?'), *end = query ? query : path + strlen(path);

    check(*path == '/');
    for (const char *p = path; *p; p++)
        check((unsigned char)*p > ' ' && (unsigned char)*p < 127 && *p != '#' && *p != '\\');
    for (const char *at = path; at < end;) {
        size_t n = strcspn(at + 1, "/?");

        check(n > 0 && !(n == 1 && at[1] == '.') && !(n == 2 && at[1] == '.' && at[2] == '.'));
        at += 1 + n;
    }
}

static bool one_of(const char *text, const char *const *list)
{
    while (*list && strcmp(text, *list) != 0)
        list++;
    return *list != NULL;
}

static bool reads(const operation *m)
{
    switch (m->body_case) {
    case SCALEAGENT__V1__OPERATION__BODY_GET:
    case SCALEAGENT__V1__OPERATION__BODY_LIST:
    case SCALEAGENT__V1__OPERATION__BODY_EVENTS:
    case SCALEAGENT__V1__OPERATION__BODY_LOGS:
    case SCALEAGENT__V1__OPERATION__BODY_TOP:
        return true;
    case SCALEAGENT__V1__OPERATION__BODY_ROLLOUT:
        return m->rollout->verb == SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__HISTORY;
    default:
        return false;
    }
}

static void check_request(const struct sa_request *r, const operation *m)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};

    check(one_of(fake_method(r), methods));
    check(strcmp(fake_method(r), "GET") == 0 || !reads(m));
    check_path(fake_path(r));
    check(strpbrk(fake_content_type(r), "\r\n") == NULL);
    check(strpbrk(fake_accept(r), "\r\n") == NULL);
}

/* One answer, in parts that follow on one another. */
static void check_results(const struct fake *f, const operation *m)
{
    uint64_t offset = 0;

    check(f->n_results > 0);
    for (size_t i = 0; i < f->n_results; i++) {
        const Scaleagent__V1__OperationResult *r = f->results[i];

        check(r->last == (i + 1 == f->n_results));
        check(r->offset == offset && is_text(r->message));
        check(is_text(r->uid) && is_text(r->resource_version));
        check(r->id.len == SA_OP_ID);
        check(m->id.len != SA_OP_ID || memcmp(r->id.data, m->id.data, SA_OP_ID) == 0);
        check(!r->last || r->code != SCALEAGENT__V1__OPERATION_RESULT__CODE__UNSPECIFIED);
        offset += r->body.len;
    }
}

/* ---- what is done ---- */

static void answer(struct fake *f, struct sa_request *r, struct bytes *b)
{
    static const int statuses[] = {200, 201, 200, 404, 409, 410, 415, 422, 403, 500, 504, 0};
    struct bytes code = take(b, 1), body = take_piece(b);
    int status = code.n ? statuses[code.p[0] % (sizeof statuses / sizeof *statuses)] : 0;
    char *text = malloc(body.n + 1);

    if (body.n > 0)
        memcpy(text, body.p, body.n);
    text[body.n] = '\0';
    if (status == 0)
        fake_break(f, r);
    else
        fake_answer(f, r, status, text);
    free(text);
}

/* What the worker asks for itself stays unanswered. */
static struct sa_request *next_request(struct fake *f, const struct sa_request *const *own)
{
    struct sa_request *r = fake_request(f, "");

    while (r) {
        size_t i = 0;

        while (own[i] && own[i] != r)
            i++;
        if (!own[i])
            return r;
        r = fake_next(r);
    }
    return NULL;
}

static void cancel(struct fake *f, const operation *m)
{
    Scaleagent__V1__OperationCancel c = SCALEAGENT__V1__OPERATION_CANCEL__INIT;
    uint8_t *p;

    c.id = m->id;
    p = malloc(scaleagent__v1__operation_cancel__get_packed_size(&c) + 1);
    check(sa_session_message(&f->w, SA_DATA_CANCEL, p,
                             scaleagent__v1__operation_cancel__pack(&c, p), NULL) == 0);
    free(p);
}

enum { NOTHING, CANCELLED, ASKED_AGAIN, STREAM_ENDED, LINK_ENDED, STOPPED, TIME_PASSES };

/* True: nobody is told what comes of it. */
static bool beside(struct fake *f, const operation *m, const struct sa_buf *wire, unsigned what)
{
    switch (what) {
    case CANCELLED:
        cancel(f, m);
        break;
    case ASKED_AGAIN:
        sa_session_message(&f->w, SA_DATA_OPERATION, (const uint8_t *)wire->data, wire->len, NULL);
        break;
    case STREAM_ENDED:
        fake_down(f);
        return true;
    case LINK_ENDED:
        sa_session_down(&f->w);
        sa_ops_uplink_down(f->w.ops);
        return true;
    case STOPPED:
        sa_ops_stop(f->w.ops);
        break;
    case TIME_PASSES:
        sa_ops_tick(f->w.ops);
        sa_ops_object_gone(f->w.ops);
        sa_ops_discovered(f->w.ops, true);
        break;
    default:
        break;
    }
    return false;
}

static void go_through(struct fake *f, const operation *m, const struct sa_buf *wire,
                       struct bytes *b, unsigned flags)
{
    unsigned what = flags >> 1 & 7, when = flags >> 4;
    bool untold = false;
    const struct sa_request *own[64] = {NULL};
    struct sa_request *r = fake_request(f, "");

    for (size_t i = 0; i < 63 && r; i++, r = fake_next(r))
        own[i] = r;
    check(!r);
    check(sa_session_message(&f->w, SA_DATA_OPERATION, (const uint8_t *)wire->data, wire->len,
                             NULL) == 0);
    for (unsigned i = 0; i < ROUNDS && b->n > 0; i++) {
        if (i == when)
            untold = beside(f, m, wire, what);
        r = next_request(f, own);
        if (!r)
            break;
        check_request(r, m);
        answer(f, r, b);
        sa_loop_turn(f->w.loop, 0, NULL);
    }
    while ((r = next_request(f, own)) && sa_ops_busy(f->w.ops)) {
        check_request(r, m);
        fake_break(f, r);
    }
    sa_ops_end(f->w.ops);
    check(!sa_ops_busy(f->w.ops));
    if (what != ASKED_AGAIN && !untold)
        check_results(f, m);
}

/* Fields of Operation in proto/scale_agent.proto; the last of each counts. */
static void complete(struct sa_buf *wire)
{
    sa_buf_add(wire,
               "\x0a\x10"
               "0123456789abcdef"
               "\x10\xe0\xd4\x03",
               22);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf wire = {0};
    struct bytes b = {data, size};
    struct bytes first = take(&b, 1), piece = take_piece(&b);
    struct fake *f = fake_new();
    operation *m;

    f->w.account.retries_enabled = false;
    fake_start(f);
    sa_buf_reserve(&wire, 1);
    sa_buf_add(&wire, piece.p, piece.n);
    if (first.n > 0 && first.p[0] & 1)
        complete(&wire);
    m = scaleagent__v1__operation__unpack(NULL, wire.len, (const uint8_t *)wire.data);
    if (m) {
        go_through(f, m, &wire, &b, first.n > 0 ? first.p[0] : 0);
        scaleagent__v1__operation__free_unpacked(m, NULL);
    } else { /* the uplink passes on what it has not read: that is not its fault */
        check(sa_session_message(&f->w, SA_DATA_OPERATION, (const uint8_t *)wire.data, wire.len,
                                 NULL) == 0);
        check(f->n_results == 0 && !sa_ops_busy(f->w.ops));
    }
    fake_free(f);
    return 0;
}
