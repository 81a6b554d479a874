/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over an object's bytes. Private to scrub. */
#ifndef SA_WORKER_SCRUB_PASS_H
#define SA_WORKER_SCRUB_PASS_H

#include "worker/json.h"
#include "worker/json_keys.h"
#include "worker/scrub.h"

struct sa_scrub_span {
    const char *p; /* a JSON string with its quotes; NULL: the member is not there */
    size_t n;
};

struct sa_scrub_pass {
    const char *begin, *end;
    const struct sa_scrub_options *opt;
    struct sa_object *o;
    struct sa_json_fault fault; /* of grammar */
    bool no_memory;
    enum sa_code broken; /* a rule of Kubernetes', and how: judged when the pass is over */
    const char *broken_what;
    bool nameless; /* the name or namespace is too long */
    bool secret;   /* this pass cuts what a Secret holds */
    struct sa_scrub_span kind, api_version;

    char *out;       /* where the result starts, without its brace; NULL: none is wanted */
    size_t len;      /* of it, without the run */
    const char *run; /* what was read since then and stays */
    size_t version_from, version_to; /* the member resourceVersion in it, with one comma */

    struct sa_json_keys keys;
    const char **losers; /* names of members that came again later, by address in the second pass */
    size_t n_losers, cap_losers;
    size_t loser; /* the next to come */
};

/* One pass over the whole; -1 if it is no JSON object (s->fault) or there is no memory. Two things
 * may show only when it is too late: that a member was a duplicate of an earlier one (then n_losers
 * is not 0), and that the object was a Secret, since its kind may stand behind its data. Then the
 * caller makes a second pass with that knowledge. */
int sa_scrub_pass(struct sa_scrub_pass *s);

#endif
