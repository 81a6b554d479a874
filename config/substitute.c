/* SPDX-License-Identifier: Apache-2.0 */
/* Environment variables in values: ${VAR}, ${VAR:default}; $$ is one dollar sign. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/load.h"

#define MAX_RESULT ((size_t)1 << 20)

static bool is_name(const char *s, size_t n)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    if (n == 0 || n > 200 || strchr(first, s[0]) == NULL)
        return false;
    for (size_t i = 1; i < n; i++) {
        if (strchr(first, s[i]) == NULL && (s[i] < '0' || s[i] > '9'))
            return false;
    }
    return true;
}

/* Appends what stands for the n bytes between the braces. */
static int add_variable(struct sa_buf *out, const char *inside, size_t n, struct sa_err **err)
{
    const char *colon = memchr(inside, ':', n);
    size_t length = colon == NULL ? n : (size_t)(colon - inside);
    char name[256];
    if (!is_name(inside, length))
        return sa_err_set(err, SA_ECONFIG,
                          "${%.*s} names no environment variable; write $$ for a dollar sign",
                          (int)(length > 100 ? 100 : length), inside);
    memcpy(name, inside, length);
    name[length] = '\0';
    const char *value = getenv(name);
    if (value != NULL)
        return sa_buf_adds(out, value);
    if (colon != NULL)
        return sa_buf_add(out, colon + 1, n - length - 1);
    return sa_err_set(
        err, SA_ECONFIG,
        "the environment variable %s is not set; ${%s:default} would give it a default", name,
        name);
}

static int substitute(const char *text, struct sa_buf *out, struct sa_err **err)
{
    for (const char *s = text; *s != '\0';) {
        size_t n = strcspn(s, "$");
        sa_buf_add(out, s, n);
        s += n;
        if (s[0] == '$' && s[1] == '{') {
            const char *end = strchr(s, '}');
            if (end == NULL)
                return sa_err_set(err, SA_ECONFIG,
                                  "\"${\" without \"}\"; write $$ for a dollar sign");
            if (add_variable(out, s + 2, (size_t)(end - s) - 2, err) != 0 && !out->failed)
                return -1;
            s = end + 1;
        } else if (s[0] == '$') {
            sa_buf_addc(out, '$');
            s += s[1] == '$' ? 2 : 1;
        }
        if (out->failed)
            return sa_err_set(err, SA_ELIMIT, "the value is too long with its variables put in");
    }
    return 0;
}

int sa_substitute(const char *text, char **out, struct sa_err **err)
{
    struct sa_buf b;
    sa_buf_init(&b, MAX_RESULT);
    *out = NULL;
    if (substitute(text, &b, err) != 0) {
        sa_buf_wipe(&b);
        sa_buf_free(&b);
        return -1;
    }
    *out = strdup(b.data == NULL ? "" : b.data);
    sa_buf_wipe(&b);
    sa_buf_free(&b);
    return *out != NULL ? 0 : sa_err_set(err, SA_EMEMORY, "no memory for a value");
}
