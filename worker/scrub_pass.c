/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hottest path of a worker. A pass walks down the object, validating; what stays is copied in
 * runs that are as long as nothing is cut and no white space is met.
 */
#include "worker/scrub_pass.h"

#include <stdlib.h>
#include <string.h>

#include "worker/json_plain.h"
#include "worker/scrub_redact.h"

/* Where in the object members have a meaning. */
enum level { PLAIN, TOP, METADATA, ANNOTATIONS };

enum field {
    F_NONE,
    F_KIND,
    F_API_VERSION,
    F_NAME,
    F_NAMESPACE,
    F_UID,
    F_VERSION,
    F_APPLICATION,
    F_IGNORE,
    F_INITIAL_EVENTS_END,
};

enum cut { KEEP, CUT, CUT_IN_SECRET };

struct rule {
    const char *name;
    size_t n;
    enum field field;
    enum cut cut;
    enum level below;
};

#define NAME(s) s, sizeof(s) - 1
static const struct rule top_rules[] = {
    {NAME("metadata"), F_NONE, KEEP, METADATA},
    {NAME("kind"), F_KIND, CUT, PLAIN}, /* put in front */
    {NAME("apiVersion"), F_API_VERSION, CUT, PLAIN},
    {NAME("data"), F_NONE, CUT_IN_SECRET, PLAIN},
    {NAME("stringData"), F_NONE, CUT_IN_SECRET, PLAIN},
    {0},
};
static const struct rule metadata_rules[] = {
    {NAME("name"), F_NAME, KEEP, PLAIN},
    {NAME("namespace"), F_NAMESPACE, KEEP, PLAIN},
    {NAME("uid"), F_UID, KEEP, PLAIN},
    {NAME("resourceVersion"), F_VERSION, KEEP, PLAIN},
    {NAME("annotations"), F_NONE, KEEP, ANNOTATIONS},
    {NAME("managedFields"), F_NONE, CUT, PLAIN},
    {0},
};
static const struct rule annotation_rules[] = {
    {NAME("moniker.spinnaker.io/application"), F_APPLICATION, KEEP, PLAIN},
    {NAME("caching.spinnaker.io/ignore"), F_IGNORE, KEEP, PLAIN},
    {NAME("k8s.io/initial-events-end"), F_INITIAL_EVENTS_END, KEEP, PLAIN},
    {NAME("kubectl.kubernetes.io/last-applied-configuration"), F_NONE, CUT_IN_SECRET, PLAIN},
    {0},
};

struct member {
    const char *comma; /* in front of it, if a member before it stays; else NULL */
    const char *name;  /* content, still escaped */
    size_t n;
    bool escaped;
    enum cut cut;
    enum field field;
    enum level below;
    const struct sa_redact_node *redact; /* what `redact` says of its value */
    size_t place;                        /* in the result, with the comma; only of F_VERSION */
};

static const char *value(struct sa_scrub_pass *s, const char *p, enum level level,
                         const struct sa_redact_node *redact, unsigned depth);

/* Of several what is no text counts: then it is not known which object this is. */
static void broken(struct sa_scrub_pass *s, enum sa_code code, const char *what)
{
    if (s->broken == SA_OK || (s->broken == SA_ELIMIT && code != SA_ELIMIT)) {
        s->broken = code;
        s->broken_what = what;
    }
}

/* Puts out what was read up to p. */
static inline void flush(struct sa_scrub_pass *s, const char *p)
{
    size_t n = (size_t)(p - s->run);
    if (s->out != NULL) {
        memcpy(s->out + s->len, s->run, n);
    }
    s->len += n;
    s->run = p;
}

static const char *drop_space(struct sa_scrub_pass *s, const char *p)
{
    flush(s, p);
    p = sa_json_space(p, s->end);
    s->run = p;
    return p;
}

static inline const char *space(struct sa_scrub_pass *s, const char *p)
{
    return SA_LIKELY(p < s->end && (unsigned char)*p > ' ') ? p : drop_space(s, p);
}

/* Takes the comma in front of a member, and what was read of the member, out of the result. */
static void retreat(struct sa_scrub_pass *s, const struct member *m)
{
    if (m->comma == NULL) {
        flush(s, m->name - 1);
    } else if (s->run <= m->comma) {
        flush(s, m->comma);
    } else {
        s->len--; /* white space behind the comma had made it go out */
    }
}

/* Where in the result the member starts, with its comma. */
static size_t place(const struct sa_scrub_pass *s, const struct member *m)
{
    if (m->comma != NULL && s->run > m->comma) {
        return s->len - 1;
    }
    return s->len + (size_t)((m->comma != NULL ? m->comma : m->name - 1) - s->run);
}

static void text_field(struct sa_scrub_pass *s, const char *v, const char *end, char *out,
                       size_t cap, const char *what)
{
    switch (sa_json_text(v, (size_t)(end - v), out, cap)) {
    case SA_JSON_TEXT:
    case SA_JSON_NULL:
        break;
    case SA_JSON_NO_TEXT:
        broken(s, SA_EPROTOCOL, what);
        break;
    case SA_JSON_TOO_LONG:
        out[0] = '\0';
        s->nameless = s->nameless || out == s->o->name || out == s->o->namespace;
        broken(s, SA_ELIMIT, what);
        break;
    }
}

static bool text_is(const char *v, const char *end, const char *text)
{
    return *v == '"' && sa_json_equal_text(v + 1, (size_t)(end - v) - 2, text, strlen(text));
}

static void header_field(struct sa_scrub_pass *s, const char *v, const char *end,
                         struct sa_scrub_span *out, const char *what)
{
    *out = (struct sa_scrub_span){0};
    if (*v == '"' && end - v > 2) {
        *out = (struct sa_scrub_span){v, (size_t)(end - v)};
    } else if (*v != '"' && *v != 'n') {
        broken(s, SA_EPROTOCOL, what);
    }
}

static uint64_t parse_version(const char *s)
{
    int64_t v = 0;
    return *s != '-' && sa_json_integer(s, strlen(s), &v) ? (uint64_t)v : 0;
}

/* Picks out what the worker needs to know from the value in [v, end). */
static void take(struct sa_scrub_pass *s, enum field field, const char *v, const char *end)
{
    struct sa_object *o = s->o;
    switch (field) {
    case F_NONE:
        break;
    case F_KIND:
        header_field(s, v, end, &s->kind, "kind");
        break;
    case F_API_VERSION:
        header_field(s, v, end, &s->api_version, "apiVersion");
        break;
    case F_NAME:
        text_field(s, v, end, o->name, sizeof(o->name), "metadata.name");
        break;
    case F_NAMESPACE:
        text_field(s, v, end, o->namespace, sizeof(o->namespace), "metadata.namespace");
        break;
    case F_UID:
        text_field(s, v, end, o->uid, sizeof(o->uid), "metadata.uid");
        break;
    case F_VERSION:
        text_field(s, v, end, o->resource_version, sizeof(o->resource_version),
                   "metadata.resourceVersion");
        o->version = parse_version(o->resource_version);
        break;
    case F_APPLICATION:
        o->has_application = *v == '"' && end - v > 2;
        break;
    case F_IGNORE:
        o->ignored = text_is(v, end, "true");
        break;
    case F_INITIAL_EVENTS_END:
        o->initial_events_end = text_is(v, end, "true");
        break;
    }
}

/* What the rules of a level say of a member. */
static void judge(const struct sa_scrub_pass *s, enum level level, struct member *m)
{
    static const struct rule *const rules[] = {
        [TOP] = top_rules, [METADATA] = metadata_rules, [ANNOTATIONS] = annotation_rules};
    const struct rule *r = rules[level];
    while (r->name != NULL) {
        bool same = SA_LIKELY(!m->escaped) ? m->n == r->n && memcmp(m->name, r->name, r->n) == 0
                                           : sa_json_equal_text(m->name, m->n, r->name, r->n);
        if (same) {
            break;
        }
        r++;
    }
    m->field = r->field;
    m->below = r->below;
    bool needed = r->below != PLAIN || (level != TOP && r->field != F_NONE);
    if (r->cut == CUT || (r->cut == CUT_IN_SECRET && s->secret) ||
        (s->opt->metadata_only && !needed)) {
        m->cut = CUT;
    }
}

/* A member that came again later: it is passed over as if it were not there. */
static bool lost(struct sa_scrub_pass *s, const char *name)
{
    return s->loser < s->n_losers && s->losers[s->loser] == name;
}

static int remember_loser(struct sa_scrub_pass *s, const char *name)
{
    if (s->n_losers == s->cap_losers) {
        size_t cap = s->cap_losers != 0 ? s->cap_losers * 2 : 16;
        const char **more = realloc(s->losers, cap * sizeof(*more));
        if (more == NULL) {
            s->no_memory = true;
            return -1;
        }
        s->losers = more;
        s->cap_losers = cap;
    }
    s->losers[s->n_losers++] = name;
    return 0;
}

/* Reads the name, from its quote, and decides. */
static const char *name(struct sa_scrub_pass *s, const char *p, enum level level,
                        const struct sa_redact_node *redact, struct sa_json_key_frame *frame,
                        struct member *m)
{
    if (p >= s->end || *p != '"') {
        return sa_json_wrong(&s->fault, "the name of a member is missing", p);
    }
    m->name = p + 1;
    m->escaped = false;
    p = sa_json_quick(m->name, s->end, &m->escaped, &s->fault);
    if (p == NULL) {
        return NULL;
    }
    m->n = (size_t)(p - 1 - m->name);
    m->cut = KEEP;
    m->field = F_NONE;
    m->below = PLAIN;
    m->redact = NULL;
    if (SA_UNLIKELY(s->n_losers != 0) && lost(s, m->name)) {
        m->cut = CUT;
    } else {
        const char *earlier;
        int r = sa_json_keys_add(&s->keys, frame, m->name, m->n, m->escaped, s->end, &earlier);
        if (SA_UNLIKELY(r != 0)) {
            s->no_memory = r < 0;
            if (r < 0 || remember_loser(s, earlier) != 0) {
                return sa_json_wrong(&s->fault, "no memory", p);
            }
        }
        if (level != PLAIN) {
            judge(s, level, m);
        }
        if (SA_UNLIKELY(redact != NULL)) {
            m->redact = sa_redact_member(redact, m->name, m->n, m->escaped);
            m->cut = m->redact != NULL && m->redact->cut ? CUT : m->cut;
        }
    }
    return p;
}

/* From behind a member's name to its value; what is cut is taken back before. */
static const char *colon(struct sa_scrub_pass *s, const char *p, struct member *m)
{
    bool cut = m->cut == CUT;
    if (SA_UNLIKELY(cut)) {
        retreat(s, m);
        p = sa_json_space(p, s->end);
    } else {
        m->place = m->field == F_VERSION ? place(s, m) : 0;
        p = space(s, p);
    }
    if (p == s->end || *p != ':') {
        return sa_json_wrong(&s->fault, "a colon is missing", p);
    }
    return SA_UNLIKELY(cut) ? sa_json_space(p + 1, s->end) : space(s, p + 1);
}

/* Reads a value that does not stay. */
static const char *cut_value(struct sa_scrub_pass *s, const char *p, const struct member *m,
                             unsigned depth)
{
    if (m->below == PLAIN) {
        bool unread = s->opt->metadata_only && m->field == F_NONE;
        p = unread ? sa_json_pass(p, s->end, &s->fault) : sa_json_skip(p, s->end, depth, &s->fault);
        while (p != NULL && s->loser < s->n_losers && s->losers[s->loser] < p) {
            s->loser++;
        }
    } else {
        /* What is redacted is read all the same where the worker itself needs it. */
        char *out = s->out;
        size_t len = s->len;
        s->out = NULL;
        s->run = p;
        p = value(s, p, m->below, NULL, depth);
        s->out = out;
        s->len = len;
    }
    s->run = p;
    return p;
}

static const char *member(struct sa_scrub_pass *s, const char *p, enum level level,
                          const struct sa_redact_node *redact, struct sa_json_key_frame *frame,
                          struct member *m, unsigned depth)
{
    p = name(s, p, level, redact, frame, m);
    p = p != NULL ? colon(s, p, m) : NULL;
    if (SA_UNLIKELY(p == NULL)) {
        return NULL;
    }
    const char *v = p;
    if (SA_UNLIKELY(m->cut == CUT)) {
        p = cut_value(s, p, m, depth);
    } else {
        p = value(s, p, m->below, m->redact, depth);
    }
    if (p != NULL && m->field != F_NONE) {
        take(s, m->field, v, p);
        if (m->field == F_VERSION) {
            s->version_from = m->place;
            s->version_to = s->len + (size_t)(p - s->run);
        }
    }
    return p;
}

/* The members of an object that lies depth deep; p is behind its brace. */
static const char *object(struct sa_scrub_pass *s, const char *p, enum level level,
                          const struct sa_redact_node *redact, unsigned depth)
{
    struct sa_json_key_frame frame;
    struct member m = {0};
    sa_json_keys_open(&s->keys, &frame);
    p = space(s, p);
    if (p < s->end && *p == '}') {
        return p + 1;
    }
    for (;;) {
        p = member(s, p, level, redact, &frame, &m, depth);
        if (SA_UNLIKELY(p == NULL)) {
            return NULL;
        }
        p = space(s, p);
        if (SA_UNLIKELY(p == s->end || (*p != ',' && *p != '}'))) {
            return sa_json_wrong(&s->fault, "a comma or a closing bracket is missing", p);
        }
        if (*p == '}') {
            break;
        }
        bool first = m.cut == CUT && m.comma == NULL; /* no member stays so far */
        if (SA_UNLIKELY(first)) {
            s->run = p + 1;
        }
        m.comma = first ? NULL : p;
        p = space(s, p + 1);
    }
    sa_json_keys_close(&s->keys, &frame);
    return p + 1;
}

static const char *array(struct sa_scrub_pass *s, const char *p,
                         const struct sa_redact_node *redact, unsigned depth)
{
    p = space(s, p);
    if (p < s->end && *p == ']') {
        return p + 1;
    }
    for (;;) {
        p = value(s, p, PLAIN, redact, depth);
        if (SA_UNLIKELY(p == NULL)) {
            return NULL;
        }
        p = space(s, p);
        if (p < s->end && *p == ']') {
            return p + 1;
        }
        if (SA_UNLIKELY(p == s->end || *p != ',')) {
            return sa_json_wrong(&s->fault, "a comma or a closing bracket is missing", p);
        }
        p = space(s, p + 1);
    }
}

/* An array of which all elements are redacted: "[]" is left. */
static const char *cut_elements(struct sa_scrub_pass *s, const char *p, unsigned depth)
{
    flush(s, p + 1);
    p = sa_json_skip(p, s->end, depth, &s->fault);
    while (p != NULL && s->loser < s->n_losers && s->losers[s->loser] < p) {
        s->loser++;
    }
    if (p != NULL) {
        s->run = p - 1;
    }
    return p;
}

/* A value in an object or array that lies depth deep. */
static const char *value(struct sa_scrub_pass *s, const char *p, enum level level,
                         const struct sa_redact_node *redact, unsigned depth)
{
    if (SA_UNLIKELY(p == s->end)) {
        return sa_json_wrong(&s->fault, "a value is missing", p);
    }
    if (*p == '"') {
        bool escaped;
        return sa_json_quick(p + 1, s->end, &escaped, &s->fault);
    }
    if (*p != '{' && *p != '[') {
        return sa_json_scalar(p, s->end, &s->fault);
    }
    if (SA_UNLIKELY(depth == SA_JSON_DEPTH)) {
        return sa_json_wrong(&s->fault, "nested too deep", p);
    }
    if (*p == '{') {
        return object(s, p + 1, level, redact, depth + 1);
    }
    const struct sa_redact_node *element = redact != NULL ? redact->element : NULL;
    if (element != NULL && element->cut) {
        return cut_elements(s, p, depth);
    }
    return array(s, p + 1, element, depth + 1);
}

int sa_scrub_pass(struct sa_scrub_pass *s)
{
    const struct sa_redact *redact = s->opt->redact;
    *s->o = (struct sa_object){0};
    s->broken = SA_OK;
    s->nameless = false;
    s->kind = s->api_version = (struct sa_scrub_span){0};
    s->len = s->version_from = s->version_to = 0;
    s->loser = 0;
    s->keys.n = 0;
    const char *p = sa_json_space(s->begin, s->end);
    if (p == s->end || *p != '{') {
        sa_json_wrong(&s->fault, "not an object", p);
        return -1;
    }
    s->run = p + 1;
    p = object(s, p + 1, TOP, redact != NULL ? sa_redact_root(redact) : NULL, 1);
    if (p == NULL) {
        return -1;
    }
    flush(s, p);
    p = sa_json_space(p, s->end);
    if (p != s->end) {
        sa_json_wrong(&s->fault, "something follows the object", p);
        return -1;
    }
    return 0;
}
