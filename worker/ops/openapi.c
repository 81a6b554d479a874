/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The document as it comes: {"openapi", "info", "paths": {PATH: {...}}, "components": {"schemas":
 * {NAME: {...}}}}, in any order; of version 2 {"swagger", "info", "paths": {PATH: {...}},
 * "definitions": {NAME: {...}}}. Of paths and schemas each member's value is gathered and looked at
 * when it is complete; all else is passed over. Where the paths come first, as API servers send
 * them, a kind without strategic merge patch is known before any schema is read.
 */
#include "worker/ops/openapi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/openapi_internal.h"

#define STRATEGIC "application/strategic-merge-patch+json"
/* Of one path or schema; those of Kubernetes itself are below 100 KB. */
#define MEMBER_MAX ((size_t)4 << 20)
/* Of its tree. */
#define TREE_MAX       ((size_t)64 << 20)
#define NAME_MAX_BYTES 512

enum state {
    BEGIN,      /* of the document */
    FIRST_NAME, /* behind an opening brace */
    NAME_START, /* behind a comma */
    NAME,       /* within */
    COLON,
    VALUE_START,
    VALUE, /* within */
    AFTER, /* a value */
    END,   /* of the document */
};

enum where { TOP, PATHS, COMPONENTS, SCHEMAS, DEFINITIONS, ELSEWHERE };

struct sa_openapi {
    char *group, *version, *kind;
    enum state state;
    enum where where;
    char name[NAME_MAX_BYTES]; /* of the member, raw; cut where it is longer */
    size_t name_n;
    bool gather; /* the value, into text */
    struct sa_buf text;
    unsigned nesting; /* of the value */
    bool in_string, escaped;
    bool paths_done, found, strategic, decided;
    struct sa_compile compile;
};

struct sa_openapi *sa_openapi_new(const char *api_version, const char *kind, struct sa_err **err)
{
    const char *slash = strchr(api_version, '/');
    struct sa_openapi *o = calloc(1, sizeof *o);
    if (o != NULL) {
        sa_buf_init(&o->text, MEMBER_MAX);
        o->group = slash != NULL ? strndup(api_version, (size_t)(slash - api_version)) : strdup("");
        o->version = strdup(slash != NULL ? slash + 1 : api_version);
        o->kind = strdup(kind);
    }
    if (o == NULL || o->group == NULL || o->version == NULL || o->kind == NULL) {
        sa_openapi_free(o);
        sa_err_set(err, SA_EMEMORY, "the server's OpenAPI document: out of memory");
        return NULL;
    }
    if (sa_compile_init(&o->compile, err) != 0) {
        sa_openapi_free(o);
        return NULL;
    }
    return o;
}

void sa_openapi_free(struct sa_openapi *o)
{
    if (o != NULL) {
        sa_compile_free(&o->compile);
        sa_buf_free(&o->text);
        free(o->group);
        free(o->version);
        free(o->kind);
        free(o);
    }
}

static int malformed(struct sa_err **err, const char *why)
{
    return sa_err_set(err, SA_EPROTOCOL, "the server's OpenAPI document: %s", why);
}

static bool is_kind(const struct sa_openapi *o, const struct sa_val *gvk)
{
    return strcmp(sa_val_str(gvk, "group"), o->group) == 0 &&
           strcmp(sa_val_str(gvk, "version"), o->version) == 0 &&
           strcmp(sa_val_str(gvk, "kind"), o->kind) == 0;
}

/* A list of version 2: "consumes": ["application/json-patch+json", ...]. */
static bool consumes(const struct sa_val *patch, const char *type)
{
    const struct sa_val *list = sa_val_member(patch, "consumes");
    for (uint32_t i = 0; list != NULL && list->type == SA_VAL_LIST && i < list->n; i++) {
        const struct sa_val *v = list->items[i];
        if (v->type == SA_VAL_STRING && v->n == strlen(type) && memcmp(v->s, type, v->n) == 0) {
            return true;
        }
    }
    return false;
}

/* gvkSupportsPatchOpenAPIV3 of kubectl's patcher; getPatchTypeFromOpenAPI. */
static void take_path(struct sa_openapi *o, const struct sa_val *path)
{
    const struct sa_val *patch = sa_val_member(path, "patch");
    if (o->found || patch == NULL ||
        !is_kind(o, sa_val_member(patch, "x-kubernetes-group-version-kind"))) {
        return;
    }
    const struct sa_val *body = sa_val_member(patch, "requestBody");
    o->found = true;
    o->strategic = sa_val_member(sa_val_member(body, "content"), STRATEGIC) != NULL ||
                   consumes(patch, STRATEGIC);
    o->decided = !o->strategic;
}

static int take_schema(struct sa_openapi *o, const struct sa_val *schema, struct sa_err **err)
{
    const struct sa_val *kinds = sa_val_member(schema, "x-kubernetes-group-version-kind");
    bool root = false;
    for (uint32_t i = 0; kinds != NULL && kinds->type == SA_VAL_LIST && i < kinds->n; i++) {
        root = root || is_kind(o, kinds->items[i]);
    }
    o->name[o->name_n] = '\0';
    return sa_compile_schema(&o->compile, o->name, schema, root, err);
}

static int take_member(struct sa_openapi *o, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena a = {0};
    sa_arena_init(&a, TREE_MAX);
    if (o->text.failed) {
        return sa_err_set(err, SA_ELIMIT,
                          "the server's OpenAPI document: a path or schema is larger than %zu MB",
                          MEMBER_MAX >> 20);
    }
    struct sa_val *v =
        sa_val_parse(&a, o->text.data, o->text.len, "the server's OpenAPI document: a member", err);
    if (v == NULL) {
        return -1;
    }
    sa_buf_trim(&o->text, 256 * 1024);
    if (o->where == PATHS) {
        take_path(o, v);
        return 0;
    }
    return take_schema(o, v, err);
}

static bool named(const struct sa_openapi *o, const char *name)
{
    return o->name_n == strlen(name) && memcmp(o->name, name, o->name_n) == 0;
}

/* Where the value of the present member leads; ELSEWHERE: it is not walked into. */
static enum where into(const struct sa_openapi *o)
{
    if (o->where == TOP && named(o, "paths")) {
        return PATHS;
    }
    if (o->where == TOP && named(o, "components")) {
        return COMPONENTS;
    }
    if (o->where == TOP && named(o, "definitions")) {
        return DEFINITIONS;
    }
    return o->where == COMPONENTS && named(o, "schemas") ? SCHEMAS : ELSEWHERE;
}

/* An object that is walked through ends. */
static void leave(struct sa_openapi *o)
{
    if (o->where == PATHS) {
        o->paths_done = true;
        o->decided = !o->strategic;
    }
    o->state = o->where == TOP ? END : AFTER;
    o->where = o->where == SCHEMAS ? COMPONENTS : TOP;
}

static void start_value(struct sa_openapi *o, char c)
{
    enum where next = into(o);
    if (c == '{' && next != ELSEWHERE) {
        o->where = next;
        o->state = FIRST_NAME;
        return;
    }
    /* Once the kind was found, other paths do not matter. */
    o->gather = o->where == SCHEMAS || o->where == DEFINITIONS || (o->where == PATHS && !o->found);
    o->state = VALUE;
    o->nesting = 0;
    o->in_string = o->escaped = false;
    sa_buf_reset(&o->text);
}

/* 1: c ended the value as its last byte, 2: it lies behind it. */
static int value_byte(struct sa_openapi *o, char c)
{
    if (o->in_string) {
        if (o->escaped) {
            o->escaped = false;
        } else if (c == '\\') {
            o->escaped = true;
        } else if (c == '"') {
            o->in_string = false;
            return o->nesting == 0;
        }
        return 0;
    }
    switch (c) {
    case '"':
        o->in_string = true;
        return 0;
    case '{':
    case '[':
        o->nesting++;
        return 0;
    case '}':
    case ']':
        if (o->nesting == 0) {
            return 2;
        }
        return --o->nesting == 0;
    case ',':
        return o->nesting == 0 ? 2 : 0;
    default:
        return 0;
    }
}

/* The bytes of a value from p on; *used of them belong to it. */
static int value_bytes(struct sa_openapi *o, const char *p, size_t n, size_t *used,
                       struct sa_err **err)
{
    size_t i = 0;
    int ended = 0;
    while (i < n && ended == 0) {
        ended = value_byte(o, p[i++]);
    }
    *used = ended == 2 ? i - 1 : i;
    if (o->gather) {
        sa_buf_add(&o->text, p, *used);
    }
    if (ended == 0) {
        return 0;
    }
    o->state = AFTER;
    return o->gather ? take_member(o, err) : 0;
}

static int name_byte(struct sa_openapi *o, char c)
{
    if (c == '"' && !o->escaped) {
        o->state = COLON;
        return 0;
    }
    o->escaped = c == '\\' && !o->escaped;
    if (o->name_n < sizeof o->name - 1) {
        o->name[o->name_n++] = c;
    }
    return 0;
}

/* A byte of the walk itself: braces, names, colons, commas. */
static int walk_byte(struct sa_openapi *o, char c, struct sa_err **err)
{
    bool name_may_start = o->state == FIRST_NAME || o->state == NAME_START;
    if (o->state == NAME) {
        return name_byte(o, c);
    }
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
        return 0;
    }
    if (o->state == BEGIN && c == '{') {
        o->state = FIRST_NAME;
    } else if (name_may_start && c == '"') {
        o->state = NAME;
        o->name_n = 0;
        o->escaped = false;
    } else if ((o->state == FIRST_NAME || o->state == AFTER) && c == '}') {
        leave(o);
    } else if (o->state == AFTER && c == ',') {
        o->state = NAME_START;
    } else if (o->state == COLON && c == ':') {
        o->state = VALUE_START;
    } else {
        return malformed(err, "it is no JSON object");
    }
    return 0;
}

int sa_openapi_feed(struct sa_openapi *o, const void *p, size_t n, struct sa_err **err)
{
    const char *at = p, *end = at + n;
    while (at < end && !o->decided) {
        if (o->state == VALUE_START && strchr(" \n\r\t", *at) == NULL) {
            start_value(o, *at);
            at += o->state == FIRST_NAME;
        } else if (o->state == VALUE_START) {
            at++;
        } else if (o->state == VALUE) {
            size_t used;
            if (value_bytes(o, at, (size_t)(end - at), &used, err) != 0) {
                return -1;
            }
            at += used;
        } else if (walk_byte(o, *at++, err) != 0) {
            return -1;
        }
    }
    return o->decided ? 1 : 0;
}

int sa_openapi_finish(struct sa_openapi *o, struct sa_schema **schema, struct sa_err **err)
{
    *schema = NULL;
    if (o->decided) {
        return 0;
    }
    if (o->state != END) {
        return malformed(err, "it ends too early");
    }
    if (!o->strategic || !o->compile.root_found) {
        return 0;
    }
    return sa_compile_finish(&o->compile, schema, err);
}

bool sa_openapi_knows(const struct sa_openapi *o)
{
    return o->found;
}

int sa_openapi_path(const char *api_version, char *out, size_t cap)
{
    const char *slash = strchr(api_version, '/');
    size_t n = strlen(api_version);
    /* What stands in a path may be nothing but a DNS name and a version. */
    if (n == 0 || strspn(api_version, "abcdefghijklmnopqrstuvwxyz0123456789.-/") != n ||
        strstr(api_version, "..") != NULL || (slash != NULL && strchr(slash + 1, '/') != NULL)) {
        return -1;
    }
    int w = snprintf(out, cap, "/openapi/v3/%s/%s", slash != NULL ? "apis" : "api", api_version);
    return w > 0 && (size_t)w < cap ? 0 : -1;
}
