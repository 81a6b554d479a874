/* SPDX-License-Identifier: Apache-2.0 */
/* The dry run: what its lines say, and that nothing a worker sends can break them. */
#include <check.h>
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "proto/scale_agent.pb-c.h"
#include "uplink/sink.h"
#include "uplink_messages.h"

static char dir[64], file[96];
static struct sa_loop *loop;
static struct sa_sink *sink;
static Scaleagent__V1__AccountReply *last;
static unsigned ups, downs, replies;
static bool pressed, may_fall;

static void on_up(void *arg)
{
    (void)arg;
    ups++;
}

static void on_down(void *arg, const struct sa_err *why)
{
    (void)arg;
    ck_assert_msg(may_fall, "down: %s", sa_err_msg(why));
    downs++;
}

static void on_pressure(void *arg, bool high)
{
    (void)arg;
    pressed = high;
}

static void on_reply(void *arg, uint32_t handle, const void *p, size_t n)
{
    (void)arg;
    ck_assert_uint_eq(handle, 1);
    if (last)
        scaleagent__v1__account_reply__free_unpacked(last, NULL);
    last = scaleagent__v1__account_reply__unpack(NULL, n, p);
    ck_assert_ptr_nonnull(last);
    replies++;
}

static const struct sa_sink_events events = {
    .up = on_up, .down = on_down, .pressure = on_pressure, .reply = on_reply};

static struct sa_slot slot;

static void open_sink(void)
{
    static const struct sa_sink_account account = {1, "a\"b"};
    static struct sa_settings settings;
    struct sa_sink_setup setup = {.loop = loop, .settings = &settings, .slot = &slot};

    settings.jsonl_file = file;
    ck_assert_int_eq(sa_sink_jsonl.open(&setup, &events, NULL, &sink, NULL), 0);
    sa_sink_jsonl.accounts(sink, &account, 1);
    ck_assert_uint_eq(ups, 1);
}

static void set_up(void)
{
    sa_hash_init();
    snprintf(dir, sizeof dir, "/tmp/sa-jsonl-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/out", dir);
    loop = sa_loop_new(NULL);
    ups = downs = replies = 0;
    pressed = may_fall = false;
    memset(&slot, 0, sizeof slot);
}

static void tear_down(void)
{
    char cmd[128];

    if (sink)
        sa_sink_jsonl.close(sink, 0);
    sink = NULL;
    if (last)
        scaleagent__v1__account_reply__free_unpacked(last, NULL);
    last = NULL;
    sa_loop_free(loop);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    ck_assert_int_eq(system(cmd), 0);
}

static int say(struct fx m)
{
    int rc = sa_sink_jsonl.message(sink, 1, m.p, m.n, 0, NULL);

    fx_free(&m);
    return rc;
}

static uint64_t open_account(void)
{
    static const struct fx_scope scope = {1, "pods", NULL};

    ck_assert_int_eq(say(fx_open("cluster")), 0);
    ck_assert_int_eq(last->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME);
    ck_assert_uint_eq(last->welcome->n_scopes, 0);
    ck_assert_int_eq(say(fx_scopes(last->epoch, &scope, 1)), 0);
    return last->epoch;
}

static void turn_for(unsigned ms)
{
    uint64_t end = sa_mono_ns() + ms * SA_NS_PER_MS;

    while (sa_mono_ns() < end)
        sa_loop_turn(loop, 10, NULL);
}

/* The number of lines of this type, each of which must be JSON; the last of them in *out (owned).
 */
static unsigned lines(const char *type, cJSON **out)
{
    static char line[65536];
    FILE *f = fopen(file, "r");
    unsigned n = 0;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        cJSON *o = cJSON_Parse(line);

        ck_assert_msg(o != NULL, "no JSON: %s", line);
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(o, "type")), type) == 0) {
            n++;
            if (out) {
                cJSON_Delete(*out);
                *out = o;
                continue;
            }
        }
        cJSON_Delete(o);
    }
    fclose(f);
    return n;
}

static const char *text(const cJSON *o, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
}

/* Takes the lines out of the file that are no JSON; their number. */
static unsigned drop_torn_lines(void)
{
    static char text_[65536];
    FILE *f = fopen(file, "r");
    char line[4096];
    size_t n = 0;
    unsigned torn = 0;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        cJSON *o = cJSON_Parse(line);

        if (o)
            n += (size_t)snprintf(text_ + n, sizeof text_ - n, "%s", line);
        torn += !o;
        cJSON_Delete(o);
    }
    fclose(f);
    f = fopen(file, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text_, 1, n, f), n);
    fclose(f);
    return torn;
}

START_TEST(writes_what_would_leave)
{
    static const char object[] = "{\"kind\":\"Pod\",\"n\":1}";
    struct fx_delta d = {1, "ns", "x", object, 0, 0}, gone = {1, "ns", "x", NULL, 0, 0};
    cJSON *o = NULL;
    uint64_t epoch;

    open_sink();
    epoch = open_account();
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0);
    turn_for(60);
    ck_assert_int_eq(last->body_case, SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK);
    ck_assert_uint_eq(last->ack->sequence, 1);
    ck_assert_uint_eq(lines("open", NULL), 1);
    ck_assert_uint_eq(lines("scope", NULL), 1);
    ck_assert_uint_eq(lines("delta", &o), 1);
    ck_assert_str_eq(text(o, "account"), "a\"b");
    ck_assert_str_eq(text(o, "resource"), "pods");
    ck_assert_str_eq(text(o, "name"), "x");
    ck_assert_uint_eq(strlen(text(o, "digest")), 32);
    ck_assert_str_eq(text(cJSON_GetObjectItem(o, "object"), "kind"), "Pod");
    ck_assert_int_eq(say(fx_deltas(epoch, 2, &gone, 1)), 0);
    ck_assert_int_eq(say(fx_checkpoint(epoch, 1, "9", "f")), 0);
    turn_for(60);
    ck_assert_uint_eq(lines("delta", &o), 2);
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(o, "deleted")));
    ck_assert_uint_eq(lines("checkpoint", NULL), 1);
    cJSON_Delete(o);
}
END_TEST

START_TEST(takes_a_list_of_scopes_in_parts)
{
    static const char object[] = "{\"kind\":\"Pod\",\"n\":1}";
    static const struct fx_scope pods = {1, "pods", NULL}, nodes = {2, "nodes", NULL};
    struct fx_delta begun = {1, "ns", "x", object, 0, 5}, d = {2, "", "n", object, 0, 0};
    cJSON *o = NULL;
    uint64_t epoch;

    open_sink();
    epoch = open_account();
    ck_assert_int_eq(say(fx_scopes_more(epoch, &pods, 1)), 0);
    ck_assert_int_eq(say(fx_scopes(epoch, &nodes, 1)), 0);
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0);
    ck_assert_int_eq(say(fx_deltas(epoch, 2, &begun, 1)), 0);
    /* the object under way goes with its scope */
    ck_assert_int_eq(say(fx_scopes(epoch, &nodes, 1)), 0);
    ck_assert_int_eq(say(fx_deltas(epoch, 3, &d, 1)), 0);
    turn_for(60);
    ck_assert_uint_eq(last->ack->sequence, 3);
    ck_assert_uint_eq(lines("delta", &o), 2);
    ck_assert_str_eq(text(o, "resource"), "nodes");
    cJSON_Delete(o);
    ck_assert_int_eq(say(fx_scopes_more(epoch, NULL, 0)), -1);
}
END_TEST

START_TEST(puts_parts_together)
{
    static const char object[] = "{\"kind\":\"Pod\",\"n\":1}";
    struct fx_delta d = {1, "ns", "x", object, 0, 5};
    cJSON *o = NULL;
    uint64_t epoch;

    open_sink();
    epoch = open_account();
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0);
    turn_for(60);
    ck_assert_uint_eq(last->ack->sequence, 0);
    ck_assert_uint_eq(lines("delta", NULL), 0);
    d.part_offset = 5;
    d.part_size = sizeof object - 1 - 5;
    ck_assert_int_eq(say(fx_deltas(epoch, 2, &d, 1)), 0);
    turn_for(60);
    ck_assert_uint_eq(last->ack->sequence, 2);
    ck_assert_uint_eq(lines("delta", &o), 1);
    ck_assert_str_eq(text(cJSON_GetObjectItem(o, "object"), "kind"), "Pod");
    cJSON_Delete(o);
}
END_TEST

/* An object with a line end in it would forge a line of another account. */
START_TEST(objects_can_not_break_lines)
{
    struct fx_delta d = {1, "ns", "x\n{\"type\":\"delta\"}", "{\"a\":1}\n{\"type\":\"delta\"}",
                         0, 0};
    cJSON *o = NULL;
    uint64_t epoch;

    open_sink();
    epoch = open_account();
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0);
    turn_for(60);
    ck_assert_uint_eq(lines("delta", &o), 1);
    ck_assert_ptr_null(cJSON_GetObjectItem(o, "object"));
    ck_assert_ptr_nonnull(cJSON_GetObjectItem(o, "malformed_bytes"));
    cJSON_Delete(o);
    ck_assert_int_eq(say(fx_deltas(epoch, 5, &d, 1)), -1); /* a gap */
}
END_TEST

/* Two objects, or an object with more behind it, would add members to the line that are not the
 * worker's to say. */
START_TEST(objects_can_not_add_to_their_line)
{
    static const char *const bad[] = {"{},\"account\":\"victim\",\"x\":{}",
                                      "{\"a\":1}{\"b\":2}",
                                      "{} {}",
                                      "{\"a\":1",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{\"a\":\"}",
                                      "{\"a\":1}}",
                                      "{[}",
                                      "{"};
    cJSON *o = NULL;
    uint64_t epoch;

    open_sink();
    epoch = open_account();
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fx_delta d = {1, "ns", "x", bad[i], 0, 0};

        ck_assert_int_eq(say(fx_deltas(epoch, i + 1, &d, 1)), 0);
        turn_for(30);
        ck_assert_uint_eq(lines("delta", &o), i + 1);
        ck_assert_str_eq(text(o, "account"), "a\"b");
        ck_assert_msg(!cJSON_GetObjectItem(o, "object"), "%s", bad[i]);
        ck_assert_ptr_nonnull(cJSON_GetObjectItem(o, "malformed_bytes"));
        ck_assert_ptr_null(cJSON_GetObjectItem(o, "x"));
    }
    cJSON_Delete(o);
}
END_TEST

static void limit_files(rlim_t bytes)
{
    struct rlimit l;

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &l), 0);
    l.rlim_cur = bytes;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* What can't be written is not acknowledged, and once there is room it goes on in a line of its
 * own. */
START_TEST(a_full_disk_is_tried_again)
{
    struct fx_delta d = {1, "ns", "x", "{\"a\":1}", 0, 0};
    struct stat st;
    uint64_t epoch;
    unsigned answered;

    open_sink();
    epoch = open_account();
    turn_for(60);
    ck_assert_uint_eq(slot.connected, 1);
    answered = replies;
    may_fall = true;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(stat(file, &st), 0);
    limit_files((rlim_t)st.st_size + 10);
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0);
    turn_for(60);
    ck_assert_uint_eq(downs, 1);
    ck_assert_uint_eq(slot.connected, 0);
    ck_assert_uint_eq(replies, answered);
    sa_sink_jsonl.accounts(sink, &(struct sa_sink_account){1, "a\"b"}, 1);
    ck_assert_uint_eq(ups, 1); /* in its own time */
    limit_files(RLIM_INFINITY);
    for (int i = 0; i < 30 && ups == 1; i++)
        turn_for(100);
    ck_assert_uint_eq(ups, 2);
    ck_assert_uint_eq(slot.connected, 1);
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0); /* of the epoch before: ignored */
    epoch = open_account();
    ck_assert_int_eq(say(fx_deltas(epoch, 1, &d, 1)), 0);
    turn_for(60);
    ck_assert_uint_eq(last->ack->sequence, 1);
    ck_assert_uint_eq(drop_torn_lines(), 1);
    ck_assert_uint_eq(lines("delta", NULL), 1);
    ck_assert_uint_eq(lines("open", NULL), 2);
}
END_TEST

/* Nobody reads the pipe: nothing is acknowledged, and the workers are made to wait. */
START_TEST(a_slow_reader_slows_the_workers)
{
    static char object[200 * 1024] = "{\"a\":\"";
    struct fx_delta d = {1, "ns", "x", object, 0, 0};
    static char sponge[1 << 20];
    uint64_t epoch, acked;
    int fds[2];

    memset(object + 6, 'x', sizeof object - 9);
    memcpy(object + sizeof object - 3, "\"}", 2);
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    snprintf(file, sizeof file, "/dev/fd/%d", fds[1]);
    open_sink();
    epoch = open_account();
    turn_for(60);
    acked = replies;
    for (uint64_t i = 1; i <= 4; i++)
        ck_assert_int_eq(say(fx_deltas(epoch, i, &d, 1)), 0);
    turn_for(100);
    ck_assert_uint_eq(replies, acked);
    for (int i = 0; i < 200 && replies == acked; i++) {
        if (read(fds[0], sponge, sizeof sponge) < 0)
            sponge[0] = 0;
        turn_for(25);
    }
    ck_assert_uint_eq(last->ack->sequence, 4);
    ck_assert(!pressed);
}
END_TEST

START_TEST(answers_as_one_that_finds_all_in_step)
{
    struct sa_sum sum = {5, 5};
    uint64_t epoch;

    open_sink();
    epoch = open_account();
    ck_assert_int_eq(say(fx_sums(epoch, 1, 77, &sum)), 0);
    ck_assert(last->sums->in_step);
    ck_assert_int_eq(say(fx_begin(epoch, 1, 1)), 0);
    ck_assert_int_eq(say(fx_page(epoch, 1, 1, 0, (struct fx_entry[]){{"ns", "x", "{}"}}, 1)), 0);
    ck_assert_uint_eq(last->wants->n_index, 0);
    ck_assert_int_eq(say(fx_end(epoch, 1, 1, 1)), 0);
    ck_assert(last->done->complete);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("uplink_jsonl");
    TCase *t = tcase_create("jsonl");
    SRunner *r;
    int failed;

    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, writes_what_would_leave);
    tcase_add_test(t, takes_a_list_of_scopes_in_parts);
    tcase_add_test(t, puts_parts_together);
    tcase_add_test(t, objects_can_not_break_lines);
    tcase_add_test(t, objects_can_not_add_to_their_line);
    tcase_add_test(t, a_full_disk_is_tried_again);
    tcase_add_test(t, a_slow_reader_slows_the_workers);
    tcase_add_test(t, answers_as_one_that_finds_all_in_step);
    suite_add_tcase(s, t);
    r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
