/* SPDX-License-Identifier: Apache-2.0 */
/* op: what came of it, as kubectl prints it. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/yaml_emit.h"
#include "ctl/op.h"
#include "ctl/summary.h"

#define BODY_MAX ((size_t)256 << 20)

typedef Scaleagent__V1__OperationResult Result;

/* Line ends are kubectl's; other controls must not steer the terminal. */
static void put_text(FILE *to, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++)
        fputc((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f ? ' ' : *p, to);
    if (text[0] != '\0' && text[strlen(text) - 1] != '\n')
        fputc('\n', to);
}

/* "deployment.apps/web" */
static void put_name(const cJSON *object, struct sa_buf *out)
{
    const char *version = sa_cli_string(object, "apiVersion"), *slash = strchr(version, '/');
    for (const char *p = sa_cli_string(object, "kind"); *p != '\0'; p++)
        sa_buf_addc(out, (char)tolower((unsigned char)*p));
    if (slash != NULL)
        sa_buf_addf(out, ".%.*s", (int)(slash - version), version);
    sa_buf_addf(out, "/%s\n",
                sa_cli_string(cJSON_GetObjectItemCaseSensitive(object, "metadata"), "name"));
}

static void put_json(const cJSON *v, struct sa_buf *out)
{
    char *text = cJSON_Print(v);
    if (text == NULL)
        out->failed = true;
    else
        sa_buf_adds(out, text);
    sa_buf_addc(out, '\n');
    cJSON_free(text);
}

static int print_table(const struct sa_cli_op_print *p, struct sa_buf *out)
{
    static const char *const heads[] = {"NAMESPACE", "KIND", "NAME", "STATUS", "AGE", "DETAIL"};
    double now = (double)time(NULL);
    const cJSON *o;
    struct sa_grid t;
    sa_grid_init(&t, heads, p->op->format == SA_FORMAT_WIDE ? 6 : 5);
    cJSON_ArrayForEach(o, p->objects)
    {
        const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(o, "metadata");
        const char *namespace = sa_cli_string(metadata, "namespace");
        struct sa_summary s;
        sa_summarise(o, now, &s);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", namespace[0] == '\0' ? "-" : namespace);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(o, "kind"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(metadata, "name"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", s.status);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", s.age);
        if (t.columns == 6)
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", s.detail);
    }
    sa_grid_print(&t, p->colour, out);
    sa_grid_free(&t);
    return 0;
}

/* One object by itself, several as a List; or each by its own name. */
static void print_objects(struct sa_cli_op_print *p, struct sa_buf *out)
{
    enum sa_format format = p->op->format;
    bool alone = p->single && cJSON_GetArraySize(p->objects) == 1;
    const cJSON *o;
    if (format == SA_FORMAT_NAME) {
        cJSON_ArrayForEach(o, p->objects) put_name(o, out);
        return;
    }
    if (format != SA_FORMAT_JSON && format != SA_FORMAT_YAML) {
        print_table(p, out);
        return;
    }
    cJSON *list = cJSON_CreateObject();
    cJSON_AddStringToObject(list, "apiVersion", "v1");
    cJSON_AddItemReferenceToObject(list, "items", p->objects);
    cJSON_AddStringToObject(list, "kind", "List");
    const cJSON *v = alone ? cJSON_GetArrayItem(p->objects, 0) : list;
    if (format == SA_FORMAT_JSON)
        put_json(v, out);
    else
        sa_yaml_emit(v, false, out);
    cJSON_Delete(list);
}

/* Takes value over: an object, a list of them, or an array. */
static void keep(struct sa_cli_op_print *p, cJSON *value)
{
    cJSON *items = cJSON_IsArray(value) ? value : cJSON_GetObjectItemCaseSensitive(value, "items");
    if (!cJSON_IsArray(items)) {
        if (value != NULL)
            cJSON_AddItemToArray(p->objects, value);
        return;
    }
    for (cJSON *o; (o = cJSON_DetachItemFromArray(items, 0)) != NULL;)
        cJSON_AddItemToArray(p->objects, o);
    cJSON_Delete(value);
}

/* As `kubectl rollout history`: columns two blanks apart. */
static void print_history(const char *title, const cJSON *revisions, struct sa_buf *out)
{
    const cJSON *r;
    size_t width = strlen("REVISION");
    sa_buf_addf(out, "%s \n", title);
    if (cJSON_GetArraySize(revisions) == 0) {
        sa_buf_adds(out, "No rollout history found.\n");
        return;
    }
    cJSON_ArrayForEach(r, revisions)
    {
        size_t n = (size_t)snprintf(NULL, 0, "%.0f", sa_cli_num(r, "revision"));
        width = n > width ? n : width;
    }
    sa_buf_addf(out, "%-*s  CHANGE-CAUSE\n", (int)width, "REVISION");
    cJSON_ArrayForEach(r, revisions)
    {
        const char *cause = sa_cli_string(r, "changeCause");
        sa_buf_addf(out, "%-*.0f  %s\n", (int)width, sa_cli_num(r, "revision"),
                    cause[0] == '\0' ? "<none>" : cause);
    }
    sa_buf_adds(out, "\n");
}

static void print_top(const struct sa_cli_op_print *p, const cJSON *pods, struct sa_buf *out)
{
    static const char *const heads[] = {"NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)"};
    bool spaces = p->op->namespace == NULL || p->op->all_namespaces;
    const cJSON *pod, *c;
    struct sa_grid t;
    sa_grid_init(&t, heads + (spaces ? 0 : 1), spaces ? 5 : 4);
    cJSON_ArrayForEach(pod, pods)
    {
        cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(pod, "containers"))
        {
            if (spaces)
                sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(pod, "namespace"));
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(pod, "pod"));
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(c, "name"));
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(c, "cpu"));
            sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(c, "memory"));
        }
    }
    if (t.n > 0)
        sa_grid_print(&t, p->colour, out);
    else
        fputs("No resources found\n", stderr);
    sa_grid_free(&t);
}

/* "Type  Reason  Age  From  Message" would need wide terminals: the time, and what happened. */
static void print_events(const struct sa_cli_op_print *p, const cJSON *value, struct sa_buf *out)
{
    static const char *const heads[] = {"LAST SEEN", "TYPE", "REASON", "COUNT", "MESSAGE"};
    const cJSON *items =
        cJSON_IsArray(value) ? value : cJSON_GetObjectItemCaseSensitive(value, "items");
    const cJSON *e;
    struct sa_grid t;
    sa_grid_init(&t, heads, 5);
    cJSON_ArrayForEach(e, items)
    {
        const char *last = sa_cli_string(e, "lastTimestamp");
        double count = sa_cli_num(e, "count");
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s",
                     last[0] != '\0' ? last : sa_cli_string(e, "eventTime"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(e, "type"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(e, "reason"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%.0f", count > 0 ? count : 1);
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(e, "message"));
    }
    if (t.n > 0)
        sa_grid_print(&t, p->colour, out);
    else
        fputs("No events found.\n", stderr);
    sa_grid_free(&t);
}

/* A change: kubectl's line, or what -o asks for of the object that came back. */
static void print_change(const struct sa_cli_op_print *p, const Result *r, const cJSON *value,
                         struct sa_buf *out)
{
    if (cJSON_IsObject(value) && p->op->format == SA_FORMAT_NAME)
        put_name(value, out);
    else if (cJSON_IsObject(value) && p->op->format == SA_FORMAT_JSON)
        put_json(value, out);
    else if (cJSON_IsObject(value) && p->op->format == SA_FORMAT_YAML)
        sa_yaml_emit(value, false, out);
    else
        put_text(stdout, r->message);
}

static void print_ok(struct sa_cli_op_print *p, const Result *r, struct sa_err **err)
{
    struct sa_buf out;
    cJSON *value = cJSON_ParseWithLength(p->body.data == NULL ? "" : p->body.data, p->body.len);
    if (value == NULL && p->body.len > 0) {
        sa_err_set(err, SA_EPROTOCOL, "the worker's answer is not JSON; do versions differ?");
        return;
    }
    sa_buf_init(&out, 0);
    switch (p->op->verb) {
    case SA_CLI_GET:
        put_text(stderr, r->message); /* of kinds that may not be read */
        keep(p, value);
        value = NULL;
        break;
    case SA_CLI_EVENTS:
        print_events(p, value, &out);
        break;
    case SA_CLI_TOP:
        print_top(p, value, &out);
        break;
    case SA_CLI_ROLLOUT:
        if (p->op->rollout == SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__HISTORY)
            print_history(r->message, value, &out);
        else
            print_change(p, r, value, &out);
        break;
    default:
        print_change(p, r, value, &out);
        break;
    }
    cJSON_Delete(value);
    p->failed |= sa_put(&out) != SA_EXIT_OK;
}

int sa_cli_op_print_init(struct sa_cli_op_print *p, const struct sa_cli_op *op, size_t requests,
                         bool colour)
{
    bool named = op->n_args > 1 || (op->n_args == 1 && strchr(op->args[0], '/') != NULL);
    *p = (struct sa_cli_op_print){.op = op, .colour = colour, .single = named && requests == 1};
    sa_buf_init(&p->body, BODY_MAX);
    p->objects = cJSON_CreateArray();
    return p->objects == NULL ? -1 : 0;
}

static void print_failure(struct sa_cli_op_print *p, const Result *r)
{
    bool quiet =
        r->code == SCALEAGENT__V1__OPERATION_RESULT__CODE__NOT_FOUND && p->op->ignore_not_found;
    if (quiet)
        return;
    fflush(stdout);
    put_text(stderr, r->message[0] != '\0' ? r->message : "error: it failed, and nothing says why");
    if (r->code == SCALEAGENT__V1__OPERATION_RESULT__CODE__UNKNOWN_OUTCOME && r->uid[0] != '\0')
        fprintf(stderr, "It was uid %s, resourceVersion %s before.\n", r->uid, r->resource_version);
    p->failed = true;
}

int sa_cli_op_print_part(void *arg, const Result *part, struct sa_err **err)
{
    struct sa_cli_op_print *p = arg;
    bool ok = part->code == SCALEAGENT__V1__OPERATION_RESULT__CODE__OK ||
              part->code == SCALEAGENT__V1__OPERATION_RESULT__CODE__NOT_PATCHED;
    struct sa_err *why = NULL;
    if (p->op->verb == SA_CLI_LOGS) { /* as they come */
        if (part->body.len > 0 && fwrite(part->body.data, 1, part->body.len, stdout) == 0)
            return sa_err_set(err, SA_ESYSTEM, "the output could not be written");
    } else if (sa_buf_add(&p->body, part->body.data, part->body.len) != 0) {
        return sa_err_set(err, SA_ELIMIT, "the result is longer than %zu bytes", BODY_MAX);
    }
    if (!part->last)
        return 0;
    if (!ok)
        print_failure(p, part);
    else if (p->op->verb == SA_CLI_LOGS)
        put_text(stderr, part->message);
    else
        print_ok(p, part, &why);
    sa_buf_reset(&p->body);
    if (why == NULL)
        return 0;
    if (err != NULL)
        *err = why;
    else
        sa_err_free(&why);
    return -1;
}

int sa_cli_op_print_end(struct sa_cli_op_print *p)
{
    struct sa_buf out;
    sa_buf_init(&out, 0);
    if (p->op->verb == SA_CLI_GET && cJSON_GetArraySize(p->objects) > 0)
        print_objects(p, &out);
    else if (p->op->verb == SA_CLI_GET && !p->failed && !p->op->ignore_not_found)
        fputs("No resources found\n", stderr);
    p->failed |= sa_put(&out) != SA_EXIT_OK;
    sa_buf_free(&p->body);
    cJSON_Delete(p->objects);
    return p->failed ? SA_EXIT_NO : SA_EXIT_OK;
}
