/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts the body of a list or watch response into objects as the bytes come in, whatever the pieces.
 * Memory is bounded by the largest object, never by the list. Items are handed out as raw bytes;
 * they are validated by sa_scrub().
 */
#ifndef SA_WORKER_FRAME_H
#define SA_WORKER_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct sa_frame;

/* A list: on_item for each element of "items", in order; on_meta once at the end with the bytes of
 * the top-level object without items ({"kind":...,"metadata":{...}}), from which the list's
 * resourceVersion, continue and remainingItemCount are read. A watch: on_item for each event. The
 * bytes are borrowed for the call. A callback returns -1 (with *err) to stop. */
typedef int sa_frame_cb(void *arg, const char *json, size_t n, struct sa_err **err);

struct sa_frame *sa_frame_list(size_t max_object, sa_frame_cb *on_item, sa_frame_cb *on_meta,
                               void *arg);
struct sa_frame *sa_frame_watch(size_t max_object, sa_frame_cb *on_item, void *arg);
void sa_frame_free(struct sa_frame *f);
/* From now on an object that is longer than max_object is left out, and its length told, instead of
 * being an error. */
void sa_frame_leave_out(struct sa_frame *f, void (*on_large)(void *arg, size_t n));

/* -1: a callback said so, or the bytes are no such stream (SA_EPROTOCOL), or one object is longer
 * than max_object (SA_ELIMIT; the message says how long and at most). The frame is dead after it.
 */
int sa_frame_add(struct sa_frame *f, const void *p, size_t n, struct sa_err **err);
/* The body ended: -1 with SA_EPROTOCOL if in the middle of something. */
int sa_frame_end(struct sa_frame *f, struct sa_err **err);
/* Memory held now, in bytes; gives it back between bursts. */
void sa_frame_idle(struct sa_frame *f);

/* metadata of a list, from on_meta's bytes. SA_EPROTOCOL where there is none. */
struct sa_list_meta {
    char resource_version[32];
    char *continue_token; /* owned; NULL or the token */
};
int sa_list_meta_parse(const char *json, size_t n, struct sa_list_meta *out, struct sa_err **err);

#endif
