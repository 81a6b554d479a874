/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign bytes of both channels: the input is read as a data message, as a status slot, and as the
 * body of each kind of control message, field by field as the table in ipc/control.h spells them.
 */
#include <stdlib.h>
#include <string.h>

#include "ipc/control.h"
#include "ipc/data.h"
#include "ipc/msg.h"
#include "ipc/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition) {
        abort();
    }
}

static bool word(const char **spec, const char *w)
{
    size_t n = strlen(w);
    if (strncmp(*spec, w, n) != 0) {
        return false;
    }
    *spec += n;
    return true;
}

/* Reads one list of fields ("u8 level, str msg, u32 n, n * (str key, str value)"); ends at ')' or
 * 0. */
static const char *read_fields(struct sa_rd *r, const char *spec)
{
    char text[256];
    size_t n;
    uint32_t count = 0;
    while (*spec != '\0' && *spec != ')') {
        const uint8_t *before = r->p;
        if (word(&spec, "u8 ")) {
            sa_rd_u8(r);
        } else if (word(&spec, "u32 n, n * (")) {
            count = sa_rd_u32(r);
            const char *end = spec;
            for (uint32_t i = 0; i < count && !r->failed; i++) {
                end = read_fields(r, spec);
            }
            spec = end;
        } else if (word(&spec, "u32 ")) {
            sa_rd_u32(r);
        } else if (word(&spec, "str ")) {
            sa_rd_str(r, text, sizeof(text));
            require(strlen(text) < sizeof(text));
            require(!r->failed || text[0] == '\0');
        } else if (word(&spec, "bytes ")) {
            const uint8_t *p = sa_rd_bytes(r, &n);
            require(p == NULL ? n == 0 : n <= (size_t)(r->end - before));
        } else if (word(&spec, "32 bytes ")) {
            require((sa_rd_raw(r, 32) == NULL) == r->failed);
        } else {
            spec++;
        }
        require(r->p <= r->end && r->p >= before);
    }
    return spec;
}

static void read_control(const uint8_t *data, size_t size)
{
    static const char *const specs[] = {
#define X(sym, direction, fields) fields,
        SA_CTL_TABLE(X)
#undef X
    };
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct sa_rd r;
        sa_rd_init(&r, data, size);
        read_fields(&r, specs[i]);
        require(!r.failed || !sa_rd_done(&r));
    }
}

static void read_data(const uint8_t *data, size_t size)
{
    struct sa_data_header h;
    uint8_t again[SA_DATA_HEADER];
    struct sa_err *err = NULL;
    if (sa_data_get_header(data, size, &h, &err) == 0) {
        sa_data_put_header(again, &h);
        require(memcmp(again, data, sizeof(again)) == 0);
    } else {
        require(err != NULL && h.kind == 0);
    }
    sa_err_free(&err);
}

static void read_slot(const uint8_t *data, size_t size)
{
    struct sa_slot s = {0};
    struct sa_slot copy;
    memcpy(&s, data, size < sizeof(s) ? size : sizeof(s));
    sa_slot_read(&s, &copy);
    require(memchr(copy.version, 0, sizeof(copy.version)) != NULL);
    require(memchr(copy.last_error, 0, sizeof(copy.last_error)) != NULL);
    require(strpbrk(copy.last_error, "\n\r\x1b\x07") == NULL);
    require(sa_state_name((enum sa_state)copy.state) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_control(data, size);
    read_data(data, size);
    read_slot(data, size);
    return 0;
}
