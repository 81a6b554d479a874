/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is reported when there is no memory left to report anything better; never freed or changed.
 */
static char no_memory_text[] = "out of memory while an error was being described";
static struct sa_err no_memory = {.code = SA_EMEMORY, .sys_errno = 0, .msg = no_memory_text};

const char *sa_code_name(enum sa_code code)
{
    switch (code) {
    case SA_OK:
        return "ok";
#define X(sym, name, text)                                                                         \
    case sym:                                                                                      \
        return name;
        SA_ERR_TABLE(X)
#undef X
    }
    return "unknown";
}

/* Messages hold names that others chose; a control character must not end the line or colour it. */
static void strip_controls(char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            *s = ' ';
        }
    }
}

/* Returns an owned string of the two parts "<fmt>" and "<tail>", or NULL for lack of memory. */
static char *text_of(const char *tail, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static char *text_of(const char *tail, const char *fmt, va_list ap)
{
    char *head = NULL;
    if (vasprintf(&head, fmt, ap) < 0) {
        return NULL;
    }
    char *all = head;
    if (tail != NULL) {
        all = NULL;
        if (asprintf(&all, "%s: %s", head, tail) < 0) {
            all = NULL;
        }
        free(head);
    }
    if (all != NULL) {
        strip_controls(all);
    }
    return all;
}

/* Takes msg over (NULL: there was no memory for it). */
static void store(struct sa_err **err, enum sa_code code, int errnum, char *msg)
{
    struct sa_err *e = msg != NULL ? malloc(sizeof(*e)) : NULL;
    sa_err_free(err);
    if (e == NULL) {
        free(msg);
        *err = &no_memory;
        return;
    }
    *e = (struct sa_err){.code = code, .sys_errno = errnum, .msg = msg};
    *err = e;
}

/* Names in brackets: for the analyser they are macros, too (err_analyzer.h). */
int(sa_err_set)(struct sa_err **err, enum sa_code code, const char *fmt, ...)
{
    if (err != NULL) {
        va_list ap;
        va_start(ap, fmt);
        char *msg = text_of(NULL, fmt, ap);
        va_end(ap);
        store(err, code, 0, msg);
    }
    return -1;
}

int(sa_err_sys)(struct sa_err **err, int errnum, const char *fmt, ...)
{
    if (err != NULL) {
        char text[128];
        va_list ap;
        va_start(ap, fmt);
        char *msg = text_of(strerror_r(errnum, text, sizeof(text)), fmt, ap);
        va_end(ap);
        store(err, errnum == ENOMEM ? SA_EMEMORY : SA_ESYSTEM, errnum, msg);
    }
    return -1;
}

int(sa_err_wrap)(struct sa_err **err, const char *fmt, ...)
{
    if (err == NULL || *err == NULL || *err == &no_memory) {
        return -1;
    }
    va_list ap;
    va_start(ap, fmt);
    char *msg = text_of((*err)->msg, fmt, ap);
    va_end(ap);
    if (msg != NULL) {
        free((*err)->msg);
        (*err)->msg = msg;
    }
    return -1;
}

const char *sa_err_msg(const struct sa_err *e)
{
    return e != NULL && e->msg != NULL ? e->msg : "unknown error";
}

void sa_err_free(struct sa_err **err)
{
    if (err == NULL || *err == NULL) {
        return;
    }
    if (*err != &no_memory) {
        free((*err)->msg);
        free(*err);
    }
    *err = NULL;
}

void sa_freep(void *pp)
{
    void **p = pp;
    free(*p);
    *p = NULL;
}

void sa_closep(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}
