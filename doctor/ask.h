/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to an API server by the worker's own client, one after the other or many at once. */
#ifndef SA_DOCTOR_ASK_H
#define SA_DOCTOR_ASK_H

#include "base/loop.h"
#include "worker/http.h"

struct sa_asker {
    struct sa_loop *loop;
    struct sa_http *http;
    size_t running;
};

struct sa_answer {
    struct sa_asker *asker;
    bool done;
    int status; /* 0: none came */
    struct sa_buf body;
    struct sa_err *err; /* why there is no 2xx answer, NULL otherwise */
};

/* Starts a request; body NULL: a GET. The answer is complete after sa_ask_wait(). accept NULL:
 * JSON. */
void sa_ask_start(struct sa_asker *a, const char *path, const char *accept, const char *body,
                  struct sa_answer *out);
/* Until all that were started have ended. */
void sa_ask_wait(struct sa_asker *a);
/* Both at once. 0 for a 2xx answer. */
int sa_ask(struct sa_asker *a, const char *path, const char *accept, const char *body,
           struct sa_answer *out);
void sa_answer_free(struct sa_answer *a);

#endif
