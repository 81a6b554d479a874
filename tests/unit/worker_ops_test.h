/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of operations share: a worker with a made-up API server, and who asks it. */
#ifndef SA_TESTS_UNIT_WORKER_OPS_TEST_H
#define SA_TESTS_UNIT_WORKER_OPS_TEST_H

#include <check.h>

#include "worker_fake.h"

#define CODE(c) SCALEAGENT__V1__OPERATION_RESULT__CODE__##c

typedef Scaleagent__V1__Operation operation;
typedef Scaleagent__V1__OperationResult result;

extern struct fake *f; /* of the test that runs */
void set_up(void);
void tear_down(void);

/* Its id is 16 bytes of this value; a time limit of 0 is a minute. */
void ask(operation *m, uint8_t id);
/* The oldest result, which must be for this operation, with this code. To be freed. */
result *expect(uint8_t id, int code);
void expect_message(uint8_t id, int code, const char *words);

TCase *worker_ops_parts_cases(void);
TCase *worker_ops_verbs_cases(void);

#endif
