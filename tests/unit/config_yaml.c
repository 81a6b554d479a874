/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML tree: what it takes, where it says things are, and what it refuses. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/yaml.h"

static struct sa_yaml *parsed(const char *text)
{
    struct sa_yaml *root = NULL;
    struct sa_err *err = NULL;
    ck_assert_msg(sa_yaml_parse(text, strlen(text), "t.yml", NULL, &root, NULL, &err) == 0, "%s",
                  sa_err_msg(err));
    return root;
}

/* Parses bytes that must be refused; the message must contain want. */
static void refused_bytes(const char *p, size_t n, const char *want)
{
    struct sa_yaml *root = NULL;
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    ck_assert_int_eq(sa_yaml_parse(p, n, "t.yml", NULL, &root, NULL, &err), -1);
    ck_assert_ptr_null(root);
    ck_assert_msg(strstr(sa_err_msg(err), want) != NULL, "got \"%s\", want \"%s\"", sa_err_msg(err),
                  want);
}

static void refused(const char *text, const char *want)
{
    refused_bytes(text, strlen(text), want);
}

START_TEST(reads_maps_lists_and_scalars)
{
    struct sa_yaml *root = parsed("a: 1\nb:\n  - x\n  - 'y'\nc: {d: true}\n");
    ck_assert_int_eq(root->kind, SA_YAML_MAP);
    ck_assert_uint_eq(root->n, 3);
    int64_t i = 0;
    ck_assert_int_eq(sa_yaml_int(sa_yaml_get(root, "a"), &i), 0);
    ck_assert_int_eq(i, 1);
    const struct sa_yaml *b = sa_yaml_get(root, "b");
    ck_assert_int_eq(b->kind, SA_YAML_SEQUENCE);
    ck_assert_uint_eq(b->n, 2);
    ck_assert_str_eq(sa_yaml_text(b->items[1]), "y");
    ck_assert(b->items[1]->quoted && !b->items[0]->quoted);
    bool d = false;
    ck_assert_int_eq(sa_yaml_bool(sa_yaml_get(sa_yaml_get(root, "c"), "d"), &d), 0);
    ck_assert(d);
    ck_assert_ptr_null(sa_yaml_get(root, "e"));
    ck_assert_ptr_null(sa_yaml_get(b, "e"));
    ck_assert_ptr_null(sa_yaml_get(NULL, "e"));
    sa_yaml_free(root);
}
END_TEST

START_TEST(knows_places)
{
    struct sa_yaml *root = parsed("# c\na:\n  bc:   word\n");
    const struct sa_yaml *n = sa_yaml_get(sa_yaml_get(root, "a"), "bc");
    ck_assert_uint_eq(n->line, 3);
    ck_assert_uint_eq(n->column, 9);
    ck_assert_str_eq(n->name, "t.yml");
    sa_yaml_free(root);
}
END_TEST

START_TEST(tells_null_from_text)
{
    struct sa_yaml *root = parsed("[ ~, null, '', 'null', !!str null, x, {}]");
    const bool want[] = {true, true, false, false, false, false, false};
    for (size_t i = 0; i < root->n; i++)
        ck_assert_msg(sa_yaml_is_null(root->items[i]) == want[i], "item %zu", i);
    ck_assert_str_eq(sa_yaml_text(root->items[2]), "");
    ck_assert_ptr_null(sa_yaml_text(root->items[0]));
    ck_assert_ptr_null(sa_yaml_text(root->items[6]));
    sa_yaml_free(root);
}
END_TEST

START_TEST(numbers_and_booleans_are_strict)
{
    struct sa_yaml *root = parsed(
        "[ 9223372036854775807, 9223372036854775808, '7', 0x10, 1.5, +3, -, yes, 'yes', maybe]");
    const int want_int[] = {0, -1, -1, -1, -1, 0, -1, -1, -1, -1};
    const int want_bool[] = {-1, -1, -1, -1, -1, -1, -1, 0, -1, -1};
    for (size_t i = 0; i < root->n; i++) {
        int64_t v;
        bool b;
        ck_assert_msg(sa_yaml_int(root->items[i], &v) == want_int[i], "int of item %zu", i);
        ck_assert_msg(sa_yaml_bool(root->items[i], &b) == want_bool[i], "bool of item %zu", i);
    }
    sa_yaml_free(root);
}
END_TEST

START_TEST(empty_files_have_no_root)
{
    const char *const empty[] = {"", "\n\n", "# only a comment\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        ck_assert_ptr_null(parsed(empty[i]));
    struct sa_yaml *root = parsed("\xef\xbb\xbf"
                                  "a: 1");
    ck_assert_ptr_nonnull(sa_yaml_get(root, "a"));
    sa_yaml_free(root);
}
END_TEST

START_TEST(aliases_are_copies)
{
    struct sa_yaml *root = parsed("a: &x {k: [1, 2]}\nb: *x\nc: *x\n");
    const struct sa_yaml *b = sa_yaml_get(root, "b"), *c = sa_yaml_get(root, "c");
    ck_assert_ptr_ne(b, c);
    ck_assert_uint_eq(sa_yaml_get(c, "k")->n, 2);
    sa_yaml_free(root);
}
END_TEST

START_TEST(merge_keys_fill_in)
{
    struct sa_yaml *root = parsed("p: &p {a: 1, b: 1}\nq: &q {b: 2, c: 2, d: 2}\n"
                                  "one: &one\n  <<: *p\n  a: own\n"
                                  "two:\n  <<: [*p, *q]\n  d: own\n"
                                  "three:\n  <<: *one\n");
    const struct sa_yaml *one = sa_yaml_get(root, "one"), *two = sa_yaml_get(root, "two");
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(one, "a")), "own");
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(one, "b")), "1");
    ck_assert_ptr_null(sa_yaml_get(one, "<<"));
    ck_assert_uint_eq(one->n, 2);
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(two, "b")), "1");
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(two, "c")), "2");
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(two, "d")), "own");
    ck_assert_uint_eq(two->n, 4);
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(sa_yaml_get(root, "three"), "a")), "own");
    sa_yaml_free(root);
    refused("a:\n  <<: 3\n", "t.yml:2:3: a merge key");
}
END_TEST

START_TEST(refuses_what_is_not_plain)
{
    refused("a: 1\nb: 2\na: 3\n", "t.yml:3:1: the key \"a\" is there twice, first in line 1");
    refused("a: 1\n---\nb: 2\n", "t.yml:2:1: a second document");
    refused("? [a]\n: b\n", "t.yml:1:3: a key must be a word");
    refused("a: *x\n", "t.yml:1:4: an alias names an anchor that is not complete");
    refused("a: &a [*a]\n", "not complete before it");
    refused("a:\n\t- b\n", "t.yml:2:1: not YAML");
    refused("a: [1, 2\n", "not YAML");
    refused("a: 'open\n", "not YAML");
    refused("%YAML 3.0\n---\na: 1\n", "not YAML");
}
END_TEST

START_TEST(refuses_foreign_bytes)
{
    refused("ok: 1\na: \xff\xfe\n", "t.yml:2:4: ");
    refused("a: \xc0\xaf\n", "t.yml:1:4: ");
    refused("a: \xed\xa0\x80\n", "t.yml:1:4: ");
    refused("a: \x01\n", "control characters");
    refused_bytes("a: b\0c\n", 7, "control characters");
    refused("a: \"x\\0y\"\n", "a value holds a NUL character");
    refused_bytes("\xff\xfe"
                  "a\0:\0 \0b\0",
                  10, "t.yml:1:1: ");
}
END_TEST

START_TEST(bounds_hold)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    for (int i = 0; i < 65; i++)
        sa_buf_addc(&b, '[');
    refused(b.data, "nested too deeply");
    sa_buf_reset(&b);
    /* a bomb: nine levels of nine aliases each */
    sa_buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 9; i++)
        sa_buf_addf(&b, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                    i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    refused(b.data, "too many values");
    sa_buf_reset(&b);
    /* the same by length: a long text, many times */
    sa_buf_adds(&b, "a: &a ");
    for (int i = 0; i < 100000; i++)
        sa_buf_addc(&b, 'x');
    sa_buf_adds(&b, "\nb: [");
    for (int i = 0; i < 1000; i++)
        sa_buf_adds(&b, "*a ,");
    sa_buf_adds(&b, "]\n");
    refused(b.data, "too long in all");
    sa_buf_reset(&b);
    /* nesting by aliases, each level shallow in the file */
    sa_buf_adds(&b, "a0: &a0 [x]\n");
    for (int i = 1; i < 80; i++)
        sa_buf_addf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    refused(b.data, "nested too deeply");
    sa_buf_reset(&b);
    for (int i = 0; i < 1001; i++)
        sa_buf_addf(&b, "k%d: &a%d x\n", i, i);
    refused(b.data, "more than 1000 anchors");
    sa_buf_reset(&b);
    for (size_t i = 0; i < ((size_t)4 << 20) + 1; i++)
        sa_buf_addc(&b, '#');
    refused(b.data, "t.yml:0:0: the file is too large");
    sa_buf_free(&b);
}
END_TEST

START_TEST(many_keys_stay_fast_and_found)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    for (int i = 0; i < 60000; i++)
        sa_buf_addf(&b, "k%d: %d\n", i, i);
    struct sa_yaml *root = parsed(b.data);
    for (int i = 0; i < 60000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        int64_t v = -1;
        ck_assert_int_eq(sa_yaml_int(sa_yaml_get(root, key), &v), 0);
        ck_assert_int_eq(v, i);
    }
    sa_yaml_free(root);
    sa_buf_free(&b);
}
END_TEST

START_TEST(place_is_told_apart)
{
    struct sa_yaml *root = NULL;
    struct sa_yaml_at at = {0, 0};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    ck_assert_int_eq(sa_yaml_parse("a: 1\na: 2\n", 10, "t.yml", NULL, &root, &at, &err), -1);
    ck_assert_uint_eq(at.line, 2);
    ck_assert_uint_eq(at.column, 1);
    ck_assert_ptr_eq(strstr(sa_err_msg(err), "the key"), sa_err_msg(err));
}
END_TEST

START_TEST(trees_can_be_changed)
{
    struct sa_yaml *root = parsed("c: 3\na: 1\nb: 2\n");
    ck_assert_int_eq(sa_yaml_put(root, sa_yaml_new_scalar(root, "aa", 2), sa_yaml_new_map(root)),
                     0);
    ck_assert_int_eq(
        sa_yaml_put(root, sa_yaml_new_scalar(root, "b", 1), sa_yaml_new_scalar(root, "x", 1)), 0);
    ck_assert_uint_eq(root->n, 4);
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(root, "b")), "x");
    ck_assert_int_eq(sa_yaml_get(root, "aa")->kind, SA_YAML_MAP);
    sa_yaml_free(sa_yaml_take(root, 0));
    ck_assert_ptr_null(sa_yaml_get(root, "c"));
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(root, "a")), "1");
    ck_assert_str_eq(sa_yaml_text(sa_yaml_get(root, "b")), "x");
    struct sa_yaml *list = sa_yaml_new_sequence(root);
    ck_assert_int_eq(sa_yaml_append(list, sa_yaml_take(root, 0)), 0);
    ck_assert_uint_eq(list->n, 1);
    ck_assert_uint_eq(root->n, 2);
    sa_yaml_free(list);
    sa_yaml_free(root);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config_yaml");
    TCase *t = tcase_create("yaml");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, reads_maps_lists_and_scalars);
    tcase_add_test(t, knows_places);
    tcase_add_test(t, tells_null_from_text);
    tcase_add_test(t, numbers_and_booleans_are_strict);
    tcase_add_test(t, empty_files_have_no_root);
    tcase_add_test(t, aliases_are_copies);
    tcase_add_test(t, merge_keys_fill_in);
    tcase_add_test(t, refuses_what_is_not_plain);
    tcase_add_test(t, refuses_foreign_bytes);
    tcase_add_test(t, bounds_hold);
    tcase_add_test(t, many_keys_stay_fast_and_found);
    tcase_add_test(t, place_is_told_apart);
    tcase_add_test(t, trees_can_be_changed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
