/* SPDX-License-Identifier: Apache-2.0 */
#include "uplink/operations.h"

#include "proto/scale_agent.pb-c.h"
#include "uplink/pbwire.h"

/* Fields of Operation and OperationResult in proto/scale_agent.proto. */
enum { OPERATION_ID = 1, RESULT_LAST = 6 };

void sa_operations_reset(struct sa_operations *o)
{
    *o = (struct sa_operations){0};
}

void sa_operations_begin(struct sa_operations *o)
{
    o->under_way++;
}

int sa_operations_result(struct sa_operations *o, const void *p, size_t n, struct sa_err **err)
{
    const uint8_t *at = p, *end = at + n;
    struct sa_pb_field f;
    bool last = false;
    int rc;

    while ((rc = sa_pb_next(&at, end, &f)) > 0)
        if (f.number == RESULT_LAST && f.type == SA_PB_VARINT)
            last = f.value != 0;
    if (rc < 0)
        return sa_err_set(err, SA_EPROTOCOL, "a result of %zu bytes is malformed", n);
    if (o->sent + n - o->left > SA_OPERATIONS_RESULTS)
        return sa_err_set(err, SA_ELIMIT, "more than %u bytes of results wait to be sent",
                          SA_OPERATIONS_RESULTS);
    o->sent += n;
    if (last && o->under_way > 0)
        o->under_way--;
    return 0;
}

bool sa_operations_left(struct sa_operations *o, size_t n)
{
    o->left += n < o->sent - o->left ? n : o->sent - o->left;
    if (o->left - o->told < SA_OPERATIONS_TELL)
        return false;
    o->told = o->left;
    return true;
}

int sa_operations_refuse(const void *p, size_t n, const char *why, struct sa_buf *out)
{
    Scaleagent__V1__OperationResult m = SCALEAGENT__V1__OPERATION_RESULT__INIT;
    const uint8_t *at = p, *end = at + n;
    struct sa_pb_field f;

    while (sa_pb_next(&at, end, &f) > 0)
        if (f.number == OPERATION_ID && f.type == SA_PB_BYTES)
            m.id = (ProtobufCBinaryData){f.n, (uint8_t *)(uintptr_t)f.p};
    m.code = SCALEAGENT__V1__OPERATION_RESULT__CODE__UNAVAILABLE;
    m.message = (char *)(uintptr_t)why;
    m.last = true;
    m.retriable = true;
    size_t size = scaleagent__v1__operation_result__get_packed_size(&m);

    if (sa_buf_reserve(out, size) < 0)
        return -1;
    out->len += scaleagent__v1__operation_result__pack(&m, (uint8_t *)out->data + out->len);
    out->data[out->len] = '\0';
    return 0;
}
