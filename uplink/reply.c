/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/reply.h"

int sa_reply_pack(const Scaleagent__V1__AccountReply *r, struct sa_buf *out)
{
    size_t n = scaleagent__v1__account_reply__get_packed_size(r);

    if (sa_buf_reserve(out, n) < 0)
        return -1;
    scaleagent__v1__account_reply__pack(r, (uint8_t *)out->data + out->len);
    out->len += n;
    out->data[out->len] = '\0';
    return 0;
}

int sa_reply_ack(uint64_t epoch, uint64_t sequence, uint64_t credit, struct sa_buf *out)
{
    Scaleagent__V1__Ack ack = SCALEAGENT__V1__ACK__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    ack.sequence = sequence;
    ack.credit = credit;
    r.epoch = epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK;
    r.ack = &ack;
    return sa_reply_pack(&r, out);
}

int sa_reply_sums(uint64_t epoch, uint32_t scope, bool in_step, struct sa_buf *out)
{
    Scaleagent__V1__SumsAnswer sums = SCALEAGENT__V1__SUMS_ANSWER__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    sums.scope = scope;
    sums.in_step = in_step;
    r.epoch = epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_SUMS;
    r.sums = &sums;
    return sa_reply_pack(&r, out);
}

int sa_reply_wants(uint64_t epoch, const Scaleagent__V1__SnapshotPage *page, uint32_t *index,
                   size_t n, struct sa_buf *out)
{
    Scaleagent__V1__Wants wants = SCALEAGENT__V1__WANTS__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    wants.scope = page->scope;
    wants.snapshot = page->snapshot;
    wants.page = page->page;
    wants.index = index;
    wants.n_index = n;
    r.epoch = epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WANTS;
    r.wants = &wants;
    return sa_reply_pack(&r, out);
}

int sa_reply_done(uint64_t epoch, const Scaleagent__V1__SnapshotEnd *end, bool complete,
                  uint64_t deleted, struct sa_buf *out)
{
    Scaleagent__V1__SnapshotDone done = SCALEAGENT__V1__SNAPSHOT_DONE__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    done.scope = end->scope;
    done.snapshot = end->snapshot;
    done.complete = complete;
    done.deleted = deleted;
    r.epoch = epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_DONE;
    r.done = &done;
    return sa_reply_pack(&r, out);
}

int sa_reply_violation(uint64_t epoch, const char *reason, struct sa_buf *out)
{
    Scaleagent__V1__Refusal refusal = SCALEAGENT__V1__REFUSAL__INIT;
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    refusal.code = SCALEAGENT__V1__REFUSAL__CODE__VIOLATION;
    refusal.reason = (char *)(uintptr_t)reason;
    r.epoch = epoch;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_REFUSAL;
    r.refusal = &refusal;
    return sa_reply_pack(&r, out);
}
