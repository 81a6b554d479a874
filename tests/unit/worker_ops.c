/* SPDX-License-Identifier: Apache-2.0 */
/* Operations: order, time limits, cancelling, what is remembered, what is not known. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/engine.h"
#include "worker_ops_test.h"

#include "base/log.h"

struct fake *f;

void set_up(void)
{
    f = fake_new();
    f->w.account.retries_enabled = true;
    f->w.account.max_retries = 3;
    f->w.account.retry_backoff_ms = 0;
    fake_start(f);
}

void tear_down(void)
{
    fake_free(f);
}

/* Some turns of the loop, so that timers that are due fire. */
static void turn_for(unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;
    do
        sa_loop_turn(f->w.loop, 1, NULL);
    while (sa_mono_ns() < end);
}

void ask(operation *m, uint8_t id)
{
    static uint8_t ids[256][16];
    uint8_t *bytes;
    struct sa_err *err = NULL;
    memset(ids[id], id, 16);
    m->id = (ProtobufCBinaryData){16, ids[id]};
    if (m->timeout_ms == 0)
        m->timeout_ms = 60000;
    size_t n = scaleagent__v1__operation__get_packed_size(m);
    bytes = malloc(n);
    scaleagent__v1__operation__pack(m, bytes);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_OPERATION, bytes, n, &err), 0);
    free(bytes);
}

static void cancel(uint8_t id)
{
    Scaleagent__V1__OperationCancel m = SCALEAGENT__V1__OPERATION_CANCEL__INIT;
    uint8_t key[16], bytes[64];
    memset(key, id, 16);
    m.id = (ProtobufCBinaryData){16, key};
    size_t n = scaleagent__v1__operation_cancel__pack(&m, bytes);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_CANCEL, bytes, n, NULL), 0);
}

static Scaleagent__V1__ObjectName object_named(const char *kind, const char *name)
{
    Scaleagent__V1__ObjectName o = SCALEAGENT__V1__OBJECT_NAME__INIT;
    o.kind = (char *)kind;
    o.namespace_ = (char *)"n";
    o.name = (char *)name;
    return o;
}

static void ask_get(uint8_t id, const char *kind, const char *name, unsigned timeout_ms)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__GetOperation get = SCALEAGENT__V1__GET_OPERATION__INIT;
    Scaleagent__V1__ObjectName o = object_named(kind, name);
    get.object = &o;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_GET;
    m.get = &get;
    m.timeout_ms = timeout_ms;
    ask(&m, id);
}

static void ask_scale_of(uint8_t id, const char *kind, const char *name, int replicas,
                         unsigned timeout_ms, const uint8_t *instance)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ScaleOperation scale = SCALEAGENT__V1__SCALE_OPERATION__INIT;
    Scaleagent__V1__ObjectName o = object_named(kind, name);
    scale.object = &o;
    scale.replicas = replicas;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_SCALE;
    m.scale = &scale;
    m.timeout_ms = timeout_ms;
    if (instance)
        m.instance = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)instance};
    ask(&m, id);
}

static void ask_scale(uint8_t id, const char *name, int replicas)
{
    ask_scale_of(id, "deployments", name, replicas, 0, NULL);
}

static void ask_delete(uint8_t id, const char *name, bool wait, bool ignore, unsigned timeout_ms)
{
    operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__DeleteOperation delete = SCALEAGENT__V1__DELETE_OPERATION__INIT;
    Scaleagent__V1__ObjectName o = object_named("pod", name);
    delete.object = &o;
    delete.wait = wait;
    delete.ignore_not_found = ignore;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_DELETE;
    m.delete_ = &delete;
    m.timeout_ms = timeout_ms;
    ask(&m, id);
}

result *expect(uint8_t id, int code)
{
    ck_assert_msg(f->n_results > 0, "operation %u has no answer", id);
    result *r = f->results[0];
    memmove(f->results, f->results + 1, --f->n_results * sizeof f->results[0]);
    ck_assert_uint_eq(r->id.data[0], id);
    ck_assert(r->last);
    ck_assert_msg((int)r->code == code, "operation %u: code %d, %s", id, (int)r->code, r->message);
    return r;
}

void expect_message(uint8_t id, int code, const char *words)
{
    result *r = expect(id, code);
    ck_assert_str_eq(r->message, words);
    scaleagent__v1__operation_result__free_unpacked(r, NULL);
}

static void expect_code(uint8_t id, int code)
{
    scaleagent__v1__operation_result__free_unpacked(expect(id, code), NULL);
}

static void none(void)
{
    ck_assert_uint_eq(f->n_results, 0);
}

static const char scale_answer[] =
    "{\"kind\":\"Scale\",\"apiVersion\":\"autoscaling/v1\",\"metadata\":{\"name\":\"a\","
    "\"namespace\":\"n\",\"uid\":\"u1\",\"resourceVersion\":\"7\"}}";

static const char not_found[] =
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"code\":404,"
    "\"message\":\"deployments.apps \\\"a\\\" not found\"}";

START_TEST(an_object_is_answered_as_kubectl_prints_it)
{
    ask_get(1, "po", "a", 0);
    struct sa_request *r = fake_request(f, "/api/v1/namespaces/n/pods/a");
    ck_assert_ptr_nonnull(r);
    fake_answer(
        f, r, 200,
        "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\","
        "\"namespace\":\"n\",\"resourceVersion\":\"5\",\"managedFields\":[{}]},\"s\":1}");
    result *got = expect(1, CODE(OK));
    ck_assert_uint_eq(got->body.len, strlen("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":"
                                            "{\"name\":\"a\",\"uid\":\"u\",\"namespace\":\"n\","
                                            "\"resourceVersion\":\"5\"},\"s\":1}"));
    ck_assert_str_eq(got->uid, "u");
    ck_assert_str_eq(got->resource_version, "5");
    scaleagent__v1__operation_result__free_unpacked(got, NULL);
}
END_TEST

START_TEST(what_is_not_there_is_said_in_kubectls_words)
{
    ask_get(1, "deployment", "a", 0);
    fake_answer(f, fake_request(f, "/apis/apps/v1/namespaces/n/deployments/a"), 404, not_found);
    expect_message(1, CODE(NOT_FOUND),
                   "Error from server (NotFound): deployments.apps \"a\" not found");
}
END_TEST

START_TEST(one_object_in_order_others_side_by_side)
{
    ask_scale(1, "a", 1);
    ask_scale_of(2, "Deployment.apps", "a", 2, 0, NULL); /* the same by another name */
    ask_scale(3, "b", 3);
    ask_get(4, "deployment", "a", 0); /* delays nobody, and waits for none */
    ck_assert_uint_eq(fake_pending(f, "deployments/a/scale"), 1);
    ck_assert_uint_eq(fake_pending(f, "deployments/b/scale"), 1);
    ck_assert_uint_eq(fake_pending(f, "deployments/a"), 2);
    ck_assert_ptr_nonnull(strstr(fake_body(fake_request(f, "a/scale")), "1"));
    fake_answer(f, fake_request(f, "b/scale"), 200, scale_answer);
    expect_code(3, CODE(OK));
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_code(1, CODE(OK));
    ck_assert_ptr_nonnull(strstr(fake_body(fake_request(f, "a/scale")), "2"));
    fake_answer(f, fake_request(f, "a/scale"), 404, not_found);
    expect_code(2, CODE(NOT_FOUND));
    cancel(4);
    expect_code(4, CODE(CANCELLED));
}
END_TEST

START_TEST(no_more_than_a_number_at_once_and_reads_beside_them)
{
    char name[8];
    for (unsigned i = 0; i < SA_OPS_RUNNING + 5; i++) {
        snprintf(name, sizeof name, "d%u", i);
        ask_scale((uint8_t)(i + 1), name, 1);
    }
    ck_assert_uint_eq(fake_pending(f, "/scale"), SA_OPS_RUNNING);
    ask_get(200, "pod", "p", 0);
    ck_assert_uint_eq(fake_pending(f, "pods/p"), 1);
    fake_answer(f, fake_request(f, "d3/scale"), 200, scale_answer);
    expect_code(4, CODE(OK));
    ck_assert_uint_eq(fake_pending(f, "/scale"), SA_OPS_RUNNING);
}
END_TEST

START_TEST(nothing_is_begun_past_its_time)
{
    ask_scale(1, "a", 1);
    ask_scale_of(2, "deployments", "a", 2, 20, NULL);
    turn_for(40);
    expect_code(2, CODE(TIMED_OUT));
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_code(1, CODE(OK));
    ck_assert_uint_eq(fake_pending(f, "scale"), 0);
    ask_get(3, "pod", "p", 20); /* begun, and only reads */
    turn_for(40);
    expect_code(3, CODE(TIMED_OUT));
    ck_assert_uint_eq(fake_pending(f, "pods/p"), 0);
    ask_scale_of(4, "deployments", "c", 2, 20, NULL); /* on its way: nobody knows */
    turn_for(40);
    expect_code(4, CODE(UNKNOWN_OUTCOME));
    ask_scale(4, "c", 2); /* and it is not done a second time in silence */
    expect_code(4, CODE(UNKNOWN_OUTCOME));
    ck_assert_uint_eq(fake_pending(f, "scale"), 0);
}
END_TEST

START_TEST(cancelled_where_that_is_safe)
{
    ask_scale(1, "a", 1);
    ask_scale(2, "a", 2);
    ask_scale(3, "a", 3);
    cancel(2);
    expect_code(2, CODE(CANCELLED));
    ck_assert_uint_eq(fake_pending(f, "a/scale"), 1); /* the third waits for the first now */
    cancel(1);                                        /* on its way: it ends as it ends */
    none();
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_code(1, CODE(OK));
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_code(3, CODE(OK));
    cancel(1);
    cancel(77);
    none();
    ask_scale(2, "a", 2); /* it was not begun, so the same may be asked for again */
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_code(2, CODE(OK));
}
END_TEST

START_TEST(the_same_id_is_the_same_operation)
{
    ask_scale(1, "a", 1);
    ask_scale(1, "a", 1); /* under way: answered once */
    ck_assert_uint_eq(fake_pending(f, "scale"), 1);
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_message(1, CODE(OK), "deployment.apps/a scaled");
    none();
    ask_scale(1, "a", 1);
    expect_message(1, CODE(OK), "deployment.apps/a scaled");
    ck_assert_uint_eq(fake_pending(f, "scale"), 0);
}
END_TEST

START_TEST(another_worker_does_not_know_what_was_done)
{
    uint8_t other[16] = {1};
    ask_scale_of(1, "deployments", "a", 1, 0, other);
    expect_code(1, CODE(UNKNOWN_OUTCOME));
    ask_scale_of(2, "deployments", "a", 1, 0, f->w.instance);
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    expect_code(2, CODE(OK));
}
END_TEST

START_TEST(a_broken_connection_leaves_no_false_certainty)
{
    f->unsent = true;
    ask_scale(1, "a", 1);
    fake_break_with(f, fake_request(f, "a/scale"), 0, SA_ENETWORK, NULL);
    expect_code(1, CODE(UNAVAILABLE));
    f->unsent = false;
    ask_scale(2, "a", 1);
    fake_break_with(f, fake_request(f, "a/scale"), 0, SA_ENETWORK, NULL);
    expect_code(2, CODE(UNKNOWN_OUTCOME));
    ask_scale(3, "a", 1);
    fake_answer(f, fake_request(f, "a/scale"), 504, "");
    expect_code(3, CODE(UNKNOWN_OUTCOME));
    ask_get(4, "pod", "p", 0);
    fake_break_with(f, fake_request(f, "pods/p"), 0, SA_ENETWORK, NULL);
    expect_code(4, CODE(UNAVAILABLE));
}
END_TEST

/* Only who says that nothing was done, by 429 or 503, is asked again for a change. */
START_TEST(a_change_is_repeated_only_where_it_was_not_made)
{
    static const int undone[] = {429, 503}, doubtful[] = {502, 504};
    f->retry_after_ms = 0;
    for (uint8_t i = 0; i < 2; i++) {
        ask_scale(i, "a", 1);
        fake_answer(f, fake_request(f, "a/scale"), undone[i], "");
        turn_for(5);
        ck_assert_uint_eq(fake_pending(f, "scale"), 1);
        fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
        expect_code(i, CODE(OK));
    }
    for (uint8_t i = 0; i < 2; i++) {
        ask_scale(10 + i, "a", 1);
        fake_answer(f, fake_request(f, "a/scale"), doubtful[i], "");
        turn_for(5);
        ck_assert_uint_eq(fake_pending(f, "scale"), 0);
        expect_code(10 + i, CODE(UNKNOWN_OUTCOME));
    }
    ask_scale(20, "a", 1);
    fake_answer(
        f, fake_request(f, "a/scale"), 500,
        "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"ServerTimeout\",\"code\":500,"
        "\"message\":\"etcdserver: request timed out\"}");
    turn_for(5);
    ck_assert_uint_eq(fake_pending(f, "scale"), 0);
    expect_code(20, CODE(UNKNOWN_OUTCOME));
    ask_get(30, "pod", "p", 0); /* what reads is */
    fake_answer(f, fake_request(f, "pods/p"), 504, "");
    turn_for(5);
    ck_assert_uint_eq(fake_pending(f, "pods/p"), 1);
}
END_TEST

/* At the stream's end nobody waits: what is not begun is not begun, what changes something ends. */
START_TEST(the_stream_ends)
{
    ask_scale(1, "a", 1);
    ask_scale(2, "a", 2);
    ask_get(3, "pod", "p", 0);
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_DOWN, NULL, 0, NULL), 0);
    ck_assert_uint_eq(fake_pending(f, "pods/p"), 0);
    ck_assert_uint_eq(fake_pending(f, "scale"), 1);
    fake_answer(f, fake_request(f, "a/scale"), 200, scale_answer);
    ck_assert_uint_eq(fake_pending(f, "scale"), 0);
    none();
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_UP, NULL, 0, NULL), 0);
    ask_scale(1, "a", 1); /* sent again: it was done */
    expect_code(1, CODE(OK));
    ck_assert_uint_eq(fake_pending(f, "scale"), 0);
}
END_TEST

START_TEST(an_unknown_kind_is_looked_for_once_more)
{
    ask_get(1, "gadget", "a", 0);
    ask_get(2, "pod", "../x", 0);
    expect_message(2, CODE(INVALID),
                   "error: invalid resource name \"../x\": [may not contain '/']");
    turn_for(5);
    ck_assert_uint_eq(fake_pending(f, "/api"), 1);
    cancel(1);
    expect_code(1, CODE(CANCELLED));
}
END_TEST

START_TEST(a_deletion_waits_until_it_is_over)
{
    ask_delete(1, "a", true, false, 0);
    struct sa_request *r = fake_request(f, "pods/a");
    ck_assert_str_eq(fake_method(r), "DELETE");
    ck_assert_str_eq(fake_body(r), "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                                   "\"propagationPolicy\":\"Background\"}");
    const char *ending = "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"namespace\":\"n\","
                         "\"uid\":\"u\",\"resourceVersion\":\"5\",\"deletionTimestamp\":\"x\"}}";
    fake_answer(f, r, 200, ending);
    none();
    fake_answer(f, fake_request(f, "pods/a"), 200, ending);
    r = fake_request(f, "watch=true&fieldSelector=metadata.name%3Da");
    ck_assert_ptr_nonnull(r);
    fake_answer(f, r, 200, "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\"}}}\n");
    result *got = expect(1, CODE(OK));
    ck_assert_str_eq(got->message, "pod \"a\" deleted from n namespace");
    ck_assert_uint_eq(got->body.len, 5);
    ck_assert_mem_eq(got->body.data, "[\"a\"]", 5);
    scaleagent__v1__operation_result__free_unpacked(got, NULL);
}
END_TEST

START_TEST(what_is_gone_already)
{
    ask_delete(1, "a", true, true, 0);
    fake_answer(f, fake_request(f, "pods/a"), 404, not_found);
    expect_message(1, CODE(OK), "");
    ask_delete(2, "a", true, false, 0);
    fake_answer(f, fake_request(f, "pods/a"), 404, not_found);
    expect_code(2, CODE(NOT_FOUND));
    ask_delete(3, "a", true, false, 30);
    fake_answer(f, fake_request(f, "pods/a"), 200,
                "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}");
    turn_for(50);
    expect_message(3, CODE(FAILED), "error: timed out waiting for the condition on pods/a");
}
END_TEST

/* What an operation changed is in the deltas before it is answered, and the result says up to
 * where.
 */
START_TEST(the_cache_comes_first)
{
    fake_welcome(f, NULL, 1 << 20);
    char *pods = fake_pods(10, NULL, "");
    fake_answer(f, fake_request(f, "/api/v1/pods?"), 200, pods);
    free(pods);
    ask_delete(1, "x", false, false, 0);
    fake_answer(f, fake_request(f, "pods/x"), 200,
                "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\","
                "\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"11\"},\"spec\":{}}");
    message *m = fake_take(f);
    ck_assert_ptr_nonnull(m);
    ck_assert_int_eq(m->body_case, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS);
    ck_assert_str_eq(m->deltas->deltas[0]->name, "x");
    result *got = expect(1, CODE(OK));
    ck_assert_uint_eq(got->epoch, f->epoch);
    ck_assert_uint_eq(got->sequence, m->deltas->first_sequence);
    fake_drop(m);
    scaleagent__v1__operation_result__free_unpacked(got, NULL);
}
END_TEST

START_TEST(the_worker_stops)
{
    ask_scale(1, "a", 1);
    ask_scale(2, "a", 2);
    ask_get(3, "pod", "p", 0);
    sa_worker_stop(&f->w);
    expect_code(2, CODE(UNAVAILABLE));
    expect_code(3, CODE(UNAVAILABLE));
    ck_assert(sa_ops_busy(f->w.ops));
    ask_scale(4, "b", 2);
    expect_code(4, CODE(UNAVAILABLE));
    sa_ops_end(f->w.ops);
    expect_code(1, CODE(UNKNOWN_OUTCOME));
    ck_assert(!sa_ops_busy(f->w.ops));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("worker_ops");
    TCase *t = tcase_create("operations");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, an_object_is_answered_as_kubectl_prints_it);
    tcase_add_test(t, what_is_not_there_is_said_in_kubectls_words);
    tcase_add_test(t, one_object_in_order_others_side_by_side);
    tcase_add_test(t, no_more_than_a_number_at_once_and_reads_beside_them);
    tcase_add_test(t, nothing_is_begun_past_its_time);
    tcase_add_test(t, cancelled_where_that_is_safe);
    tcase_add_test(t, the_same_id_is_the_same_operation);
    tcase_add_test(t, another_worker_does_not_know_what_was_done);
    tcase_add_test(t, a_broken_connection_leaves_no_false_certainty);
    tcase_add_test(t, a_change_is_repeated_only_where_it_was_not_made);
    tcase_add_test(t, the_stream_ends);
    tcase_add_test(t, an_unknown_kind_is_looked_for_once_more);
    tcase_add_test(t, a_deletion_waits_until_it_is_over);
    tcase_add_test(t, what_is_gone_already);
    tcase_add_test(t, the_cache_comes_first);
    tcase_add_test(t, the_worker_stops);
    suite_add_tcase(s, t);
    suite_add_tcase(s, worker_ops_parts_cases());
    suite_add_tcase(s, worker_ops_verbs_cases());
    SRunner *r = srunner_create(s);
    sa_log_set_level(SA_FATAL);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
