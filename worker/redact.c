/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the paths of `redact` to a tree. At each node the paths that got there are known, so a
 * member needs one look-up, however many wildcards there are.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/json.h"
#include "worker/scrub_redact.h"

#define NODES_MAX 4096 /* of one account; wildcards multiply */
#define STEPS_MAX 64   /* of one path */

enum step_type { STEP_MEMBER, STEP_ANY, STEP_ELEMENT };
struct step {
    enum step_type type;
    char *name; /* owned; STEP_MEMBER */
    size_t name_n;
};

struct path {
    const char *text; /* the caller's */
    struct step *steps;
    size_t n;
};

struct sa_redact {
    struct sa_redact_node *root;
    size_t nodes;
};

static int add_step(struct path *p, enum step_type type, const char *name, size_t n)
{
    char *copy = NULL;
    if (type == STEP_MEMBER) {
        copy = malloc(n + 1);
        if (copy == NULL) {
            return -1;
        }
        memcpy(copy, name, n);
        copy[n] = '\0';
    }
    p->steps[p->n++] = (struct step){.type = type, .name = copy, .name_n = n};
    return 0;
}

/* Reads one member's name up to a dot, "[]" or the end into name (as long as the text at least); a
 * backslash takes what follows literally. Returns the place behind it. */
static const char *read_name(const char *s, char *name, size_t *n, bool *literal)
{
    *n = 0;
    *literal = false;
    while (*s != '\0' && *s != '.' && *s != '[') {
        if (*s == '\\' && s[1] != '\0') {
            *literal = true;
            s++;
        }
        name[(*n)++] = *s++;
    }
    return s;
}

static int malformed(const char *text, const char *why, struct sa_err **err)
{
    return sa_err_set(err, SA_ECONFIG,
                      "redact: %s: %s (expected is a path such as data.* or "
                      "spec.containers[].env[].value)",
                      text, why);
}

static int parse_path(struct path *p, char *name, struct sa_err **err)
{
    const char *s = p->text;
    p->steps = calloc(STEPS_MAX, sizeof(*p->steps));
    if (p->steps == NULL) {
        return sa_err_set(err, SA_EMEMORY, "redact: no memory for a path");
    }
    for (;;) {
        size_t n;
        bool literal;
        s = read_name(s, name, &n, &literal);
        if (n == 0) {
            return malformed(p->text, "the name of a member is missing", err);
        }
        if (p->n == STEPS_MAX) {
            return malformed(p->text, "longer than 64 steps", err);
        }
        bool any = !literal && n == 1 && name[0] == '*';
        if (add_step(p, any ? STEP_ANY : STEP_MEMBER, name, n) != 0) {
            return sa_err_set(err, SA_EMEMORY, "redact: no memory for a path");
        }
        while (s[0] == '[') {
            if (s[1] != ']' || p->n == STEPS_MAX) {
                return malformed(p->text, "after [ must come ]", err);
            }
            (void)add_step(p, STEP_ELEMENT, NULL, 0);
            s += 2;
        }
        if (*s == '\0') {
            return 0;
        }
        if (*s != '.') {
            return malformed(p->text, "after [] must come a dot or nothing", err);
        }
        s++;
    }
}

static void free_paths(struct path *paths, size_t n)
{
    for (size_t i = 0; paths != NULL && i < n; i++) {
        for (size_t k = 0; k < paths[i].n; k++) {
            free(paths[i].steps[k].name);
        }
        free(paths[i].steps);
    }
    free(paths);
}

static void free_node(struct sa_redact_node *node)
{
    if (node == NULL) {
        return;
    }
    for (size_t i = 0; i < node->n; i++) {
        free(node->branches[i].name);
        free_node(node->branches[i].node);
    }
    free(node->branches);
    free_node(node->element);
    free_node(node->any);
    free(node);
}

/* The paths that have got as far as one node: those of the compiler's whose bit is set in at. */
struct compiler {
    const struct path *paths;
    size_t n;
    struct sa_redact *out;
    struct sa_err **err;
};

static struct sa_redact_node *compile(struct compiler *c, const bool *here, size_t depth);

/* The node behind one kind of step: a member of that name (NULL: of none that has a branch) or an
 * element. *out stays NULL where no path goes on. */
static int follow(struct compiler *c, const bool *here, size_t depth, const struct step *take,
                  struct sa_redact_node **out)
{
    bool *next = calloc(c->n + 1, sizeof(*next));
    bool some = false;
    if (next == NULL) {
        return sa_err_set(c->err, SA_EMEMORY, "redact: no memory");
    }
    for (size_t i = 0; i < c->n; i++) {
        if (!here[i] || c->paths[i].n <= depth) {
            continue;
        }
        const struct step *s = &c->paths[i].steps[depth];
        bool member = take->type == STEP_MEMBER && s->type == STEP_MEMBER &&
                      s->name_n == take->name_n && memcmp(s->name, take->name, s->name_n) == 0;
        bool any = take->type != STEP_ELEMENT && s->type == STEP_ANY;
        bool element = take->type == STEP_ELEMENT && s->type == STEP_ELEMENT;
        next[i] = member || any || element;
        some = some || next[i];
    }
    int r = 0;
    if (some) {
        *out = compile(c, next, depth + 1);
        r = *out != NULL ? 0 : -1;
    }
    free(next);
    return r;
}

static int add_branch(struct compiler *c, struct sa_redact_node *node, const bool *here,
                      size_t depth, const struct step *s)
{
    for (size_t i = 0; i < node->n; i++) {
        if (node->branches[i].name_n == s->name_n &&
            memcmp(node->branches[i].name, s->name, s->name_n) == 0) {
            return 0;
        }
    }
    struct sa_redact_branch *more =
        realloc(node->branches, (node->n + 1) * sizeof(*node->branches));
    if (more == NULL) {
        return sa_err_set(c->err, SA_EMEMORY, "redact: no memory");
    }
    node->branches = more;
    struct sa_redact_branch *b = &more[node->n];
    *b = (struct sa_redact_branch){.name = malloc(s->name_n + 1), .name_n = s->name_n};
    if (b->name == NULL) {
        return sa_err_set(c->err, SA_EMEMORY, "redact: no memory");
    }
    memcpy(b->name, s->name, s->name_n + 1);
    node->n++;
    return follow(c, here, depth, s, &b->node);
}

static int compile_steps(struct compiler *c, struct sa_redact_node *node, const bool *here,
                         size_t depth)
{
    static const struct step any = {.type = STEP_ANY}, element = {.type = STEP_ELEMENT};
    for (size_t i = 0; i < c->n; i++) {
        if (here[i] && c->paths[i].n == depth) {
            node->cut = true;
        }
    }
    if (node->cut) {
        return 0; /* nothing is left below */
    }
    for (size_t i = 0; i < c->n; i++) {
        if (here[i] && c->paths[i].steps[depth].type == STEP_MEMBER &&
            add_branch(c, node, here, depth, &c->paths[i].steps[depth]) != 0) {
            return -1;
        }
    }
    if (follow(c, here, depth, &any, &node->any) != 0) {
        return -1;
    }
    return follow(c, here, depth, &element, &node->element);
}

static struct sa_redact_node *compile(struct compiler *c, const bool *here, size_t depth)
{
    if (++c->out->nodes > NODES_MAX) {
        sa_err_set(c->err, SA_ECONFIG, "redact: the paths have too many wildcards together");
        return NULL;
    }
    struct sa_redact_node *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        sa_err_set(c->err, SA_EMEMORY, "redact: no memory");
        return NULL;
    }
    if (compile_steps(c, node, here, depth) != 0) {
        free_node(node);
        return NULL;
    }
    return node;
}

/* What makes an object the object it is can't be cut. */
static int keeps_identity(const struct sa_redact_node *root, struct sa_err **err)
{
    static const char *const top[] = {"kind", "apiVersion", "metadata"};
    static const char *const meta[] = {"name", "namespace", "uid", "resourceVersion"};
    const struct sa_redact_node *metadata = sa_redact_member(root, "metadata", 8, false);
    for (size_t i = 0; i < 3; i++) {
        const struct sa_redact_node *n = sa_redact_member(root, top[i], strlen(top[i]), false);
        if (n != NULL && n->cut) {
            return sa_err_set(err, SA_ECONFIG, "redact: %s of an object can't be cut", top[i]);
        }
    }
    for (size_t i = 0; metadata != NULL && i < 4; i++) {
        const struct sa_redact_node *n =
            sa_redact_member(metadata, meta[i], strlen(meta[i]), false);
        if (n != NULL && n->cut) {
            return sa_err_set(err, SA_ECONFIG,
                              "redact: metadata.%s of an object can't be cut, it is known by it",
                              meta[i]);
        }
    }
    return 0;
}

static int parse_all(struct path *parsed, const char *const *paths, size_t n, struct sa_err **err)
{
    for (size_t i = 0; i < n; i++) {
        char *name = malloc(strlen(paths[i]) + 1);
        if (name == NULL) {
            return sa_err_set(err, SA_EMEMORY, "redact: no memory for a path");
        }
        parsed[i].text = paths[i];
        int r = parse_path(&parsed[i], name, err);
        free(name);
        if (r != 0) {
            return -1;
        }
    }
    return 0;
}

struct sa_redact *sa_redact_new(const char *const *paths, size_t n, struct sa_err **err)
{
    struct sa_redact *r = calloc(1, sizeof(*r));
    struct path *parsed = calloc(n + 1, sizeof(*parsed));
    bool *all = malloc(n + 1);
    if (r == NULL || parsed == NULL || all == NULL) {
        sa_err_set(err, SA_EMEMORY, "redact: no memory");
    } else if (parse_all(parsed, paths, n, err) == 0) {
        memset(all, 1, n + 1);
        struct compiler c = {.paths = parsed, .n = n, .out = r, .err = err};
        r->root = compile(&c, all, 0);
    }
    bool ok = r != NULL && r->root != NULL && keeps_identity(r->root, err) == 0;
    free(all);
    free_paths(parsed, n);
    if (!ok) {
        sa_redact_free(r);
        return NULL;
    }
    return r;
}

void sa_redact_free(struct sa_redact *r)
{
    if (r != NULL) {
        free_node(r->root);
        free(r);
    }
}

const struct sa_redact_node *sa_redact_root(const struct sa_redact *r)
{
    return r->root;
}

const struct sa_redact_node *sa_redact_member(const struct sa_redact_node *node, const char *name,
                                              size_t n, bool escaped)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct sa_redact_branch *b = &node->branches[i];
        bool same = escaped ? sa_json_equal_text(name, n, b->name, b->name_n)
                            : n == b->name_n && memcmp(name, b->name, n) == 0;
        if (same) {
            return b->node;
        }
    }
    return node->any;
}
