/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operation is about: its object's kind by discovery, its namespace, its name. A kind that
 * is not known may have been made a moment ago: the server is asked once more.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "worker/json.h"
#include "worker/ops/apply.h"
#include "worker/ops/engine_internal.h"
#include "worker/ops/manifest.h"

#define ASK_AGAIN_NS SA_NS_PER_S /* at most so often, whatever names are asked for */

static void on_discover(void *arg)
{
    struct sa_ops *o = arg;
    o->discovered_ns = sa_mono_ns();
    sa_discovery_start(o->w->discovery);
}

/* Waits for a discovery that begins from now on. */
static void rediscover(struct sa_op_all *a, sa_op_turn *again)
{
    struct sa_ops *o = a->op.ops;
    uint64_t now = sa_mono_ns(), next = o->discovered_ns + ASK_AGAIN_NS;
    bool running = sa_discovery_running(o->w->discovery);
    a->again = again;
    a->discoveries = running ? 2 : 1;
    if (!o->w->reached && !running)
        return; /* it begins as soon as the API server answers */
    if (!sa_timer_armed(&o->discover) &&
        sa_timer_set(o->w->loop, &o->discover, o->discovered_ns && next > now ? next - now : 0,
                     on_discover, o))
        sa_op_fail(&a->op, SA_OP(FAILED), "error: no memory");
}

void sa_ops_discovered(struct sa_ops *o, bool failed)
{
    struct sa_op_all *next;
    sa_ops_hold(o);
    for (struct sa_op_all *a = o->first; a; a = next) {
        sa_op_turn *again = a->again;
        next = a->next;
        if (!again)
            continue;
        a->again = NULL;
        if (failed) {
            sa_op_fail(&a->op, SA_OP(UNAVAILABLE), "Unable to connect to the server: %s",
                       *o->w->slot->last_error ? o->w->slot->last_error : "no discovery");
            continue;
        }
        if (a->discoveries)
            a->discoveries--;
        a->asked_kinds = a->discoveries == 0;
        again(&a->op);
    }
    sa_ops_release(o);
}

/* True if the operation is to wait for discovery once more; else it has ended with `words`. */
static void unknown_kind(struct sa_op *op, const char *group, sa_op_turn *again, const char *words)
{
    struct sa_op_all *a = sa_op_all(op);
    if (!a->asked_kinds) {
        if (a->discoveries) /* the one that was under way is over, the next follows */
            a->again = again;
        else
            rediscover(a, again);
    } else if (group && sa_resources_unknown(&op->w->resources, group)) {
        sa_op_fail(op, SA_OP(UNAVAILABLE),
                   "error: the server is currently unable to handle the request: API group %s "
                   "can't be discovered",
                   *group ? group : "v1");
    } else {
        sa_op_fail(op, SA_OP(NO_SUCH_KIND), "%s", words);
    }
}

bool sa_op_map(struct sa_op *op, const char *kind, struct sa_mapping *out, sa_op_turn *again)
{
    char words[400];
    if (sa_served_find(&op->w->resources.served, kind, out))
        return true;
    const char *dot = strchr(kind, '.');
    if (!*kind)
        snprintf(words, sizeof words, "error: the kind is missing");
    else
        snprintf(words, sizeof words, "error: the server doesn't have a resource type \"%.*s\"",
                 (int)(strcspn(kind, ".") < 256 ? strcspn(kind, ".") : 256), kind);
    unknown_kind(op, dot ? dot + 1 : NULL, again, words);
    return false;
}

bool sa_op_map_exactly(struct sa_op *op, const char *api_version, const char *kind,
                       struct sa_mapping *out, sa_op_turn *again)
{
    char words[1024], group[SA_MAP_NAME];
    const char *slash = strchr(api_version, '/');
    if (sa_served_find_exactly(&op->w->resources.served, api_version, kind, out))
        return true;
    snprintf(group, sizeof group, "%.*s", slash ? (int)(slash - api_version) : 0, api_version);
    snprintf(words, sizeof words,
             "error: resource mapping not found for name: \"%s\" namespace: \"%s\" from \"STDIN\": "
             "no matches for kind \"%.256s\" in version \"%.256s\"\n"
             "ensure CRDs are installed first",
             op->name, op->namespace, kind, api_version);
    unknown_kind(op, group, again, words);
    return false;
}

bool sa_op_segment(struct sa_op *op, const char *what, const char *text)
{
    const char *fault = sa_segment_fault(text);
    if (!fault)
        return true;
    sa_op_fail(op, SA_OP(INVALID), "error: invalid %s \"%.256s\": [%s]", what, text, fault);
    return false;
}

/* Copies a name, or a namespace; false if the operation has ended. */
static bool take(struct sa_op *op, const char *what, const char *text, char *out, size_t size)
{
    size_t n = strlen(text);
    if (n >= size) {
        sa_op_fail(op, SA_OP(INVALID), "error: a %s has at most %zu characters, not %zu", what,
                   size - 1, n);
        return false;
    }
    memcpy(out, text, n + 1);
    return sa_op_segment(op, what, text);
}

static bool take_both(struct sa_op *op, const char *namespace, const char *name)
{
    return take(op, "namespace", namespace, op->namespace, sizeof op->namespace) &&
           take(op, "resource name", name, op->name, sizeof op->name);
}

/* The kind is known: so is what the namespace means. */
static void resolved(struct sa_op *op)
{
    struct sa_op_all *a = sa_op_all(op);
    if (!op->map.namespaced)
        op->namespace[0] = '\0';
    else if (!*op->namespace)
        snprintf(op->namespace, sizeof op->namespace, "%s",
                 *op->w->namespace ? op->w->namespace : "default");
    a->secret = !*op->map.group && strcmp(op->map.plural, "secrets") == 0;
    a->asked_kinds = false;
    a->discoveries = 0;
    sa_op_enter(a);
}

/* ---- manifests ---- */

struct heads {
    char api_version[SA_MAP_NAME + SA_MAP_LABEL], kind[SA_MAP_LABEL];
    char namespace[512], name[512];
};

static bool text_of(const struct sa_json_member *m, char *out, size_t size)
{
    enum sa_json_text t = sa_json_text(m->value, m->value_n, out, size);
    return t == SA_JSON_TEXT || t == SA_JSON_NULL;
}

static bool read_metadata(const char *json, size_t n, struct heads *h)
{
    struct sa_json_members it;
    struct sa_json_member m;
    int more;
    bool ok = true;
    if (sa_json_members(&it, json, n, 1))
        return false;
    while ((more = sa_json_next(&it, &m)) > 0 && ok) {
        if (sa_json_is(&m, "name"))
            ok = text_of(&m, h->name, sizeof h->name);
        else if (sa_json_is(&m, "namespace"))
            ok = text_of(&m, h->namespace, sizeof h->namespace);
    }
    return ok && more == 0;
}

static bool read_manifest(const ProtobufCBinaryData *manifest, struct heads *h)
{
    struct sa_json_members it;
    struct sa_json_member m;
    int more;
    bool ok = true;
    if (sa_json_members(&it, (const char *)manifest->data, manifest->len, 0))
        return false;
    while ((more = sa_json_next(&it, &m)) > 0 && ok) {
        if (sa_json_is(&m, "apiVersion"))
            ok = text_of(&m, h->api_version, sizeof h->api_version);
        else if (sa_json_is(&m, "kind"))
            ok = text_of(&m, h->kind, sizeof h->kind);
        else if (sa_json_is(&m, "metadata"))
            ok = read_metadata(m.value, m.value_n, h);
    }
    return ok && more == 0;
}

/* As kubectl's validation of a file words it. */
static void not_valid(struct sa_op *op, const char *why)
{
    sa_op_fail(op, SA_OP(INVALID),
               "error: error validating \"STDIN\": error validating data: %s; if you choose to "
               "ignore these errors, turn validation off with --validate=false",
               why);
}

/* 0 if nothing but white space is there. */
static char first_of(const ProtobufCBinaryData *manifest)
{
    for (size_t i = 0; i < manifest->len; i++)
        if (!isspace(manifest->data[i]))
            return (char)manifest->data[i];
    return '\0';
}

/* False: the operation has ended. */
static bool read_heads(struct sa_op *op, struct heads *h)
{
    const ProtobufCBinaryData *manifest = op->verb->manifest(op);
    char first = first_of(manifest);
    if (manifest->len > SA_APPLY_MAX_OBJECT)
        sa_op_fail(op, SA_OP(TOO_LARGE), "error: the manifest is larger than 3 MB");
    else if (first == '\0')
        sa_op_fail(op, SA_OP(NO_OBJECTS), "error: no objects passed to %s", op->verb->name);
    else if (first != '{')
        not_valid(op, "invalid object to validate");
    else if (!read_manifest(manifest, h))
        sa_op_fail(op, SA_OP(INVALID),
                   "error: error parsing STDIN: the manifest is no JSON object with apiVersion, "
                   "kind and metadata as texts");
    else if (!*h->kind || !*h->api_version)
        not_valid(op, *h->kind          ? "apiVersion not set"
                      : *h->api_version ? "kind not set"
                                        : "[apiVersion not set, kind not set]");
    else
        return true;
    return false;
}

static void resolve_manifest(struct sa_op *op)
{
    struct heads h = {0};
    if (!read_heads(op, &h))
        return;
    if (take_both(op, h.namespace, h.name) &&
        sa_op_map_exactly(op, h.api_version, h.kind, &op->map, sa_op_resolve))
        resolved(op);
}

bool sa_op_selected(struct sa_op *op, const char *label_selector,
                    const ProtobufCBinaryData *manifest, const char *command)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    int r = sa_manifest_selected((const char *)manifest->data, manifest->len, label_selector, &err);
    if (r > 0)
        return true;
    if (r < 0)
        sa_op_fail(op, SA_OP(INVALID), "error: the provided selector \"%.512s\" is not valid: %s",
                   label_selector, sa_err_msg(err));
    else
        sa_op_fail(op, SA_OP(NO_OBJECTS), "error: no objects passed to %s", command);
    return false;
}

void sa_op_resolve(struct sa_op *op)
{
    if (op->verb->manifest) {
        resolve_manifest(op);
    } else if (!op->verb->object) {
        resolved(op);
    } else {
        const Scaleagent__V1__ObjectName *object = op->verb->object(op);
        if (!object)
            sa_op_fail(op, SA_OP(INVALID), "error: the object is missing");
        else if (take_both(op, object->namespace_, object->name) &&
                 sa_op_map(op, object->kind, &op->map, sa_op_resolve))
            resolved(op);
    }
}
