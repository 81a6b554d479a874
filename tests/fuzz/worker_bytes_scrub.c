/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an object: what is accepted comes to what cJSON's tree comes to, and scrubbing it
 * once more changes nothing. The first byte chooses the options. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tests/unit/worker_bytes_oracle.h"
#include "worker/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    sa_hash_init();
    return 0;
}

static _Noreturn void fail(const char *why, const struct sa_buf *out)
{
    fprintf(stderr, "%s\nresult: %s\n", why, out->data);
    abort();
}

static void again(const struct sa_buf *out, const struct sa_object *o,
                  const struct sa_scrub_options *opt)
{
    struct sa_buf twice;
    struct sa_object p;
    sa_buf_init(&twice, 0);
    if (sa_scrub(out->data, out->len, opt, &twice, &p, NULL) != 0 || twice.len != out->len ||
        memcmp(twice.data, out->data, out->len) != 0 || !sa_digest_equal(&p.digest, &o->digest)) {
        fail("the result is not stable", out);
    }
    sa_buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sa_scrub_options options[] = {
        {.api_version = "v1", .kind = "Pod"},
        {.api_version = "v1", .kind = "Secret"},
        {.api_version = "apps/v1", .kind = "Deployment"},
    };
    if (size == 0) {
        return 0;
    }
    struct sa_scrub_options opt = options[data[0] % 3];
    const char *json = (const char *)data + 1;
    size_t n = size - 1;
    struct sa_buf out;
    struct sa_object o, meta;
    struct sa_err *err = NULL;
    sa_buf_init(&out, 0);
    int r = sa_scrub(json, n, &opt, &out, &o, &err);
    if (r == 0) {
        const char *wrong =
            oracle_can_judge(json, n) ? oracle_compare(json, n, &opt, out.data, out.len) : NULL;
        if (wrong != NULL) {
            fail(wrong, &out);
        }
        again(&out, &o, &opt);
        opt.metadata_only = true;
        if (sa_scrub(json, n, &opt, NULL, &meta, NULL) != 0 ||
            memcmp(meta.name, o.name, sizeof(o.name)) != 0 || meta.version != o.version ||
            meta.has_application != o.has_application) {
            fail("metadata only tells something else", &out);
        }
    } else if (out.len != 0 || err == NULL) {
        abort();
    }
    sa_err_free(&err);
    sa_buf_free(&out);
    return 0;
}
