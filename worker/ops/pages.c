/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/pages.h"

#include <stdlib.h>
#include <string.h>

#define PAGE "500" /* objects, as kubectl's --chunk-size */

static void ask(struct sa_op *op);

void sa_op_pages_clear(struct sa_op_pages *p)
{
    free(p->token);
    p->token = NULL;
}

static int on_item(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_op *op = arg;
    struct sa_op_pages *p = op->state;
    if (p->item(op, json, n) == 0)
        return 0;
    return sa_err_set(err, SA_EREFUSED, "the operation has ended");
}

static int on_meta(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_op_pages *p = ((struct sa_op *)arg)->state;
    struct sa_list_meta meta;
    if (sa_list_meta_parse(json, n, &meta, err))
        return -1;
    free(p->token);
    p->token = meta.continue_token;
    return 0;
}

/* The answer is read as a whole and then cut: what has come when the connection breaks is not half
 * handed on. An item may end the operation, and its state with it, while the list is being cut. */
static int cut(struct sa_op *op, const struct sa_response *r)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_frame *frame = sa_frame_list(SA_OP_BODY_MAX, on_item, on_meta, op);
    bool whole = frame && sa_frame_add(frame, r->body->data, r->body->len, &err) == 0 &&
                 sa_frame_end(frame, &err) == 0;
    sa_frame_free(frame);
    if (whole)
        return 0;
    if (!err || err->code != SA_EREFUSED)
        sa_op_fail(op, SA_OP(FAILED), "error: the API server's list can't be read: %s",
                   sa_err_msg(err));
    return -1;
}

/* A token that has expired comes with another, for the rest as it is now. */
static bool go_on(struct sa_op_pages *p, const struct sa_response *r)
{
    struct sa_list_meta meta;
    if (r->status != 410 || !p->token || !r->body->len ||
        sa_list_meta_parse(r->body->data, r->body->len, &meta, NULL))
        return false;
    free(p->token);
    p->token = meta.continue_token;
    return p->token != NULL;
}

static void on_page(struct sa_op *op, const struct sa_response *r)
{
    struct sa_op_pages *p = op->state;
    if (go_on(p, r)) {
        ask(op);
        return;
    }
    if (r->status != 200) {
        p->failed(op, r);
        return;
    }
    free(p->token);
    p->token = NULL;
    if (cut(op, r))
        return;
    if (p->token)
        sa_op_when_room(op, ask);
    else
        p->done(op);
}

static void ask(struct sa_op *op)
{
    struct sa_op_pages *p = op->state;
    SA_CLEANUP(sa_buf_free) struct sa_buf path = {0};
    sa_buf_init(&path, 256 * 1024);
    sa_mapping_path(&p->map, p->namespace, NULL, NULL, &path);
    if (p->label_selector && *p->label_selector)
        sa_query_add(&path, "labelSelector", p->label_selector);
    if (p->field_selector && *p->field_selector)
        sa_query_add(&path, "fieldSelector", p->field_selector);
    sa_query_add(&path, "limit", PAGE);
    if (p->token)
        sa_query_add(&path, "continue", p->token);
    if (path.failed)
        sa_op_fail(op, SA_OP(INVALID), "error: the selector is too long");
    else
        sa_op_request(op, &(struct sa_op_request){.path = path.data, .max_body = SA_OP_LIST_MAX},
                      on_page);
}

void sa_op_pages_read(struct sa_op *op)
{
    struct sa_op_pages *p = op->state;
    sa_op_pages_clear(p);
    ask(op);
}
