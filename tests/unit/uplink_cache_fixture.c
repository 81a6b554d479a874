/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink_cache_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char path[96];
static char dir[64];
struct sa_cache cache;
Scaleagent__V1__AccountReply *last[8]; /* by handle: the last reply */
unsigned replies;
size_t welcomed, parts;

static void on_reply(void *arg, uint32_t handle, const void *p, size_t n)
{
    (void)arg;
    ck_assert_uint_lt(handle, 8);
    ck_assert_uint_lt(n, 256 * 1024);
    if (last[handle] && last[handle]->body_case == SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME &&
        last[handle]->welcome->more)
        parts++;
    else
        welcomed = 0, parts = 1;
    if (last[handle])
        scaleagent__v1__account_reply__free_unpacked(last[handle], NULL);
    last[handle] = scaleagent__v1__account_reply__unpack(NULL, n, p);
    ck_assert_ptr_nonnull(last[handle]);
    if (last[handle]->body_case == SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME)
        welcomed += last[handle]->welcome->n_scopes;
    replies++;
}

void open_cache(void)
{
    struct sa_err *err = NULL;

    ck_assert_msg(sa_cache_open(&cache, path, on_reply, NULL, &err) == 0, "%s", sa_err_msg(err));
}

void set_up(void)
{
    sa_hash_init();
    snprintf(dir, sizeof dir, "/tmp/sa-cache-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/cache.db", dir);
    open_cache();
}

void tear_down(void)
{
    char cmd[128];

    sa_cache_close(&cache);
    for (size_t i = 0; i < 8; i++) {
        if (last[i])
            scaleagent__v1__account_reply__free_unpacked(last[i], NULL);
        last[i] = NULL;
    }
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

void accounts(const char *a, const char *b)
{
    struct sa_sink_account v[2] = {{1, a}, {2, b}};

    ck_assert_int_eq(sa_cache_accounts(&cache, v, b ? 2 : a ? 1 : 0, NULL), 0);
}

/* Takes m over. */
enum sa_cache_result give(uint32_t handle, struct fx m)
{
    struct sa_err *err = NULL;
    enum sa_cache_result rc = sa_cache_message(&cache, handle, m.p, m.n, &err);

    ck_assert_msg(rc != SA_CACHE_BROKEN, "%s", sa_err_msg(err));
    sa_err_free(&err);
    fx_free(&m);
    return rc;
}

void ok(uint32_t handle, struct fx m)
{
    ck_assert_int_eq(give(handle, m), SA_CACHE_OK);
}

void commit(void)
{
    ck_assert_int_eq(sa_cache_commit(&cache, NULL), 0);
}

/* Opens an epoch with the scopes pods (1) and services (2), returns it. */
uint64_t open_account(uint32_t handle)
{
    static const struct fx_scope scopes[] = {{1, "pods", NULL}, {2, "services", NULL}};
    uint64_t epoch;

    ok(handle, fx_open("cluster"));
    ck_assert_int_eq(last[handle]->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME);
    epoch = last[handle]->epoch;
    ck_assert_uint_gt(epoch, 0);
    ok(handle, fx_scopes(epoch, scopes, 2));
    return epoch;
}

void put(uint32_t handle, uint64_t epoch, uint64_t sequence, const char *name, const char *object)
{
    struct fx_delta d = {.scope = 1, .namespace = "ns", .name = name, .object = object};

    ok(handle, fx_deltas(epoch, sequence, &d, 1));
}

/* One number from the file, through a connection of its own: what is committed. */
int64_t query(const char *sql)
{
    sqlite3 *h;
    sqlite3_stmt *st;
    int64_t v = -1;

    ck_assert_int_eq(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(h, sql, -1, &st, NULL), SQLITE_OK);
    if (sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(h);
    return v;
}

/* Every scope's count and sum against its rows. */
void check_sums(void)
{
    sqlite3 *h;
    sqlite3_stmt *st, *rows;

    ck_assert_int_eq(sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_prepare_v2(h, "SELECT id,count,sum FROM scopes", -1, &st, NULL);
    sqlite3_prepare_v2(h, "SELECT digest,object FROM objects WHERE scope=?1", -1, &rows, NULL);
    while (sqlite3_step(st) == SQLITE_ROW) {
        struct sa_sum sum = {0};
        uint8_t bytes[16];
        int64_t n = 0;

        sqlite3_bind_int64(rows, 1, sqlite3_column_int64(st, 0));
        while (sqlite3_step(rows) == SQLITE_ROW) {
            struct sa_digest d, want;

            fx_digest((const char *)sqlite3_column_text(rows, 1), &want);
            memcpy(d.b, sqlite3_column_blob(rows, 0), sizeof d.b);
            ck_assert(sa_digest_equal(&d, &want));
            sa_sum_add(&sum, &d);
            n++;
        }
        sqlite3_reset(rows);
        sa_sum_bytes(&sum, bytes);
        ck_assert_int_eq(sqlite3_column_int64(st, 1), n);
        ck_assert_mem_eq(sqlite3_column_blob(st, 2), bytes, sizeof bytes);
    }
    sqlite3_finalize(st);
    sqlite3_finalize(rows);
    sqlite3_close(h);
}

bool in_step(uint64_t epoch, uint32_t scope, uint64_t count, const char *const *objects)
{
    struct sa_sum sum = {0};

    for (uint64_t i = 0; i < count; i++) {
        struct sa_digest d;

        fx_digest(objects[i], &d);
        sa_sum_add(&sum, &d);
    }
    ok(1, fx_sums(epoch, scope, count, &sum));
    ck_assert_int_eq(last[1]->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_SUMS);
    ck_assert_uint_eq(last[1]->sums->scope, scope);
    return last[1]->sums->in_step;
}
