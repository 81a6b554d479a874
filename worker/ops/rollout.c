/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/rollout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define REVISION     "deployment.kubernetes.io/revision"
#define CHANGE_CAUSE "kubernetes.io/change-cause"
#define HASH_LABEL   "pod-template-hash"
#define RESTARTED_AT "kubectl.kubernetes.io/restartedAt"

static const char strategic[] = "application/strategic-merge-patch+json";
static const char json_patch[] = "application/json-patch+json";

enum sa_rollout_kind sa_rollout_kind(const char *group, const char *kind)
{
    if (strcmp(group, "apps") != 0)
        return SA_ROLLOUT_OTHER;
    return strcmp(kind, "Deployment") == 0    ? SA_ROLLOUT_DEPLOYMENT
           : strcmp(kind, "DaemonSet") == 0   ? SA_ROLLOUT_DAEMON_SET
           : strcmp(kind, "StatefulSet") == 0 ? SA_ROLLOUT_STATEFUL_SET
                                              : SA_ROLLOUT_OTHER;
}

static void begin(struct sa_rollout *out, enum sa_rollout_what what, const char *content_type)
{
    sa_buf_reset(&out->text);
    out->what = what;
    out->content_type = content_type;
}

static void end(struct sa_rollout *out)
{
    if (out->text.failed)
        out->what = SA_ROLLOUT_NO_MEMORY;
}

static void say(struct sa_rollout *out, enum sa_rollout_what what, const char *text)
{
    begin(out, what, NULL);
    sa_buf_adds(&out->text, text);
    end(out);
}

static bool is_paused(const struct sa_val *object)
{
    const struct sa_val *v = sa_val_member(sa_val_member(object, "spec"), "paused");
    return v != NULL && v->type == SA_VAL_BOOL && v->b;
}

void sa_rollout_pause(const struct sa_val *object, enum sa_rollout_kind kind, bool pause,
                      struct sa_rollout *out)
{
    if (kind != SA_ROLLOUT_DEPLOYMENT) {
        say(out, SA_ROLLOUT_REFUSED,
            pause ? "pausing is not supported" : "resuming is not supported");
    } else if (is_paused(object) == pause) {
        say(out, SA_ROLLOUT_REFUSED, pause ? "is already paused" : "is not paused");
    } else {
        say(out, SA_ROLLOUT_PATCH,
            pause ? "{\"spec\":{\"paused\":true}}" : "{\"spec\":{\"paused\":null}}");
        out->content_type = strategic;
    }
}

static const struct sa_val *template_of(const struct sa_val *object)
{
    return sa_val_member(sa_val_member(object, "spec"), "template");
}

static const struct sa_val *annotations_of(const struct sa_val *object)
{
    return sa_val_member(sa_val_member(object, "metadata"), "annotations");
}

void sa_rollout_restart(const struct sa_val *object, enum sa_rollout_kind kind, time_t now,
                        struct sa_rollout *out)
{
    char text[32];
    struct tm tm;
    if (kind == SA_ROLLOUT_OTHER) {
        say(out, SA_ROLLOUT_REFUSED, "restarting is not supported");
        return;
    }
    if (kind == SA_ROLLOUT_DEPLOYMENT && is_paused(object)) {
        say(out, SA_ROLLOUT_REFUSED, "can't restart paused deployment (run rollout resume first)");
        return;
    }
    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (strcmp(sa_val_str(annotations_of(template_of(object)), RESTARTED_AT), text) == 0) {
        say(out, SA_ROLLOUT_NOTHING,
            "if restart has already been triggered within the past second, please wait before "
            "attempting to trigger another");
        return;
    }
    begin(out, SA_ROLLOUT_PATCH, strategic);
    sa_buf_addf(&out->text,
                "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"" RESTARTED_AT
                "\":\"%s\"}}}}}",
                text);
    end(out);
}

/* ---- selectors ---- */

static void put_separator(struct sa_buf *out)
{
    if (out->len > 0)
        sa_buf_addc(out, ',');
}

static void put_values(const struct sa_val *values, struct sa_buf *out)
{
    for (uint32_t i = 0; values != NULL && values->type == SA_VAL_LIST && i < values->n; i++) {
        const struct sa_val *v = values->items[i];
        if (i > 0)
            sa_buf_addc(out, ',');
        if (v->type == SA_VAL_STRING)
            sa_buf_add(out, v->s, v->n);
    }
}

static void put_expression(const struct sa_val *e, struct sa_buf *out)
{
    const char *operator= sa_val_str(e, "operator"), *key = sa_val_str(e, "key");
    put_separator(out);
    if (strcmp(operator, "Exists") == 0) {
        sa_buf_adds(out, key);
    } else if (strcmp(operator, "DoesNotExist") == 0) {
        sa_buf_addf(out, "!%s", key);
    } else {
        sa_buf_addf(out, "%s %s (", key, strcmp(operator, "In") == 0 ? "in" : "notin");
        put_values(sa_val_member(e, "values"), out);
        sa_buf_addc(out, ')');
    }
}

bool sa_rollout_selector(const struct sa_val *object, struct sa_buf *out)
{
    const struct sa_val *selector = sa_val_member(sa_val_member(object, "spec"), "selector");
    if (selector == NULL || selector->type != SA_VAL_MAP)
        return false;
    const struct sa_val *labels = sa_val_member(selector, "matchLabels");
    const struct sa_val *expressions = sa_val_member(selector, "matchExpressions");
    for (uint32_t i = 0; labels != NULL && labels->type == SA_VAL_MAP && i < labels->n; i++) {
        put_separator(out);
        sa_buf_addf(out, "%s=%s", labels->pairs[i].key, sa_val_str(labels, labels->pairs[i].key));
    }
    for (uint32_t i = 0;
         expressions != NULL && expressions->type == SA_VAL_LIST && i < expressions->n; i++)
        put_expression(expressions->items[i], out);
    return true;
}

/* ---- revisions ---- */

struct revisions {
    const struct sa_val **v;
    size_t n;
};

static const char *metadata(const struct sa_val *object, const char *name)
{
    return sa_val_str(sa_val_member(object, "metadata"), name);
}

static bool is_controlled_by(const struct sa_val *object, const char *uid)
{
    const struct sa_val *owners =
        sa_val_member(sa_val_member(object, "metadata"), "ownerReferences");
    for (uint32_t i = 0; owners != NULL && owners->type == SA_VAL_LIST && i < owners->n; i++) {
        const struct sa_val *controller = sa_val_member(owners->items[i], "controller");
        if (controller != NULL && controller->type == SA_VAL_BOOL && controller->b)
            return strcmp(sa_val_str(owners->items[i], "uid"), uid) == 0;
    }
    return false;
}

/* The oldest first; times of the API are in one form, whose order is that of its bytes. */
static int by_creation(const void *a, const void *b)
{
    const struct sa_val *x = *(const struct sa_val *const *)a;
    const struct sa_val *y = *(const struct sa_val *const *)b;
    int r = strcmp(metadata(x, "creationTimestamp"), metadata(y, "creationTimestamp"));
    return r != 0 ? r : strcmp(metadata(x, "name"), metadata(y, "name"));
}

/* Those of the list that the object controls. -1: no memory. */
static int owned(struct sa_arena *arena, const struct sa_val *object, const struct sa_val *list,
                 struct revisions *out)
{
    const struct sa_val *items = sa_val_member(list, "items");
    uint32_t n = items != NULL && items->type == SA_VAL_LIST ? items->n : 0;
    *out = (struct revisions){sa_arena_alloc(arena, (n + 1) * sizeof(struct sa_val *)), 0};
    if (out->v == NULL)
        return -1;
    for (uint32_t i = 0; i < n; i++) {
        if (is_controlled_by(items->items[i], metadata(object, "uid")))
            out->v[out->n++] = items->items[i];
    }
    return 0;
}

/* A template without what the controller adds, fit to be compared and sent; NULL: no memory. Only
 * what is changed is copied. */
static struct sa_val *without_hash(struct sa_arena *arena, const struct sa_val *template)
{
    struct sa_val *copy =
        template == NULL ? sa_val_new(arena, SA_VAL_MAP) : sa_val_clone(arena, template);
    if (copy == NULL || copy->type != SA_VAL_MAP)
        return copy;
    struct sa_val *meta = sa_val_member(copy, "metadata");
    struct sa_val *labels = meta == NULL ? NULL : sa_val_member(meta, "labels");
    sa_val_prune_nulls(copy); /* creationTimestamp */
    if (labels == NULL || labels->type != SA_VAL_MAP)
        return copy;
    sa_val_remove(labels, HASH_LABEL, strlen(HASH_LABEL));
    if (labels->n == 0)
        sa_val_remove(meta, "labels", strlen("labels"));
    return copy;
}

/* As kubectl's equalIgnoreHash: 1 equal, 0 not, -1 no memory. */
static int same_template(struct sa_arena *arena, const struct sa_val *a, const struct sa_val *b)
{
    const struct sa_val *x = without_hash(arena, template_of(a));
    const struct sa_val *y = without_hash(arena, template_of(b));
    return x == NULL || y == NULL ? -1 : sa_val_equal(x, y);
}

/* A Deployment's ReplicaSets in the order in which kubectl looks at them: by creation, the present
 * one last. */
static int replica_sets(struct sa_arena *arena, const struct sa_val *object,
                        const struct sa_val *list, struct revisions *out)
{
    if (owned(arena, object, list, out) != 0)
        return -1;
    qsort(out->v, out->n, sizeof(struct sa_val *), by_creation);
    for (size_t i = 0; i < out->n; i++) {
        int same = same_template(arena, out->v[i], object);
        if (same < 0)
            return -1;
        if (same > 0) {
            const struct sa_val *present = out->v[i];
            memmove(out->v + i, out->v + i + 1, (out->n - i - 1) * sizeof(struct sa_val *));
            out->v[out->n - 1] = present;
            break;
        }
    }
    return 0;
}

/* A ReplicaSet's: 0 where none is written down. False: what is there is no number. */
static bool replica_set_revision(const struct sa_val *rs, int64_t *out)
{
    const char *text = sa_val_str(annotations_of(rs), REVISION);
    char *after;
    *out = 0;
    if (*text == '\0')
        return sa_val_member(annotations_of(rs), REVISION) == NULL;
    long long v = strtoll(text, &after, 10);
    *out = v;
    return *after == '\0' && *text != ' ';
}

static int64_t controller_revision(const struct sa_val *h)
{
    const struct sa_val *v = sa_val_member(h, "revision");
    return v != NULL && v->type == SA_VAL_INT ? v->i : 0;
}

static void no_such_revision(int64_t revision, struct sa_rollout *out)
{
    begin(out, SA_ROLLOUT_NOT_FOUND, NULL);
    sa_buf_addf(&out->text, "unable to find specified revision %" PRId64 " in history", revision);
    end(out);
}

/* NULL: out says why. */
static const struct sa_val *choose_replica_set(const struct revisions *all, const char *name,
                                               int64_t wanted, struct sa_rollout *out)
{
    const struct sa_val *latest = NULL, *previous = NULL;
    int64_t latest_revision = -1, previous_revision = -1, v;
    for (size_t i = 0; i < all->n; i++) {
        const struct sa_val *rs = all->v[i];
        if (!replica_set_revision(rs, &v))
            continue;
        if (wanted != 0) {
            if (v == wanted)
                return rs;
        } else if (latest_revision < v) {
            previous_revision = latest_revision;
            previous = latest;
            latest_revision = v;
            latest = rs;
        } else if (previous_revision < v) {
            previous_revision = v;
            previous = rs;
        }
    }
    if (wanted > 0) {
        no_such_revision(wanted, out);
        return NULL;
    }
    if (previous == NULL) {
        begin(out, SA_ROLLOUT_NOT_FOUND, NULL);
        sa_buf_addf(&out->text, "no rollout history found for deployment \"%s\"", name);
        end(out);
    }
    return previous;
}

static bool is_deployments_own(const char *annotation)
{
    static const char *const own[] = {
        "kubectl.kubernetes.io/last-applied-configuration",
        REVISION,
        "deployment.kubernetes.io/revision-history",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deprecated.deployment.rollback.to",
    };
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        if (strcmp(own[i], annotation) == 0)
            return true;
    }
    return false;
}

/* Adds those of from that are (not) the Deployment's own. */
static int take_annotations(struct sa_arena *arena, const struct sa_val *from, bool own,
                            struct sa_val *to)
{
    for (uint32_t i = 0; from != NULL && from->type == SA_VAL_MAP && i < from->n; i++) {
        const struct sa_pair *p = &from->pairs[i];
        if (is_deployments_own(p->key) == own && sa_val_put(arena, to, p->key, p->n, p->val) != 0)
            return -1;
    }
    return 0;
}

static void already(int64_t revision, struct sa_rollout *out)
{
    begin(out, SA_ROLLOUT_NOTHING, NULL);
    sa_buf_addf(&out->text,
                "skipped rollback (current template already matches revision %" PRId64 ")",
                revision);
    end(out);
}

static void undo_deployment(struct sa_arena *arena, const struct sa_val *object,
                            const struct sa_val *list, int64_t revision, struct sa_rollout *out)
{
    struct revisions all;
    if (replica_sets(arena, object, list, &all) != 0) {
        begin(out, SA_ROLLOUT_NO_MEMORY, NULL);
        return;
    }
    const struct sa_val *rs = choose_replica_set(&all, metadata(object, "name"), revision, out);
    if (rs == NULL)
        return;
    if (is_paused(object)) {
        say(out, SA_ROLLOUT_REFUSED,
            "you cannot rollback a paused deployment; resume it first with 'kubectl rollout "
            "resume' and try again");
        return;
    }
    int same = same_template(arena, rs, object);
    struct sa_val *template = without_hash(arena, template_of(rs));
    struct sa_val *annotations = sa_val_new(arena, SA_VAL_MAP);
    begin(out, SA_ROLLOUT_NO_MEMORY, NULL);
    if (same < 0 || template == NULL || annotations == NULL ||
        take_annotations(arena, annotations_of(object), true, annotations) != 0 ||
        take_annotations(arena, annotations_of(rs), false, annotations) != 0)
        return;
    if (same > 0) {
        already(revision, out);
        return;
    }
    begin(out, SA_ROLLOUT_PATCH, json_patch);
    sa_buf_adds(&out->text, "[{\"op\":\"replace\",\"path\":\"/spec/template\",\"value\":");
    sa_val_print(template, &out->text);
    sa_buf_adds(&out->text, "},{\"op\":\"replace\",\"path\":\"/metadata/annotations\",\"value\":");
    sa_val_print(annotations, &out->text);
    sa_buf_adds(&out->text, "}]");
    end(out);
}

static int by_revision(const void *a, const void *b)
{
    int64_t x = controller_revision(*(const struct sa_val *const *)a);
    int64_t y = controller_revision(*(const struct sa_val *const *)b);
    return (x > y) - (x < y);
}

/* The patch by which this template replaces another, as the controllers write it down. */
static struct sa_val *as_revision(struct sa_arena *arena, const struct sa_val *object)
{
    struct sa_val *patch = sa_val_new(arena, SA_VAL_MAP);
    struct sa_val *spec = patch == NULL ? NULL : sa_val_submap(arena, patch, "spec");
    const struct sa_val *present = template_of(object);
    struct sa_val *template = present == NULL || spec == NULL ? NULL : sa_val_clone(arena, present);
    if (template == NULL || template->type != SA_VAL_MAP ||
        sa_val_set(arena, template, "$patch", sa_val_text(arena, "replace")) != 0 ||
        sa_val_set(arena, spec, "template", template) != 0)
        return NULL;
    sa_val_prune_nulls(patch);
    return patch;
}

static void undo_by_history(struct sa_arena *arena, const struct sa_val *object,
                            const struct sa_val *list, int64_t revision, struct sa_rollout *out)
{
    struct revisions all;
    const struct sa_val *to = NULL;
    begin(out, SA_ROLLOUT_NO_MEMORY, NULL);
    if (owned(arena, object, list, &all) != 0)
        return;
    if (revision == 0 && all.n <= 1) {
        say(out, SA_ROLLOUT_NOT_FOUND, "no last revision to roll back to");
        return;
    }
    if (revision == 0) {
        qsort(all.v, all.n, sizeof(struct sa_val *), by_revision);
        to = all.v[all.n - 2];
    }
    for (size_t i = 0; revision != 0 && to == NULL && i < all.n; i++) {
        if (controller_revision(all.v[i]) == revision)
            to = all.v[i];
    }
    if (to == NULL) {
        no_such_revision(revision, out);
        return;
    }
    const struct sa_val *data = sa_val_member(to, "data");
    const struct sa_val *present = as_revision(arena, object);
    struct sa_val *stored = data == NULL ? NULL : sa_val_clone(arena, data);
    if (present == NULL || stored == NULL)
        return;
    sa_val_prune_nulls(stored);
    if (sa_val_equal(present, stored)) {
        already(revision, out);
        return;
    }
    begin(out, SA_ROLLOUT_PATCH, strategic);
    sa_val_print(data, &out->text);
    end(out);
}

void sa_rollout_undo(struct sa_arena *arena, const struct sa_val *object, const struct sa_val *list,
                     enum sa_rollout_kind kind, int64_t revision, struct sa_rollout *out)
{
    if (revision < 0)
        no_such_revision(revision, out);
    else if (kind == SA_ROLLOUT_DEPLOYMENT)
        undo_deployment(arena, object, list, revision, out);
    else
        undo_by_history(arena, object, list, revision, out);
}

/* ---- history ---- */

struct line {
    int64_t revision;
    const char *cause;
};

/* Of one revision the last that is met counts. Sorted; there is room for one more. */
static void put_line(struct line *lines, size_t *n, int64_t revision, const char *cause)
{
    size_t i = *n;
    while (i > 0 && lines[i - 1].revision > revision)
        i--;
    if (i > 0 && lines[i - 1].revision == revision) {
        lines[i - 1].cause = cause;
        return;
    }
    memmove(lines + i + 1, lines + i, (*n - i) * sizeof *lines);
    lines[i] = (struct line){revision, cause};
    (*n)++;
}

static const char *cause_of(const struct sa_val *revision, bool replica_set)
{
    const char *cause = sa_val_str(annotations_of(revision), CHANGE_CAUSE);
    return *cause == '\0' && replica_set
               ? sa_val_str(annotations_of(template_of(revision)), CHANGE_CAUSE)
               : cause;
}

void sa_rollout_history(struct sa_arena *arena, const struct sa_val *object,
                        const struct sa_val *list, enum sa_rollout_kind kind,
                        struct sa_rollout *out)
{
    bool deployment = kind == SA_ROLLOUT_DEPLOYMENT;
    struct revisions all;
    size_t n = 0;
    begin(out, SA_ROLLOUT_NO_MEMORY, NULL);
    if ((deployment ? replica_sets : owned)(arena, object, list, &all) != 0)
        return;
    struct line *lines = sa_arena_alloc(arena, (all.n + 1) * sizeof *lines);
    if (lines == NULL)
        return;
    for (size_t i = 0; i < all.n; i++) {
        int64_t revision = controller_revision(all.v[i]);
        if (!deployment || replica_set_revision(all.v[i], &revision))
            put_line(lines, &n, revision, cause_of(all.v[i], deployment));
    }
    begin(out, SA_ROLLOUT_NOTHING, NULL);
    for (size_t i = 0; i < n; i++) {
        sa_buf_addf(&out->text, "%c{\"revision\":%" PRId64 ",\"changeCause\":", i == 0 ? '[' : ',',
                    lines[i].revision);
        sa_val_print_string(lines[i].cause, strlen(lines[i].cause), &out->text);
        sa_buf_addc(&out->text, '}');
    }
    sa_buf_adds(&out->text, n == 0 ? "[]" : "]");
    end(out);
}
