/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SA_TESTS_WORKER_BYTES_TEST_H
#define SA_TESTS_WORKER_BYTES_TEST_H

#include <check.h>

TCase *worker_bytes_json_cases(void);
TCase *worker_bytes_scrub_cases(void);
TCase *worker_bytes_secret_cases(void);
TCase *worker_bytes_redact_cases(void);
TCase *worker_bytes_event_cases(void);
TCase *worker_bytes_frame_cases(void);
TCase *worker_bytes_table_cases(void);
TCase *worker_bytes_model_cases(void);
TCase *worker_bytes_dirty_cases(void);

#endif
