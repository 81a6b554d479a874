/* SPDX-License-Identifier: Apache-2.0 */
/* What the uplink looks at in replies: any bytes; and what it holds is always an acknowledgement
 * that it got. */
#include <stdlib.h>
#include <string.h>

#include "uplink/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sa_relay r = {0};
    const uint8_t *held = NULL;
    size_t held_len = 0;
    uint64_t now = 1;

    while (size > 0) {
        size_t n = data[0] < size - 1 ? data[0] : size - 1;

        if (!sa_relay_reply(&r, data + 1, n, now)) {
            held = data + 1;
            held_len = n;
        }
        sa_relay_sent(&r, (uint32_t)n);
        now += SA_RELAY_HOLD / 3;
        if (r.due_ns != 0 && (r.held_len != held_len || memcmp(r.held, held, held_len) != 0))
            abort();
        sa_relay_due(&r, now, (data[0] & 1) != 0);
        data += 1 + n;
        size -= 1 + n;
    }
    sa_relay_unacked(&r);
    return 0;
}
