/* SPDX-License-Identifier: Apache-2.0 */
/* The values of keys: from text to fields, defaults, copies, release. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/keys.h"

void *sa_key_field(const struct sa_key *k, void *base)
{
    return (char *)base + k->offset;
}

int sa_strings_add(struct sa_strings *s, const char *text, size_t n)
{
    char **bigger = reallocarray(s->v, s->n + 1, sizeof *bigger);
    if (bigger == NULL)
        return -1;
    s->v = bigger;
    s->v[s->n] = strndup(text, n);
    if (s->v[s->n] == NULL)
        return -1;
    s->n++;
    return 0;
}

int sa_pairs_add(struct sa_pairs *p, const char *key, const char *value)
{
    char **keys = reallocarray(p->keys, p->n + 1, sizeof *keys);
    if (keys == NULL)
        return -1;
    p->keys = keys;
    char **values = reallocarray(p->values, p->n + 1, sizeof *values);
    if (values == NULL)
        return -1;
    p->values = values;
    keys[p->n] = strdup(key);
    values[p->n] = strdup(value);
    if (keys[p->n] == NULL || values[p->n] == NULL) {
        free(keys[p->n]);
        free(values[p->n]);
        return -1;
    }
    p->n++;
    return 0;
}

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the configuration");
}

/* "what was expected, not \"text\"" */
static int expected(const struct sa_key *k, const char *what, const char *text, struct sa_err **err)
{
    if (k->secret)
        return sa_err_set(err, SA_ECONFIG, "expected %s", what);
    return sa_err_set(err, SA_ECONFIG, "expected %s, not \"%.100s\"", what, text);
}

static int parse_bool(const struct sa_key *k, const char *text, bool *out, struct sa_err **err)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *out = strcasecmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return expected(k, "true or false", text, err);
}

struct suffix {
    const char *text;
    double factor;
};

/* In nanoseconds, as Go's time.ParseDuration spells them. */
static const struct suffix time_suffixes[] = {
    {"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {NULL, 0},
};
/* In bytes, as Kubernetes spells quantities. */
static const struct suffix size_suffixes[] = {
    {"k", 1e3},     {"K", 1e3},       {"M", 1e6},           {"G", 1e9},
    {"Ki", 1024.0}, {"Mi", 1048576.}, {"Gi", 1073741824.0}, {NULL, 0},
};

static double unit_ns(enum sa_key_unit unit)
{
    return unit == SA_UNIT_NS ? 1 : unit == SA_UNIT_MS ? 1e6 : 1e9;
}

static const struct suffix *find_suffix(const struct suffix *table, const char *text)
{
    for (; table->text != NULL; table++) {
        if (strcmp(table->text, text) == 0)
            return table;
    }
    return NULL;
}

/* A decimal number (no exponent, no "inf", no hexadecimal), and what comes after it. */
static int read_number(const char *text, double *out, const char **rest)
{
    const char *s = text + (*text == '-' || *text == '+');
    size_t whole = strspn(s, "0123456789"), fraction = 0;
    if (s[whole] == '.')
        fraction = 1 + strspn(s + whole + 1, "0123456789");
    if (whole == 0 || fraction == 1 || whole + fraction > 30)
        return -1;
    char copy[40];
    size_t n = (size_t)(s - text) + whole + fraction;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *out = strtod(copy, NULL);
    *rest = text + n;
    return 0;
}

static int check_range(const struct sa_key *k, double v, struct sa_err **err)
{
    if (v >= k->min && v <= k->max)
        return 0;
    return sa_err_set(err, SA_ECONFIG, "expected a number from %.15g to %.15g, not %.15g", k->min,
                      k->max, v);
}

static int parse_number(const struct sa_key *k, const char *text, double *out, struct sa_err **err)
{
    static const char *const words[] = {
        [SA_KEY_INT] = "a whole number",
        [SA_KEY_BYTES] = "a number of bytes, as 1048576, 64Mi or 1G",
        [SA_KEY_FLOAT] = "a number",
    };
    const char *what = words[k->type], *rest = NULL;
    if (k->type == SA_KEY_INT && k->unit != SA_UNIT_NONE)
        what = "a whole number, or a time as 500ms, 30s, 5m or 1h";
    if (read_number(text, out, &rest) != 0)
        return expected(k, what, text, err);
    if (*rest != '\0') {
        const struct suffix *s = NULL;
        if (k->type == SA_KEY_BYTES)
            s = find_suffix(size_suffixes, rest);
        else if (k->unit != SA_UNIT_NONE)
            s = find_suffix(time_suffixes, rest);
        if (s == NULL)
            return expected(k, what, text, err);
        *out *= k->type == SA_KEY_BYTES ? s->factor : s->factor / unit_ns(k->unit);
    }
    if (k->type != SA_KEY_FLOAT && *out != floor(*out))
        return expected(k, what, text, err);
    return check_range(k, *out, err);
}

/* Finds text among the choices; letters' case is free, as Armory's logging.level has it. */
static int parse_choice(const struct sa_key *k, const char *text, size_t *out, struct sa_err **err)
{
    size_t n;
    const char *c;
    for (size_t i = 0; (c = sa_key_choice(k, i, &n)) != NULL; i++) {
        if (strncasecmp(c, text, n) == 0 && text[n] == '\0') {
            *out = i;
            return 0;
        }
    }
    char what[128] = "one of ";
    size_t used = strlen(what);
    for (const char *s = k->choices; *s != '\0' && used + 3 < sizeof what; s++) {
        if (*s == '|') {
            what[used++] = ',';
            what[used++] = ' ';
        } else {
            what[used++] = *s;
        }
    }
    what[used] = '\0';
    return expected(k, what, text, err);
}

static int store_text(char **field, const char *text, size_t n, struct sa_err **err)
{
    char *copy = strndup(text, n);
    if (copy == NULL)
        return no_memory(err);
    free(*field);
    *field = copy;
    return 0;
}

/* "a, b": blanks around commas do not count, empty parts are left out. */
static int parse_strings(const char *text, struct sa_strings *out, struct sa_err **err)
{
    struct sa_strings list = {0};
    for (const char *s = text; *s != '\0';) {
        s += strspn(s, " \t,");
        size_t n = strcspn(s, ","), used = n;
        while (used > 0 && (s[used - 1] == ' ' || s[used - 1] == '\t'))
            used--;
        if (used > 0 && sa_strings_add(&list, s, used) != 0) {
            sa_value_free(&(const struct sa_key){.type = SA_KEY_STRINGS}, &list);
            return no_memory(err);
        }
        s += n;
    }
    sa_value_free(&(const struct sa_key){.type = SA_KEY_STRINGS}, out);
    *out = list;
    return 0;
}

static int parse_choice_into(const struct sa_key *k, const char *text, void *field,
                             struct sa_err **err)
{
    size_t i = 0, n;
    if (parse_choice(k, text, &i, err) != 0)
        return -1;
    if (k->type == SA_KEY_CHOICE_BOOL) {
        *(bool *)field = i == 1;
        return 0;
    }
    if (k->type == SA_KEY_CHOICE_ENUM) {
        *(unsigned *)field = (unsigned)i;
        return 0;
    }
    const char *c = sa_key_choice(k, i, &n);
    return store_text(field, c, n, err);
}

int sa_value_parse(const struct sa_key *k, const char *text, void *field, struct sa_err **err)
{
    double v = 0;
    switch (k->type) {
    case SA_KEY_BOOL:
        return parse_bool(k, text, field, err);
    case SA_KEY_INT:
    case SA_KEY_BYTES:
        if (parse_number(k, text, &v, err) != 0)
            return -1;
        *(int64_t *)field = (int64_t)v;
        return 0;
    case SA_KEY_FLOAT:
        return parse_number(k, text, field, err);
    case SA_KEY_STRING:
        return store_text(field, text, strlen(text), err);
    case SA_KEY_CHOICE:
    case SA_KEY_CHOICE_ENUM:
    case SA_KEY_CHOICE_BOOL:
        return parse_choice_into(k, text, field, err);
    case SA_KEY_STRINGS:
        return parse_strings(text, field, err);
    default:
        return sa_err_set(err, SA_EINTERNAL, "%s has no single value", k->path);
    }
}

int sa_value_preset(const struct sa_key *k, void *field, struct sa_err **err)
{
    return k->preset == NULL ? 0 : sa_value_parse(k, k->preset, field, err);
}

static void free_strings(struct sa_strings *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct sa_strings){0};
}

static void free_pairs(struct sa_pairs *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->keys[i]);
        free(p->values[i]);
    }
    free(p->keys);
    free(p->values);
    *p = (struct sa_pairs){0};
}

/* The two lists of structs have their number right behind them: see sa_account. */
struct permission_list {
    struct sa_permission *v;
    size_t n;
};
struct crd_list {
    struct sa_crd_setting *v;
    size_t n;
};
#define FOLLOWS(s, list, n) (offsetof(s, n) == offsetof(s, list) + sizeof(void *))
_Static_assert(FOLLOWS(struct sa_account, permissions, n_permissions), "order of members");
_Static_assert(FOLLOWS(struct sa_account, crds, n_crds), "order of members");
_Static_assert(offsetof(struct sa_settings, log_field_values) ==
                       offsetof(struct sa_settings, log_field_keys) + sizeof(char **) &&
                   offsetof(struct sa_settings, n_log_fields) ==
                       offsetof(struct sa_settings, log_field_values) + sizeof(char **),
               "order of members");
_Static_assert(sizeof(enum sa_sink_kind) == sizeof(unsigned), "stored as unsigned");

static void free_permissions(struct permission_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i].permission);
        free_strings(&l->v[i].roles);
    }
    free(l->v);
    *l = (struct permission_list){0};
}

static void free_crds(struct crd_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->v[i].kind);
    free(l->v);
    *l = (struct crd_list){0};
}

static void free_text(char **text, bool secret)
{
    if (secret && *text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void sa_value_free(const struct sa_key *k, void *field)
{
    switch (k->type) {
    case SA_KEY_STRING:
    case SA_KEY_CHOICE:
        free_text(field, k->secret);
        break;
    case SA_KEY_STRINGS:
    case SA_KEY_SSA_KINDS:
        free_strings(field);
        break;
    case SA_KEY_MAP:
        free_pairs(field);
        break;
    case SA_KEY_PERMISSIONS:
        free_permissions(field);
        break;
    case SA_KEY_CRDS:
        free_crds(field);
        break;
    default:
        break;
    }
}

static int copy_strings(const struct sa_strings *from, struct sa_strings *to)
{
    for (size_t i = 0; i < from->n; i++) {
        if (sa_strings_add(to, from->v[i], strlen(from->v[i])) != 0)
            return -1;
    }
    return 0;
}

int sa_value_copy(const struct sa_key *k, const void *from, void *to)
{
    switch (k->type) {
    case SA_KEY_BOOL:
    case SA_KEY_CHOICE_BOOL:
        *(bool *)to = *(const bool *)from;
        return 0;
    case SA_KEY_INT:
    case SA_KEY_BYTES:
        *(int64_t *)to = *(const int64_t *)from;
        return 0;
    case SA_KEY_FLOAT:
        *(double *)to = *(const double *)from;
        return 0;
    case SA_KEY_STRING:
    case SA_KEY_CHOICE: {
        char *const *text = from;
        if (*text == NULL)
            return 0;
        *(char **)to = strdup(*text);
        return *(char **)to == NULL ? -1 : 0;
    }
    case SA_KEY_STRINGS:
    case SA_KEY_SSA_KINDS:
        return copy_strings(from, to);
    default:
        return -1; /* no other type is agent-wide and for accounts at once */
    }
}
