/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by apply.c (both ways), apply_client.c and apply_server.c. */
#ifndef SA_WORKER_OPS_APPLY_INTERNAL_H
#define SA_WORKER_OPS_APPLY_INTERNAL_H

#include "worker/ops/apply.h"
#include "worker/ops/val.h"

#define SA_APPLY_TRIES 5 /* maxPatchRetry of kubectl's patcher */

enum sa_apply_phase {
    SA_AT_GET,       /* client-side: what is there? */
    SA_AT_SCHEMA,    /* both */
    SA_AT_CREATE,    /* client-side */
    SA_AT_PATCH,     /* client-side */
    SA_AT_CLEAR_GET, /* server-side: whose are the fields? */
    SA_AT_CLEAR,     /* server-side: now they are ours */
    SA_AT_APPLY,     /* server-side */
    SA_AT_SAVE,      /* server-side: the annotation gets a manager of its own */
    SA_AT_MIGRATE,   /* server-side: fields applied client-side become ours */
    SA_AT_MIGRATE_GET,
    SA_AT_REAPPLY, /* server-side: what the manifest lacks goes */
    SA_AT_END,
};

struct sa_apply {
    enum sa_apply_phase phase;
    bool server_side, force, clear, defaults, applied;
    unsigned tries; /* of the patch, after a conflict */
    /* owned */
    char *api_version, *kind, *name, *namespace, *resource, *manager, *uid, *version;
    char *seen_uid, *seen_version;
    struct sa_buf manifest; /* client-side: with the annotation; server-side: as it is sent */
    struct sa_buf create;   /* client-side: the body of a POST */
    struct sa_buf current;  /* the object as the server sent it last */
    struct sa_buf body, query, path, doing, message, warnings;
    struct sa_apply_step step;
    struct sa_apply_result result;
};

int sa_apply_no_memory(struct sa_err **err);
/* Replaces *field by a copy of text. */
int sa_apply_keep(char **field, const char *text);
bool sa_apply_ok(int status);
/* Keeps the answer as the present object. */
int sa_apply_see(struct sa_apply *a, const char *body, size_t n, struct sa_err **err);
/* The present object, parsed. */
struct sa_val *sa_apply_current(const struct sa_apply *a, struct sa_arena *arena,
                                struct sa_err **err);

/* The next step. */
int sa_apply_get(struct sa_apply *a, enum sa_apply_phase phase, unsigned delay_ms);
int sa_apply_ask_schema(struct sa_apply *a, struct sa_err **err);
/* A PATCH with a->body by a field manager; force: NULL leaves the parameter out. */
int sa_apply_patch(struct sa_apply *a, enum sa_apply_phase phase, const char *content_type,
                   const char *manager, const char *force, struct sa_err **err);
int sa_apply_post(struct sa_apply *a, struct sa_err **err);
int sa_apply_end(struct sa_apply *a, enum sa_apply_outcome outcome);
/* FAILED, in the words that doing holds by now. */
int sa_apply_failed(struct sa_apply *a);
/* INVALID or CONFLICT. */
int sa_apply_refused(struct sa_apply *a, enum sa_apply_outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "Resource: ...\nName: ..., Namespace: ..." as kubectl names the object, behind doing. */
void sa_apply_name_object(struct sa_apply *a);

/* apply_client.c */
int sa_apply_client_prepare(struct sa_apply *a, struct sa_arena *arena, struct sa_val *manifest,
                            struct sa_err **err);
int sa_apply_client_answer(struct sa_apply *a, int status, const char *body, size_t n,
                           struct sa_err **err);
int sa_apply_client_schema(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err);
/* apply_server.c */
int sa_apply_server_prepare(struct sa_apply *a, struct sa_arena *arena, struct sa_val *manifest,
                            struct sa_err **err);
int sa_apply_server_answer(struct sa_apply *a, int status, const char *body, size_t n,
                           struct sa_err **err);
int sa_apply_server_schema(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err);

#endif
