/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SA_TESTS_BASE_TEST_H
#define SA_TESTS_BASE_TEST_H

#include <check.h>

TCase *base_test_buf(void);
TCase *base_test_hash(void);
TCase *base_test_loop(void);
TCase *base_test_log(void);
TCase *base_test_process(void);
TCase *base_test_environment(void);

#endif
