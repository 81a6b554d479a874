/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/pods.h"

#include <string.h>

#include "worker/ops/rollout.h"

#define DEFAULT_CONTAINER "kubectl.kubernetes.io/default-container"

static const struct sa_val *list_at(const struct sa_val *v, const char *a, const char *b)
{
    const struct sa_val *list = sa_val_member(sa_val_member(v, a), b);
    return list != NULL && list->type == SA_VAL_LIST ? list : NULL;
}

static uint32_t count(const struct sa_val *list)
{
    return list == NULL ? 0 : list->n;
}

static const char *text_at(const struct sa_val *v, const char *a, const char *b)
{
    return sa_val_str(sa_val_member(v, a), b);
}

/* ---- selectors ---- */

/* Equality alone: of Services and ReplicationControllers. */
static bool plain_selector(const struct sa_val *object, struct sa_buf *out)
{
    const struct sa_val *labels = sa_val_member(sa_val_member(object, "spec"), "selector");
    if (labels == NULL || labels->type != SA_VAL_MAP)
        return false;
    for (uint32_t i = 0; i < labels->n; i++)
        sa_buf_addf(out, "%s%s=%s", i > 0 ? "," : "", labels->pairs[i].key,
                    sa_val_str(labels, labels->pairs[i].key));
    return labels->n > 0;
}

bool sa_pods_selector(const struct sa_val *object, const char *group, const char *kind,
                      struct sa_buf *out, const char **why)
{
    static const struct {
        const char *group, *kind;
        bool plain;
    } kinds[] = {
        {"", "ReplicationController", true},
        {"", "Service", true},
        {"apps", "DaemonSet", false},
        {"apps", "Deployment", false},
        {"apps", "ReplicaSet", false},
        {"apps", "StatefulSet", false},
        {"batch", "Job", false},
    };
    *why = "selector for it not implemented";
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].group, group) != 0 || strcmp(kinds[i].kind, kind) != 0)
            continue;
        *why = "it is defined without a selector";
        return kinds[i].plain ? plain_selector(object, out) : sa_rollout_selector(object, out);
    }
    return false;
}

/* ---- the best pod ---- */

struct merits {
    bool assigned, ready;
    int phase; /* the lower the better */
    int64_t restarts, sidecar_restarts;
    const char *ready_since, *created; /* "" none */
};

static int phase_rank(const char *phase)
{
    return strcmp(phase, "Unknown") == 0 ? 1 : strcmp(phase, "Pending") == 0 ? 2 : 0;
}

/* An init container that goes on beside the others. */
static bool is_sidecar(const struct sa_val *pod, const char *name)
{
    const struct sa_val *list = list_at(pod, "spec", "initContainers");
    for (uint32_t i = 0; i < count(list); i++) {
        if (strcmp(sa_val_str(list->items[i], "name"), name) == 0)
            return strcmp(sa_val_str(list->items[i], "restartPolicy"), "Always") == 0;
    }
    return false;
}

static int64_t most_restarts(const struct sa_val *pod, const char *statuses, bool sidecars)
{
    const struct sa_val *list = list_at(pod, "status", statuses);
    int64_t most = 0;
    for (uint32_t i = 0; i < count(list); i++) {
        const struct sa_val *n = sa_val_member(list->items[i], "restartCount");
        if (n == NULL || n->type != SA_VAL_INT || n->i <= most)
            continue;
        if (!sidecars || is_sidecar(pod, sa_val_str(list->items[i], "name")))
            most = n->i;
    }
    return most;
}

static struct merits merits_of(const struct sa_val *pod)
{
    struct merits m = {.assigned = *text_at(pod, "spec", "nodeName") != '\0',
                       .phase = phase_rank(text_at(pod, "status", "phase")),
                       .restarts = most_restarts(pod, "containerStatuses", false),
                       .sidecar_restarts = most_restarts(pod, "initContainerStatuses", true),
                       .ready_since = "",
                       .created = text_at(pod, "metadata", "creationTimestamp")};
    const struct sa_val *conditions = list_at(pod, "status", "conditions");
    for (uint32_t i = 0; i < count(conditions); i++) {
        const struct sa_val *c = conditions->items[i];
        if (strcmp(sa_val_str(c, "type"), "Ready") == 0 &&
            strcmp(sa_val_str(c, "status"), "True") == 0) {
            m.ready = true;
            m.ready_since = sa_val_str(c, "lastTransitionTime");
        }
    }
    return m;
}

/* Earlier is better, none at all is worst. 0: the same. */
static int earlier(const char *a, const char *b)
{
    if (*a == '\0' || *b == '\0')
        return (*a == '\0') - (*b == '\0');
    return strcmp(a, b);
}

/* kubectl's ByLogging: below 0 if a comes before b. */
static int compare(const struct merits *a, const struct merits *b)
{
    int r = b->assigned - a->assigned;
    if (r == 0)
        r = a->phase - b->phase;
    if (r == 0)
        r = b->ready - a->ready;
    if (r == 0 && a->ready)
        r = earlier(a->ready_since, b->ready_since);
    if (r == 0)
        r = (b->restarts > a->restarts) - (b->restarts < a->restarts);
    if (r == 0)
        r = (b->sidecar_restarts > a->sidecar_restarts) -
            (b->sidecar_restarts < a->sidecar_restarts);
    return r != 0 ? r : earlier(a->created, b->created);
}

const struct sa_val *sa_pods_best(const struct sa_val *list, uint32_t *n)
{
    const struct sa_val *items = sa_val_member(list, "items"), *best = NULL;
    struct merits of_best = {0};
    *n = items != NULL && items->type == SA_VAL_LIST ? items->n : 0;
    for (uint32_t i = 0; i < *n; i++) {
        struct merits m = merits_of(items->items[i]);
        if (best == NULL || compare(&m, &of_best) < 0) {
            best = items->items[i];
            of_best = m;
        }
    }
    return best;
}

/* ---- containers ---- */

static const char *const places[] = {"containers", "ephemeralContainers", "initContainers"};

static bool has_container(const struct sa_val *pod, const char *name, const char **out)
{
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        const struct sa_val *list = list_at(pod, "spec", places[p]);
        for (uint32_t i = 0; i < count(list); i++) {
            *out = sa_val_str(list->items[i], "name");
            if (strcmp(*out, name) == 0)
                return true;
        }
    }
    return false;
}

/* "web, debug (ephem), setup (init)" */
static void put_all_names(const struct sa_val *pod, struct sa_buf *out)
{
    static const char *const marks[] = {"", " (ephem)", " (init)"};
    bool first = true;
    for (size_t p = 0; p < sizeof places / sizeof places[0]; p++) {
        const struct sa_val *list = list_at(pod, "spec", places[p]);
        for (uint32_t i = 0; i < count(list); i++) {
            sa_buf_addf(out, "%s%s%s", first ? "" : ", ", sa_val_str(list->items[i], "name"),
                        marks[p]);
            first = false;
        }
    }
}

static void put_line_end(struct sa_buf *note)
{
    if (note->len > 0)
        sa_buf_addc(note, '\n');
}

static void add_each(const struct sa_val *pod, const char *place, struct sa_containers *out)
{
    const struct sa_val *list = list_at(pod, "spec", place);
    for (uint32_t i = 0; i < count(list) && out->n < SA_POD_CONTAINERS; i++)
        out->v[out->n++] = sa_val_str(list->items[i], "name");
}

/* The one that an annotation names, else the first. */
static const char *default_container(const struct sa_val *pod, struct sa_buf *note)
{
    const struct sa_val *annotations = sa_val_member(sa_val_member(pod, "metadata"), "annotations");
    const struct sa_val *list = list_at(pod, "spec", "containers");
    const char *named = sa_val_str(annotations, DEFAULT_CONTAINER), *found;
    if (*named != '\0') {
        if (has_container(pod, named, &found))
            return found;
        put_line_end(note);
        sa_buf_addf(note, "Default container name \"%s\" not found in pod %s", named,
                    text_at(pod, "metadata", "name"));
    }
    found = count(list) > 0 ? sa_val_str(list->items[0], "name") : "";
    if (count(list) > 1 || count(list_at(pod, "spec", "initContainers")) > 0 ||
        count(list_at(pod, "spec", "ephemeralContainers")) > 0) {
        put_line_end(note);
        sa_buf_addf(note, "Defaulted container \"%s\" out of: ", found);
        put_all_names(pod, note);
    }
    return found;
}

int sa_pod_containers(const struct sa_val *pod, const char *wanted, bool all,
                      struct sa_containers *out, struct sa_buf *note)
{
    const char *found;
    out->n = 0;
    if (all) {
        add_each(pod, "initContainers", out);
        add_each(pod, "containers", out);
        add_each(pod, "ephemeralContainers", out);
        return 0;
    }
    if (*wanted == '\0')
        wanted = default_container(pod, note);
    if (has_container(pod, wanted, &found)) {
        out->v[out->n++] = found;
        return 0;
    }
    sa_buf_reset(note);
    sa_buf_addf(note, "container %s is not valid for pod %s out of: ", wanted,
                text_at(pod, "metadata", "name"));
    put_all_names(pod, note);
    return -1;
}
