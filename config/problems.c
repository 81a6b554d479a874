/* SPDX-License-Identifier: Apache-2.0 */
/* The list of what is wrong with the files. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

#define MAX_PROBLEMS 2000

/* Takes over text. */
static void add(struct sa_problem_list *l, const struct sa_problem *p)
{
    if (!p->warning)
        l->errors = true;
    if (p->text == NULL || p->file == NULL) {
        l->no_memory = true;
    } else if (l->p.n == MAX_PROBLEMS) {
        l->dropped++;
    } else {
        if (l->p.n == l->cap) {
            size_t cap = l->cap == 0 ? 16 : l->cap * 2;
            struct sa_problem *bigger = reallocarray(l->p.v, cap, sizeof *bigger);
            if (bigger == NULL) {
                l->no_memory = true;
                goto out;
            }
            l->p.v = bigger;
            l->cap = cap;
        }
        l->p.v[l->p.n++] = *p;
        return;
    }
out:
    free(p->file);
    free(p->text);
}

__attribute__((format(printf, 6, 0))) static void addv(struct sa_problem_list *l, bool warning,
                                                       const char *file, unsigned line,
                                                       unsigned column, const char *fmt, va_list ap)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        text = NULL;
    add(l, &(const struct sa_problem){strdup(file), line, column, warning, text});
}

void sa_problem_at(struct sa_problem_list *l, bool warning, const char *file, unsigned line,
                   unsigned column, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    addv(l, warning, file, line, column, fmt, ap);
    va_end(ap);
}

void sa_problem_node(struct sa_problem_list *l, bool warning, const struct sa_yaml *node,
                     const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    addv(l, warning, node->name, node->line, node->column, fmt, ap);
    va_end(ap);
}

void sa_problems_free(struct sa_problems *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->v[i].file);
        free(p->v[i].text);
    }
    free(p->v);
    *p = (struct sa_problems){0};
}

void sa_problem_list_free(struct sa_problem_list *l)
{
    sa_problems_free(&l->p);
    *l = (struct sa_problem_list){0};
}
