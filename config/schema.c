/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys as JSON Schema, for editors and for checks before deployment. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config/print.h"

/* What substitution turns into a value is a text before it. */
#define VARIABLE "\\$\\{.+\\}"
#define TIME     "^[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h)$"
#define SIZE     "^[0-9]+(\\.[0-9]+)?(k|K|M|G|Ki|Mi|Gi)?$"

static cJSON *typed(const char *type)
{
    cJSON *o = cJSON_CreateObject();
    if (cJSON_AddStringToObject(o, "type", type) != NULL)
        return o;
    cJSON_Delete(o);
    return NULL;
}

static cJSON *text_like(const char *pattern)
{
    cJSON *o = typed("string");
    if (cJSON_AddStringToObject(o, "pattern", pattern) != NULL)
        return o;
    cJSON_Delete(o);
    return NULL;
}

/* {"anyOf": [a, b, c]}; NULL entries at the end count nothing. Takes over all. */
static cJSON *any_of(cJSON *a, cJSON *b, cJSON *c)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "anyOf");
    cJSON_AddItemToArray(list, a);
    cJSON_AddItemToArray(list, b);
    if (c != NULL)
        cJSON_AddItemToArray(list, c);
    return o;
}

static cJSON *number_schema(const struct sa_key *k)
{
    cJSON *n = typed(k->type == SA_KEY_FLOAT ? "number" : "integer");
    cJSON_AddNumberToObject(n, "minimum", k->min);
    cJSON_AddNumberToObject(n, "maximum", k->max);
    cJSON *spelled = NULL;
    if (k->type == SA_KEY_BYTES)
        spelled = text_like(SIZE);
    else if (k->unit != SA_UNIT_NONE)
        spelled = text_like(TIME);
    return any_of(n, text_like(VARIABLE), spelled);
}

static cJSON *choice_schema(const struct sa_key *k)
{
    cJSON *o = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(o, "enum");
    size_t n;
    const char *c;
    for (size_t i = 0; (c = sa_key_choice(k, i, &n)) != NULL; i++) {
        char word[32];
        if (n >= sizeof word)
            continue;
        memcpy(word, c, n);
        word[n] = '\0';
        cJSON_AddItemToArray(list, cJSON_CreateString(word));
    }
    /* logging.level is read in any case of letters, which an enum can't say. */
    if (strcmp(k->path, "logging.level") == 0) {
        cJSON_Delete(o);
        o = text_like("^([pP][aA][nN][iI][cC]|[fF][aA][tT][aA][lL]|[eE][rR][rR][oO][rR]|"
                      "[wW][aA][rR][nN]([iI][nN][gG])?|[iI][nN][fF][oO]|[dD][eE][bB][uU][gG]|"
                      "[tT][rR][aA][cC][eE])$");
    }
    return any_of(o, text_like(VARIABLE), NULL);
}

static cJSON *strings_schema(void)
{
    cJSON *list = typed("array");
    cJSON_AddItemToObject(list, "items", typed("string"));
    return any_of(list, typed("string"), typed("null"));
}

static cJSON *permissions_schema(void)
{
    cJSON *map = typed("object"), *again = NULL, *list = typed("array");
    cJSON_AddItemToObject(map, "additionalProperties", strings_schema());
    again = cJSON_Duplicate(map, true);
    cJSON_AddItemToObject(list, "items", again);
    return any_of(map, list, typed("null"));
}

static cJSON *map_schema(void)
{
    cJSON *map = typed("object"), *types = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(types, "type");
    static const char *const names[] = {"string", "number", "boolean", "null"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
    cJSON_AddItemToObject(map, "additionalProperties", types);
    return map;
}

/* An object whose members are the keys below it: they are added as they come. */
static cJSON *object_schema(void)
{
    cJSON *o = cJSON_CreateObject(), *types = cJSON_AddArrayToObject(o, "type");
    cJSON_AddItemToArray(types, cJSON_CreateString("object"));
    cJSON_AddItemToArray(types, cJSON_CreateString("null"));
    cJSON_AddFalseToObject(o, "additionalProperties");
    cJSON_AddObjectToObject(o, "properties");
    return o;
}

/* A list of such objects. */
static cJSON *list_schema(void)
{
    cJSON *o = cJSON_CreateObject(), *types = cJSON_AddArrayToObject(o, "type");
    cJSON_AddItemToArray(types, cJSON_CreateString("array"));
    cJSON_AddItemToArray(types, cJSON_CreateString("null"));
    cJSON_AddItemToObject(o, "items", object_schema());
    return o;
}

static cJSON *value_schema(const struct sa_key *k)
{
    switch (k->type) {
    case SA_KEY_BOOL:
        return any_of(typed("boolean"), text_like(VARIABLE), NULL);
    case SA_KEY_INT:
    case SA_KEY_BYTES:
    case SA_KEY_FLOAT:
        return number_schema(k);
    case SA_KEY_CHOICE:
    case SA_KEY_CHOICE_ENUM:
    case SA_KEY_CHOICE_BOOL:
        return choice_schema(k);
    case SA_KEY_STRINGS:
        return strings_schema();
    case SA_KEY_MAP:
        return map_schema();
    case SA_KEY_PERMISSIONS:
        return permissions_schema();
    case SA_KEY_CRDS:
    case SA_KEY_SSA_KINDS:
    case SA_KEY_ACCOUNTS:
        return list_schema();
    case SA_KEY_STRING: /* a number is a text, too: zoneId: 7 */
        return any_of(typed("string"), typed("number"), typed("boolean"));
    default:
        return cJSON_CreateObject();
    }
}

static cJSON *key_schema(const struct sa_key *k)
{
    cJSON *o = value_schema(k);
    cJSON_AddStringToObject(o, "description", k->help);
    if (k->preset != NULL)
        cJSON_AddStringToObject(o, "$comment", k->preset);
    if (k->class == SA_KEY_IGNORED)
        cJSON_AddTrueToObject(o, "deprecated");
    if (k->secret)
        cJSON_AddTrueToObject(o, "writeOnly");
    return o;
}

/* The "properties" that a part of a path leads to. */
static cJSON *enter(cJSON *properties, const char *part, bool list)
{
    cJSON *o = cJSON_GetObjectItemCaseSensitive(properties, part);
    if (o == NULL) {
        o = list ? list_schema() : object_schema();
        cJSON_AddItemToObject(properties, part, o);
    }
    if (list)
        o = cJSON_GetObjectItemCaseSensitive(o, "items");
    return cJSON_GetObjectItemCaseSensitive(o, "properties");
}

static bool add_key(cJSON *root, const struct sa_key *k)
{
    cJSON *properties = cJSON_GetObjectItemCaseSensitive(root, "properties");
    const char *path = k->path;
    for (size_t n = strcspn(path, "."); path[n] == '.'; n = strcspn(path, ".")) {
        char part[128];
        bool list = n > 2 && path[n - 1] == ']';
        if (n >= sizeof part)
            return false;
        memcpy(part, path, n);
        part[list ? n - 2 : n] = '\0';
        properties = enter(properties, part, list);
        path += n + 1;
    }
    /* A refused key is allowed nothing: it is known, and says why in its description. */
    if (!cJSON_AddItemToObject(properties, path, key_schema(k)))
        return false;
    if (k->class == SA_KEY_REFUSED) {
        cJSON *o = cJSON_GetObjectItemCaseSensitive(properties, path);
        cJSON_AddItemToObject(o, "type", cJSON_CreateString("null"));
    }
    return k->alias == NULL || cJSON_AddItemToObject(properties, k->alias, key_schema(k));
}

static cJSON *build(void)
{
    cJSON *root = object_schema();
    cJSON_AddStringToObject(root, "$schema", "https://json-schema.org/draft/2020-12/schema");
    cJSON_AddStringToObject(root, "title", "scale-agent.yml");
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (sa_keys[i].class != SA_KEY_DERIVED && !add_key(root, &sa_keys[i])) {
            cJSON_Delete(root);
            return NULL;
        }
    }
    cJSON *accounts = cJSON_GetObjectItemCaseSensitive(root, "properties");
    static const char *const way[] = {"kubernetes", "properties", "accounts", "items"};
    for (size_t i = 0; i < sizeof way / sizeof way[0]; i++)
        accounts = cJSON_GetObjectItemCaseSensitive(accounts, way[i]);
    cJSON *required = cJSON_AddArrayToObject(accounts, "required");
    cJSON_AddItemToArray(required, cJSON_CreateString("name"));
    return root;
}

int sa_config_schema(struct sa_buf *out, struct sa_err **err)
{
    cJSON *root = build();
    char *text = root == NULL ? NULL : cJSON_Print(root);
    if (text != NULL) {
        sa_buf_adds(out, text);
        sa_buf_addc(out, '\n');
    }
    bool ok = text != NULL && !out->failed;
    cJSON_free(text);
    cJSON_Delete(root);
    return ok ? 0 : sa_err_set(err, SA_EMEMORY, "no memory for the schema");
}
