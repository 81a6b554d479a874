/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/schemas.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

struct entry {
    char *api_version, *kind; /* NULL: free */
    struct sa_schema *schema;
    uint64_t made_ns, used_ns;
};
struct sa_schemas {
    struct entry v[SA_SCHEMAS_MAX];
};

struct sa_schemas *sa_schemas_new(void)
{
    return calloc(1, sizeof(struct sa_schemas));
}

static void forget(struct entry *e)
{
    free(e->api_version);
    free(e->kind);
    sa_schema_free(e->schema);
    *e = (struct entry){0};
}

void sa_schemas_free(struct sa_schemas *s)
{
    for (size_t i = 0; s != NULL && i < SA_SCHEMAS_MAX; i++) {
        forget(&s->v[i]);
    }
    free(s);
}

static bool old(const struct entry *e, uint64_t now_ns)
{
    return now_ns - e->used_ns > SA_SCHEMAS_IDLE_S * SA_NS_PER_S ||
           now_ns - e->made_ns > SA_SCHEMAS_AGE_S * SA_NS_PER_S;
}

void sa_schemas_expire(struct sa_schemas *s, uint64_t now_ns)
{
    for (size_t i = 0; i < SA_SCHEMAS_MAX; i++) {
        if (s->v[i].kind != NULL && old(&s->v[i], now_ns)) {
            forget(&s->v[i]);
        }
    }
}

static struct entry *find(struct sa_schemas *s, const char *api_version, const char *kind)
{
    for (size_t i = 0; i < SA_SCHEMAS_MAX; i++) {
        struct entry *e = &s->v[i];
        if (e->kind != NULL && strcmp(e->kind, kind) == 0 &&
            strcmp(e->api_version, api_version) == 0) {
            return e;
        }
    }
    return NULL;
}

bool sa_schemas_find(struct sa_schemas *s, const char *api_version, const char *kind,
                     uint64_t now_ns, const struct sa_schema **schema)
{
    sa_schemas_expire(s, now_ns);
    struct entry *e = find(s, api_version, kind);
    if (e != NULL) {
        e->used_ns = now_ns;
        *schema = e->schema;
    }
    return e != NULL;
}

int sa_schemas_put(struct sa_schemas *s, const char *api_version, const char *kind, uint64_t now_ns,
                   struct sa_schema *schema)
{
    struct entry *e = find(s, api_version, kind);
    char *version_copy = strdup(api_version), *kind_copy = strdup(kind);
    if (version_copy == NULL || kind_copy == NULL) {
        free(version_copy);
        free(kind_copy);
        sa_schema_free(schema);
        return -1;
    }
    for (size_t i = 0; e == NULL && i < SA_SCHEMAS_MAX; i++) {
        e = s->v[i].kind == NULL ? &s->v[i] : NULL;
    }
    if (e == NULL) {
        e = &s->v[0];
        for (size_t i = 1; i < SA_SCHEMAS_MAX; i++) {
            e = s->v[i].used_ns < e->used_ns ? &s->v[i] : e;
        }
    }
    forget(e);
    *e = (struct entry){.api_version = version_copy,
                        .kind = kind_copy,
                        .schema = schema,
                        .made_ns = now_ns,
                        .used_ns = now_ns};
    return 0;
}
