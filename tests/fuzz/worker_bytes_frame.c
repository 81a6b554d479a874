/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a list or a watch: pieces of any sizes give what one piece gives. The first bytes
 * choose the form and the sizes. */
#include <stdlib.h>
#include <string.h>

#include "worker/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OBJECT 300

static int on_item(void *arg, const char *json, size_t n, struct sa_err **err)
{
    (void)err;
    sa_buf_addc(arg, 'i');
    sa_buf_add(arg, json, n);
    return n <= MAX_OBJECT && n >= 2 && json[0] == '{' && json[n - 1] == '}' ? 0 : (abort(), -1);
}

static int on_meta(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct sa_list_meta m;
    (void)err;
    sa_buf_addc(arg, 'm');
    sa_buf_add(arg, json, n);
    if (sa_list_meta_parse(json, n, &m, NULL) == 0) {
        free(m.continue_token);
    }
    return 0;
}

/* Sizes of pieces come from choices[0, n) in turn; n is 0: one piece. Adds what went wrong to seen.
 */
static void feed(bool list, const uint8_t *bytes, size_t size, const uint8_t *choices, size_t n,
                 struct sa_buf *seen)
{
    struct sa_frame *f = list ? sa_frame_list(MAX_OBJECT, on_item, on_meta, seen)
                              : sa_frame_watch(MAX_OBJECT, on_item, seen);
    struct sa_err *err = NULL;
    int r = 0;
    for (size_t at = 0, turn = 0; at < size && r == 0; turn++) {
        size_t k = n != 0 ? (size_t)choices[turn % n] + 1 : size;
        k = k < size - at ? k : size - at;
        char *piece = malloc(k);
        if (piece == NULL) {
            abort();
        }
        memcpy(piece, bytes + at, k);
        r = sa_frame_add(f, piece, k, &err);
        free(piece);
        at += k;
    }
    if (r == 0) {
        r = sa_frame_end(f, &err);
    }
    sa_buf_addf(seen, "=%d", r == 0 ? 0 : (int)err->code);
    sa_err_free(&err);
    sa_frame_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 5) {
        return 0;
    }
    struct sa_buf whole, cut;
    sa_buf_init(&whole, 0);
    sa_buf_init(&cut, 0);
    feed(data[0] & 1, data + 5, size - 5, NULL, 0, &whole);
    feed(data[0] & 1, data + 5, size - 5, data + 1, 4, &cut);
    if (whole.len != cut.len || memcmp(whole.data, cut.data, whole.len) != 0) {
        abort();
    }
    sa_buf_free(&whole);
    sa_buf_free(&cut);
    return 0;
}
