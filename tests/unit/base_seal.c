/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed files: one key opens them, no other does, and no bit of them may change. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/seal.h"

struct pair {
    struct sa_buf secret, public;
};

static struct pair make(void)
{
    struct pair p;
    sa_buf_init(&p.secret, 0);
    sa_buf_init(&p.public, 0);
    ck_assert_int_eq(sa_seal_make_key(&p.secret, &p.public, NULL), 0);
    return p;
}

static void unmake(struct pair *p)
{
    sa_buf_free(&p->secret);
    sa_buf_free(&p->public);
}

static struct sa_buf seal(const struct pair *p, const char *text)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    ck_assert_int_eq(sa_seal(p->public.data, p->public.len, text, strlen(text), &b, NULL), 0);
    return b;
}

static int open_with(const struct pair *p, const struct sa_buf *sealed, char *out, size_t *n,
                     struct sa_err **err)
{
    return sa_seal_open(p->secret.data, p->secret.len, sealed->data, sealed->len, out, n, err);
}

START_TEST(what_was_sealed_is_opened)
{
    char text[5000], out[20000];
    struct pair p = make();
    memset(text, 'k', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    for (size_t length = 0; length < sizeof(text); length += 311) {
        size_t n = 0;
        struct sa_buf b = seal(&p, text + sizeof(text) - 1 - length);
        ck_assert(sa_seal_is(b.data, b.len));
        ck_assert_ptr_null(strstr(b.data, "kkkkkkkk"));
        ck_assert_int_eq(open_with(&p, &b, out, &n, NULL), 0);
        ck_assert_uint_eq(n, length);
        ck_assert_int_eq(memcmp(out, text, n), 0);
        sa_buf_free(&b);
    }
    ck_assert(!sa_seal_is("apiVersion: v1\n", 15));
    ck_assert(!sa_seal_is("", 0));
    unmake(&p);
}
END_TEST

START_TEST(no_other_key_opens_it)
{
    SA_CLEANUP(sa_err_free) struct sa_err *e = NULL;
    char out[500];
    size_t n;
    struct pair p = make(), other = make();
    struct sa_buf b = seal(&p, "token");
    ck_assert_int_eq(open_with(&other, &b, out, &n, &e), -1);
    ck_assert_int_eq(e->code, SA_ECREDENTIAL);
    ck_assert_ptr_nonnull(strstr(e->msg, "sealed for another key ("));
    ck_assert_int_eq(sa_seal_open(p.public.data, p.public.len, b.data, b.len, out, &n, &e), -1);
    ck_assert_ptr_nonnull(strstr(e->msg, "not one of seal --init"));
    ck_assert_int_eq(sa_seal(p.secret.data, p.secret.len, "x", 1, &b, &e), -1);
    ck_assert_ptr_nonnull(strstr(e->msg, "not the public half"));
    sa_buf_free(&b);
    unmake(&p);
    unmake(&other);
}
END_TEST

START_TEST(no_byte_of_it_may_change)
{
    char out[500];
    size_t n, opened = 0;
    struct pair p = make();
    struct sa_buf b = seal(&p, "a token that nobody is to read");
    for (size_t i = 0; i < b.len; i++) {
        char was = b.data[i];
        b.data[i] = was == 'A' ? 'B' : 'A';
        /* The mark of the key is for people alone. */
        bool mark = i > strlen(SA_SEAL_MAGIC) && i <= strlen(SA_SEAL_MAGIC) + 8;
        if (open_with(&p, &b, out, &n, NULL) == 0 && !mark)
            opened++;
        b.data[i] = was;
    }
    ck_assert_uint_eq(opened, 0);
    for (size_t length = 0; length + 1 < b.len; length++)
        ck_assert_int_eq(sa_seal_open(p.secret.data, p.secret.len, b.data, length, out, &n, NULL),
                         -1);
    sa_buf_free(&b);
    unmake(&p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base_seal");
    TCase *t = tcase_create("seal");
    tcase_add_test(t, what_was_sealed_is_opened);
    tcase_add_test(t, no_other_key_opens_it);
    tcase_add_test(t, no_byte_of_it_may_change);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
