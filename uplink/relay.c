/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/relay.h"

#include <string.h>

#include "uplink/pbwire.h"

/* Fields of AccountReply, Welcome and Ack in proto/scale_agent.proto. */
enum { REPLY_EPOCH = 1, REPLY_WELCOME = 2, REPLY_ACK = 3 };
enum { WELCOME_CREDIT = 3 };
enum { MESSAGE_OPEN = 2 }; /* of AccountMessage */
enum { ACK_SEQUENCE = 1, ACK_CREDIT = 2 };

struct seen {
    uint64_t epoch, sequence, credit;
    bool welcome, ack;
};

/* One varint field of the message p[n]; 0 if it is not there. */
static int get_number(const uint8_t *p, size_t n, uint32_t number, uint64_t *out)
{
    const uint8_t *end = p + n;
    struct sa_pb_field f;
    int rc;

    *out = 0;
    while ((rc = sa_pb_next(&p, end, &f)) > 0)
        if (f.number == number && f.type == SA_PB_VARINT)
            *out = f.value;
    return rc;
}

static int look(const uint8_t *p, size_t n, struct seen *out)
{
    const uint8_t *end = p + n;
    struct sa_pb_field f;
    int rc;

    memset(out, 0, sizeof *out);
    while ((rc = sa_pb_next(&p, end, &f)) > 0) {
        if (f.number == REPLY_EPOCH && f.type == SA_PB_VARINT) {
            out->epoch = f.value;
        } else if (f.number == REPLY_WELCOME && f.type == SA_PB_BYTES) {
            out->welcome = true;
            rc = get_number(f.p, f.n, WELCOME_CREDIT, &out->credit);
        } else if (f.number == REPLY_ACK && f.type == SA_PB_BYTES) {
            out->ack = true;
            rc = get_number(f.p, f.n, ACK_SEQUENCE, &out->sequence);
            if (rc == 0)
                rc = get_number(f.p, f.n, ACK_CREDIT, &out->credit);
        }
        if (rc < 0)
            return -1;
    }
    return rc;
}

void sa_relay_reset(struct sa_relay *r)
{
    memset(r, 0, sizeof *r);
}

void sa_relay_sent(struct sa_relay *r, uint32_t deltas)
{
    r->sent += deltas;
}

bool sa_relay_opens(const void *p, size_t n)
{
    const uint8_t *at = p, *end = at + n;
    struct sa_pb_field f;
    int rc;

    while ((rc = sa_pb_next(&at, end, &f)) > 0)
        if (f.number == MESSAGE_OPEN)
            return true;
    return rc < 0;
}

static bool hold(struct sa_relay *r, const void *p, size_t n, const struct seen *s, uint64_t now_ns)
{
    if (r->prompt || n > sizeof r->held || s->credit < r->credit ||
        s->credit - r->credit >= r->window / 4)
        return false;
    memcpy(r->held, p, n);
    r->held_len = n;
    r->held_credit = s->credit;
    if (r->due_ns == 0)
        r->due_ns = now_ns + SA_RELAY_HOLD;
    return true;
}

bool sa_relay_reply(struct sa_relay *r, const void *p, size_t n, uint64_t now_ns)
{
    struct seen s;

    if (look(p, n, &s) < 0)
        return true;
    if (s.welcome) {
        sa_relay_reset(r);
        r->epoch = s.epoch;
        r->window = s.credit;
        r->credit = s.credit;
        return true;
    }
    if (!s.ack || s.epoch != r->epoch)
        return true;
    if (s.sequence > r->sequence)
        r->sequence = s.sequence;
    if (hold(r, p, n, &s, now_ns))
        return false;
    r->credit = s.credit;
    r->due_ns = 0;
    return true;
}

void sa_relay_prompt(struct sa_relay *r)
{
    r->prompt = true;
    if (r->due_ns != 0)
        r->due_ns = 1;
}

size_t sa_relay_due(struct sa_relay *r, uint64_t now_ns, bool flush)
{
    if (r->due_ns == 0 || (!flush && now_ns < r->due_ns))
        return 0;
    r->due_ns = 0;
    r->credit = r->held_credit;
    return r->held_len;
}

uint64_t sa_relay_unacked(const struct sa_relay *r)
{
    return r->sent > r->sequence ? r->sent - r->sequence : 0;
}
