/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root object of a worker: everything it knows of its account. Private to the worker's steps,
 * which are, along the way of the data:
 *
 *   open       reaches the API server: its version, the cluster's identity
 *   discovery  what the server serves     kinds, plan   what of it is followed: the scopes
 *   list       pages of objects           watch         events
 *   intake     scrub, filter, table: each object passes here, wherever it came from
 *   batch      deltas, in credit          dirty, resolve  what could not be sent, read again
 *   session    the protocol's other side  compare, snapshot, checkpoint
 *
 * Nothing here touches a socket: requests go through struct sa_api, messages through struct sa_out.
 * What is to be done next is never remembered as a queue of jobs. sa_worker_turn(), at the end of
 * each turn of the loop in which w->pump was set, looks at the state and does what it allows.
 */
#ifndef SA_WORKER_STATE_H
#define SA_WORKER_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/loop.h"
#include "config/settings.h"
#include "ipc/slot.h"
#include "worker/dirty.h"
#include "worker/discovery.h"
#include "worker/frame.h"
#include "worker/http.h"
#include "worker/scrub.h"
#include "worker/table.h"

struct sa_ops;

/* Requests to the API server; in the process it is worker/http.h. */
struct sa_api {
    struct sa_request *(*start)(void *arg, const struct sa_request_options *opt,
                                struct sa_err **err);
    void (*cancel)(void *arg, struct sa_request *r);
    void *arg;
};

/* Messages to the other side; in the process it is worker/link.h. */
struct sa_out {
    /* An encoded AccountMessage; copied. It is delivered in order, or the link goes down. */
    void (*send)(void *arg, uint32_t events, uint64_t oldest_ns, const void *p, size_t n);
    size_t (*queued)(void *arg); /* bytes that wait to be taken by the other process */
    void *arg;
    /* An encoded OperationResult; copied. It goes before what waits. */
    void (*result)(void *arg, const void *p, size_t n);
};

/* A list under way. FULL lists read objects into the table, NAMES lists only what identifies them.
 */
struct sa_list {
    struct sa_scope *scope;
    bool names;   /* what kind of list */
    bool active;  /* from the first page's request until the last page was read */
    bool waiting; /* between two pages */
    bool whole;   /* tokens expire each time: all of it is asked for in one answer */
    struct sa_request *req;
    struct sa_frame *frame;
    char *token;      /* for the next page */
    char version[32]; /* of the list, from its first page */
    uint64_t version_n;
    unsigned pages;
    uint64_t reserved;      /* credit expected to be needed for the page under way */
    uint64_t not_before_ns; /* after a failure */
    struct sa_backoff backoff;
};

/* Is the API server there? Asked after a request that ended without an answer. */
struct sa_reach {
    struct sa_request *req;
    struct sa_backoff backoff;
    uint64_t next_ns; /* when it is to be asked; 0: there is no doubt, or it is being asked */
    bool away;        /* it was asked, and did not answer */
    uint64_t high;    /* what was asked for is not older than this version */
};

/* How a scope follows the API server. */
enum sa_follow {
    SA_FOLLOW_OFF,     /* not yet, or the account is on standby, or the resource is unknown now */
    SA_FOLLOW_LIST,    /* needs its list, which runs or waits for its turn */
    SA_FOLLOW_INITIAL, /* a WatchList whose initial events still come */
    SA_FOLLOW_WATCH,   /* the watch is open */
    SA_FOLLOW_PAUSE,   /* the watch is to be opened again from `version` */
};

enum sa_watch_verdict { SA_WATCH_GOES_ON, SA_WATCH_EXPIRED, SA_WATCH_FAILED, SA_WATCH_NO_INITIAL };

struct sa_watch {
    struct sa_request *req;
    struct sa_frame *frame;
    uint64_t opened_ns, data_ns; /* last data */
    uint64_t not_before_ns;      /* after a failure */
    unsigned silences;           /* in a row */
    enum sa_watch_verdict verdict;
    bool bookmarks; /* one came on this scope */
    struct sa_backoff backoff;
};

/* Where a scope stands in being compared with the other side. */
enum sa_compare {
    SA_COMPARE_NONE,
    SA_COMPARE_SUMS,  /* sums sent, no answer yet */
    SA_COMPARE_BEGIN, /* pages are needed, waits for its turn */
    SA_COMPARE_PAGES, /* between SnapshotBegin and SnapshotEnd */
    SA_COMPARE_END,   /* SnapshotEnd sent, no SnapshotDone yet */
};

struct sa_snapshot {
    uint32_t number;
    uint32_t page;         /* next to be sent */
    bool page_ready;       /* entries holds what is to be sent in pages */
    bool wants_due;        /* a page was sent whose Wants did not come yet */
    bool listed;           /* the last answer of the list was read */
    struct sa_buf entries; /* encoded SnapshotEntry fields of one answer of the list */
    size_t sent;           /* bytes of them */
    struct sa_buf keys;    /* per entry: namespace NUL name NUL; kept until its Wants came */
    size_t key, key_end;   /* those of the page that was sent last */
};

/* What the other side said of a scope in its Welcome. */
struct sa_known_scope {
    bool there;
    bool untouched; /* nothing of the scope was sent in this epoch: count and sum still hold */
    uint64_t count;
    uint8_t sum[16];
    char version[32];
    struct sa_digest fingerprint; /* of the checkpoint; zeros where it has none that is ours */
    uint64_t age_ms;
};

struct sa_scope {
    struct sa_worker *w;
    uint32_t id; /* in the protocol and in the table; never used again */
    struct sa_resource res;
    char namespace[64]; /* "" for all */
    bool made_up;       /* its objects come from the configuration */
    bool internal;      /* followed for ourselves only (definitions): not in Scopes */
    bool definitions;   /* CustomResourceDefinitions: a change asks for discovery */
    bool kept;          /* not discovered now, and not proven gone */
    bool defined;       /* by a CustomResourceDefinition, when these could last be read */
    uint64_t gone_ns;   /* when it may be taken for gone; 0: the last discovery had it */
    unsigned absences;  /* complete discoveries in a row that lack it */

    /* from the API server */
    enum sa_follow follow;
    struct sa_watch watch;
    struct sa_list list, names;
    char version[32];       /* all up to here was seen, where the table is complete or resumed */
    uint64_t high;          /* highest version ever seen */
    uint64_t fresh_ns;      /* when version was last known to be new */
    unsigned regress;       /* lists in a row that were older than what is known */
    uint64_t stale;         /* lowest known version of what the list had in an older one; 0 none */
    bool complete;          /* the table holds every object of the scope */
    bool resumed;           /* followed from a checkpoint, without a list */
    bool direct;            /* the other side has nothing: objects of the list are sent at once */
    bool want_list;         /* a list beside the watch: audit, many dirty keys, completion */
    uint64_t dirty_list_ns; /* when the next list for dirty keys may begin */
    unsigned dirty_lists;   /* in a row, where reads are refused */
    uint64_t audit_ns;      /* when the next audit is due */
    uint64_t forbidden_ns;  /* since when the server says 403; 0 it does not */
    bool evicted;           /* forbidden for so long that it left the Scopes */
    bool failing;           /* last request failed */
    uint64_t event_ns;      /* when its watch brought something last; 0: not yet */

    /* towards the other side */
    struct sa_dirty *dirty; /* made when first needed */
    unsigned gets;          /* reads of dirty keys under way */
    unsigned gets_failed;   /* in a row */
    uint64_t gets_ns;       /* before it no key is read */
    struct sa_backoff gets_backoff;
    uint64_t no_get_ns; /* until then reads are taken for refused; 0: they never were */
    bool announced;     /* in the Scopes of this epoch */
    struct sa_known_scope known;
    enum sa_compare compare;
    bool compare_needed;
    bool in_step;
    bool by_welcome;           /* so by the Welcome's sums, of which the other side knows nothing */
    unsigned mismatches;       /* in a row */
    uint64_t compare_after_ns; /* backoff after three of them */
    struct sa_snapshot snap;
    char checkpoint[2][32]; /* the last two that were sent, newest first */
    uint64_t checkpoint_ns;
};

enum sa_session {
    SA_SESSION_DOWN,    /* no way to the other side */
    SA_SESSION_UP,      /* there is one; not opened yet */
    SA_SESSION_OPENING, /* AccountOpen sent */
    SA_SESSION_STANDBY,
    SA_SESSION_CACHING,
    SA_SESSION_REFUSED,
};

/* Deltas that wait for others to go with them. */
struct sa_batch {
    struct sa_buf entries; /* encoded Delta fields */
    uint32_t n;
    uint64_t first; /* sequence of the first */
    uint64_t oldest_ns;
    int64_t oldest_us;
    uint64_t flushed_ns; /* when the last one left */
    bool at_turn_end;    /* leaves when the turn ends */
    struct sa_timer timer;
};

/* Keys of deltas that are not acknowledged, oldest first: a queue of packed records. */
struct sa_unacked {
    struct sa_buf buf;
    size_t head;
    uint64_t n;
};

/* One object too large for a message, on its way in parts. */
struct sa_large {
    bool there;
    uint32_t scope;
    struct sa_object o;
    struct sa_buf json;
    size_t offset;
    uint64_t read_ns;
    int64_t read_us;
};

#define SA_GETS 8u
/* A dirty key that is being read. */
struct sa_get {
    struct sa_worker *w;
    struct sa_request *req; /* NULL: the place is free */
    uint32_t scope;
    unsigned tries; /* that failed before */
    uint64_t high;  /* of the scope when the read began */
    bool overtaken; /* the object's deletion was seen since */
    char namespace[64], name[SA_NAME_MAX];
};

struct sa_worker {
    struct sa_loop *loop;
    struct sa_slot *slot;
    struct sa_account account;
    struct sa_redact *redact;
    struct sa_api api;
    struct sa_out out;
    struct sa_http *http; /* for AccountOpen's facts; NULL in tests */
    struct sa_table *table;

    struct sa_ops *ops; /* what is asked of the cluster */
    char namespace[64]; /* the account's own, for objects that name none; "": default */

    /* opening */
    struct sa_request *opening; /* of the API server's version or the cluster's identity */
    struct sa_backoff open_backoff;
    uint64_t open_ns; /* when it is to be tried; 0 not */
    bool version_known;
    char version[32], cluster[64];
    uint8_t instance[16];
    bool reached;      /* version and cluster are known */
    uint64_t shown_ns; /* when the slot's list of scopes was written last */

    struct sa_reach reach;

    struct sa_discovery *discovery;
    struct sa_resources resources; /* as last discovered */
    bool planned;                  /* the scopes have been made once */
    uint64_t rediscover_ns;        /* when the next discovery is due */
    bool definitions_changed;      /* since the last discovery began */
    unsigned crd_missing_tries;
    bool no_watch_list;                     /* the server refused WatchList */
    struct sa_strings cluster_wide, narrow; /* "plural.group" that may, may not be listed in all
                                               namespaces; asked only where `namespaces` are many */
    struct sa_request *access;              /* that question, under way */
    char *access_to;                        /* what it asks for */

    struct sa_scope **scopes;
    size_t n_scopes;
    uint32_t last_scope;
    struct sa_scope_index {
        uint32_t *slots; /* places in `scopes`, counted from 1; 0 is empty */
        size_t size;     /* a power of two; 0: to be made */
    } by_name;
    /* In this round of a turn none more can begin, so that thousands need not count each time:
     * lists, those of them that need credit, comparisons by pages. */
    bool lists_full, credit_full, comparisons_full;

    enum sa_session session;
    uint64_t epoch;  /* while opening: of the Welcome of which parts have come, else 0 */
    size_t welcomed; /* scopes in its parts */
    uint64_t credit, spent;
    uint64_t sequence; /* of the next delta */
    uint64_t acked;
    uint32_t last_snapshot;
    bool scopes_changed; /* Scopes is to be sent */
    uint64_t welcome_ns; /* when the last Welcome was complete */
    struct sa_backoff fenced;
    uint64_t reopen_ns; /* when AccountOpen is to be sent again; 0 not */
    struct sa_batch batch;
    struct sa_unacked unacked;
    struct sa_large large;
    struct sa_get gets[SA_GETS];
    size_t average; /* bytes of an object, moving */

    struct sa_buf scratch; /* the scrubbed object */
    struct sa_buf message; /* the message being made */
    uint64_t read_ns;      /* when the bytes being handled were read */
    int64_t read_us;

    bool restored; /* an etcd: all is to be read again */
    bool pump;     /* the state changed: look what it allows */
    bool bulk;     /* objects came in numbers since memory was last given back */
    bool stopping;
    unsigned long long warned, warned_unfit; /* for sa_log_every() */
    bool told_held;                          /* that watches wait for others to end */
    struct sa_timer tick, wake;
};

/* Fills a zeroed w whose loop, slot, account, api and out are set. */
int sa_worker_init(struct sa_worker *w, struct sa_err **err);
void sa_worker_clear(
    struct sa_worker *w); /* cancels requests, frees; the account stays the caller's */
void sa_worker_start(struct sa_worker *w); /* begins to reach the API server, and to tick */
/* Does what the state allows; called at the end of a turn of the loop. */
void sa_worker_turn(struct sa_worker *w);
/* Slow things that need no timer of their own; each second. */
void sa_worker_tick(struct sa_worker *w);
/* Writes gauges and state into the slot. */
void sa_worker_report(struct sa_worker *w);
/* Orderly stop: nothing new is begun, what is pending goes out, checkpoints last. */
void sa_worker_stop(struct sa_worker *w);

#endif
