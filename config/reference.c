/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys for people: as a part of the manual page, and as markdown. */
#include <string.h>

#include "config/keys.h"
#include "config/print.h"

static const char *type_name(const struct sa_key *k)
{
    static const char *const names[] = {
        [SA_KEY_BOOL] = "boolean",
        [SA_KEY_INT] = "integer",
        [SA_KEY_BYTES] = "size",
        [SA_KEY_FLOAT] = "number",
        [SA_KEY_STRING] = "string",
        [SA_KEY_CHOICE] = "word",
        [SA_KEY_CHOICE_ENUM] = "word",
        [SA_KEY_CHOICE_BOOL] = "word",
        [SA_KEY_STRINGS] = "list of strings",
        [SA_KEY_MAP] = "map",
        [SA_KEY_PERMISSIONS] = "map",
        [SA_KEY_CRDS] = "list of maps",
        [SA_KEY_SSA_KINDS] = "list of maps",
        [SA_KEY_ACCOUNTS] = "list of maps",
        [SA_KEY_ANY] = "anything",
    };
    return names[k->type];
}

static bool is_number(const struct sa_key *k)
{
    return k->type == SA_KEY_INT || k->type == SA_KEY_BYTES || k->type == SA_KEY_FLOAT;
}

static const char *preset_text(const struct sa_key *k)
{
    if (k->preset != NULL)
        return k->preset;
    return k->type == SA_KEY_BOOL ? "false" : "none";
}

/* "integer, 0 to 65535" or "word, one of a, b, c" */
static void add_type(const struct sa_key *k, struct sa_buf *out)
{
    sa_buf_adds(out, type_name(k));
    if (is_number(k))
        sa_buf_addf(out, ", %.15g to %.15g", k->min, k->max);
    size_t n;
    const char *c;
    for (size_t i = 0; (c = sa_key_choice(k, i, &n)) != NULL; i++)
        sa_buf_addf(out, "%s%.*s", i == 0 ? ", one of " : ", ", (int)n, c);
    if (k->secret)
        sa_buf_adds(out, ", secret");
}

struct section {
    enum sa_key_class class;
    const char *title, *intro;
};
static const struct section sections[] = {
    {SA_KEY_HONOURED, "Keys", "These do what they say."},
    {SA_KEY_IGNORED, "Keys without effect",
     "These are taken, each with one warning, so that files written for Armory's agent or for "
     "Clouddriver load as they are."},
    {SA_KEY_REFUSED, "Keys that are refused",
     "Going on without their effect would be unsafe, so a file with one of them is an error."},
};
#define N_SECTIONS (sizeof sections / sizeof sections[0])

static int done(const struct sa_buf *out, struct sa_err **err)
{
    return out->failed ? sa_err_set(err, SA_EMEMORY, "no memory for the reference of keys") : 0;
}

#define ROFF_WIDTH 78

/* How many bytes up to the next blank or the end. */
static size_t word_length(const char *s)
{
    return strcspn(s, " ");
}

/* A backslash, and a dot or quote at the beginning of a line, mean something to roff. */
static size_t add_roff_word(const char *word, size_t n, bool begins, struct sa_buf *out)
{
    size_t before = out->len;
    if (begins && (*word == '.' || *word == '\''))
        sa_buf_adds(out, "\\&");
    for (size_t i = 0; i < n; i++) {
        if (word[i] == '\\')
            sa_buf_adds(out, "\\e");
        else
            sa_buf_addc(out, word[i]);
    }
    return out->len - before;
}

/* New sentence, new line, and no line that is long: mandoc(1) asks for it. */
static void add_roff(const char *s, struct sa_buf *out)
{
    size_t column = 0;
    while (*s != '\0') {
        size_t n = word_length(s);
        bool sentence = n > 0 && s[n - 1] == '.';
        if (column > 0 && column + 1 + n > ROFF_WIDTH) {
            sa_buf_addc(out, '\n');
            column = 0;
        }
        if (column > 0) {
            sa_buf_addc(out, ' ');
            column++;
        }
        column += add_roff_word(s, n, column == 0, out);
        s += n;
        s += strspn(s, " ");
        if (sentence && *s != '\0') {
            sa_buf_addc(out, '\n');
            column = 0;
        }
    }
    sa_buf_addc(out, '\n');
}

/* A list's commas are followed by blanks, so that it can be broken into lines. */
static void add_spaced(const char *s, struct sa_buf *out)
{
    for (; *s != '\0'; s++) {
        sa_buf_addc(out, *s);
        if (*s == ',' && s[1] != ' ' && s[1] != '\0')
            sa_buf_addc(out, ' ');
    }
}

static void add_mdoc_key(const struct sa_key *k, struct sa_buf *out)
{
    sa_buf_addf(out, ".It Cm %s", k->path);
    if (k->alias != NULL)
        sa_buf_addf(out, " , %s", k->alias);
    sa_buf_addc(out, '\n');
    if (k->class == SA_KEY_HONOURED) {
        struct sa_buf facts;
        sa_buf_init(&facts, 0);
        sa_buf_addc(&facts, '(');
        add_type(k, &facts);
        sa_buf_addf(&facts, "; default: ");
        add_spaced(preset_text(k), &facts);
        sa_buf_addc(&facts, ')');
        sa_buf_addc(&facts, '\0');
        if (facts.failed)
            out->failed = true;
        else
            add_roff(facts.data, out);
        sa_buf_free(&facts);
    }
    add_roff(k->help, out);
}

int sa_config_reference_mdoc(struct sa_buf *out, struct sa_err **err)
{
    for (size_t s = 0; s < N_SECTIONS; s++) {
        sa_buf_addf(out, ".Ss %s\n", sections[s].title);
        add_roff(sections[s].intro, out);
        sa_buf_adds(out, ".Bl -tag -width Ds\n");
        for (size_t i = 0; i < sa_n_keys; i++) {
            if (sa_keys[i].class == sections[s].class)
                add_mdoc_key(&sa_keys[i], out);
        }
        sa_buf_adds(out, ".El\n");
    }
    return done(out, err);
}

/* In a cell of a table a bar must be escaped. */
static void add_cell(const char *s, struct sa_buf *out)
{
    for (; *s != '\0'; s++) {
        if (*s == '|')
            sa_buf_addc(out, '\\');
        sa_buf_addc(out, *s);
        if (*s == ',' && s[1] != ' ' && s[1] != '\0')
            sa_buf_addc(out, ' '); /* so that a long list can be broken into lines */
    }
}

static void add_markdown_key(const struct sa_key *k, struct sa_buf *out)
{
    sa_buf_addf(out, "| `%s`", k->path);
    if (k->alias != NULL)
        sa_buf_addf(out, "<br>or `%s`", k->alias);
    if (k->class == SA_KEY_HONOURED) {
        sa_buf_adds(out, " | ");
        add_type(k, out);
        sa_buf_adds(out, " | ");
        add_cell(preset_text(k), out);
    }
    sa_buf_adds(out, " | ");
    add_cell(k->help, out);
    sa_buf_adds(out, " |\n");
}

int sa_config_reference_markdown(struct sa_buf *out, struct sa_err **err)
{
    sa_buf_adds(
        out,
        "# Configuration\n\n"
        "<!-- Made from the table in config/keys.c by the target config-reference. -->\n\n"
        "Files are read in this order, a later one wins key by key: the package's presets in "
        "`/usr/share/scale-agent/scale-agent.yml`, then `/etc/scale-agent/scale-agent.yml`, "
        "`/etc/scale-agent/scale-agent.d/*.yml`, `/etc/scale-agent/accounts.d/*.yml`, each "
        "directory in the order of file names. In a container "
        "`/opt/armory/config/armory-agent.yml` and `armory-agent-local.yml` there come after the "
        "first. `scale-agentctl config diff` says what differs from the defaults, and where that "
        "is set. The accounts of all files are joined; a file of `accounts.d` holds an account, a "
        "list of accounts, `kubernetes.accounts`, or is a kubeconfig file, whose current context "
        "is an account with the file's name.\n\n"
        "Values may hold `${VAR}` or `${VAR:default}` for environment variables, and `$$` for a "
        "dollar sign. The variables are those that the daemon was started with, at each reload as "
        "well: it keeps them for the reader of the configuration, and each other process wipes its "
        "copy but for what it needs ([how](../explanation/architecture.md#processes)). Numbers "
        "with a unit in the key's name may be written as a time (`500ms`, "
        "`30s`, `5m`, `1h`), sizes as `64Mi` or `1G`, lists of strings as one text with commas. "
        "`scale-agentd --check` reports every problem of all files at once.\n");
    for (size_t s = 0; s < N_SECTIONS; s++) {
        bool honoured = sections[s].class == SA_KEY_HONOURED;
        sa_buf_addf(out, "\n## %s\n\n%s\n\n%s", sections[s].title, sections[s].intro,
                    honoured ? "| Key | Type | Default | Meaning |\n|---|---|---|---|\n"
                             : "| Key | Reason |\n|---|---|\n");
        for (size_t i = 0; i < sa_n_keys; i++) {
            if (sa_keys[i].class == sections[s].class)
                add_markdown_key(&sa_keys[i], out);
        }
    }
    return done(out, err);
}
