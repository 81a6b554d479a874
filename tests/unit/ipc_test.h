/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SA_TESTS_IPC_TEST_H
#define SA_TESTS_IPC_TEST_H

#include <check.h>

TCase *ipc_test_control(void);

#endif
