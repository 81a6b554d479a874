/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One scope against a model of the cluster and of the other side, which answer in any order, late,
 * or not at all, by a seeded choice at each step. In the end the rows are the objects; and whenever
 * a checkpoint comes, the rows hold all that happened up to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_fake.h"
#include "worker_test.h"

#define BODY(x) SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_##x
#define NAMES   6
#define EVENTS  4000
#define WINDOW  3000u

struct state {
    bool there;
    int version, x;
};

struct row {
    bool there, seen;
    int x;
    struct sa_digest digest;
};

static struct world {
    struct fake *f;
    /* the cluster */
    int version;
    struct state now[NAMES], listed[2][NAMES], read[NAMES];
    struct {
        const char *type;
        int name, version, x;
    } log[EVENTS];
    int n_log, next; /* of the watch */
    char watch[256], list[2][256], get[NAMES][256];
    int listed_at[2];
    /* the other side */
    struct row rows[NAMES];
    uint64_t received, sequence, unanswered;
    uint32_t snapshot, pages;
    char checkpoint[16];
    bool up;
    bool no_get;    /* single objects may not be read */
    bool vouched;   /* in step by Sums, or resumed from the checkpoint of Welcome */
    bool untouched; /* nothing was sent: the sums of Welcome hold, whatever the worker makes of them
                     */
} w;

static unsigned roll(unsigned n)
{
    return (unsigned)rand() % n;
}

static void change(void)
{
    int k = (int)roll(NAMES);
    struct state *s = &w.now[k];
    if (w.n_log == EVENTS)
        return;
    const char *type = "MODIFIED";
    if (!s->there) {
        type = "ADDED";
        s->there = true;
        s->x = (int)roll(4);
    } else if (roll(3) == 0) {
        type = "DELETED";
        s->there = false;
    } else if (roll(2)) { /* else only its version */
        s->x = (int)roll(4);
    }
    s->version = ++w.version;
    w.log[w.n_log].type = type;
    w.log[w.n_log].name = k;
    w.log[w.n_log].version = s->version;
    w.log[w.n_log++].x = s->x;
}

/* ---- the cluster answers ---- */

static void number(char *out, size_t n, int v)
{
    snprintf(out, n, "%d", v);
}

/* Which of a list's or read's state is taken when it is first seen: its present. */
static bool fresh(char *known, const struct sa_request *q)
{
    char id[256];
    snprintf(id, sizeof id, "%p %.200s", (const void *)q, fake_path(q));
    if (strcmp(id, known) == 0)
        return false;
    memcpy(known, id, sizeof id);
    return true;
}

static struct sa_request *list_request(bool names)
{
    struct sa_request *q = fake_request(w.f, "pods?limit");
    struct sa_request *c = fake_request(w.f, "continue=t");
    if (q && (strstr(fake_accept(q), "PartialObjectMetadataList") != NULL) == names)
        return q;
    return c && (strstr(fake_accept(c), "PartialObjectMetadataList") != NULL) == names ? c : NULL;
}

static void look(void)
{
    struct sa_request *q = fake_request(w.f, "watch=1");
    if (q && fresh(w.watch, q)) {
        int from = atoi(strstr(fake_path(q), "resourceVersion=") + 16);
        for (w.next = 0; w.next < w.n_log && w.log[w.next].version <= from;)
            w.next++;
    }
    for (int i = 0; i < 2; i++)
        if ((q = list_request(i)) && fresh(w.list[i], q) && !strstr(fake_path(q), "continue=")) {
            memcpy(w.listed[i], w.now, sizeof w.now);
            w.listed_at[i] = w.version;
        }
    for (int k = 0; k < NAMES; k++) {
        char path[32];
        snprintf(path, sizeof path, "/pods/n%d", k);
        if ((q = fake_request(w.f, path)) && fresh(w.get[k], q))
            w.read[k] = w.now[k];
    }
}

static void answer_list(bool names)
{
    struct sa_request *q = list_request(names);
    if (!q)
        return;
    bool second = strstr(fake_path(q), "continue=") != NULL;
    if (roll(12) == 0) {
        w.list[names][0] = '\0';
        fake_answer(w.f, q, second ? 410 : 503, "");
        return;
    }
    char items[512] = "";
    size_t n = 0;
    for (int k = second ? NAMES / 2 : 0; k < (second ? NAMES : NAMES / 2); k++)
        if (w.listed[names][k].there)
            n += (size_t)snprintf(items + n, sizeof items - n, "%sn%d:%d:%d", n ? " " : "", k,
                                  w.listed[names][k].version, w.listed[names][k].x);
    char *body = fake_pods(w.listed_at[names], second ? NULL : "t", items);
    w.list[names][0] = '\0';
    fake_answer(w.f, q, 200, body);
    free(body);
}

static void answer_get(int k)
{
    char path[32], name[16], x[16];
    snprintf(path, sizeof path, "/pods/n%d", k);
    struct sa_request *q = fake_request(w.f, path);
    if (!q)
        return;
    w.get[k][0] = '\0';
    if (w.no_get || roll(12) == 0) {
        if (w.no_get || roll(2))
            fake_answer(w.f, q, w.no_get ? 403 : 500, "");
        else
            fake_break(w.f, q);
        return;
    }
    snprintf(name, sizeof name, "n%d", k);
    number(x, sizeof x, w.read[k].x);
    char *pod = w.read[k].there ? fake_pod(name, w.read[k].version, x) : NULL;
    fake_answer(w.f, q, pod ? 200 : 404, pod ? pod : "");
    free(pod);
}

static void watch_step(void)
{
    char name[16], x[16];
    struct sa_request *q = fake_request(w.f, "watch=1");
    if (!q)
        return;
    if (roll(40) == 0) {
        w.watch[0] = '\0';
        fake_break(w.f, q);
    } else if (roll(80) == 0) {
        w.watch[0] = '\0';
        fake_answer(w.f, q, 410, "");
    } else if (w.next < w.n_log) {
        int i = w.next++;
        snprintf(name, sizeof name, "n%d", w.log[i].name);
        number(x, sizeof x, w.log[i].x);
        fake_event(w.f, w.log[i].type, name, w.log[i].version, x);
    } else {
        fake_bookmark(w.f, w.version, false);
    }
}

/* ---- the other side ---- */

static int name_of(const char *name)
{
    ck_assert_int_eq(name[0], 'n');
    return atoi(name + 1);
}

static uint64_t rows_sum(uint8_t out[16])
{
    struct sa_sum sum = {0};
    uint64_t count = 0;
    for (int k = 0; k < NAMES; k++)
        if (w.rows[k].there) {
            sa_sum_add(&sum, &w.rows[k].digest);
            count++;
        }
    sa_sum_bytes(&sum, out);
    return count;
}

static void on_deltas(const Scaleagent__V1__Deltas *m)
{
    ck_assert_uint_eq(m->first_sequence, w.sequence + 1);
    w.sequence += m->n_deltas;
    w.untouched = false;
    for (size_t i = 0; i < m->n_deltas; i++) {
        const Scaleagent__V1__Delta *d = m->deltas[i];
        struct row *r = &w.rows[name_of(d->name)];
        r->there = !d->deleted;
        r->seen = true;
        if (d->deleted)
            continue;
        const char *x = memmem(d->object.data, d->object.len, "\"x\":\"", 5);
        ck_assert_ptr_nonnull(x);
        r->x = atoi(x + 5);
        memcpy(r->digest.b, d->digest.data, sizeof r->digest.b);
    }
}

static void on_page(const Scaleagent__V1__SnapshotPage *m)
{
    char wanted[256] = "";
    size_t n = 0;
    if (m->snapshot == w.snapshot && m->page == w.pages) {
        w.pages++;
        for (size_t i = 0; i < m->n_entries; i++) {
            const Scaleagent__V1__SnapshotEntry *e = m->entries[i];
            struct row *r = &w.rows[name_of(e->name)];
            r->seen = true;
            if (e->digest.len &&
                (!r->there || memcmp(r->digest.b, e->digest.data, e->digest.len) != 0))
                n += (size_t)snprintf(wanted + n, sizeof wanted - n, " %s", e->name);
        }
    }
    fake_wants(w.f, m, wanted);
}

static void on_end(const Scaleagent__V1__SnapshotEnd *m)
{
    bool complete = m->snapshot == w.snapshot && m->pages == w.pages;
    for (int k = 0; complete && k < NAMES; k++)
        w.rows[k].there = w.rows[k].there && w.rows[k].seen;
    w.snapshot = 0;
    fake_done(w.f, m->scope, m->snapshot, complete);
}

static void on_checkpoint(const char *version)
{
    int v = atoi(version);
    snprintf(w.checkpoint, sizeof w.checkpoint, "%s", version);
    if (!*version) /* it does not count any more */
        return;
    ck_assert_uint_eq(w.snapshot, 0);
    ck_assert(w.vouched || w.untouched);
    for (int k = 0; k < NAMES; k++) {
        if (w.now[k].version > v)
            continue; /* what comes after it may be there or not */
        ck_assert_msg(w.rows[k].there == w.now[k].there &&
                          (!w.now[k].there || w.rows[k].x == w.now[k].x),
                      "checkpoint %d: n%d changed at %d and is not so", v, k, w.now[k].version);
    }
}

static void take_one(void)
{
    message *m = fake_take(w.f);
    uint8_t sum[16];
    if (!m)
        return;
    if (m->body_case == BODY(DELTAS) || m->body_case == BODY(PAGE))
        w.received += scaleagent__v1__account_message__get_packed_size(m);
    if (m->body_case == BODY(DELTAS)) {
        on_deltas(m->deltas);
    } else if (m->body_case == BODY(SUMS)) {
        uint64_t count = rows_sum(sum);
        w.vouched = count == m->sums->count && memcmp(sum, m->sums->sum.data, 16) == 0;
        fake_sums(w.f, m->sums->scope, w.vouched);
    } else if (m->body_case == BODY(BEGIN)) {
        w.snapshot = m->begin->snapshot;
        w.pages = 0;
        for (int k = 0; k < NAMES; k++)
            w.rows[k].seen = false;
    } else if (m->body_case == BODY(PAGE)) {
        on_page(m->page);
    } else if (m->body_case == BODY(END)) {
        on_end(m->end);
    } else if (m->body_case == BODY(CHECKPOINT)) {
        on_checkpoint(m->checkpoint->resource_version);
    }
    fake_drop(m);
}

static void lose_messages(void)
{
    for (message *m; (m = fake_take(w.f));)
        fake_drop(m);
}

/* Who resumes from the checkpoint hears of nothing that was before it. */
static void checkpoint_holds(void)
{
    int v = atoi(w.checkpoint);
    for (int k = 0; w.checkpoint[0] && k < NAMES; k++)
        ck_assert_msg(w.now[k].version > v || (w.rows[k].there == w.now[k].there &&
                                               (!w.now[k].there || w.rows[k].x == w.now[k].x)),
                      "checkpoint %d stands, and n%d changed at %d", v, k, w.now[k].version);
}

static struct fake_known all_known(void)
{
    struct fake_known known = {
        .version = w.checkpoint, .age_ms = roll(4) ? 1000 : 400000, .other_settings = roll(8) == 0};
    checkpoint_holds();
    known.count = rows_sum(known.sum);
    w.received = w.sequence = w.snapshot = 0;
    w.up = w.untouched = true;
    w.vouched = w.checkpoint[0];
    return known;
}

static void welcome(void)
{
    struct fake_known known = all_known();
    fake_welcome(w.f, &known, WINDOW);
}

static void forget_requests(void)
{
    w.watch[0] = w.list[0][0] = w.list[1][0] = '\0';
    memset(w.get, 0, sizeof w.get);
}

/* Another agent streams for a while, in step, and leaves its checkpoint or not. */
static void stand_by(void)
{
    lose_messages();
    fake_send_welcome(w.f, NULL, 0, true);
    fake_none(w.f);
    forget_requests();
    for (unsigned n = roll(40); n > 0; n--)
        change();
    for (int k = 0; k < NAMES; k++) {
        w.rows[k].there = w.now[k].there;
        w.rows[k].x = w.now[k].x;
        memset(w.rows[k].digest.b, w.now[k].x, sizeof w.rows[k].digest.b); /* of its own form */
    }
    if (roll(4))
        number(w.checkpoint, sizeof w.checkpoint, w.version);
    for (unsigned n = roll(4); n > 0; n--)
        change();
    struct fake_known known = all_known();
    fake_send_welcome(w.f, &known, WINDOW, false);
    fake_drop(fake_expect(w.f, BODY(SCOPES)));
}

static void start_worker(void)
{
    w.f = fake_new();
    w.f->w.no_watch_list = true;
    forget_requests();
    fake_start(w.f);
    welcome();
}

static void step(void)
{
    unsigned what = roll(20);
    look();
    if (what < 3)
        watch_step();
    else if (what < 5)
        answer_list(roll(2));
    else if (what < 9)
        answer_get((int)roll(NAMES));
    else if (what < 14 && w.up)
        take_one();
    else if (what == 14 && w.up)
        fake_ack(w.f, w.sequence, w.received + WINDOW);
    else if (what == 15)
        fake_skip_waits(w.f);
    else if (what == 16)
        fake_flush(w.f);
    else if (what == 17)
        sa_checkpoint_step(fake_scope(w.f), true);
    look();
}

static void faults(void)
{
    unsigned what = roll(150);
    if (what == 0 && w.up) {
        lose_messages();
        fake_down(w.f);
        lose_messages();
        w.up = false;
    } else if (what < 8 && !w.up) {
        welcome();
    } else if (what == 10) {
        lose_messages();
        fake_free(w.f);
        start_worker();
    } else if (what == 12 && w.up) {
        stand_by();
    } else if (what == 11) {
        struct sa_scope *s = fake_scope(w.f);
        if (s->follow == SA_FOLLOW_WATCH) /* the audit is due */
            s->want_list = true;
    }
}

static bool right(void)
{
    for (int k = 0; k < NAMES; k++)
        if (w.rows[k].there != w.now[k].there || (w.now[k].there && w.rows[k].x != w.now[k].x))
            return false;
    return fake_scope(w.f)->in_step && w.f->n_sent == 0;
}

START_TEST(any_order_ends_right)
{
    memset(&w, 0, sizeof w);
    srand((unsigned)_i + 1);
    w.no_get = _i % 4 == 3;
    w.version = 10;
    start_worker();
    for (int i = 0; i < 3000; i++) {
        if (roll(6) == 0)
            change();
        faults();
        step();
    }
    if (!w.up)
        welcome();
    int i = 0;
    do
        for (int k = 0; k < 100; k++)
            step();
    while (++i < 100 && (!right() || w.next < w.n_log));
    ck_assert_msg(right(), "seed %d: the rows are not the objects", _i + 1);
    lose_messages();
    fake_free(w.f);
}
END_TEST

TCase *worker_random_cases(void)
{
    TCase *t = tcase_create("random");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, any_order_ends_right, 70, 100);
    return t;
}
