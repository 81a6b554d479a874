/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/sqlite_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/points.h"
#include "uplink/reply.h"
#include "uplink/sqlite_schema.h"

#define REPLY_KEEP (64u * 1024u)

int sa_cache_open(struct sa_cache *c, const char *path, sa_cache_reply *reply, void *arg,
                  struct sa_err **err)
{
    memset(c, 0, sizeof *c);
    sa_buf_init(&c->out, 0);
    c->reply = reply;
    c->arg = arg;
    return sa_db_open(&c->db, path, err);
}

static void free_account(struct sa_cache_account *a)
{
    sa_cache_forget_scopes(a);
    sa_cache_forget_list(a);
    sa_parts_free(&a->parts);
    free(a->name);
    free(a);
}

void sa_cache_close(struct sa_cache *c)
{
    sa_db_rollback(&c->db);
    sa_db_close(&c->db);
    for (size_t i = 0; i < c->n_accounts; i++)
        free_account(c->accounts[i]);
    free(c->accounts);
    sa_buf_free(&c->out);
    memset(c, 0, sizeof *c);
}

static void end_epoch(struct sa_cache_account *a)
{
    a->epoch = 0;
    sa_parts_reset(&a->parts);
    sa_cache_forget_list(a);
}

static struct sa_cache_account *find_account(const struct sa_cache *c, uint32_t handle)
{
    size_t lo = 0, hi = c->n_accounts;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (c->accounts[mid]->handle == handle)
            return c->accounts[mid];
        if (c->accounts[mid]->handle < handle)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Hands the reply in c->out to the account. Always 0, so that handlers can end with it. */
int sa_cache_send(struct sa_cache *c, const struct sa_cache_account *a)
{
    c->reply(c->arg, a->handle, c->out.data, c->out.len);
    sa_buf_trim(&c->out, REPLY_KEEP);
    return 0;
}

struct sa_cache_scope *sa_cache_scope(struct sa_cache_account *a, uint32_t id, struct sa_err **err)
{
    size_t lo = 0, hi = a->n_scopes;

    while (id != 0 && lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (a->scopes[mid].id == id)
            return &a->scopes[mid];
        if (a->scopes[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    sa_err_set(err, SA_EPROTOCOL, "scope %u was not named", id);
    return NULL;
}

int sa_cache_begin(struct sa_cache *c, struct sa_cache_account *a, struct sa_err **err)
{
    a->due = true;
    return sa_db_begin(&c->db, err);
}

static int by_handle(const void *a, const void *b)
{
    uint32_t x = (*(struct sa_cache_account *const *)a)->handle;
    uint32_t y = (*(struct sa_cache_account *const *)b)->handle;

    return (x > y) - (x < y);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sa_sink_account *)a)->name,
                  ((const struct sa_sink_account *)b)->name);
}

static const struct sa_sink_account *find_name(const struct sa_sink_account *v, size_t n,
                                               const char *name)
{
    struct sa_sink_account key = {.name = name};

    return n > 0 ? bsearch(&key, v, n, sizeof *v, by_name) : NULL;
}

/* Deletes what is stored of accounts that v, sorted by name, does not have. */
static int retract(struct sa_cache *c, const struct sa_sink_account *v, size_t n,
                   struct sa_err **err)
{
    sqlite3_stmt *st = sa_db_bind(&c->db, SA_DB_ACCOUNT_LIST, "");
    SA_CLEANUP(sa_freep) int64_t *rows = NULL;
    size_t n_rows = 0;
    int rc;

    while ((rc = sa_db_step(&c->db, SA_DB_ACCOUNT_LIST, err)) > 0) {
        const char *name = (const char *)sqlite3_column_text(st, 1);
        int64_t *more;

        if (name && find_name(v, n, name))
            continue;
        more = realloc(rows, (n_rows + 1) * sizeof *rows);
        if (!more) {
            sa_db_reset(&c->db, SA_DB_ACCOUNT_LIST);
            return sa_err_set(err, SA_EMEMORY, "no memory to retract accounts");
        }
        rows = more;
        rows[n_rows++] = sqlite3_column_int64(st, 0);
        sa_log(SA_INFO, "account %s is not configured any more: its rows are deleted", name);
    }
    if (rc < 0)
        return -1;
    for (size_t i = 0; i < n_rows; i++)
        if (sa_cache_drop_account(c, rows[i], err) < 0)
            return -1;
    return 0;
}

static struct sa_cache_account *new_account(const struct sa_sink_account *v)
{
    struct sa_cache_account *a = calloc(1, sizeof *a);

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

/* Makes c->accounts what v says, keeping the state of those that stay. */
static int take_list(struct sa_cache *c, const struct sa_sink_account *v, size_t n,
                     struct sa_err **err)
{
    struct sa_cache_account **list = calloc(n + 1, sizeof *list);
    size_t made = 0;

    if (!list)
        return sa_err_set(err, SA_EMEMORY, "no memory for %zu accounts", n);
    for (; made < n; made++) {
        list[made] = find_account(c, v[made].handle);
        if (!list[made] && !(list[made] = new_account(&v[made])))
            break;
    }
    if (made < n) {
        for (size_t i = 0; i < made; i++)
            if (!find_account(c, list[i]->handle))
                free_account(list[i]);
        free(list);
        return sa_err_set(err, SA_EMEMORY, "no memory for %zu accounts", n);
    }
    if (n > 0)
        qsort(list, n, sizeof(*list), by_handle);
    for (size_t i = 0; i < c->n_accounts; i++)
        if (n == 0 || !bsearch(&c->accounts[i], list, n, sizeof(*list), by_handle))
            free_account(c->accounts[i]);
    free(c->accounts);
    c->accounts = list;
    c->n_accounts = n;
    return 0;
}

int sa_cache_accounts(struct sa_cache *c, const struct sa_sink_account *v, size_t n,
                      struct sa_err **err)
{
    SA_CLEANUP(sa_freep) struct sa_sink_account *sorted = calloc(n + 1, sizeof *sorted);

    if (!sorted)
        return sa_err_set(err, SA_EMEMORY, "no memory for %zu accounts", n);
    if (n > 0) {
        memcpy(sorted, v, n * sizeof *v);
        qsort(sorted, n, sizeof *sorted, by_name);
    }
    /* Changes of an account that goes are written before its rows are deleted. */
    if (sa_cache_commit(c, err) < 0 || take_list(c, v, n, err) < 0 ||
        sa_db_begin(&c->db, err) < 0 || retract(c, sorted, n, err) < 0)
        return -1;
    return sa_cache_commit(c, err);
}

void sa_cache_gone(struct sa_cache *c, uint32_t handle)
{
    struct sa_cache_account *a = find_account(c, handle);

    if (!a)
        return;
    end_epoch(a);
}

static int dispatch(struct sa_cache *c, struct sa_cache_account *a,
                    const Scaleagent__V1__AccountMessage *m, struct sa_err **err)
{
    if (a->listing && m->body_case != SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN &&
        m->body_case != SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES)
        return sa_err_set(err, SA_EPROTOCOL, "a message came amid the list of scopes");
    switch (m->body_case) {
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN:
        return sa_cache_on_open(c, a, m->open, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES:
        return sa_cache_on_scopes(c, a, m->scopes, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SUMS:
        return sa_cache_on_sums(c, a, m->sums, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_BEGIN:
        return sa_cache_on_begin(c, a, m->begin, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_PAGE:
        return sa_cache_on_page(c, a, m->page, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_END:
        return sa_cache_on_end(c, a, m->end, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS:
        return sa_cache_on_deltas(c, a, m->deltas, err);
    case SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_CHECKPOINT:
        return sa_cache_on_checkpoint(c, a, m->checkpoint, err);
    default: /* a field of a later version: nothing here depends on it */
        return 0;
    }
}

/* Deltas and pages are paid for from the credit that was granted. */
static int spend(struct sa_cache_account *a, const Scaleagent__V1__AccountMessage *m, size_t n,
                 struct sa_err **err)
{
    if (m->body_case != SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS &&
        m->body_case != SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_PAGE)
        return 0;
    a->used += n;
    a->due = true;
    if (a->used > a->granted)
        return sa_err_set(err, SA_EPROTOCOL, "%llu bytes were sent where %llu were granted",
                          (unsigned long long)a->used, (unsigned long long)a->granted);
    return 0;
}

static enum sa_cache_result refuse(struct sa_cache *c, struct sa_cache_account *a,
                                   struct sa_err **err)
{
    uint64_t epoch = a->epoch;

    if ((*err)->code != SA_EPROTOCOL && (*err)->code != SA_ELIMIT)
        return SA_CACHE_BROKEN;
    end_epoch(a);
    if (sa_reply_violation(epoch, sa_err_msg(*err), &c->out) < 0)
        return SA_CACHE_BROKEN;
    sa_cache_send(c, a);
    return SA_CACHE_REFUSED;
}

enum sa_cache_result sa_cache_message(struct sa_cache *c, uint32_t handle, const void *p, size_t n,
                                      struct sa_err **err)
{
    struct sa_cache_account *a = find_account(c, handle);
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    Scaleagent__V1__AccountMessage *m;
    enum sa_cache_result result = SA_CACHE_OK;
    bool open;

    if (!a)
        return SA_CACHE_OK; /* it was removed while this was on its way */
    m = scaleagent__v1__account_message__unpack(NULL, n, p);
    if (!m) {
        end_epoch(a);
        sa_err_set(err, SA_EPROTOCOL, "%zu bytes from a worker are no AccountMessage", n);
        return SA_CACHE_MALFORMED;
    }
    open = m->body_case == SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN;
    /* What belongs to an epoch that is over was sent before its sender knew. */
    if ((open && m->epoch == 0) || (!open && m->epoch != 0 && m->epoch == a->epoch)) {
        if (spend(a, m, n, &why) < 0 || dispatch(c, a, m, &why) < 0) {
            if (!why)
                sa_err_set(&why, SA_EINTERNAL, "a message failed without a reason");
            result = refuse(c, a, &why);
        }
    }
    scaleagent__v1__account_message__free_unpacked(m, NULL);
    if (result != SA_CACHE_OK && err) {
        *err = why;
        why = NULL;
    }
    return result;
}

bool sa_cache_pending(const struct sa_cache *c)
{
    if (c->db.in_tx)
        return true;
    for (size_t i = 0; i < c->n_accounts; i++)
        if (c->accounts[i]->due)
            return true;
    return false;
}

static int write_sums(struct sa_cache *c, struct sa_cache_account *a, struct sa_err **err)
{
    for (size_t i = 0; i < a->n_scopes; i++) {
        struct sa_cache_scope *s = &a->scopes[i];
        uint8_t sum[16];

        if (!s->changed)
            continue;
        sa_sum_bytes(&s->sum, sum);
        sa_db_bind(&c->db, SA_DB_SCOPE_SUM, "iib", s->row, (int64_t)s->count, sum, sizeof sum);
        if (sa_db_run(&c->db, SA_DB_SCOPE_SUM, err) < 0)
            return -1;
        s->changed = false;
    }
    return 0;
}

static int prune(struct sa_cache *c, struct sa_err **err)
{
    if (c->deltas == 0 || c->db.changes <= SA_SQLITE_CHANGES)
        return 0;
    sa_db_bind(&c->db, SA_DB_CHANGE_PRUNE, "i", (int64_t)(c->db.changes - SA_SQLITE_CHANGES));
    return sa_db_run(&c->db, SA_DB_CHANGE_PRUNE, err);
}

/* An object of which parts are missing is not stored yet: it is not acknowledged, but there must be
 * credit for the parts to come. */
static int acknowledge(struct sa_cache *c, struct sa_cache_account *a, struct sa_err **err)
{
    uint64_t sequence = a->parts.size != 0 ? a->parts.before : a->sequence;
    uint64_t credit = a->used + SA_CACHE_WINDOW;

    a->due = false;
    if (a->epoch == 0 || (sequence == a->acked && credit == a->granted))
        return 0;
    a->acked = sequence;
    a->granted = credit;
    if (sa_reply_ack(a->epoch, sequence, credit, &c->out) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory to answer a worker");
    return sa_cache_send(c, a);
}

int sa_cache_commit(struct sa_cache *c, struct sa_err **err)
{
    if (c->db.in_tx) {
        for (size_t i = 0; i < c->n_accounts; i++)
            if (c->accounts[i]->due && write_sums(c, c->accounts[i], err) < 0)
                return -1;
        if (prune(c, err) < 0)
            return -1;
        sa_point("uplink-commit-before");
        if (sa_db_commit(&c->db, err) < 0)
            return -1;
        sa_point("uplink-commit-after");
        c->deltas = 0;
    }
    for (size_t i = 0; i < c->n_accounts; i++)
        if (c->accounts[i]->due && acknowledge(c, c->accounts[i], err) < 0)
            return -1;
    return 0;
}

void sa_cache_abort(struct sa_cache *c)
{
    sa_db_rollback(&c->db);
    for (size_t i = 0; i < c->n_accounts; i++) {
        struct sa_cache_account *a = c->accounts[i];

        end_epoch(a);
        a->due = false;
        sa_cache_forget_scopes(a);
    }
    c->deltas = 0;
    /* changes were counted in memory */
    if (sa_db_step(&c->db, SA_DB_CHANGE_LAST, NULL) > 0)
        c->db.changes = (uint64_t)sqlite3_column_int64(c->db.st[SA_DB_CHANGE_LAST], 0);
    sa_db_reset(&c->db, SA_DB_CHANGE_LAST);
}
