/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/apply_way.h"

#include <stdio.h>
#include <string.h>

#include "worker/json.h"

#define PREFIX "agent-k8s.armory.io/"

/* The member name of an object, 1 if it is there. */
static int member(const char *json, size_t n, unsigned depth, const char *name,
                  struct sa_json_member *out)
{
    struct sa_json_members it;
    struct sa_json_member m;
    int found = 0;
    if (sa_json_members(&it, json, n, depth) != 0) {
        return 0;
    }
    while (sa_json_next(&it, &m) > 0) {
        if (sa_json_is(&m, name)) {
            *out = m;
            found = 1;
        }
    }
    return found;
}

static bool annotated(const struct sa_json_member *annotations, const char *name)
{
    struct sa_json_member m;
    char text[16];
    return annotations->value != NULL &&
           member(annotations->value, annotations->value_n, 2, name, &m) &&
           sa_json_text(m.value, m.value_n, text, sizeof text) == SA_JSON_TEXT &&
           strcmp(text, "enabled") == 0;
}

/* The words of the kind's entry, if it has one. */
static bool entry_of(const struct sa_account *account, const char *kind, const char *group,
                     char words[3][16])
{
    for (size_t i = 0; i < account->ssa_kinds.n; i++) {
        char name[401];
        if (sscanf(account->ssa_kinds.v[i], "%400s %15s %15s %15s", name, words[0], words[1],
                   words[2]) != 4) {
            continue;
        }
        size_t n = strlen(kind);
        if (strncmp(name, kind, n) == 0 &&
            (name[n] == '\0' || (name[n] == '.' && strcmp(name + n + 1, group) == 0))) {
            return true;
        }
    }
    return false;
}

static bool decide(const char *general, const char *of_kind, bool asked)
{
    const char *mode = general != NULL && strcmp(general, "allowed") != 0 ? general : of_kind;
    if (strcmp(mode, "always") == 0) {
        return true;
    }
    return strcmp(mode, "never") != 0 && asked;
}

void sa_apply_choose_way(const struct sa_account *account, const char *kind, const char *group,
                         struct sa_apply_options *o)
{
    struct sa_json_member metadata = {0}, annotations = {0};
    char words[3][16] = {"allowed", "allowed", "allowed"};
    if (!entry_of(account, kind, group, words)) {
        for (size_t i = 0; i < 3; i++) {
            strncpy(words[i], "allowed", sizeof words[i] - 1);
        }
    }
    if (member(o->manifest, o->manifest_n, 0, "metadata", &metadata) &&
        !member(metadata.value, metadata.value_n, 1, "annotations", &annotations)) {
        annotations.value = NULL;
    }
    o->server_side = decide(account->ssa_enabled, words[0],
                            o->server_side || annotated(&annotations, PREFIX "serverside-apply"));
    o->clear_managed_fields =
        o->server_side && decide(account->ssa_clear_managed_fields, words[1],
                                 annotated(&annotations, PREFIX "ssa-clear-managed-fields"));
    o->manifest_defaults =
        o->server_side && decide(account->ssa_manifest_defaults, words[2],
                                 annotated(&annotations, PREFIX "ssa-manifest-defaults"));
}
