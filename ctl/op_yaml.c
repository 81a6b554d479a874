/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/op_yaml.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 400 /* characters of a number; longer is text */

static bool is_one_of(const char *s, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(*words, s) == 0)
            return true;
    }
    return false;
}

static const char *const trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                    "True", "TRUE", "on",  "On",  "ON",  NULL};
static const char *const falses[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};

/* Digits of a base behind an optional prefix, as Go's ParseInt(s, 0, 64) takes them: 0x, 0o, 0b,
 * and 0 alone for octal. NULL: it is no integer. */
static const char *digits_of(const char *s, int *base)
{
    const char *set = "0123456789";
    *base = 10;
    if (s[0] == '0' && s[1] != '\0') {
        int c = tolower((unsigned char)s[1]);
        *base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
        set = c == 'x' ? "0123456789abcdefABCDEF" : c == 'b' ? "01" : "01234567";
        s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
    }
    return *s != '\0' && s[strspn(s, set)] == '\0' ? s : NULL;
}

/* Writes it in decimal. */
static bool integer(const char *s, char *out, size_t n)
{
    int base;
    bool minus = *s == '-';
    const char *digits = digits_of(s + (*s == '-' || *s == '+'), &base);
    if (digits == NULL)
        return false;
    errno = 0;
    unsigned long long v = strtoull(digits, NULL, base);
    if (errno != 0 || (minus && v > (unsigned long long)INT64_MAX + 1))
        return false;
    snprintf(out, n, "%s%llu", minus && v != 0 ? "-" : "", v);
    return true;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_like_float(const char *s)
{
    static const char digits[] = "0123456789";
    s += *s == '-' || *s == '+';
    size_t whole = strspn(s, digits), part = 0;
    s += whole;
    if (*s == '.') {
        part = strspn(s + 1, digits);
        s += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        if (strspn(s, digits) == 0)
            return false;
        s += strspn(s, digits);
    }
    return *s == '\0';
}

/* Writes it with as few digits as say the same. */
static bool floating(const char *s, char *out, size_t n)
{
    if (!looks_like_float(s))
        return false;
    double v = strtod(s, NULL);
    if (!isfinite(v))
        return false;
    if (v == trunc(v) && fabs(v) < 1e21) { /* as a whole number, which an integer field takes */
        snprintf(out, n, "%.0f", v);
        return true;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, n, "%.*g", digits, v);
        if (strtod(out, NULL) == v)
            break;
    }
    return true;
}

/* A plain scalar that is a number, in JSON's form. */
static bool number(const struct sa_yaml *node, char *out, size_t n)
{
    char plain[NUMBER_MAX];
    size_t k = 0;
    if (node->length >= sizeof plain || node->length == 0 ||
        strchr("+-.0123456789", node->text[0]) == NULL)
        return false;
    for (const char *s = node->text; *s != '\0'; s++) {
        if (*s != '_')
            plain[k++] = *s;
    }
    plain[k] = '\0';
    return integer(plain, out, n) || floating(plain, out, n);
}

static cJSON *scalar(const struct sa_yaml *node)
{
    char text[NUMBER_MAX + 32];
    if (node->quoted)
        return cJSON_CreateString(node->text);
    if (sa_yaml_is_null(node))
        return cJSON_CreateNull();
    if (is_one_of(node->text, trues))
        return cJSON_CreateTrue();
    if (is_one_of(node->text, falses))
        return cJSON_CreateFalse();
    if (number(node, text, sizeof text))
        return cJSON_CreateRaw(text);
    return cJSON_CreateString(node->text);
}

/* Keys are texts, whatever they look like; a number or a boolean in its one form. */
static const char *key_text(const struct sa_yaml *key, char *room, size_t n)
{
    if (key->quoted)
        return key->text;
    if (is_one_of(key->text, trues))
        return "true";
    if (is_one_of(key->text, falses))
        return "false";
    return number(key, room, n) ? room : key->text;
}

/* Takes item over. */
static bool put(cJSON *to, const struct sa_yaml *key, cJSON *item)
{
    char room[NUMBER_MAX + 32];
    bool done = item != NULL &&
                (key != NULL ? cJSON_AddItemToObject(to, key_text(key, room, sizeof room), item)
                             : cJSON_AddItemToArray(to, item));
    if (!done)
        cJSON_Delete(item);
    return done;
}

cJSON *sa_yaml_to_json(const struct sa_yaml *node)
{
    if (node->kind == SA_YAML_SCALAR)
        return scalar(node);
    bool map = node->kind == SA_YAML_MAP;
    cJSON *to = map ? cJSON_CreateObject() : cJSON_CreateArray();
    for (size_t i = 0; to != NULL && i < node->n; i++) {
        if (!put(to, map ? node->keys[i] : NULL, sa_yaml_to_json(node->items[i]))) {
            cJSON_Delete(to);
            return NULL;
        }
    }
    return to;
}
