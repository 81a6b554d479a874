/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded other side of the protocol (proto/PROTOCOL.md): accounts, epochs, scopes, rows,
 * digests, sums, snapshots and checkpoints, in the file of sqlite_schema.h.
 *
 * Messages of all accounts are applied within one open transaction; the caller commits it from time
 * to time. Rows, sums and checkpoints belong to one transaction always, and an acknowledgement
 * leaves only after the commit. When the database fails, sa_cache_abort() takes everything back to
 * the last commit and ends all epochs: the accounts open again and compare.
 */
#ifndef SA_UPLINK_SQLITE_CACHE_H
#define SA_UPLINK_SQLITE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "ipc/data.h"
#include "uplink/parts.h"
#include "uplink/sink.h"
#include "uplink/sqlite_db.h"

#define SA_CACHE_WINDOW          (1024u * 1024u) /* bytes of credit beyond what was received */
#define SA_CACHE_MAX_FINGERPRINT 64u             /* bytes */

/* One scope of an account in its present epoch; id is 0 until Scopes named it. */
struct sa_cache_scope {
    uint32_t id;
    int64_t row;
    char *group, *resource, *namespace, *version, *kind;
    bool namespaced;
    bool changed; /* count and sum are to be written at the next commit */
    uint64_t count;
    struct sa_sum sum;
    uint32_t snapshot;      /* under way, 0 none */
    uint32_t last_snapshot; /* the highest number that began */
    uint32_t next_page;
};

struct sa_cache_account {
    uint32_t handle;
    char *name;
    int64_t row;
    uint64_t epoch;    /* 0: not open */
    uint64_t sequence; /* of the last delta received */
    uint64_t acked, granted, used;
    struct sa_cache_scope *scopes; /* sorted by id */
    size_t n_scopes;
    struct sa_cache_scope *list; /* of scopes, of which the last part has not come */
    size_t n_list, list_bytes;
    bool listing; /* nothing else may come before that */
    struct sa_parts parts;
    bool due; /* changed something since the last commit */
};

typedef void sa_cache_reply(void *arg, uint32_t handle, const void *p, size_t n);

struct sa_cache {
    struct sa_db db;
    struct sa_cache_account **accounts; /* sorted by handle */
    size_t n_accounts;
    uint64_t deltas; /* applied since the last commit */
    sa_cache_reply *reply;
    void *arg;
    struct sa_buf out; /* a reply under construction */
};

int sa_cache_open(struct sa_cache *c, const char *path, sa_cache_reply *reply, void *arg,
                  struct sa_err **err);
void sa_cache_close(struct sa_cache *c); /* without a commit */

/* The complete list. What is stored of accounts outside it is deleted, and that is committed. */
int sa_cache_accounts(struct sa_cache *c, const struct sa_sink_account *v, size_t n,
                      struct sa_err **err);
void sa_cache_gone(struct sa_cache *c, uint32_t handle);

enum sa_cache_result {
    SA_CACHE_OK,
    SA_CACHE_MALFORMED, /* no AccountMessage at all */
    SA_CACHE_REFUSED,   /* against the protocol: refused and the epoch ended; *err says what */
    SA_CACHE_BROKEN,    /* the database failed; call sa_cache_abort() */
};
enum sa_cache_result sa_cache_message(struct sa_cache *c, uint32_t handle, const void *p, size_t n,
                                      struct sa_err **err);

bool sa_cache_pending(
    const struct sa_cache *c); /* is there something to commit or to acknowledge? */
int sa_cache_commit(struct sa_cache *c, struct sa_err **err);
void sa_cache_abort(struct sa_cache *c);

/* Between the files of the cache. */
int sa_cache_send(struct sa_cache *c, const struct sa_cache_account *a);
struct sa_cache_scope *sa_cache_scope(struct sa_cache_account *a, uint32_t id, struct sa_err **err);
int sa_cache_begin(struct sa_cache *c, struct sa_cache_account *a, struct sa_err **err);
/* sqlite_open.c */
int sa_cache_on_open(struct sa_cache *c, struct sa_cache_account *a,
                     const Scaleagent__V1__AccountOpen *m, struct sa_err **err);
/* sqlite_scopes.c */
void sa_cache_free_scope(struct sa_cache_scope *s); /* what it points to */
/* For arrays that nothing else makes longer. */
int sa_cache_append_scope(struct sa_cache_scope **v, size_t *n, const struct sa_cache_scope *s);
/* Deletes the scopes of the account in this row, with their objects. */
int sa_cache_drop_scopes(struct sa_cache *c, int64_t account, struct sa_err **err);
void sa_cache_forget_list(struct sa_cache_account *a);
int sa_cache_on_scopes(struct sa_cache *c, struct sa_cache_account *a,
                       const Scaleagent__V1__Scopes *m, struct sa_err **err);
int sa_cache_drop_account(struct sa_cache *c, int64_t row, struct sa_err **err);
void sa_cache_forget_scopes(struct sa_cache_account *a);
/* sqlite_apply.c */
int sa_cache_on_deltas(struct sa_cache *c, struct sa_cache_account *a,
                       const Scaleagent__V1__Deltas *m, struct sa_err **err);
int sa_cache_on_sums(struct sa_cache *c, struct sa_cache_account *a, const Scaleagent__V1__Sums *m,
                     struct sa_err **err);
int sa_cache_on_begin(struct sa_cache *c, struct sa_cache_account *a,
                      const Scaleagent__V1__SnapshotBegin *m, struct sa_err **err);
int sa_cache_on_page(struct sa_cache *c, struct sa_cache_account *a,
                     const Scaleagent__V1__SnapshotPage *m, struct sa_err **err);
int sa_cache_on_end(struct sa_cache *c, struct sa_cache_account *a,
                    const Scaleagent__V1__SnapshotEnd *m, struct sa_err **err);
int sa_cache_on_checkpoint(struct sa_cache *c, struct sa_cache_account *a,
                           const Scaleagent__V1__Checkpoint *m, struct sa_err **err);

#endif
