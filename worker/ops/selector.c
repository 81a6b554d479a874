/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/selector.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 63u
#define LABEL_CHARACTERS                                                                           \
    "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "       \
    "character"

enum kind { END, CLOSE, COMMA, NOT, EQUAL, NOT_EQUAL, GREATER, LESS, OPEN, IN, NOT_IN, WORD };

struct token {
    enum kind kind;
    const char *s; /* of the selector */
    size_t n;
};

struct parse {
    const char *p;
    struct token now; /* that is looked at */
    sa_selector_label *label;
    void *arg;
    struct sa_err **err;
};

/* One requirement: the label it is about, and what has been found of it so far. */
struct requirement {
    struct token key;
    bool there;       /* the label */
    bool among;       /* its value is one of those that were read */
    struct token bad; /* the first of those that can't be a label's value */
    char value[SA_SELECTOR_LABEL];
};

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool special(char c)
{
    return c != '\0' && strchr("=!(),><", c) != NULL;
}

static enum kind kind_of_special(const char *s, size_t *n)
{
    *n = (s[0] == '=' || s[0] == '!') && s[1] == '=' ? 2 : 1;
    switch (s[0]) {
    case '=':
        return EQUAL;
    case '!':
        return *n == 2 ? NOT_EQUAL : NOT;
    case '(':
        return OPEN;
    case ')':
        return CLOSE;
    case ',':
        return COMMA;
    default:
        return s[0] == '>' ? GREATER : LESS;
    }
}

/* Takes the token that is looked at, and looks at the next. */
static struct token take(struct parse *p)
{
    struct token old = p->now;
    while (blank(*p->p)) {
        p->p++;
    }
    struct token t = {.kind = END, .s = p->p};
    if (special(*p->p)) {
        t.kind = kind_of_special(p->p, &t.n);
    } else {
        while (p->p[t.n] != '\0' && !special(p->p[t.n]) && !blank(p->p[t.n])) {
            t.n++;
        }
        if (t.n > 0) {
            t.kind = t.n == 2 && memcmp(t.s, "in", 2) == 0      ? IN
                     : t.n == 5 && memcmp(t.s, "notin", 5) == 0 ? NOT_IN
                                                                : WORD;
        }
    }
    p->p += t.n;
    p->now = t;
    return old;
}

/* A key or a value may be called "in". */
static bool is_word(const struct token *t)
{
    return t->kind == WORD || t->kind == IN || t->kind == NOT_IN;
}

static int found(struct parse *p, const struct token *t, const char *expected)
{
    return sa_err_set(p->err, SA_EREFUSED, "found '%.*s'%s", (int)(t->n < 512 ? t->n : 512), t->s,
                      expected);
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool plain = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
                     (s[i] >= '0' && s[i] <= '9');
        if (!plain && (i == 0 || i + 1 == n || strchr("-_.", s[i]) == NULL)) {
            return false;
        }
    }
    return n > 0;
}

/* The name of a label's key; the prefix is the API server's affair: no label has a wrong one. */
static int check_key(struct parse *p, const struct token *key)
{
    const char *slash = memchr(key->s, '/', key->n);
    const char *name = slash != NULL ? slash + 1 : key->s;
    size_t n = key->n - (size_t)(name - key->s);
    if (is_name(name, n) && n <= NAME_MAX_BYTES) {
        return 0;
    }
    const char *why = n > NAME_MAX_BYTES
                          ? "must be no more than 63 bytes"
                          : "must consist of " LABEL_CHARACTERS
                            " (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
                            "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    return sa_err_set(p->err, SA_EREFUSED, "<nil>: Invalid value: \"%.*s\": name part %s",
                      (int)(key->n < 512 ? key->n : 512), key->s, why);
}

static void compare_value(struct requirement *r, const struct token *v)
{
    r->among = r->among || (strlen(r->value) == v->n && memcmp(r->value, v->s, v->n) == 0);
    if (v->n > 0 && r->bad.n == 0 && (!is_name(v->s, v->n) || v->n > NAME_MAX_BYTES)) {
        r->bad = *v;
    }
}

static int check_values(struct parse *p, const struct requirement *r)
{
    const struct token *v = &r->bad;
    if (v->n == 0) {
        return 0;
    }
    const char *why = v->n > NAME_MAX_BYTES
                          ? "must be no more than 63 bytes"
                          : "a valid label must be an empty string or consist of " LABEL_CHARACTERS
                            " (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
                            "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    return sa_err_set(p->err, SA_EREFUSED, "values[0][%.*s]: Invalid value: \"%.*s\": %s",
                      (int)(r->key.n < 512 ? r->key.n : 512), r->key.s,
                      (int)(v->n < 512 ? v->n : 512), v->s, why);
}

static const struct token nothing = {.kind = WORD, .s = ""};

/* "(a, b)"; "()" and the places beside a comma where there is none hold "". */
static int read_values(struct parse *p, struct requirement *r)
{
    struct token t = take(p);
    bool after_word = false, first = true;
    if (t.kind != OPEN) {
        return found(p, &t, " expected: '('");
    }
    if (!is_word(&p->now) && p->now.kind != COMMA && p->now.kind != CLOSE) {
        return found(p, &p->now, ", expected: ',', ')' or identifier");
    }
    if (p->now.kind == CLOSE) {
        compare_value(r, &nothing);
    }
    for (t = take(p); t.kind != CLOSE; t = take(p)) {
        if (after_word && t.kind != COMMA) {
            return found(p, &t, ", expected: ',' or ')'");
        }
        if (!after_word && !is_word(&t) && t.kind != COMMA) {
            return found(p, &t, ", expected: ',', or identifier");
        }
        after_word = is_word(&t);
        if (after_word) {
            compare_value(r, &t);
        } else if (first || !is_word(&p->now)) {
            compare_value(r, &nothing);
        }
        first = false;
    }
    return 0;
}

/* The only value behind = or !=; none is "". */
static int read_value(struct parse *p, struct requirement *r)
{
    struct token t = nothing;
    if (p->now.kind != END && p->now.kind != COMMA) {
        t = take(p);
        if (!is_word(&t)) {
            return found(p, &t, ", expected: identifier");
        }
    }
    compare_value(r, &t);
    return 0;
}

static bool number_of(const char *s, size_t n, long long *out)
{
    char text[24];
    char *end = NULL;
    if (n == 0 || n >= sizeof text || isspace((unsigned char)s[0])) {
        return false;
    }
    memcpy(text, s, n);
    text[n] = '\0';
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Behind < or >. */
static int read_bound(struct parse *p, struct requirement *r, bool greater)
{
    long long bound, value;
    struct token t = p->now;
    if (read_value(p, r) != 0) {
        return -1;
    }
    if (!number_of(t.s, t.n, &bound)) {
        return sa_err_set(p->err, SA_EREFUSED,
                          "values[0]: Invalid value: \"%.*s\": for 'Gt', 'Lt' operators, the value "
                          "must be an integer",
                          (int)(t.n < 512 ? t.n : 512), t.s);
    }
    return r->there && number_of(r->value, strlen(r->value), &value) &&
           (greater ? value > bound : value < bound);
}

/* 1: it holds, 0: it does not, -1 with *err. */
static int requirement(struct parse *p)
{
    struct requirement r = {.value = ""};
    r.key = take(p);
    bool absent = r.key.kind == NOT;
    if (absent) {
        r.key = take(p);
    }
    if (!is_word(&r.key)) {
        return found(p, &r.key, ", expected: identifier");
    }
    if (check_key(p, &r.key) != 0) {
        return -1;
    }
    r.there = p->label(p->arg, r.key.s, r.key.n, r.value);
    if (absent || p->now.kind == END || p->now.kind == COMMA) {
        return r.there != absent;
    }
    struct token t = take(p);
    int result;
    switch (t.kind) {
    case IN:
    case NOT_IN:
        result = read_values(p, &r);
        break;
    case EQUAL:
    case NOT_EQUAL:
        result = read_value(p, &r);
        break;
    case GREATER:
    case LESS:
        return read_bound(p, &r, t.kind == GREATER);
    default:
        return found(p, &t, ", expected: in, notin, =, ==, !=, gt, lt");
    }
    if (result != 0 || check_values(p, &r) != 0) {
        return -1;
    }
    return t.kind == IN || t.kind == EQUAL ? r.there && r.among : !r.there || !r.among;
}

int sa_selector_matches(const char *selector, sa_selector_label *label, void *arg,
                        struct sa_err **err)
{
    struct parse p = {.p = selector, .label = label, .arg = arg, .err = err};
    bool all = true;
    take(&p);
    while (p.now.kind != END) {
        if (!is_word(&p.now) && p.now.kind != NOT) {
            return found(&p, &p.now, ", expected: !, identifier, or 'end of string'");
        }
        int r = requirement(&p);
        if (r < 0) {
            return sa_err_wrap(err, "unable to parse requirement");
        }
        all = all && r > 0;
        struct token t = take(&p);
        if (t.kind == END) {
            break;
        }
        if (t.kind != COMMA) {
            return found(&p, &t, ", expected: ',' or 'end of string'");
        }
        if (!is_word(&p.now) && p.now.kind != NOT) {
            return found(&p, &p.now, ", expected: identifier after ','");
        }
    }
    return all;
}
