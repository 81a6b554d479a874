/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strategic merge with foreign bytes. An input is an object, a line feed, and a patch or
 * another object: whatever they are, nothing but an error or an object comes of it, and an object
 * has no difference from itself but an order. Inputs that begin with a byte above 127 make two
 * sensible objects instead (lists with unique keys): the patch from one to the other gives the
 * other, and once more the same.
 *
 * An order is what Kubernetes' own library, which the suite merge compares with, gets wrong in
 * lists of scalars that are merged: it sorts the list as it was in place, and then compares that
 * with what is wanted. So one that is not sorted gets an order in the patch although nothing has
 * changed, and one whose sorted order is wanted gets none and stays as it is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "worker/ops/strategic.h"

#define MEMORY ((size_t)8 << 20)

#define MERGED(key, items)                                                                         \
    "{\"type\":\"array\",\"items\":" items ",\"x-kubernetes-patch-merge-key\":\"" key "\","        \
    "\"x-kubernetes-patch-strategy\":\"merge\"}"
#define REF  "{\"allOf\":[{\"$ref\":\"#/components/schemas/e.Item\"}]}"
#define GVK  "\"x-kubernetes-group-version-kind\":"
#define KIND "{\"group\":\"example.com\",\"version\":\"v1\",\"kind\":\"Thing\"}"

static const char document[] =
    "{\"paths\":{\"/apis/example.com/v1/things/{name}\":{\"patch\":{\"requestBody\":{\"content\":{"
    "\"application/strategic-merge-patch+json\":{}}}," GVK KIND "}}},"
    "\"components\":{\"schemas\":{\"e.Thing\":{\"properties\":{"
    "\"items\":" MERGED(
        "name", REF) ",\"args\":{\"type\":\"array\",\"items\":{}},\"n\":{},"
                     "\"finalizers\":{\"type\":\"array\",\"items\":{},\"x-kubernetes-patch-"
                     "strategy\":\"merge\"}}," GVK "[" KIND "]},"
                     "\"e.Item\":{\"properties\":{\"name\":{},\"value\":{},\"items\":" MERGED(
                         "name", REF) "}}}}}";

static struct sa_schema *schema;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct sa_openapi *o = sa_openapi_new("example.com/v1", "Thing", NULL);

    (void)argc;
    (void)argv;
    if (!o || sa_openapi_feed(o, document, sizeof document - 1, NULL) < 0 ||
        sa_openapi_finish(o, &schema, NULL) < 0 || !schema)
        abort();
    sa_openapi_free(o);
    return 0;
}

static struct sa_val *parse(struct sa_arena *a, const void *text, size_t n)
{
    return sa_val_parse_map(a, text, n, "input", NULL);
}

/* ---- any bytes ---- */

static void any_bytes(struct sa_arena *a, const char *text, size_t n)
{
    const char *end = memchr(text, '\n', n);
    size_t first = end ? (size_t)(end - text) : n;
    struct sa_val *out = NULL;

    if (!end || !parse(a, text, first))
        return;
    struct sa_merge_inputs same = {.original = parse(a, text, first),
                                   .modified = parse(a, text, first),
                                   .current = parse(a, text, first)};
    if (same.current && sa_strategic_create(a, &same, schema, &out, NULL) == 0)
        for (uint32_t i = 0; i < out->n; i++)
            if (strcmp(out->pairs[i].key, "$setElementOrder/finalizers") != 0)
                abort();
    struct sa_val *object = parse(a, text, first), *patch = parse(a, end + 1, n - first - 1);
    if (object && patch)
        sa_strategic_apply(a, object, patch, schema, &out, NULL);
    struct sa_merge_inputs differ = {.modified = parse(a, end + 1, n - first - 1),
                                     .current = parse(a, text, first)};
    if (differ.modified && differ.current)
        sa_strategic_create(a, &differ, schema, &out, NULL);
}

/* ---- sensible objects ---- */

struct bytes {
    const uint8_t *p;
    size_t n;
};

static unsigned next(struct bytes *b)
{
    if (b->n == 0)
        return 0;
    b->n--;
    return *b->p++;
}

/* A list of maps with different names, in any order. */
static void put_items(struct bytes *b, struct sa_buf *out, unsigned depth)
{
    unsigned used = 0, n = next(b) % 5;

    sa_buf_addc(out, '[');
    for (unsigned i = 0; i < n; i++) {
        unsigned name = next(b) % 8;

        if (used & 1u << name)
            continue;
        sa_buf_addf(out, "%s{\"name\":\"%c\"", used ? "," : "", 'a' + (char)name);
        used |= 1u << name;
        if (next(b) % 2)
            sa_buf_addf(out, ",\"value\":%u", next(b) % 4);
        if (depth > 0 && next(b) % 2) {
            sa_buf_adds(out, ",\"items\":");
            put_items(b, out, depth - 1);
        }
        sa_buf_addc(out, '}');
    }
    sa_buf_addc(out, ']');
}

static void put_words(struct bytes *b, struct sa_buf *out, bool once)
{
    unsigned used = 0, n = next(b) % 5;
    const char *comma = "";

    sa_buf_addc(out, '[');
    for (unsigned i = 0; i < n; i++) {
        unsigned word = next(b) % 8;

        if (once && used & 1u << word)
            continue;
        used |= 1u << word;
        sa_buf_addf(out, "%s\"%c\"", comma, 'a' + (char)word);
        comma = ",";
    }
    sa_buf_addc(out, ']');
}

static struct sa_val *sensible(struct sa_arena *a, struct bytes *b, struct sa_buf *text)
{
    unsigned has = next(b);

    sa_buf_reset(text);
    sa_buf_addf(text, "{\"kind\":\"Thing\"");
    if (has & 1)
        sa_buf_addf(text, ",\"n\":%u", next(b));
    if (has & 2) {
        sa_buf_adds(text, ",\"args\":");
        put_words(b, text, false);
    }
    if (has & 4) {
        sa_buf_adds(text, ",\"finalizers\":");
        put_words(b, text, true);
    }
    if (has & 8) {
        sa_buf_adds(text, ",\"items\":");
        put_items(b, text, 2);
    }
    sa_buf_addc(text, '}');
    return text->failed ? NULL : parse(a, text->data, text->len);
}

static int by_bytes(const void *x, const void *y)
{
    return strcmp((*(struct sa_val *const *)x)->s, (*(struct sa_val *const *)y)->s);
}

static struct sa_val *sorted(struct sa_arena *a, const struct sa_val *words)
{
    struct sa_val *copy = words ? sa_val_clone(a, words) : NULL;

    if (copy && copy->n > 0)
        qsort(copy->items, copy->n, sizeof(struct sa_val *), by_bytes);
    return copy;
}

/* The same words, and what is wanted is their sorted order: they stay as they are. */
static struct sa_val *left_alone(struct sa_arena *a, const struct sa_val *from,
                                 const struct sa_val *to)
{
    struct sa_val *words = sa_val_member(from, "finalizers"), *was = sorted(a, words);
    const struct sa_val *want = sa_val_member(to, "finalizers");

    return was && want && sa_val_equal(was, want) ? sa_val_clone(a, words) : NULL;
}

static void there_and_no_further(struct sa_arena *a, struct bytes *b)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf text = {0};
    struct sa_val *from = sensible(a, b, &text), *to = sensible(a, b, &text);
    struct sa_val *patch = NULL, *once = NULL, *twice = NULL;

    if (!from || !to)
        abort();
    struct sa_val *stays = left_alone(a, from, to);
    struct sa_merge_inputs in = {.original = sa_val_clone(a, from),
                                 .modified = sa_val_clone(a, to),
                                 .current = sa_val_clone(a, from)};
    if (sa_strategic_create(a, &in, schema, &patch, NULL) < 0 ||
        sa_strategic_apply(a, from, sa_val_clone(a, patch), schema, &once, NULL) < 0)
        abort();
    if (stays && sa_val_set(a, to, "finalizers", stays) < 0)
        abort();
    if (!sa_val_equal(once, to))
        abort();
    if (sa_strategic_apply(a, once, patch, schema, &twice, NULL) < 0 || !sa_val_equal(twice, to))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sa_arena a;

    sa_arena_init(&a, MEMORY);
    if (size > 0 && data[0] > 127)
        there_and_no_further(&a, &(struct bytes){data + 1, size - 1});
    else
        any_bytes(&a, (const char *)data, size);
    sa_arena_free(&a);
    return 0;
}
