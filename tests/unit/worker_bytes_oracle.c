/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_bytes_oracle.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <string.h>

#include "worker/json.h"

bool oracle_can_judge(const char *json, size_t n)
{
    size_t number = 0;
    for (size_t i = 0; i < n; i++) {
        if (n - i >= 6 && memcmp(json + i, "\\u0000", 6) == 0) {
            return false;
        }
        number = isalnum((unsigned char)json[i]) || strchr("+-.", json[i]) ? number + 1 : 0;
        if (number > 60) {
            return false;
        }
    }
    return true;
}

/* Of equal names the last stays. */
static void keep_last(cJSON *tree)
{
    cJSON *next;
    for (cJSON *c = tree->child; c != NULL; c = next) {
        next = c->next;
        bool again = false;
        for (const cJSON *d = next; cJSON_IsObject(tree) && d != NULL && !again; d = d->next) {
            again = strcmp(c->string, d->string) == 0;
        }
        if (again) {
            cJSON_Delete(cJSON_DetachItemViaPointer(tree, c));
        } else {
            keep_last(c);
        }
    }
}

static bool same(const cJSON *a, const cJSON *b)
{
    if ((a->type & 0xff) != (b->type & 0xff)) {
        return false;
    }
    if (cJSON_IsString(a)) {
        return strcmp(a->valuestring, b->valuestring) == 0;
    }
    if (cJSON_IsNumber(a)) {
        return !(a->valuedouble < b->valuedouble) && !(a->valuedouble > b->valuedouble);
    }
    if (cJSON_GetArraySize(a) != cJSON_GetArraySize(b)) {
        return false;
    }
    const cJSON *y = b->child;
    for (const cJSON *x = a->child; x != NULL; x = x->next) {
        const cJSON *z = cJSON_IsObject(a) ? cJSON_GetObjectItemCaseSensitive(b, x->string) : y;
        if (z == NULL || !same(x, z)) {
            return false;
        }
        y = y->next;
    }
    return true;
}

static const char *text_or(const cJSON *object, const char *name, const char *otherwise)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(object, name);
    return cJSON_IsString(v) && v->valuestring[0] != '\0' ? v->valuestring : otherwise;
}

static void scrub_tree(cJSON *tree, const struct sa_scrub_options *opt)
{
    cJSON *kind = cJSON_CreateString(text_or(tree, "kind", opt->kind));
    cJSON *version = cJSON_CreateString(text_or(tree, "apiVersion", opt->api_version));
    bool secret = strcmp(opt->kind, "Secret") == 0 && strchr(opt->api_version, '/') == NULL;
    secret = secret || (strcmp(kind->valuestring, "Secret") == 0 &&
                        strchr(version->valuestring, '/') == NULL);
    cJSON *metadata = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, "managedFields");
    if (secret) {
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "data");
        cJSON_DeleteItemFromObjectCaseSensitive(tree, "stringData");
        cJSON *a = cJSON_GetObjectItemCaseSensitive(metadata, "annotations");
        if (cJSON_IsObject(a)) {
            cJSON_DeleteItemFromObjectCaseSensitive(
                a, "kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "kind");
    cJSON_DeleteItemFromObjectCaseSensitive(tree, "apiVersion");
    cJSON_AddItemToObject(tree, "kind", kind);
    cJSON_AddItemToObject(tree, "apiVersion", version);
}

/* The form of the result: kind in front, no white space between tokens. */
static const char *form(const char *s, size_t n)
{
    bool string = false;
    if (n < 9 || memcmp(s, "{\"kind\":\"", 9) != 0) {
        return "kind is not in front";
    }
    for (size_t i = 0; i < n; i++) {
        if (string && s[i] == '\\') {
            i++;
        } else if (s[i] == '"') {
            string = !string;
        } else if (!string && isspace((unsigned char)s[i])) {
            return "white space is left";
        }
    }
    return NULL;
}

const char *oracle_compare(const char *json, size_t n, const struct sa_scrub_options *opt,
                           const char *scrubbed, size_t scrubbed_n)
{
    cJSON *want = cJSON_ParseWithLength(json, n);
    cJSON *got = cJSON_ParseWithLength(scrubbed, scrubbed_n);
    const char *wrong = NULL;
    if (!cJSON_IsObject(want)) {
        wrong = "cJSON takes no object from what was accepted";
    } else if (!cJSON_IsObject(got)) {
        wrong = "cJSON takes no object from the result";
    } else {
        keep_last(want);
        scrub_tree(want, opt);
        wrong = same(want, got) ? form(scrubbed, scrubbed_n) : "the result differs from cJSON's";
    }
    cJSON_Delete(want);
    cJSON_Delete(got);
    return wrong;
}

bool oracle_same_json(const char *a, size_t a_n, const char *b, size_t b_n)
{
    cJSON *x = cJSON_ParseWithLength(a, a_n), *y = cJSON_ParseWithLength(b, b_n);
    bool equal = x != NULL && y != NULL && same(x, y);
    cJSON_Delete(x);
    cJSON_Delete(y);
    return equal;
}

/* Choices, as long as there are any. */
struct choices {
    const uint8_t *p, *end;
    struct sa_buf *out;
};

static unsigned choose(struct choices *c, unsigned n)
{
    return c->p < c->end ? *c->p++ % n : 0;
}

static void blank(struct choices *c)
{
    static const char *const blanks[] = {"", "", "", "", " ", "\n", "\t ", "\r\n"};
    sa_buf_adds(c->out, blanks[choose(c, 8)]);
}

/* A string, some of its characters escaped. */
static void string(struct choices *c, const char *s)
{
    unsigned which = choose(c, 8);
    sa_buf_addc(c->out, '"');
    for (unsigned i = 0; s[i] != '\0'; i++) {
        if (which > 3 && i % 4 == which - 4) {
            sa_buf_addf(c->out, which == 5 ? "\\u%04X" : "\\u%04x", (unsigned)s[i]);
        } else {
            sa_buf_addc(c->out, s[i]);
        }
    }
    sa_buf_addc(c->out, '"');
    blank(c);
}

/* A member, with a comma in front if it is not the first. */
static void name(struct choices *c, bool *first, const char *s)
{
    if (!*first) {
        sa_buf_addc(c->out, ',');
        blank(c);
    }
    *first = false;
    string(c, s);
    sa_buf_addc(c->out, ':');
    blank(c);
}

static void secret_value(struct choices *c)
{
    static const char *const values[] = {
        "{\"password\":\"" ORACLE_SECRET "\"}",
        "{ \"a\" : [ \"" ORACLE_SECRET "\" , { \"" ORACLE_SECRET "\" : null } ] }",
        "\"" ORACLE_SECRET "\"",
        "[\"\\\"" ORACLE_SECRET "\\\\\"]",
        "{\"data\":{},\"data\":\"" ORACLE_SECRET "\"}",
    };
    sa_buf_adds(c->out, values[choose(c, 5)]);
    blank(c);
}

static void annotations(struct choices *c)
{
    bool first = true;
    sa_buf_addc(c->out, '{');
    blank(c);
    for (unsigned n = choose(c, 4) + 1; n > 0; n--) {
        if (choose(c, 2) == 0) {
            name(c, &first, "kubectl.kubernetes.io/last-applied-configuration");
            secret_value(c);
        } else {
            name(c, &first, choose(c, 2) ? "note" : "kubectl.kubernetes.io/restartedAt");
            string(c, "plain");
        }
    }
    sa_buf_addc(c->out, '}');
    blank(c);
}

static void metadata(struct choices *c)
{
    bool first = true;
    sa_buf_addc(c->out, '{');
    blank(c);
    for (unsigned n = choose(c, 6); n > 0; n--) {
        switch (choose(c, 4)) {
        case 0:
            name(c, &first, "managedFields");
            secret_value(c);
            break;
        case 1:
            name(c, &first, "annotations");
            annotations(c);
            break;
        case 2:
            name(c, &first, "resourceVersion");
            string(c, "17");
            break;
        default:
            name(c, &first, "labels");
            sa_buf_adds(c->out, "{\"a\":\"b\"}");
            break;
        }
    }
    name(c, &first, "name");
    string(c, "thing");
    sa_buf_addc(c->out, '}');
    blank(c);
}

static void top_member(struct choices *c, bool *first)
{
    switch (choose(c, 6)) {
    case 0:
        name(c, first, "data");
        secret_value(c);
        break;
    case 1:
        name(c, first, "stringData");
        secret_value(c);
        break;
    case 2:
        name(c, first, "metadata");
        metadata(c);
        break;
    case 3:
        name(c, first, "kind");
        string(c, "ConfigMap");
        break;
    case 4:
        name(c, first, "apiVersion");
        string(c, "example.com/v1");
        break;
    default:
        name(c, first, "type");
        string(c, "Opaque");
        break;
    }
}

void oracle_secret_object(const uint8_t *seed, size_t n, struct sa_buf *out)
{
    struct choices c = {.p = seed, .end = seed + n, .out = out};
    bool first = true;
    sa_buf_addc(out, '{');
    for (unsigned k = choose(&c, 8); k > 0; k--) {
        top_member(&c, &first);
    }
    name(&c, &first, "data");
    secret_value(&c);
    name(&c, &first, "metadata");
    metadata(&c);
    name(&c, &first, "apiVersion");
    string(&c, "v1");
    name(&c, &first, "kind");
    string(&c, "Secret");
    for (unsigned k = choose(&c, 3); k > 0; k--) {
        name(&c, &first, choose(&c, 2) ? "stringData" : "data");
        secret_value(&c);
    }
    sa_buf_addc(out, '}');
}
