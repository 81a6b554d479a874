/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/parts.h"

#include <string.h>

#define KEEP (64u * 1024u) /* memory kept between objects; most come whole */

void sa_parts_init(struct sa_parts *p)
{
    memset(p, 0, sizeof *p);
    sa_buf_init(&p->buf, SA_PARTS_MAX);
    sa_buf_init(&p->key, 0);
}

void sa_parts_free(struct sa_parts *p)
{
    sa_buf_free(&p->buf);
    sa_buf_free(&p->key);
    p->size = 0;
}

void sa_parts_reset(struct sa_parts *p)
{
    p->size = 0;
    sa_buf_trim(&p->buf, KEEP);
    sa_buf_reset(&p->key);
}

static bool same_key(const struct sa_parts *p, const Scaleagent__V1__Delta *d)
{
    size_t ns = strlen(d->namespace_) + 1, name = strlen(d->name) + 1;

    return d->scope == p->scope && p->key.len == ns + name &&
           memcmp(p->key.data, d->namespace_, ns) == 0 &&
           memcmp(p->key.data + ns, d->name, name) == 0;
}

static int begin(struct sa_parts *p, const Scaleagent__V1__Delta *d, uint64_t sequence,
                 struct sa_err **err)
{
    if (d->object_offset != 0)
        return sa_err_set(err, SA_EPROTOCOL, "object %s/%s: its first part starts at byte %llu",
                          d->namespace_, d->name, (unsigned long long)d->object_offset);
    if (d->object_size > SA_PARTS_MAX)
        return sa_err_set(err, SA_ELIMIT, "object %s/%s: %llu bytes are more than %u",
                          d->namespace_, d->name, (unsigned long long)d->object_size, SA_PARTS_MAX);
    sa_parts_reset(p);
    if (sa_buf_add(&p->key, d->namespace_, strlen(d->namespace_) + 1) < 0 ||
        sa_buf_add(&p->key, d->name, strlen(d->name) + 1) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for an object's parts");
    p->scope = d->scope;
    p->size = d->object_size;
    p->before = sequence - 1;
    return 0;
}

int sa_parts_take(struct sa_parts *p, const Scaleagent__V1__Delta *d, uint64_t sequence,
                  const void **object, size_t *n, struct sa_err **err)
{
    bool last;

    if (d->object_size == 0) {
        if (p->size != 0)
            return sa_err_set(err, SA_EPROTOCOL,
                              "another delta came between the parts of an object");
        *object = d->object.data;
        *n = d->object.len;
        return 1;
    }
    if (p->size == 0 && begin(p, d, sequence, err) < 0)
        return -1;
    if (!same_key(p, d) || d->object_size != p->size || d->object_offset != p->buf.len ||
        d->object.len == 0 || d->object.len > p->size - p->buf.len || d->deleted)
        return sa_err_set(err, SA_EPROTOCOL, "object %s/%s: a part does not fit to those before it",
                          d->namespace_, d->name);
    last = d->object.len == p->size - p->buf.len;
    if (sa_buf_add(&p->buf, d->object.data, d->object.len) < 0)
        return sa_err_set(err, SA_EMEMORY, "no memory for an object of %llu bytes",
                          (unsigned long long)p->size);
    if (!last)
        return 0;
    *object = p->buf.data;
    *n = p->buf.len;
    p->size = 0;
    return 1;
}
