/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of the embedded cache, one SQLite file. scale-agentctl reads it too, so it is a
 * contract.
 *
 * PRAGMA user_version is the layout's version (0: new and empty). A file of an older version is
 * brought to the present one when it is opened for writing, step by step, in one transaction; each
 * step leaves what the one before could read. A file of a later version is refused: everything in
 * it can be had again from the clusters, so the remedy is to remove it.
 *
 * Durability: WAL with synchronous=NORMAL. A commit then survives the death of any process, and
 * after a loss of power the file is at some earlier commit, whole. That is all an acknowledgement
 * promises here: it lets a worker forget what it sent, and a worker lives on the same machine as
 * this file. When the machine falls, the worker's memory falls with it; the next one is welcomed
 * with the count, sum and checkpoint of that earlier commit, which belong to its rows, and sends
 * what differs. FULL would pay one fsync for each commit and promise nothing more. An epoch that is
 * given out twice so has no holder left either.
 */
#ifndef SA_UPLINK_SQLITE_SCHEMA_H
#define SA_UPLINK_SQLITE_SCHEMA_H

#define SA_SQLITE_VERSION 2
#define SA_SQLITE_FILE    "cache.db" /* below the state directory, unless configured */
#define SA_SQLITE_CHANGES 10000      /* rows kept in the ring of changes */

/* clang-format off */
/* Since layout 2: that of the checkpoint, as it came (PROTOCOL.md); empty where there is none. */
#define SA_SQLITE_FINGERPRINT " fingerprint BLOB NOT NULL DEFAULT x''"

/* [i]: from layout i + 1 to the next. */
#define SA_SQLITE_STEPS                                                                            \
    "ALTER TABLE scopes ADD COLUMN" SA_SQLITE_FINGERPRINT

#define SA_SQLITE_SCHEMA                                                                           \
    /* name 'epoch': the last epoch given to any account; it outlives accounts */                  \
    "CREATE TABLE counters("                                                                       \
    " name TEXT PRIMARY KEY,"                                                                      \
    " value INTEGER NOT NULL) WITHOUT ROWID;"                                                      \
    "INSERT INTO counters VALUES('epoch',0);"                                                      \
    "CREATE TABLE accounts("                                                                       \
    " id INTEGER PRIMARY KEY,"                                                                     \
    " name TEXT NOT NULL UNIQUE,"                                                                  \
    " epoch INTEGER NOT NULL,"                                                                     \
    " server TEXT NOT NULL,"          /* host:port of the API server */                            \
    " server_version TEXT NOT NULL,"  /* \"v1.36.3\" */                                            \
    " cluster_id TEXT NOT NULL,"      /* uid of kube-system, '' unknown */                         \
    " opened_us INTEGER NOT NULL);"   /* wall clock, microseconds */                               \
    "CREATE TABLE scopes("                                                                         \
    " id INTEGER PRIMARY KEY,"                                                                     \
    " account INTEGER NOT NULL REFERENCES accounts(id),"                                           \
    " grp TEXT NOT NULL,"             /* '' for the core group */                                  \
    " resource TEXT NOT NULL,"        /* plural, 'deployments' */                                  \
    " namespace TEXT NOT NULL,"       /* '' for all */                                             \
    " version TEXT NOT NULL,"         /* 'v1' */                                                   \
    " kind TEXT NOT NULL,"            /* 'Deployment' */                                           \
    " namespaced INTEGER NOT NULL,"                                                                \
    " checkpoint_version TEXT NOT NULL,"    /* '' none */                                          \
    " checkpoint_time INTEGER NOT NULL,"    /* wall clock, microseconds; 0 none */                 \
    " count INTEGER NOT NULL,"        /* rows of objects */                                        \
    " sum BLOB NOT NULL,"             /* 16 bytes: sum of their digests, as on the wire */         \
    SA_SQLITE_FINGERPRINT ","                                                                      \
    " UNIQUE(account,grp,resource,namespace));"                                                    \
    "CREATE TABLE objects("                                                                        \
    " id INTEGER PRIMARY KEY,"                                                                     \
    " scope INTEGER NOT NULL REFERENCES scopes(id),"                                               \
    " namespace TEXT NOT NULL,"       /* '' for cluster-wide objects */                            \
    " name TEXT NOT NULL,"                                                                         \
    " uid TEXT NOT NULL,"                                                                          \
    " resource_version TEXT NOT NULL,"                                                             \
    " digest BLOB NOT NULL,"          /* 16 bytes */                                               \
    " updated_us INTEGER NOT NULL,"   /* wall clock, microseconds */                               \
    " object TEXT NOT NULL);"         /* JSON, scrubbed */                                         \
    "CREATE UNIQUE INDEX objects_key ON objects(scope,namespace,name);"                            \
    "CREATE TABLE changes("                                                                        \
    " seq INTEGER PRIMARY KEY,"                                                                    \
    " time_us INTEGER NOT NULL,"                                                                   \
    " account TEXT NOT NULL,"                                                                      \
    " kind TEXT NOT NULL,"                                                                         \
    " namespace TEXT NOT NULL,"                                                                    \
    " name TEXT NOT NULL,"                                                                         \
    " verb TEXT NOT NULL,"            /* 'added', 'modified', 'deleted' */                         \
    " bytes INTEGER NOT NULL);"       /* of the object, 0 if deleted */
/* clang-format on */

#endif
