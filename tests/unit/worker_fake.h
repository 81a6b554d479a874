/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker whose API server and other side are played by the test: requests stay pending until the
 * test answers them, messages are decoded and kept, nothing happens by itself and no time passes.
 */
#ifndef SA_TESTS_WORKER_FAKE_H
#define SA_TESTS_WORKER_FAKE_H

#include <check.h>

#include "worker/plan.h"
#include "worker/scope.h"
#include "worker/session.h"
#include "worker/state.h"

typedef Scaleagent__V1__AccountMessage message;

struct fake {
    struct sa_worker w;
    struct sa_slot slot;
    struct sa_request *pending; /* list */
    message *sent[4096];        /* not yet taken by the test */
    size_t n_sent;
    size_t bytes_counted; /* of Deltas and SnapshotPage since the last Welcome */
    size_t queued;        /* what the link says */
    unsigned requests;
    uint64_t epoch;
    Scaleagent__V1__OperationResult *results[256]; /* not yet taken */
    size_t n_results;
    bool unsent;            /* requests that break never left */
    int64_t retry_after_ms; /* of answers; -1: none */
};

/* An account that follows pods; change f->w.account before fake_start(). */
struct fake *fake_new(void);
void fake_free(struct fake *f);
/* Reaches the API server and discovers pods, configmaps, namespaces, deployments, definitions. */
void fake_start(struct fake *f);
/* Brings the stream up, takes AccountOpen, answers with a Welcome that knows of `known` pods (NULL:
 * nothing), takes Scopes. */
struct fake_known {
    const char *version;
    uint64_t age_ms, count;
    uint8_t sum[16];
    bool other_settings; /* the checkpoint was made under others */
    bool no_fingerprint;
};
void fake_welcome(struct fake *f, const struct fake_known *known, uint64_t credit);
/* The same from the Welcome on, in an epoch of its own. */
void fake_send_welcome(struct fake *f, const struct fake_known *known, uint64_t credit,
                       bool standby);
void fake_down(struct fake *f);
void fake_up(struct fake *f);

/* Lets the worker do what its state allows. */
void fake_turn(struct fake *f);
/* As if ns had passed: what was to wait for that long need not. */
void fake_skip_waits(struct fake *f);

/* The oldest pending request whose path holds text; NULL if there is none. */
struct sa_request *fake_request(struct fake *f, const char *text);
unsigned fake_pending(const struct fake *f, const char *text); /* how many */
struct sa_request *fake_next(struct sa_request *r); /* the next younger one; NULL: none */
const char *fake_path(const struct sa_request *r);
const char *fake_accept(const struct sa_request *r);
uint64_t fake_timeout(const struct sa_request *r);
const char *fake_method(const struct sa_request *r);
const char *fake_body(const struct sa_request *r);
const char *fake_content_type(const struct sa_request *r);
/* Answers and ends it, then a turn. */
void fake_answer(struct fake *f, struct sa_request *r, int status, const char *body);
/* Ends it without an answer. */
void fake_break(struct fake *f, struct sa_request *r);
/* The same with a status, some bytes and a code. */
void fake_break_with(struct fake *f, struct sa_request *r, int status, enum sa_code code,
                     const char *body);
/* Body bytes of a 200 that goes on. */
void fake_data(struct fake *f, struct sa_request *r, const char *text);
/* The watch's events: "ADDED", name, version, content (of spec.x). */
void fake_event(struct fake *f, const char *type, const char *name, int version, const char *x);
void fake_bookmark(struct fake *f, int version, bool initial_end);

/* A page of a list of pods: "name:version:x ..." */
char *fake_pods(int version, const char *token, const char *items); /* to be freed */
char *fake_pod(const char *name, int version, const char *x);

/* Messages of the worker. */
message *fake_take(struct fake *f); /* oldest, NULL if none; freed by fake_drop */
void fake_drop(message *m);
void fake_none(struct fake *f);
/* Takes the next message, which must be Deltas, and checks it: "+name=x" and "-name", by spaces. */
void fake_expect_deltas(struct fake *f, const char *what);
message *fake_expect(struct fake *f, int body_case);
void fake_flush(struct fake *f); /* the batch's time is up */

void fake_reply(struct fake *f, const Scaleagent__V1__AccountReply *r);
/* Replies of the other side, in the present epoch. */
void fake_ack(struct fake *f, uint64_t sequence, uint64_t credit);
void fake_sums(struct fake *f, uint32_t scope, bool in_step);
void fake_wants(struct fake *f, const Scaleagent__V1__SnapshotPage *p, const char *names);
void fake_done(struct fake *f, uint32_t scope, uint32_t snapshot, bool complete);

struct sa_scope *fake_scope(struct fake *f); /* of pods */

#endif
