/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a sealed file, as the key that is to open it, and as the key that it is sealed for.
 * Nobody without the key makes a file that opens, so what opens is what was sealed here. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/seal.h"

#define PLAIN "apiVersion: v1\nkind: Config\n"

static struct sa_buf secret, public, sealed;

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void make(void)
{
    sa_buf_init(&secret, 0);
    sa_buf_init(&public, 0);
    sa_buf_init(&sealed, 0);
    if (sa_seal_make_key(&secret, &public, NULL) != 0 ||
        sa_seal(public.data, public.len, PLAIN, strlen(PLAIN), &sealed, NULL) != 0)
        abort();
}

/* -1 must come with an error, 0 without. */
static void check(int rc, struct sa_err **err)
{
    if ((rc != 0) != (*err != NULL))
        abort();
    sa_err_free(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct sa_err *err = NULL;
    const char *text = (const char *)p;
    size_t got = 0;
    struct sa_buf again;
    if (sealed.data == NULL)
        make();
    char *out = malloc(n + sealed.len);
    if (out == NULL)
        abort();
    int rc = sa_seal_open(secret.data, secret.len, text, n, out, &got, &err);
    check(rc, &err);
    if (rc == 0 && (got != strlen(PLAIN) || memcmp(out, PLAIN, got) != 0))
        abort();
    rc = sa_seal_open(text, n, sealed.data, sealed.len, out, &got, &err);
    check(rc, &err);
    sa_buf_init(&again, 0);
    check(sa_seal(text, n, PLAIN, strlen(PLAIN), &again, &err), &err);
    sa_buf_free(&again);
    free(out);
    return 0;
}
