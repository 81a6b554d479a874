/* SPDX-License-Identifier: Apache-2.0 */
/* What an exec plugin writes: its answer, and its complaints. */
#include <stdlib.h>
#include <string.h>

#include "worker/exec_client.h"
#include "worker/exec_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct sa_exec_credential c;
    struct sa_err *err = NULL;
    char line[64];
    int rc = sa_exec_credential_parse(p, n, "client.authentication.k8s.io/v1", &c, &err);
    if ((rc != 0) != (err != NULL))
        abort();
    if (rc == 0) {
        if (c.token.n == 0 && c.cert.n == 0)
            abort();
        if (c.token.n > 0 && strpbrk(c.token.p, "\r\n") != NULL)
            abort();
        sa_exec_credential_free(&c);
    }
    sa_err_free(&err);
    sa_exec_last_line((const char *)p, n, line, sizeof(line));
    for (const char *q = line; *q != '\0'; q++) {
        if (*q < ' ' || *q > '~')
            abort();
    }
    return 0;
}
