/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a reference to a secret: what is taken has what its engine needs, and nothing in it
 * that could change the request that it becomes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/secret_ref.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void check(const char *value)
{
    for (const char *c = value; c != NULL && *c != '\0'; c++) {
        if (*c <= ' ' || *c > '~' || *c == '!')
            abort();
    }
    if (value != NULL && (*value == '\0' || strcmp(value, "..") == 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct sa_secret_ref r;
    struct sa_err *err = NULL;
    char *text = malloc(n + 1);
    if (text == NULL)
        abort();
    if (n > 0)
        memcpy(text, p, n);
    text[n] = '\0';
    int rc = sa_secret_ref_parse(text, &r, &err);
    if ((rc != 0) != (err != NULL))
        abort();
    if (rc == 0) {
        const char *region_or = r.region != NULL ? r.region : "";
        if (r.name == NULL || strpbrk(region_or, "/:@.?#") != NULL)
            abort();
        /* The name of AWS's secret goes into JSON, the others into a URL. */
        if (r.engine != SA_SECRET_AWS && (r.name[0] == '/' || strstr(r.name, "/../") != NULL))
            abort();
        check(r.name);
        check(r.key);
        check(r.namespace);
        check(r.mount);
        check(r.bucket);
    }
    sa_secret_ref_free(&r);
    sa_err_free(&err);
    free(text);
    return 0;
}
