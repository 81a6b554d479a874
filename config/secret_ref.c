/* SPDX-License-Identifier: Apache-2.0 */
#include "config/secret_ref.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_PREFIX "encrypted:"
#define FILE_PREFIX  "encryptedFile:"
#define TEXT_MAX     2048u /* bytes of a reference */
#define PARAMS_MAX   4

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* What a value may be made of; NULL: any printable ASCII. */
static const char dns[] = LOWER DIGITS "-.";
static const char region[] = LOWER DIGITS "-";
static const char word[] = LOWER UPPER DIGITS "-._";

struct param {
    const char *key, *alias; /* alias: an older name that is still taken, or NULL */
    bool required;
    bool path;         /* parts between slashes, none of which is empty, "." or ".." */
    const char *chars; /* what it may be made of */
    size_t field;      /* in struct sa_secret_ref; of "b:true" it is the flag */
    bool flag;         /* true or false */
};

#define FIELD(f) offsetof(struct sa_secret_ref, f)

/* By enum sa_secret_engine. */
static const struct engine {
    const char *name, *form;
    struct param params[PARAMS_MAX];
} engines[SA_SECRET_ENGINES] = {
    [SA_SECRET_K8S] = {"k8s",
                       "k8s!n:SECRET!k:KEY!ns:NAMESPACE (ns may be left out)",
                       {{"n", NULL, true, false, dns, FIELD(name), false},
                        {"k", NULL, true, false, word, FIELD(key), false},
                        {"ns", NULL, false, false, dns, FIELD(namespace), false}}},
    [SA_SECRET_VAULT] = {"vault",
                         "vault!e:ENGINE!p:PATH!k:KEY!b:true (b may be left out)",
                         {{"e", NULL, true, true, NULL, FIELD(mount), false},
                          {"p", "n", true, true, NULL, FIELD(name), false},
                          {"k", NULL, true, false, NULL, FIELD(key), false},
                          {"b", NULL, false, false, NULL, FIELD(base64), true}}},
    [SA_SECRET_S3] = {"s3",
                      "s3!r:REGION!b:BUCKET!f:FILE!k:KEY (k may be left out)",
                      {{"r", NULL, true, false, region, FIELD(region), false},
                       {"b", NULL, true, false, word, FIELD(bucket), false},
                       {"f", NULL, true, true, NULL, FIELD(name), false},
                       {"k", NULL, false, false, NULL, FIELD(key), false}}},
    [SA_SECRET_GCS] = {"gcs",
                       "gcs!b:BUCKET!f:FILE!k:KEY (k may be left out)",
                       {{"b", NULL, true, false, word, FIELD(bucket), false},
                        {"f", NULL, true, true, NULL, FIELD(name), false},
                        {"k", NULL, false, false, NULL, FIELD(key), false}}},
    [SA_SECRET_AWS] = {"secrets-manager",
                       "secrets-manager!r:REGION!s:SECRET!k:KEY (k may be left out)",
                       {{"r", NULL, true, false, region, FIELD(region), false},
                        {"s", NULL, true, false, NULL, FIELD(name), false},
                        {"k", NULL, false, false, NULL, FIELD(key), false}}},
};

const char *sa_secret_engine_name(enum sa_secret_engine e)
{
    return e < SA_SECRET_ENGINES ? engines[e].name : "unknown";
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool sa_secret_ref_is(const char *text)
{
    return begins(text, VALUE_PREFIX) || begins(text, FILE_PREFIX);
}

void sa_secret_ref_free(struct sa_secret_ref *r)
{
    free(r->name);
    free(r->key);
    free(r->namespace);
    free(r->mount);
    free(r->region);
    free(r->bucket);
    *r = (struct sa_secret_ref){0};
}

static int expected(const struct engine *e, struct sa_err **err, const char *what, const char *key)
{
    return sa_err_set(err, SA_ECONFIG, "the reference %s%s; expected %s", what, key, e->form);
}

static const struct engine *find_engine(const char *p, size_t n)
{
    for (size_t i = 0; i < SA_SECRET_ENGINES; i++) {
        if (strlen(engines[i].name) == n && memcmp(engines[i].name, p, n) == 0)
            return &engines[i];
    }
    return NULL;
}

static bool is_key(const char *name, const char *p, size_t n)
{
    return name != NULL && strlen(name) == n && memcmp(name, p, n) == 0;
}

static const struct param *find_param(const struct engine *e, const char *p, size_t n)
{
    for (size_t i = 0; i < PARAMS_MAX && e->params[i].key != NULL; i++) {
        if (is_key(e->params[i].key, p, n) || is_key(e->params[i].alias, p, n))
            return &e->params[i];
    }
    return NULL;
}

/* Of a path: whether a part is empty or leads elsewhere. */
static bool bad_path(const char *s)
{
    for (;;) {
        size_t n = strcspn(s, "/");
        if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && memcmp(s, "..", 2) == 0))
            return true;
        if (s[n] == '\0')
            return false;
        s += n + 1;
    }
}

static bool bad_value(const struct param *p, const char *s)
{
    if (s[0] == '\0' || (p->chars != NULL && s[strspn(s, p->chars)] != '\0'))
        return true;
    /* A name that is part of a URL is one part of it, which is not "." or "..". */
    if (p->path ? bad_path(s) : strcmp(s, ".") == 0 || strcmp(s, "..") == 0)
        return true;
    for (const char *c = s; *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~')
            return true;
    }
    return false;
}

static int set(const struct engine *e, const struct param *p, const char *text, size_t n,
               struct sa_secret_ref *out, struct sa_err **err)
{
    void *field = (char *)out + p->field;
    SA_CLEANUP(sa_freep) char *value = strndup(text, n);
    if (value == NULL)
        return sa_err_set(err, SA_EMEMORY, "reference to a secret");
    if (p->flag) {
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return expected(e, err, "has neither true nor false as ", p->key);
        *(bool *)field = value[0] == 't';
        return 0;
    }
    if (bad_value(p, value))
        return expected(e, err, "has an empty or impossible value of ", p->key);
    if (*(char **)field != NULL)
        return expected(e, err, "has twice ", p->key);
    *(char **)field = value;
    value = NULL;
    return 0;
}

/* "KEY:VALUE" of n bytes. */
static int take(const struct engine *e, const char *text, size_t n, struct sa_secret_ref *out,
                struct sa_err **err)
{
    const char *colon = memchr(text, ':', n);
    if (colon == NULL)
        return expected(e, err, "has a part without \":\"", "");
    const struct param *p = find_param(e, text, (size_t)(colon - text));
    if (p == NULL)
        return expected(e, err, "has a part that ", "does not belong to its engine");
    return set(e, p, colon + 1, n - (size_t)(colon - text) - 1, out, err);
}

static int read_all(const struct engine *e, const char *text, struct sa_secret_ref *out,
                    struct sa_err **err)
{
    while (*text == '!') {
        size_t n = strcspn(++text, "!");
        if (take(e, text, n, out, err) != 0)
            return -1;
        text += n;
    }
    for (size_t i = 0; i < PARAMS_MAX && e->params[i].key != NULL; i++) {
        const struct param *p = &e->params[i];
        if (p->required && *(char **)((char *)out + p->field) == NULL)
            return expected(e, err, "lacks ", p->key);
    }
    return 0;
}

int sa_secret_ref_parse(const char *text, struct sa_secret_ref *out, struct sa_err **err)
{
    *out = (struct sa_secret_ref){0};
    if (!sa_secret_ref_is(text))
        return sa_err_set(err, SA_ECONFIG, "not a reference: expected " FILE_PREFIX "ENGINE!...");
    if (strlen(text) > TEXT_MAX)
        return sa_err_set(err, SA_ECONFIG, "the reference is longer than %u bytes", TEXT_MAX);
    text = strchr(text, ':') + 1;
    size_t n = strcspn(text, "!");
    const struct engine *e = find_engine(text, n);
    if (e == NULL)
        return sa_err_set(err, SA_ECONFIG,
                          "the reference names no store that is known; expected one of k8s, vault, "
                          "s3, gcs and secrets-manager after \"" FILE_PREFIX "\"");
    out->engine = (enum sa_secret_engine)(e - engines);
    if (read_all(e, text + n, out, err) == 0)
        return 0;
    sa_secret_ref_free(out);
    return -1;
}
