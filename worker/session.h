/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's half of the protocol (proto/PROTOCOL.md): opening, scopes, deltas, acknowledgements,
 * comparison, checkpoints.
 */
#ifndef SA_WORKER_SESSION_H
#define SA_WORKER_SESSION_H

#include "ipc/data.h"
#include "proto/scale_agent.pb-c.h"
#include "worker/state.h"

/* session.c */
/* A message of the data channel. -1: the uplink broke the protocol. */
int sa_session_message(struct sa_worker *w, enum sa_data_kind kind, const void *p, size_t n,
                       struct sa_err **err);
/* The data channel itself is gone (or the stream behind it). */
void sa_session_down(struct sa_worker *w);
/* Sends AccountOpen or Scopes when they are due. */
void sa_session_step(struct sa_worker *w);
/* Encodes and sends one message of the present epoch; after what the batch holds. Returns its
 * bytes, 0 when it could not be made for lack of memory (the session is then opened anew). */
size_t sa_session_send(struct sa_worker *w, Scaleagent__V1__AccountMessage *m);
/* Does the other side accept what the scope has to say? */
static inline bool sa_session_open(const struct sa_scope *s)
{
    return s->w->session == SA_SESSION_CACHING && s->announced;
}

#define SA_REOPEN_NS (60 * SA_NS_PER_S) /* no answer to AccountOpen for so long: again */

/* welcome.c */
/* A Welcome, or the next part of one: of the present epoch while the session is opening, else of a
 * new one. -1: there is no end to its scopes. */
int sa_session_welcome(struct sa_worker *w, uint64_t epoch, const Scaleagent__V1__Welcome *welcome);
/* A scope begins in this epoch, with what the other side said of it. */
void sa_session_begin_scope(struct sa_scope *s);
/* What was said and not acknowledged is dirty; nothing is compared any more. */
void sa_session_end_epoch(struct sa_worker *w);

/* batch.c */
/* Bytes that may still be put into messages that need credit. */
size_t sa_batch_room(const struct sa_worker *w);
/* Takes the object (json NULL: its deletion) for sending. False: no room now. */
bool sa_batch_add(struct sa_scope *s, const struct sa_object *o, const struct sa_buf *json);
void sa_batch_flush(struct sa_worker *w);
/* Sequence of the last delta that was taken, be it that it still waits or comes in parts; 0: none
 * was in this epoch. */
uint64_t sa_batch_last(const struct sa_worker *w);
void sa_batch_discard(struct sa_worker *w);
/* Goes on with an object that is sent in parts. */
void sa_batch_large_step(struct sa_worker *w);
/* 0, or -1 if sequence was never sent. */
int sa_batch_acked(struct sa_worker *w, uint64_t sequence);
/* Spends credit for a message that needs it and sends it. */
void sa_batch_send_counted(struct sa_worker *w, uint32_t events, uint64_t oldest_ns, const void *p,
                           size_t n);

/* compare.c: sums, pages, wants */
void sa_compare_step(struct sa_scope *s);
/* In step by the Welcome's sums, of which the other side can't know since something was sent: Sums
 * come before the next checkpoint. */
bool sa_compare_unproven(const struct sa_scope *s);
/* All that is known of the scope was sent, or is in the batch. */
bool sa_compare_quiet(const struct sa_scope *s);
void sa_compare_sums_answer(struct sa_scope *s, bool in_step);
void sa_compare_wants(struct sa_scope *s, const Scaleagent__V1__Wants *wants);
void sa_compare_done(struct sa_scope *s, const Scaleagent__V1__SnapshotDone *done);
void sa_compare_cancel(struct sa_scope *s);
/* snapshot.c: called by the list of names */
int sa_snapshot_item(struct sa_scope *s, const char *json, size_t n, struct sa_err **err);
void sa_snapshot_page_read(struct sa_scope *s, bool last);
void sa_snapshot_failed(struct sa_scope *s);
void sa_snapshot_begin(struct sa_scope *s);
void sa_snapshot_page_done(struct sa_scope *s); /* the Wants of the last page were taken */
void sa_snapshot_step(struct sa_scope *s);

/* resolve.c */
void sa_resolve_step(struct sa_scope *s);
void sa_resolve_cancel(struct sa_worker *w, const struct sa_scope *s); /* NULL: of all */
/* A list of the scope begins. Whatever is dirty by now and not in it is not there. */
void sa_resolve_list_begins(struct sa_scope *s);
/* It ended, as of version (0: unknown): the deletions of those keys are sent. */
void sa_resolve_list_ended(struct sa_scope *s, uint64_t version);
/* The API server answers again: nothing waits for that any longer. */
void sa_resolve_sooner(struct sa_scope *s, uint64_t at_ns);
/* The read of this key that is under way, or NULL. */
struct sa_get *sa_resolve_reading(const struct sa_scope *s, const char *namespace,
                                  const char *name);

/* checkpoint.c */
/* Sends the scope's checkpoint if the rules allow; at most once an interval unless now is set. */
void sa_checkpoint_step(struct sa_scope *s, bool now);
/* What comes of the scope now may not be what the stored checkpoint stands for: takes it back. */
void sa_checkpoint_void(struct sa_scope *s);

/* fingerprint.c */
/* Of all that decides which objects of the scope are sent, and what of them: equal where a row of
 * an object that did not change is right as it is. */
void sa_scope_fingerprint(const struct sa_scope *s, struct sa_digest *out);

#endif
