/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a collection page by page within an operation. */
#ifndef SA_WORKER_OPS_PAGES_H
#define SA_WORKER_OPS_PAGES_H

#include "worker/frame.h"
#include "worker/ops/op.h"

/* The first member of the verb's state. */
struct sa_op_pages {
    struct sa_mapping map;
    const char *namespace;      /* "": all; borrowed, as the others */
    const char *label_selector; /* NULL or "": all */
    const char *field_selector;
    /* Each object, as it comes. -1: the operation has ended. */
    int (*item)(struct sa_op *op, const char *json, size_t n);
    sa_op_step *failed; /* an answer that is no list */
    sa_op_turn *done;
    /* private */
    char *token; /* of the next page */
};

void sa_op_pages_read(struct sa_op *op); /* from the first page on */
void sa_op_pages_clear(struct sa_op_pages *p);

#endif
