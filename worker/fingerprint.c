/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A checkpoint says that the rows are those of a version; that they are also cut and chosen as the
 * configuration of today asks for is what its fingerprint says. It is never shown to anybody who
 * might not see the configuration, and so needs no key.
 */
#include <string.h>

#include "worker/scope.h"
#include "worker/session.h"

static void add_number(struct sa_digest_state *h, uint64_t v)
{
    uint8_t b[8];
    for (unsigned i = 0; i < sizeof b; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    sa_digest_add(h, b, sizeof b);
}

static void add_text(struct sa_digest_state *h, const char *s)
{
    size_t n = strlen(s);
    add_number(h, n);
    sa_digest_add(h, s, n);
}

/* In any order: that of a list of filters means nothing. */
static void add_set(struct sa_digest_state *h, const struct sa_strings *set)
{
    struct sa_sum sum = {0};
    uint8_t bytes[16];
    for (size_t i = 0; i < set->n; i++) {
        struct sa_digest_state one;
        struct sa_digest d;
        sa_digest_start(&one);
        add_text(&one, set->v[i]);
        sa_digest_end(&one, &d);
        sa_sum_add(&sum, &d);
    }
    sa_sum_bytes(&sum, bytes);
    add_number(h, set->n);
    sa_digest_add(h, bytes, sizeof bytes);
}

/* Those that sa_intake_visible() asks, for a scope in which they decide anything. */
static void add_namespaces(struct sa_digest_state *h, const struct sa_scope *s)
{
    static const struct sa_strings none;
    const struct sa_account *a = &s->w->account;
    bool filtered = !*s->namespace && (s->res.namespaced || sa_scope_of_namespaces(s));
    add_set(h, filtered ? &a->namespaces : &none);
    add_set(h, filtered ? &a->omit_namespaces : &none);
}

void sa_scope_fingerprint(const struct sa_scope *s, struct sa_digest *out)
{
    const struct sa_account *a = &s->w->account;
    struct sa_digest_state h;
    sa_digest_start(&h);
    add_number(&h, SA_SCRUB_RULES);
    add_text(&h, s->res.version);
    add_text(&h, s->res.kind);
    add_number(&h, s->res.namespaced);
    add_number(&h, s->made_up);
    add_number(&h, a->only_spinnaker_managed);
    add_number(&h, (uint64_t)a->max_object_bytes);
    add_set(&h, &a->redact);
    add_namespaces(&h, s);
    sa_digest_end(&h, out);
}
