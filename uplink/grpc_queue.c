/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/grpc_queue.h"

#include <stdlib.h>
#include <string.h>

#include "uplink/grpc_frame.h"

struct sa_grpc_chunk {
    struct sa_grpc_chunk *next;
    uint32_t tag;
    bool urgent;
    size_t n, sent;
    uint8_t data[];
};

static void put_first(struct sa_grpc_queue *q, struct sa_grpc_chunk *k)
{
    struct sa_grpc_chunk **at = &q->first;

    while (*at && ((*at)->urgent || (*at)->sent > 0))
        at = &(*at)->next;
    k->next = *at;
    *at = k;
    if (!k->next)
        q->last = k;
}

int sa_grpc_queue_add(struct sa_grpc_queue *q, uint32_t tag, bool urgent, struct sa_grpc_piece head,
                      struct sa_grpc_piece body)
{
    size_t n = head.n + body.n;
    struct sa_grpc_chunk *k = malloc(sizeof *k + SA_GRPC_PREFIX + n);

    if (!k)
        return -1;
    *k = (struct sa_grpc_chunk){.tag = tag, .urgent = urgent, .n = SA_GRPC_PREFIX + n};
    sa_grpc_prefix(k->data, n);
    if (head.n > 0)
        memcpy(k->data + SA_GRPC_PREFIX, head.p, head.n);
    if (body.n > 0)
        memcpy(k->data + SA_GRPC_PREFIX + head.n, body.p, body.n);
    q->bytes += k->n;
    if (urgent) {
        put_first(q, k);
        return 0;
    }
    *(q->last ? &q->last->next : &q->first) = k;
    q->last = k;
    return 0;
}

size_t sa_grpc_queue_read(struct sa_grpc_queue *q, char *out, size_t room, sa_grpc_left *left,
                          void *arg)
{
    size_t put = 0;

    while (q->first && put < room) {
        struct sa_grpc_chunk *k = q->first;
        size_t more = k->n - k->sent < room - put ? k->n - k->sent : room - put;

        memcpy(out + put, k->data + k->sent, more);
        put += more;
        k->sent += more;
        if (k->sent < k->n)
            break;
        q->first = k->next;
        if (!q->first)
            q->last = NULL;
        q->bytes -= k->n;
        left(arg, k->tag, k->n);
        free(k);
    }
    return put;
}

void sa_grpc_queue_free(struct sa_grpc_queue *q)
{
    while (q->first) {
        struct sa_grpc_chunk *k = q->first;

        q->first = k->next;
        free(k);
    }
    *q = (struct sa_grpc_queue){0};
}
