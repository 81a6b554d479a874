/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the bytes of a Kubernetes object (JSON, RFC 8259): validates it, cuts what must not
 * leave the cluster, digests, copies, and picks out what the worker needs to know. Names of members
 * are unescaped before they are compared ("d\u0061ta" is data); of duplicate members the last
 * counts.
 *
 * Always cut: metadata.managedFields. From a Secret (kind Secret, group ""): data, stringData and
 * the annotation kubectl.kubernetes.io/last-applied-configuration. And the paths of `redact`. kind
 * and apiVersion are put first, from the arguments where the object (an item of a typed list) lacks
 * them, so that an object has the same bytes from a list and from a watch. White space between
 * tokens is dropped. The digest covers the result without metadata.resourceVersion.
 */
#ifndef SA_WORKER_SCRUB_H
#define SA_WORKER_SCRUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

/* The version of the rules by which an object becomes what is sent: what is cut, in which form the
 * rest is written, what the digest covers, and which objects are left out (worker/intake.c). To be
 * counted up with every change of what comes out for any object: a checkpoint that was made under
 * other rules is not resumed from. */
#define SA_SCRUB_RULES 1u

/* Paths to cut, compiled once: members by dots, "[]" for every element, "*" for every member:
 * "spec.template.spec.containers[].env[].value", "data.*". A backslash takes the next character
 * literally: "metadata.annotations.example\.com/note". NULL with SA_ECONFIG for a malformed path
 * and for one that would cut what an object is known by (kind, apiVersion, metadata and its name,
 * namespace, uid, resourceVersion). Annotations that are cut still count in struct sa_object. */
struct sa_redact;
struct sa_redact *sa_redact_new(const char *const *paths, size_t n, struct sa_err **err);
void sa_redact_free(struct sa_redact *r);

#define SA_NAME_MAX 254 /* a DNS subdomain has 253 at most (RFC 1123, Kubernetes names) */

/* Texts that are missing or null are "". */
struct sa_object {
    char name[SA_NAME_MAX];
    char namespace[64];
    char uid[48];
    char resource_version[32];
    uint64_t version;     /* resource_version as a number, 0 if it is none */
    bool has_application; /* annotation moniker.spinnaker.io/application is there and not empty */
    bool ignored;         /* annotation caching.spinnaker.io/ignore is "true" */
    bool initial_events_end; /* annotation k8s.io/initial-events-end is "true" (bookmarks) */
    struct sa_digest digest;
};

struct sa_scrub_options {
    const char *api_version, *kind; /* of the scope's resource; used where the object lacks them */
    const struct sa_redact *redact; /* NULL: nothing more */
    bool whole;         /* a Secret keeps what it holds: for who asked for it by an operation */
    bool metadata_only; /* PartialObjectMetadata, bookmarks: fill o, write nothing to out (may be
                           NULL), no digest; a missing name is no error, o->name is then "". What is
                           not needed for that is passed over by its brackets, however deep */
};

/* Appends the scrubbed object to out (nothing appended on error). -1 with SA_EPROTOCOL: not JSON,
 * not an object, deeper than 512, no metadata.name, no kind; SA_ELIMIT where a name is too long or
 * the result does not fit into out. With metadata_only and SA_ELIMIT o is
 * filled, but for the texts that are too long; where the name or namespace is, both are "". The
 * kind that decides about Secret is both the option's and the object's: either makes it one. No
 * error tells anything of the object's content. */
int sa_scrub(const void *json, size_t n, const struct sa_scrub_options *opt, struct sa_buf *out,
             struct sa_object *o, struct sa_err **err);

/* One event of a watch: {"type": ..., "object": {...}}. The object is found, not copied; *object
 * points into json, and is left to its reader (sa_scrub, sa_status_parse) to validate. For ERROR,
 * *object is the Status. SA_EPROTOCOL: no event, or a type that is not known. */
enum sa_watch_type {
    SA_WATCH_ADDED,
    SA_WATCH_MODIFIED,
    SA_WATCH_DELETED,
    SA_WATCH_BOOKMARK,
    SA_WATCH_ERROR
};
int sa_watch_event(const void *json, size_t n, enum sa_watch_type *type, const char **object,
                   size_t *object_n, struct sa_err **err);

/* A Kubernetes Status object (errors in watches and of requests). Missing members are "" and 0;
 * texts that are too long are cut, control characters in them become spaces. */
struct sa_status {
    int code;
    char reason[64], message[512];
    int64_t retry_after_s; /* details.retryAfterSeconds */
};
int sa_status_parse(const void *json, size_t n, struct sa_status *out, struct sa_err **err);

#endif
