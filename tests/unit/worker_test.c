/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_test.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"

int main(void)
{
    sa_hash_init();
    sa_log_set_level(SA_FATAL);
    Suite *s = suite_create("worker");
    suite_add_tcase(s, worker_discovery_cases());
    suite_add_tcase(s, worker_kinds_cases());
    suite_add_tcase(s, worker_plan_cases());
    suite_add_tcase(s, worker_describe_cases());
    suite_add_tcase(s, worker_filter_cases());
    suite_add_tcase(s, worker_list_cases());
    suite_add_tcase(s, worker_watch_cases());
    suite_add_tcase(s, worker_session_cases());
    suite_add_tcase(s, worker_compare_cases());
    suite_add_tcase(s, worker_resolve_cases());
    suite_add_tcase(s, worker_races_cases());
    suite_add_tcase(s, worker_random_cases());
    suite_add_tcase(s, worker_fingerprint_cases());
    suite_add_tcase(s, worker_opening_cases());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
