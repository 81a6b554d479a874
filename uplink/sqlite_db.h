/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded cache's file and its prepared statements; what they mean together is in
 * sqlite_state.h. */
#ifndef SA_UPLINK_SQLITE_DB_H
#define SA_UPLINK_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* X(symbol, SQL). Parameters are numbered in the order of sa_db_bind's arguments. */
#define SA_DB_STATEMENTS(X)                                                                        \
    X(SA_DB_BEGIN, "BEGIN IMMEDIATE")                                                              \
    X(SA_DB_COMMIT, "COMMIT")                                                                      \
    X(SA_DB_ROLLBACK, "ROLLBACK")                                                                  \
    X(SA_DB_EPOCH_NEXT, "UPDATE counters SET value=value+1 WHERE name='epoch' RETURNING value")    \
    X(SA_DB_ACCOUNT_LIST, "SELECT id,name FROM accounts")                                          \
    X(SA_DB_ACCOUNT_GET, "SELECT id,cluster_id FROM accounts WHERE name=?1")                       \
    X(SA_DB_ACCOUNT_ADD, "INSERT INTO accounts(name,epoch,server,server_version,cluster_id,"       \
                         "opened_us) VALUES(?1,?2,?3,?4,?5,?6)")                                   \
    X(SA_DB_ACCOUNT_SET, "UPDATE accounts SET epoch=?2,server=?3,server_version=?4,cluster_id="    \
                         "CASE WHEN ?5='' THEN cluster_id ELSE ?5 END,opened_us=?6 WHERE name=?1") \
    X(SA_DB_ACCOUNT_DROP, "DELETE FROM accounts WHERE id=?1")                                      \
    X(SA_DB_SCOPE_LIST, "SELECT id,grp,resource,namespace,version,kind,namespaced,"                \
                        "checkpoint_version,checkpoint_time,count,sum,fingerprint FROM scopes"     \
                        " WHERE account=?1")                                                       \
    X(SA_DB_SCOPE_ADD, "INSERT INTO scopes(account,grp,resource,namespace,version,kind,"           \
                       "namespaced,checkpoint_version,checkpoint_time,count,sum)"                  \
                       " VALUES(?1,?2,?3,?4,?5,?6,?7,'',0,0,zeroblob(16))")                        \
    X(SA_DB_SCOPE_SET, "UPDATE scopes SET version=?2,kind=?3,namespaced=?4 WHERE id=?1")           \
    X(SA_DB_SCOPE_SUM, "UPDATE scopes SET count=?2,sum=?3 WHERE id=?1")                            \
    X(SA_DB_SCOPE_CHECKPOINT,                                                                      \
      "UPDATE scopes SET checkpoint_version=?2,checkpoint_time=?3,fingerprint=?4 WHERE id=?1")     \
    X(SA_DB_SCOPE_DROP, "DELETE FROM scopes WHERE id=?1")                                          \
    X(SA_DB_OBJECTS_DROP, "DELETE FROM objects WHERE scope=?1")                                    \
    X(SA_DB_OBJECT_GET, "SELECT id,digest,resource_version FROM objects"                           \
                        " WHERE scope=?1 AND namespace=?2 AND name=?3")                            \
    X(SA_DB_OBJECT_ADD, "INSERT INTO objects(scope,namespace,name,uid,resource_version,digest,"    \
                        "updated_us,object) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                      \
    X(SA_DB_OBJECT_SET, "UPDATE objects SET uid=?2,resource_version=?3,digest=?4,updated_us=?5,"   \
                        "object=?6 WHERE id=?1")                                                   \
    X(SA_DB_OBJECT_VERSION, "UPDATE objects SET resource_version=?2 WHERE id=?1")                  \
    X(SA_DB_OBJECT_DROP, "DELETE FROM objects WHERE id=?1")                                        \
    X(SA_DB_SEEN_ADD, "INSERT OR IGNORE INTO seen(scope,id) VALUES(?1,?2)")                        \
    X(SA_DB_SEEN_CLEAR, "DELETE FROM seen WHERE scope=?1")                                         \
    /* The next object, in the order of keys after (?2, ?3), that has no mark. */                  \
    X(SA_DB_UNSEEN, "SELECT id,digest,namespace,name FROM objects AS o WHERE scope=?1 AND"         \
                    " (namespace,name)>(?2,?3) AND NOT EXISTS(SELECT 1 FROM seen WHERE"            \
                    " seen.scope=?1 AND seen.id=o.id) ORDER BY namespace,name LIMIT 1")            \
    X(SA_DB_CHANGE_LAST, "SELECT coalesce(max(seq),0) FROM changes")                               \
    X(SA_DB_CHANGE_ADD, "INSERT INTO changes(seq,time_us,account,kind,namespace,name,verb,bytes)"  \
                        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)")                                        \
    X(SA_DB_CHANGE_PRUNE, "DELETE FROM changes WHERE seq<=?1")

enum sa_db_id {
#define X(sym, sql) sym,
    SA_DB_STATEMENTS(X)
#undef X
        SA_DB_N
};

struct sa_db {
    sqlite3 *h;
    sqlite3_stmt *st[SA_DB_N];
    int lock_fd; /* the file's lock: one writer of its state, or -1 */
    bool in_tx;
    uint64_t changes; /* last seq of the table changes */
};

/* Opens or makes the file, brings its layout to the present one, prepares everything. Waits up to 3
 * s for another uplink, on its way out, to let go of it. On error *db is empty. */
int sa_db_open(struct sa_db *db, const char *path, struct sa_err **err);
void sa_db_close(struct sa_db *db);

/* Resets a statement and binds its parameters by fmt, a letter each:
 * i int64_t; t const char *; b const void *, size_t (blob); s const void *, size_t (text). The
 * bytes must stay until the statement has run. */
sqlite3_stmt *sa_db_bind(struct sa_db *db, enum sa_db_id id, const char *fmt, ...);
/* 1: a row, 0: done, -1 with *err. After 0 and -1 the statement is reset. */
int sa_db_step(struct sa_db *db, enum sa_db_id id, struct sa_err **err);
/* Steps a statement to its end, whatever rows it gives. */
int sa_db_run(struct sa_db *db, enum sa_db_id id, struct sa_err **err);
void sa_db_reset(struct sa_db *db, enum sa_db_id id);

int sa_db_begin(struct sa_db *db, struct sa_err **err); /* nothing if one is open */
int sa_db_commit(struct sa_db *db, struct sa_err **err);
void sa_db_rollback(struct sa_db *db); /* nothing if none is open */

#endif
