/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/plan.h"
#include "worker/reach.h"
#include "worker/session.h"
#include "worker/step.h"

#define FORBIDDEN_RETRY_NS (60 * SA_NS_PER_S)

static struct sa_backoff backoff(void)
{
    return (struct sa_backoff){
        .base_ns = SA_NS_PER_S, .max_ns = 60 * SA_NS_PER_S, .multiplier = 1.6, .jitter = 0.3};
}

static int copy_resource(struct sa_resource *to, const struct sa_resource *from)
{
    *to = (struct sa_resource){
        .group = strdup(from->group),
        .version = strdup(from->version),
        .plural = strdup(from->plural),
        .kind = strdup(from->kind),
        .namespaced = from->namespaced,
        .custom = from->custom,
    };
    return to->group && to->version && to->plural && to->kind ? 0 : -1;
}

/* ---- by name: an account may have thousands, and a Welcome or a discovery asks for each ---- */

static size_t name_hash(const char *group, const char *plural, const char *namespace)
{
    const char *const texts[] = {group, plural, namespace};
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < 3; i++)
        for (const unsigned char *p = (const unsigned char *)texts[i];; p++) {
            h = (h ^ *p) * 1099511628211u;
            if (!*p)
                break;
        }
    return (size_t)(h ^ h >> 32);
}

static void index_add(struct sa_worker *w, size_t at)
{
    const struct sa_scope *s = w->scopes[at];
    size_t mask = w->by_name.size - 1;
    size_t i = name_hash(s->res.group, s->res.plural, s->namespace) & mask;
    while (w->by_name.slots[i])
        i = (i + 1) & mask;
    w->by_name.slots[i] = (uint32_t)at + 1;
}

/* At most half full. */
static bool index_ready(struct sa_worker *w)
{
    struct sa_scope_index *x = &w->by_name;
    size_t size = 64;
    if (x->size)
        return true;
    while (size < 4 * w->n_scopes)
        size *= 2;
    free(x->slots);
    x->slots = calloc(size, sizeof *x->slots);
    if (!x->slots)
        return false;
    x->size = size;
    for (size_t i = 0; i < w->n_scopes; i++)
        index_add(w, i);
    return true;
}

struct sa_scope *sa_scope_new(struct sa_worker *w, const struct sa_resource *res,
                              const char *namespace, struct sa_err **err)
{
    struct sa_scope *s = calloc(1, sizeof *s);
    struct sa_scope **grown = reallocarray(w->scopes, w->n_scopes + 1, sizeof *w->scopes);
    if (grown)
        w->scopes = grown;
    if (!s || !grown || copy_resource(&s->res, res)) {
        if (s)
            sa_resource_clear(&s->res);
        free(s);
        sa_err_set(err, SA_EMEMORY, "no memory to follow %s", res->plural);
        return NULL;
    }
    s->w = w;
    s->id = ++w->last_scope;
    snprintf(s->namespace, sizeof s->namespace, "%s", namespace);
    s->list = (struct sa_list){.scope = s, .backoff = backoff()};
    s->names = (struct sa_list){.scope = s, .names = true, .backoff = backoff()};
    s->watch.backoff = s->gets_backoff = backoff();
    w->scopes[w->n_scopes++] = s;
    if (2 * w->n_scopes > w->by_name.size)
        w->by_name.size = 0;
    else
        index_add(w, w->n_scopes - 1);
    w->pump = true;
    return s;
}

void sa_scope_suspend(struct sa_scope *s)
{
    sa_compare_cancel(s);
    sa_resolve_cancel(s->w, s);
    sa_list_cancel(&s->list);
    sa_list_cancel(&s->names);
    sa_watch_close(s);
    s->follow = SA_FOLLOW_OFF;
}

void sa_scope_free(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    sa_scope_suspend(s);
    sa_table_drop_scope(w->table, s->id);
    sa_dirty_free(s->dirty);
    sa_resource_clear(&s->res);
    sa_buf_free(&s->snap.entries);
    sa_buf_free(&s->snap.keys);
    for (size_t i = 0; i < w->n_scopes; i++)
        if (w->scopes[i] == s) {
            w->scopes[i] = w->scopes[--w->n_scopes];
            w->by_name.size = 0;
            break;
        }
    free(s);
}

struct sa_scope *sa_scope_by_id(struct sa_worker *w, uint32_t id)
{
    /* Where none has ever gone they stand in the order of their numbers. */
    if (id && id <= w->n_scopes && w->scopes[id - 1]->id == id)
        return w->scopes[id - 1];
    for (size_t i = 0; i < w->n_scopes; i++)
        if (w->scopes[i]->id == id)
            return w->scopes[i];
    return NULL;
}

static bool is_named(const struct sa_scope *s, const char *group, const char *plural,
                     const char *namespace)
{
    return !s->internal && strcmp(s->namespace, namespace) == 0 &&
           strcmp(s->res.plural, plural) == 0 && strcmp(s->res.group, group) == 0;
}

struct sa_scope *sa_scope_find(struct sa_worker *w, const char *group, const char *plural,
                               const char *namespace)
{
    size_t size = index_ready(w) ? w->by_name.size : 0;
    for (size_t i = name_hash(group, plural, namespace); size; i++) {
        uint32_t at = w->by_name.slots[i & (size - 1)];
        if (!at)
            return NULL;
        if (is_named(w->scopes[at - 1], group, plural, namespace))
            return w->scopes[at - 1];
    }
    for (size_t i = 0; i < w->n_scopes; i++) /* there is no memory for more */
        if (is_named(w->scopes[i], group, plural, namespace))
            return w->scopes[i];
    return NULL;
}

void sa_scope_title(const struct sa_scope *s, char *out, size_t n)
{
    snprintf(out, n, "%s%s%s%s%s", s->res.plural, *s->res.group ? "." : "", s->res.group,
             *s->namespace ? " in " : "", s->namespace);
}

int sa_url_add(struct sa_buf *b, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     (*p >= '0' && *p <= '9') || *p == '-' || *p == '.' || *p == '_' || *p == '~';
        if (plain) {
            sa_buf_addc(b, (char)*p);
        } else {
            sa_buf_addc(b, '%');
            sa_buf_addc(b, hex[*p >> 4]);
            sa_buf_addc(b, hex[*p & 15]);
        }
    }
    return b->failed ? -1 : 0;
}

bool sa_scope_of_namespaces(const struct sa_scope *s)
{
    return !*s->res.group && strcmp(s->res.plural, "namespaces") == 0;
}

int sa_scope_path(const struct sa_scope *s, const char *namespace, const char *name,
                  struct sa_buf *out)
{
    const char *ns = *s->namespace ? s->namespace : namespace;
    if (*s->res.group)
        sa_buf_addf(out, "/apis/%s/%s/", s->res.group, s->res.version);
    else
        sa_buf_addf(out, "/api/%s/", s->res.version);
    if (s->res.namespaced && ns && *ns) {
        sa_buf_adds(out, "namespaces/");
        sa_url_add(out, ns);
        sa_buf_addc(out, '/');
    }
    sa_buf_adds(out, s->res.plural);
    if (name) {
        sa_buf_addc(out, '/');
        sa_url_add(out, name);
    }
    return out->failed ? -1 : 0;
}

/* `metadata.namespace!=a` is a field that every namespaced resource can be selected by; for others
 * it is an error (400), so those are filtered when they are read. */
int sa_scope_add_selector(const struct sa_scope *s, struct sa_buf *out)
{
    const struct sa_strings *omit = &s->w->account.omit_namespaces;
    if (!s->res.namespaced || *s->namespace || omit->n == 0)
        return 0;
    sa_buf_adds(out, "&fieldSelector=");
    for (size_t i = 0; i < omit->n; i++) {
        sa_url_add(out, i ? ",metadata.namespace!=" : "metadata.namespace!=");
        sa_url_add(out, omit->v[i]);
    }
    return out->failed ? -1 : 0;
}

void sa_scope_relist(struct sa_scope *s)
{
    sa_watch_close(s);
    sa_list_cancel(&s->list);
    s->follow = SA_FOLLOW_LIST;
    s->want_list = false;
    s->w->pump = true;
}

void sa_scope_follow(struct sa_scope *s)
{
    struct sa_worker *w = s->w;
    if (w->stopping || s->kept || s->made_up)
        return;
    switch (s->follow) {
    case SA_FOLLOW_OFF:
    case SA_FOLLOW_INITIAL:
        break;
    case SA_FOLLOW_LIST:
        /* The objects of a first list go out in pages as credit allows: a stream can't be held. */
        if (!s->list.active && !w->no_watch_list && !s->direct && !s->internal)
            sa_watch_open(s);
        else
            sa_list_step(&s->list);
        break;
    case SA_FOLLOW_PAUSE:
        sa_watch_open(s);
        /* fall through */
    case SA_FOLLOW_WATCH:
        if (s->want_list || s->list.active)
            sa_list_step(&s->list);
        break;
    }
}

static void forbidden(struct sa_scope *s, const char *title)
{
    struct sa_worker *w = s->w;
    uint64_t now = sa_mono_ns();
    if (!s->forbidden_ns) {
        s->forbidden_ns = now;
        sa_log(SA_WARN,
               "%s may not be listed and watched with this account's permissions (403); "
               "it is tried again every few minutes",
               title);
    }
    uint64_t limit =
        (uint64_t)(w->account.forbidden_evict_s > 0 ? w->account.forbidden_evict_s : 0);
    if (!s->evicted && !s->internal && now - s->forbidden_ns >= limit * SA_NS_PER_S) {
        sa_log(SA_WARN, "%s has been forbidden for %llu s: what was sent of it is withdrawn", title,
               (unsigned long long)limit);
        s->evicted = true;
        s->complete = s->resumed = s->direct = false;
        s->version[0] = '\0';
        s->follow = SA_FOLLOW_LIST;
        sa_list_cancel(&s->list);
        sa_table_drop_scope(w->table, s->id);
        if (s->dirty)
            sa_dirty_clear(s->dirty);
        sa_compare_cancel(s);
        w->scopes_changed = true;
    }
}

uint64_t sa_scope_failed(struct sa_scope *s, const struct sa_response *r, struct sa_backoff *b,
                         const char *doing)
{
    struct sa_worker *w = s->w;
    char title[400];
    struct sa_status st = {0};
    sa_scope_title(s, title, sizeof title);
    if (r->status >= 300 && r->body && r->body->len)
        sa_status_parse(r->body->data, r->body->len, &st, NULL);
    uint64_t wait = sa_backoff_next(b);
    if (r->error)
        sa_slot_error(w->slot, "%s %s: %s", doing, title, sa_err_msg(r->error));
    else
        sa_slot_error(w->slot, "%s %s: HTTP %d %.100s", doing, title, r->status, st.message);
    /* When the server goes away every scope fails at once: one of them says so. */
    bool news = (!s->failing || b->failures % 16 == 0) && sa_log_every(10, &w->warned);
    sa_log(news ? SA_WARN : SA_DEBUG, "%s; next try in %.1f s", w->slot->last_error,
           (double)wait / 1e9);
    s->failing = true;
    sa_reach_lost(w, r->error);
    if (r->status == 403) {
        forbidden(s, title);
        wait = FORBIDDEN_RETRY_NS + sa_random(4 * FORBIDDEN_RETRY_NS);
    } else {
        s->forbidden_ns = 0;
    }
    if (r->status == 404) {
        if (w->rediscover_ns > sa_mono_ns() + 10 * SA_NS_PER_S)
            w->rediscover_ns = sa_mono_ns() + SA_NS_PER_S;
        wait += 5 * SA_NS_PER_S;
    }
    if (r->retry_after_ms > 0 && wait < (uint64_t)r->retry_after_ms * SA_NS_PER_MS)
        wait = (uint64_t)r->retry_after_ms * SA_NS_PER_MS + sa_random(SA_NS_PER_S);
    return wait;
}

void sa_scope_left_out(struct sa_scope *s, const char *name, size_t n)
{
    char title[400];
    sa_scope_title(s, title, sizeof title);
    sa_slot_error(s->w->slot,
                  "%s: an object%s%s of %zu bytes is left out, limits.objectSize is %lld", title,
                  *name ? " named " : "", name, n, (long long)s->w->account.max_object_bytes);
    sa_log(SA_WARN, "%s", s->w->slot->last_error);
}

void sa_scope_unfit(struct sa_scope *s, const struct sa_object *o, const char *why)
{
    char title[400];
    sa_scope_title(s, title, sizeof title);
    sa_slot_error(s->w->slot, "%s: an object%s%s%s%s is left out: %s", title,
                  *o->name ? " named " : "", o->namespace, *o->namespace ? "/" : "", o->name, why);
    sa_log(sa_log_every(10, &s->w->warned_unfit) ? SA_WARN : SA_DEBUG, "%s",
           s->w->slot->last_error);
}

void sa_scope_succeeded(struct sa_scope *s)
{
    s->failing = false;
    s->forbidden_ns = 0;
}
