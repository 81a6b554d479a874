/* SPDX-License-Identifier: Apache-2.0 */
/* op: the objects of YAML and JSON files, as kubectl reads them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/yaml.h"
#include "ctl/op.h"
#include "ctl/op_yaml.h"
#include "ipc/operate.h"

#define FILE_MAX    ((size_t)64 << 20)
#define OBJECTS_MAX 10000u

static const struct sa_yaml_limits limits = {
    .max_bytes = FILE_MAX,
    .max_text = FILE_MAX,
    .max_nodes = 2000000,
    .max_depth = 200,
};

void sa_manifests_free(struct sa_manifests *m)
{
    for (size_t i = 0; i < m->n; i++) {
        cJSON_Delete(m->v[i].object);
        cJSON_free(m->v[i].json);
    }
    free(m->v);
    *m = (struct sa_manifests){0};
}

/* Takes object and json (NULL: made of object) over. */
static int add(struct sa_manifests *m, cJSON *object, char *json, struct sa_err **err)
{
    struct sa_manifest *v = NULL;
    if (json == NULL)
        json = cJSON_PrintUnformatted(object);
    if (json != NULL && m->n < OBJECTS_MAX)
        v = reallocarray(m->v, m->n + 1, sizeof *v);
    if (v == NULL) {
        cJSON_Delete(object);
        cJSON_free(json);
        return json == NULL || m->n < OBJECTS_MAX
                   ? sa_err_set(err, SA_EMEMORY, "no memory for the objects")
                   : sa_err_set(err, SA_ELIMIT, "more than %u objects at a time", OBJECTS_MAX);
    }
    m->v = v;
    m->v[m->n++] = (struct sa_manifest){object, json};
    return 0;
}

/* An object, or the objects of a List. Takes object and json over. */
static int add_flat(struct sa_manifests *m, const char *name, cJSON *object, char *json,
                    struct sa_err **err)
{
    const char *kind = sa_cli_string(object, "kind");
    size_t n = strlen(kind);
    cJSON *items = cJSON_GetObjectItemCaseSensitive(object, "items");
    int r = 0;
    if (!cJSON_IsArray(items) || n < 4 || strcmp(kind + n - 4, "List") != 0) {
        if (cJSON_IsObject(object))
            return add(m, object, json, err);
        r = sa_err_set(err, SA_EREFUSED, "%s: an object was expected", name);
    }
    while (r == 0 && cJSON_GetArraySize(items) > 0)
        r = add_flat(m, name, cJSON_DetachItemFromArray(items, 0), NULL, err);
    cJSON_Delete(object);
    cJSON_free(json);
    return r;
}

/* JSON values one behind the other, which are sent as they stand. 1: it is no JSON. */
static int add_json(struct sa_manifests *m, const char *name, const char *text, size_t n,
                    struct sa_err **err)
{
    static const char space[] = " \t\r\n";
    const char *end = text + n, *after;
    for (const char *p = text; p < end; p = after) {
        p += strspn(p, space);
        if (p == end)
            break;
        cJSON *object = cJSON_ParseWithLengthOpts(p, (size_t)(end - p), &after, false);
        if (object == NULL)
            return 1;
        char *json = cJSON_malloc((size_t)(after - p) + 1);
        if (json != NULL) {
            memcpy(json, p, (size_t)(after - p));
            json[after - p] = '\0';
        }
        if (add_flat(m, name, object, json, err) != 0)
            return -1;
    }
    return 0;
}

static int add_yaml(struct sa_manifests *m, const char *name, const char *text, size_t n,
                    unsigned lines_before, struct sa_err **err)
{
    SA_CLEANUP(sa_yaml_freep) struct sa_yaml *root = NULL;
    struct sa_err *why = NULL;
    struct sa_yaml_at at = {0};
    if (sa_yaml_parse(text, n, name, &limits, &root, &at, &why) != 0) {
        sa_err_set(err, SA_EREFUSED, "%s:%u:%u: %s", name, at.line + lines_before, at.column,
                   sa_err_msg(why));
        sa_err_free(&why);
        return -1;
    }
    if (sa_yaml_is_null(root)) /* comments, or nothing */
        return 0;
    cJSON *object = sa_yaml_to_json(root);
    return object != NULL ? add_flat(m, name, object, NULL, err)
                          : sa_err_set(err, SA_EMEMORY, "no memory for the objects");
}

/* Where the line behind p begins. */
static const char *next_line(const char *p, const char *end)
{
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    return nl == NULL ? end : nl + 1;
}

/* "---" alone, or with something behind a blank: a document begins. */
static bool begins_document(const char *p, const char *end)
{
    return end - p >= 3 && memcmp(p, "---", 3) == 0 &&
           (end - p == 3 || strchr(" \t\r\n", p[3]) != NULL);
}

int sa_manifests_add(struct sa_manifests *m, const char *name, const char *text, size_t n,
                     struct sa_err **err)
{
    const char *end = text + n, *p = text;
    size_t had = m->n;
    unsigned line = 0, first = 0;
    if (memchr(text, '\0', n) != NULL)
        return sa_err_set(err, SA_EREFUSED, "%s: it holds a NUL, which no text does", name);
    if (text[strspn(text, " \t\r\n")] == '{') {
        int r = add_json(m, name, text, n, err);
        if (r <= 0)
            return r;
        while (m->n > had) { /* YAML's flow style */
            m->n--;
            cJSON_Delete(m->v[m->n].object);
            cJSON_free(m->v[m->n].json);
        }
    }
    while (p < end) {
        const char *next = next_line(p, end);
        for (line++; next < end && !begins_document(next, end); line++)
            next = next_line(next, end);
        if (add_yaml(m, name, p, (size_t)(next - p), first, err) != 0)
            return -1;
        first = line;
        p = next;
    }
    return 0;
}

static int read_all(int fd, const char *file, struct sa_buf *b, struct sa_err **err)
{
    char chunk[65536];
    for (ssize_t n; (n = read(fd, chunk, sizeof chunk)) != 0;) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sa_err_sys(err, errno, "%s", file);
        if (sa_buf_add(b, chunk, (size_t)n) != 0)
            return sa_err_set(err, SA_ELIMIT, "%s: it is longer than %zu bytes", file, FILE_MAX);
    }
    return 0;
}

int sa_cli_read_file(const char *file, struct sa_buf *b, struct sa_err **err)
{
    bool standard = strcmp(file, "-") == 0;
    SA_CLEANUP(sa_closep) int opened = standard ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    if (!standard && opened < 0)
        return sa_err_sys(err, errno, "%s", file);
    sa_buf_init(b, FILE_MAX);
    return read_all(standard ? STDIN_FILENO : opened, file, b, err);
}

int sa_manifests_read(struct sa_manifests *m, const char *file, struct sa_err **err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    if (sa_cli_read_file(file, &b, err) != 0)
        return -1;
    return b.len == 0 ? 0
                      : sa_manifests_add(m, strcmp(file, "-") == 0 ? "standard input" : file,
                                         b.data, b.len, err);
}

char *sa_patch_json(const char *name, const char *text, size_t n, struct sa_err **err)
{
    SA_CLEANUP(sa_yaml_freep) struct sa_yaml *root = NULL;
    cJSON *v = cJSON_ParseWithOpts(text, NULL, true);
    bool is_json = v != NULL;
    cJSON_Delete(v);
    if (is_json) { /* as it stands, with all digits of its numbers */
        char *copy = cJSON_malloc(n + 1);
        if (copy != NULL)
            memcpy(copy, text, n + 1);
        return copy;
    }
    if (sa_yaml_parse(text, n, name, &limits, &root, NULL, err) != 0)
        return NULL;
    v = root == NULL ? NULL : sa_yaml_to_json(root);
    char *json = v == NULL ? NULL : cJSON_PrintUnformatted(v);
    cJSON_Delete(v);
    if (json == NULL)
        sa_err_set(err, SA_EREFUSED, "%s: there is no patch in it", name);
    return json;
}

/* The object with its namespace set; json is made anew. */
static int set_namespace(struct sa_manifest *one, const char *namespace, struct sa_err **err)
{
    cJSON *metadata = cJSON_GetObjectItemCaseSensitive(one->object, "metadata");
    const char *has = sa_cli_string(metadata, "namespace");
    if (strcmp(has, namespace) == 0)
        return 0;
    if (has[0] != '\0')
        return sa_err_set(err, SA_EREFUSED,
                          "the namespace from the provided object \"%s\" does not match the "
                          "namespace \"%s\". You must pass '--namespace=%s' to perform this "
                          "operation.",
                          has, namespace, has);
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, "namespace"); /* an empty one, or null */
    if (!cJSON_IsObject(metadata))
        return 0; /* without a name, too: the worker says what is wrong */
    if (cJSON_AddStringToObject(metadata, "namespace", namespace) == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the objects");
    char *json = cJSON_PrintUnformatted(one->object);
    if (json == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the objects");
    cJSON_free(one->json);
    one->json = json;
    return 0;
}

int sa_manifests_namespace(struct sa_manifests *m, const char *namespace, struct sa_err **err)
{
    for (size_t i = 0; i < m->n; i++) {
        if (set_namespace(&m->v[i], namespace, err) != 0)
            return -1;
    }
    return 0;
}
