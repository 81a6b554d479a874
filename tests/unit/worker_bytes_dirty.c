/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <string.h>

#include "worker/dirty.h"

START_TEST(a_set_in_order_of_arrival)
{
    struct sa_dirty *d = sa_dirty_new(10);
    char ns[64], name[254];
    ck_assert(!sa_dirty_pop(d, ns, name));
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
    static const char *const order[][2] = {{"a", "1"}, {"b", "1"}, {"", "2"}};
    for (int i = 0; i < 3; i++) {
        ck_assert(sa_dirty_pop(d, ns, name));
        ck_assert_str_eq(ns, order[i][0]);
        ck_assert_str_eq(name, order[i][1]);
    }
    ck_assert(!sa_dirty_pop(d, ns, name));
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
    ck_assert(sa_dirty_pop(d, ns_out, name_out));
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
            ck_assert(sa_dirty_pop(d, ns, name));
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

TCase *worker_bytes_dirty_cases(void)
{
    TCase *t = tcase_create("dirty");
    tcase_add_test(t, a_set_in_order_of_arrival);
    tcase_add_test(t, namespace_and_name_do_not_run_together);
    tcase_add_test(t, past_its_bound_it_collapses);
    tcase_add_test(t, the_longest_names_pass_and_longer_ones_collapse);
    tcase_add_test(t, many_keys);
    return t;
}
