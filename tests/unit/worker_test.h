/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SA_TESTS_WORKER_TEST_H
#define SA_TESTS_WORKER_TEST_H

#include <check.h>

TCase *worker_discovery_cases(void);
TCase *worker_kinds_cases(void);
TCase *worker_plan_cases(void);
TCase *worker_describe_cases(void);
TCase *worker_filter_cases(void);
TCase *worker_list_cases(void);
TCase *worker_watch_cases(void);
TCase *worker_session_cases(void);
TCase *worker_compare_cases(void);
TCase *worker_resolve_cases(void);
TCase *worker_races_cases(void);
TCase *worker_random_cases(void);
TCase *worker_fingerprint_cases(void);
TCase *worker_opening_cases(void);

#endif
