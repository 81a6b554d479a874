/* SPDX-License-Identifier: Apache-2.0 */
#include "config/yaml_emit.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

struct emitter {
    struct sa_buf *out;
    bool double_dollars;
};

static void indent(const struct emitter *e, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        sa_buf_adds(e->out, "  ");
}

/* Words that YAML 1.1 takes for something else than a text. */
static bool is_reserved(const char *s)
{
    static const char *const words[] = {"true", "false", "yes", "no",  "on",
                                        "off",  "y",     "n",   "null"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(s, words[i]) == 0)
            return true;
    }
    return false;
}

/* True if s can stand as it is, whoever reads it: begins with a letter or "/", and holds nothing
 * that means something to YAML. */
static bool is_plain(const char *s)
{
    size_t n = strlen(s);
    if (n == 0 || n > 200 || (!isalpha((unsigned char)s[0]) && s[0] != '/') || is_reserved(s))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)s[i]) && strchr("/._-", s[i]) == NULL)
            return false;
    }
    return true;
}

static void emit_text(const struct emitter *e, const char *s)
{
    if (is_plain(s)) {
        sa_buf_adds(e->out, s);
        return;
    }
    if (!e->double_dollars || strchr(s, '$') == NULL) {
        sa_buf_add_json(e->out, s); /* double quotes mean the same in YAML */
        return;
    }
    struct sa_buf doubled;
    sa_buf_init(&doubled, 0);
    for (; *s != '\0'; s++) {
        sa_buf_addc(&doubled, *s);
        if (*s == '$')
            sa_buf_addc(&doubled, '$');
    }
    if (doubled.failed)
        e->out->failed = true;
    else
        sa_buf_add_json(e->out, doubled.data);
    sa_buf_free(&doubled);
}

static bool has_children(const cJSON *v)
{
    return (cJSON_IsObject(v) || cJSON_IsArray(v)) && v->child != NULL;
}

static void emit_scalar(const struct emitter *e, const cJSON *v)
{
    if (cJSON_IsObject(v))
        sa_buf_adds(e->out, "{}");
    else if (cJSON_IsArray(v))
        sa_buf_adds(e->out, "[]");
    else if (cJSON_IsString(v))
        emit_text(e, v->valuestring);
    else if (cJSON_IsNumber(v))
        sa_buf_addf(e->out, "%.15g", v->valuedouble);
    else
        sa_buf_adds(e->out, cJSON_IsTrue(v) ? "true" : cJSON_IsFalse(v) ? "false" : "null");
    sa_buf_addc(e->out, '\n');
}

static void emit_members(const struct emitter *e, const cJSON *v, unsigned depth,
                         bool first_in_place);

/* An item after its "- ", or a member after its key. */
static void emit_below(const struct emitter *e, const cJSON *v, unsigned depth)
{
    if (!has_children(v)) {
        sa_buf_addc(e->out, ' ');
        emit_scalar(e, v);
        return;
    }
    sa_buf_addc(e->out, '\n');
    emit_members(e, v, depth, false);
}

/* first_in_place: the first line is indented already, as behind "- ". */
static void emit_members(const struct emitter *e, const cJSON *v, unsigned depth,
                         bool first_in_place)
{
    for (const cJSON *m = v->child; m != NULL; m = m->next) {
        if (m != v->child || !first_in_place)
            indent(e, depth);
        if (cJSON_IsObject(v)) {
            struct emitter keys = *e;
            keys.double_dollars = false; /* variables are put into values alone */
            emit_text(&keys, m->string);
            sa_buf_addc(e->out, ':');
            emit_below(e, m, depth + 1);
        } else if (has_children(m)) {
            sa_buf_adds(e->out, "- ");
            emit_members(e, m, depth + 1, true);
        } else {
            sa_buf_adds(e->out, "- ");
            emit_scalar(e, m);
        }
    }
}

void sa_yaml_emit(const cJSON *v, bool double_dollars, struct sa_buf *out)
{
    const struct emitter e = {out, double_dollars};
    if (has_children(v))
        emit_members(&e, v, 0, false);
    else
        emit_scalar(&e, v);
}
