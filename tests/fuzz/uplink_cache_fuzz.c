/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile worker of the embedded cache. The input is a list of steps: well-formed messages of
 * small numbers and names, so that they meet, and raw bytes in between. After each commit the
 * counts and sums of the scopes are those of their rows, and the database never fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/uplink_messages.h"
#include "uplink/pbwire.h"
#include "uplink/sqlite_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sa_cache cache;
static uint64_t epoch, sequence;

struct input {
    const uint8_t *p, *end;
};

static uint8_t next(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static void on_reply(void *arg, uint32_t handle, const void *p, size_t n)
{
    Scaleagent__V1__AccountReply *r = scaleagent__v1__account_reply__unpack(NULL, n, p);

    (void)arg;
    if (!r || handle != 1)
        abort();
    if (r->body_case == SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME) {
        epoch = r->epoch;
        sequence = 0;
    }
    scaleagent__v1__account_reply__free_unpacked(r, NULL);
}

/* The file is made once; each input starts with an account that was just added. */
static void start(void)
{
    static const struct sa_sink_account account = {1, "a"};
    static bool opened;
    char path[] = "/tmp/sa-fuzz-XXXXXX", file[64];

    if (!opened) {
        sa_hash_init();
        if (!mkdtemp(path))
            abort();
        snprintf(file, sizeof file, "%s/cache.db", path);
        if (sa_cache_open(&cache, file, on_reply, NULL, NULL) < 0)
            abort();
        sqlite3_exec(cache.db.h, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
        opened = true;
    }
    epoch = 0;
    if (sa_cache_accounts(&cache, NULL, 0, NULL) < 0 ||
        sa_cache_accounts(&cache, &account, 1, NULL) < 0)
        abort();
}

static void check_scope(sqlite3_stmt *scope, sqlite3_stmt *rows)
{
    struct sa_sum sum = {0};
    uint8_t bytes[16];
    int64_t n = 0;

    sqlite3_bind_int64(rows, 1, sqlite3_column_int64(scope, 0));
    for (; sqlite3_step(rows) == SQLITE_ROW; n++) {
        struct sa_digest d;

        memcpy(d.b, sqlite3_column_blob(rows, 0), sizeof d.b);
        sa_sum_add(&sum, &d);
    }
    sqlite3_reset(rows);
    sa_sum_bytes(&sum, bytes);
    if (n != sqlite3_column_int64(scope, 1) ||
        memcmp(bytes, sqlite3_column_blob(scope, 2), sizeof bytes) != 0)
        abort();
}

static void commit_and_check(void)
{
    static sqlite3_stmt *scopes, *rows;

    if (sa_cache_commit(&cache, NULL) < 0)
        abort();
    if (!scopes &&
        (sqlite3_prepare_v2(cache.db.h, "SELECT id,count,sum FROM scopes", -1, &scopes, NULL) ||
         sqlite3_prepare_v2(cache.db.h, "SELECT digest FROM objects WHERE scope=?1", -1, &rows,
                            NULL)))
        abort();
    while (sqlite3_step(scopes) == SQLITE_ROW)
        check_scope(scopes, rows);
    sqlite3_reset(scopes);
}

static void give(struct fx m)
{
    if (sa_cache_message(&cache, 1, m.p, m.n, NULL) == SA_CACHE_BROKEN)
        abort();
    fx_free(&m);
}

/* Up to 255 bytes as they are, or with the present epoch as their first field. */
static void give_raw(struct input *in)
{
    uint8_t m[300];
    size_t n = next(in), at = 0;

    if (n & 1) {
        m[at++] = 0x08;
        at += sa_pb_varint(m + at, epoch);
    }
    n = n < (size_t)(in->end - in->p) ? n : (size_t)(in->end - in->p);
    memcpy(m + at, in->p, n);
    in->p += n;
    if (sa_cache_message(&cache, 1, m, at + n, NULL) == SA_CACHE_BROKEN)
        abort();
}

static const char *const names[] = {"a", "b", "c", "d", ""};
static const char *const objects[] = {"{\"v\":1}", "{\"v\":2}", "{\"v\":3333333333}", NULL};

static void give_delta(struct input *in)
{
    uint8_t key = next(in), part = next(in);
    struct fx_delta d = {
        1 + key % 3u, "ns", names[(key >> 2) % 5u], objects[(key >> 5) % 4u], 0, 0};
    size_t n = d.object ? strlen(d.object) : 0;

    if (n > 0 && part >= 128) {
        d.part_offset = part % n;
        d.part_size = 1 + (part >> 3) % (n - d.part_offset);
    }
    give(fx_deltas(epoch, ++sequence, &d, 1));
}

static void give_page(struct input *in)
{
    uint8_t what = next(in), n = next(in) % 4u;
    struct fx_entry v[4];

    for (size_t i = 0; i < n; i++) {
        uint8_t key = next(in);

        v[i] = (struct fx_entry){"ns", names[key % 4u], objects[(key >> 4) % 4u]};
    }
    give(fx_page(epoch, 1 + what % 3u, (what >> 2) % 4u, (what >> 4) % 4u, v, n));
}

static void give_scopes(struct input *in)
{
    static const char *const resources[] = {"pods", "nodes", "services"};
    uint8_t n = next(in) % 4u;
    struct fx_scope v[4];

    for (size_t i = 0; i < n; i++) {
        uint8_t b = next(in);

        v[i] = (struct fx_scope){b % 4u, resources[(b >> 2) % 3u], (b >> 4) % 2u ? "ns" : ""};
    }
    give(next(in) % 4u == 0 ? fx_scopes_more(epoch, v, n) : fx_scopes(epoch, v, n));
}

static void step(struct input *in)
{
    struct sa_sum sum = {0};
    uint8_t b;

    switch (next(in) % 12u) {
    case 0:
        give(fx_open(next(in) % 4u ? "one" : "two"));
        break;
    case 1:
        give_scopes(in);
        break;
    case 2:
        b = next(in);
        sum.lo = b >> 4;
        give(fx_sums(epoch, 1 + b % 3u, (b >> 2) % 4u, &sum));
        break;
    case 3:
        b = next(in);
        give(fx_begin(epoch, 1 + b % 3u, (b >> 2) % 4u));
        break;
    case 4:
    case 5:
        give_page(in);
        break;
    case 6:
        b = next(in);
        give(fx_end(epoch, 1 + b % 3u, (b >> 2) % 4u, (b >> 4) % 4u));
        break;
    case 7:
        b = next(in);
        give(fx_checkpoint(epoch, 1 + b % 3u, b & 4u ? "5" : "", b & 4u ? "f" : ""));
        break;
    case 8:
        give_raw(in);
        break;
    case 9:
        commit_and_check();
        break;
    default:
        give_delta(in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fx_scope scopes[] = {{1, "pods", NULL}, {2, "nodes", NULL}};
    struct input in = {data, data + size};

    start();
    give(fx_open("one"));
    give(fx_scopes(epoch, scopes, 2));
    while (in.p < in.end)
        step(&in);
    commit_and_check();
    return 0;
}
