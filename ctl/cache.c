/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STOCK_FILE "/var/lib/scale-agent/cache.db"
#define BUSY_MS    5000

/* Where a running daemon has its cache. */
static int from_status(const cJSON *status, char *path, size_t n, struct sa_err **err)
{
    const cJSON *agent = cJSON_GetObjectItemCaseSensitive(status, "agent");
    const char *sink = sa_cli_string(agent, "sink"), *file = sa_cli_string(agent, "sqlite_file");
    if (strcmp(sink, "sqlite") != 0)
        return sa_err_set(
            err, SA_ENOTFOUND,
            "the agent keeps no cache here: its sink is %s; a cache left over from before can be "
            "read by --database",
            sink);
    int w = file[0] != '\0' ? snprintf(path, n, "%s", file)
                            : snprintf(path, n, "%s/cache.db", sa_cli_string(agent, "state_dir"));
    return w >= 0 && (size_t)w < n ? 0 : sa_err_set(err, SA_ELIMIT, "the cache's path is too long");
}

/* --database, else where the daemon says; where none runs, the stock place. */
static int find_file(const struct sa_cli *c, char *path, size_t n, struct sa_err **err)
{
    cJSON *status = NULL;
    if (c->database == NULL && sa_cli_status_of(c->socket, &status, NULL) == 0) {
        int r = from_status(status, path, n, err);
        cJSON_Delete(status);
        return r;
    }
    int w = snprintf(path, n, "%s", c->database != NULL ? c->database : STOCK_FILE);
    return w >= 0 && (size_t)w < n ? 0 : sa_err_set(err, SA_ELIMIT, "the cache's path is too long");
}

static int database_error(sqlite3 *db, const char *path, struct sa_err **err)
{
    return sa_err_set(err, SA_ESYSTEM, "reading the cache %s: %s", path, sqlite3_errmsg(db));
}

static int check_layout(sqlite3 *db, const char *path, struct sa_err **err)
{
    sqlite3_stmt *st = NULL;
    int layout = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &st, NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW)
        layout = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    if (layout < 0)
        return database_error(db, path, err);
    if (layout > 0 && layout <= SA_CACHE_LAYOUT)
        return 0;
    return sa_err_set(
        err, SA_EPROTOCOL,
        "the cache %s has layout %d, this program reads %d: use the scale-agentctl of the daemon's "
        "version",
        path, layout, SA_CACHE_LAYOUT);
}

int sa_cache_open(const struct sa_cli *c, sqlite3 **db, struct sa_err **err)
{
    char path[4096];
    *db = NULL;
    if (find_file(c, path, sizeof path, err) != 0)
        return -1;
    if (access(path, R_OK) != 0)
        return sa_err_set(err, SA_ENOTFOUND, "there is no cache %s that you may read (%s)", path,
                          strerror(errno));
    if (sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(*db, BUSY_MS) == SQLITE_OK) {
        if (check_layout(*db, path, err) == 0)
            return 0;
    } else {
        database_error(*db, path, err);
    }
    sqlite3_close(*db);
    *db = NULL;
    return -1;
}

int sa_cache_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **st, struct sa_err **err)
{
    if (sqlite3_prepare_v2(db, sql, -1, st, NULL) == SQLITE_OK)
        return 0;
    return sa_err_set(err, SA_ESYSTEM, "reading the cache: %s", sqlite3_errmsg(db));
}

int sa_cache_step(sqlite3 *db, sqlite3_stmt *st, struct sa_err **err)
{
    int r = sqlite3_step(st);
    if (r == SQLITE_ROW)
        return 1;
    if (r == SQLITE_DONE)
        return 0;
    return sa_err_set(err, SA_ESYSTEM, "reading the cache: %s", sqlite3_errmsg(db));
}

const char *sa_cache_text(sqlite3_stmt *st, int column)
{
    const unsigned char *s = sqlite3_column_text(st, column);
    return s == NULL ? "" : (const char *)s;
}
