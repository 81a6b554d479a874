/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/keys.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"

#define FIRST_CAP 128u /* one page */

static int grow(struct sa_keys *k, size_t need, struct sa_err **err)
{
    size_t cap = k->cap ? k->cap : FIRST_CAP;
    void *v;

    while (cap < need)
        cap *= 2;
    if (cap == k->cap)
        return 0;
    v = mmap(NULL, cap * SA_KEY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (v == MAP_FAILED)
        return sa_err_sys(err, errno, "cannot get memory for the workers' keys");
    if (madvise(v, cap * SA_KEY_SIZE, MADV_DONTFORK) < 0 ||
        madvise(v, cap * SA_KEY_SIZE, MADV_DONTDUMP) < 0) {
        int e = errno;

        munmap(v, cap * SA_KEY_SIZE);
        return sa_err_sys(err, e, "cannot protect the memory for the workers' keys");
    }
    if (k->v)
        memcpy(v, k->v, k->cap * SA_KEY_SIZE);
    sa_keys_free(k);
    k->v = v;
    k->cap = cap;
    return 0;
}

int sa_keys_renew(struct sa_keys *k, uint32_t index, struct sa_err **err)
{
    if (grow(k, (size_t)index + 1, err) < 0)
        return -1;
    sa_random_bytes(k->v[index], SA_KEY_SIZE);
    return 0;
}

const uint8_t *sa_keys_at(const struct sa_keys *k, uint32_t index)
{
    return k->v[index];
}

void sa_keys_free(struct sa_keys *k)
{
    if (k->v) {
        explicit_bzero(k->v, k->cap * SA_KEY_SIZE);
        munmap(k->v, k->cap * SA_KEY_SIZE);
    }
    k->v = NULL;
    k->cap = 0;
}
