/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Status slots: one page of shared memory for each child, written by the child alone, read by the
 * supervisor at any time. Reporting so costs no system call and no wake-up. The supervisor believes
 * nothing in it: it copies, bounds and terminates what it reads (sa_slot_read).
 */
#ifndef SA_IPC_SLOT_H
#define SA_IPC_SLOT_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* X(symbol, name as shown). What an account's worker is doing. */
#define SA_STATE_TABLE(X)                                                                          \
    X(SA_STATE_STARTING, "starting")     /* process made, not connected yet */                     \
    X(SA_STATE_CONNECTING, "connecting") /* cannot reach or log in to the API server */            \
    X(SA_STATE_DISCOVERING, "discovering")                                                         \
    X(SA_STATE_SYNCING, "syncing")     /* first lists, or differences being compared */            \
    X(SA_STATE_STREAMING, "streaming") /* every scope in step and watched */                       \
    X(SA_STATE_DEGRADED, "degraded")   /* streams, but some scope is forbidden or failing */       \
    X(SA_STATE_WAITING, "waiting")     /* cluster is fine; Spinnaker is not connected */           \
    X(SA_STATE_STANDBY, "standby")     /* another agent streams this account */                    \
    X(SA_STATE_PAUSED, "paused")       /* set by the supervisor: by scale-agentctl pause */        \
    X(SA_STATE_BACKOFF, "backoff")     /* set by the supervisor: waits to be restarted */          \
    X(SA_STATE_FAILED, "failed")       /* set by the supervisor: restarted too often */            \
    X(SA_STATE_STOPPING, "stopping")
enum sa_state {
#define X(sym, name) sym,
    SA_STATE_TABLE(X)
#undef X
        SA_STATE_COUNT
};
const char *sa_state_name(enum sa_state s); /* "unknown" past the table */

/* X(field, kind, unit-bearing metric name, help). Counters and gauges of a worker or the uplink;
 * the exporter, `status -o json` and the documentation are made from this table. All uint64_t. */
#define SA_COUNTER_TABLE(X)                                                                        \
    X(watches, gauge, "watches", "watches open on the API server")                                 \
    X(scopes, gauge, "scopes", "resources (by namespace where so configured) that are followed")   \
    X(scopes_in_step, gauge, "scopes_in_step", "scopes whose cache is known to be equal")          \
    X(objects, gauge, "objects", "objects known")                                                  \
    X(dirty, gauge, "dirty_keys", "objects whose latest state is still to be sent")                \
    X(unacked, gauge, "unacknowledged_deltas", "deltas sent and not acknowledged yet")             \
    X(credit, gauge, "credit_bytes", "bytes that may still be sent before the next grant")         \
    X(events, counter, "events_total", "watch events received")                                    \
    X(deltas, counter, "deltas_total", "deltas sent")                                              \
    X(delta_bytes, counter, "delta_bytes_total", "bytes of delta messages sent")                   \
    X(messages, counter, "messages_total", "messages sent")                                        \
    X(lists, counter, "lists_total", "lists completed")                                            \
    X(relists, counter, "relists_total", "lists after a watch could not be resumed")               \
    X(list_objects, counter, "list_objects_total", "objects read by lists")                        \
    X(requests, counter, "requests_total", "requests to the API server")                           \
    X(request_errors, counter, "request_errors_total", "requests that failed")                     \
    X(snapshots, counter, "snapshots_total", "comparisons by pages begun")                         \
    X(wants, counter, "wanted_objects_total", "objects that the other side asked for")             \
    X(epoch, gauge, "epoch", "present epoch of the account")                                       \
    X(lag_us, gauge, "lag_microseconds", "age of the last event when it was sent on")              \
    X(connected, gauge, "connected", "1 while connected to the other side")                        \
    X(connections, counter, "connections_total", "connections made")                               \
    X(disconnections, counter, "disconnections_total", "connections that ended")                   \
    X(bytes_received, counter, "received_bytes_total", "bytes received from the other side")

/* X(symbol, name). What operations are called in metrics, log and status. */
#define SA_VERB_TABLE(X)                                                                           \
    X(SA_VERB_GET, "get")                                                                          \
    X(SA_VERB_LIST, "list")                                                                        \
    X(SA_VERB_EVENTS, "events")                                                                    \
    X(SA_VERB_APPLY, "apply")                                                                      \
    X(SA_VERB_CREATE, "create")                                                                    \
    X(SA_VERB_REPLACE, "replace")                                                                  \
    X(SA_VERB_PATCH, "patch")                                                                      \
    X(SA_VERB_DELETE, "delete")                                                                    \
    X(SA_VERB_SCALE, "scale")                                                                      \
    X(SA_VERB_ROLLOUT, "rollout")                                                                  \
    X(SA_VERB_HISTORY, "rollout history")                                                          \
    X(SA_VERB_LOGS, "logs")                                                                        \
    X(SA_VERB_TOP, "top")                                                                          \
    X(SA_VERB_UNKNOWN, "unknown") /* not one that this agent knows */
enum sa_verb {
#define X(sym, name) sym,
    SA_VERB_TABLE(X)
#undef X
        SA_VERB_COUNT
};
const char *sa_verb_name(enum sa_verb v); /* "unknown" past the table */
enum sa_verb sa_verb_find(const char *name);

/* X(symbol, name). How they end: OperationResult.Code by its number. */
#define SA_RESULT_TABLE(X)                                                                         \
    X(SA_RESULT_UNSPECIFIED, "unspecified")                                                        \
    X(SA_RESULT_OK, "ok")                                                                          \
    X(SA_RESULT_NOT_FOUND, "not_found")                                                            \
    X(SA_RESULT_FORBIDDEN, "forbidden")                                                            \
    X(SA_RESULT_UNAUTHORIZED, "unauthorized")                                                      \
    X(SA_RESULT_CONFLICT, "conflict")                                                              \
    X(SA_RESULT_INVALID, "invalid")                                                                \
    X(SA_RESULT_NO_OBJECTS, "no_objects")                                                          \
    X(SA_RESULT_NO_SUCH_KIND, "no_such_kind")                                                      \
    X(SA_RESULT_NOT_PATCHED, "not_patched")                                                        \
    X(SA_RESULT_TOO_LARGE, "too_large")                                                            \
    X(SA_RESULT_TIMED_OUT, "timed_out")                                                            \
    X(SA_RESULT_CANCELLED, "cancelled")                                                            \
    X(SA_RESULT_UNAVAILABLE, "unavailable")                                                        \
    X(SA_RESULT_UNKNOWN_OUTCOME, "unknown_outcome")                                                \
    X(SA_RESULT_REFUSED, "refused")                                                                \
    X(SA_RESULT_FAILED, "failed")
enum sa_result {
#define X(sym, name) sym,
    SA_RESULT_TABLE(X)
#undef X
        SA_RESULT_COUNT
};
const char *sa_result_name(enum sa_result r); /* "unspecified" past the table */

/* X(milliseconds, the same in seconds as Prometheus writes it): upper bounds of how long they took;
 * what took longer counts in the sum of all alone. */
#define SA_DURATION_TABLE(X)                                                                       \
    X(25, "0.025")                                                                                 \
    X(100, "0.1")                                                                                  \
    X(250, "0.25")                                                                                 \
    X(1000, "1")                                                                                   \
    X(5000, "5")                                                                                   \
    X(30000, "30")                                                                                 \
    X(300000, "300")
enum {
#define X(ms, text) SA_WITHIN_##ms,
    SA_DURATION_TABLE(X)
#undef X
        SA_DURATION_COUNT
};

/* Operations of one verb, since the worker was started. */
struct sa_slot_verb {
    /* In this order, and written from the last to the first: a copy made meanwhile has none within
     * a bound that it has not among all. */
    uint32_t within[SA_DURATION_COUNT]; /* of those that no smaller bound has */
    uint32_t results[SA_RESULT_COUNT];
    uint64_t sum_us;
};

/* What happened last, for people: rings of a few, and the scopes as they are. */
#define SA_SLOT_EVENTS  8u  /* of each kind */
#define SA_SLOT_WATCHES 32u /* past which scopes are counted alone */

struct sa_slot_event {
    uint64_t at_ns;       /* sa_mono_ns(); 0: none */
    uint32_t ms;          /* of an operation: how long it took */
    uint8_t verb, result; /* of an operation; of a change: result 1 where it was deleted */
    char what[82];        /* "pods/default/web-0" */
};
struct sa_slot_ring {
    uint32_t n; /* so many came; the last is at (n - 1) % SA_SLOT_EVENTS */
    struct sa_slot_event v[SA_SLOT_EVENTS];
};
struct sa_slot_watch {
    uint64_t event_ns; /* its last event; 0: none yet */
    uint32_t objects;
    uint8_t state; /* enum sa_plan_state */
    char name[67]; /* "deployments.apps", "pods in default" */
};

#define SA_SLOT_TEXT 512

struct sa_slot {
    uint64_t heartbeat_ns; /* sa_mono_ns() of the last turn of the child's loop */
    uint32_t state;        /* enum sa_state */
    int32_t seccomp_nr;    /* system call that seccomp ended the child for, plus 1; 0 none */
    uint32_t sandbox;      /* bits: SA_SLOT_... */
    uint32_t landlock_abi;
#define X(field, kind, name, help) uint64_t field;
    SA_COUNTER_TABLE(X)
#undef X
    char version[32];              /* of the API server, "v1.36.3", or of the plugin */
    char cluster[64];              /* kube-system's uid, or "" */
    char server[128];              /* host and port */
    char last_error[SA_SLOT_TEXT]; /* plain words, no secret; "" none */
    uint64_t last_error_ns;        /* sa_mono_ns() */
    char sandbox_lacks[160];
    struct sa_slot_verb verbs[SA_VERB_COUNT];
    struct sa_slot_ring operations, changes;
    uint32_t n_watched; /* written, at most SA_SLOT_WATCHES */
    struct sa_slot_watch watched[SA_SLOT_WATCHES];
};
#define SA_SLOT_NNP      1u
#define SA_SLOT_UID      2u
#define SA_SLOT_LANDLOCK 4u
#define SA_SLOT_TCP      8u
#define SA_SLOT_SECCOMP  16u

/* A slot in pages of its own, shared with children forked later; NULL with *err. */
struct sa_slot *sa_slot_new(struct sa_err **err);
void sa_slot_free(struct sa_slot *s);
/* Copies *s to *out with strings terminated, control characters replaced, numbers as they are. */
void sa_slot_read(const struct sa_slot *s, struct sa_slot *out);
/* For the child: bounded copies into the text fields; the time is set for last_error. */
void sa_slot_set_text(char *field, size_t size, const char *text);
/* The place of the next of a ring, cleared, and named. */
struct sa_slot_event *sa_slot_ring_add(struct sa_slot_ring *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Counts one operation that has ended. */
void sa_slot_operation(struct sa_slot *s, enum sa_verb verb, enum sa_result result, uint64_t us);
void sa_slot_error(struct sa_slot *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
