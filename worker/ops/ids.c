/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/ids.h"

#include <stdlib.h>
#include <string.h>

/* One operation; text holds message, uid and version, each with its NUL, then the body. */
struct entry {
    uint8_t id[SA_OP_ID];
    uint64_t at_ns, epoch, sequence;
    uint32_t server_ms;
    int code;
    bool retriable;
    uint32_t uid, version, end; /* offsets in text; end is where the body begins */
    uint32_t body_n;            /* 0: there is none */
    char *text;                 /* owned */
};

struct sa_ids {
    struct entry *v; /* the oldest first */
    size_t n, cap;
    size_t bytes;  /* of all entries and texts */
    size_t bodies; /* entries before this one have none any more */
};

struct sa_ids *sa_ids_new(void)
{
    return calloc(1, sizeof(struct sa_ids));
}

static size_t size_of(const struct entry *e)
{
    return sizeof *e + e->end + e->body_n;
}

void sa_ids_free(struct sa_ids *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i].text);
    free(s->v);
    free(s);
}

static void drop_oldest(struct sa_ids *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        s->bytes -= size_of(&s->v[i]);
        free(s->v[i].text);
    }
    memmove(s->v, s->v + n, (s->n - n) * sizeof *s->v);
    s->n -= n;
    s->bodies -= n < s->bodies ? n : s->bodies;
    if (s->n == 0) {
        free(s->v);
        s->v = NULL;
        s->cap = 0;
    }
}

static void drop_body(struct sa_ids *s, struct entry *e)
{
    s->bytes -= e->body_n;
    e->body_n = 0;
    char *less = realloc(e->text, e->end);
    if (less)
        e->text = less;
}

static void make_room(struct sa_ids *s, size_t more)
{
    while (s->bytes + more > SA_IDS_BYTES && s->bodies < s->n)
        drop_body(s, &s->v[s->bodies++]);
    size_t n = 0, freed = 0;
    while (n < s->n && s->bytes - freed + more > SA_IDS_BYTES)
        freed += size_of(&s->v[n++]);
    if (n) {
        /* Some more at once: moving the others costs as much for one as for many. */
        size_t many = s->n / 16;
        drop_oldest(s, n > many ? n : many);
    }
}

static int grow(struct sa_ids *s)
{
    if (s->n < s->cap)
        return 0;
    size_t cap = s->cap ? 2 * s->cap : 8;
    struct entry *grown = reallocarray(s->v, cap, sizeof *s->v);
    if (!grown)
        return -1;
    s->v = grown;
    s->cap = cap;
    return 0;
}

int sa_ids_add(struct sa_ids *s, const uint8_t id[SA_OP_ID], const struct sa_outcome *o,
               uint64_t now_ns)
{
    size_t message = strlen(o->message) + 1, uid = strlen(o->uid) + 1;
    size_t version = strlen(o->resource_version) + 1;
    size_t body = o->body && o->body_n <= SA_IDS_BODY ? o->body_n : 0;
    struct entry e = {.at_ns = now_ns,
                      .epoch = o->epoch,
                      .sequence = o->sequence,
                      .server_ms = o->server_ms,
                      .code = o->code,
                      .retriable = o->retriable};
    if (message > SA_IDS_BODY) /* a long one is no more than a part of what it was */
        message = SA_IDS_BODY;
    e.uid = (uint32_t)message;
    e.version = (uint32_t)(message + uid);
    e.end = (uint32_t)(message + uid + version);
    e.body_n = (uint32_t)body;
    memcpy(e.id, id, sizeof e.id);
    make_room(s, size_of(&e));
    e.text = malloc(e.end + body);
    if (!e.text || grow(s)) {
        free(e.text);
        return -1;
    }
    memcpy(e.text, o->message, message);
    e.text[message - 1] = '\0';
    memcpy(e.text + e.uid, o->uid, uid);
    memcpy(e.text + e.version, o->resource_version, version);
    if (body)
        memcpy(e.text + e.end, o->body, body);
    s->v[s->n++] = e;
    s->bytes += size_of(&e);
    return 0;
}

bool sa_ids_find(const struct sa_ids *s, const uint8_t id[SA_OP_ID], struct sa_outcome *out)
{
    for (size_t i = s->n; i-- > 0;) {
        const struct entry *e = &s->v[i];
        if (memcmp(e->id, id, sizeof e->id) != 0)
            continue;
        *out = (struct sa_outcome){
            .code = e->code,
            .message = e->text,
            .uid = e->text + e->uid,
            .resource_version = e->text + e->version,
            .epoch = e->epoch,
            .sequence = e->sequence,
            .server_ms = e->server_ms,
            .retriable = e->retriable,
            .body = e->body_n ? e->text + e->end : NULL,
            .body_n = e->body_n,
        };
        return true;
    }
    return false;
}

void sa_ids_expire(struct sa_ids *s, uint64_t now_ns)
{
    size_t n = 0;
    while (n < s->n && now_ns - s->v[n].at_ns >= SA_IDS_LIFE_NS)
        n++;
    if (n)
        drop_oldest(s, n);
}

size_t sa_ids_count(const struct sa_ids *s)
{
    return s->n;
}

size_t sa_ids_memory(const struct sa_ids *s)
{
    return sizeof *s + s->bytes + (s->cap - s->n) * sizeof *s->v;
}
