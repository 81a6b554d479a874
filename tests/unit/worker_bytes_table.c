/* SPDX-License-Identifier: Apache-2.0 */
/* The table's rules, one by one. worker_bytes_model.c tries them at random. */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <string.h>

#include "worker/table.h"

static struct sa_table *t;

static void setup(void)
{
    t = sa_table_new();
    ck_assert_ptr_nonnull(t);
}

static void teardown(void)
{
    sa_table_free(t);
}

static struct sa_hash128 key(uint32_t scope, const char *name)
{
    return sa_table_key(scope, "ns", name);
}

static struct sa_digest digest(uint8_t n)
{
    struct sa_digest d;
    memset(d.b, n, sizeof(d.b));
    return d;
}

static enum sa_put put(const char *name, uint32_t uid, uint64_t version, uint8_t d)
{
    struct sa_digest dd = digest(d);
    return sa_table_put(t, 1, key(1, name), uid, version, &dd);
}

static enum sa_removed del(const char *name, uint64_t version)
{
    return sa_table_remove(t, 1, key(1, name), version);
}

/* Version of what is known, -1 if nothing is. */
static long long known(const char *name)
{
    struct sa_known k;
    return sa_table_get(t, key(1, name), &k) ? (long long)k.version : -1;
}

static uint64_t count(void)
{
    return sa_table_scope_sum(t, 1).count;
}

START_TEST(keys_differ)
{
    struct sa_hash128 a = sa_table_key(1, "a", "b");
    struct sa_hash128 others[] = {sa_table_key(2, "a", "b"), sa_table_key(1, "", "ab"),
                                  sa_table_key(1, "ab", ""), sa_table_key(1, "a", "c"),
                                  sa_table_key(1, "b", "a")};
    struct sa_hash128 again = sa_table_key(1, "a", "b");
    ck_assert(a.a == again.a && a.b == again.b);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        ck_assert(a.a != others[i].a && a.b != others[i].b);
    }
    /* Longer than names may be. */
    char x[400], y[400];
    memset(x, 'x', sizeof(x) - 1);
    x[sizeof(x) - 1] = '\0';
    memcpy(y, x, sizeof(x));
    y[398] = 'y';
    ck_assert(sa_table_key(1, "", x).a != sa_table_key(1, "", y).a);
    ck_assert(sa_table_key(1, x, "").a != sa_table_key(1, y, "").a);
    ck_assert(sa_table_key(1, x, "").a == sa_table_key(1, x, "").a);
}
END_TEST

START_TEST(put_tells_new_changed_same)
{
    ck_assert_int_eq(put("a", 1, 5, 1), SA_PUT_NEW);
    ck_assert_int_eq(put("a", 1, 6, 1), SA_PUT_SAME);
    ck_assert_int_eq(known("a"), 6);
    ck_assert_int_eq(put("a", 1, 7, 2), SA_PUT_CHANGED);
    ck_assert_int_eq(put("a", 1, 7, 3), SA_PUT_CHANGED); /* other settings, same version */
    ck_assert_int_eq(put("a", 1, 7, 3), SA_PUT_SAME);
    ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(a_lower_version_never_replaces)
{
    put("a", 1, 5, 1);
    ck_assert_int_eq(put("a", 1, 4, 2), SA_PUT_STALE);
    ck_assert_int_eq(put("a", 2, 4, 2), SA_PUT_STALE); /* an older object of that name */
    ck_assert_int_eq(put("a", 1, 0, 2), SA_PUT_STALE);
    struct sa_known k;
    ck_assert(sa_table_get(t, key(1, "a"), &k));
    ck_assert_uint_eq(k.version, 5);
    ck_assert_int_eq(k.digest.b[0], 1);
}
END_TEST

START_TEST(recreated_with_a_new_uid)
{
    put("a", 1, 5, 1);
    ck_assert_int_eq(put("a", 2, 6, 2), SA_PUT_CHANGED);
    ck_assert_int_eq(put("a", 3, 7, 2), SA_PUT_SAME);
    struct sa_known k;
    ck_assert(sa_table_get(t, key(1, "a"), &k));
    ck_assert_uint_eq(k.uid_hash, 3);
    ck_assert_int_eq(del("a", 5), SA_REMOVED_STALE); /* the deletion of the former one */
    ck_assert_int_eq(known("a"), 7);
}
END_TEST

START_TEST(remove_tells_what_was)
{
    put("a", 1, 5, 1);
    ck_assert_int_eq(del("b", 9), SA_REMOVED_ABSENT);
    ck_assert_int_eq(del("a", 4), SA_REMOVED_STALE);
    ck_assert_int_eq(known("a"), 5);
    ck_assert_int_eq(del("a", 6), SA_REMOVED);
    ck_assert_int_eq(known("a"), -1);
    ck_assert_int_eq(del("a", 6), SA_REMOVED_ABSENT);
    put("a", 1, 5, 1);
    ck_assert_int_eq(del("a", 0), SA_REMOVED); /* unknown version: taken */
    ck_assert_uint_eq(count(), 0);
    ck_assert_uint_eq(sa_table_count(t), 0);
}
END_TEST

START_TEST(scopes_are_apart)
{
    struct sa_digest d = digest(1);
    put("a", 1, 5, 1);
    ck_assert_int_eq(sa_table_put(t, 7, key(7, "a"), 1, 3, &d), SA_PUT_NEW);
    ck_assert_uint_eq(count(), 1);
    ck_assert_uint_eq(sa_table_scope_sum(t, 7).count, 1);
    ck_assert_uint_eq(sa_table_scope_sum(t, 99).count, 0);
    ck_assert_uint_eq(sa_table_count(t), 2);
    sa_table_list_begin(t, 7);
    ck_assert_uint_eq(sa_table_list_end(t, 7), 1);
    ck_assert_int_eq(known("a"), 5);
    sa_table_drop_scope(t, 1);
    ck_assert_uint_eq(sa_table_count(t), 0);
}
END_TEST

START_TEST(a_list_sweeps_what_it_did_not_name)
{
    put("named", 1, 5, 1);
    put("unnamed", 2, 5, 2);
    put("older-in-list", 3, 9, 3);
    sa_table_list_begin(t, 1);
    ck_assert_int_eq(put("named", 1, 5, 1), SA_PUT_SAME);
    ck_assert_int_eq(put("older-in-list", 3, 8, 4), SA_PUT_STALE);
    ck_assert_int_eq(put("new", 4, 6, 5), SA_PUT_NEW);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 1);
    ck_assert_int_eq(known("unnamed"), -1);
    ck_assert_int_eq(known("named"), 5);
    ck_assert_int_eq(known("older-in-list"), 9);
    ck_assert_int_eq(known("new"), 6);
    ck_assert_uint_eq(count(), 3);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0); /* no list is under way */
    ck_assert_uint_eq(count(), 3);
}
END_TEST

START_TEST(a_list_brings_nothing_removed_back)
{
    put("a", 1, 5, 1);
    put("b", 2, 5, 2);
    sa_table_list_begin(t, 1);
    ck_assert_int_eq(del("a", 8), SA_REMOVED);
    ck_assert_int_eq(known("a"), -1);
    ck_assert_uint_eq(count(), 1);
    ck_assert_int_eq(del("a", 8), SA_REMOVED_ABSENT);
    ck_assert_int_eq(put("a", 1, 6, 1), SA_PUT_STALE); /* the page is older */
    ck_assert_int_eq(put("a", 1, 8, 1), SA_PUT_STALE);
    ck_assert_int_eq(put("b", 2, 5, 2), SA_PUT_SAME);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_uint_eq(count(), 1);
    ck_assert_int_eq(put("a", 1, 6, 1), SA_PUT_NEW); /* the tombstone went with the list */
}
END_TEST

START_TEST(what_is_created_again_during_a_list_stays)
{
    put("a", 1, 5, 1);
    sa_table_list_begin(t, 1);
    del("a", 8);
    ck_assert_int_eq(put("a", 2, 9, 3), SA_PUT_NEW);
    ck_assert_int_eq(put("a", 1, 5, 1), SA_PUT_STALE); /* the page with the former one */
    ck_assert_int_eq(known("a"), 9);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_int_eq(known("a"), 9);
    /* The same for an object that a filter let go and took again. */
    sa_table_list_begin(t, 1);
    del("a", 10);
    ck_assert_int_eq(put("a", 2, 11, 3), SA_PUT_NEW);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_int_eq(known("a"), 11);
}
END_TEST

START_TEST(removed_during_a_list_before_it_was_known)
{
    sa_table_list_begin(t, 1);
    ck_assert_int_eq(del("a", 8), SA_REMOVED_ABSENT);
    ck_assert_uint_eq(count(), 0);
    ck_assert_uint_eq(sa_table_count(t), 0);
    ck_assert_int_eq(put("a", 1, 6, 1), SA_PUT_STALE);
    ck_assert_int_eq(del("a", 12), SA_REMOVED_ABSENT);
    ck_assert_int_eq(put("a", 1, 10, 1), SA_PUT_STALE);
    ck_assert_int_eq(put("a", 1, 13, 1), SA_PUT_NEW);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_uint_eq(count(), 1);
}
END_TEST

START_TEST(found_gone_during_a_list)
{
    /* A read that said 404 knows no version: that uid is gone for good. */
    put("a", 1, 5, 1);
    sa_table_list_begin(t, 1);
    ck_assert_int_eq(del("a", 0), SA_REMOVED);
    ck_assert_int_eq(put("a", 1, 99, 1), SA_PUT_STALE);
    ck_assert_int_eq(put("a", 2, 4, 1), SA_PUT_STALE); /* older than what was known */
    ck_assert_int_eq(put("a", 2, 7, 1), SA_PUT_NEW);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_int_eq(known("a"), 7);
}
END_TEST

START_TEST(written_during_a_list_is_not_swept)
{
    put("a", 1, 5, 1);
    sa_table_list_begin(t, 1);
    put("a", 1, 6, 2); /* by a watch or a read */
    put("b", 2, 7, 3);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_uint_eq(count(), 2);
}
END_TEST

START_TEST(a_list_that_is_broken_off_sweeps_nothing)
{
    put("a", 1, 5, 1);
    put("b", 2, 5, 1);
    sa_table_list_begin(t, 1);
    put("a", 1, 5, 1);
    del("b", 6);
    put("c", 3, 7, 1);
    sa_table_list_cancel(t, 1);
    ck_assert_uint_eq(count(), 2);
    ck_assert_int_eq(put("b", 2, 5, 1), SA_PUT_NEW); /* no tombstone is left */
    /* The marks are whole again: the next list sweeps what it does not name, and nothing else. */
    sa_table_list_begin(t, 1);
    put("a", 1, 5, 1);
    put("b", 2, 5, 1);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 1);
    ck_assert_int_eq(known("c"), -1);
    ck_assert_uint_eq(count(), 2);
    sa_table_list_cancel(t, 1); /* none is under way */
    sa_table_list_cancel(t, 99);
    ck_assert_uint_eq(count(), 2);
}
END_TEST

START_TEST(begin_again_cancels)
{
    put("a", 1, 5, 1);
    put("b", 2, 5, 1);
    sa_table_list_begin(t, 1);
    put("a", 1, 5, 1);
    del("b", 6);
    sa_table_list_begin(t, 1);
    ck_assert_int_eq(put("b", 2, 5, 1), SA_PUT_NEW);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 1); /* a was named by the first list only */
    ck_assert_int_eq(known("a"), -1);
    ck_assert_int_eq(known("b"), 5);
}
END_TEST

START_TEST(lists_follow_each_other)
{
    for (int i = 0; i < 5; i++) {
        put("stays", 1, 5, 1);
        put("goes", 2, 5, 1);
        sa_table_list_begin(t, 1);
        put("stays", 1, 5, 1);
        ck_assert_uint_eq(sa_table_list_end(t, 1), 1);
        ck_assert_uint_eq(count(), 1);
    }
}
END_TEST

START_TEST(versions_are_reset_after_a_restore)
{
    put("a", 1, 50, 1);
    put("b", 2, 60, 2);
    put("c", 3, 70, 3);
    sa_table_list_begin(t, 1);
    put("a", 1, 50, 1);
    del("c", 0);
    sa_table_reset_versions(t, 1);
    ck_assert_int_eq(known("a"), 0);
    ck_assert_int_eq(put("b", 2, 7, 4), SA_PUT_CHANGED);
    ck_assert_int_eq(put("c", 3, 7, 3), SA_PUT_NEW); /* a restore can bring a uid back */
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);   /* and forgets no mark */
    ck_assert_int_eq(del("b", 6), SA_REMOVED_STALE);
    sa_table_list_begin(t, 1);
    put("b", 2, 7, 4);
    sa_table_reset_versions(t, 1);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 2);
    sa_table_reset_versions(t, 99);
}
END_TEST

START_TEST(dropping_a_scope_forgets_its_list)
{
    put("a", 1, 5, 1);
    sa_table_list_begin(t, 1);
    del("a", 6);
    put("b", 1, 5, 1);
    sa_table_drop_scope(t, 1);
    ck_assert_uint_eq(count(), 0);
    struct sa_table_sum s = sa_table_scope_sum(t, 1);
    ck_assert(s.sum.lo == 0 && s.sum.hi == 0);
    ck_assert_int_eq(put("a", 1, 5, 1), SA_PUT_NEW);
    ck_assert_uint_eq(sa_table_list_end(t, 1), 0);
    ck_assert_uint_eq(count(), 1);
    sa_table_drop_scope(t, 99);
}
END_TEST

START_TEST(unknown_versions_follow_each_other)
{
    ck_assert_int_eq(put("a", 1, 0, 1), SA_PUT_NEW);
    ck_assert_int_eq(put("a", 1, 0, 2), SA_PUT_CHANGED);
    ck_assert_int_eq(del("a", 0), SA_REMOVED);
}
END_TEST

START_TEST(sums_do_not_know_the_order)
{
    char name[20];
    struct sa_table *u = sa_table_new();
    ck_assert_ptr_nonnull(u);
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        struct sa_digest d;
        memset(d.b, 0xf0 | (uint8_t)i, sizeof(d.b)); /* carries */
        sa_table_put(t, 1, key(1, name), 1, 1, &d);
        snprintf(name, sizeof(name), "n%u", 499 - i);
        memset(d.b, 0xf0 | (uint8_t)(499 - i), sizeof(d.b));
        sa_table_put(u, 1, key(1, name), 1, 1, &d);
    }
    struct sa_table_sum a = sa_table_scope_sum(t, 1), b = sa_table_scope_sum(u, 1);
    ck_assert_uint_eq(a.count, 500);
    ck_assert(a.sum.lo == b.sum.lo && a.sum.hi == b.sum.hi);
    ck_assert(a.sum.lo != 0);
    for (uint32_t i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        ck_assert_int_eq(sa_table_remove(t, 1, key(1, name), 0), SA_REMOVED);
    }
    a = sa_table_scope_sum(t, 1);
    ck_assert(a.count == 0 && a.sum.lo == 0 && a.sum.hi == 0);
    sa_table_free(u);
}
END_TEST

START_TEST(memory_follows_the_objects)
{
    char name[20];
    size_t empty = sa_table_memory(t), most = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        ck_assert_int_eq(put(name, i, 1, 1), SA_PUT_NEW);
        most = sa_table_memory(t);
        if (i >= 1000) {
            ck_assert_uint_le(most, ((size_t)i + 1) * 48 * 2); /* never twice what is needed */
        }
    }
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        ck_assert_int_eq(known(name), 1);
    }
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        ck_assert_int_eq(del(name, 1), SA_REMOVED);
        if (i == 15000) {
            ck_assert_uint_lt(sa_table_memory(t), most / 2);
        }
    }
    ck_assert_uint_le(sa_table_memory(t), empty + 4096);
}
END_TEST

START_TEST(a_wild_scope_number_is_refused)
{
    struct sa_digest d = digest(1);
    ck_assert_int_eq(sa_table_put(t, UINT32_MAX, key(1, "a"), 1, 1, &d), SA_PUT_NO_MEMORY);
    ck_assert_int_eq(sa_table_remove(t, UINT32_MAX, key(1, "a"), 1), SA_REMOVED_ABSENT);
    sa_table_list_begin(t, UINT32_MAX);
    ck_assert_uint_eq(sa_table_list_end(t, UINT32_MAX), 0);
}
END_TEST

TCase *worker_bytes_table_cases(void)
{
    TCase *c = tcase_create("table");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, keys_differ);
    tcase_add_test(c, put_tells_new_changed_same);
    tcase_add_test(c, a_lower_version_never_replaces);
    tcase_add_test(c, recreated_with_a_new_uid);
    tcase_add_test(c, remove_tells_what_was);
    tcase_add_test(c, scopes_are_apart);
    tcase_add_test(c, a_list_sweeps_what_it_did_not_name);
    tcase_add_test(c, a_list_brings_nothing_removed_back);
    tcase_add_test(c, what_is_created_again_during_a_list_stays);
    tcase_add_test(c, removed_during_a_list_before_it_was_known);
    tcase_add_test(c, found_gone_during_a_list);
    tcase_add_test(c, written_during_a_list_is_not_swept);
    tcase_add_test(c, a_list_that_is_broken_off_sweeps_nothing);
    tcase_add_test(c, begin_again_cancels);
    tcase_add_test(c, lists_follow_each_other);
    tcase_add_test(c, versions_are_reset_after_a_restore);
    tcase_add_test(c, dropping_a_scope_forgets_its_list);
    tcase_add_test(c, unknown_versions_follow_each_other);
    tcase_add_test(c, sums_do_not_know_the_order);
    tcase_add_test(c, memory_follows_the_objects);
    tcase_add_test(c, a_wild_scope_number_is_refused);
    return c;
}
