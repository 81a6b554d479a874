/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/grpc_wire.h"

#include <stdlib.h>

#include "proto/scale_agent.pb-c.h"
#include "uplink/pbwire.h"

/* Fields of AgentMessage, with their wire types. */
#define TAG_ACCOUNT         (1u << 3 | SA_PB_VARINT)
#define TAG_ACCOUNT_MESSAGE (2u << 3 | SA_PB_BYTES)
#define TAG_RESULT          (7u << 3 | SA_PB_BYTES)

static int pack(const Scaleagent__V1__AgentMessage *m, struct sa_buf *out)
{
    size_t n = scaleagent__v1__agent_message__get_packed_size(m);

    if (sa_buf_reserve(out, n) < 0)
        return -1;
    scaleagent__v1__agent_message__pack(m, (uint8_t *)out->data + out->len);
    out->len += n;
    out->data[out->len] = '\0';
    return 0;
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)(s ? s : "");
}

int sa_wire_hello(const struct sa_wire_hello *h, struct sa_buf *out)
{
    Scaleagent__V1__Hello hello = SCALEAGENT__V1__HELLO__INIT;
    Scaleagent__V1__AgentMessage m;

    scaleagent__v1__agent_message__init(&m);
    hello.protocol = SA_PROTOCOL;
    hello.protocol_min = SA_PROTOCOL_MIN;
    hello.agent_id = text(h->agent_id);
    hello.zone_id = text(h->zone_id);
    hello.agent_version = text(SA_VERSION);
    hello.instance.data = (uint8_t *)(uintptr_t)h->instance;
    hello.instance.len = 16;
    m.body_case = SCALEAGENT__V1__AGENT_MESSAGE__BODY_HELLO;
    m.hello = &hello;
    return pack(&m, out);
}

int sa_wire_accounts(const struct sa_sink_account *v, size_t n, struct sa_buf *out)
{
    Scaleagent__V1__Accounts accounts = SCALEAGENT__V1__ACCOUNTS__INIT;
    Scaleagent__V1__AgentMessage m;
    SA_CLEANUP(sa_freep) Scaleagent__V1__AccountName *names = calloc(n + 1, sizeof *names);
    SA_CLEANUP(sa_freep) Scaleagent__V1__AccountName **list = calloc(n + 1, sizeof(*list));

    scaleagent__v1__agent_message__init(&m);
    if (!names || !list)
        return -1;
    for (size_t i = 0; i < n; i++) {
        scaleagent__v1__account_name__init(&names[i]);
        names[i].handle = v[i].handle;
        names[i].name = text(v[i].name);
        list[i] = &names[i];
    }
    accounts.accounts = list;
    accounts.n_accounts = n;
    m.body_case = SCALEAGENT__V1__AGENT_MESSAGE__BODY_ACCOUNTS;
    m.accounts = &accounts;
    return pack(&m, out);
}

int sa_wire_gone(uint32_t handle, const char *reason, struct sa_buf *out)
{
    Scaleagent__V1__AccountGone gone = SCALEAGENT__V1__ACCOUNT_GONE__INIT;
    Scaleagent__V1__AgentMessage m;

    scaleagent__v1__agent_message__init(&m);
    gone.reason = text(reason);
    m.account = handle;
    m.body_case = SCALEAGENT__V1__AGENT_MESSAGE__BODY_ACCOUNT_GONE;
    m.account_gone = &gone;
    return pack(&m, out);
}

int sa_wire_heartbeat(uint64_t nonce, bool reply, struct sa_buf *out)
{
    Scaleagent__V1__Heartbeat beat = SCALEAGENT__V1__HEARTBEAT__INIT;
    Scaleagent__V1__AgentMessage m;

    scaleagent__v1__agent_message__init(&m);
    beat.nonce = nonce;
    beat.reply = reply;
    m.body_case = SCALEAGENT__V1__AGENT_MESSAGE__BODY_HEARTBEAT;
    m.heartbeat = &beat;
    return pack(&m, out);
}

static size_t head_of(uint32_t handle, uint8_t tag, size_t n, uint8_t out[SA_WIRE_HEAD_MAX])
{
    size_t len = 0;

    out[len++] = TAG_ACCOUNT;
    len += sa_pb_varint(out + len, handle);
    out[len++] = tag;
    len += sa_pb_varint(out + len, n);
    return len;
}

size_t sa_wire_account_head(uint32_t handle, size_t n, uint8_t out[SA_WIRE_HEAD_MAX])
{
    return head_of(handle, TAG_ACCOUNT_MESSAGE, n, out);
}

size_t sa_wire_result_head(uint32_t handle, size_t n, uint8_t out[SA_WIRE_HEAD_MAX])
{
    return head_of(handle, TAG_RESULT, n, out);
}

int sa_wire_goodbye(const Scaleagent__V1__Goodbye *m, struct sa_err **err)
{
    static const struct {
        enum sa_code code;
        const char *text;
    } why[] = {
        [SCALEAGENT__V1__GOODBYE__CODE__UNSPECIFIED] = {SA_EREFUSED, "the plugin said goodbye"},
        [SCALEAGENT__V1__GOODBYE__CODE__INCOMPATIBLE] =
            {SA_EREFUSED, "the plugin speaks no protocol that we do"},
        [SCALEAGENT__V1__GOODBYE__CODE__DUPLICATE] = {SA_EREFUSED,
                                                      "another agent with this agentId took over"},
        [SCALEAGENT__V1__GOODBYE__CODE__SHUTDOWN] = {SA_ENETWORK, "this Clouddriver stops"},
        [SCALEAGENT__V1__GOODBYE__CODE__VIOLATION] = {SA_EPROTOCOL,
                                                      "the plugin says that we broke the protocol"},
        [SCALEAGENT__V1__GOODBYE__CODE__REFUSED] = {SA_EFORBIDDEN, "this agent may not connect"},
    };
    size_t i = (size_t)m->code < sizeof why / sizeof why[0] ? (size_t)m->code : 0;

    return sa_err_set(err, why[i].code, "%s%s%s", why[i].text, *m->reason ? ": " : "", m->reason);
}
