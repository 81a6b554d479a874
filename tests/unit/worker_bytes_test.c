/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_bytes_test.h"

#include <stdlib.h>

#include "base/hash.h"

int main(void)
{
    sa_hash_init();
    Suite *s = suite_create("worker_bytes");
    suite_add_tcase(s, worker_bytes_json_cases());
    suite_add_tcase(s, worker_bytes_scrub_cases());
    suite_add_tcase(s, worker_bytes_secret_cases());
    suite_add_tcase(s, worker_bytes_redact_cases());
    suite_add_tcase(s, worker_bytes_event_cases());
    suite_add_tcase(s, worker_bytes_frame_cases());
    suite_add_tcase(s, worker_bytes_table_cases());
    suite_add_tcase(s, worker_bytes_model_cases());
    suite_add_tcase(s, worker_bytes_dirty_cases());
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
