/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <string.h>

#include "worker/dirty.h"

/* What need not wait at this time. */
static bool pop_at(struct sa_dirty *d, uint64_t now, char ns[64], char name[254])
{
    unsigned tries;
    return sa_dirty_pop(d, now, ns, name, &tries);
}

static bool pop(struct sa_dirty *d, char ns[64], char name[254])
{
    return pop_at(d, 1, ns, name);
}

START_TEST(a_set_in_order_of_arrival)
{
    struct sa_dirty *d = sa_dirty_new(10);
    char ns[64], name[254];
    ck_assert(!pop(d, ns, name));
    ck_assert_int_eq(sa_dirty_add(d, "a", "1"), SA_DIRTY_ADDED);
    ck_assert_int_eq(sa_dirty_add(d, "", "2"), SA_DIRTY_ADDED);
    ck_assert_int_eq(sa_dirty_add(d, NULL, "2"), SA_DIRTY_WAS_THERE);
    ck_assert_int_eq(sa_dirty_add(d, "b", "1"), SA_DIRTY_ADDED);
    ck_assert_int_eq(sa_dirty_add(d, "a", "1"), SA_DIRTY_WAS_THERE);
    ck_assert_uint_eq(sa_dirty_count(d), 3);
    ck_assert(sa_dirty_has(d, "a", "1") && sa_dirty_has(d, "", "2"));
    ck_assert(!sa_dirty_has(d, "", "1") && !sa_dirty_has(d, "a", "2"));
    ck_assert(sa_dirty_remove(d, "", "2"));
    ck_assert(!sa_dirty_remove(d, "", "2"));
    ck_assert_int_eq(sa_dirty_add(d, "", "2"), SA_DIRTY_ADDED); /* now last */
    static const char *const order[][2] = {{"b", "1"}, {"a", "1"}, {"", "2"}};
    for (int i = 0; i < 3; i++) {
        ck_assert(pop(d, ns, name));
        ck_assert_str_eq(ns, order[i][0]);
        ck_assert_str_eq(name, order[i][1]);
    }
    ck_assert(!pop(d, ns, name));
    ck_assert_uint_eq(sa_dirty_count(d), 0);
    sa_dirty_free(d);
    sa_dirty_free(NULL);
}
END_TEST

START_TEST(namespace_and_name_do_not_run_together)
{
    struct sa_dirty *d = sa_dirty_new(10);
    ck_assert_int_eq(sa_dirty_add(d, "ab", "c"), SA_DIRTY_ADDED);
    ck_assert_int_eq(sa_dirty_add(d, "a", "bc"), SA_DIRTY_ADDED);
    ck_assert(!sa_dirty_has(d, "", "abc"));
    sa_dirty_free(d);
}
END_TEST

START_TEST(past_its_bound_it_collapses)
{
    struct sa_dirty *d = sa_dirty_new(3);
    sa_dirty_add(d, "", "1");
    sa_dirty_add(d, "", "2");
    sa_dirty_add(d, "", "3");
    ck_assert_int_eq(sa_dirty_add(d, "", "2"), SA_DIRTY_WAS_THERE);
    ck_assert_int_eq(sa_dirty_add(d, "", "4"), SA_DIRTY_COLLAPSED);
    ck_assert_uint_eq(sa_dirty_count(d), 0);
    ck_assert(!sa_dirty_has(d, "", "1"));
    ck_assert_int_eq(sa_dirty_add(d, "", "1"), SA_DIRTY_ADDED);
    sa_dirty_free(d);
    d = sa_dirty_new(0);
    ck_assert_int_eq(sa_dirty_add(d, "", "1"), SA_DIRTY_COLLAPSED);
    sa_dirty_free(d);
}
END_TEST

START_TEST(the_longest_names_pass_and_longer_ones_collapse)
{
    struct sa_dirty *d = sa_dirty_new(10);
    char ns[66] = "", name[256] = "", ns_out[64], name_out[254];
    memset(ns, 's', 63);
    memset(name, 'n', 253);
    ck_assert_int_eq(sa_dirty_add(d, ns, name), SA_DIRTY_ADDED);
    ck_assert(pop(d, ns_out, name_out));
    ck_assert_str_eq(ns_out, ns);
    ck_assert_str_eq(name_out, name);
    sa_dirty_add(d, "", "x");
    ns[63] = 's';
    ck_assert_int_eq(sa_dirty_add(d, ns, "x"), SA_DIRTY_COLLAPSED);
    name[253] = 'n';
    ck_assert_int_eq(sa_dirty_add(d, "", name), SA_DIRTY_COLLAPSED);
    ck_assert(!sa_dirty_has(d, "", name) && !sa_dirty_remove(d, "", name));
    sa_dirty_free(d);
}
END_TEST

START_TEST(many_keys)
{
    struct sa_dirty *d = sa_dirty_new(5000);
    char text[20], ns[64], name[254];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "name-%d", i);
        ck_assert_int_eq(sa_dirty_add(d, i % 2 ? "odd" : "even", text), SA_DIRTY_ADDED);
    }
    for (int i = 0; i < 5000; i += 3) {
        snprintf(text, sizeof(text), "name-%d", i);
        ck_assert(!sa_dirty_remove(d, i % 2 ? "even" : "odd", text));
        ck_assert(sa_dirty_remove(d, i % 2 ? "odd" : "even", text));
    }
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "name-%d", i);
        ck_assert_int_eq(sa_dirty_has(d, i % 2 ? "odd" : "even", text), i % 3 != 0);
        if (i % 3 != 0) {
            ck_assert(pop(d, ns, name));
            ck_assert_str_eq(name, text);
        }
    }
    ck_assert_uint_eq(sa_dirty_count(d), 0);
    sa_dirty_add(d, "", "x");
    sa_dirty_clear(d);
    ck_assert_uint_eq(sa_dirty_count(d), 0);
    sa_dirty_free(d);
}
END_TEST

START_TEST(a_key_that_waits_does_not_hold_up_the_others)
{
    struct sa_dirty *d = sa_dirty_new(10);
    char ns[64], name[254];
    unsigned tries = 9;
    ck_assert_uint_eq(sa_dirty_due(d), UINT64_MAX);
    sa_dirty_put_off(d, "", "nobody", 500, 1);
    sa_dirty_add(d, "", "slow");
    sa_dirty_add(d, "", "slower");
    sa_dirty_add(d, "", "other");
    sa_dirty_put_off(d, "", "slower", 900, 300);
    sa_dirty_put_off(d, "", "slow", 500, 2);
    ck_assert_uint_eq(sa_dirty_due(d), 500);
    ck_assert_uint_eq(sa_dirty_count(d), 3);
    ck_assert(sa_dirty_has(d, "", "slow"));
    ck_assert(sa_dirty_pop(d, 100, ns, name, &tries));
    ck_assert_str_eq(name, "other");
    ck_assert_uint_eq(tries, 0);
    ck_assert(!pop_at(d, 499, ns, name));
    /* a change of it is no reason to try sooner */
    ck_assert_int_eq(sa_dirty_add(d, "", "slow"), SA_DIRTY_WAS_THERE);
    ck_assert(!pop_at(d, 499, ns, name));
    ck_assert(sa_dirty_pop(d, 500, ns, name, &tries));
    ck_assert_str_eq(name, "slow");
    ck_assert_uint_eq(tries, 2);
    ck_assert_uint_eq(sa_dirty_due(d), 900);
    sa_dirty_due_now(d);
    ck_assert_uint_eq(sa_dirty_due(d), UINT64_MAX);
    ck_assert(sa_dirty_pop(d, 500, ns, name, &tries));
    ck_assert_uint_eq(tries, 255);
    /* the last one gives memory back, and nothing waits in what comes next */
    sa_dirty_add(d, "", "x");
    sa_dirty_put_off(d, "", "x", 2000, 1);
    ck_assert(sa_dirty_remove(d, "", "x"));
    ck_assert_uint_eq(sa_dirty_due(d), UINT64_MAX);
    sa_dirty_add(d, "", "x");
    ck_assert(pop_at(d, 1000, ns, name));
    sa_dirty_add(d, "", "y");
    sa_dirty_put_off(d, "", "y", 2000, 1);
    sa_dirty_free(d);
}
END_TEST

START_TEST(what_was_there_before_the_mark)
{
    struct sa_dirty *d = sa_dirty_new(100);
    char ns[64], name[254], text[16];
    ck_assert(!sa_dirty_pop_marked(d, ns, name));
    for (int i = 0; i < 40; i++) {
        snprintf(text, sizeof text, "k%d", i);
        sa_dirty_add(d, "n", text);
    }
    ck_assert(!sa_dirty_pop_marked(d, ns, name));
    sa_dirty_put_off(d, "n", "k7", 500, 1);
    sa_dirty_mark(d);
    sa_dirty_add(d, "n", "new");
    sa_dirty_add(d, "n", "k3"); /* again */
    sa_dirty_remove(d, "n", "k4");
    sa_dirty_remove(d, "n", "k5");
    sa_dirty_add(d, "n", "k5");
    for (int i = 0; i < 37; i++) {
        ck_assert(sa_dirty_pop_marked(d, ns, name));
        ck_assert_str_eq(ns, "n");
        ck_assert_str_ne(name, "new");
        sa_dirty_add(d, "n", "later");
    }
    ck_assert(!sa_dirty_pop_marked(d, ns, name));
    ck_assert(sa_dirty_has(d, "n", "k3") && sa_dirty_has(d, "n", "k5"));
    ck_assert_uint_eq(sa_dirty_count(d), 4);
    sa_dirty_clear(d);
    sa_dirty_add(d, "n", "x");
    ck_assert(!sa_dirty_pop_marked(d, ns, name));
    sa_dirty_free(d);
}
END_TEST

TCase *worker_bytes_dirty_cases(void)
{
    TCase *t = tcase_create("dirty");
    tcase_add_test(t, a_set_in_order_of_arrival);
    tcase_add_test(t, namespace_and_name_do_not_run_together);
    tcase_add_test(t, past_its_bound_it_collapses);
    tcase_add_test(t, the_longest_names_pass_and_longer_ones_collapse);
    tcase_add_test(t, many_keys);
    tcase_add_test(t, a_key_that_waits_does_not_hold_up_the_others);
    tcase_add_test(t, what_was_there_before_the_mark);
    return t;
}
