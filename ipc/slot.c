/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/slot.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/clock.h"

#define SLOT_BYTES 8192u /* two pages of most machines */

_Static_assert(sizeof(struct sa_slot) <= SLOT_BYTES, "a slot fits into its pages");

const char *sa_state_name(enum sa_state s)
{
    static const char *const names[] = {
#define X(sym, name) [sym] = (name),
        SA_STATE_TABLE(X)
#undef X
    };
    return (unsigned)s < SA_STATE_COUNT ? names[s] : "unknown";
}

const char *sa_verb_name(enum sa_verb v)
{
    static const char *const names[] = {
#define X(sym, name) [sym] = (name),
        SA_VERB_TABLE(X)
#undef X
    };
    return names[(unsigned)v < SA_VERB_COUNT ? v : SA_VERB_UNKNOWN];
}

enum sa_verb sa_verb_find(const char *name)
{
    unsigned v = 0;
    while (v < SA_VERB_UNKNOWN && strcmp(sa_verb_name((enum sa_verb)v), name) != 0)
        v++;
    return (enum sa_verb)v;
}

const char *sa_result_name(enum sa_result r)
{
    static const char *const names[] = {
#define X(sym, name) [sym] = (name),
        SA_RESULT_TABLE(X)
#undef X
    };
    return names[(unsigned)r < SA_RESULT_COUNT ? r : SA_RESULT_UNSPECIFIED];
}

struct sa_slot_event *sa_slot_ring_add(struct sa_slot_ring *r, const char *fmt, ...)
{
    struct sa_slot_event *e = &r->v[r->n % SA_SLOT_EVENTS];
    va_list ap;
    *e = (struct sa_slot_event){.at_ns = sa_mono_ns()};
    va_start(ap, fmt);
    vsnprintf(e->what, sizeof(e->what), fmt, ap);
    va_end(ap);
    r->n++;
    return e;
}

void sa_slot_operation(struct sa_slot *s, enum sa_verb verb, enum sa_result result, uint64_t us)
{
    static const uint32_t bounds_ms[] = {
#define X(ms, text) ms,
        SA_DURATION_TABLE(X)
#undef X
    };
    struct sa_slot_verb *v = &s->verbs[(unsigned)verb < SA_VERB_COUNT ? verb : SA_VERB_UNKNOWN];
    v->sum_us += us;
    v->results[(unsigned)result < SA_RESULT_COUNT ? result : SA_RESULT_UNSPECIFIED]++;
    for (unsigned i = 0; i < SA_DURATION_COUNT; i++) {
        if (us <= (uint64_t)bounds_ms[i] * 1000) {
            v->within[i]++;
            return;
        }
    }
}

struct sa_slot *sa_slot_new(struct sa_err **err)
{
    void *p = mmap(NULL, SLOT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        sa_err_sys(err, errno, "map a status page");
        return NULL;
    }
    return p;
}

void sa_slot_free(struct sa_slot *s)
{
    if (s != NULL) {
        munmap(s, SLOT_BYTES);
    }
}

/* Terminates text of size bytes and puts a blank for whatever could not stand in a line of a log or
 * a terminal. text is this process's own copy: it doesn't change under the check. */
static void clean_text(char *text, size_t size)
{
    text[size - 1] = '\0';
    for (char *p = text; *p != '\0';) {
        size_t n = sa_utf8_length(p);
        bool c1 = n == 2 && (unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0;
        if (n == 0 || c1 || (n == 1 && ((unsigned char)*p < 0x20 || *p == 0x7f))) {
            *p++ = ' ';
        } else {
            p += n;
        }
    }
}

static void clean_ring(struct sa_slot_ring *r)
{
    for (size_t i = 0; i < SA_SLOT_EVENTS; i++)
        clean_text(r->v[i].what, sizeof(r->v[i].what));
}

void sa_slot_read(const struct sa_slot *s, struct sa_slot *out)
{
    memcpy(out, s, sizeof(*out));
    /* The compiler may not read the shared page again in place of the copy. */
    __asm__ __volatile__("" : : "r"(out) : "memory");
    clean_text(out->version, sizeof(out->version));
    clean_text(out->cluster, sizeof(out->cluster));
    clean_text(out->server, sizeof(out->server));
    clean_text(out->last_error, sizeof(out->last_error));
    clean_text(out->sandbox_lacks, sizeof(out->sandbox_lacks));
    clean_ring(&out->operations);
    clean_ring(&out->changes);
    if (out->n_watched > SA_SLOT_WATCHES)
        out->n_watched = SA_SLOT_WATCHES;
    for (size_t i = 0; i < out->n_watched; i++)
        clean_text(out->watched[i].name, sizeof(out->watched[i].name));
}

void sa_slot_set_text(char *field, size_t size, const char *text)
{
    snprintf(field, size, "%s", text);
}

void sa_slot_error(struct sa_slot *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->last_error, sizeof(s->last_error), fmt, ap);
    va_end(ap);
    s->last_error_ns = sa_mono_ns();
}
