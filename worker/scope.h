/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scopes: how they come and go, follow the API server by list and watch, and what is done with each
 * object that is read. See worker/state.h for the whole.
 */
#ifndef SA_WORKER_SCOPE_H
#define SA_WORKER_SCOPE_H

#include "worker/state.h"

/* scope.c */
struct sa_scope *sa_scope_new(struct sa_worker *w, const struct sa_resource *res,
                              const char *namespace, struct sa_err **err);
void sa_scope_free(struct sa_scope *s); /* cancels, forgets its part of the table */
struct sa_scope *sa_scope_by_id(struct sa_worker *w, uint32_t id);
struct sa_scope *sa_scope_find(struct sa_worker *w, const char *group, const char *plural,
                               const char *namespace);
/* Stops its requests; what is known stays. */
void sa_scope_suspend(struct sa_scope *s);
/* All that is known is to be read again, the table kept. */
void sa_scope_relist(struct sa_scope *s);
/* Starts what the state allows: a list, a watch, or none. */
void sa_scope_follow(struct sa_scope *s);
/* A request of the scope failed: reports it, and returns how long to wait. `doing` is in words. */
uint64_t sa_scope_failed(struct sa_scope *s, const struct sa_response *r, struct sa_backoff *b,
                         const char *doing);
void sa_scope_succeeded(struct sa_scope *s);
/* An object of the scope is larger than what is streamed, and is left out: reports it. */
void sa_scope_left_out(struct sa_scope *s, const char *name, size_t n);
/* The same of one that can't be represented, and why. */
void sa_scope_unfit(struct sa_scope *s, const struct sa_object *o, const char *why);
/* "deployments.apps", "pods in default" for logs and errors. */
void sa_scope_title(const struct sa_scope *s, char *out, size_t n);
/* Are its objects namespaces, to which the configured namespaces apply by name? */
bool sa_scope_of_namespaces(const struct sa_scope *s);
/* Path of the scope's collection, or of one object of it, without a query. */
int sa_scope_path(const struct sa_scope *s, const char *namespace, const char *name,
                  struct sa_buf *out);
/* The query's selector, from what is left out ("&fieldSelector=..."). */
int sa_scope_add_selector(const struct sa_scope *s, struct sa_buf *out);
int sa_url_add(struct sa_buf *b, const char *text); /* percent-encoded, RFC 3986 */

/* list.c */
/* Begins (or, when waiting, goes on with) a list if its turn, budget and credit allow. */
void sa_list_step(struct sa_list *l);
void sa_list_cancel(struct sa_list *l);

/* watch.c */
void sa_watch_open(struct sa_scope *s);
void sa_watch_close(struct sa_scope *s);

/* intake.c */
/* FROM_RESULT: as an operation left it, which was the present state at that moment. */
enum sa_origin { SA_FROM_LIST, SA_FROM_WATCH, SA_FROM_GET, SA_FROM_RESULT };
/* What the table keeps of a uid. */
uint32_t sa_intake_uid_hash(const char *uid);
/* One object as read. deleted: the last state of an object that is gone. */
int sa_intake(struct sa_scope *s, const char *json, size_t n, enum sa_origin origin, bool deleted,
              struct sa_err **err);
/* The object is not there any more, as of version (0: unknown). */
void sa_intake_gone(struct sa_scope *s, const struct sa_object *o, uint64_t version,
                    enum sa_origin origin);
/* May an object leave the cluster at all? The one filter. */
bool sa_intake_visible(const struct sa_scope *s, const struct sa_object *o);
/* The key's latest state is to be sent, later. */
void sa_intake_dirty(struct sa_scope *s, const char *namespace, const char *name);
/* Notes a version as seen by the scope's watch. -1 if it is lower than the last, and what is to be
 * done about it in the watch's verdict. */
int sa_intake_version(struct sa_scope *s, const char *text, uint64_t version, struct sa_err **err);
/* The stamp for what is read from now on. */
void sa_intake_stamp(struct sa_worker *w);

/* madeup.c */
/* The objects that the configuration stands for: calls cb with the JSON of each. */
typedef void sa_madeup_cb(void *arg, const char *name, const char *json, size_t n);
void sa_madeup_each(const struct sa_scope *s, sa_madeup_cb *cb, void *arg);

#endif
