/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/sqlite_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "uplink/sqlite_schema.h"

#define LOCK_TRIES 60 /* 50 ms apart */

static const char *const statements[SA_DB_N] = {
#define X(sym, sql) [sym] = (sql),
    SA_DB_STATEMENTS(X)
#undef X
};

static int db_err(struct sa_db *db, struct sa_err **err, const char *what)
{
    return sa_err_set(err, SA_ESYSTEM, "SQLite: %s: %s", what,
                      db->h ? sqlite3_errmsg(db->h) : "no memory");
}

static int exec(struct sa_db *db, const char *sql, const char *what, struct sa_err **err)
{
    return sqlite3_exec(db->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : db_err(db, err, what);
}

/* SQLite's own locks serialise writers, but two uplinks would each keep sums in memory: the second
 * has to wait until the first is gone. */
static int take_lock(struct sa_db *db, const char *path, struct sa_err **err)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    char name[4096];

    if ((size_t)snprintf(name, sizeof name, "%s.lock", path) >= sizeof name)
        return sa_err_set(err, SA_ECONFIG, "the path of the cache is too long");
    db->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (db->lock_fd < 0)
        return sa_err_sys(err, errno, "open %s", name);
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return sa_err_sys(err, errno, "lock %s", name);
        nanosleep(&pause, NULL);
    }
    return sa_err_set(err, SA_EREFUSED,
                      "another process holds %s: is another scale-agentd running with this cache?",
                      name);
}

static int get_version(struct sa_db *db, int *version, struct sa_err **err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->h, "PRAGMA user_version", -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : db_err(db, err, "read the layout's version");
}

/* From a layout to the present one; from 0, nothing at all, by making it. */
static int bring_up(struct sa_db *db, int version, struct sa_err **err)
{
    static const char *const steps[] = {SA_SQLITE_STEPS};
    static const char what[] = "make the tables";
    char sql[48];

    _Static_assert(sizeof steps / sizeof steps[0] == SA_SQLITE_VERSION - 1, "a step is missing");
    if (exec(db, "BEGIN IMMEDIATE", what, err) < 0)
        return -1;
    if (version == 0 && exec(db, SA_SQLITE_SCHEMA, what, err) < 0)
        return -1;
    for (int i = version; i > 0 && i < SA_SQLITE_VERSION; i++)
        if (exec(db, steps[i - 1], "bring the tables to the present layout", err) < 0)
            return -1;
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d", SA_SQLITE_VERSION);
    if (exec(db, sql, what, err) < 0)
        return -1;
    return exec(db, "COMMIT", what, err);
}

static int check_schema(struct sa_db *db, const char *path, struct sa_err **err)
{
    int version = 0;

    if (get_version(db, &version, err) < 0)
        return -1;
    if (version >= 0 && version < SA_SQLITE_VERSION)
        return bring_up(db, version, err);
    if (version != SA_SQLITE_VERSION)
        return sa_err_set(
            err, SA_ECONFIG,
            "%s has layout %d, this program knows layout %d: remove the file (all of it "
            "comes again from the clusters) or run the release that made it",
            path, version, SA_SQLITE_VERSION);
    return 0;
}

static int prepare_all(struct sa_db *db, struct sa_err **err)
{
    for (size_t i = 0; i < SA_DB_N; i++)
        if (sqlite3_prepare_v3(db->h, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &db->st[i],
                               NULL) != SQLITE_OK)
            return db_err(db, err, "prepare statements");
    return 0;
}

static int open_all(struct sa_db *db, const char *path, struct sa_err **err)
{
    if (take_lock(db, path, err) < 0)
        return -1;
    if (sqlite3_open_v2(path, &db->h,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        return db_err(db, err, "open");
    sqlite3_busy_timeout(db->h, 2000);
    /* Pages of 8 KB hold two objects of the usual size; the marks of snapshots stay in memory. */
    if (exec(db,
             "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
             "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192; PRAGMA trusted_schema=OFF;",
             "set up", err) < 0 ||
        check_schema(db, path, err) < 0 ||
        exec(db,
             "CREATE TEMP TABLE seen(scope INTEGER, id INTEGER, PRIMARY KEY(scope,id))"
             " WITHOUT ROWID",
             "set up", err) < 0 ||
        prepare_all(db, err) < 0)
        return -1;
    if (sa_db_step(db, SA_DB_CHANGE_LAST, err) < 0)
        return -1;
    db->changes = (uint64_t)sqlite3_column_int64(db->st[SA_DB_CHANGE_LAST], 0);
    sa_db_reset(db, SA_DB_CHANGE_LAST);
    return 0;
}

int sa_db_open(struct sa_db *db, const char *path, struct sa_err **err)
{
    memset(db, 0, sizeof *db);
    db->lock_fd = -1;
    if (open_all(db, path, err) == 0)
        return 0;
    sa_db_close(db);
    return sa_err_wrap(err, "embedded cache %s", path);
}

void sa_db_close(struct sa_db *db)
{
    for (size_t i = 0; i < SA_DB_N; i++)
        sqlite3_finalize(db->st[i]);
    sqlite3_close(db->h);
    if (db->lock_fd >= 0)
        close(db->lock_fd);
    memset(db, 0, sizeof *db);
    db->lock_fd = -1;
}

sqlite3_stmt *sa_db_bind(struct sa_db *db, enum sa_db_id id, const char *fmt, ...)
{
    sqlite3_stmt *st = db->st[id];
    va_list ap;

    sqlite3_reset(st);
    va_start(ap, fmt);
    for (int i = 1; fmt[i - 1] != '\0'; i++) {
        const void *p;

        switch (fmt[i - 1]) {
        case 'i':
            sqlite3_bind_int64(st, i, va_arg(ap, int64_t));
            break;
        case 't':
            sqlite3_bind_text(st, i, va_arg(ap, const char *), -1, SQLITE_STATIC);
            break;
        case 'b':
            p = va_arg(ap, const void *);
            sqlite3_bind_blob64(st, i, p ? p : "", va_arg(ap, size_t), SQLITE_STATIC);
            break;
        default: /* 's' */
            p = va_arg(ap, const void *);
            sqlite3_bind_text64(st, i, p ? p : "", va_arg(ap, size_t), SQLITE_STATIC, SQLITE_UTF8);
            break;
        }
    }
    va_end(ap);
    return st;
}

int sa_db_step(struct sa_db *db, enum sa_db_id id, struct sa_err **err)
{
    int rc = sqlite3_step(db->st[id]);

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        db_err(db, err, "write or read the cache");
    sqlite3_reset(db->st[id]);
    return rc == SQLITE_DONE ? 0 : -1;
}

int sa_db_run(struct sa_db *db, enum sa_db_id id, struct sa_err **err)
{
    int rc;

    while ((rc = sa_db_step(db, id, err)) > 0)
        continue;
    return rc;
}

void sa_db_reset(struct sa_db *db, enum sa_db_id id)
{
    sqlite3_reset(db->st[id]);
}

int sa_db_begin(struct sa_db *db, struct sa_err **err)
{
    if (db->in_tx)
        return 0;
    if (sa_db_run(db, SA_DB_BEGIN, err) < 0)
        return -1;
    db->in_tx = true;
    return 0;
}

int sa_db_commit(struct sa_db *db, struct sa_err **err)
{
    if (!db->in_tx)
        return 0;
    if (sa_db_run(db, SA_DB_COMMIT, err) < 0)
        return -1;
    db->in_tx = false;
    return 0;
}

void sa_db_rollback(struct sa_db *db)
{
    if (!db->in_tx)
        return;
    /* What a failed statement has rolled back by itself is no error here. */
    sa_db_run(db, SA_DB_ROLLBACK, NULL);
    db->in_tx = false;
}
