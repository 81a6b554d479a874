/* SPDX-License-Identifier: Apache-2.0 */
/* Variables that are wiped: gone for getenv(), and from memory. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/environment.h"
#include "base_test.h"

static char *variables[6];

/* A program's environment: strings one after the other, as the kernel lays them out. */
static void pretend(char *block, const char *const *v)
{
    size_t n = 0;
    for (; v[n] != NULL; n++) {
        variables[n] = block;
        block = stpcpy(block, v[n]) + 1;
    }
    variables[n] = NULL;
    environ = variables;
}

static const char *const mixed[] = {"A_TOKEN=one", "PATH=/bin",  "LC_ALL=C",
                                    "KEPT=two",    "KEPT_NOT=3", NULL};
static char block[128];

START_TEST(what_is_not_named_is_overwritten)
{
    static const char *const names[] = {"KEPT", "NOT_THERE", NULL};
    pretend(block, mixed);
    sa_env_keep(names);
    ck_assert_str_eq(getenv("PATH"), "/bin");
    ck_assert_str_eq(getenv("LC_ALL"), "C");
    ck_assert_str_eq(getenv("KEPT"), "two");
    ck_assert_ptr_null(getenv("A_TOKEN"));
    ck_assert_ptr_null(getenv("KEPT_NOT"));
    ck_assert_ptr_null(environ[3]);
    ck_assert_ptr_null(memmem(block, sizeof(block), "one", 3));
    ck_assert_ptr_null(memmem(block, sizeof(block), "A_TOKEN", 7));
    ck_assert_ptr_null(memmem(block, sizeof(block), "KEPT_NOT", 8));
    sa_env_keep(NULL);
    ck_assert_ptr_null(getenv("KEPT"));
    ck_assert_str_eq(getenv("PATH"), "/bin");
    ck_assert_ptr_null(memmem(block, sizeof(block), "two", 3));
}
END_TEST

START_TEST(a_star_stands_for_the_rest_of_a_name)
{
    static const char *const names[] = {"KEP*", "A_TOKEN_AND_MORE*", NULL};
    pretend(block, mixed);
    sa_env_keep(names);
    ck_assert_str_eq(getenv("KEPT"), "two");
    ck_assert_str_eq(getenv("KEPT_NOT"), "3");
    ck_assert_ptr_null(getenv("A_TOKEN"));
}
END_TEST

START_TEST(moved_variables_leave_nothing_behind)
{
    pretend(block, mixed);
    ck_assert_int_eq(sa_env_move(), 0);
    for (size_t i = 0; i < sizeof(block); i++)
        ck_assert_int_eq(block[i], 0);
    ck_assert_str_eq(getenv("A_TOKEN"), "one");
    ck_assert_str_eq(getenv("KEPT_NOT"), "3");
    const char *heap = getenv("A_TOKEN");
    sa_env_keep(NULL);
    ck_assert_ptr_null(getenv("A_TOKEN"));
    ck_assert_str_eq(heap, "");
}
END_TEST

START_TEST(moved_variables_are_in_no_core)
{
    char line[512];
    bool within = false, left_out = false;
    pretend(block, mixed);
    ck_assert_int_eq(sa_env_move(), 0);
    uintptr_t at = (uintptr_t)getenv("A_TOKEN");
    FILE *f = fopen("/proc/self/smaps", "re");
    while (fgets(line, sizeof(line), f) != NULL) {
        uintptr_t from, to;
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2)
            within = from <= at && at < to;
        else if (within && strncmp(line, "VmFlags:", 8) == 0)
            left_out = strstr(line, " dd") != NULL;
    }
    fclose(f);
    ck_assert(left_out);
}
END_TEST

START_TEST(no_environment_is_no_error)
{
    environ = NULL;
    sa_env_keep(NULL);
    ck_assert_int_eq(sa_env_move(), 0);
    ck_assert_ptr_null(environ[0]);
    sa_env_keep(NULL);
    ck_assert_ptr_null(environ[0]);
}
END_TEST

TCase *base_test_environment(void)
{
    TCase *t = tcase_create("environment");
    tcase_add_test(t, what_is_not_named_is_overwritten);
    tcase_add_test(t, a_star_stands_for_the_rest_of_a_name);
    tcase_add_test(t, moved_variables_leave_nothing_behind);
    tcase_add_test(t, moved_variables_are_in_no_core);
    tcase_add_test(t, no_environment_is_no_error);
    return t;
}
