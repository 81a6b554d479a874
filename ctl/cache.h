/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded cache (uplink/sqlite_schema.h says its layout), opened to be read. */
#ifndef SA_CTL_CACHE_H
#define SA_CTL_CACHE_H

#include <sqlite3.h>

#include "ctl/cli.h"

/* The layout that this program reads: the file's PRAGMA user_version. In an older one, of a daemon
 * that was not started again yet, all that is read here is the same. */
#define SA_CACHE_LAYOUT 2

/* Finds the file (--database, else what the daemon says, else the stock place) and opens it. The
 * caller closes *db by sqlite3_close. */
int sa_cache_open(const struct sa_cli *c, sqlite3 **db, struct sa_err **err);
/* Prepares sql; the caller finalizes *st. */
int sa_cache_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **st, struct sa_err **err);
/* 1: a row; 0: no more; -1: an error. */
int sa_cache_step(sqlite3 *db, sqlite3_stmt *st, struct sa_err **err);
/* Text of a column, "" for NULL; valid until the next step. */
const char *sa_cache_text(sqlite3_stmt *st, int column);

#endif
