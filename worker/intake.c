/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where each object passes that was read, by whatever request: it is scrubbed, filtered, held
 * against the table, and what is news goes on to the batch or, where that has no room, becomes a
 * dirty key.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/ops/engine.h"
#include "worker/plan.h"
#include "worker/report.h"
#include "worker/scope.h"
#include "worker/session.h"

/* Keys of a scope that are remembered by name; past it the scope is compared as a whole. */
#define DIRTY_MAX 4096u

void sa_intake_stamp(struct sa_worker *w)
{
    w->read_ns = sa_mono_ns();
    w->read_us = sa_real_us();
}

/* A watch never goes back: a lower version than the last is the present of a restored etcd. */
int sa_intake_version(struct sa_scope *s, const char *text, uint64_t version, struct sa_err **err)
{
    if (s->follow != SA_FOLLOW_WATCH || !*text)
        return 0;
    if (version && version < strtoull(s->version, NULL, 10)) {
        s->watch.verdict = SA_WATCH_EXPIRED;
        return sa_err_set(err, SA_EEXPIRED, "the watch went back from version %s to %s", s->version,
                          text);
    }
    memcpy(s->version, text, sizeof s->version);
    if (version > s->high)
        s->high = version;
    return 0;
}

/* Clouddriver's rule (KubernetesCachingAgent, shouldCacheManifest): an object that asks to be
 * ignored is never cached, one without an application only where everything is. */
bool sa_intake_visible(const struct sa_scope *s, const struct sa_object *o)
{
    const struct sa_account *a = &s->w->account;
    if (o->ignored || (a->only_spinnaker_managed && !o->has_application))
        return false;
    bool is_namespace = sa_scope_of_namespaces(s);
    if (!s->res.namespaced && !is_namespace)
        return true;
    const char *in = is_namespace ? o->name : o->namespace;
    if (a->namespaces.n && !sa_names_has(&a->namespaces, in))
        return false;
    return !sa_names_has(&a->omit_namespaces, in);
}

void sa_intake_dirty(struct sa_scope *s, const char *namespace, const char *name)
{
    if (s->internal)
        return;
    s->w->pump = true;
    if (!s->dirty)
        s->dirty = sa_dirty_new(DIRTY_MAX);
    if (!s->dirty || sa_dirty_add(s->dirty, namespace, name) == SA_DIRTY_COLLAPSED)
        s->compare_needed = true;
}

static void send_or_mark(struct sa_scope *s, const struct sa_object *o, const struct sa_buf *json)
{
    /* First out of the dirty ones: where memory runs out amid the adding, the epoch ends, and that
     * puts it back. */
    if (s->dirty && sa_dirty_count(s->dirty))
        sa_dirty_remove(s->dirty, o->namespace, o->name);
    if (!sa_batch_add(s, o, json))
        sa_intake_dirty(s, o->namespace, o->name);
}

void sa_intake_gone(struct sa_scope *s, const struct sa_object *o, uint64_t version,
                    enum sa_origin origin)
{
    struct sa_worker *w = s->w;
    struct sa_hash128 key = sa_table_key(s->id, o->namespace, o->name);
    struct sa_get *reading = sa_resolve_reading(s, o->namespace, o->name);
    if (reading)
        reading->overtaken = true;
    switch (sa_table_remove(w->table, s->id, key, version)) {
    case SA_REMOVED:
        if (origin == SA_FROM_WATCH)
            sa_report_change(s, o, true);
        if (s->definitions)
            sa_plan_definitions_changed(w);
        send_or_mark(s, o, NULL);
        if (w->ops)
            sa_ops_object_gone(w->ops);
        break;
    case SA_REMOVED_ABSENT:
        /* The other side may know it where the table does not know everything; a dirty key was
         * sent, or stored, some time. A list is held against the other side as a whole. */
        if (origin == SA_FROM_GET || (origin == SA_FROM_WATCH && !s->complete))
            send_or_mark(s, o, NULL);
        break;
    case SA_REMOVED_STALE:
        break;
    }
}

uint32_t sa_intake_uid_hash(const char *uid)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *uid; uid++)
        h = (h ^ (unsigned char)*uid) * 16777619u;
    return h;
}

static void note_stale(struct sa_scope *s, struct sa_hash128 key)
{
    struct sa_known known;
    if (sa_table_get(s->w->table, key, &known) && (!s->stale || known.version < s->stale))
        s->stale = known.version;
}

static void present(struct sa_scope *s, const struct sa_object *o, enum sa_origin origin)
{
    struct sa_worker *w = s->w;
    struct sa_hash128 key = sa_table_key(s->id, o->namespace, o->name);
    /* Also a key that is being read is dirty: what the read brings may be older than this. */
    bool dirty = (s->dirty && sa_dirty_count(s->dirty) > 0 &&
                  sa_dirty_has(s->dirty, o->namespace, o->name)) ||
                 sa_resolve_reading(s, o->namespace, o->name);
    if (s->definitions && origin == SA_FROM_WATCH)
        sa_plan_definitions_changed(w);
    w->average += (w->scratch.len + 256) / 64;
    w->average -= w->average / 64;
    switch (
        sa_table_put(w->table, s->id, key, sa_intake_uid_hash(o->uid), o->version, &o->digest)) {
    case SA_PUT_NEW:
        if (s->definitions)
            sa_plan_definition_listed(w, o->name);
        /* New to an incomplete table, from a list: most likely the other side has it. Sums and
         * pages will tell; until then the table says more than was sent. */
        if (origin == SA_FROM_WATCH)
            sa_report_change(s, o, false);
        if (origin != SA_FROM_LIST || s->complete || s->direct || dirty)
            send_or_mark(s, o, &w->scratch);
        else
            s->compare_needed = true;
        break;
    case SA_PUT_CHANGED:
        if (origin == SA_FROM_WATCH)
            sa_report_change(s, o, false);
        if (s->definitions)
            sa_plan_definitions_changed(w);
        send_or_mark(s, o, &w->scratch);
        break;
    case SA_PUT_SAME:
        if (origin == SA_FROM_GET || dirty)
            send_or_mark(s, o, &w->scratch);
        break;
    case SA_PUT_STALE:
        if (origin == SA_FROM_LIST)
            note_stale(s, key);
        /* A list that names it in an older state does not prove that it is gone. */
        if (s->dirty && sa_dirty_has(s->dirty, o->namespace, o->name))
            sa_intake_dirty(s, o->namespace, o->name);
        break;
    case SA_PUT_NO_MEMORY:
        s->complete = false;
        s->want_list = true;
        sa_intake_dirty(s, o->namespace, o->name);
        break;
    }
}

/* The object was refused. Does what can be read of it tell which one it is, or at least that it is
 * none that could be known? Else who sent it is not to be believed at all. */
static bool identified(const char *json, size_t n, const struct sa_scrub_options *opt,
                       struct sa_object *o)
{
    struct sa_scrub_options metadata = *opt;
    struct sa_err *why = NULL;
    metadata.metadata_only = true;
    int r = sa_scrub(json, n, &metadata, NULL, o, &why);
    bool known = r ? why && why->code == SA_ELIMIT : *o->name != '\0';
    sa_err_free(&why);
    return known;
}

/* One object that can't be represented here (nested too deep, a text too long, not valid inside)
 * does not hold up the others: it is left out by itself, as one that stops matching. -1 with *err
 * where that is not what is wrong. */
static int unfit(struct sa_scope *s, const char *json, size_t n, const struct sa_scrub_options *opt,
                 struct sa_object *o, struct sa_err *why, struct sa_err **err)
{
    if (!why || why->code == SA_EMEMORY || !identified(json, n, opt, o))
        return sa_err_set(err, why ? why->code : SA_EMEMORY, "%s", sa_err_msg(why));
    if (!opt->metadata_only)
        sa_scope_unfit(s, o, sa_err_msg(why));
    return 0;
}

int sa_intake(struct sa_scope *s, const char *json, size_t n, enum sa_origin origin, bool deleted,
              struct sa_err **err)
{
    struct sa_worker *w = s->w;
    char api_version[256];
    snprintf(api_version, sizeof api_version, "%s%s%s", s->res.group, *s->res.group ? "/" : "",
             s->res.version);
    const struct sa_scrub_options opt = {
        .api_version = api_version,
        .kind = s->res.kind,
        .redact = w->redact,
        .metadata_only = deleted,
    };
    struct sa_object o;
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    sa_buf_reset(&w->scratch);
    bool fits = sa_scrub(json, n, &opt, &w->scratch, &o, &why) == 0;
    if (!fits && unfit(s, json, n, &opt, &o, why, err))
        return -1;
    if (fits && !*o.name)
        return sa_err_set(err, SA_EPROTOCOL, "an object has no name");
    if (*o.name && *s->namespace && strcmp(o.namespace, s->namespace) != 0)
        return sa_err_set(err, SA_EPROTOCOL,
                          "the server answered for namespace %s with an object of "
                          "namespace \"%s\"",
                          s->namespace, o.namespace);
    if (origin == SA_FROM_WATCH && sa_intake_version(s, o.resource_version, o.version, err))
        return -1;
    if (!*o.name)
        return 0; /* nothing has a name that is so long */
    if (!fits || deleted || !sa_intake_visible(s, &o))
        sa_intake_gone(s, &o, o.version, origin);
    else
        present(s, &o, origin);
    return 0;
}
