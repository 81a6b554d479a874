/* SPDX-License-Identifier: Apache-2.0 */
/* What is around the pass: whether a second is needed, the head of the object, digest and verdict.
 */
#include "worker/scrub.h"

#include <stdlib.h>
#include <string.h>

#include "worker/json_plain.h"
#include "worker/scrub_pass.h"

/* kind and apiVersion, as content of JSON strings. */
struct head {
    const char *kind, *api_version;
    size_t kind_n, api_version_n;
};

#define HEAD_1 "{\"kind\":\""
#define HEAD_2 "\",\"apiVersion\":\""
#define HEAD_3 "\","

static size_t head_size(const struct head *h)
{
    return sizeof(HEAD_1 HEAD_2 HEAD_3) - 1 + h->kind_n + h->api_version_n;
}

static void head_write(const struct head *h, char *out)
{
    struct {
        const char *p;
        size_t n;
    } parts[] = {{HEAD_1, sizeof(HEAD_1) - 1},
                 {h->kind, h->kind_n},
                 {HEAD_2, sizeof(HEAD_2) - 1},
                 {h->api_version, h->api_version_n},
                 {HEAD_3, sizeof(HEAD_3) - 1}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].n != 0) {
            memcpy(out, parts[i].p, parts[i].n);
            out += parts[i].n;
        }
    }
}

/* What the options say; -1 if that is no plain text (it comes from discovery, so from outside). */
static int head_of_options(const struct sa_scrub_options *opt, struct head *h)
{
    h->kind = opt->kind != NULL ? opt->kind : "";
    h->api_version = opt->api_version != NULL ? opt->api_version : "";
    h->kind_n = strlen(h->kind);
    h->api_version_n = strlen(h->api_version);
    bool plain = sa_json_plain(h->kind, h->kind + h->kind_n) == h->kind + h->kind_n &&
                 sa_json_plain(h->api_version, h->api_version + h->api_version_n) ==
                     h->api_version + h->api_version_n;
    return plain ? 0 : -1;
}

/* What the object says, and the options where it is silent. */
static struct head head_of_object(const struct sa_scrub_pass *s, const struct head *options)
{
    struct head h = *options;
    if (s->kind.p != NULL) {
        h.kind = s->kind.p + 1;
        h.kind_n = s->kind.n - 2;
    }
    if (s->api_version.p != NULL) {
        h.api_version = s->api_version.p + 1;
        h.api_version_n = s->api_version.n - 2;
    }
    return h;
}

/* kind Secret of the core group, whose apiVersion names no group. */
static bool is_secret(const struct head *h)
{
    char v[64];
    if (!sa_json_equal_text(h->kind, h->kind_n, "Secret", 6)) {
        return false;
    }
    size_t n = sa_json_unescape(h->api_version, h->api_version_n, v, sizeof(v));
    return memchr(v, '/', n < sizeof(v) ? n : sizeof(v)) == NULL;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const char *const *)a, y = (uintptr_t) * (const char *const *)b;
    return (x > y) - (x < y);
}

/* The first pass, and the second where the first learned too late what to cut. */
static int passes(struct sa_scrub_pass *s, const struct head *options)
{
    bool option_secret = !s->opt->whole && is_secret(options);
    s->secret = option_secret;
    if (sa_scrub_pass(s) != 0) {
        return -1;
    }
    struct head h = head_of_object(s, options);
    bool secret = option_secret || (!s->opt->whole && is_secret(&h));
    if (SA_LIKELY(secret == s->secret && s->n_losers == 0)) {
        return 0;
    }
    size_t first_len = s->len;
    s->secret = secret;
    if (s->n_losers != 0) {
        qsort(s->losers, s->n_losers, sizeof(*s->losers), by_address);
    }
    if (sa_scrub_pass(s) != 0) {
        return -1;
    }
    if (s->out != NULL && s->len < first_len) {
        memset(s->out + s->len, 0, first_len - s->len); /* no secret stays in the spare room */
    }
    return 0;
}

static void digest(struct sa_scrub_pass *s, const char *whole, size_t n, size_t head)
{
    struct sa_digest_state d;
    sa_digest_start(&d);
    if (s->version_to == 0) {
        sa_digest_add(&d, whole, n);
    } else {
        size_t from = head + s->version_from, to = head + s->version_to;
        to += whole[from] != ',' && whole[to] == ','; /* first of its object, but not alone */
        sa_digest_add(&d, whole, from);
        sa_digest_add(&d, whole + to, n - to);
    }
    sa_digest_end(&d, &s->o->digest);
}

/* Judges what the passes found; -1 with *err if the object can't be taken. */
static int verdict(const struct sa_scrub_pass *s, const struct head *h, struct sa_err **err)
{
    if (s->broken == SA_ELIMIT) {
        if (s->nameless) {
            s->o->name[0] = s->o->namespace[0] = '\0';
        }
        return sa_err_set(err, SA_ELIMIT, "an object's %s is too long", s->broken_what);
    }
    if (s->broken != SA_OK) {
        return sa_err_set(err, s->broken, "an object's %s is not a text", s->broken_what);
    }
    if (s->opt->metadata_only) {
        return 0;
    }
    if (s->o->name[0] == '\0') {
        return sa_err_set(err, SA_EPROTOCOL, "an object has no metadata.name");
    }
    if (h->kind_n == 0 || h->api_version_n == 0) {
        return sa_err_set(err, SA_EPROTOCOL, "an object has no kind or no apiVersion");
    }
    return 0;
}

/* Scrubs with the result in the free room of out, which is large enough. */
static int scrub_into(struct sa_scrub_pass *s, const struct head *options, struct sa_buf *out,
                      struct sa_err **err)
{
    size_t head = head_size(options);
    char *room = out != NULL ? out->data + out->len : NULL;
    s->out = room != NULL ? room + head : NULL;
    if (passes(s, options) != 0) {
        if (s->no_memory) {
            return sa_err_set(err, SA_EMEMORY, "no memory to read an object");
        }
        return sa_json_fault_err(err, "an object is not valid JSON", &s->fault, s->begin);
    }
    struct head h = head_of_object(s, options);
    if (verdict(s, &h, err) != 0) {
        return -1;
    }
    if (room == NULL) {
        return 0;
    }
    size_t real = head_size(&h);
    if (SA_UNLIKELY(real != head)) {
        memmove(room + real, s->out, s->len);
    }
    head_write(&h, room);
    digest(s, room, real + s->len, real);
    out->len += real + s->len;
    out->data[out->len] = '\0';
    return 0;
}

/* Makes room for the longest result there can be. Where that would be past the bound of out, the
 * object is scrubbed into a buffer of its own and added if it fits then. */
static int scrub_bounded(struct sa_scrub_pass *s, const struct head *options, struct sa_buf *out,
                         struct sa_err **err)
{
    size_t most = (size_t)(s->end - s->begin) + head_size(options) + 32;
    if (out->max == 0 || (out->len <= out->max && most <= out->max - out->len)) {
        if (sa_buf_reserve(out, most) != 0) {
            return sa_err_set(err, SA_EMEMORY, "no memory for an object of %zu bytes", most);
        }
        return scrub_into(s, options, out, err);
    }
    SA_CLEANUP(sa_buf_free) struct sa_buf own = {0};
    sa_buf_init(&own, 0);
    if (sa_buf_reserve(&own, most) != 0) {
        return sa_err_set(err, SA_EMEMORY, "no memory for an object of %zu bytes", most);
    }
    if (scrub_into(s, options, &own, err) != 0) {
        return -1;
    }
    if (own.len > out->max || out->len > out->max - own.len) {
        return sa_err_set(err, SA_ELIMIT, "an object of %zu bytes does not fit into %zu", own.len,
                          out->max);
    }
    if (sa_buf_add(out, own.data, own.len) != 0) {
        return sa_err_set(err, SA_EMEMORY, "no memory for an object of %zu bytes", own.len);
    }
    return 0;
}

int sa_scrub(const void *json, size_t n, const struct sa_scrub_options *opt, struct sa_buf *out,
             struct sa_object *o, struct sa_err **err)
{
    struct head options;
    *o = (struct sa_object){0};
    if (n > SA_JSON_KEY_MAX) {
        return sa_err_set(err, SA_ELIMIT, "an object of %zu bytes is too long", n);
    }
    if (head_of_options(opt, &options) != 0) {
        return sa_err_set(err, SA_EPROTOCOL, "a resource's kind or apiVersion is malformed");
    }
    struct sa_scrub_pass s; /* not zeroed as a whole: most of it is room for names */
    s.begin = json;
    s.end = s.begin + n;
    s.opt = opt;
    s.o = o;
    s.fault = (struct sa_json_fault){0};
    s.no_memory = false;
    s.losers = NULL;
    s.n_losers = s.cap_losers = s.loser = 0;
    sa_json_keys_init(&s.keys);
    int r = opt->metadata_only ? scrub_into(&s, &options, NULL, err)
                               : scrub_bounded(&s, &options, out, err);
    sa_json_keys_free(&s.keys);
    free(s.losers);
    return r;
}
