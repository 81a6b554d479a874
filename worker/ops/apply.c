/* SPDX-License-Identifier: Apache-2.0 */
/* What both ways of applying share: the manifest, steps, results. */
#include "worker/ops/apply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/apply_internal.h"
#include "worker/ops/managed.h"
#include "worker/ops/openapi.h"

int sa_apply_no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "apply: out of memory");
}

int sa_apply_keep(char **field, const char *text)
{
    char *copy = strdup(text != NULL ? text : "");
    if (copy == NULL) {
        return -1;
    }
    free(*field);
    *field = copy;
    return 0;
}

bool sa_apply_ok(int status)
{
    return status >= 200 && status < 300;
}

static const char *json_type(const struct sa_val *v)
{
    switch (v->type) {
    case SA_VAL_MAP:
        return "object";
    case SA_VAL_LIST:
        return "array";
    case SA_VAL_BOOL:
        return "bool";
    case SA_VAL_STRING:
        return "string";
    default:
        return "number";
    }
}

/* Labels and annotations are texts, or null: "" for kubectl. */
static int check_texts(const struct sa_val *metadata, const char *field, struct sa_err **err)
{
    static const char wrong[] = "unable to decode \"STDIN\": json: cannot unmarshal %s into Go "
                                "struct field ObjectMeta.metadata.%s of type %s";
    const struct sa_val *v = sa_val_member(metadata, field);
    if (v == NULL || v->type == SA_VAL_NULL) {
        return 0;
    }
    if (v->type != SA_VAL_MAP) {
        return sa_err_set(err, SA_EREFUSED, wrong, json_type(v), field, "map[string]string");
    }
    for (uint32_t i = 0; i < v->n; i++) {
        const struct sa_val *text = v->pairs[i].val;
        if (text->type != SA_VAL_STRING && text->type != SA_VAL_NULL) {
            return sa_err_set(err, SA_EREFUSED, wrong, json_type(text), field, "string");
        }
    }
    return 0;
}

/* What kubectl refuses before it asks the server. */
static int take_names(struct sa_apply *a, const struct sa_val *manifest, struct sa_err **err)
{
    const struct sa_val *metadata = sa_val_member(manifest, "metadata");
    const char *generate = sa_val_str(metadata, "generateName");
    if (sa_apply_keep(&a->api_version, sa_val_str(manifest, "apiVersion")) != 0 ||
        sa_apply_keep(&a->kind, sa_val_str(manifest, "kind")) != 0 ||
        sa_apply_keep(&a->name, sa_val_str(metadata, "name")) != 0 ||
        sa_apply_keep(&a->namespace, sa_val_str(metadata, "namespace")) != 0) {
        return sa_apply_no_memory(err);
    }
    if (a->kind[0] == '\0') {
        return sa_err_set(err, SA_EREFUSED, "Object 'Kind' is missing in the manifest");
    }
    if (a->api_version[0] == '\0') {
        return sa_err_set(err, SA_EREFUSED, "apiVersion is missing in the manifest");
    }
    if (a->name[0] == '\0' && generate[0] != '\0') {
        return sa_err_set(err, SA_EREFUSED, "from %s: cannot use generate name with apply",
                          generate);
    }
    if (a->name[0] == '\0') {
        return sa_err_set(err, SA_EREFUSED, "resource name may not be empty");
    }
    return check_texts(metadata, "labels", err) != 0 ||
                   check_texts(metadata, "annotations", err) != 0
               ? -1
               : 0;
}

/* SetNamespace and FilterNamespace: what has none loses it, whatever its manifest says. */
static int take_namespace(struct sa_apply *a, const char *namespace, struct sa_arena *arena,
                          struct sa_val *manifest, struct sa_err **err)
{
    if (namespace == NULL) {
        sa_val_remove(sa_val_member(manifest, "metadata"), "namespace", sizeof "namespace" - 1);
        return sa_apply_keep(&a->namespace, "") == 0 ? 0 : sa_apply_no_memory(err);
    }
    if (namespace[0] == '\0' || a->namespace[0] != '\0') {
        return 0;
    }
    if (sa_apply_keep(&a->namespace, namespace) != 0 ||
        sa_val_set(arena, sa_val_member(manifest, "metadata"), "namespace",
                   sa_val_text(arena, namespace)) != 0) {
        return sa_apply_no_memory(err);
    }
    return 0;
}

static int prepare(struct sa_apply *a, const struct sa_apply_options *o, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    const char *manager = o->field_manager;
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    if (o->manifest_n > SA_APPLY_MAX_OBJECT) {
        return sa_err_set(err, SA_ELIMIT, "the manifest is larger than %zu MB",
                          SA_APPLY_MAX_OBJECT >> 20);
    }
    if (manager == NULL || manager[0] == '\0') {
        manager = o->server_side ? SA_MANAGER_SERVER_SIDE : SA_MANAGER_CLIENT_SIDE;
    }
    if (sa_apply_keep(&a->manager, manager) != 0 || sa_apply_keep(&a->uid, o->uid) != 0 ||
        sa_apply_keep(&a->version, o->resource_version) != 0 ||
        sa_apply_keep(&a->resource, o->resource) != 0 || sa_apply_keep(&a->seen_uid, "") != 0 ||
        sa_apply_keep(&a->seen_version, "") != 0) {
        return sa_apply_no_memory(err);
    }
    struct sa_val *manifest =
        sa_val_parse_map(&arena, o->manifest, o->manifest_n, "the manifest", err);
    if (manifest == NULL || take_names(a, manifest, err) != 0 ||
        take_namespace(a, o->namespace, &arena, manifest, err) != 0) {
        return -1;
    }
    return a->server_side ? sa_apply_server_prepare(a, &arena, manifest, err)
                          : sa_apply_client_prepare(a, &arena, manifest, err);
}

struct sa_apply *sa_apply_new(const struct sa_apply_options *o, struct sa_err **err)
{
    struct sa_apply *a = calloc(1, sizeof *a);
    if (a == NULL) {
        sa_apply_no_memory(err);
        return NULL;
    }
    a->server_side = o->server_side;
    a->force = o->force_conflicts;
    a->clear = o->clear_managed_fields;
    a->defaults = o->manifest_defaults;
    struct sa_buf *const bufs[] = {&a->manifest, &a->create, &a->current, &a->body,    &a->query,
                                   &a->path,     &a->doing,  &a->message, &a->warnings};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        sa_buf_init(bufs[i], 4 * SA_APPLY_MAX_OBJECT);
    }
    if (prepare(a, o, err) != 0) {
        sa_apply_free(a);
        return NULL;
    }
    return a;
}

void sa_apply_free(struct sa_apply *a)
{
    if (a == NULL) {
        return;
    }
    char *const texts[] = {a->api_version, a->kind, a->name,    a->namespace, a->resource,
                           a->manager,     a->uid,  a->version, a->seen_uid,  a->seen_version};
    struct sa_buf *const bufs[] = {&a->manifest, &a->create, &a->current, &a->body,    &a->query,
                                   &a->path,     &a->doing,  &a->message, &a->warnings};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        free(texts[i]);
    }
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        sa_buf_wipe(bufs[i]); /* it may have been a Secret */
        sa_buf_free(bufs[i]);
    }
    free(a);
}

void sa_apply_freep(struct sa_apply **a)
{
    sa_apply_free(*a);
    *a = NULL;
}

const char *sa_apply_api_version(const struct sa_apply *a)
{
    return a->api_version;
}

const char *sa_apply_kind(const struct sa_apply *a)
{
    return a->kind;
}

const char *sa_apply_namespace(const struct sa_apply *a)
{
    return a->namespace;
}

const char *sa_apply_name(const struct sa_apply *a)
{
    return a->name;
}

bool sa_apply_changed(const struct sa_apply *a)
{
    return a->applied;
}

const char *sa_apply_uid(const struct sa_apply *a)
{
    return a->seen_uid;
}

const char *sa_apply_version(const struct sa_apply *a)
{
    return a->seen_version;
}

int sa_apply_see(struct sa_apply *a, const char *body, size_t n, struct sa_err **err)
{
    SA_CLEANUP(sa_arena_free) struct sa_arena arena = {0};
    sa_arena_init(&arena, SA_APPLY_MAX_MEMORY);
    sa_buf_reset(&a->current);
    if (sa_buf_add(&a->current, body, n) != 0) {
        return sa_err_set(err, SA_ELIMIT, "the API server's answer is too large");
    }
    const struct sa_val *v = sa_apply_current(a, &arena, err);
    if (v == NULL) {
        return -1;
    }
    const struct sa_val *metadata = sa_val_member(v, "metadata");
    if (sa_apply_keep(&a->seen_uid, sa_val_str(metadata, "uid")) != 0 ||
        sa_apply_keep(&a->seen_version, sa_val_str(metadata, "resourceVersion")) != 0) {
        return sa_apply_no_memory(err);
    }
    return 0;
}

struct sa_val *sa_apply_current(const struct sa_apply *a, struct sa_arena *arena,
                                struct sa_err **err)
{
    return sa_val_parse_map(arena, a->current.data != NULL ? a->current.data : "", a->current.len,
                            "the API server's answer", err);
}

static void next(struct sa_apply *a, enum sa_apply_phase phase, const struct sa_apply_step *step)
{
    a->phase = phase;
    a->step = *step;
}

int sa_apply_get(struct sa_apply *a, enum sa_apply_phase phase, unsigned delay_ms)
{
    next(a, phase,
         &(struct sa_apply_step){
             .what = SA_APPLY_REQUEST, .method = "GET", .query = "", .delay_ms = delay_ms});
    return 0;
}

int sa_apply_ask_schema(struct sa_apply *a, struct sa_err **err)
{
    char path[600];
    if (sa_openapi_path(a->api_version, path, sizeof path) != 0) {
        return sa_err_set(err, SA_EREFUSED, "apiVersion: \"%s\" is none", a->api_version);
    }
    sa_buf_reset(&a->path);
    if (sa_buf_adds(&a->path, path) != 0) {
        return sa_apply_no_memory(err);
    }
    next(a, SA_AT_SCHEMA,
         &(struct sa_apply_step){.what = SA_APPLY_SCHEMA, .query = "", .path = a->path.data});
    return 0;
}

/* A parameter of a query (RFC 3986: unreserved characters stay). */
static void add_query(struct sa_buf *b, const char *name, const char *value)
{
    sa_buf_addf(b, "%s%s=", b->len > 0 ? "&" : "", name);
    for (; *value != '\0'; value++) {
        bool plain = (*value >= 'a' && *value <= 'z') || (*value >= 'A' && *value <= 'Z') ||
                     (*value >= '0' && *value <= '9') || strchr("-._~", *value) != NULL;
        sa_buf_addf(b, plain ? "%c" : "%%%02X", (unsigned char)*value);
    }
}

static int send(struct sa_apply *a, enum sa_apply_phase phase, struct sa_apply_step *step,
                const char *manager, const char *force, struct sa_err **err)
{
    sa_buf_reset(&a->query);
    add_query(&a->query, "fieldManager", manager);
    add_query(&a->query, "fieldValidation", "Strict");
    if (force != NULL) {
        add_query(&a->query, "force", force);
    }
    if (a->query.failed || step->body == NULL) {
        return sa_apply_no_memory(err);
    }
    step->what = SA_APPLY_REQUEST;
    step->query = a->query.data;
    step->changes = true;
    next(a, phase, step);
    return 0;
}

int sa_apply_patch(struct sa_apply *a, enum sa_apply_phase phase, const char *content_type,
                   const char *manager, const char *force, struct sa_err **err)
{
    struct sa_apply_step step = {.method = "PATCH",
                                 .content_type = content_type,
                                 .body = a->body.failed ? NULL : a->body.data,
                                 .body_n = a->body.len};
    return send(a, phase, &step, manager, force, err);
}

int sa_apply_post(struct sa_apply *a, struct sa_err **err)
{
    struct sa_apply_step step = {.method = "POST",
                                 .on = SA_APPLY_ON_COLLECTION,
                                 .content_type = "application/json",
                                 .body = a->create.data,
                                 .body_n = a->create.len};
    return send(a, SA_AT_CREATE, &step, a->manager, NULL, err);
}

const struct sa_apply_step *sa_apply_step(const struct sa_apply *a)
{
    return &a->step;
}

int sa_apply_end(struct sa_apply *a, enum sa_apply_outcome outcome)
{
    bool good = outcome <= SA_APPLY_SERVER_SIDE;
    next(a, SA_AT_END, &(struct sa_apply_step){.what = SA_APPLY_DONE, .query = ""});
    a->result = (struct sa_apply_result){
        .outcome = outcome,
        .object = good && a->current.data != NULL ? a->current.data : "",
        .object_n = good ? a->current.len : 0,
        .doing = a->doing.len > 0 ? a->doing.data : NULL,
        .message = a->message.data != NULL ? a->message.data : "",
        .warnings = a->warnings.data != NULL ? a->warnings.data : "",
    };
    return 0;
}

int sa_apply_failed(struct sa_apply *a)
{
    return sa_apply_end(a, SA_APPLY_FAILED);
}

int sa_apply_refused(struct sa_apply *a, enum sa_apply_outcome outcome, const char *fmt, ...)
{
    va_list ap;
    sa_buf_reset(&a->message);
    va_start(ap, fmt);
    sa_buf_addv(&a->message, fmt, ap);
    va_end(ap);
    return sa_apply_end(a, outcome);
}

void sa_apply_name_object(struct sa_apply *a)
{
    const char *slash = strchr(a->api_version, '/');
    /* GroupVersionResource and GroupVersionKind print the empty group of the core as such. */
    sa_buf_addf(&a->doing,
                "Resource: \"%s%s, Resource=%s\", GroupVersionKind: \"%s%s, Kind=%s\"\n"
                "Name: \"%s\", Namespace: \"%s\"",
                slash != NULL ? "" : "/", a->api_version, a->resource, slash != NULL ? "" : "/",
                a->api_version, a->kind, a->name, a->namespace);
}

int sa_apply_answer(struct sa_apply *a, int status, const char *body, size_t n, struct sa_err **err)
{
    if (n > SA_APPLY_MAX_OBJECT && sa_apply_ok(status)) {
        return sa_err_set(err, SA_ELIMIT, "the API server's answer is larger than %zu MB",
                          SA_APPLY_MAX_OBJECT >> 20);
    }
    return a->server_side ? sa_apply_server_answer(a, status, body, n, err)
                          : sa_apply_client_answer(a, status, body, n, err);
}

int sa_apply_schema(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err)
{
    return a->server_side ? sa_apply_server_schema(a, schema, err)
                          : sa_apply_client_schema(a, schema, err);
}

const struct sa_apply_result *sa_apply_result(const struct sa_apply *a)
{
    return &a->result;
}
