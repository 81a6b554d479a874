/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state machine over the bytes between objects; over the bytes of an object goes sa_json_brace().
 * An object that lies in one piece is handed out where it lies; only one that is cut is gathered.
 */
#include "worker/frame.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/json.h"
#include "worker/json_brace.h"

enum state {
    W_BETWEEN, /* a watch: between events */

    L_START,        /* a list: in front of the brace */
    L_FIRST_MEMBER, /* a name, or the end of the list */
    L_MEMBER,       /* a name */
    L_NAME,         /* in a name */
    L_COLON,
    L_VALUE,  /* in front of a value that is not items */
    L_SCALAR, /* in a number, true, false or null */
    L_STRING, /* in a string */
    L_NESTED, /* in an object or array */
    L_ITEMS,  /* in front of the value of items */
    L_NULL,   /* in its null */
    L_FIRST,  /* an item, or the end of items */
    L_ITEM,   /* an item */
    L_BEHIND, /* behind an item: a comma or the end of items */
    L_AFTER,  /* behind a member: a comma or the end of the list */
    L_DONE,   /* behind the list: white space */

    OBJECT, /* in an object that is handed out */
    DEAD,
};

struct sa_frame {
    enum state state;
    sa_frame_cb *on_item, *on_meta; /* on_meta: NULL of a watch */
    void *arg;
    size_t max;
    struct sa_json_brace brace;
    struct sa_buf object; /* the part of it that came in former pieces */
    void (*on_large)(void *arg, size_t n);
    size_t left_out; /* bytes so far of an object that is too long */

    /* of a list */
    struct sa_buf meta; /* the list without its items */
    size_t name;        /* where in meta the present member starts, with its comma */
    size_t null_n;      /* bytes of null that came */
    unsigned depth;     /* of L_NESTED */
    bool string, escape;
    bool in_items; /* the present member is items */
    bool had_items;
};

static struct sa_frame *frame_new(enum state state, size_t max_object, void *arg)
{
    struct sa_frame *f = calloc(1, sizeof(*f));
    if (f != NULL) {
        f->state = state;
        f->max = max_object;
        f->arg = arg;
        sa_buf_init(&f->object, max_object);
        sa_buf_init(&f->meta, max_object);
    }
    return f;
}

struct sa_frame *sa_frame_list(size_t max_object, sa_frame_cb *on_item, sa_frame_cb *on_meta,
                               void *arg)
{
    struct sa_frame *f = frame_new(L_START, max_object, arg);
    if (f != NULL) {
        f->on_item = on_item;
        f->on_meta = on_meta;
    }
    return f;
}

struct sa_frame *sa_frame_watch(size_t max_object, sa_frame_cb *on_item, void *arg)
{
    struct sa_frame *f = frame_new(W_BETWEEN, max_object, arg);
    if (f != NULL) {
        f->on_item = on_item;
    }
    return f;
}

void sa_frame_leave_out(struct sa_frame *f, void (*on_large)(void *arg, size_t n))
{
    f->on_large = on_large;
}

void sa_frame_free(struct sa_frame *f)
{
    if (f != NULL) {
        sa_buf_free(&f->object);
        sa_buf_free(&f->meta);
        free(f);
    }
}

void sa_frame_idle(struct sa_frame *f)
{
    if (f->object.len == 0) {
        sa_buf_free(&f->object);
    }
    if (f->meta.len == 0) {
        sa_buf_free(&f->meta);
    }
}

static int wrong(const char *what, struct sa_err **err)
{
    return sa_err_set(err, SA_EPROTOCOL, "the API server sent no valid list or watch: %s", what);
}

static int too_long(const struct sa_frame *f, size_t n, struct sa_err **err)
{
    return sa_err_set(err, SA_ELIMIT,
                      "the API server sent an object of %zu bytes or more; at most %zu are taken "
                      "(limits.objectSize)",
                      n, f->max);
}

/* Adds to what is gathered in b, which is bounded. */
static int gather(struct sa_frame *f, struct sa_buf *b, const char *p, size_t n,
                  struct sa_err **err)
{
    if (b->len + n > f->max) {
        return too_long(f, b->len + n, err);
    }
    if (sa_buf_add(b, p, n) != 0) {
        return sa_err_set(err, SA_EMEMORY, "no memory for an object of %zu bytes", b->len + n);
    }
    return 0;
}

/* n more bytes of an object that is longer than what is taken; ends: it is complete with them. */
static void leave_out(struct sa_frame *f, size_t n, bool ends)
{
    f->left_out += f->object.len + n;
    sa_buf_free(&f->object);
    if (ends) {
        f->state = f->on_meta != NULL ? L_BEHIND : W_BETWEEN;
        f->on_large(f->arg, f->left_out);
        f->left_out = 0;
    }
}

/* Reads on in an object. Returns the place behind what was taken, NULL with *err. */
static const char *in_object(struct sa_frame *f, const char *p, const char *end,
                             struct sa_err **err)
{
    size_t n = sa_json_brace(&f->brace, p, (size_t)(end - p));
    size_t piece = n != 0 ? n : (size_t)(end - p);
    if (f->on_large != NULL && f->left_out + f->object.len + piece > f->max) {
        leave_out(f, piece, n != 0);
        return p + piece;
    }
    if (n == 0) {
        return gather(f, &f->object, p, (size_t)(end - p), err) == 0 ? end : NULL;
    }
    const char *object = p;
    size_t object_n = n;
    if (f->object.len != 0) {
        if (gather(f, &f->object, p, n, err) != 0) {
            return NULL;
        }
        object = f->object.data;
        object_n = f->object.len;
    } else if (n > f->max) {
        too_long(f, n, err);
        return NULL;
    }
    f->state = f->on_meta != NULL ? L_BEHIND : W_BETWEEN;
    if (f->on_item(f->arg, object, object_n, err) != 0) {
        return NULL;
    }
    sa_buf_reset(&f->object);
    return p + n;
}

static bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* The name of a member is complete: is it items? */
static int named(struct sa_frame *f, struct sa_err **err)
{
    const char *name = f->meta.data + f->name;
    size_t n = f->meta.len - f->name;
    if (*name == ',') {
        name++;
        n--;
    }
    struct sa_json_fault fault;
    bool escaped;
    if (sa_json_string(name + 1, name + n, &escaped, &fault) != name + n) {
        return wrong("the name of a member is malformed", err);
    }
    f->state = L_COLON;
    f->in_items = sa_json_equal_text(name + 1, n - 2, "items", 5);
    if (!f->in_items) {
        return 0;
    }
    if (f->had_items) {
        return wrong("a list has items twice", err);
    }
    f->had_items = true;
    f->meta.len = f->name; /* takes the name out again, the comma too */
    return 0;
}

/* The list is complete: its rest is looked at as JSON, which all of it must be. */
static int list_done(struct sa_frame *f, struct sa_err **err)
{
    struct sa_json_fault fault;
    const char *begin = f->meta.data, *end = begin + f->meta.len;
    if (sa_json_skip(begin, end, 0, &fault) != end) {
        return wrong("what is around the items is no valid JSON", err);
    }
    f->state = L_DONE;
    int r = f->on_meta(f->arg, begin, f->meta.len, err);
    sa_buf_reset(&f->meta);
    return r;
}

static int add_meta(struct sa_frame *f, char c, struct sa_err **err)
{
    return gather(f, &f->meta, &c, 1, err);
}

static int begin_name(struct sa_frame *f, struct sa_err **err)
{
    f->name = f->meta.len;
    f->state = L_NAME;
    f->escape = false;
    if (f->meta.len > 1 && add_meta(f, ',', err) != 0) {
        return -1;
    }
    return add_meta(f, '"', err);
}

/* A byte in a string; true if it is the closing quote. */
static bool string_ends(struct sa_frame *f, char c)
{
    if (f->escape) {
        f->escape = false;
        return false;
    }
    f->escape = c == '\\';
    return c == '"';
}

static void in_nested(struct sa_frame *f, char c)
{
    if (f->string) {
        f->string = !string_ends(f, c);
    } else if (c == '"') {
        f->string = true;
    } else if (c == '{' || c == '[') {
        f->depth++;
    } else if ((c == '}' || c == ']') && --f->depth == 0) {
        f->state = L_AFTER;
    }
}

static void begin_value(struct sa_frame *f, char c)
{
    f->string = f->escape = false;
    if (c == '"') {
        f->state = L_STRING;
    } else if (c == '{' || c == '[') {
        f->state = L_NESTED;
        f->depth = 1;
    } else {
        f->state = L_SCALAR;
    }
}

/* A byte of a member that is not items. 1: taken, 0: to be looked at again in the new state, -1. */
static int in_meta(struct sa_frame *f, char c, struct sa_err **err)
{
    switch (f->state) {
    case L_NAME:
        if (add_meta(f, c, err) != 0 || (string_ends(f, c) && named(f, err) != 0)) {
            return -1;
        }
        return 1;
    case L_VALUE:
        if (blank(c)) {
            return 1;
        }
        begin_value(f, c);
        break;
    case L_SCALAR:
        if (blank(c) || c == ',' || c == '}') {
            f->state = L_AFTER;
            return 0;
        }
        break;
    case L_STRING:
        f->state = string_ends(f, c) ? L_AFTER : L_STRING;
        break;
    default:
        in_nested(f, c);
        break;
    }
    return add_meta(f, c, err) == 0 ? 1 : -1;
}

/* A byte between the tokens of a list. */
static int in_list(struct sa_frame *f, char c, struct sa_err **err)
{
    bool closes = c == '}' && (f->state == L_FIRST_MEMBER || f->state == L_AFTER);
    if (closes) {
        return add_meta(f, c, err) == 0 && list_done(f, err) == 0 ? 1 : -1;
    }
    if (f->state == L_START && c == '{') {
        f->state = L_FIRST_MEMBER;
        return add_meta(f, c, err) == 0 ? 1 : -1;
    }
    if ((f->state == L_FIRST_MEMBER || f->state == L_MEMBER) && c == '"') {
        return begin_name(f, err) == 0 ? 1 : -1;
    }
    if (f->state == L_AFTER && c == ',') {
        f->state = L_MEMBER;
        return 1;
    }
    if (f->state == L_COLON && c == ':') {
        f->state = f->in_items ? L_ITEMS : L_VALUE;
        return f->in_items || add_meta(f, c, err) == 0 ? 1 : -1;
    }
    return wrong("a list is malformed", err);
}

static int begin_object(struct sa_frame *f)
{
    f->brace = (struct sa_json_brace){0};
    f->state = OBJECT;
    return 0;
}

/* A byte between items. */
static int in_items(struct sa_frame *f, char c, struct sa_err **err)
{
    bool item = f->state == L_FIRST || f->state == L_ITEM;
    if (item && c == '{') {
        return begin_object(f);
    }
    if (f->state == L_BEHIND && c == ',') {
        f->state = L_ITEM;
    } else if (f->state == L_ITEMS && c == '[') {
        f->state = L_FIRST;
    } else if ((f->state == L_FIRST || f->state == L_BEHIND) && c == ']') {
        f->state = L_AFTER;
    } else if (f->state == L_ITEMS && c == 'n') {
        f->state = L_NULL;
        f->null_n = 1;
    } else {
        return wrong("items is no array of objects", err);
    }
    return 1;
}

static int in_null(struct sa_frame *f, char c, struct sa_err **err)
{
    if (c != "null"[f->null_n]) {
        return wrong("items is no array of objects", err);
    }
    f->state = ++f->null_n == 4 ? L_AFTER : L_NULL;
    return 1;
}

/* One byte outside of objects that are handed out. */
static int step(struct sa_frame *f, char c, struct sa_err **err)
{
    switch (f->state) {
    case L_NAME:
    case L_VALUE:
    case L_SCALAR:
    case L_STRING:
    case L_NESTED:
        return in_meta(f, c, err);
    case L_NULL:
        return in_null(f, c, err);
    default:
        break;
    }
    if (blank(c)) {
        return 1;
    }
    switch (f->state) {
    case W_BETWEEN:
        return c == '{' ? begin_object(f) : wrong("an event is no object", err);
    case L_ITEMS:
    case L_FIRST:
    case L_ITEM:
    case L_BEHIND:
        return in_items(f, c, err);
    case L_DONE:
        return wrong("something follows a list", err);
    default:
        return in_list(f, c, err);
    }
}

int sa_frame_add(struct sa_frame *f, const void *bytes, size_t n, struct sa_err **err)
{
    if (f->state == DEAD) {
        return wrong("it went wrong before", err);
    }
    const char *p = bytes, *end = p + n;
    while (p < end) {
        if (f->state == OBJECT) {
            p = in_object(f, p, end, err);
        } else {
            int taken = step(f, *p, err);
            p = taken >= 0 ? p + taken : NULL;
        }
        if (p == NULL) {
            f->state = DEAD;
            sa_buf_free(&f->object);
            sa_buf_free(&f->meta);
            return -1;
        }
    }
    return 0;
}

int sa_frame_end(struct sa_frame *f, struct sa_err **err)
{
    bool whole = f->state == W_BETWEEN || f->state == L_DONE;
    f->state = DEAD;
    return whole ? 0 : wrong("it ends in the middle", err);
}
