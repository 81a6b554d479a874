/* SPDX-License-Identifier: Apache-2.0 */
/* migrate: what becomes of each key of a file that was written for Armory's agent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keys.h"
#include "config/load.h"
#include "config/yaml.h"
#include "ctl/cli.h"

#define FILE_MAX ((size_t)4 << 20)
#define ROWS_MAX 2000u
#define PATH_LEN 256u

/* One key, wherever it stands in the file. */
struct row {
    char path[PATH_LEN];
    const struct sa_key *key; /* NULL: unknown */
    unsigned line;            /* of the first */
    size_t times;
};

struct migration {
    struct row *rows;
    size_t n;
    bool failed; /* no memory, or more keys than anyone writes */
};

enum fate { TAKEN, NO_EFFECT, REFUSED, UNKNOWN, FATES };

static enum fate fate_of(const struct sa_key *k)
{
    if (!k)
        return UNKNOWN;
    return k->class == SA_KEY_IGNORED ? NO_EFFECT : k->class == SA_KEY_REFUSED ? REFUSED : TAKEN;
}

static void note(struct migration *m, const char *path, const struct sa_key *k, unsigned line)
{
    struct row *more;
    for (size_t i = 0; i < m->n; i++) {
        if (strcmp(m->rows[i].path, path) == 0) {
            m->rows[i].times++;
            return;
        }
    }
    more = m->n == ROWS_MAX ? NULL : realloc(m->rows, (m->n + 1) * sizeof(*more));
    if (!more) {
        m->failed = true;
        return;
    }
    m->rows = more;
    m->rows[m->n] = (struct row){.key = k, .line = line, .times = 1};
    snprintf(m->rows[m->n].path, PATH_LEN, "%s", path);
    m->n++;
}

static void walk(struct migration *m, const struct sa_yaml *map, const char *prefix)
{
    for (size_t i = 0; i < map->n && !m->failed; i++) {
        const struct sa_yaml *value = map->items[i];
        const struct sa_key *k;
        char path[PATH_LEN], below[PATH_LEN + 4];
        snprintf(path, sizeof path, "%s%s", prefix, map->keys[i]->text);
        k = sa_key_covering(path);
        if (k && k->type == SA_KEY_ACCOUNTS && value->kind == SA_YAML_SEQUENCE) {
            snprintf(below, sizeof below, "%s[].", path);
            for (size_t j = 0; j < value->n; j++)
                if (value->items[j]->kind == SA_YAML_MAP)
                    walk(m, value->items[j], below);
        } else if (!k && value->kind == SA_YAML_MAP && sa_key_is_group(path)) {
            snprintf(below, sizeof below, "%s.", path);
            walk(m, value, below);
        } else {
            note(m, path, k, map->keys[i]->line);
        }
    }
}

static const char *why(const struct row *r, char *out, size_t n)
{
    const struct sa_key *near;
    if (r->key)
        return r->key->help;
    near = sa_key_nearest(r->path);
    snprintf(out, n,
             "There is no such key%s%s. Take it out, or mend it: the file is not valid with it.",
             near ? "; the nearest is " : "", near ? near->path : "");
    return out;
}

static const char *const fate_names[FATES] = {"taken", "no effect", "refused", "unknown"};

static void print_table(const struct migration *m, bool colour, struct sa_buf *out)
{
    static const char *const heads[] = {"LINE", "KEY", "WHAT BECOMES OF IT", "WHY"};
    static const enum sa_tone tones[FATES] = {SA_TONE_GOOD, SA_TONE_WARN, SA_TONE_BAD, SA_TONE_BAD};
    struct sa_grid t;
    sa_grid_init(&t, heads, 4);
    for (size_t i = 0; i < m->n; i++) {
        const struct row *r = &m->rows[i];
        enum fate f = fate_of(r->key);
        char text[2 * PATH_LEN];
        sa_grid_cell(&t, SA_TONE_DIM, "%u", r->line);
        if (r->times > 1)
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s (%zu times)", r->path, r->times);
        else
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", r->path);
        sa_grid_cell(&t, tones[f], "%s", fate_names[f]);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", f == TAKEN ? "" : why(r, text, sizeof text));
    }
    sa_grid_print(&t, colour, out);
    sa_grid_free(&t);
}

static void print_json(const struct migration *m, struct sa_buf *out)
{
    sa_buf_addc(out, '[');
    for (size_t i = 0; i < m->n; i++) {
        const struct row *r = &m->rows[i];
        char text[2 * PATH_LEN];
        sa_buf_adds(out, i ? ",\n{\"key\":" : "\n{\"key\":");
        sa_buf_add_json(out, r->path);
        sa_buf_addf(out, ",\"line\":%u,\"times\":%zu,\"fate\":", r->line, r->times);
        sa_buf_add_json(out, fate_names[fate_of(r->key)]);
        sa_buf_adds(out, ",\"why\":");
        sa_buf_add_json(out, why(r, text, sizeof text));
        sa_buf_addc(out, '}');
    }
    sa_buf_adds(out, "\n]\n");
}

static void print_sum(const struct migration *m, const char *file, struct sa_buf *out)
{
    size_t n[FATES] = {0};
    for (size_t i = 0; i < m->n; i++)
        n[fate_of(m->rows[i].key)]++;
    sa_buf_addf(
        out, "\n%zu keys: %zu taken as they are, %zu without effect, %zu refused, %zu unknown.\n",
        m->n, n[TAKEN], n[NO_EFFECT], n[REFUSED], n[UNKNOWN]);
    if (n[REFUSED] + n[UNKNOWN] > 0)
        sa_buf_adds(out, "Mend what is refused or unknown, then: ");
    sa_buf_addf(
        out,
        "scale-agentctl check %s\nreads the values as well. The file can be used as it is: in a "
        "container in /opt/armory/config,\nelsewhere as /etc/scale-agent/scale-agent.yml; its "
        "accounts may move to files of their own in accounts.d.\n",
        file);
}

static int read_tree(const char *file, char **text, struct sa_yaml **root, struct sa_err **err)
{
    size_t n;
    if (sa_file_read(file, FILE_MAX, text, &n, err) != 0 ||
        sa_yaml_parse(*text, n, file, NULL, root, NULL, err) != 0)
        return -1;
    if (!*root || (*root)->kind != SA_YAML_MAP)
        return sa_err_set(err, SA_ECONFIG, "%s: expected a map, as armory-agent.yml is", file);
    return 0;
}

int sa_cmd_migrate(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    SA_CLEANUP(sa_freep) char *text = NULL;
    struct migration m = {0};
    struct sa_yaml *root = NULL;
    struct sa_buf out;
    bool bad = false;
    if (read_tree(c->args[0], &text, &root, &err) != 0) {
        sa_yaml_free(root);
        return sa_cli_fail(err);
    }
    walk(&m, root, "");
    sa_buf_init(&out, 0);
    if (sa_cli_data(c)) {
        print_json(&m, &out);
    } else {
        print_table(&m, c->colour, &out);
        print_sum(&m, c->args[0], &out);
    }
    for (size_t i = 0; i < m.n; i++)
        bad = bad || fate_of(m.rows[i].key) >= REFUSED;
    free(m.rows);
    sa_yaml_free(root);
    if (m.failed) {
        sa_buf_free(&out);
        sa_err_set(&err, SA_ELIMIT, "%s: more than %u different keys, or no memory", c->args[0],
                   ROWS_MAX);
        return sa_cli_fail(err);
    }
    int written = sa_cli_data(c) ? sa_cli_put(c, &out) : sa_put(&out);
    return bad ? SA_EXIT_NO : written;
}
