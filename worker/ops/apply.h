/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `kubectl apply` of one object, client-side and server-side, as kubectl 1.36 does it
 * (k8s.io/kubectl pkg/cmd/apply), without the requests themselves: the caller asks what is to be
 * done next, does it, and says what came of it, until it is done.
 *
 *     struct sa_apply *a = sa_apply_new(&options, &err);
 *     for (;;) {
 *         const struct sa_apply_step *s = sa_apply_step(a);
 *         SA_APPLY_REQUEST: wait s->delay_ms, send it, sa_apply_answer(a, status, body, n, &err)
 *         SA_APPLY_SCHEMA:  sa_apply_schema(a, schema, &err), from a cache or by sa_openapi_new()
 *         SA_APPLY_DONE:    see sa_apply_result()
 *     }
 *
 * Nothing is sent, waited for or logged in here. A request that got no HTTP answer is the caller's
 * to judge: of a step that does not change anything (s->changes is false) it may be sent again; of
 * another the outcome is unknown.
 *
 * Client-side: GET; absent: POST, with the last-applied annotation; else the three-way patch of
 * annotation, manifest and object: strategic where the server's OpenAPI takes one for the kind,
 * else JSON merge; an empty patch is not sent; a conflict makes it read and compute anew, 5 times,
 * waiting a second from the second time on.
 * Server-side: PATCH of the manifest; then, where the object was applied client-side before, the
 * annotation is kept by a manager of its own, the fields of the client-side manager are given to
 * the server-side one, and the manifest is applied again, so that what it lacks by now is removed.
 */
#ifndef SA_WORKER_OPS_APPLY_H
#define SA_WORKER_OPS_APPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct sa_schema; /* worker/ops/openapi.h */

/* Bounds: of a manifest and of each answer, and of what all trees of one apply may take. */
#define SA_APPLY_MAX_OBJECT ((size_t)3 << 20)
#define SA_APPLY_MAX_MEMORY ((size_t)128 << 20)
/* The API server's bound of all annotations together, names and values
 * (apimachinery pkg/api/validation: TotalAnnotationSizeLimitB). */
#define SA_APPLY_MAX_ANNOTATIONS ((size_t)256 << 10)

#define SA_LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

struct sa_apply_options {
    /* All are copied. */
    const char *manifest; /* JSON of one object */
    size_t manifest_n;
    bool server_side;
    bool force_conflicts;      /* of server-side apply */
    bool clear_managed_fields; /* of server-side apply: nobody else stays a manager */
    bool manifest_defaults;    /* of server-side apply: the schema's defaults are written out */
    const char *field_manager; /* NULL or "": kubectl's default for this way of applying */
    const char *uid;           /* precondition; NULL or "": none */
    const char *resource_version;
    const char *resource;  /* plural, as discovery names it: "deployments"; for messages */
    const char *namespace; /* of the object if its manifest names none; NULL: cluster-scoped */
};

struct sa_apply;
/* NULL with *err: SA_EREFUSED what kubectl refuses before any request (no kind or name,
 * generateName), SA_EPROTOCOL malformed JSON, SA_ELIMIT too large, SA_EMEMORY. */
struct sa_apply *sa_apply_new(const struct sa_apply_options *o, struct sa_err **err);
void sa_apply_free(struct sa_apply *a);
void sa_apply_freep(struct sa_apply **a); /* fit for SA_CLEANUP */

/* What the manifest says, with the namespace filled in; valid as long as a. */
const char *sa_apply_api_version(const struct sa_apply *a); /* "apps/v1" */
const char *sa_apply_kind(const struct sa_apply *a);
const char *sa_apply_namespace(const struct sa_apply *a); /* "": none */
const char *sa_apply_name(const struct sa_apply *a);

enum sa_apply_what { SA_APPLY_REQUEST, SA_APPLY_SCHEMA, SA_APPLY_DONE };
enum sa_apply_on { SA_APPLY_ON_OBJECT, SA_APPLY_ON_COLLECTION };
struct sa_apply_step {
    enum sa_apply_what what;
    /* of a request */
    const char *method;       /* "GET", "POST", "PATCH" */
    enum sa_apply_on on;      /* .../deployments/NAME, or .../deployments */
    const char *query;        /* "fieldManager=kubectl&force=true", percent-encoded; "" none */
    const char *content_type; /* NULL without body */
    const char *body;
    size_t body_n;
    unsigned delay_ms; /* to wait before it */
    bool changes;      /* something in the cluster, if it goes well */
    /* of a schema: where its document is, "/openapi/v3/apis/apps/v1" */
    const char *path;
};
/* Valid until the next call with a. */
const struct sa_apply_step *sa_apply_step(const struct sa_apply *a);

/* What the API server answered to the request: HTTP status and body (a Status if it is no 2xx). -1
 * with *err (SA_EMEMORY, SA_ELIMIT, SA_EPROTOCOL: the answer is no object): the apply is over,
 * and its outcome unknown if sa_apply_changed(). */
int sa_apply_answer(struct sa_apply *a, int status, const char *body, size_t n,
                    struct sa_err **err);
/* There is no answer, after sa_apply_changed(): what is left is given up with a warning, and the
 * apply is done. */
void sa_apply_no_answer(struct sa_apply *a, const char *why);
/* The schema of the kind, borrowed for this call. NULL: the server has no such document (404), or
 * it knows no strategic merge patch for the kind: JSON merge patch is used. */
int sa_apply_schema(struct sa_apply *a, const struct sa_schema *schema, struct sa_err **err);

enum sa_apply_outcome {
    SA_APPLY_CREATED,
    SA_APPLY_CONFIGURED,
    SA_APPLY_UNCHANGED,   /* nothing was sent */
    SA_APPLY_SERVER_SIDE, /* applied server-side */
    SA_APPLY_FAILED,      /* the server refused what it answered last */
    SA_APPLY_INVALID,     /* kubectl would refuse it before it is sent */
    SA_APPLY_CONFLICT,    /* a precondition does not hold; conflicts with other managers */
};
struct sa_apply_result {
    enum sa_apply_outcome outcome;
    const char *object; /* as the server has it now, with managedFields; "" where it failed */
    size_t object_n;
    /* FAILED: what kubectl puts before the server's words ("creating": `error when creating
     * "STDIN": ...`), or NULL. */
    const char *doing;
    /* INVALID, CONFLICT: kubectl's line. It never holds what the manifest or the patch says:
     * kubectl prints both, and they may be a Secret's. */
    const char *message;
    const char *warnings; /* kubectl's, one a line, with line ends; "" none */
};
/* Only when done; valid as long as a. */
const struct sa_apply_result *sa_apply_result(const struct sa_apply *a);

/* The object is applied, server-side; what is left serves the migration of managed fields. */
bool sa_apply_changed(const struct sa_apply *a);
/* Of the object as it was last seen; "" if it was not. */
const char *sa_apply_uid(const struct sa_apply *a);
const char *sa_apply_version(const struct sa_apply *a);

#endif
