/* SPDX-License-Identifier: Apache-2.0 */
/* What scrubbing makes of objects that are no Secrets, and what it reads from them. */
#include "worker_bytes_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/scrub.h"
#include "worker_bytes_oracle.h"

static const struct sa_scrub_options pod = {.api_version = "v1", .kind = "Pod"};

/* The result of one scrubbing, of a copy that ends with the text. */
struct result {
    int r;
    enum sa_code code;
    char why[300];
    struct sa_buf out;
    struct sa_object o;
};

static struct result scrub_n(const char *json, size_t n, const struct sa_scrub_options *opt)
{
    struct result r = {0};
    struct sa_err *err = NULL;
    char *copy = malloc(n + 1);
    ck_assert_ptr_nonnull(copy);
    memcpy(copy + 1, json, n);
    sa_buf_init(&r.out, 0);
    ck_assert_int_eq(sa_buf_adds(&r.out, "before "), 0);
    r.r = sa_scrub(copy + 1, n, opt, &r.out, &r.o, &err);
    if (r.r != 0) {
        ck_assert_ptr_nonnull(err);
        ck_assert_str_eq(r.out.data, "before "); /* nothing is appended on error */
        r.code = err->code;
        snprintf(r.why, sizeof(r.why), "%s", sa_err_msg(err));
    }
    ck_assert_int_eq(strncmp(r.out.data, "before ", 7), 0);
    ck_assert_uint_eq(strlen(r.out.data), r.out.len);
    sa_buf_drop(&r.out, 7);
    sa_err_free(&err);
    free(copy);
    return r;
}

static struct result scrub(const char *json, const struct sa_scrub_options *opt)
{
    return scrub_n(json, strlen(json), opt);
}

static const struct {
    const char *json, *result;
} cases[] = {
    /* kind and apiVersion: put in, moved to the front, the object's own count */
    {"{\"metadata\":{\"name\":\"x\"}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}"},
    {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"a\":1}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"a\":1}"},
    {"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}"},
    {"{\"metadata\":{\"name\":\"x\"},\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"}",
     "{\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\",\"metadata\":{\"name\":\"x\"}}"},
    {"{\"metadata\":{\"name\":\"x\"},\"kind\":null,\"apiVersion\":\"\"}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}"},
    {"{\"k\\u0069nd\":\"Node\",\"metadata\":{\"name\":\"x\"}}",
     "{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}"},
    {"{\"a\":{\"kind\":\"x\",\"apiVersion\":1},\"metadata\":{\"name\":\"x\"}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"a\":{\"kind\":\"x\",\"apiVersion\":1},"
     "\"metadata\":{\"name\":\"x\"}}"},
    /* managedFields: first, in the middle, last, alone with the name */
    {"{\"metadata\":{\"managedFields\":[{\"f:a\":{}}],\"name\":\"x\",\"b\":1}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\",\"b\":1}}"},
    {"{\"metadata\":{\"name\":\"x\",\"managedFields\":[{\"f:a\":{}}],\"b\":1}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\",\"b\":1}}"},
    {"{\"metadata\":{\"name\":\"x\",\"b\":1,\"managedFields\":[{\"f:a\":{}}]}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\",\"b\":1}}"},
    {"{\"metadata\":{\"managed\\u0046ields\":1,\"managedFields\":2,\"name\":\"x\"}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}"},
    {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"managedFields\":[1],\"metadata\":"
     "{\"managedFields\":[2]}}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"spec\":"
     "{\"managedFields\":[1],\"metadata\":{\"managedFields\":[2]}}}"},
    /* data of what is no Secret stays */
    {"{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"b\"},\"stringData\":{}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},"
     "\"data\":{\"a\":\"b\"},\"stringData\":{}}"},
    /* white space goes, between tokens only */
    {" \n{ \"metadata\" : { \"managedFields\" : [ ] , \"name\" : \"a b\\n\" , \"c\" : [ 1 , 2 , "
     "{ } , [ ] ] } \t}\r\n",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a b\\n\",\"c\":"
     "[1,2,{},[]]}}"},
    {"{ \"a\" : 1 , \"kind\" : \"Pod\" , \"metadata\" : { \"name\" : \"x\" , \"managedFields\" : 1 "
     "} "
     ", \"apiVersion\" : \"v1\" }",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"a\":1,\"metadata\":{\"name\":\"x\"}}"},
    /* of duplicates the last counts, at each level and however it is written */
    {"{\"a\":1,\"metadata\":{\"name\":\"x\"},\"a\":2}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},\"a\":2}"},
    {"{\"metadata\":{\"name\":\"x\",\"n\\u0061me\":\"y\",\"b\":{\"c\":1,\"d\":2,\"c\":3}}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"n\\u0061me\":\"y\",\"b\":"
     "{\"d\":2,\"c\":3}}}"},
    {"{\"metadata\":{\"name\":\"x\",\"uid\":\"u\"},\"metadata\":{\"name\":\"y\"}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"y\"}}"},
    {"{\"metadata\":5,\"metadata\":{\"name\":\"y\"},\"b\":{\"c\":[{\"d\":1,\"d\":1,\"d\":1}]}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"y\"},\"b\":{\"c\":"
     "[{\"d\":1}]}}"},
    {"{\"metadata\":{\"name\":5},\"metadata\":{\"name\":6,\"name\":\"y\"}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"y\"}}"},
    {"{\"kind\":\"A\",\"metadata\":{\"name\":\"y\"},\"kind\":\"B\"}",
     "{\"kind\":\"B\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"y\"}}"},
    {"{\"metadata\":{\"name\":\"x\",\"managedFields\":[1]},\"metadata\":{\"name\":\"y\","
     "\"managedFields\":[2]}}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"y\"}}"},
    /* numbers keep their spelling */
    {"{\"metadata\":{\"name\":\"x\"},\"a\":[1.0,12345678901234567890,1E5,-0]}",
     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"},"
     "\"a\":[1.0,12345678901234567890,1E5,-0]}"},
};

START_TEST(cuts_and_copies)
{
    struct result r = scrub(cases[_i].json, &pod);
    ck_assert_msg(r.r == 0, "%s: %s", cases[_i].json, r.why);
    ck_assert_str_eq(r.out.data, cases[_i].result);
    const char *wrong =
        oracle_compare(cases[_i].json, strlen(cases[_i].json), &pod, r.out.data, r.out.len);
    ck_assert_msg(wrong == NULL, "%s", wrong);
    sa_buf_free(&r.out);
}
END_TEST

START_TEST(cutting_leaves_no_comma)
{
    /* Every order of what stays (s), a member that goes (m) and the name, with and without space.
     */
    static const char *const orders[] = {"m",   "mm",  "sm",   "ms",  "msm",
                                         "smm", "mms", "smsm", "mssm"};
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        for (int spaces = 0; spaces < 2; spaces++) {
            const char *sp = spaces ? " " : "";
            char json[400], want[400];
            size_t n = 0, w = 0;
            for (const char *c = orders[i]; *c != '\0'; c++) {
                bool goes = *c == 'm';
                n += (size_t)snprintf(json + n, sizeof(json) - n, "%s%s\"%s\"%s:%s%d",
                                      n > 0 ? "," : "", sp, goes ? "managedFields" : "s", sp, sp,
                                      (int)(c - orders[i]));
                (void)goes;
            }
            /* The last s is what stays of them. */
            const char *last = strrchr(orders[i], 's');
            w = last != NULL
                    ? (size_t)snprintf(want, sizeof(want), "\"s\":%d,", (int)(last - orders[i]))
                    : 0;
            want[w] = '\0';
            char object[600], result[600];
            snprintf(object, sizeof(object), "{\"metadata\":{%s%s,%s\"name\":\"x\"%s}}", json, sp,
                     sp, sp);
            snprintf(result, sizeof(result),
                     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{%s\"name\":\"x\"}}",
                     want);
            struct result r = scrub(object, &pod);
            ck_assert_msg(r.r == 0, "%s: %s", object, r.why);
            ck_assert_str_eq(r.out.data, result);
            sa_buf_free(&r.out);
            snprintf(object, sizeof(object), "{\"metadata\":{\"name\":\"x\"%s,%s%s%s}}", sp, sp,
                     json, sp);
            if (w > 0) {
                want[w - 1] = '\0';
            }
            snprintf(result, sizeof(result),
                     "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"%s%s}}",
                     w > 0 ? "," : "", want);
            r = scrub(object, &pod);
            ck_assert_str_eq(r.out.data, result);
            sa_buf_free(&r.out);
        }
    }
}
END_TEST

static const struct {
    const char *json;
    enum sa_code code;
    const char *why; /* part of the message */
} refused[] = {
    {"", SA_EPROTOCOL, "not an object"},
    {"[]", SA_EPROTOCOL, "not an object"},
    {"\"a\"", SA_EPROTOCOL, "not an object"},
    {"{", SA_EPROTOCOL, "name of a member"},
    {"{}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":{}}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":[]}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":null}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":{\"name\":\"\"}}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":{\"name\":null}}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":{\"name\":7}}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":{\"name\":\"a\\u0000b\"}}", SA_EPROTOCOL, "metadata.name"},
    {"{\"spec\":{\"name\":\"x\"}}", SA_EPROTOCOL, "metadata.name"},
    {"{\"metadata\":{\"name\":\"x\",\"namespace\":{}}}", SA_EPROTOCOL, "metadata.namespace"},
    {"{\"metadata\":{\"name\":\"x\",\"resourceVersion\":12}}", SA_EPROTOCOL,
     "metadata.resourceVersion"},
    {"{\"metadata\":{\"name\":\"x\"},\"kind\":{}}", SA_EPROTOCOL, "kind"},
    {"{\"metadata\":{\"name\":\"x\"}}x", SA_EPROTOCOL, "something follows"},
    {"{\"metadata\":{\"name\":\"x\"}}{}", SA_EPROTOCOL, "something follows"},
    {"{\"metadata\":{\"name\":\"x\"},}", SA_EPROTOCOL, "name of a member"},
    {"{\"metadata\":{\"name\":\"x\",\"managedFields\":[1,]}}", SA_EPROTOCOL, "byte"},
    {"{\"metadata\":{\"name\":\"x\"},\"a\":[}", SA_EPROTOCOL, "byte"},
    {"{\"metadata\":{\"name\":\"x\"},\"a\":[1", SA_EPROTOCOL, "byte"},
    {"{\"metadata\":{\"name\":\"x\"},\"a\":\"\xff\"}", SA_EPROTOCOL, "UTF-8"},
    {"{\"metadata\":{\"name\":\"x\",\"uid\":\"0123456789012345678901234567890123456789012345678\"}"
     "}",
     SA_ELIMIT, "metadata.uid"},
};

START_TEST(refuses)
{
    struct result r = scrub(refused[_i].json, &pod);
    ck_assert_msg(r.r == -1, "%s", refused[_i].json);
    ck_assert_int_eq(r.code, refused[_i].code);
    ck_assert_msg(strstr(r.why, refused[_i].why) != NULL, "%s", r.why);
    sa_buf_free(&r.out);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
    static const char whole[] =
        " { \"metadata\" : {\"name\":\"x\",\"managedFields\":[{\"a\":\"\\u0041\"}]},\"b\":[1.5e3,tr"
        "ue,null,{\"c\":{}}] , \"kind\":\"Pod\" }";
    struct result r = scrub_n(whole, sizeof(whole) - 1, &pod);
    ck_assert_int_eq(r.r, 0);
    sa_buf_free(&r.out);
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        r = scrub_n(whole, n, &pod);
        ck_assert_int_eq(r.r, -1);
        sa_buf_free(&r.out);
    }
}
END_TEST

START_TEST(names_fit_or_are_refused)
{
    char name[300], json[500];
    for (size_t n = 252; n <= 256; n++) {
        memset(name, 'n', n);
        name[n] = '\0';
        snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"}}", name);
        struct result r = scrub(json, &pod);
        ck_assert_int_eq(r.r, n <= 253 ? 0 : -1);
        if (r.r == 0) {
            ck_assert_str_eq(r.o.name, name);
        } else {
            ck_assert_int_eq(r.code, SA_ELIMIT);
        }
        sa_buf_free(&r.out);
    }
}
END_TEST

START_TEST(nesting_goes_to_512)
{
    for (size_t depth = 510; depth <= 513; depth++) {
        struct sa_buf b;
        sa_buf_init(&b, 0);
        sa_buf_adds(&b, "{\"metadata\":{\"name\":\"x\"},\"a\":");
        for (size_t i = 1; i < depth; i++) { /* the object itself is the first */
            sa_buf_adds(&b, i % 2 ? "[" : "{\"b\":");
        }
        sa_buf_adds(&b, "1");
        for (size_t i = depth - 1; i >= 1; i--) {
            sa_buf_adds(&b, i % 2 ? "]" : "}");
        }
        sa_buf_adds(&b, "}");
        struct result r = scrub_n(b.data, b.len, &pod);
        ck_assert_msg(r.r == (depth <= 512 ? 0 : -1), "%zu: %s", depth, r.why);
        struct sa_scrub_options metadata = pod;
        struct sa_object o;
        metadata.metadata_only = true;
        ck_assert_int_eq(sa_scrub(b.data, b.len, &metadata, NULL, &o, NULL), 0);
        ck_assert_str_eq(o.name, "x");
        sa_buf_free(&r.out);
        sa_buf_free(&b);
    }
}
END_TEST

START_TEST(reads_what_the_worker_needs)
{
    struct result r = scrub(
        "{\"metadata\":{\"name\":\"n\\u0061me\",\"namespace\":\"ns\",\"uid\":\"u-1\","
        "\"resourceVersion\":\"18446744\",\"annotations\":{\"moniker.spinnaker.io/application\":"
        "\"app\",\"caching.spinnaker.io\\/ignore\":\"true\",\"k8s.io/"
        "initial-events-end\":\"true\"}}}",
        &pod);
    ck_assert_int_eq(r.r, 0);
    ck_assert_str_eq(r.o.name, "name");
    ck_assert_str_eq(r.o.namespace, "ns");
    ck_assert_str_eq(r.o.uid, "u-1");
    ck_assert_str_eq(r.o.resource_version, "18446744");
    ck_assert_uint_eq(r.o.version, 18446744);
    ck_assert(r.o.has_application && r.o.ignored && r.o.initial_events_end);
    sa_buf_free(&r.out);
    r = scrub("{\"metadata\":{\"name\":\"x\",\"namespace\":null,\"resourceVersion\":\"abc\","
              "\"annotations\":{\"moniker.spinnaker.io/application\":\"\","
              "\"caching.spinnaker.io/ignore\":\"false\",\"k8s.io/initial-events-end\":true}},"
              "\"annotations\":{\"caching.spinnaker.io/ignore\":\"true\"},\"spec\":{\"metadata\":"
              "{\"name\":\"y\",\"annotations\":{\"moniker.spinnaker.io/application\":\"a\"}}}}",
              &pod);
    ck_assert_int_eq(r.r, 0);
    ck_assert_str_eq(r.o.name, "x");
    ck_assert_str_eq(r.o.namespace, "");
    ck_assert_str_eq(r.o.uid, "");
    ck_assert_uint_eq(r.o.version, 0);
    ck_assert(!r.o.has_application && !r.o.ignored && !r.o.initial_events_end);
    sa_buf_free(&r.out);
}
END_TEST

START_TEST(metadata_only_fills_the_object)
{
    struct sa_scrub_options opt = pod;
    struct sa_object o;
    static const char bookmark[] =
        "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"12\","
        "\"creationTimestamp\":null,\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}},"
        "\"spec\":{\"containers\":null},\"status\":{}}";
    opt.metadata_only = true;
    ck_assert_int_eq(sa_scrub(bookmark, sizeof(bookmark) - 1, &opt, NULL, &o, NULL), 0);
    ck_assert_str_eq(o.name, "");
    ck_assert_uint_eq(o.version, 12);
    ck_assert(o.initial_events_end);
    static const char partial[] =
        "{\"metadata\":{\"name\":\"a\"},\"x\":[{}],\"metadata\":{\"name\":"
        "\"b\",\"uid\":\"u\"}}";
    ck_assert_int_eq(sa_scrub(partial, sizeof(partial) - 1, &opt, NULL, &o, NULL), 0);
    ck_assert_str_eq(o.name, "b");
    ck_assert_int_eq(sa_scrub(partial, sizeof(partial) - 2, &opt, NULL, &o, NULL), -1);
}
END_TEST

START_TEST(digest_leaves_the_version_out)
{
    /* Each place that resourceVersion can have, against the same object without it. */
    static const struct {
        const char *with, *without;
    } pairs[] = {
        {"{\"metadata\":{\"resourceVersion\":\"1\",\"name\":\"x\"}}",
         "{\"metadata\":{\"name\":\"x\"}}"},
        {"{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\"}}",
         "{\"metadata\":{\"name\":\"x\"}}"},
        {"{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\",\"a\":1}}",
         "{\"metadata\":{\"name\":\"x\",\"a\":1}}"},
        {"{\"metadata\":{\"resourceVersion\":\"1\",\"managedFields\":1,\"name\":\"x\"}}",
         "{\"metadata\":{\"name\":\"x\"}}"},
        {"{\"metadata\":{\"managedFields\":1,\"resourceVersion\":\"1\",\"managedFields\":1,"
         "\"name\":"
         "\"x\"},\"b\":2}",
         "{\"metadata\":{\"name\":\"x\"},\"b\":2}"},
        {"{\"metadata\":{\"name\":\"x\" , \"resourceVersion\" : \"1\" }}",
         "{\"metadata\":{\"name\":\"x\"}}"},
        {"{ \"metadata\" : { \"resourceVersion\" : \"1\" , \"managedFields\" : 1 , "
         "\"name\":\"x\"}}",
         "{\"metadata\":{\"name\":\"x\"}}"},
        {"{\"metadata\":{\"resourceVersion\":null,\"name\":\"x\"}}",
         "{\"metadata\":{\"name\":\"x\"}}"},
        {"{\"metadata\":{\"resourceVersion\":\"1\",\"name\":\"x\",\"resourceVersion\":\"2\"}}",
         "{\"metadata\":{\"name\":\"x\"}}"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct result a = scrub(pairs[i].with, &pod), b = scrub(pairs[i].without, &pod);
        struct sa_digest_state s;
        struct sa_digest d;
        sa_digest_start(&s);
        sa_digest_add(&s, b.out.data, b.out.len);
        sa_digest_end(&s, &d);
        ck_assert_int_eq(a.r, 0);
        ck_assert_msg(sa_digest_equal(&b.o.digest, &d), "%s", pairs[i].without);
        ck_assert_msg(sa_digest_equal(&a.o.digest, &d), "%s", pairs[i].with);
        ck_assert_ptr_nonnull(strstr(a.out.data, "resourceVersion"));
        sa_buf_free(&a.out);
        sa_buf_free(&b.out);
    }
}
END_TEST

/* The pod of worker_bytes_pod.json. */
static char *read_pod(size_t *n)
{
    FILE *f = fopen("worker_bytes_pod.json", "r");
    char *text = malloc(8192);
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(text);
    *n = fread(text, 1, 8192, f);
    fclose(f);
    ck_assert_uint_gt(*n, 3000);
    return text;
}

static struct result scrub_replaced(const char *json, const char *from, const char *to)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    const char *at = strstr(json, from);
    ck_assert_ptr_nonnull(at);
    sa_buf_add(&b, json, (size_t)(at - json));
    sa_buf_adds(&b, to);
    sa_buf_adds(&b, at + strlen(from));
    struct result r = scrub_n(b.data, b.len, &pod);
    ck_assert_msg(r.r == 0, "%s", r.why);
    sa_buf_free(&b);
    return r;
}

START_TEST(a_pod_has_one_digest)
{
    static const struct {
        const char *from, *to;
        bool same, same_bytes;
    } changes[] = {
        /* as an item of a list has it */
        {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",", "{", true, true},
        {"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",", "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",",
         true, true},
        {"\"spec\":{", "\n  \"spec\" : { ", true, true},
        {"\"manager\":\"kubelet\"", "\"manager\":\"other\"", true, true},
        {"\"resourceVersion\":\"48213377\"", "\"resourceVersion\":\"48213378\"", true, false},
        {"\"phase\":\"Running\"", "\"phase\":\"Failed\"", false, false},
        {"\"app\":\"orders\",", "", false, false},
        {"\"restartCount\":0", "\"restartCount\":1", false, false},
        {"1b9f6f0e", "1b9f6f0f", false, false},
        {"\"kind\":\"Pod\"", "\"kind\":\"Pods\"", false, false},
    };
    size_t n;
    char *text = read_pod(&n);
    text[n] = '\0';
    struct result first = scrub_n(text, n, &pod);
    ck_assert_msg(first.r == 0, "%s", first.why);
    ck_assert_str_eq(first.o.name, "orders-7d9c5b8f4d-x2k9q");
    ck_assert_ptr_null(strstr(first.out.data, "managedFields"));
    const char *wrong = oracle_compare(text, n, &pod, first.out.data, first.out.len);
    ck_assert_msg(wrong == NULL, "%s", wrong);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct result r = scrub_replaced(text, changes[i].from, changes[i].to);
        ck_assert_msg(sa_digest_equal(&r.o.digest, &first.o.digest) == changes[i].same, "%s",
                      changes[i].to);
        ck_assert_int_eq(strcmp(r.out.data, first.out.data) == 0, changes[i].same_bytes);
        sa_buf_free(&r.out);
    }
    /* What was scrubbed once stays as it is. */
    struct result again = scrub_n(first.out.data, first.out.len, &pod);
    ck_assert_str_eq(again.out.data, first.out.data);
    ck_assert(sa_digest_equal(&again.o.digest, &first.o.digest));
    sa_buf_free(&again.out);
    sa_buf_free(&first.out);
    free(text);
}
END_TEST

START_TEST(many_members_and_many_duplicates)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    sa_buf_adds(&b, "{\"metadata\":{\"name\":\"x\"},\"data\":{");
    for (int i = 0; i < 3000; i++) {
        sa_buf_addf(&b, "\"key-%d\":%d,", i % 1000, i);
    }
    sa_buf_adds(&b, "\"end\":0}}");
    struct result r = scrub_n(b.data, b.len, &pod);
    ck_assert_int_eq(r.r, 0);
    ck_assert_ptr_nonnull(strstr(r.out.data, "\"data\":{\"key-0\":2000,\"key-1\":2001,"));
    const char *wrong = oracle_compare(b.data, b.len, &pod, r.out.data, r.out.len);
    ck_assert_msg(wrong == NULL, "%s", wrong);
    sa_buf_free(&r.out);
    sa_buf_free(&b);
}
END_TEST

START_TEST(a_bounded_buffer_is_kept)
{
    static const char json[] = "{\"metadata\":{\"name\":\"x\",\"managedFields\":"
                               "\"0123456789012345678901234567890123456789012345678901234567\"}}";
    static const size_t needed =
        sizeof("{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}") - 1;
    for (size_t max = needed - 1; max <= needed; max++) {
        struct sa_buf out;
        struct sa_object o;
        struct sa_err *err = NULL;
        sa_buf_init(&out, max);
        int r = sa_scrub(json, sizeof(json) - 1, &pod, &out, &o, &err);
        ck_assert_int_eq(r, max == needed ? 0 : -1);
        ck_assert_uint_eq(out.len, max == needed ? needed : 0);
        ck_assert(r == 0 || err->code == SA_ELIMIT);
        sa_err_free(&err);
        sa_buf_free(&out);
    }
}
END_TEST

START_TEST(a_hostile_kind_of_discovery_is_refused)
{
    struct sa_scrub_options opt = {.api_version = "v1", .kind = "Po\",\"x\":\"d"};
    struct result r = scrub("{\"metadata\":{\"name\":\"x\"}}", &opt);
    ck_assert_int_eq(r.r, -1);
    sa_buf_free(&r.out);
    opt = (struct sa_scrub_options){.api_version = "v1"};
    r = scrub("{\"metadata\":{\"name\":\"x\"}}", &opt);
    ck_assert_int_eq(r.r, -1);
    sa_buf_free(&r.out);
}
END_TEST

TCase *worker_bytes_scrub_cases(void)
{
    TCase *t = tcase_create("scrub");
    tcase_add_loop_test(t, cuts_and_copies, 0, sizeof(cases) / sizeof(cases[0]));
    tcase_add_test(t, cutting_leaves_no_comma);
    tcase_add_loop_test(t, refuses, 0, sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(t, every_truncation_is_refused);
    tcase_add_test(t, names_fit_or_are_refused);
    tcase_add_test(t, nesting_goes_to_512);
    tcase_add_test(t, reads_what_the_worker_needs);
    tcase_add_test(t, metadata_only_fills_the_object);
    tcase_add_test(t, digest_leaves_the_version_out);
    tcase_add_test(t, a_pod_has_one_digest);
    tcase_add_test(t, many_members_and_many_duplicates);
    tcase_add_test(t, a_bounded_buffer_is_kept);
    tcase_add_test(t, a_hostile_kind_of_discovery_is_refused);
    return t;
}
