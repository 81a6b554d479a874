/* SPDX-License-Identifier: Apache-2.0 */
/* Which revision a rollout goes back to, whose logs are shown, what use of containers is said: as
 * kubectl chooses and words it. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "worker/ops/log_cut.h"
#include "worker/ops/pods.h"
#include "worker/ops/rollout.h"
#include "worker/ops/usage.h"

static struct sa_arena arena;
static struct sa_rollout out;
static struct sa_buf text;

static void set_up(void)
{
    sa_arena_init(&arena, (size_t)8 << 20);
    sa_buf_init(&out.text, 0);
    sa_buf_init(&text, 0);
}

static void tear_down(void)
{
    sa_arena_free(&arena);
    sa_buf_free(&out.text);
    sa_buf_free(&text);
}

/* JSON with ' for ". */
static const struct sa_val *json(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const struct sa_val *json(const char *fmt, ...)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char room[8192];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(room, sizeof room, fmt, ap);
    va_end(ap);
    ck_assert_int_lt(n, (int)sizeof room);
    for (char *p = room; *p != '\0'; p++)
        *p = *p == '\'' ? '"' : *p;
    const struct sa_val *v = sa_val_parse(&arena, room, strlen(room), "test", &err);
    ck_assert_msg(v != NULL, "%s: %s", sa_err_msg(err), room);
    return v;
}

static void expect(enum sa_rollout_what what, const char *said)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    sa_buf_init(&b, 0);
    for (const char *p = said; *p != '\0'; p++)
        sa_buf_addc(&b, *p == '\'' && what == SA_ROLLOUT_PATCH ? '"' : *p);
    ck_assert_int_eq(out.what, what);
    ck_assert_str_eq(out.text.data, b.data);
}

/* ---- rollout ---- */

#define DEPLOY SA_ROLLOUT_DEPLOYMENT

static const struct sa_val *deployment(const char *template, const char *more)
{
    return json("{'metadata':{'name':'web','uid':'u1','annotations':{"
                "'deployment.kubernetes.io/revision':'3','mine':'x',"
                "'kubectl.kubernetes.io/last-applied-configuration':'{}'}},"
                "'spec':{%s'selector':{'matchLabels':{'app':'web'}},'template':%s}}",
                more, template);
}

#define TEMPLATE(image, labels)                                                                    \
    "{'metadata':{'creationTimestamp':null,'labels':{'app':'web'" labels                           \
    "}},'spec':{'containers':[{'name':'c','image':'" image "'}]}}"
#define RS(name, day, revision, owner, image)                                                      \
    "{'metadata':{'name':'" name "','creationTimestamp':'2026-11-" day                             \
    "T00:00:00Z','annotations':{" revision "},'ownerReferences':[{'uid':'x'},{'uid':'" owner       \
    "','controller':true}]},"                                                                      \
    "'spec':{'template':" TEMPLATE(image, ",'pod-template-hash':'" name "'") "}}"
#define AT(n) "'deployment.kubernetes.io/revision':'" n "'"

START_TEST(undo_takes_the_revision_before)
{
    const struct sa_val *d = deployment(TEMPLATE("three", ""), "");
    const struct sa_val *list = json("{'items':[" RS("c", "03", AT("3"), "u1", "three") "," RS(
        "a", "01", AT("1"), "u1", "one") "," RS("other", "02", AT("9"), "u2",
                                                "nine") "," RS("b", "02", AT("2") ",'kept':'y'",
                                                               "u1", "two") "]}");
    sa_rollout_undo(&arena, d, list, DEPLOY, 0, &out);
    expect(SA_ROLLOUT_PATCH,
           "[{'op':'replace','path':'/spec/template','value':{'metadata':{'labels':{'app':'web'}},"
           "'spec':{'containers':[{'image':'two','name':'c'}]}}},{'op':'replace','path':"
           "'/metadata/annotations','value':{'deployment.kubernetes.io/revision':'3','kept':'y',"
           "'kubectl.kubernetes.io/last-applied-configuration':'{}'}}]");
    ck_assert_str_eq(out.content_type, "application/json-patch+json");
    sa_rollout_undo(&arena, d, list, DEPLOY, 1, &out);
    ck_assert_int_eq(out.what, SA_ROLLOUT_PATCH);
    ck_assert_ptr_nonnull(strstr(out.text.data, "\"one\""));
    sa_rollout_undo(&arena, d, list, DEPLOY, 3, &out);
    expect(SA_ROLLOUT_NOTHING, "skipped rollback (current template already matches revision 3)");
    sa_rollout_undo(&arena, d, list, DEPLOY, 9, &out); /* another's */
    expect(SA_ROLLOUT_NOT_FOUND, "unable to find specified revision 9 in history");
    sa_rollout_undo(&arena, d, list, DEPLOY, -1, &out);
    expect(SA_ROLLOUT_NOT_FOUND, "unable to find specified revision -1 in history");
}
END_TEST

START_TEST(undo_of_a_deployment_that_has_nothing_to_go_back_to)
{
    const struct sa_val *d = deployment(TEMPLATE("one", ""), "");
    sa_rollout_undo(&arena, d, json("{'items':[]}"), DEPLOY, 0, &out);
    expect(SA_ROLLOUT_NOT_FOUND, "no rollout history found for deployment \"web\"");
    sa_rollout_undo(&arena, d, json("{'items':[" RS("a", "01", AT("1"), "u1", "one") "]}"), DEPLOY,
                    0, &out);
    expect(SA_ROLLOUT_NOT_FOUND, "no rollout history found for deployment \"web\"");
    sa_rollout_undo(&arena, d, json("{'items':[" RS("a", "01", AT("one"), "u1", "one") "]}"),
                    DEPLOY, 0, &out);
    ck_assert_int_eq(out.what, SA_ROLLOUT_NOT_FOUND);
}
END_TEST

START_TEST(undo_of_a_paused_deployment_is_refused_after_the_revision_was_found)
{
    const struct sa_val *d = deployment(TEMPLATE("two", ""), "'paused':true,");
    const struct sa_val *list = json("{'items':[" RS("a", "01", AT("1"), "u1", "one") "," RS(
        "b", "02", AT("2"), "u1", "two") "]}");
    sa_rollout_undo(&arena, d, list, DEPLOY, 7, &out);
    ck_assert_int_eq(out.what, SA_ROLLOUT_NOT_FOUND);
    sa_rollout_undo(&arena, d, list, DEPLOY, 2, &out);
    expect(SA_ROLLOUT_REFUSED, "you cannot rollback a paused deployment; resume it first with "
                               "'kubectl rollout resume' and try again");
}
END_TEST

/* Of ReplicaSets with the same revision kubectl takes the one it meets first: by age, the present
 * one last. */
START_TEST(of_equal_revisions_the_oldest_that_is_not_the_present_one)
{
    const struct sa_val *d = deployment(TEMPLATE("now", ""), "");
    const struct sa_val *list = json("{'items':[" RS("c", "03", AT("2"), "u1", "late") "," RS(
        "b", "02", AT("2"), "u1", "early") "," RS("a", "01", AT("2"), "u1", "now") "]}");
    sa_rollout_undo(&arena, d, list, DEPLOY, 2, &out);
    ck_assert_int_eq(out.what, SA_ROLLOUT_PATCH);
    ck_assert_ptr_nonnull(strstr(out.text.data, "\"early\""));
}
END_TEST

#define REVISION(name, number, owner, image, annotations)                                          \
    "{'metadata':{'name':'" name "','annotations':{" annotations                                   \
    "},'ownerReferences':[{'uid':'" owner "','controller':true}]},'revision':" number              \
    ",'data':{'spec':{'template':{'$patch':'replace','metadata':{'creationTimestamp':null,"        \
    "'labels':{'app':'db'}},'spec':{'containers':[{'name':'c','image':'" image "'}]}}}}}"

static const struct sa_val *daemon_set(const char *image)
{
    return json("{'metadata':{'name':'db','uid':'d1'},'spec':{'selector':{},'template':{'metadata':"
                "{'labels':{'app':'db'}},'spec':{'containers':[{'image':'%s','name':'c'}]}}}}",
                image);
}

START_TEST(undo_by_controller_revisions_sends_what_was_written_down)
{
    const struct sa_val *list =
        json("{'items':[" REVISION("c", "3", "d1", "three", "") "," REVISION(
            "a", "1", "d1", "one", "") "," REVISION("x", "4", "d2", "four",
                                                    "") "," REVISION("b", "2", "d1", "two",
                                                                     "") "]}");
    for (int k = SA_ROLLOUT_DAEMON_SET; k <= SA_ROLLOUT_STATEFUL_SET; k++) {
        enum sa_rollout_kind kind = (enum sa_rollout_kind)k;
        sa_rollout_undo(&arena, daemon_set("three"), list, kind, 0, &out);
        expect(SA_ROLLOUT_PATCH,
               "{'spec':{'template':{'$patch':'replace','metadata':{'creationTimestamp':null,"
               "'labels':{'app':'db'}},'spec':{'containers':[{'image':'two','name':'c'}]}}}}");
        ck_assert_str_eq(out.content_type, "application/strategic-merge-patch+json");
        sa_rollout_undo(&arena, daemon_set("three"), list, kind, 3, &out);
        expect(SA_ROLLOUT_NOTHING,
               "skipped rollback (current template already matches revision 3)");
        sa_rollout_undo(&arena, daemon_set("three"), list, kind, 4, &out);
        expect(SA_ROLLOUT_NOT_FOUND, "unable to find specified revision 4 in history");
        sa_rollout_undo(&arena, daemon_set("x"),
                        json("{'items':[" REVISION("c", "3", "d1", "three", "") "]}"), kind, 0,
                        &out);
        expect(SA_ROLLOUT_NOT_FOUND, "no last revision to roll back to");
    }
}
END_TEST

START_TEST(histories_are_in_order_with_their_causes)
{
    const struct sa_val *list = json("{'items':[" RS("c", "03", AT("10"), "u1", "three") "," RS(
        "a", "01", AT("2") ",'kubernetes.io/change-cause':'a <b>'", "u1",
        "one") "," RS("z", "01", AT("zwei"), "u1", "one") "," RS("n", "01", "", "u1", "none") "]}");
    sa_rollout_history(&arena, deployment(TEMPLATE("three", ""), ""), list, DEPLOY, &out);
    expect(SA_ROLLOUT_NOTHING,
           "[{\"revision\":0,\"changeCause\":\"\"},{\"revision\":2,\"changeCause\":\"a "
           "\\u003cb\\u003e\"},{\"revision\":10,\"changeCause\":\"\"}]");
    list = json("{'items':[" REVISION(
        "b", "2", "d1", "x", "'kubernetes.io/change-cause':'why'") "," REVISION("a", "1", "d1", "x",
                                                                                "") "]}");
    sa_rollout_history(&arena, daemon_set("x"), list, SA_ROLLOUT_DAEMON_SET, &out);
    expect(SA_ROLLOUT_NOTHING,
           "[{\"revision\":1,\"changeCause\":\"\"},{\"revision\":2,\"changeCause\":\"why\"}]");
    sa_rollout_history(&arena, daemon_set("x"), json("{'items':null}"), SA_ROLLOUT_DAEMON_SET,
                       &out);
    expect(SA_ROLLOUT_NOTHING, "[]");
}
END_TEST

START_TEST(a_template_may_hold_the_change_cause_of_a_replica_set)
{
    const struct sa_val *list = json("{'items':[{'metadata':{'annotations':{" AT(
        "1") "},'ownerReferences':[{'uid':'u1',"
             "'controller':true}]},'spec':{'template':{'metadata':{'annotations':{"
             "'kubernetes.io/change-cause':'inner'}}}}}]}");
    sa_rollout_history(&arena, deployment(TEMPLATE("x", ""), ""), list, DEPLOY, &out);
    expect(SA_ROLLOUT_NOTHING, "[{\"revision\":1,\"changeCause\":\"inner\"}]");
}
END_TEST

START_TEST(pause_resume_and_restart)
{
    const struct sa_val *goes = deployment(TEMPLATE("x", ""), "");
    const struct sa_val *rests = deployment(TEMPLATE("x", ""), "'paused':true,");
    sa_rollout_pause(goes, DEPLOY, true, &out);
    expect(SA_ROLLOUT_PATCH, "{'spec':{'paused':true}}");
    sa_rollout_pause(rests, DEPLOY, true, &out);
    expect(SA_ROLLOUT_REFUSED, "is already paused");
    sa_rollout_pause(rests, DEPLOY, false, &out);
    expect(SA_ROLLOUT_PATCH, "{'spec':{'paused':null}}");
    sa_rollout_pause(goes, DEPLOY, false, &out);
    expect(SA_ROLLOUT_REFUSED, "is not paused");
    sa_rollout_pause(goes, SA_ROLLOUT_STATEFUL_SET, true, &out);
    expect(SA_ROLLOUT_REFUSED, "pausing is not supported");
    sa_rollout_pause(goes, SA_ROLLOUT_DAEMON_SET, false, &out);
    expect(SA_ROLLOUT_REFUSED, "resuming is not supported");

    sa_rollout_restart(goes, DEPLOY, 1800000000, &out);
    expect(SA_ROLLOUT_PATCH, "{'spec':{'template':{'metadata':{'annotations':{"
                             "'kubectl.kubernetes.io/restartedAt':'2027-01-15T08:00:00Z'}}}}}");
    sa_rollout_restart(rests, DEPLOY, 1800000000, &out);
    expect(SA_ROLLOUT_REFUSED, "can't restart paused deployment (run rollout resume first)");
    sa_rollout_restart(goes, SA_ROLLOUT_OTHER, 1800000000, &out);
    expect(SA_ROLLOUT_REFUSED, "restarting is not supported");
    sa_rollout_restart(json("{'spec':{'template':{'metadata':{'annotations':{"
                            "'kubectl.kubernetes.io/restartedAt':'2027-01-15T08:00:00Z'}}}}}"),
                       SA_ROLLOUT_DAEMON_SET, 1800000000, &out);
    ck_assert_int_eq(out.what, SA_ROLLOUT_NOTHING);
}
END_TEST

START_TEST(selectors_in_the_form_of_the_api)
{
    ck_assert(sa_rollout_selector(
        json("{'spec':{'selector':{'matchLabels':{'b':'2','a':'1'},'matchExpressions':["
             "{'key':'c','operator':'In','values':['x','y']},"
             "{'key':'d','operator':'NotIn','values':['z']},"
             "{'key':'e','operator':'Exists'},{'key':'f','operator':'DoesNotExist'}]}}}"),
        &text));
    ck_assert_str_eq(text.data, "a=1,b=2,c in (x,y),d notin (z),e,!f");
    ck_assert(!sa_rollout_selector(json("{'spec':{}}"), &text));
}
END_TEST

START_TEST(revisions_that_are_anything_break_nothing)
{
    static const char *const lists[] = {
        "{}",
        "{'items':[1,null,{},[],{'metadata':7,'spec':[]}]}",
        ("{'items':[{'metadata':{'ownerReferences':[{'uid':'u1','controller':true}],"
         "'annotations':{'deployment.kubernetes.io/revision':7}},'spec':{'template':5}}]}"),
        "{'items':[{'metadata':{'ownerReferences':{'uid':'u1'}},'revision':'x','data':1}]}",
    };
    static const char *const objects[] = {
        "{}", "{'metadata':{'uid':'u1'},'spec':{'template':null}}", "{'metadata':[],'spec':1}"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t k = 0; k < sizeof objects / sizeof objects[0]; k++) {
            for (int kind = DEPLOY; kind <= SA_ROLLOUT_STATEFUL_SET; kind++) {
                const struct sa_val *o = json("%s", objects[k]), *l = json("%s", lists[i]);
                sa_rollout_undo(&arena, o, l, (enum sa_rollout_kind)kind, 0, &out);
                sa_rollout_undo(&arena, o, l, (enum sa_rollout_kind)kind, 1, &out);
                sa_rollout_history(&arena, o, l, (enum sa_rollout_kind)kind, &out);
                ck_assert_int_eq(out.what, SA_ROLLOUT_NOTHING);
            }
        }
    }
}
END_TEST

START_TEST(without_memory_it_says_so)
{
    const struct sa_val *d = deployment(TEMPLATE("three", ""), "");
    const struct sa_val *list = json("{'items':[" RS("c", "03", AT("3"), "u1", "three") "," RS(
        "a", "01", AT("1"), "u1", "one") "]}");
    for (size_t max = 64; max < 16384; max += 64) {
        struct sa_arena small;
        sa_arena_init(&small, max);
        sa_rollout_undo(&small, d, list, DEPLOY, 0, &out);
        ck_assert(out.what == SA_ROLLOUT_NO_MEMORY || out.what == SA_ROLLOUT_PATCH);
        sa_arena_free(&small);
    }
    ck_assert_int_eq(out.what, SA_ROLLOUT_PATCH);
}
END_TEST

/* ---- pods ---- */

#define POD(name, spec, status, created)                                                           \
    "{'metadata':{'name':'" name "','creationTimestamp':'" created "'},'spec':{" spec              \
    "},'status':{" status "}}"
#define NODE "'nodeName':'n'"
#define RUNS "'phase':'Running'"
#define READY(since)                                                                               \
    ",'conditions':[{'type':'Ready','status':'True','lastTransitionTime':'" since "'}]"
#define RESTARTS(n) ",'containerStatuses':[{'name':'c','restartCount':" n "}]"

START_TEST(the_pod_whose_logs_tell_most)
{
    /* Of each pair the first is better, whichever comes first. */
    static const char *const pairs[][2] = {
        {POD("a", NODE, "'phase':'Pending'", "1"), POD("b", "", RUNS, "0")},
        {POD("a", NODE, RUNS, "1"), POD("b", NODE, "'phase':'Unknown'", "0")},
        {POD("a", NODE, "'phase':'Unknown'", "1"), POD("b", NODE, "'phase':'Pending'", "0")},
        {POD("a", NODE, "'phase':'Failed'", "1"), POD("b", NODE, "'phase':'Pending'", "0")},
        {POD("a", NODE, RUNS READY("5"), "1"), POD("b", NODE, RUNS RESTARTS("9"), "0")},
        {POD("a", NODE, RUNS READY("5"), "1"), POD("b", NODE, RUNS READY("6"), "0")},
        {POD("a", NODE, RUNS RESTARTS("2"), "1"), POD("b", NODE, RUNS RESTARTS("1"), "0")},
        {POD("a", NODE ",'initContainers':[{'name':'s','restartPolicy':'Always'}]",
             RUNS ",'initContainerStatuses':[{'name':'s','restartCount':1}]", "1"),
         POD("b", NODE ",'initContainers':[{'name':'s'}]",
             RUNS ",'initContainerStatuses':[{'name':'s','restartCount':5}]", "0")},
        {POD("a", NODE, RUNS, "1"), POD("b", NODE, RUNS, "2")},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        for (int order = 0; order < 2; order++) {
            uint32_t n;
            const struct sa_val *best =
                sa_pods_best(json("{'items':[%s,%s]}", pairs[i][order], pairs[i][1 - order]), &n);
            ck_assert_uint_eq(n, 2);
            ck_assert_msg(strcmp(sa_val_str(sa_val_member(best, "metadata"), "name"), "a") == 0,
                          "pair %zu", i);
        }
    }
    uint32_t n;
    ck_assert_ptr_null(sa_pods_best(json("{'items':[]}"), &n));
    ck_assert_ptr_null(sa_pods_best(json("{}"), &n));
    ck_assert_uint_eq(n, 0);
}
END_TEST

static const char three[] =
    "{'metadata':{'name':'p'%s},'spec':{'containers':[{'name':'web'},{'name':'side'}],"
    "'initContainers':[{'name':'setup'}],'ephemeralContainers':[{'name':'debug'}]}}";

static void expect_containers(const struct sa_containers *c, const char *names, const char *note)
{
    char all[256] = "";
    for (size_t i = 0; i < c->n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", c->v[i]);
    ck_assert_str_eq(all, names);
    ck_assert_str_eq(text.data == NULL ? "" : text.data, note);
    sa_buf_reset(&text);
    if (text.data != NULL)
        text.data[0] = '\0';
}

START_TEST(the_container_whose_logs_are_meant)
{
    struct sa_containers c;
    const struct sa_val *pod = json(three, "");
    ck_assert_int_eq(sa_pod_containers(pod, "", true, &c, &text), 0);
    expect_containers(&c, "setup web side debug", "");
    ck_assert_int_eq(sa_pod_containers(pod, "debug", false, &c, &text), 0);
    expect_containers(&c, "debug", "");
    ck_assert_int_eq(sa_pod_containers(pod, "", false, &c, &text), 0);
    expect_containers(&c, "web",
                      "Defaulted container \"web\" out of: web, side, debug (ephem), setup (init)");
    ck_assert_int_eq(sa_pod_containers(pod, "wbe", false, &c, &text), -1);
    expect_containers(&c, "",
                      "container wbe is not valid for pod p out of: web, side, debug "
                      "(ephem), setup (init)");
    pod = json(three, ",'annotations':{'kubectl.kubernetes.io/default-container':'side'}");
    ck_assert_int_eq(sa_pod_containers(pod, "", false, &c, &text), 0);
    expect_containers(&c, "side", "");
    pod = json(three, ",'annotations':{'kubectl.kubernetes.io/default-container':'gone'}");
    ck_assert_int_eq(sa_pod_containers(pod, "", false, &c, &text), 0);
    expect_containers(&c, "web",
                      "Default container name \"gone\" not found in pod p\n"
                      "Defaulted container \"web\" out of: web, side, debug (ephem), setup (init)");
    pod = json("{'metadata':{'name':'p'},'spec':{'containers':[{'name':'only'}]}}");
    ck_assert_int_eq(sa_pod_containers(pod, "", false, &c, &text), 0);
    expect_containers(&c, "only", "");
    ck_assert_int_eq(sa_pod_containers(json("{'spec':{}}"), "", false, &c, &text), -1);
}
END_TEST

START_TEST(whose_pods_they_are)
{
    const char *why;
    ck_assert(sa_pods_selector(json("{'spec':{'selector':{'matchLabels':{'a':'b'}}}}"), "batch",
                               "Job", &text, &why));
    ck_assert_str_eq(text.data, "a=b");
    sa_buf_reset(&text);
    ck_assert(sa_pods_selector(json("{'spec':{'selector':{'a':'b','c':'d'}}}"), "", "Service",
                               &text, &why));
    ck_assert_str_eq(text.data, "a=b,c=d");
    ck_assert(!sa_pods_selector(json("{'spec':{}}"), "", "Service", &text, &why));
    ck_assert(
        !sa_pods_selector(json("{'spec':{'selector':{'a':'b'}}}"), "", "ConfigMap", &text, &why));
    ck_assert(
        !sa_pods_selector(json("{'spec':{'selector':{'a':'b'}}}"), "mine.io", "Job", &text, &why));
}
END_TEST

/* ---- cutting logs ---- */

static void take(struct sa_log_cut *c, const char *bytes)
{
    size_t n = sa_log_cut_take(c, bytes, strlen(bytes));
    sa_buf_add(&text, bytes, n);
}

static void expect_log(struct sa_log_cut *c, const char *log)
{
    char line[SA_LOG_CUT_LINE];
    sa_buf_add(&text, line, sa_log_cut_end(c, line));
    ck_assert_str_eq(text.data, log);
    sa_buf_reset(&text);
}

START_TEST(logs_are_cut_with_a_line_that_says_so)
{
    struct sa_log_cut c = {0};
    ck_assert(sa_log_cut_begin(&c, 8));
    take(&c, "one\n");
    take(&c, "two\n");
    expect_log(&c, "one\ntwo\n");
    ck_assert(sa_log_cut_begin(&c, 8));
    take(&c, "one\n");
    take(&c, "two\n3");
    take(&c, "4");
    ck_assert_uint_eq(c.dropped, 2);
    expect_log(&c, "one\ntwo\n[scale-agent: the log is cut here, after 8 bytes]\n");
    ck_assert(sa_log_cut_begin(&c, 6));
    take(&c, "one\ntwo\n");
    expect_log(&c, "one\ntw\n[scale-agent: the log is cut here, after 6 bytes]\n");
    ck_assert_uint_eq(c.total, 22);
    /* Characters stay whole, and what is none stays as it is. */
    ck_assert(sa_log_cut_begin(&c, 5));
    take(&c, "abc\xe2\x82\xac");
    expect_log(&c, "abc\n[scale-agent: the log is cut here, after 3 bytes]\n");
    ck_assert(sa_log_cut_begin(&c, 5));
    take(&c, "\x80\x80\x80\x80\x80\x80\x80");
    expect_log(&c, "\x80\x80\x80\x80\x80\n[scale-agent: the log is cut here, after 5 bytes]\n");
}
END_TEST

START_TEST(all_containers_together_have_a_bound)
{
    struct sa_log_cut c = {0};
    char line[SA_LOG_CUT_LINE];
    size_t n = SA_LOGS_MAX / 2 + 1;
    char *bytes = malloc(n);
    ck_assert_ptr_nonnull(bytes);
    memset(bytes, 'x', n);
    ck_assert(sa_log_cut_begin(&c, 0));
    ck_assert_uint_eq(sa_log_cut_take(&c, bytes, n), n);
    ck_assert_uint_eq(sa_log_cut_end(&c, line), 0);
    ck_assert(sa_log_cut_begin(&c, UINT64_MAX));
    ck_assert_uint_eq(sa_log_cut_take(&c, bytes, n), n - 2);
    ck_assert_uint_gt(sa_log_cut_end(&c, line), 0);
    ck_assert(!sa_log_cut_begin(&c, 0));
    free(bytes);
}
END_TEST

/* ---- use ---- */

START_TEST(quantities_are_rounded_up)
{
    static const struct {
        const char *text;
        int64_t milli, value;
    } cases[] = {
        {"0", 0, 0},
        {"1", 1000, 1},
        {"250m", 250, 1},
        {"12345678n", 13, 1},
        {"5000000n", 5, 1},
        {"1u", 1, 1},
        {"1.5", 1500, 2},
        {".5", 500, 1},
        {"2k", 2000000, 2000},
        {"1e3", 1000000, 1000},
        {"15E-1", 1500, 2},
        {"123456Ki", 126418944000, 126418944},
        {"1.5Gi", 1610612736000, 1610612736},
        {"1Ei", INT64_MAX, 1152921504606846976},
        {"9E", INT64_MAX, 9000000000000000000},
        {"99E", INT64_MAX, INT64_MAX},
        {"99999999999999999999999", INT64_MAX, INT64_MAX},
        {"1e99", INT64_MAX, INT64_MAX},
        {"0e99", 0, 0},
        {"0.0000000000000000000000001", 1, 1},
        {"", 0, 0},
        {"-1", 0, 0},
        {"x", 0, 0},
        {"1x", 0, 0},
        {"1e", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(sa_quantity_milli(cases[i].text) == cases[i].milli, "%s: %lld", cases[i].text,
                      (long long)sa_quantity_milli(cases[i].text));
        ck_assert_msg(sa_quantity_value(cases[i].text) == cases[i].value, "%s: %lld", cases[i].text,
                      (long long)sa_quantity_value(cases[i].text));
    }
}
END_TEST

START_TEST(use_of_pods_and_containers_in_order)
{
    const struct sa_val *list = json(
        "{'kind':'PodMetricsList','items':[{'metadata':{'name':'b','namespace':'x'},'containers':["
        "{'name':'z','usage':{'cpu':'1','memory':'1Gi'}},{'name':'a','usage':{'cpu':'1500001n',"
        "'memory':'1048575'}}]},{'metadata':{'name':'a','namespace':'x'}}]}");
    ck_assert_int_eq(sa_usage_print(&arena, list, &text), 0);
    ck_assert_str_eq(text.data,
                     "[{\"namespace\":\"x\",\"pod\":\"a\",\"containers\":[]},"
                     "{\"namespace\":\"x\",\"pod\":\"b\",\"containers\":[{\"name\":\"a\","
                     "\"cpu\":\"2m\",\"memory\":\"0Mi\"},{\"name\":\"z\",\"cpu\":\"1000m\","
                     "\"memory\":\"1024Mi\"}]}]");
    sa_buf_reset(&text);
    ck_assert_int_eq(
        sa_usage_print(&arena,
                       json("{'kind':'PodMetrics','metadata':{'name':'a'},'containers':["
                            "{'name':'c'}]}"),
                       &text),
        0);
    ck_assert_str_eq(text.data,
                     "[{\"namespace\":\"\",\"pod\":\"a\",\"containers\":[{\"name\":\"c\","
                     "\"cpu\":\"0m\",\"memory\":\"0Mi\"}]}]");
    sa_buf_reset(&text);
    ck_assert_int_eq(sa_usage_print(&arena, json("{}"), &text), 0);
    ck_assert_str_eq(text.data, "[]");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads");
    TCase *t = tcase_create("rollout");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, undo_takes_the_revision_before);
    tcase_add_test(t, undo_of_a_deployment_that_has_nothing_to_go_back_to);
    tcase_add_test(t, undo_of_a_paused_deployment_is_refused_after_the_revision_was_found);
    tcase_add_test(t, of_equal_revisions_the_oldest_that_is_not_the_present_one);
    tcase_add_test(t, undo_by_controller_revisions_sends_what_was_written_down);
    tcase_add_test(t, histories_are_in_order_with_their_causes);
    tcase_add_test(t, a_template_may_hold_the_change_cause_of_a_replica_set);
    tcase_add_test(t, pause_resume_and_restart);
    tcase_add_test(t, selectors_in_the_form_of_the_api);
    tcase_add_test(t, revisions_that_are_anything_break_nothing);
    tcase_add_test(t, without_memory_it_says_so);
    suite_add_tcase(s, t);
    t = tcase_create("pods and their use");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, the_pod_whose_logs_tell_most);
    tcase_add_test(t, the_container_whose_logs_are_meant);
    tcase_add_test(t, whose_pods_they_are);
    tcase_add_test(t, logs_are_cut_with_a_line_that_says_so);
    tcase_add_test(t, all_containers_together_have_a_bound);
    tcase_add_test(t, quantities_are_rounded_up);
    tcase_add_test(t, use_of_pods_and_containers_in_order);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
