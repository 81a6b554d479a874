/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI document of an API server, any bytes in pieces of any size: it is refused, or a
 * schema comes of it, and the pieces make no difference. */
#include <stdlib.h>

#include "worker/ops/openapi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -1 refused, 0 no schema, else its bytes. */
static long read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_openapi *o = sa_openapi_new("example.com/v1", "Thing", &err);
    struct sa_schema *schema = NULL;
    long found = 0;
    int rc = 0;

    if (!o)
        abort();
    while (size > 0 && rc == 0) {
        size_t n = piece < size ? piece : size;

        rc = sa_openapi_feed(o, data, n, &err);
        data += n;
        size -= n;
    }
    if (rc < 0 || sa_openapi_finish(o, &schema, &err) < 0)
        found = -1;
    if ((found < 0) != (err != NULL))
        abort();
    if (schema)
        found = (long)sa_schema_bytes(schema);
    sa_schema_free(schema);
    sa_openapi_free(o);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (read_in_pieces(data + 1, size - 1, 1u + data[0] % 64) !=
        read_in_pieces(data + 1, size - 1, size))
        abort();
    return 0;
}
