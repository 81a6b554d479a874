/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/queue.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ipc/control.h"

/* Twice the bound, of which only what is written takes memory: moving all to the front is then
 * never due more than once for each SA_CTL_QUEUE_MAX bytes. */
#define MAPPED (2 * SA_CTL_QUEUE_MAX)

static int map(struct sa_ctl_queue *q, struct sa_err **err)
{
    void *p = mmap(NULL, MAPPED, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        return sa_err_sys(err, errno, "control channel: memory for its queue");
    }
    if (madvise(p, MAPPED, MADV_DONTFORK) != 0 || madvise(p, MAPPED, MADV_DONTDUMP) != 0) {
        int e = errno;
        munmap(p, MAPPED);
        return sa_err_sys(err, e, "control channel: protect its queue");
    }
    *q = (struct sa_ctl_queue){.base = p};
    return 0;
}

int sa_ctl_queue_add(struct sa_ctl_queue *q, uint8_t type, const void *body, size_t n,
                     struct sa_err **err)
{
    size_t len = n + 1;
    size_t used = q->tail - q->head;
    if (n > SA_CTL_MAX || used + sizeof(len) + len > SA_CTL_QUEUE_MAX) {
        return sa_err_set(err, SA_ELIMIT, "control channel: the other side does not read (%s)",
                          sa_ctl_name(type));
    }
    if (q->base == NULL && map(q, err) != 0) {
        return -1;
    }
    if (q->tail + sizeof(len) + len > MAPPED) {
        memmove(q->base, q->base + q->head, used);
        q->head = 0;
        q->tail = used;
    }
    memcpy(q->base + q->tail, &len, sizeof(len));
    q->base[q->tail + sizeof(len)] = type;
    if (n > 0) {
        memcpy(q->base + q->tail + sizeof(len) + 1, body, n);
    }
    q->tail += sizeof(len) + len;
    return 0;
}

const uint8_t *sa_ctl_queue_first(const struct sa_ctl_queue *q, size_t *len)
{
    if (q->head == q->tail) {
        return NULL;
    }
    memcpy(len, q->base + q->head, sizeof(*len));
    return q->base + q->head + sizeof(*len);
}

void sa_ctl_queue_drop_first(struct sa_ctl_queue *q)
{
    size_t len;
    if (sa_ctl_queue_first(q, &len) == NULL) {
        return;
    }
    q->head += sizeof(len) + len;
    if (q->head == q->tail) {
        sa_ctl_queue_free(q);
    }
}

size_t sa_ctl_queue_bytes(const struct sa_ctl_queue *q)
{
    return q->tail - q->head;
}

void sa_ctl_queue_free(struct sa_ctl_queue *q)
{
    if (q->base != NULL) {
        munmap(q->base, MAPPED);
    }
    *q = (struct sa_ctl_queue){0};
}
