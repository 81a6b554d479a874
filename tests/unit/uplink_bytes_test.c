/* SPDX-License-Identifier: Apache-2.0 */
/* What the uplink does to bytes: framing, wrapping, looking at acknowledgements, addresses, tokens.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "proto/scale_agent.pb-c.h"
#include "uplink/endpoint.h"
#include "uplink/grpc_frame.h"
#include "uplink/grpc_wire.h"
#include "uplink/pbwire.h"
#include "uplink/relay.h"
#include "uplink/reply.h"
#include "uplink/token.h"

struct got {
    unsigned messages;
    size_t bytes;
    uint8_t last;
};

static int count_message(void *arg, const uint8_t *p, size_t n, struct sa_err **err)
{
    struct got *g = arg;

    (void)err;
    g->messages++;
    g->bytes += n;
    g->last = n > 0 ? p[n - 1] : 0;
    return 0;
}

/* Three messages, of 5, 0 and 300 bytes, cut at every place. */
START_TEST(frames_come_in_any_pieces)
{
    uint8_t all[3 * SA_GRPC_PREFIX + 305] = {0};

    sa_grpc_prefix(all, 5);
    memset(all + SA_GRPC_PREFIX, 1, 5);
    sa_grpc_prefix(all + 10, 0);
    sa_grpc_prefix(all + 15, 300);
    memset(all + 20, 3, 300);
    for (size_t step = 1; step <= sizeof all; step++) {
        struct sa_grpc_frames f;
        struct got g = {0};

        sa_grpc_frames_init(&f);
        for (size_t at = 0; at < sizeof all; at += step) {
            size_t n = sizeof all - at < step ? sizeof all - at : step;

            ck_assert_int_eq(sa_grpc_frames_feed(&f, all + at, n, count_message, &g, NULL), 0);
        }
        ck_assert_uint_eq(g.messages, 3);
        ck_assert_uint_eq(g.bytes, 305);
        ck_assert_uint_eq(g.last, 3);
        sa_grpc_frames_free(&f);
    }
}
END_TEST

START_TEST(frames_are_bounded)
{
    static const uint8_t compressed[] = {1, 0, 0, 0, 1, 0}, huge[] = {0, 0, 0x40, 0, 1};
    struct sa_err *err = NULL;
    struct sa_grpc_frames f;
    struct got g = {0};

    sa_grpc_frames_init(&f);
    ck_assert_int_eq(sa_grpc_frames_feed(&f, compressed, 6, count_message, &g, &err), -1);
    ck_assert_int_eq(err->code, SA_EPROTOCOL);
    sa_err_free(&err);
    sa_grpc_frames_free(&f);
    sa_grpc_frames_init(&f);
    ck_assert_int_eq(sa_grpc_frames_feed(&f, huge, 5, count_message, &g, &err), -1);
    ck_assert_int_eq(err->code, SA_ELIMIT);
    ck_assert_uint_eq(g.messages, 0);
    sa_err_free(&err);
    sa_grpc_frames_free(&f);
}
END_TEST

START_TEST(decodes_status_messages)
{
    char out[16];

    sa_grpc_decode_message("a%20b%C3%A9%zz%4", 16, out, sizeof out);
    ck_assert_str_eq(out, "a b\xc3\xa9%zz%4");
    sa_grpc_decode_message("x%0ay%7f", 8, out, sizeof out);
    ck_assert_str_eq(out, "x y ");
    sa_grpc_decode_message("0123456789abcdefgh", 18, out, sizeof out);
    ck_assert_str_eq(out, "0123456789abcde");
    ck_assert_str_eq(sa_grpc_status_name(16), "UNAUTHENTICATED");
    ck_assert_ptr_null(sa_grpc_status_name(17));
    ck_assert_ptr_null(sa_grpc_status_name(-1));
}
END_TEST

/* The head written by hand, judged by the generated decoder. */
static void check_wrapped(uint32_t handle, const uint8_t *payload, size_t n)
{
    uint8_t head[SA_WIRE_HEAD_MAX];
    size_t head_len = sa_wire_account_head(handle, n, head);
    uint8_t *all = malloc(head_len + n + 1);
    Scaleagent__V1__AgentMessage *m;

    ck_assert_ptr_nonnull(all);
    memcpy(all, head, head_len);
    if (n > 0)
        memcpy(all + head_len, payload, n);
    m = scaleagent__v1__agent_message__unpack(NULL, head_len + n, all);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->account, handle);
    ck_assert_int_eq(m->body_case, SCALEAGENT__V1__AGENT_MESSAGE__BODY_ACCOUNT_MESSAGE);
    ck_assert_uint_eq(m->account_message.len, n);
    if (n > 0)
        ck_assert_mem_eq(m->account_message.data, payload, n);
    scaleagent__v1__agent_message__free_unpacked(m, NULL);
    free(all);
}

START_TEST(wraps_a_workers_bytes)
{
    static uint8_t big[300000];
    /* What a hostile worker would write to pass for account 7: the same fields once more. */
    static const uint8_t hostile[] = {0x08, 0x07, 0x12, 0x00, 0x08, 0x07, 0x1a, 0x00, 0x22, 0x00};
    static const uint8_t garbage[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    check_wrapped(1, NULL, 0);
    check_wrapped(3, hostile, sizeof hostile);
    check_wrapped(UINT32_MAX, garbage, sizeof garbage);
    check_wrapped(200, big, sizeof big);
}
END_TEST

static Scaleagent__V1__AgentMessage *unpack(const struct sa_buf *b)
{
    Scaleagent__V1__AgentMessage *m =
        scaleagent__v1__agent_message__unpack(NULL, b->len, (const uint8_t *)b->data);

    ck_assert_ptr_nonnull(m);
    return m;
}

START_TEST(encodes_the_agents_own_messages)
{
    static const uint8_t instance[16] = {1, 2, 3};
    struct sa_wire_hello hello = {.agent_id = "agent", .zone_id = NULL, .instance = instance};
    struct sa_sink_account v[] = {{1, "a"}, {2, "b"}};
    struct sa_buf b;
    Scaleagent__V1__AgentMessage *m;

    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_wire_hello(&hello, &b), 0);
    m = unpack(&b);
    ck_assert_str_eq(m->hello->agent_id, "agent");
    ck_assert_str_eq(m->hello->zone_id, "");
    ck_assert_uint_eq(m->hello->protocol, SA_PROTOCOL);
    ck_assert_mem_eq(m->hello->instance.data, instance, 16);
    scaleagent__v1__agent_message__free_unpacked(m, NULL);
    sa_buf_reset(&b);
    ck_assert_int_eq(sa_wire_accounts(v, 2, &b), 0);
    m = unpack(&b);
    ck_assert_uint_eq(m->account, 0);
    ck_assert_uint_eq(m->accounts->n_accounts, 2);
    ck_assert_str_eq(m->accounts->accounts[1]->name, "b");
    scaleagent__v1__agent_message__free_unpacked(m, NULL);
    sa_buf_reset(&b);
    ck_assert_int_eq(sa_wire_gone(9, "why", &b), 0);
    m = unpack(&b);
    ck_assert_uint_eq(m->account, 9);
    ck_assert_str_eq(m->account_gone->reason, "why");
    scaleagent__v1__agent_message__free_unpacked(m, NULL);
    sa_buf_reset(&b);
    ck_assert_int_eq(sa_wire_heartbeat(77, true, &b), 0);
    m = unpack(&b);
    ck_assert_uint_eq(m->heartbeat->nonce, 77);
    ck_assert(m->heartbeat->reply);
    scaleagent__v1__agent_message__free_unpacked(m, NULL);
    sa_buf_free(&b);
}
END_TEST

START_TEST(refuses_malformed_fields)
{
    static const struct {
        uint8_t p[12];
        size_t n;
    } bad[] = {
        {{0x08}, 1},            /* no value */
        {{0x08, 0x80}, 2},      /* a varint that does not end */
        {{0x00, 0x01}, 2},      /* field 0 */
        {{0x0a, 0x05, 'a'}, 3}, /* longer than the message */
        {{0x0b}, 1},            /* a group */
        {{0x09, 1, 2, 3}, 4},   /* a fixed64 that is cut */
        {{0x0d, 1, 2}, 3},      /* a fixed32 that is cut */
        {{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 11}, /* 65 bits */
    };
    uint8_t out[SA_PB_VARINT_MAX];
    struct sa_pb_field f;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const uint8_t *p = bad[i].p;

        ck_assert_msg(sa_pb_next(&p, bad[i].p + bad[i].n, &f) == -1, "case %zu", i);
    }
    ck_assert_uint_eq(sa_pb_varint(out, 300), 2);
    ck_assert_uint_eq(sa_pb_varint(out, UINT64_MAX), 10);
}
END_TEST

static bool reply_goes_on(struct sa_relay *r, struct sa_buf *b, uint64_t now)
{
    bool on = sa_relay_reply(r, b->data, b->len, now);

    sa_buf_reset(b);
    return on;
}

static void welcome(struct sa_relay *r, struct sa_buf *b, uint64_t epoch, uint64_t credit)
{
    Scaleagent__V1__Welcome w = SCALEAGENT__V1__WELCOME__INIT;
    Scaleagent__V1__AccountReply m = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;

    w.credit = credit;
    m.epoch = epoch;
    m.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME;
    m.welcome = &w;
    ck_assert_int_eq(sa_reply_pack(&m, b), 0);
    ck_assert(reply_goes_on(r, b, 0));
}

START_TEST(holds_acknowledgements)
{
    struct sa_relay r = {0};
    struct sa_buf b;
    Scaleagent__V1__AccountReply *m;
    size_t n;

    sa_buf_init(&b, 0);
    welcome(&r, &b, 5, 1000);
    sa_relay_sent(&r, 10);
    ck_assert_uint_eq(sa_relay_unacked(&r), 10);
    sa_reply_ack(5, 3, 1100, &b);
    ck_assert(!reply_goes_on(&r, &b, 1));
    ck_assert_uint_eq(sa_relay_unacked(&r), 7);
    sa_reply_ack(5, 4, 1249, &b);
    ck_assert(!reply_goes_on(&r, &b, 2));
    /* other replies go on at once, and it stays held */
    sa_reply_sums(5, 1, true, &b);
    ck_assert(reply_goes_on(&r, &b, 3));
    ck_assert_uint_eq(sa_relay_due(&r, SA_RELAY_HOLD, false), 0);
    n = sa_relay_due(&r, 1 + SA_RELAY_HOLD, false);
    m = scaleagent__v1__account_reply__unpack(NULL, n, r.held);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->ack->sequence, 4);
    ck_assert_uint_eq(m->ack->credit, 1249);
    scaleagent__v1__account_reply__free_unpacked(m, NULL);
    ck_assert_uint_eq(sa_relay_due(&r, 10 * SA_RELAY_HOLD, false), 0);
    /* a quarter of the window after what the worker knows */
    sa_reply_ack(5, 5, 1498, &b);
    ck_assert(!reply_goes_on(&r, &b, 4));
    sa_reply_ack(5, 6, 1499, &b);
    ck_assert(reply_goes_on(&r, &b, 5));
    ck_assert_uint_eq(sa_relay_due(&r, 10 * SA_RELAY_HOLD, true), 0);
    /* a new epoch drops what was held */
    sa_reply_ack(5, 7, 1500, &b);
    ck_assert(!reply_goes_on(&r, &b, 6));
    welcome(&r, &b, 6, 1000);
    ck_assert_uint_eq(sa_relay_due(&r, 10 * SA_RELAY_HOLD, true), 0);
    ck_assert_uint_eq(sa_relay_unacked(&r), 0);
    sa_buf_free(&b);
}
END_TEST

START_TEST(holds_nothing_for_a_worker_that_stops)
{
    struct sa_relay r = {0};
    struct sa_buf b;

    sa_buf_init(&b, 0);
    welcome(&r, &b, 5, 1000);
    sa_relay_prompt(&r);
    ck_assert_uint_eq(sa_relay_due(&r, 5, false), 0); /* none was held */
    welcome(&r, &b, 6, 1000);
    sa_reply_ack(6, 3, 1001, &b);
    ck_assert(!reply_goes_on(&r, &b, 1));
    ck_assert_uint_eq(sa_relay_due(&r, 5, false), 0);
    sa_relay_prompt(&r);
    ck_assert_uint_gt(sa_relay_due(&r, 5, false), 0);
    sa_reply_ack(6, 4, 1002, &b);
    ck_assert(reply_goes_on(&r, &b, 6));
    ck_assert_uint_eq(sa_relay_due(&r, 10 * SA_RELAY_HOLD, true), 0);
    sa_buf_free(&b);
}
END_TEST

START_TEST(passes_on_what_it_does_not_understand)
{
    static const uint8_t garbage[] = {0x1a, 0x7f}, nothing[1] = {0};
    struct sa_relay r = {0};

    ck_assert(sa_relay_reply(&r, garbage, sizeof garbage, 1));
    ck_assert(sa_relay_reply(&r, nothing, 0, 1));
}
END_TEST

START_TEST(reads_addresses)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"spin:9091", "spin", 9091},    {"spin", "spin", 9091},
        {"10.0.0.1:1", "10.0.0.1", 1},  {"[::1]:443", "::1", 443},
        {"[fe80::1]", "fe80::1", 9091}, {"dns:///spin.example:80", "spin.example", 80},
    };
    static const char *const bad[] = {"",         ":80",    "a:",     "a:0",    "a:65536",
                                      "a:x",      "::1",    "[::1",   "[::1]x", "a b:80",
                                      "http://a", "a:80/x", "u@a:80", "a:+80"};
    struct sa_endpoint e;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        ck_assert_int_eq(sa_endpoint_target(good[i].text, &e, NULL), 0);
        ck_assert_str_eq(e.host, good[i].host);
        ck_assert_uint_eq(e.port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(sa_endpoint_target(bad[i], &e, NULL) == -1, "\"%s\" was taken", bad[i]);
}
END_TEST

START_TEST(finds_the_proxy)
{
    struct sa_clouddriver c = {0};
    struct sa_endpoint e;

    unsetenv("https_proxy");
    setenv("HTTPS_PROXY", "http://user:pass@proxy.example:3128/", 1);
    ck_assert_int_eq(sa_endpoint_proxy(&c, &e, NULL), 0);
    ck_assert_str_eq(e.host, "proxy.example");
    ck_assert_uint_eq(e.port, 3128);
    c.no_proxy = true;
    ck_assert_int_eq(sa_endpoint_proxy(&c, &e, NULL), 0);
    ck_assert_uint_eq(e.port, 0);
    c.no_proxy = false;
    setenv("HTTPS_PROXY", "https://proxy", 1);
    ck_assert_int_eq(sa_endpoint_proxy(&c, &e, NULL), 0);
    ck_assert_uint_eq(e.port, 443);
    setenv("HTTPS_PROXY", "", 1);
    ck_assert_int_eq(sa_endpoint_proxy(&c, &e, NULL), 0);
    ck_assert_uint_eq(e.port, 0);
    unsetenv("HTTPS_PROXY");
}
END_TEST

START_TEST(reads_tokens)
{
    static const char *const bad[] = {"",
                                      "{}",
                                      "{\"token\":1}",
                                      "{\"token\":\"a b\"}",
                                      "{\"token\":\"a\\nX: y\"}",
                                      "[",
                                      "{\"token\":\"\"}"};
    struct sa_err *err = NULL;
    char *token = NULL;

    ck_assert_int_eq(sa_token_parse("raw", "  abc.def\n", 10, &token, NULL), 0);
    ck_assert_str_eq(token, "abc.def");
    free(token);
    ck_assert_int_eq(sa_token_parse("json", "{\"token\":\"xyz\"}\n", 16, &token, NULL), 0);
    ck_assert_str_eq(token, "xyz");
    free(token);
    ck_assert_int_eq(sa_token_parse(NULL, "{\"token\":\"xyz\"}", 15, &token, NULL), 0);
    free(token);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ck_assert_int_eq(sa_token_parse("json", bad[i], strlen(bad[i]), &token, NULL), -1);
        ck_assert_ptr_null(token);
    }
    ck_assert_int_eq(sa_token_parse("raw", "secret\r\nX-Forged: 1", 19, &token, &err), -1);
    ck_assert_ptr_null(strstr(sa_err_msg(err), "secret"));
    sa_err_free(&err);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_bytes");
    TCase *t = tcase_create("bytes");
    SRunner *r;
    int failed;

    sa_hash_init();
    tcase_add_test(t, frames_come_in_any_pieces);
    tcase_add_test(t, frames_are_bounded);
    tcase_add_test(t, decodes_status_messages);
    tcase_add_test(t, wraps_a_workers_bytes);
    tcase_add_test(t, encodes_the_agents_own_messages);
    tcase_add_test(t, refuses_malformed_fields);
    tcase_add_test(t, holds_acknowledgements);
    tcase_add_test(t, holds_nothing_for_a_worker_that_stops);
    tcase_add_test(t, passes_on_what_it_does_not_understand);
    tcase_add_test(t, reads_addresses);
    tcase_add_test(t, finds_the_proxy);
    tcase_add_test(t, reads_tokens);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
