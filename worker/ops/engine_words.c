/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubectl's words for what an API server answers (kubectl pkg/cmd/util/helpers.go: checkErr,
 * StandardErrorMessage, AddSourceToErr). People search for these, and Clouddriver looks into them.
 */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "worker/ops/engine_internal.h"

#define WORDS_MAX  (64u * 1024u)
#define CAUSES_MAX 200 /* that are told of a refusal */

struct status {
    cJSON *doc; /* NULL: the answer is no Status */
    const char *reason, *message;
    const cJSON *details;
};

static const char *text(const cJSON *o, const char *name)
{
    const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return s ? s : "";
}

static void read_status(const struct sa_response *r, struct status *s)
{
    *s = (struct status){.reason = "", .message = ""};
    s->doc = r->body && r->body->len ? cJSON_ParseWithLength(r->body->data, r->body->len) : NULL;
    if (s->doc && strcmp(text(s->doc, "kind"), "Status") == 0) {
        s->reason = text(s->doc, "reason");
        s->message = text(s->doc, "message");
        s->details = cJSON_GetObjectItemCaseSensitive(s->doc, "details");
    }
}

void sa_op_title(const struct sa_op *op, char *out, size_t n)
{
    const struct sa_mapping *m = &op->map;
    snprintf(out, n, "%s%s%s/%s", m->kind, *m->group ? "." : "", m->group, op->name);
    for (char *p = out; *p && *p != '.' && *p != '/'; p++)
        *p = (char)tolower((unsigned char)*p);
}

/* Reasons and messages of an answer whose body is no Status (client-go rest/request.go,
 * NewGenericServerResponse).
 */
struct generic {
    int status;
    const char *reason, *message;
};

static const struct generic *generic_of(int status)
{
    static const struct generic generics[] = {
        {400, "BadRequest", "the server rejected our request for an unknown reason"},
        {401, "Unauthorized", "the server has asked for the client to provide credentials"},
        {403, "Forbidden", "the server does not allow access to the requested resource"},
        {404, "NotFound", "the server could not find the requested resource"},
        {405, "MethodNotAllowed",
         "the server does not allow this method on the requested resource"},
        {406, "NotAcceptable",
         "the server was unable to respond with a content type that the "
         "client supports"},
        {409, "Conflict", "the server reported a conflict"},
        {410, "Gone", "the server has removed the requested resource"},
        {413, "RequestEntityTooLarge", "the request is too large"},
        {415, "UnsupportedMediaType", "the server was unable to process the media type"},
        {422, "Invalid", "the server rejected our request due to an error in our request"},
        {429, "TooManyRequests",
         "the server has received too many requests and has asked us to try again later"},
        {500, "InternalError", "an error on the server has prevented the request from succeeding"},
        {503, "ServiceUnavailable", "the server is currently unable to handle the request"},
        {504, "Timeout",
         "the server was unable to return a response in the time allotted, but may "
         "still be processing the request"},
    };
    static const struct generic other = {0, "",
                                         "the server responded with a status code but did not "
                                         "return more information"};
    for (size_t i = 0; i < sizeof generics / sizeof *generics; i++)
        if (generics[i].status == status)
            return &generics[i];
    return &other;
}

sa_op_code sa_op_status_code(int status, const char *reason)
{
    static const struct {
        const char *reason;
        sa_op_code code;
    } by_reason[] = {
        {"NotFound", SA_OP(NOT_FOUND)},
        {"Forbidden", SA_OP(FORBIDDEN)},
        {"Unauthorized", SA_OP(UNAUTHORIZED)},
        {"AlreadyExists", SA_OP(CONFLICT)},
        {"Conflict", SA_OP(CONFLICT)},
        {"Invalid", SA_OP(INVALID)},
        {"BadRequest", SA_OP(INVALID)},
        {"MethodNotAllowed", SA_OP(INVALID)},
        {"NotAcceptable", SA_OP(INVALID)},
        {"UnsupportedMediaType", SA_OP(INVALID)},
        {"RequestEntityTooLarge", SA_OP(TOO_LARGE)},
        {"TooManyRequests", SA_OP(UNAVAILABLE)},
        {"ServiceUnavailable", SA_OP(UNAVAILABLE)},
    };
    if (!*reason)
        reason = generic_of(status)->reason;
    for (size_t i = 0; i < sizeof by_reason / sizeof *by_reason; i++)
        if (strcmp(by_reason[i].reason, reason) == 0)
            return by_reason[i].code;
    return status >= 400 && status < 500 ? SA_OP(INVALID) : SA_OP(FAILED);
}

bool sa_op_status_uid(const struct sa_response *r, char *uid, size_t n)
{
    struct status s;
    read_status(r, &s);
    bool success = s.doc && strcmp(text(s.doc, "kind"), "Status") == 0;
    snprintf(uid, n, "%s", success ? text(s.details, "uid") : "");
    cJSON_Delete(s.doc);
    return success;
}

static bool told_before(const cJSON *causes, const cJSON *c)
{
    const cJSON *earlier;
    cJSON_ArrayForEach(earlier, causes)
    {
        if (earlier == c)
            break;
        if (strcmp(text(earlier, "field"), text(c, "field")) == 0 &&
            strcmp(text(earlier, "message"), text(c, "message")) == 0)
            return true;
    }
    return false;
}

/* "The Deployment "x" is invalid: spec.replicas: Invalid value: ..."; a list where there are
 * several causes. */
static void invalid(const struct status *s, const char *before, struct sa_buf *out)
{
    const cJSON *causes = cJSON_GetObjectItemCaseSensitive(s->details, "causes"), *c;
    int n = 0, seen = 0;
    const char *kind = text(s->details, "kind"), *name = text(s->details, "name");
    cJSON_ArrayForEach(c, causes)
    {
        if (seen++ < CAUSES_MAX && !told_before(causes, c))
            n++;
    }
    if (*kind || *name)
        sa_buf_addf(out, "The %s \"%s\" is invalid", kind, name);
    else
        sa_buf_addf(out, "The request is invalid%s%s%s", *s->message && !n ? ": " : "",
                    *s->message && !n ? before : "", n ? "" : s->message);
    if (n > 0)
        sa_buf_adds(out, ": ");
    seen = 0;
    cJSON_ArrayForEach(c, causes)
    {
        if (seen++ < CAUSES_MAX && !told_before(causes, c))
            sa_buf_addf(out, "%s%s: %s", n > 1 ? "\n* " : "", text(c, "field"), text(c, "message"));
    }
}

static void no_answer(const struct sa_response *r, struct sa_buf *out)
{
    const char *why = sa_err_msg(r->error);
    bool late = strstr(why, "no complete answer") || strstr(why, "nothing was received") ||
                strstr(why, "timed out");
    sa_buf_addf(out, "Unable to connect to the server: %s%s", why, late ? " (timeout)" : "");
}

/* before: what the client puts in front of the server's message. */
static void words_of(const struct sa_response *r, const char *before, struct sa_buf *out)
{
    struct status s;
    if (r->error || r->status == 0) {
        no_answer(r, out);
        return;
    }
    read_status(r, &s);
    const struct generic *generic = generic_of(r->status);
    const char *reason = *s.reason || *s.message ? s.reason : generic->reason;
    if (strcmp(s.reason, "Invalid") == 0) {
        invalid(&s, before, out);
    } else {
        if (strcmp(reason, "Unauthorized") == 0)
            sa_buf_adds(out, "error: You must be logged in to the server (");
        else
            sa_buf_addf(out, "Error from server%s%s%s: ", *reason ? " (" : "", reason,
                        *reason ? ")" : "");
        sa_buf_adds(out, before);
        sa_buf_adds(out, *s.message ? s.message : generic->message);
        if (strcmp(reason, "Unauthorized") == 0)
            sa_buf_addc(out, ')');
    }
    cJSON_Delete(s.doc);
}

void sa_op_status_words(const struct sa_response *r, const char *doing, struct sa_buf *out)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf before = {0};
    sa_buf_init(&before, WORDS_MAX);
    if (doing)
        sa_buf_addf(&before, "error when %s \"STDIN\": ", doing);
    words_of(r, before.len ? before.data : "", out);
}

/* Ends the operation by what was answered and the words that are made of it. */
static void fail_in_words(struct sa_op *op, const struct sa_response *r, const struct sa_buf *words)
{
    struct status s;
    read_status(r, &s);
    sa_op_code code = sa_op_status_code(r->status, s.reason);
    cJSON_Delete(s.doc);
    sa_op_fail(op, code, "%s", words->len ? words->data : "error: the API server refused it");
}

void sa_op_fail_response(struct sa_op *op, const struct sa_response *r, const char *doing)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    sa_buf_init(&words, WORDS_MAX);
    sa_op_status_words(r, doing, &words);
    fail_in_words(op, r, &words);
}

/* cli-runtime pkg/resource/selector.go, Visit */
void sa_op_fail_list(struct sa_op *op, const struct sa_response *r, const struct sa_mapping *m,
                     const char *label_selector, const char *field_selector)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf words = {0};
    SA_CLEANUP(sa_buf_free) struct sa_buf before = {0};
    bool selects = *label_selector || *field_selector;
    sa_buf_init(&words, WORDS_MAX);
    sa_buf_init(&before, WORDS_MAX);
    if (r->status == 400 || r->status == 404) {
        sa_buf_addf(&before, "Unable to %s \"%s/%s, Resource=%s\"", selects ? "find" : "list",
                    m->group, m->version, m->plural);
        if (selects) {
            sa_buf_adds(&before, " that match label selector ");
            sa_buf_add_json(&before, label_selector);
            sa_buf_adds(&before, ", field selector ");
            sa_buf_add_json(&before, field_selector);
        }
        sa_buf_adds(&before, ": ");
    }
    words_of(r, before.len && !before.failed ? before.data : "", &words);
    fail_in_words(op, r, &words);
}
