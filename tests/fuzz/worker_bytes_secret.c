/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets of every shape, made by the input's choices: nothing secret may be left in the result. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct sa_scrub_options options[] = {
        {.api_version = "v1", .kind = "Secret"},
        {.api_version = "v1", .kind = "ConfigMap"},
    };
    if (size == 0) {
        return 0;
    }
    const struct sa_scrub_options *opt = &options[data[0] & 1];
    struct sa_buf json, out;
    struct sa_object o;
    sa_buf_init(&json, 0);
    sa_buf_init(&out, 0);
    oracle_secret_object(data + 1, size - 1, &json);
    const char *wrong = NULL;
    if (sa_scrub(json.data, json.len, opt, &out, &o, NULL) != 0) {
        wrong = "a Secret is refused";
    } else if (strstr(out.data, ORACLE_SECRET) != NULL) {
        wrong = "something secret is left";
    } else {
        wrong = oracle_compare(json.data, json.len, opt, out.data, out.len);
    }
    if (wrong != NULL) {
        fprintf(stderr, "%s\nobject: %s\nresult: %s\n", wrong, json.data, out.data);
        abort();
    }
    sa_buf_free(&json);
    sa_buf_free(&out);
    return 0;
}
