/* SPDX-License-Identifier: Apache-2.0 */
/* A client and its answers, for the tests against h2echo. */
#ifndef SA_TESTS_WORKER_HTTP_CLIENT_H
#define SA_TESTS_WORKER_HTTP_CLIENT_H

#include "base/clock.h"
#include "base/hash.h"
#include "worker/http_internal.h"
#include "worker_http_test.h"

/* The one client of a test; a checked fixture makes and frees the loop. */
struct client {
    struct sa_loop *loop;
    struct sa_credential *cred;
    struct sa_http *http;
    unsigned done; /* answers that came */
};
extern struct client the;
void client_setup(void);
void client_teardown(void);
void client_start(const char *scheme, const char *port_name, const char *cluster, const char *user);
/* The same with an account that was changed by the test. */
void client_start_with(const struct sa_account *account);

/* One answer, copied. */
struct answer {
    bool came;
    int status;
    int64_t retry_after_ms;
    char type[64];
    char error[512];
    enum sa_code code;
    char body[4096];
    size_t body_n, data_n;
    unsigned calls; /* of on_data */
};
void on_answer(void *arg, const struct sa_response *r); /* arg: struct answer */
int on_bytes(void *arg, const void *p, size_t n, struct sa_err **err);

struct sa_request *ask(struct answer *a, const struct sa_request_options *o);
void turn_until_done(unsigned count); /* the.done */
/* Asks and waits; path or options. The result is valid until the next one. */
const struct answer *get(const char *path);
const struct answer *get_with(const struct sa_request_options *o);

#endif
