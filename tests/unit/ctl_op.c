/* SPDX-License-Identifier: Apache-2.0 */
/* op: what a command line asks for, operation by operation; and what it refuses. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/op.h"

#define MAX_WORDS 24

struct line {
    char text[512];
    char *argv[MAX_WORDS + 1];
    int argc;
    struct sa_cli_op op;
    struct sa_manifests manifests;
    struct sa_cli_op_requests requests;
    struct sa_err *err;
};

/* Words are parted by blanks; '_' in a word stands for one. Returns as sa_cli_op_options() and
 * sa_cli_op_requests() do. */
static int read_line(struct line *l, const char *text)
{
    *l = (struct line){.argc = 0};
    snprintf(l->text, sizeof l->text, "%s", text);
    char *rest = l->text;
    for (char *w; (w = strtok_r(rest, " ", &rest)) != NULL && l->argc < MAX_WORDS;) {
        for (char *c = w; *c != '\0'; c++)
            *c = *c == '_' ? ' ' : *c;
        l->argv[l->argc++] = w;
    }
    int r = sa_cli_op_options(l->argc, l->argv, &l->op, &l->err);
    return r == 0 ? sa_cli_op_requests(&l->op, &l->manifests, &l->requests, &l->err) : r;
}

static void drop(struct line *l)
{
    sa_cli_op_requests_free(&l->requests);
    sa_manifests_free(&l->manifests);
    sa_err_free(&l->err);
}

static Scaleagent__V1__Operation *request(const struct line *l, size_t i)
{
    ck_assert_uint_lt(i, l->requests.n);
    Scaleagent__V1__Operation *m =
        scaleagent__v1__operation__unpack(NULL, l->requests.v[i].n, l->requests.v[i].packed);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_eq(m->id.len, 16);
    ck_assert_mem_eq(m->id.data, l->requests.v[i].id, 16);
    return m;
}

static Scaleagent__V1__Operation *only(struct line *l, const char *text)
{
    int r = read_line(l, text);
    ck_assert_msg(r == 0, "%s: %s", text, sa_err_msg(l->err));
    ck_assert_uint_eq(l->requests.n, 1);
    return request(l, 0);
}

static void done(struct line *l, Scaleagent__V1__Operation *m)
{
    scaleagent__v1__operation__free_unpacked(m, NULL);
    drop(l);
}

static void check_object(const Scaleagent__V1__ObjectName *o, const char *kind,
                         const char *namespace, const char *name)
{
    ck_assert_str_eq(o->kind, kind);
    ck_assert_str_eq(o->namespace_, namespace);
    ck_assert_str_eq(o->name, name);
}

START_TEST(get_is_by_name_or_a_list)
{
    struct line l;
    Scaleagent__V1__Operation *m = only(&l, "prod get deploy web -n shop --timeout=5s -o yaml");
    ck_assert_int_eq(m->body_case, SCALEAGENT__V1__OPERATION__BODY_GET);
    ck_assert_uint_eq(m->timeout_ms, 5000);
    ck_assert_str_eq(m->name, "get");
    check_object(m->get->object, "deploy", "shop", "web");
    ck_assert_int_eq(l.op.format, SA_FORMAT_YAML);
    ck_assert_str_eq(l.op.account, "prod");
    done(&l, m);

    m = only(&l, "prod get --namespace shop deployments.apps,po -l a=b,c_in_(d)");
    ck_assert_int_eq(m->body_case, SCALEAGENT__V1__OPERATION__BODY_LIST);
    ck_assert_uint_eq(m->list->n_kinds, 2);
    ck_assert_str_eq(m->list->kinds[0], "deployments.apps");
    ck_assert_str_eq(m->list->kinds[1], "po");
    ck_assert_str_eq(m->list->namespace_, "shop");
    ck_assert_str_eq(m->list->label_selector, "a=b,c in (d)");
    done(&l, m);

    m = only(&l, "prod list pods -n shop -A");
    ck_assert_int_eq(m->body_case, SCALEAGENT__V1__OPERATION__BODY_LIST);
    ck_assert_str_eq(m->list->namespace_, "");
    done(&l, m);

    ck_assert_int_eq(read_line(&l, "prod get pod,svc a b"), 0);
    ck_assert_uint_eq(l.requests.n, 4);
    m = request(&l, 2);
    check_object(m->get->object, "svc", "", "a");
    done(&l, m);

    ck_assert_int_eq(read_line(&l, "prod get pod/a svc/b"), 0);
    ck_assert_uint_eq(l.requests.n, 2);
    m = request(&l, 1);
    check_object(m->get->object, "svc", "", "b");
    done(&l, m);
}
END_TEST

START_TEST(delete_has_kubectls_ways_to_be_gentle_or_not)
{
    static const struct {
        const char *line;
        int64_t grace; /* -1: not set */
        int cascade;
        bool wait, ignore;
    } cases[] = {
        {"a delete pod x", -1, 0, true, false},
        {"a delete pod x --grace-period=0", 1, 0, true, false},
        {"a delete pod x --grace-period=0 --force", 0, 0, true, false},
        {"a delete pod x --force", 0, 0, true, false},
        {"a delete pod x --now --wait=false", 1, 0, false, false},
        {"a delete pod x --grace-period=30 --cascade=orphan", 30, 3, true, false},
        {"a delete pod x --cascade foreground --ignore-not-found", -1, 2, true, true},
        {"a delete pod x --ignore-not-found=false --cascade=background", -1, 1, true, false},
        {"a delete pod -l app=web", -1, 0, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct line l;
        Scaleagent__V1__Operation *m = only(&l, cases[i].line);
        const Scaleagent__V1__DeleteOperation *d = m->delete_;
        bool set = d->grace_case != SCALEAGENT__V1__DELETE_OPERATION__GRACE__NOT_SET;
        ck_assert_msg((set ? d->grace_period_seconds : -1) == cases[i].grace, "%s", cases[i].line);
        ck_assert_int_eq((int)d->cascade, cases[i].cascade);
        ck_assert_int_eq(d->wait, cases[i].wait);
        ck_assert_int_eq(d->ignore_not_found, cases[i].ignore);
        done(&l, m);
    }
}
END_TEST

START_TEST(the_other_operations)
{
    struct line l;
    Scaleagent__V1__Operation *m = only(&l, "a scale sts/db --replicas=3 -n x");
    check_object(m->scale->object, "sts", "x", "db");
    ck_assert_int_eq(m->scale->replicas, 3);
    done(&l, m);

    m = only(&l, "a rollout undo deployment web --to-revision=4");
    ck_assert_int_eq(m->rollout->verb, SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__UNDO);
    ck_assert_int_eq(m->rollout->revision, 4);
    ck_assert_str_eq(m->name, "rollout undo");
    check_object(m->rollout->object, "deployment", "", "web");
    done(&l, m);

    m = only(&l, "a logs web-1 app -p --since=1h30m --tail 0 --limit-bytes=10");
    check_object(m->logs->object, "pods", "", "web-1");
    ck_assert_str_eq(m->logs->container, "app");
    ck_assert(m->logs->previous && !m->logs->all_containers);
    ck_assert_int_eq(m->logs->since_seconds, 5400);
    ck_assert_int_eq(m->logs->tail_case, SCALEAGENT__V1__LOGS_OPERATION__TAIL_TAIL_LINES);
    ck_assert_int_eq(m->logs->tail_lines, 0);
    ck_assert_uint_eq(m->logs->limit_bytes, 10);
    done(&l, m);

    m = only(&l, "a logs job/x --all-containers --tail=-1");
    check_object(m->logs->object, "job", "", "x");
    ck_assert(m->logs->all_containers);
    ck_assert_int_eq(m->logs->tail_case, SCALEAGENT__V1__LOGS_OPERATION__TAIL__NOT_SET);
    done(&l, m);

    m = only(&l, "a top pod --containers -n x");
    ck_assert_str_eq(m->top->namespace_, "x");
    ck_assert_str_eq(m->top->pod, "");
    done(&l, m);

    m = only(&l, "a events pod web-1");
    check_object(m->events->object, "pod", "", "web-1");
    done(&l, m);

    m = only(&l, "a patch deploy web --type=merge -p {} --record");
    ck_assert_int_eq(m->patch->type, SCALEAGENT__V1__PATCH_OPERATION__TYPE__MERGE);
    ck_assert_mem_eq(m->patch->patch.data, "{}", 2);
    ck_assert(m->patch->record);
    done(&l, m);
}
END_TEST

START_TEST(objects_of_files_are_operations_each)
{
    static const char text[] = "kind: A\nmetadata: {name: a}\n---\nkind: B\nmetadata: {name: b}\n";
    char *argv[] = {(char *)"p",  (char *)"apply",         (char *)"-f",
                    (char *)"x",  (char *)"--server-side", (char *)"--force-conflicts",
                    (char *)"-l", (char *)"a=b",           (char *)"--field-manager=me"};
    struct line l = {.argc = 9};
    ck_assert_int_eq(sa_cli_op_options(l.argc, argv, &l.op, &l.err), 0);
    ck_assert_int_eq(sa_manifests_add(&l.manifests, "x", text, strlen(text), &l.err), 0);
    ck_assert_int_eq(sa_cli_op_requests(&l.op, &l.manifests, &l.requests, &l.err), 0);
    ck_assert_uint_eq(l.requests.n, 2);
    Scaleagent__V1__Operation *m = request(&l, 1);
    static const char expected[] = "{\"kind\":\"B\",\"metadata\":{\"name\":\"b\"}}";
    ck_assert_uint_eq(m->apply->manifest.len, strlen(expected));
    ck_assert_mem_eq(m->apply->manifest.data, expected, strlen(expected));
    ck_assert(m->apply->server_side && m->apply->force_conflicts);
    ck_assert_str_eq(m->apply->field_manager, "me");
    ck_assert_str_eq(m->apply->label_selector, "a=b");
    done(&l, m);
}
END_TEST

START_TEST(deleting_by_a_file_names_kind_version_and_group)
{
    static const char text[] =
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"w\","
        "\"namespace\":\"s\"}}{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"}"
        "}";
    char *argv[] = {(char *)"p", (char *)"delete", (char *)"-f", (char *)"x"};
    struct line l = {.argc = 4};
    ck_assert_int_eq(sa_cli_op_options(l.argc, argv, &l.op, &l.err), 0);
    ck_assert_int_eq(sa_manifests_add(&l.manifests, "x", text, strlen(text), &l.err), 0);
    ck_assert_int_eq(sa_cli_op_requests(&l.op, &l.manifests, &l.requests, &l.err), 0);
    Scaleagent__V1__Operation *m = request(&l, 0);
    check_object(m->delete_->object, "Deployment.v1.apps", "s", "w");
    scaleagent__v1__operation__free_unpacked(m, NULL);
    m = request(&l, 1);
    check_object(m->delete_->object, "Pod", "", "p");
    done(&l, m);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
    static const struct {
        const char *line, *why;
    } cases[] = {
        {"a", "op takes an account"},
        {"--x get pods", "op takes an account"},
        {"a frobnicate", "frobnicate is no operation"},
        {"a get", "You must specify the type of resource to get"},
        {"a get pods x -l a=b", "name cannot be provided when a selector is specified"},
        {"a get pods x -A", "a resource cannot be retrieved by name across all namespaces"},
        {"a get pods --replicas=3", "not an option of get"},
        {"a get pods -o", "not an option of get, or its value is missing"},
        {"a get pods -o jsonpath=x", "--output takes table, wide, json, yaml or name"},
        {"a get pods --timeout=0", "--timeout takes"},
        {"a get pods --timeout=1d", "--timeout takes"},
        {"a get pods --timeout=25h", "--timeout takes"},
        {"a get pod/x y", "there is no need to specify a resource type"},
        {"a get pod/", "must have a single resource and name"},
        {"a scale deploy/x", "required flag(s) \"replicas\" not set"},
        {"a scale deploy/x --replicas=-1", "--replicas takes a number from 0"},
        {"a scale deploy/x --replicas=3x", "--replicas takes"},
        {"a scale deploy --replicas=1", "no name was specified"},
        {"a rollout status deploy/x", "rollout takes history, undo, pause, resume or restart"},
        {"a rollout", "rollout takes"},
        {"a patch deploy/x", "must specify --patch or --patch-file"},
        {"a patch deploy/x -p {} --patch-file f", "and not both"},
        {"a patch deploy/x -p {} --type=apply", "--type takes"},
        {"a delete pods", "no name was specified"},
        {"a delete pods a -l b=c", "name cannot be provided when a selector is specified"},
        {"a delete -l b=c", "You must specify the type of resource to delete"},
        {"a delete pod x --force --grace-period=1", "cannot be specified together"},
        {"a delete pod x --now --grace-period=1", "cannot be specified together"},
        {"a delete pod x --wait=maybe", "--wait takes true or false"},
        {"a delete pod x --cascade=true", "--cascade takes"},
        {"a logs", "POD or TYPE/NAME is a required argument"},
        {"a logs a b -c d", "only one of -c or an inline [CONTAINER] arg is allowed"},
        {"a logs a -c d --all-containers", "should not be specified with container name d"},
        {"a logs a --since=yesterday", "--since takes"},
        {"a logs a --limit-bytes=0", "--limit-bytes takes"},
        {"a top node", "top takes pod"},
        {"a top pod x -l a=b", "only one of NAME or selector can be provided"},
        {"a apply -k x", "not an option of apply"},
        {"a apply", "apply takes objects of files by -f"},
        {"a apply -f - x", "apply takes objects of files by -f"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct line l;
        ck_assert_msg(read_line(&l, cases[i].line) == -1, "%s", cases[i].line);
        ck_assert_msg(strstr(sa_err_msg(l.err), cases[i].why) != NULL, "%s: %s", cases[i].line,
                      sa_err_msg(l.err));
        ck_assert_int_eq(l.err->code, SA_EREFUSED);
        drop(&l);
    }
}
END_TEST

START_TEST(nothing_in_the_files_is_nothing_to_do)
{
    char *argv[] = {(char *)"p", (char *)"create", (char *)"-f", (char *)"x"};
    struct line l = {.argc = 4};
    ck_assert_int_eq(sa_cli_op_options(l.argc, argv, &l.op, &l.err), 0);
    ck_assert_int_eq(sa_manifests_add(&l.manifests, "x", "# nothing\n---\n", 14, &l.err), 0);
    ck_assert_int_eq(sa_cli_op_requests(&l.op, &l.manifests, &l.requests, &l.err), -1);
    ck_assert_str_eq(sa_err_msg(l.err), "no objects passed to create");
    drop(&l);
}
END_TEST

START_TEST(help_is_asked_for_anywhere)
{
    static const char *const lines[] = {"--help", "-h", "a --help", "a get -h", "a logs x --help"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct line l;
        ck_assert_int_eq(read_line(&l, lines[i]), 1);
        drop(&l);
    }
}
END_TEST

/* ---- manifests ---- */

static struct sa_manifests manifests_of(const char *text)
{
    struct sa_manifests m = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int r = sa_manifests_add(&m, "t.yml", text, strlen(text), &err);
    ck_assert_msg(r == 0, "%s", sa_err_msg(err));
    return m;
}

static void check_json(const char *text, const char *json)
{
    struct sa_manifests m = manifests_of(text);
    ck_assert_uint_eq(m.n, 1);
    ck_assert_str_eq(m.v[0].json, json);
    sa_manifests_free(&m);
}

/* As sigs.k8s.io/yaml reads them for kubectl. */
START_TEST(scalars_have_the_types_that_kubectl_gives_them)
{
    static const char *const cases[][2] = {
        {"12", "12"},
        {"-0", "0"},
        {"+7", "7"},
        {"1_000", "1000"},
        {"0x1F", "31"},
        {"0b101", "5"},
        {"010", "8"},
        {"0o17", "15"},
        {"089", "89"},
        {"9223372036854775807", "9223372036854775807"},
        {"18446744073709551615", "18446744073709551615"},
        {"1.50", "1.5"},
        {".5", "0.5"},
        {"1.", "1"},
        {"1e3", "1000"},
        {"1.5e300", "1.5e+300"},
        {"1.2.3", "\"1.2.3\""},
        {"1:30", "\"1:30\""},
        {"2026-11-22", "\"2026-11-22\""},
        {"yes", "true"},
        {"Off", "false"},
        {"y", "true"},
        {"N", "false"},
        {"~", "null"},
        {"Null", "null"},
        {"'yes'", "\"yes\""},
        {"\"12\"", "\"12\""},
        {"!!str 12", "\"12\""},
        {".inf", "\".inf\""},
        {"100m", "\"100m\""},
        {"0x", "\"0x\""},
        {"-", "\"-\""},
        {"1e400", "\"1e400\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128], json[128];
        snprintf(text, sizeof text, "{a: %s}\n", cases[i][0]);
        if (strcmp(cases[i][0], "-") == 0)
            snprintf(text, sizeof text, "a: '-'\n");
        snprintf(json, sizeof json, "{\"a\":%s}", cases[i][1]);
        check_json(text, json);
    }
    check_json("{8080: a, yes: b, 0x10: c}", "{\"8080\":\"a\",\"true\":\"b\",\"16\":\"c\"}");
}
END_TEST

START_TEST(documents_lists_and_json)
{
    struct sa_manifests m = manifests_of("--- # one\na: 1\n---\n# none\n--- {b: 2}\n");
    ck_assert_uint_eq(m.n, 2);
    ck_assert_str_eq(m.v[1].json, "{\"b\":2}");
    sa_manifests_free(&m);
    m = manifests_of("a: |\n  ---\n  x\n---\nkind: List\nitems:\n- b: 2\n- kind: PodList\n"
                     "  items: [{c: 3}]\n");
    ck_assert_uint_eq(m.n, 3);
    ck_assert_str_eq(m.v[0].json, "{\"a\":\"---\\nx\\n\"}");
    ck_assert_str_eq(m.v[1].json, "{\"b\":2}");
    ck_assert_str_eq(m.v[2].json, "{\"c\":3}");
    sa_manifests_free(&m);
    /* JSON goes as it stands, with all of its digits and escapes. */
    m = manifests_of(" {\"a\": 12345678901234567890.0, \"b\":\"\\ud83d\\ude00\"}\n{\"c\":1}\n\n");
    ck_assert_uint_eq(m.n, 2);
    ck_assert_str_eq(m.v[0].json, "{\"a\": 12345678901234567890.0, \"b\":\"\\ud83d\\ude00\"}");
    ck_assert_str_eq(m.v[1].json, "{\"c\":1}");
    sa_manifests_free(&m);
    m = manifests_of("{\"kind\":\"List\",\"items\":[{\"a\":1},{\"b\":2}]}");
    ck_assert_uint_eq(m.n, 2);
    sa_manifests_free(&m);
    check_json("{a: b, c: [1, 2]}", "{\"a\":\"b\",\"c\":[1,2]}");
}
END_TEST

START_TEST(manifests_that_are_none)
{
    static const char *const cases[][2] = {
        {"a: 1\n---\nb: {\n", "t.yml:4:1: "},
        {"a: 1\na: 2\n", "t.yml:2:1: "},
        {"- a\n", "t.yml: an object was expected"},
        {"just words\n", "t.yml: an object was expected"},
        {"kind: List\nitems: [1]\n", "t.yml: an object was expected"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sa_manifests m = {0};
        SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
        ck_assert_int_eq(sa_manifests_add(&m, "t.yml", cases[i][0], strlen(cases[i][0]), &err), -1);
        ck_assert_msg(strstr(sa_err_msg(err), cases[i][1]) == sa_err_msg(err), "%s", err->msg);
        sa_manifests_free(&m);
    }
}
END_TEST

START_TEST(namespaces_are_put_in_or_must_agree)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_manifests m =
        manifests_of("metadata: {name: a}\n---\nmetadata: {name: b, namespace: x}\n");
    ck_assert_int_eq(sa_manifests_namespace(&m, "x", &err), 0);
    ck_assert_str_eq(m.v[0].json, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"x\"}}");
    ck_assert_str_eq(m.v[1].json, "{\"metadata\":{\"name\":\"b\",\"namespace\":\"x\"}}");
    ck_assert_int_eq(sa_manifests_namespace(&m, "y", &err), -1);
    ck_assert_str_eq(sa_err_msg(err), "the namespace from the provided object \"x\" does not match "
                                      "the namespace \"y\". You must pass '--namespace=x' to "
                                      "perform this operation.");
    sa_manifests_free(&m);
}
END_TEST

START_TEST(patches_are_json_or_yaml)
{
    static const char *const cases[][2] = {
        {"{\"a\": 12345678901234567890}", "{\"a\": 12345678901234567890}"},
        {"[{\"op\":\"remove\",\"path\":\"/x\"}]", "[{\"op\":\"remove\",\"path\":\"/x\"}]"},
        {"spec:\n  replicas: 3\n", "{\"spec\":{\"replicas\":3}}"},
    };
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *json = sa_patch_json("p", cases[i][0], strlen(cases[i][0]), &err);
        ck_assert_str_eq(json, cases[i][1]);
        cJSON_free(json);
    }
    ck_assert_ptr_null(sa_patch_json("p", "", 0, &err));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ctl op");
    TCase *t = tcase_create("line");
    tcase_add_test(t, get_is_by_name_or_a_list);
    tcase_add_test(t, delete_has_kubectls_ways_to_be_gentle_or_not);
    tcase_add_test(t, the_other_operations);
    tcase_add_test(t, objects_of_files_are_operations_each);
    tcase_add_test(t, deleting_by_a_file_names_kind_version_and_group);
    tcase_add_test(t, what_makes_no_sense_is_refused);
    tcase_add_test(t, nothing_in_the_files_is_nothing_to_do);
    tcase_add_test(t, help_is_asked_for_anywhere);
    suite_add_tcase(s, t);
    t = tcase_create("manifests");
    tcase_add_test(t, scalars_have_the_types_that_kubectl_gives_them);
    tcase_add_test(t, documents_lists_and_json);
    tcase_add_test(t, manifests_that_are_none);
    tcase_add_test(t, namespaces_are_put_in_or_must_agree);
    tcase_add_test(t, patches_are_json_or_yaml);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
