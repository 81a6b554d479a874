/* SPDX-License-Identifier: Apache-2.0 */
/* What stores answer, down to the one value that is meant. */
#include <sodium.h>
#include <string.h>

#include "config/yaml.h"
#include "worker/secret_internal.h"

#define NAME_MAX_BYTES 256u

cJSON *sa_secret_json(const struct sa_secret *body, const char *what, struct sa_err **err)
{
    cJSON *doc = cJSON_ParseWithLength(body->p, body->n);
    if (!cJSON_IsObject(doc)) {
        sa_secret_json_free(doc);
        sa_err_set(err, SA_EPROTOCOL, "%s: the answer is not a JSON object", what);
        return NULL;
    }
    return doc;
}

/* cJSON frees strings without wiping them. */
static void wipe(cJSON *item)
{
    for (; item != NULL; item = item->next) {
        if (item->valuestring != NULL)
            sodium_memzero(item->valuestring, strlen(item->valuestring));
        wipe(item->child); /* as deep as cJSON reads: 1000 */
    }
}

void sa_secret_json_free(cJSON *doc)
{
    wipe(doc);
    cJSON_Delete(doc);
}

const char *sa_secret_json_text(const cJSON *map, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(map, key));
}

int sa_secret_set_text(struct sa_secret *out, const char *text, struct sa_err **err)
{
    if (sa_secret_set(out, text, strlen(text)) != 0)
        return sa_err_set(err, SA_EMEMORY, "secret");
    return 0;
}

int sa_secret_from_base64(const char *text, struct sa_secret *out, struct sa_err **err)
{
    size_t length = strlen(text), n = 0;
    if (sa_secret_new(out, length / 4 * 3 + 3) != 0)
        return sa_err_set(err, SA_EMEMORY, "secret");
    if (sodium_base642bin((unsigned char *)out->p, out->n, text, length, " \t\r\n", &n, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        sa_secret_free(out);
        return sa_err_set(err, SA_ECREDENTIAL, "the value is not base64");
    }
    out->n = n;
    out->p[n] = '\0';
    return 0;
}

/* The member by the name of n bytes; of a list the one of that number. */
static const struct sa_yaml *member(const struct sa_yaml *node, const char *name, size_t n)
{
    char text[NAME_MAX_BYTES];
    if (n >= sizeof(text))
        return NULL;
    memcpy(text, name, n);
    text[n] = '\0';
    if (node->kind == SA_YAML_MAP)
        return sa_yaml_get(node, text);
    if (node->kind != SA_YAML_SEQUENCE || n == 0 || n > 4 || strspn(text, "0123456789") != n)
        return NULL;
    size_t i = 0;
    for (const char *c = text; *c != '\0'; c++)
        i = i * 10 + (size_t)(*c - '0');
    return i < node->n ? node->items[i] : NULL;
}

int sa_secret_from_yaml(const struct sa_secret *doc, const char *path, struct sa_secret *out,
                        struct sa_err **err)
{
    SA_CLEANUP(sa_yaml_freep) struct sa_yaml *root = NULL;
    if (sa_yaml_parse(doc->p, doc->n, "the file", NULL, &root, NULL, err) != 0)
        return -1;
    const struct sa_yaml *node = root;
    for (const char *at = path; node != NULL;) {
        size_t n = strcspn(at, ".");
        node = member(node, at, n);
        if (at[n] == '\0')
            break;
        at += n + 1;
    }
    const char *text = sa_yaml_text(node);
    if (text == NULL)
        return sa_err_set(err, SA_ECREDENTIAL, "the file has no text at k:%s", path);
    return sa_secret_set_text(out, text, err);
}
