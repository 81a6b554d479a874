/* SPDX-License-Identifier: Apache-2.0 */
#include "doctor/ask.h"

#include <string.h>

#include "base/clock.h"

#define WITHIN   (20 * SA_NS_PER_S)
#define BODY_MAX ((size_t)8 << 20)

static void on_done(void *arg, const struct sa_response *r)
{
    struct sa_answer *out = arg;
    out->done = true;
    out->asker->running--;
    out->status = r->status;
    (void)sa_response_error(r, "the answer", &out->err);
    if (r->body->len > 0 && sa_buf_add(&out->body, r->body->data, r->body->len) != 0 &&
        out->err == NULL)
        sa_err_set(&out->err, SA_EMEMORY, "no memory for the answer");
}

void sa_ask_start(struct sa_asker *a, const char *path, const char *accept, const char *body,
                  struct sa_answer *out)
{
    const struct sa_request_options opt = {
        .method = body != NULL ? "POST" : NULL,
        .path = path,
        .accept = accept,
        .body = body,
        .body_n = body != NULL ? strlen(body) : 0,
        .timeout_ns = WITHIN,
        .max_body = BODY_MAX,
        .urgent = true,
        .on_done = on_done,
        .arg = out,
    };
    *out = (struct sa_answer){.asker = a};
    sa_buf_init(&out->body, BODY_MAX);
    a->running++;
    if (sa_http_start(a->http, &opt, &out->err) == NULL) {
        a->running--;
        out->done = true;
    }
}

void sa_ask_wait(struct sa_asker *a)
{
    while (a->running > 0 && sa_loop_turn(a->loop, 1000, NULL) == 0) {
    }
}

int sa_ask(struct sa_asker *a, const char *path, const char *accept, const char *body,
           struct sa_answer *out)
{
    sa_ask_start(a, path, accept, body, out);
    sa_ask_wait(a);
    return out->done && out->err == NULL ? 0 : -1;
}

void sa_answer_free(struct sa_answer *a)
{
    sa_buf_free(&a->body);
    sa_err_free(&a->err);
}
