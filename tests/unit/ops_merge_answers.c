/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops_merge_answers DIR: what worker/ops makes of the questions that tests/rig/strategicpatch
 * answers by Kubernetes' libraries, in the same form, one a line; DIR holds the OpenAPI documents
 * ("strategicpatch docs DIR").
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "worker/ops/applied.h"
#include "worker/ops/jsonmerge.h"
#include "worker/ops/managed.h"
#include "worker/ops/strategic.h"

#define MAX_MEMORY ((size_t)256 << 20)
#define KINDS      64

/* One question, and the schemas that were read already. */
struct session {
    const char *docs;
    struct {
        char key[256];
        struct sa_schema *schema;
    } known[KINDS];
    size_t n_known;
    struct sa_arena a;
};

static struct sa_schema *read_schema(const struct session *s, const char *version, const char *kind,
                                     struct sa_err **err)
{
    char path[512], buf[7001]; /* no divisor of anything: members lie across its ends */
    struct sa_schema *schema = NULL;
    struct sa_openapi *o = sa_openapi_new(version, kind, err);
    const char *slash = strchr(version, '/');
    snprintf(path, sizeof path, "%s/%s__%.*s%s%s.json", s->docs, slash != NULL ? "apis" : "api",
             slash != NULL ? (int)(slash - version) : (int)strlen(version), version,
             slash != NULL ? "__" : "", slash != NULL ? slash + 1 : "");
    FILE *f = o != NULL ? fopen(path, "r") : NULL;
    int r = f == NULL ? sa_err_set(err, SA_ENOTFOUND, "%s", path) : 0;
    while (r == 0 && !feof(f)) {
        size_t n = fread(buf, 1, sizeof buf, f);
        r = sa_openapi_feed(o, buf, n, err);
    }
    if (r >= 0) {
        sa_openapi_finish(o, &schema, err);
    }
    if (f != NULL) {
        fclose(f);
    }
    sa_openapi_free(o);
    return schema;
}

static const struct sa_schema *schema_of(struct session *s, const struct sa_val *q,
                                         struct sa_err **err)
{
    char key[256];
    snprintf(key, sizeof key, "%s %s", sa_val_str(q, "apiVersion"), sa_val_str(q, "kind"));
    for (size_t i = 0; i < s->n_known; i++) {
        if (strcmp(s->known[i].key, key) == 0) {
            return s->known[i].schema;
        }
    }
    struct sa_schema *schema =
        read_schema(s, sa_val_str(q, "apiVersion"), sa_val_str(q, "kind"), err);
    if (schema != NULL && s->n_known < KINDS) {
        snprintf(s->known[s->n_known].key, sizeof key, "%s", key);
        s->known[s->n_known++].schema = schema;
    } else if (schema == NULL && *err == NULL) {
        sa_err_set(err, SA_ENOTFOUND, "no schema of %s", key);
    }
    return schema;
}

static struct sa_val *text_of(struct session *s, const struct sa_val *q, const char *name,
                              struct sa_err **err)
{
    const struct sa_val *v = sa_val_member(q, name);
    if (v == NULL || v->n == 0) {
        return sa_val_new(&s->a, SA_VAL_MAP);
    }
    return sa_val_parse_map(&s->a, v->s, v->n, name, err);
}

static struct sa_val *patch_for(struct session *s, const struct sa_val *q, const char *what,
                                struct sa_err **err)
{
    struct sa_val *patch = NULL;
    struct sa_merge_inputs in = {.original = text_of(s, q, "original", err),
                                 .modified = text_of(s, q, "modified", err),
                                 .current = text_of(s, q, "current", err)};
    if (in.original == NULL || in.modified == NULL || in.current == NULL) {
        return NULL;
    }
    if (strcmp(what, "json") == 0) {
        return sa_json_merge_create(&s->a, &in, &patch, err) == 0 ? patch : NULL;
    }
    const struct sa_schema *schema = schema_of(s, q, err);
    if (schema == NULL) {
        return NULL;
    }
    int r = strcmp(what, "apply") == 0
                ? sa_strategic_apply(&s->a, in.current, in.modified, schema, &patch, err)
                : sa_strategic_create(&s->a, &in, schema, &patch, err);
    return r == 0 ? patch : NULL;
}

static struct sa_val *answer(struct session *s, const struct sa_val *q, struct sa_err **err)
{
    const char *what = sa_val_str(q, "do");
    struct sa_val *v = NULL;
    if (strcmp(what, "print") == 0) {
        const struct sa_val *text = sa_val_member(q, "current");
        return sa_val_parse(&s->a, text->s, text->n, "current", err);
    }
    if (strcmp(what, "upgrade") == 0) {
        struct sa_val *current = text_of(s, q, "current", err);
        if (current != NULL &&
            sa_managed_upgrade(&s->a, current, sa_val_str(q, "manager"), &v, err) == 0 &&
            v == NULL) {
            v = sa_val_new(&s->a, SA_VAL_NULL);
        }
        return v;
    }
    if (strcmp(what, "modified") == 0 || strcmp(what, "create") == 0) {
        v = text_of(s, q, "modified", err);
        return v != NULL && sa_applied_set(&s->a, v, err) == 0 ? v : NULL;
    }
    return patch_for(s, q, what, err);
}

static void respond(struct session *s, const char *line, size_t n)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    SA_CLEANUP(sa_buf_free) struct sa_buf text = {0}, out = {0};
    sa_buf_init(&text, 0);
    sa_buf_init(&out, 0);
    sa_arena_init(&s->a, MAX_MEMORY);
    struct sa_val *q = sa_val_parse_map(&s->a, line, n, "question", &err);
    struct sa_val *v = q != NULL ? answer(s, q, &err) : NULL;
    if (v != NULL) {
        sa_val_print(v, &text);
    }
    sa_buf_adds(&out, "{\"text\":");
    sa_val_print_string(text.data != NULL ? text.data : "", text.len, &out);
    sa_buf_adds(&out, ",\"error\":");
    const char *why = err != NULL ? sa_err_msg(err) : "";
    sa_val_print_string(why, strlen(why), &out);
    sa_buf_adds(&out, "}\n");
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    sa_arena_free(&s->a);
}

int main(int argc, char **argv)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    struct session s = {.docs = argc > 1 ? argv[1] : "."};
    sa_hash_init();
    while ((n = getline(&line, &cap, stdin)) > 0) {
        respond(&s, line, (size_t)n);
    }
    for (size_t i = 0; i < s.n_known; i++) {
        sa_schema_free(s.known[i].schema);
    }
    free(line);
    return 0;
}
