/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings as JSON and back, by the table of keys: one flat object, its members named by the paths
 * of the keys. Secrets are left out. The reader of it is a child of ours, but what it reads went
 * through another process, so every type is checked.
 */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/json.h"

#define MAX_JSON ((size_t)8 << 20)
#define ACCOUNTS "kubernetes.accounts[]."

/* Name in the JSON object: the path, of an account's key without the list before it. */
static const char *member_name(const struct sa_key *k)
{
    size_t n = strlen(ACCOUNTS);
    return strncmp(k->path, ACCOUNTS, n) == 0 ? k->path + n : k->path;
}

static void strings_to_json(const struct sa_strings *s, struct sa_buf *out)
{
    sa_buf_addc(out, '[');
    for (size_t i = 0; i < s->n; i++) {
        if (i > 0)
            sa_buf_addc(out, ',');
        sa_buf_add_json(out, s->v[i]);
    }
    sa_buf_addc(out, ']');
}

static void text_to_json(const char *text, struct sa_buf *out)
{
    if (text == NULL)
        sa_buf_adds(out, "null");
    else
        sa_buf_add_json(out, text);
}

static void pairs_to_json(const struct sa_pairs *p, struct sa_buf *out)
{
    sa_buf_addc(out, '{');
    for (size_t i = 0; i < p->n; i++) {
        if (i > 0)
            sa_buf_addc(out, ',');
        sa_buf_add_json(out, p->keys[i]);
        sa_buf_addc(out, ':');
        sa_buf_add_json(out, p->values[i]);
    }
    sa_buf_addc(out, '}');
}

static void permissions_to_json(const struct sa_permission *const *list, size_t n,
                                struct sa_buf *out)
{
    sa_buf_addc(out, '{');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            sa_buf_addc(out, ',');
        sa_buf_add_json(out, (*list)[i].permission);
        sa_buf_addc(out, ':');
        strings_to_json(&(*list)[i].roles, out);
    }
    sa_buf_addc(out, '}');
}

static void crds_to_json(const struct sa_crd_setting *const *list, size_t n, struct sa_buf *out)
{
    sa_buf_addc(out, '[');
    for (size_t i = 0; i < n; i++) {
        sa_buf_adds(out, i > 0 ? ",{\"kind\":" : "{\"kind\":");
        sa_buf_add_json(out, (*list)[i].kind);
        sa_buf_addf(out, ",\"scope\":\"%s\"}",
                    (*list)[i].cluster_scoped ? "Cluster" : "Namespaced");
    }
    sa_buf_addc(out, ']');
}

static void choice_to_json(const struct sa_key *k, size_t i, struct sa_buf *out)
{
    size_t n = 0;
    const char *c = sa_key_choice(k, i, &n);
    sa_buf_addf(out, "\"%.*s\"", (int)n, c == NULL ? "" : c);
}

/* The number of a list of structs stands right behind its pointer; value.c asserts it. */
static size_t number_behind(const void *field)
{
    return *(const size_t *)(const void *)((const char *)field + sizeof(void *));
}

void sa_value_to_json(const struct sa_key *k, const void *field, struct sa_buf *out)
{
    switch (k->type) {
    case SA_KEY_BOOL:
        sa_buf_adds(out, *(const bool *)field ? "true" : "false");
        break;
    case SA_KEY_INT:
    case SA_KEY_BYTES:
        sa_buf_addf(out, "%" PRId64, *(const int64_t *)field);
        break;
    case SA_KEY_FLOAT:
        sa_buf_addf(out, "%.15g", *(const double *)field);
        break;
    case SA_KEY_STRING:
    case SA_KEY_CHOICE:
        text_to_json(*(char *const *)field, out);
        break;
    case SA_KEY_CHOICE_BOOL:
        choice_to_json(k, *(const bool *)field, out);
        break;
    case SA_KEY_CHOICE_ENUM:
        choice_to_json(k, *(const unsigned *)field, out);
        break;
    case SA_KEY_STRINGS:
    case SA_KEY_SSA_KINDS:
        strings_to_json(field, out);
        break;
    case SA_KEY_MAP:
        pairs_to_json(field, out);
        break;
    case SA_KEY_PERMISSIONS:
        permissions_to_json(field, number_behind(field), out);
        break;
    case SA_KEY_CRDS:
        crds_to_json(field, number_behind(field), out);
        break;
    default:
        sa_buf_adds(out, "null");
        break;
    }
}

static void add_member(const struct sa_key *k, const void *field, struct sa_buf *out)
{
    if (out->len > 1)
        sa_buf_addc(out, ',');
    sa_buf_add_json(out, member_name(k));
    sa_buf_addc(out, ':');
    sa_value_to_json(k, field, out);
}

static void settings_members(const struct sa_settings *s, bool secrets, struct sa_buf *out)
{
    sa_buf_addc(out, '{');
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (sa_key_in_settings(&sa_keys[i]) && (secrets || !sa_keys[i].secret))
            add_member(&sa_keys[i], (const char *)s + sa_keys[i].offset, out);
    }
    sa_buf_addc(out, '}');
}

static int take(struct sa_buf *b, char **out, struct sa_err **err)
{
    *out = NULL;
    if (b->failed) {
        sa_buf_free(b);
        return sa_err_set(err, SA_ELIMIT, "settings do not fit into %zu bytes, or no memory",
                          MAX_JSON);
    }
    *out = b->data;
    *b = (struct sa_buf){0};
    return 0;
}

int sa_settings_to_json(const struct sa_settings *s, char **out, struct sa_err **err)
{
    struct sa_buf b;
    sa_buf_init(&b, MAX_JSON);
    settings_members(s, false, &b);
    return take(&b, out, err);
}

int sa_settings_to_secret_json(const struct sa_settings *s, struct sa_buf *out, struct sa_err **err)
{
    settings_members(s, true, out);
    return out->failed ? sa_err_set(err, SA_ELIMIT, "settings are too long, or no memory") : 0;
}

/* Offset in struct sa_account of a key that an account has; false if it has none. A key that the
 * account sets itself and that has an agent-wide default is there once, by its own name. */
static bool account_offset(const struct sa_key *k, size_t *offset)
{
    if (k->home == SA_HOME_ACCOUNT) {
        *offset = k->offset;
        return true;
    }
    if (!sa_key_in_common(k))
        return false;
    *offset = k->offset - offsetof(struct sa_wide, common);
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (sa_keys[i].home == SA_HOME_ACCOUNT && sa_keys[i].offset == *offset)
            return false;
    }
    return true;
}

int sa_account_to_json(const struct sa_account *a, char **out, struct sa_err **err)
{
    struct sa_buf b;
    size_t offset;
    sa_buf_init(&b, MAX_JSON);
    sa_buf_addc(&b, '{');
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (account_offset(&sa_keys[i], &offset))
            add_member(&sa_keys[i], (const char *)a + offset, &b);
    }
    sa_buf_addc(&b, '}');
    return take(&b, out, err);
}

/*
 * Reading
 */

static int wrong(const struct sa_key *k, struct sa_err **err)
{
    return sa_err_set(err, SA_EPROTOCOL, "settings: %s has a wrong type or value", k->path);
}

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for settings");
}

static int strings_from_json(const struct sa_key *k, const cJSON *v, struct sa_strings *out,
                             struct sa_err **err)
{
    const cJSON *item;
    if (!cJSON_IsArray(v))
        return wrong(k, err);
    cJSON_ArrayForEach(item, v)
    {
        if (!cJSON_IsString(item))
            return wrong(k, err);
        if (sa_strings_add(out, item->valuestring, strlen(item->valuestring)) != 0)
            return no_memory(err);
    }
    return 0;
}

static int pairs_from_json(const struct sa_key *k, const cJSON *v, struct sa_pairs *out,
                           struct sa_err **err)
{
    const cJSON *item;
    if (!cJSON_IsObject(v))
        return wrong(k, err);
    cJSON_ArrayForEach(item, v)
    {
        if (!cJSON_IsString(item))
            return wrong(k, err);
        if (sa_pairs_add(out, item->string, item->valuestring) != 0)
            return no_memory(err);
    }
    return 0;
}

static int permissions_from_json(const struct sa_key *k, const cJSON *v, struct sa_account *a,
                                 struct sa_err **err)
{
    const cJSON *item;
    if (!cJSON_IsObject(v))
        return wrong(k, err);
    a->permissions = calloc((size_t)cJSON_GetArraySize(v) + 1, sizeof *a->permissions);
    if (a->permissions == NULL)
        return no_memory(err);
    cJSON_ArrayForEach(item, v)
    {
        struct sa_permission *p = &a->permissions[a->n_permissions];
        p->permission = strdup(item->string);
        if (p->permission == NULL)
            return no_memory(err);
        a->n_permissions++;
        if (strings_from_json(k, item, &p->roles, err) != 0)
            return -1;
    }
    return 0;
}

static int crds_from_json(const struct sa_key *k, const cJSON *v, struct sa_account *a,
                          struct sa_err **err)
{
    const cJSON *item;
    if (!cJSON_IsArray(v))
        return wrong(k, err);
    a->crds = calloc((size_t)cJSON_GetArraySize(v) + 1, sizeof *a->crds);
    if (a->crds == NULL)
        return no_memory(err);
    cJSON_ArrayForEach(item, v)
    {
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(item, "kind");
        const cJSON *scope = cJSON_GetObjectItemCaseSensitive(item, "scope");
        if (!cJSON_IsString(kind) || !cJSON_IsString(scope))
            return wrong(k, err);
        struct sa_crd_setting *crd = &a->crds[a->n_crds];
        crd->kind = strdup(kind->valuestring);
        if (crd->kind == NULL)
            return no_memory(err);
        crd->cluster_scoped = strcmp(scope->valuestring, "Cluster") == 0;
        a->n_crds++;
    }
    return 0;
}

static int number_from_json(const struct sa_key *k, const cJSON *v, void *field,
                            struct sa_err **err)
{
    if (!cJSON_IsNumber(v) || v->valuedouble < k->min || v->valuedouble > k->max)
        return wrong(k, err);
    if (k->type == SA_KEY_FLOAT)
        *(double *)field = v->valuedouble;
    else if (v->valuedouble != floor(v->valuedouble))
        return wrong(k, err);
    else
        *(int64_t *)field = (int64_t)v->valuedouble;
    return 0;
}

static int value_from_json(const struct sa_key *k, const cJSON *v, void *base, void *field,
                           struct sa_err **err)
{
    switch (k->type) {
    case SA_KEY_BOOL:
        if (!cJSON_IsBool(v))
            return wrong(k, err);
        *(bool *)field = cJSON_IsTrue(v);
        return 0;
    case SA_KEY_INT:
    case SA_KEY_BYTES:
    case SA_KEY_FLOAT:
        return number_from_json(k, v, field, err);
    case SA_KEY_STRINGS:
    case SA_KEY_SSA_KINDS:
        return strings_from_json(k, v, field, err);
    case SA_KEY_MAP:
        return pairs_from_json(k, v, field, err);
    case SA_KEY_PERMISSIONS:
        return permissions_from_json(k, v, base, err);
    case SA_KEY_CRDS:
        return crds_from_json(k, v, base, err);
    default:
        if (cJSON_IsNull(v))
            return 0;
        return cJSON_IsString(v) ? sa_value_parse(k, v->valuestring, field, err) : wrong(k, err);
    }
}

/* The member of key k in o; an absent one is an error unless k is secret (then NULL). */
static int member(const cJSON *o, const struct sa_key *k, const cJSON **v, struct sa_err **err)
{
    *v = k->secret ? NULL : cJSON_GetObjectItemCaseSensitive(o, member_name(k));
    if (*v == NULL && !k->secret)
        return sa_err_set(err, SA_EPROTOCOL, "settings: %s is missing", k->path);
    return 0;
}

static int settings_from(const cJSON *o, struct sa_settings *out, struct sa_err **err)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        const cJSON *v;
        if (!sa_key_in_settings(k))
            continue;
        if (member(o, k, &v, err) != 0 ||
            (v != NULL && value_from_json(k, v, out, (char *)out + k->offset, err) != 0))
            return -1;
    }
    return 0;
}

static int account_from(const cJSON *o, struct sa_account *out, struct sa_err **err)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        const cJSON *v;
        size_t offset;
        if (!account_offset(k, &offset))
            continue;
        if (member(o, k, &v, err) != 0 ||
            (v != NULL && value_from_json(k, v, out, (char *)out + offset, err) != 0))
            return -1;
    }
    return 0;
}

static cJSON *parse_object(const char *json, struct sa_err **err)
{
    cJSON *o = strlen(json) > MAX_JSON ? NULL : cJSON_Parse(json);
    if (cJSON_IsObject(o))
        return o;
    cJSON_Delete(o);
    sa_err_set(err, SA_EPROTOCOL, "settings are not a JSON object");
    return NULL;
}

int sa_settings_from_json(const char *json, struct sa_settings *out, struct sa_err **err)
{
    *out = (struct sa_settings){0};
    cJSON *o = parse_object(json, err);
    if (o == NULL)
        return -1;
    int r = settings_from(o, out, err);
    if (r != 0)
        sa_settings_free(out);
    cJSON_Delete(o);
    return r;
}

int sa_account_from_json(const char *json, struct sa_account *out, struct sa_err **err)
{
    *out = (struct sa_account){0};
    cJSON *o = parse_object(json, err);
    if (o == NULL)
        return -1;
    int r = account_from(o, out, err);
    if (r != 0)
        sa_account_free(out);
    cJSON_Delete(o);
    return r;
}
