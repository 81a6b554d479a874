/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/grpc_peers.h"

#include <stdlib.h>
#include <string.h>

static int by_handle(const void *a, const void *b)
{
    uint32_t x = ((const struct sa_sink_account *)a)->handle;
    uint32_t y = ((const struct sa_sink_account *)b)->handle;

    return (x > y) - (x < y);
}

size_t *sa_grpc_peers_queued(const struct sa_grpc_peers *p, uint32_t handle)
{
    struct sa_sink_account key = {.handle = handle};
    const struct sa_sink_account *a = NULL;

    if (p->n > 0)
        a = bsearch(&key, p->v, p->n, sizeof *p->v, by_handle);
    return a ? &p->queued[a - p->v] : NULL;
}

void sa_grpc_peers_left(const struct sa_grpc_peers *p, uint32_t handle, size_t n)
{
    size_t *queued = sa_grpc_peers_queued(p, handle);

    if (queued)
        *queued -= n < *queued ? n : *queued;
}

void sa_grpc_peers_idle(const struct sa_grpc_peers *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->queued[i] = 0;
}

void sa_grpc_peers_free(struct sa_grpc_peers *p)
{
    for (size_t i = 0; i < p->n; i++)
        sa_freep(&p->v[i].name);
    free(p->v);
    free(p->queued);
    memset(p, 0, sizeof *p);
}

int sa_grpc_peers_set(struct sa_grpc_peers *p, const struct sa_sink_account *v, size_t n)
{
    struct sa_grpc_peers more = {.v = calloc(n + 1, sizeof *more.v),
                                 .queued = calloc(n + 1, sizeof *more.queued)};

    while (more.v && more.queued && more.n < n) {
        more.v[more.n].handle = v[more.n].handle;
        more.v[more.n].name = strdup(v[more.n].name);
        if (!more.v[more.n].name)
            break;
        more.n++;
    }
    if (!more.v || !more.queued || more.n < n) {
        sa_grpc_peers_free(&more);
        return -1;
    }
    if (n > 0)
        qsort(more.v, n, sizeof *more.v, by_handle);
    for (size_t i = 0; i < n; i++) {
        const size_t *old = sa_grpc_peers_queued(p, more.v[i].handle);

        more.queued[i] = old ? *old : 0;
    }
    sa_grpc_peers_free(p);
    *p = more;
    return 0;
}
