/* SPDX-License-Identifier: Apache-2.0 */
/* Where a worker that starts afresh goes on: (scope, version), in sequence with the deltas before
 * it. */
#include <string.h>

#include "base/points.h"
#include "worker/scope.h"
#include "worker/session.h"

#define INTERVAL_MIN_NS (60 * SA_NS_PER_S)

static uint64_t interval(const struct sa_worker *w)
{
    /* Often enough that a restart finds one that is young, with some to lose. */
    uint64_t ns = (uint64_t)w->account.max_resumable_resource_age_ms * SA_NS_PER_MS / 3;
    return ns > INTERVAL_MIN_NS ? ns : INTERVAL_MIN_NS;
}

void sa_checkpoint_step(struct sa_scope *s, bool now)
{
    struct sa_worker *w = s->w;
    bool clean = s->in_step && !sa_compare_unproven(s) && !s->compare_needed &&
                 s->compare == SA_COMPARE_NONE && sa_compare_quiet(s);
    bool known = (s->complete || s->resumed) && s->version[0] &&
                 (s->follow == SA_FOLLOW_WATCH || s->follow == SA_FOLLOW_PAUSE);
    uint64_t t = sa_mono_ns();
    struct sa_digest fingerprint;
    if (!clean || !known || s->internal || s->kept || s->made_up || !sa_session_open(s) ||
        strcmp(s->version, s->checkpoint[0]) == 0)
        return;
    if (!now && s->checkpoint_ns && t - s->checkpoint_ns < interval(w))
        return;
    Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
    Scaleagent__V1__Checkpoint c = SCALEAGENT__V1__CHECKPOINT__INIT;
    c.scope = s->id;
    c.resource_version = s->version;
    sa_scope_fingerprint(s, &fingerprint);
    c.fingerprint = (ProtobufCBinaryData){sizeof fingerprint.b, fingerprint.b};
    m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_CHECKPOINT;
    m.checkpoint = &c;
    sa_point("checkpoint-before");
    if (sa_session_send(w, &m) == 0)
        return;
    sa_point("checkpoint-after");
    memcpy(s->checkpoint[1], s->checkpoint[0], sizeof s->checkpoint[1]);
    memcpy(s->checkpoint[0], s->version, sizeof s->checkpoint[0]);
    s->checkpoint_ns = t;
}

void sa_checkpoint_void(struct sa_scope *s)
{
    Scaleagent__V1__AccountMessage m = SCALEAGENT__V1__ACCOUNT_MESSAGE__INIT;
    Scaleagent__V1__Checkpoint c = SCALEAGENT__V1__CHECKPOINT__INIT;
    if (!s->known.version[0] && !s->checkpoint[0][0])
        return;
    if (!sa_session_open(s))
        return; /* the next Welcome brings it again, and is looked at */
    c.scope = s->id;
    m.body_case = SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_CHECKPOINT;
    m.checkpoint = &c;
    sa_session_send(s->w, &m);
    s->known.version[0] = s->checkpoint[0][0] = s->checkpoint[1][0] = '\0';
}
