/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gRPC sink: one stream to the plugin (proto/PROTOCOL.md). It connects, says Hello and
 * Accounts, is up once the plugin has answered, relays, keeps the stream alive by heartbeats, and
 * connects again with growing pauses whenever it ends.
 */
#include <curl/curl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "proto/scale_agent.pb-c.h"
#include "uplink/endpoint.h"
#include "uplink/grpc_call.h"
#include "uplink/grpc_peers.h"
#include "uplink/grpc_wire.h"
#include "uplink/secrets.h"
#include "uplink/sink.h"
#include "uplink/token.h"

#define HIGH_WATER   ((size_t)32 * 1024 * 1024) /* bytes queued for the stream: workers wait */
#define LOW_WATER    ((size_t)8 * 1024 * 1024)
#define ACCOUNT_MAX  ((size_t)8 * 1024 * 1024) /* of one account: twice the credit it may have */
#define ANSWER_TIME  (30 * SA_NS_PER_S)        /* for Hello, where no heartbeat says less */
#define HEALTHY_TIME (30 * SA_NS_PER_S)        /* a stream that lasted so resets the backoff */
#define TOKEN_TIME   ((SA_TOKEN_TIMEOUT + 5) * SA_NS_PER_S) /* for the token helper's answer */
#define PATH         "/scaleagent.v1.ScaleAgent/Connect"
#define RESULT       (UINT32_C(1) << 31) /* in the tag of what is queued, beside the handle */

enum state {
    IDLE,  /* before the list of accounts, or waiting to connect */
    TOKEN, /* waits for the token helper */
    HELLO, /* the call is made; waits for HelloAnswer */
    UP,
    CLOSING, /* half-closed; waits for the end */
};

struct grpc_sink {
    struct sa_sink base;
    struct sa_sink_setup setup;
    const struct sa_clouddriver *c; /* of setup.settings */
    const struct sa_sink_events *ev;
    void *arg;
    enum state state;
    struct sa_endpoint target;
    struct sa_call *call;
    struct sa_timer retry, beat;
    struct sa_backoff backoff;
    struct sa_grpc_peers peers;
    char *fetched_token; /* by the token command */
    uint64_t fetched_ns;
    uint64_t up_since, last_received, last_count; /* ns, ns, bytes */
    uint64_t nonce, beat_ns, silence_ns;          /* interval and longest silence; 0: none */
    uint32_t retry_after_ms;                      /* by Goodbye */
    struct sa_timer broken; /* ends the stream in a turn of its own, for this reason: */
    struct sa_err *reason;
    struct sa_buf out;
    char agent_id[256];
    bool listed, pressed;
    bool probe; /* the present call is made to hear the refusal that the last one lost */
};

static void connect_now(void *arg);

static struct grpc_sink *self(struct sa_sink *s)
{
    return (struct grpc_sink *)s;
}

static void press(struct grpc_sink *k, bool high)
{
    if (k->pressed == high)
        return;
    k->pressed = high;
    k->ev->pressure(k->arg, high);
}

/* Queues the message in k->out. What can't be queued for lack of memory breaks the stream: without
 * it the other side would not know what we think it knows. */
static int send_out(struct grpc_sink *k, int built, struct sa_err **err)
{
    int rc = built < 0 ? sa_err_set(err, SA_EMEMORY, "no memory for a message")
                       : sa_call_send(k->call, 0, k->out.data, k->out.len, NULL, 0, err);

    sa_buf_trim(&k->out, 65536);
    return rc;
}

static int send_accounts(struct grpc_sink *k, struct sa_err **err)
{
    return send_out(k, sa_wire_accounts(k->peers.v, k->peers.n, &k->out), err);
}

static void slot_disconnected(struct grpc_sink *k)
{
    if (!k->setup.slot)
        return;
    k->setup.slot->connected = 0;
    k->setup.slot->disconnections++;
}

/* The stream is over, for whatever reason: the call goes, the workers hear of it, and a new one is
 * made after a pause. */
static void disconnect(struct grpc_sink *k, const struct sa_err *why)
{
    uint64_t wait;

    if (k->state == UP && sa_mono_ns() - k->up_since >= HEALTHY_TIME)
        sa_backoff_reset(&k->backoff);
    if (k->state == UP)
        slot_disconnected(k);
    wait = sa_backoff_next(&k->backoff) + k->retry_after_ms * SA_NS_PER_MS;
    k->retry_after_ms = 0;
    k->state = IDLE;
    sa_timer_cancel(k->setup.loop, &k->beat);
    sa_timer_cancel(k->setup.loop, &k->broken);
    sa_call_free(k->call);
    k->call = NULL;
    sa_grpc_peers_idle(&k->peers);
    k->pressed = false; /* down() says it */
    if (sa_timer_set(k->setup.loop, &k->retry, wait, connect_now, k) < 0)
        sa_log(SA_FATAL, "no memory for a timer: no more attempt to connect");
    k->ev->down(k->arg, why);
}

static void fail(struct grpc_sink *k, struct sa_err **err)
{
    sa_err_wrap(err, "Clouddriver at %s:%u", k->target.host, k->target.port);
    disconnect(k, *err);
}

static void on_broken(void *arg)
{
    struct grpc_sink *k = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *why = k->reason;

    k->reason = NULL;
    fail(k, &why);
}

/* The same where libcurl may be calling us. Takes *err over. */
static void fail_later(struct grpc_sink *k, struct sa_err **err)
{
    sa_err_free(&k->reason);
    k->reason = *err;
    *err = NULL;
    sa_timer_set(k->setup.loop, &k->broken, 0, on_broken, k);
}

/* -- messages of the plugin ------------------------------------------------------------------- */

static void set_heartbeat(struct grpc_sink *k, uint32_t wanted_s)
{
    uint64_t s = k->c->heartbeat_s > 0 ? (uint64_t)k->c->heartbeat_s : 0;

    if (wanted_s > 0 && (s == 0 || wanted_s < s))
        s = wanted_s;
    k->beat_ns = s * SA_NS_PER_S;
    k->silence_ns = 0;
    if (s > 0)
        k->silence_ns = (k->c->timeout_s > 0 ? (uint64_t)k->c->timeout_s : s + 10) * SA_NS_PER_S;
}

static int send_beat(struct grpc_sink *k, uint64_t nonce, bool reply, struct sa_err **err)
{
    return send_out(k, sa_wire_heartbeat(nonce, reply, &k->out), err);
}

/* Every heartbeat interval: has anything come since, and ours goes. */
static void on_beat(void *arg)
{
    struct grpc_sink *k = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    uint64_t now = sa_mono_ns(), limit = k->state == UP ? k->silence_ns : ANSWER_TIME;

    if (sa_call_received(k->call) != k->last_count) {
        k->last_count = sa_call_received(k->call);
        k->last_received = now;
    }
    if (limit > 0 && now - k->last_received > limit) {
        sa_err_set(&err, SA_ENETWORK, "no answer for %" PRIu64 " s", limit / SA_NS_PER_S);
        fail(k, &err);
        return;
    }
    if (k->state == UP && k->beat_ns > 0 && send_beat(k, ++k->nonce, false, &err) < 0) {
        fail(k, &err);
        return;
    }
    /* Looked at twice in each interval of silence at least. */
    if (k->state != UP || k->beat_ns > 0)
        sa_timer_set(k->setup.loop, &k->beat, k->state == UP ? k->beat_ns : SA_NS_PER_S, on_beat,
                     k);
}

static int on_hello(struct grpc_sink *k, const Scaleagent__V1__HelloAnswer *m, struct sa_err **err)
{
    if (k->probe)
        return 0;
    if (k->state != HELLO)
        return sa_err_set(err, SA_EPROTOCOL, "the plugin answered Hello twice");
    if (m->protocol < SA_PROTOCOL_MIN || m->protocol > SA_PROTOCOL)
        return sa_err_set(err, SA_EREFUSED,
                          "plugin %s speaks protocol %u, agent %s speaks %u to %u: bring both to "
                          "adjacent releases, the plugin first",
                          m->plugin_version, m->protocol, SA_VERSION, SA_PROTOCOL_MIN, SA_PROTOCOL);
    k->state = UP;
    k->up_since = k->last_received = sa_mono_ns();
    set_heartbeat(k, m->heartbeat_seconds);
    sa_timer_cancel(k->setup.loop, &k->beat);
    if (k->beat_ns > 0 && sa_timer_set(k->setup.loop, &k->beat, k->beat_ns, on_beat, k) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for a timer");
    if (k->setup.slot) {
        k->setup.slot->connected = 1;
        k->setup.slot->connections++;
        sa_slot_set_text(k->setup.slot->version, sizeof k->setup.slot->version, m->plugin_version);
    }
    sa_log(SA_INFO, "connected to %s:%u (plugin %s, %s)", k->target.host, k->target.port,
           m->plugin_version, m->clouddriver_id);
    k->ev->up(k->arg);
    return 0;
}

/* What is for a worker. */
static int relay(struct grpc_sink *k, const Scaleagent__V1__PluginMessage *m, struct sa_err **err)
{
    bool cancel = m->body_case == SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_OPERATION_CANCEL;
    bool reply = m->body_case == SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_ACCOUNT_REPLY;
    const ProtobufCBinaryData *body = reply    ? &m->account_reply
                                      : cancel ? &m->operation_cancel
                                               : &m->operation;

    if (k->state == HELLO)
        return sa_err_set(err, SA_EPROTOCOL, "the plugin did not answer Hello first");
    if (reply)
        k->ev->reply(k->arg, m->account, body->data, body->len);
    else if (k->state == UP)
        k->ev->operation(k->arg, m->account, cancel, body->data, body->len);
    return 0;
}

static int dispatch(struct grpc_sink *k, const Scaleagent__V1__PluginMessage *m,
                    struct sa_err **err)
{
    switch (m->body_case) {
    case SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_HELLO:
        return on_hello(k, m->hello, err);
    case SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_GOODBYE:
        k->retry_after_ms = m->goodbye->retry_after_ms;
        return sa_wire_goodbye(m->goodbye, err);
    case SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_HEARTBEAT:
        return m->heartbeat->reply ? 0 : send_beat(k, m->heartbeat->nonce, true, err);
    case SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_ACCOUNT_REPLY:
    case SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_OPERATION:
    case SCALEAGENT__V1__PLUGIN_MESSAGE__BODY_OPERATION_CANCEL:
        return relay(k, m, err);
    default: /* a field of a later version */
        return 0;
    }
}

static int on_message(void *arg, const uint8_t *p, size_t n, struct sa_err **err)
{
    struct grpc_sink *k = arg;
    Scaleagent__V1__PluginMessage *m = scaleagent__v1__plugin_message__unpack(NULL, n, p);
    int rc;

    if (!m)
        return sa_err_set(err, SA_EPROTOCOL, "%zu bytes of the plugin are no PluginMessage", n);
    if (k->setup.slot)
        k->setup.slot->bytes_received += n;
    rc = dispatch(k, m, err);
    scaleagent__v1__plugin_message__free_unpacked(m, NULL);
    return rc;
}

/* -- the call --------------------------------------------------------------------------------- */

static void on_left(void *arg, uint32_t tag, size_t n)
{
    struct grpc_sink *k = arg;

    if (tag & RESULT)
        k->ev->result_left(k->arg, tag & ~RESULT, n);
    else
        sa_grpc_peers_left(&k->peers, tag, n);
    if (sa_call_queued(k->call) < LOW_WATER)
        press(k, false);
}

static void call_or_wait(struct grpc_sink *k, bool probe);

static void on_end(void *arg, const struct sa_err *why)
{
    struct grpc_sink *k = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (k->state == CLOSING) {
        if (why)
            sa_log(SA_WARN, "the stream did not end well: %s", sa_err_msg(why));
        sa_call_free(k->call);
        k->call = NULL;
        return;
    }
    if (k->state == HELLO && !k->probe && sa_call_lost_answer(k->call)) {
        sa_call_free(k->call);
        k->call = NULL;
        call_or_wait(k, true);
        return;
    }
    if (k->state == HELLO && !k->c->insecure && why &&
        sa_secrets_blamed(k->setup.secrets, k->c, why, &err)) {
        fail(k, &err);
        return;
    }
    sa_err_set(&err, why ? why->code : SA_ENETWORK, "%s",
               why ? sa_err_msg(why) : "the other side closed the stream");
    /* A refused token is not worth another try. */
    if (err->code == SA_EAUTH)
        k->fetched_ns = 0;
    fail(k, &err);
}

static const struct sa_call_events call_events = {on_message, on_left, on_end};

static int start_call(struct grpc_sink *k, bool probe, struct sa_err **err)
{
    const struct sa_uplink_secrets *s = k->setup.secrets;
    struct sa_wire_hello hello = {.agent_id = k->agent_id,
                                  .zone_id = k->setup.settings->zone_id,
                                  .instance = k->setup.instance};
    struct sa_call_options o = {.scheme = k->c->insecure ? "http" : "https",
                                .host = k->target.host,
                                .port = k->target.port,
                                .path = PATH,
                                .server_name = k->c->tls_server_name,
                                .proxy = sa_endpoint_proxy_url(k->c),
                                .skip_verify = k->c->tls_insecure_skip_verify,
                                .empty = probe,
                                .token = k->fetched_token ? k->fetched_token : s->token};

    if (!k->c->insecure) {
        o.cert = s->cert;
        o.cert_len = s->cert_len;
        o.key = s->key;
        o.key_len = s->key_len;
        o.ca = s->ca;
        o.ca_len = s->ca_len;
        o.key_password = s->key_password;
    }
    k->call = sa_call_new(k->setup.loop, &o, &call_events, k, err);
    if (!k->call)
        return -1;
    k->state = HELLO;
    k->probe = probe;
    k->last_count = 0;
    k->last_received = sa_mono_ns();
    if (sa_timer_set(k->setup.loop, &k->beat, SA_NS_PER_S, on_beat, k) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for a timer");
    if (!probe &&
        (send_out(k, sa_wire_hello(&hello, &k->out), err) < 0 || send_accounts(k, err) < 0))
        return -1;
    return 0;
}

static void call_or_wait(struct grpc_sink *k, bool probe)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (start_call(k, probe, &err) < 0)
        fail(k, &err);
}

static void forget_token(struct grpc_sink *k)
{
    if (k->fetched_token)
        sodium_memzero(k->fetched_token, strlen(k->fetched_token));
    free(k->fetched_token);
    k->fetched_token = NULL;
}

/* A helper that has died, or hangs, gives no token any more, and nothing can be forked here: the
 * uplink ends, and is started anew with its helper. */
static void no_token(struct grpc_sink *k, const struct sa_err *why)
{
    disconnect(k, why);
    if (!k->setup.token->lost)
        return;
    sa_log(SA_FATAL, "%s: the uplink ends, to be started with a new one", sa_err_msg(why));
    sa_loop_stop(k->setup.loop);
}

static void on_late_token(void *arg)
{
    struct grpc_sink *k = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    sa_loop_fd_remove(k->setup.loop, k->setup.token->fd);
    k->setup.token->lost = true;
    sa_err_set(&err, SA_ECREDENTIAL, "the token helper does not answer");
    no_token(k, err);
}

/* The token helper has answered. */
static void on_token(void *arg, int fd, uint32_t events)
{
    struct grpc_sink *k = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    (void)events;
    sa_loop_fd_remove(k->setup.loop, fd);
    if (k->state != TOKEN)
        return;
    sa_timer_cancel(k->setup.loop, &k->retry);
    forget_token(k);
    if (sa_token_answer(k->setup.token, &k->fetched_token, &err) < 0) {
        no_token(k, err);
        return;
    }
    k->fetched_ns = sa_mono_ns();
    call_or_wait(k, false);
}

static bool token_is_fresh(const struct grpc_sink *k)
{
    return k->fetched_token && k->fetched_ns != 0 && k->c->token_refresh_s > 0 &&
           sa_mono_ns() - k->fetched_ns < (uint64_t)k->c->token_refresh_s * SA_NS_PER_S;
}

static void connect_now(void *arg)
{
    struct grpc_sink *k = arg;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (!k->setup.token || k->setup.token->fd <= 0 || token_is_fresh(k)) {
        call_or_wait(k, false);
        return;
    }
    k->state = TOKEN;
    if (sa_token_ask(k->setup.token, &err) < 0 ||
        sa_loop_fd(k->setup.loop, k->setup.token->fd, EPOLLIN, on_token, k, &err) < 0)
        no_token(k, err);
    else
        sa_timer_set(k->setup.loop, &k->retry, TOKEN_TIME, on_late_token, k);
}

/* -- the sink --------------------------------------------------------------------------------- */

static int grpc_open(const struct sa_sink_setup *setup, const struct sa_sink_events *ev, void *arg,
                     struct sa_sink **out, struct sa_err **err)
{
    struct grpc_sink *k = calloc(1, sizeof *k);
    char server[300];

    if (!k)
        return sa_err_set(err, SA_EMEMORY, "no memory for the gRPC sink");
    k->base.ops = &sa_sink_grpc;
    k->setup = *setup;
    k->c = &setup->settings->clouddriver;
    k->ev = ev;
    k->arg = arg;
    sa_buf_init(&k->out, 0);
    k->backoff = sa_endpoint_backoff(k->c);
    sa_endpoint_agent_id(setup->settings, k->agent_id, sizeof k->agent_id);
    if (sa_endpoint_check(k->c, setup->secrets && setup->secrets->token, &k->target, err) < 0) {
        free(k);
        return -1;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(k);
        return sa_err_set(err, SA_EINTERNAL, "libcurl can't be used");
    }
    snprintf(server, sizeof server, "%s:%u", k->target.host, k->target.port);
    if (setup->slot)
        sa_slot_set_text(setup->slot->server, sizeof setup->slot->server, server);
    *out = &k->base;
    return 0;
}

static void grpc_accounts(struct sa_sink *sink, const struct sa_sink_account *v, size_t n)
{
    struct grpc_sink *k = self(sink);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (sa_grpc_peers_set(&k->peers, v, n) < 0) {
        sa_log(SA_ERROR, "no memory for the list of accounts: the one before stays in force");
        return;
    }
    if (!k->listed) {
        k->listed = true;
        connect_now(k);
    } else if (k->call && !k->probe && send_accounts(k, &err) < 0) {
        fail_later(k, &err);
    }
}

static int grpc_message(struct sa_sink *sink, uint32_t handle, const void *p, size_t n,
                        uint32_t events, struct sa_err **err)
{
    struct grpc_sink *k = self(sink);
    size_t *queued = sa_grpc_peers_queued(&k->peers, handle);
    uint8_t head[SA_WIRE_HEAD_MAX];
    size_t head_len, total;

    (void)events;
    if (k->state != UP || !queued)
        return 0;
    head_len = sa_wire_account_head(handle, n, head);
    total = SA_GRPC_PREFIX + head_len + n;
    if (*queued + total > ACCOUNT_MAX)
        return sa_err_set(err, SA_ELIMIT, "more than %zu bytes wait to be sent, beyond any credit",
                          ACCOUNT_MAX);
    if (sa_call_send(k->call, handle, head, head_len, p, n, err) < 0)
        return -1;
    *queued += total;
    if (sa_call_queued(k->call) > HIGH_WATER)
        press(k, true);
    return 0;
}

static int grpc_result(struct sa_sink *sink, uint32_t handle, const void *p, size_t n,
                       struct sa_err **err)
{
    struct grpc_sink *k = self(sink);
    uint8_t head[SA_WIRE_HEAD_MAX];
    size_t head_len = sa_wire_result_head(handle, n, head);

    if (k->state != UP)
        return 0;
    return sa_call_send_first(k->call, handle | RESULT, head, head_len, p, n, err);
}

static void grpc_account_gone(struct sa_sink *sink, uint32_t handle, const char *reason)
{
    struct grpc_sink *k = self(sink);
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (k->state == UP && send_out(k, sa_wire_gone(handle, reason, &k->out), &err) < 0)
        fail_later(k, &err);
}

/* Half-closes the stream and waits until the plugin, having committed everything, ends it. */
static void finish(struct grpc_sink *k, unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    k->state = CLOSING;
    sa_timer_cancel(k->setup.loop, &k->beat);
    sa_call_finish(k->call);
    while (k->call) {
        uint64_t now = sa_mono_ns();

        if (now >= end ||
            sa_loop_turn(k->setup.loop, (int)((end - now) / SA_NS_PER_MS) + 1, NULL) < 0)
            break;
    }
    if (k->call)
        sa_log(SA_WARN,
               "the plugin did not take everything in time; it is compared at the next start");
}

static void grpc_close(struct sa_sink *sink, unsigned ms)
{
    struct grpc_sink *k = self(sink);

    if (k->state == UP && ms > 0)
        finish(k, ms);
    sa_timer_cancel(k->setup.loop, &k->beat);
    sa_timer_cancel(k->setup.loop, &k->retry);
    sa_timer_cancel(k->setup.loop, &k->broken);
    sa_err_free(&k->reason);
    if (k->state == TOKEN)
        sa_loop_fd_remove(k->setup.loop, k->setup.token->fd);
    sa_call_free(k->call);
    sa_grpc_peers_free(&k->peers);
    forget_token(k);
    sa_buf_free(&k->out);
    curl_global_cleanup();
    free(k);
}

const struct sa_sink_ops sa_sink_grpc = {
    .name = "grpc",
    .open = grpc_open,
    .accounts = grpc_accounts,
    .message = grpc_message,
    .result = grpc_result,
    .account_gone = grpc_account_gone,
    .close = grpc_close,
};
