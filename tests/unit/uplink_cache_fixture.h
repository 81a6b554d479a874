/* SPDX-License-Identifier: Apache-2.0 */
/* One embedded cache in a folder of its own, for the tests of its rules. */
#ifndef SA_TESTS_UPLINK_CACHE_FIXTURE_H
#define SA_TESTS_UPLINK_CACHE_FIXTURE_H

#include <check.h>

#include "uplink/sqlite_cache.h"
#include "uplink_messages.h"

extern char path[96]; /* of the file */
extern struct sa_cache cache;
extern Scaleagent__V1__AccountReply *last[8]; /* by handle: the last reply */
extern unsigned replies;
extern size_t welcomed, parts; /* scopes in the last Welcome, and its messages */

void open_cache(void);
void set_up(void);
void tear_down(void);
void accounts(const char *a, const char *b); /* handles 1 and 2; NULL: not there */
/* Both take m over. */
enum sa_cache_result give(uint32_t handle, struct fx m);
void ok(uint32_t handle, struct fx m);
void commit(void);
/* Opens an epoch with the scopes pods (1) and services (2), returns it. */
uint64_t open_account(uint32_t handle);
/* A delta of scope 1; object NULL: deleted. */
void put(uint32_t handle, uint64_t epoch, uint64_t sequence, const char *name, const char *object);
/* One number from the file, through a connection of its own: what is committed. */
int64_t query(const char *sql);
/* Every scope's count and sum against its rows. */
void check_sums(void);
/* The answer to Sums of account 1 over these objects. */
bool in_step(uint64_t epoch, uint32_t scope, uint64_t count, const char *const *objects);

/* uplink_cache_scopes.c */
TCase *uplink_cache_scopes_cases(void);

#endif
