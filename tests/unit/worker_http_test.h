/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of the HTTP client and the credentials. */
#ifndef SA_TESTS_WORKER_HTTP_TEST_H
#define SA_TESTS_WORKER_HTTP_TEST_H

#include <check.h>
#include <stdbool.h>

#include "config/settings.h"

TCase *worker_http_kubeconfig(void);
TCase *worker_http_endpoint(void);
TCase *worker_http_credential(void);
TCase *worker_http_seal(void);
TCase *worker_http_exec(void);
TCase *worker_http_vault(void);
TCase *worker_http_helper(void);
TCase *worker_http_client(void);
TCase *worker_http_faults(void);

/* Directory of the run, with the certificates of worker_http_certs.sh in it. */
const char *test_dir(void);
/* "DIR/name"; a few results stay valid at a time. */
const char *test_path(const char *name);
void test_write(const char *name, const char *text);

/* Valgrind makes system calls of its own in a sandboxed process, which ends it. */
bool test_under_valgrind(void);

/* Port of the server h2echo by its name ("tls", "h1", ...), 0 if it is not there. */
int test_port(const char *name);

/* Writes a kubeconfig for a server with the given lines of YAML in cluster and user (each indented
 * by four blanks, with line ends), and returns an account that uses it; its strings are static. */
struct sa_account test_account(const char *server, const char *cluster, const char *user);

#define ASSERT_CONTAINS(text, part)                                                                \
    ck_assert_msg(strstr((text), (part)) != NULL, "\"%s\" is not in \"%s\"", (part), (text))

#endif
