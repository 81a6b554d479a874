/* SPDX-License-Identifier: Apache-2.0 */
/* op: what is to be asked. Names and kinds are written as kubectl's users write them. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ctl/op.h"
#include "ipc/operate.h"

typedef Scaleagent__V1__Operation Operation;

/* Packs m, with a new id, and appends it. */
static int add(struct sa_cli_op_requests *out, const struct sa_cli_op *op, Operation *m,
               struct sa_err **err)
{
    struct sa_cli_op_request *v = reallocarray(out->v, out->n + 1, sizeof *v);
    if (v == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the request");
    out->v = v;
    v += out->n;
    sa_random_bytes(v->id, sizeof v->id);
    m->id = (ProtobufCBinaryData){sizeof v->id, v->id};
    m->timeout_ms = op->timeout_ms;
    m->name = (char *)(uintptr_t)op->words;
    v->n = scaleagent__v1__operation__get_packed_size(m);
    if (v->n > SA_OPERATE_ASK_MAX)
        return sa_err_set(err, SA_ELIMIT, "an object of %zu bytes is too large", v->n);
    v->packed = malloc(v->n);
    if (v->packed == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the request");
    scaleagent__v1__operation__pack(m, v->packed);
    out->n++;
    return 0;
}

void sa_cli_op_requests_free(struct sa_cli_op_requests *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->v[i].packed);
    free(r->v);
    *r = (struct sa_cli_op_requests){0};
}

/* ---- one object by its name ---- */

/* Fills the body of m for one object; text stays where it is as long as m is used. */
typedef int by_name(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                    Scaleagent__V1__ObjectName *name, struct sa_err **err);

static int get(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
               Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__GetOperation body = SCALEAGENT__V1__GET_OPERATION__INIT;
    body.object = name;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_GET;
    m.get = &body;
    return add(out, op, &m, err);
}

static int events(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                  Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__EventsOperation body = SCALEAGENT__V1__EVENTS_OPERATION__INIT;
    body.object = name;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_EVENTS;
    m.events = &body;
    return add(out, op, &m, err);
}

static int patch(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                 Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__PatchOperation body = SCALEAGENT__V1__PATCH_OPERATION__INIT;
    body.object = name;
    body.type = op->patch_type;
    body.patch = (ProtobufCBinaryData){strlen(op->patch), (uint8_t *)(uintptr_t)op->patch};
    body.record = op->record;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_PATCH;
    m.patch = &body;
    return add(out, op, &m, err);
}

/* kubectl's --now is a grace period of 1, --force without one a grace period of 0. */
static void set_grace(const struct sa_cli_op *op, Scaleagent__V1__DeleteOperation *body)
{
    int64_t seconds = op->now ? 1 : op->force && op->grace_seconds < 0 ? 0 : op->grace_seconds;
    if (seconds < 0)
        return;
    if (seconds == 0 && !op->force) /* kubectl: 0 alone is 1, without force */
        seconds = 1;
    body->grace_case = SCALEAGENT__V1__DELETE_OPERATION__GRACE_GRACE_PERIOD_SECONDS;
    body->grace_period_seconds = seconds;
}

static int delete (struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                   Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__DeleteOperation body = SCALEAGENT__V1__DELETE_OPERATION__INIT;
    body.object = name;
    body.label_selector = (char *)(uintptr_t)op->selector;
    body.cascade = op->cascade;
    body.wait = op->wait;
    /* Of those that labels name none need be there. */
    body.ignore_not_found = op->ignore_not_found || op->selector[0] != '\0';
    set_grace(op, &body);
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_DELETE;
    m.delete_ = &body;
    return add(out, op, &m, err);
}

static int scale(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                 Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ScaleOperation body = SCALEAGENT__V1__SCALE_OPERATION__INIT;
    body.object = name;
    body.replicas = (int32_t)op->replicas;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_SCALE;
    m.scale = &body;
    return add(out, op, &m, err);
}

static int rollout(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                   Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__RolloutOperation body = SCALEAGENT__V1__ROLLOUT_OPERATION__INIT;
    body.verb = op->rollout;
    body.object = name;
    body.revision = op->revision;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_ROLLOUT;
    m.rollout = &body;
    return add(out, op, &m, err);
}

static int logs(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                Scaleagent__V1__ObjectName *name, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__LogsOperation body = SCALEAGENT__V1__LOGS_OPERATION__INIT;
    body.object = name;
    body.container = (char *)(uintptr_t)op->container;
    body.all_containers = op->all_containers;
    body.previous = op->previous;
    body.since_seconds = op->since_seconds;
    body.limit_bytes = (uint64_t)op->limit_bytes;
    if (op->tail_lines >= 0) {
        body.tail_case = SCALEAGENT__V1__LOGS_OPERATION__TAIL_TAIL_LINES;
        body.tail_lines = op->tail_lines;
    }
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_LOGS;
    m.logs = &body;
    return add(out, op, &m, err);
}

/* ---- kinds and names of the command line ---- */

static int named(struct sa_cli_op_requests *out, const struct sa_cli_op *op, const char *kind,
                 size_t kind_n, const char *name, by_name *make, struct sa_err **err)
{
    Scaleagent__V1__ObjectName object = SCALEAGENT__V1__OBJECT_NAME__INIT;
    SA_CLEANUP(sa_freep) char *copy = strndup(kind, kind_n);
    if (copy == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the request");
    object.kind = copy;
    object.namespace_ = (char *)(uintptr_t)(op->namespace == NULL ? "" : op->namespace);
    object.name = (char *)(uintptr_t)name;
    return make(out, op, &object, err);
}

/* KIND/NAME...: each by itself. */
static int slashed(struct sa_cli_op_requests *out, const struct sa_cli_op *op, by_name *make,
                   struct sa_err **err)
{
    for (int i = 0; i < op->n_args; i++) {
        const char *slash = strchr(op->args[i], '/');
        if (slash == NULL)
            return sa_err_set(err, SA_EREFUSED,
                              "there is no need to specify a resource type as a separate argument "
                              "when passing arguments in resource/name form (e.g. 'get "
                              "resource/<resource_name>' instead of 'get resource "
                              "resource/<resource_name>')");
        if (slash == op->args[i] || slash[1] == '\0')
            return sa_err_set(err, SA_EREFUSED,
                              "arguments in resource/name form must have a single resource and "
                              "name");
        if (named(out, op, op->args[i], (size_t)(slash - op->args[i]), slash + 1, make, err) != 0)
            return -1;
    }
    return 0;
}

/* KIND[,KIND]... NAME...: each kind with each name. */
static int separate(struct sa_cli_op_requests *out, const struct sa_cli_op *op, by_name *make,
                    struct sa_err **err)
{
    const char *kind = op->args[0];
    while (*kind != '\0') {
        size_t n = strcspn(kind, ",");
        for (int i = 1; n > 0 && i < op->n_args; i++) {
            if (strchr(op->args[i], '/') != NULL)
                return slashed(out, op, make, err);
            if (named(out, op, kind, n, op->args[i], make, err) != 0)
                return -1;
        }
        kind += n + (kind[n] == ',');
    }
    return 0;
}

static bool has_slash(const char *arg)
{
    return strchr(arg, '/') != NULL;
}

static int by_names(struct sa_cli_op_requests *out, const struct sa_cli_op *op, by_name *make,
                    struct sa_err **err)
{
    if (op->n_args == 0)
        return sa_err_set(err, SA_EREFUSED, "You must specify the type of resource and its name");
    if (has_slash(op->args[0]))
        return slashed(out, op, make, err);
    if (op->n_args == 1)
        return sa_err_set(err, SA_EREFUSED, "resource(s) were provided, but no name was specified");
    return separate(out, op, make, err);
}

/* ---- what may have no name ---- */

static int list(struct sa_cli_op_requests *out, const struct sa_cli_op *op, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ListOperation body = SCALEAGENT__V1__LIST_OPERATION__INIT;
    SA_CLEANUP(sa_freep) char *words = strdup(op->args[0]);
    size_t n = strlen(op->args[0]);
    SA_CLEANUP(sa_freep) char **kinds = calloc(n / 2 + 1, sizeof *kinds);
    char *rest = words;
    if (words == NULL || kinds == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the request");
    for (char *kind; (kind = strtok_r(rest, ",", &rest)) != NULL;)
        kinds[body.n_kinds++] = kind;
    body.kinds = kinds;
    body.namespace_ =
        (char *)(uintptr_t)(op->namespace == NULL || op->all_namespaces ? "" : op->namespace);
    body.label_selector = (char *)(uintptr_t)op->selector;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_LIST;
    m.list = &body;
    return add(out, op, &m, err);
}

static int get_or_list(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                       struct sa_err **err)
{
    bool names = op->n_args > 1 || (op->n_args == 1 && has_slash(op->args[0]));
    if (op->n_args == 0 || op->args[0][0] == '\0')
        return sa_err_set(err, SA_EREFUSED, "You must specify the type of resource to get");
    if (names && op->selector[0] != '\0')
        return sa_err_set(err, SA_EREFUSED, "name cannot be provided when a selector is specified");
    if (names && op->all_namespaces)
        return sa_err_set(err, SA_EREFUSED,
                          "a resource cannot be retrieved by name across all namespaces");
    return names ? by_names(out, op, get, err) : list(out, op, err);
}

/* By labels: every kind that is named. */
static int delete_selected(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                           struct sa_err **err)
{
    const char *kind = op->n_args == 1 ? op->args[0] : "";
    if (op->n_args > 1)
        return sa_err_set(err, SA_EREFUSED, "name cannot be provided when a selector is specified");
    while (*kind != '\0') {
        size_t n = strcspn(kind, ",");
        if (n > 0 && named(out, op, kind, n, "", delete, err) != 0)
            return -1;
        kind += n + (kind[n] == ',');
    }
    return out->n > 0
               ? 0
               : sa_err_set(err, SA_EREFUSED, "You must specify the type of resource to delete");
}

/* The objects of files, by the kind and name that they have. */
static int delete_listed(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                         const struct sa_manifests *m, struct sa_err **err)
{
    for (size_t i = 0; i < m->n; i++) {
        const cJSON *o = m->v[i].object;
        const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(o, "metadata");
        struct sa_cli_op one = *op;
        struct sa_buf kind;
        const char *version = sa_cli_string(o, "apiVersion"), *slash = strchr(version, '/');
        sa_buf_init(&kind, 0);
        sa_buf_adds(&kind, sa_cli_string(o, "kind"));
        if (slash != NULL) /* "Deployment.v1.apps" */
            sa_buf_addf(&kind, ".%s.%.*s", slash + 1, (int)(slash - version), version);
        one.namespace = sa_cli_string(metadata, "namespace");
        one.selector = "";
        int r = kind.failed ? sa_err_set(err, SA_EMEMORY, "no memory for the request")
                : sa_cli_string(metadata, "name")[0] == '\0'
                    ? sa_err_set(err, SA_EREFUSED, "resource name may not be empty")
                    : named(out, &one, kind.data == NULL ? "" : kind.data, kind.len,
                            sa_cli_string(metadata, "name"), delete, err);
        sa_buf_free(&kind);
        if (r != 0)
            return -1;
    }
    return 0;
}

static int delete_any(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                      const struct sa_manifests *m, struct sa_err **err)
{
    if (op->now && op->grace_seconds >= 0)
        return sa_err_set(err, SA_EREFUSED,
                          "--now and --grace-period cannot be specified together");
    if (op->force && op->grace_seconds > 0)
        return sa_err_set(err, SA_EREFUSED,
                          "--force and --grace-period greater than 0 cannot be specified together");
    if (op->n_files > 0)
        return op->n_args == 0
                   ? delete_listed(out, op, m, err)
                   : sa_err_set(err, SA_EREFUSED, "files, or kinds and names: not both at once");
    return op->selector[0] != '\0' ? delete_selected(out, op, err) : by_names(out, op, delete, err);
}

/* A pod by its name, or KIND/NAME of what has pods. */
static int logs_any(struct sa_cli_op_requests *out, const struct sa_cli_op *op, struct sa_err **err)
{
    struct sa_cli_op one = *op;
    if (op->n_args < 1 || op->n_args > 2)
        return sa_err_set(err, SA_EREFUSED,
                          "expected 'logs (POD | TYPE/NAME) [CONTAINER]'.\nPOD or TYPE/NAME is a "
                          "required argument for the logs command");
    if (op->n_args == 2 && op->container[0] != '\0')
        return sa_err_set(err, SA_EREFUSED,
                          "only one of -c or an inline [CONTAINER] arg is allowed");
    if (op->n_args == 2)
        one.container = op->args[1];
    if (op->all_containers && one.container[0] != '\0')
        return sa_err_set(err, SA_EREFUSED,
                          "--all-containers=true should not be specified with container name %s",
                          one.container);
    one.n_args = 1;
    return has_slash(op->args[0]) ? slashed(out, &one, logs, err)
                                  : named(out, &one, "pods", 4, op->args[0], logs, err);
}

static int top(struct sa_cli_op_requests *out, const struct sa_cli_op *op, struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__TopOperation body = SCALEAGENT__V1__TOP_OPERATION__INIT;
    if (op->n_args > 1 || (op->n_args == 1 && op->selector[0] != '\0'))
        return sa_err_set(err, SA_EREFUSED, "only one of NAME or selector can be provided");
    body.namespace_ =
        (char *)(uintptr_t)(op->namespace == NULL || op->all_namespaces ? "" : op->namespace);
    body.pod = (char *)(uintptr_t)(op->n_args == 1 ? op->args[0] : "");
    body.label_selector = (char *)(uintptr_t)op->selector;
    m.body_case = SCALEAGENT__V1__OPERATION__BODY_TOP;
    m.top = &body;
    return add(out, op, &m, err);
}

/* ---- whole objects ---- */

static int manifest(struct sa_cli_op_requests *out, const struct sa_cli_op *op, const char *json,
                    struct sa_err **err)
{
    Operation m = SCALEAGENT__V1__OPERATION__INIT;
    Scaleagent__V1__ApplyOperation apply = SCALEAGENT__V1__APPLY_OPERATION__INIT;
    Scaleagent__V1__CreateOperation create = SCALEAGENT__V1__CREATE_OPERATION__INIT;
    Scaleagent__V1__ReplaceOperation replace = SCALEAGENT__V1__REPLACE_OPERATION__INIT;
    const ProtobufCBinaryData bytes = {strlen(json), (uint8_t *)(uintptr_t)json};
    switch (op->verb) {
    case SA_CLI_APPLY:
        apply.manifest = bytes;
        apply.label_selector = (char *)(uintptr_t)op->selector;
        apply.server_side = op->server_side;
        apply.force_conflicts = op->force_conflicts;
        apply.field_manager = (char *)(uintptr_t)op->field_manager;
        m.body_case = SCALEAGENT__V1__OPERATION__BODY_APPLY;
        m.apply = &apply;
        break;
    case SA_CLI_CREATE:
        create.manifest = bytes;
        create.label_selector = (char *)(uintptr_t)op->selector;
        m.body_case = SCALEAGENT__V1__OPERATION__BODY_CREATE;
        m.create = &create;
        break;
    default:
        replace.manifest = bytes;
        m.body_case = SCALEAGENT__V1__OPERATION__BODY_REPLACE;
        m.replace = &replace;
        break;
    }
    return add(out, op, &m, err);
}

static int manifests(struct sa_cli_op_requests *out, const struct sa_cli_op *op,
                     const struct sa_manifests *m, struct sa_err **err)
{
    if (op->n_files == 0 || op->n_args > 0)
        return sa_err_set(err, SA_EREFUSED, "%s takes objects of files by -f, and nothing else",
                          op->words);
    if (m->n == 0)
        return sa_err_set(err, SA_ENOTFOUND, "no objects passed to %s", op->words);
    for (size_t i = 0; i < m->n; i++) {
        if (manifest(out, op, m->v[i].json, err) != 0)
            return -1;
    }
    return 0;
}

int sa_cli_op_requests(const struct sa_cli_op *op, const struct sa_manifests *m,
                       struct sa_cli_op_requests *out, struct sa_err **err)
{
    switch (op->verb) {
    case SA_CLI_GET:
        return get_or_list(out, op, err);
    case SA_CLI_EVENTS:
        return by_names(out, op, events, err);
    case SA_CLI_PATCH:
        return by_names(out, op, patch, err);
    case SA_CLI_DELETE:
        return delete_any(out, op, m, err);
    case SA_CLI_SCALE:
        return by_names(out, op, scale, err);
    case SA_CLI_ROLLOUT:
        return by_names(out, op, rollout, err);
    case SA_CLI_LOGS:
        return logs_any(out, op, err);
    case SA_CLI_TOP:
        return top(out, op, err);
    default:
        return manifests(out, op, m, err);
    }
}
