/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker says that its account follows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/control.h"
#include "ipc/plan.h"
#include "worker/describe.h"
#include "worker/kinds.h"
#include "worker_fake.h"
#include "worker_test.h"

/* Rows as they came, read back as the supervisor reads them. */
struct told {
    struct sa_plan_row rows[SA_PLAN_ROWS];
    size_t n, messages;
    uint32_t left_off;
    bool last;
};
static struct told *told;

static int take(void *arg, const struct sa_buf *body)
{
    struct sa_rd rd;
    (void)arg;
    ck_assert(!told->last);
    ck_assert_uint_lt(body->len, SA_CTL_MAX);
    sa_rd_init(&rd, body->data, body->len);
    ck_assert_uint_eq(sa_rd_u32(&rd), 77);
    told->last = sa_rd_u8(&rd);
    told->left_off = sa_rd_u32(&rd);
    uint32_t n = sa_rd_u32(&rd);
    ck_assert_uint_le(told->n + n, SA_PLAN_ROWS);
    for (uint32_t i = 0; i < n; i++)
        sa_plan_get(&rd, &told->rows[told->n++]);
    ck_assert(sa_rd_done(&rd));
    told->messages++;
    return 0;
}

static void ask(struct fake *f)
{
    free(told);
    told = calloc(1, sizeof *told);
    ck_assert_ptr_nonnull(told);
    ck_assert_int_eq(sa_describe(&f->w, 77, take, NULL), 0);
    ck_assert(told->last);
}

static const struct sa_plan_row *row(const char *resource, const char *namespace)
{
    for (size_t i = 0; i < told->n; i++)
        if (strcmp(told->rows[i].resource[0] ? told->rows[i].resource : told->rows[i].kind,
                   resource) == 0 &&
            strcmp(told->rows[i].namespace, namespace) == 0)
            return &told->rows[i];
    ck_abort_msg("nothing was said of %s", resource);
}

static void expect(const char *resource, enum sa_plan_state state, uint64_t objects,
                   const char *why)
{
    const struct sa_plan_row *r = row(resource, "");
    ck_assert_str_eq(sa_plan_state_name(r->state), sa_plan_state_name(state));
    ck_assert_uint_eq(r->objects, objects);
    ck_assert_msg(strstr(r->why, why) != NULL, "%s: \"%s\"", resource, r->why);
}

START_TEST(states_of_a_followed_resource)
{
    struct fake *f = fake_new();
    ask(f);
    ck_assert_uint_eq(told->n, 0); /* nothing is known before discovery */
    sa_names_add(&f->w.account.kinds, "widgets");
    fake_start(f);
    ask(f);
    expect("pods", SA_PLAN_WAITING, 0, ""); /* nobody to send to */
    fake_welcome(f, NULL, 1 << 20);
    ask(f);
    expect("pods", SA_PLAN_LISTING, 0, "");
    ck_assert_str_eq(row("pods", "")->version, "v1");
    ck_assert_str_eq(row("pods", "")->kind, "Pod");
    ck_assert(row("pods", "")->namespaced);
    expect("deployments", SA_PLAN_OMITTED, 0, "kinds does not name it");
    ck_assert_str_eq(row("deployments", "")->group, "apps");
    expect("widgets", SA_PLAN_NOT_SERVED, 0, "");
    struct sa_scope *s = fake_scope(f);
    s->follow = SA_FOLLOW_WATCH;
    ask(f);
    expect("pods", SA_PLAN_FOLLOWED, 0, "");
    s->in_step = true;
    ask(f);
    expect("pods", SA_PLAN_IN_STEP, 0, "");
    s->no_get_ns = sa_mono_ns() + SA_NS_PER_S;
    ask(f);
    expect("pods", SA_PLAN_IN_STEP, 0, "the role lacks get");
    s->failing = true;
    ask(f);
    expect("pods", SA_PLAN_FAILING, 0, "last error");
    s->forbidden_ns = sa_mono_ns() - 9 * SA_NS_PER_S;
    ask(f);
    expect("pods", SA_PLAN_FORBIDDEN, 0, "403 for 9 s");
    s->evicted = true;
    ask(f);
    expect("pods", SA_PLAN_FORBIDDEN, 0, "withdrawn");
    s->absences = 1;
    ask(f);
    expect("pods", SA_PLAN_UNKNOWN, 0, "until it is known to be gone");
    s->absences = 0;
    s->kept = true;
    ask(f);
    expect("pods", SA_PLAN_UNKNOWN, 0, "stays");
    fake_free(f);
}
END_TEST

START_TEST(objects_are_counted)
{
    struct fake *f = fake_new();
    fake_start(f);
    fake_welcome(f, NULL, 1 << 20);
    char *page = fake_pods(10, NULL, "a:1:x b:2:y c:3:z");
    fake_answer(f, fake_request(f, "/api/v1/pods?"), 200, page);
    free(page);
    ask(f);
    ck_assert_uint_eq(row("pods", "")->objects, 3);
    fake_free(f);
}
END_TEST

static void reason(struct fake *f, const char *resource, const char *why)
{
    sa_kinds_select(&f->w.account, &f->w.resources);
    for (size_t i = 0; i < f->w.resources.n; i++) {
        const struct sa_resource *r = &f->w.resources.v[i];
        if (strcmp(r->plural, resource) != 0)
            continue;
        const char *got = sa_kinds_omitted(&f->w.account, r);
        ck_assert_str_eq(got ? got : "", why);
        return;
    }
    ck_abort_msg("no %s", resource);
}

START_TEST(reasons_of_what_is_omitted)
{
    struct fake *f = fake_new();
    struct sa_resource ingress = {.group = (char *)"extensions",
                                  .version = (char *)"v1beta1",
                                  .plural = (char *)"ingresses",
                                  .kind = (char *)"Ingress",
                                  .namespaced = true};
    const struct sa_resource configmap = {.group = (char *)"",
                                          .version = (char *)"v1",
                                          .plural = (char *)"configmaps",
                                          .kind = (char *)"ConfigMap",
                                          .namespaced = true};
    fake_start(f);
    reason(f, "pods", "");
    sa_names_add(&f->w.account.omit_kinds, "pod");
    reason(f, "pods", "omitKinds names it");
    sa_names_clear(&f->w.account.omit_kinds);
    sa_names_clear(&f->w.account.kinds);
    reason(f, "deployments", "");
    ck_assert_int_eq(sa_resources_add(&f->w.resources, &configmap, NULL), 0);
    reason(f, "configmaps", "not among the kinds that are followed by default");
    ck_assert_int_eq(sa_resources_add(&f->w.resources, &ingress, NULL), 0);
    ingress.group = (char *)"networking.k8s.io";
    ck_assert_int_eq(sa_resources_add(&f->w.resources, &ingress, NULL), 0);
    reason(f, "ingresses", "a kind of this name in another group is meant");
    ingress = (struct sa_resource){.group = (char *)"example.com",
                                   .version = (char *)"v1",
                                   .plural = (char *)"farms",
                                   .kind = (char *)"Farm",
                                   .custom = true};
    ck_assert_int_eq(sa_resources_add(&f->w.resources, &ingress, NULL), 0);
    reason(f, "farms", "");
    f->w.account.only_namespaced_resources = true;
    reason(f, "farms", "onlyNamespacedResources, and it is not in a namespace");
    fake_free(f);
}
END_TEST

/* A cluster of very many kinds with names as long as a hostile server likes. */
START_TEST(the_answer_is_bounded)
{
    struct fake *f = fake_new();
    char name[600];
    fake_start(f);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    for (unsigned i = 0; i < SA_PLAN_ROWS + 500; i++) {
        struct sa_resource r = {.group = name, .version = name, .plural = name, .kind = name};
        (void)snprintf(name, 10, "%09u", i);
        name[9] = 'n';
        ck_assert_int_eq(sa_resources_add(&f->w.resources, &r, NULL), 0);
    }
    ask(f);
    ck_assert_uint_eq(told->n, SA_PLAN_ROWS);
    ck_assert_uint_gt(told->messages, 10);
    ck_assert_uint_ge(told->left_off, 500);
    ck_assert_str_eq(told->rows[0].resource, "pods"); /* what is followed comes first */
    ck_assert_uint_eq(strlen(told->rows[SA_PLAN_ROWS - 1].resource), SA_PLAN_TEXT - 1);
    fake_free(f);
}
END_TEST

static void end(void)
{
    free(told);
    told = NULL;
}

TCase *worker_describe_cases(void)
{
    TCase *t = tcase_create("describe");
    tcase_set_timeout(t, 60); /* thousands of rows, also under AddressSanitizer */
    tcase_add_checked_fixture(t, NULL, end);
    tcase_add_test(t, states_of_a_followed_resource);
    tcase_add_test(t, objects_are_counted);
    tcase_add_test(t, reasons_of_what_is_omitted);
    tcase_add_test(t, the_answer_is_bounded);
    return t;
}
