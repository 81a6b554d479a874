/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an event of a watch and as a Status. An event that is JSON as a whole has the type
 * and the object that cJSON finds; white space in front, which leads to the other reader, changes
 * nothing. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/worker_bytes_oracle.h"
#include "worker/json.h"
#include "worker/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct event {
    int r;
    enum sa_watch_type type;
    const char *object;
    size_t n;
};

static struct event read_event(const char *json, size_t n)
{
    struct event e = {0};
    e.r = sa_watch_event(json, n, &e.type, &e.object, &e.n, NULL);
    if (e.r == 0 && (e.object < json || e.object + e.n > json + n)) {
        abort();
    }
    return e;
}

static const cJSON *last(const cJSON *tree, const char *name)
{
    const cJSON *found = NULL;
    for (const cJSON *c = tree->child; c != NULL; c = c->next) {
        found = strcmp(c->string, name) == 0 ? c : found;
    }
    return found;
}

static void judge(const char *json, size_t n, const struct event *e)
{
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
    cJSON *tree = cJSON_ParseWithLength(json, n);
    const cJSON *type = cJSON_IsObject(tree) ? last(tree, "type") : NULL;
    const cJSON *object = cJSON_IsObject(tree) ? last(tree, "object") : NULL;
    if (type == NULL || !cJSON_IsString(type) || !cJSON_IsObject(object) ||
        strcmp(type->valuestring, names[e->type]) != 0) {
        abort();
    }
    char *text = cJSON_PrintUnformatted(object);
    cJSON *mine = cJSON_ParseWithLength(e->object, e->n);
    char *other = cJSON_PrintUnformatted(mine);
    if (text == NULL || other == NULL || strcmp(text, other) != 0) {
        abort();
    }
    free(text);
    free(other);
    cJSON_Delete(mine);
    cJSON_Delete(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *json = (const char *)data;
    struct sa_json_fault fault;
    struct event e = read_event(json, size);
    bool whole = sa_json_skip(json, json + size, 0, &fault) == json + size;
    if (whole) {
        char *spaced = malloc(size + 1);
        if (spaced == NULL) {
            abort();
        }
        spaced[0] = ' ';
        memcpy(spaced + 1, json, size);
        struct event f = read_event(spaced, size + 1);
        if (f.r != e.r || (e.r == 0 && (f.type != e.type || f.n != e.n ||
                                        memcmp(f.object, e.object, e.n) != 0))) {
            abort();
        }
        free(spaced);
    }
    if (whole && e.r == 0 && oracle_can_judge(json, size)) {
        judge(json, size, &e);
    }
    struct sa_status s;
    if (sa_status_parse(json, size, &s, NULL) == 0 &&
        (strlen(s.message) >= sizeof(s.message) || s.code < 0 || s.retry_after_s < 0)) {
        abort();
    }
    return 0;
}
