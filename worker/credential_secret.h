/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for what must stay secret: pages of its own, locked where the limit allows, left out of
 * core dumps and wiped before they are given back.
 */
#ifndef SA_WORKER_CREDENTIAL_SECRET_H
#define SA_WORKER_CREDENTIAL_SECRET_H

#include <stdbool.h>
#include <stddef.h>

struct sa_secret {
    char *p;       /* n bytes and a NUL; NULL while empty */
    size_t n;      /* bytes */
    size_t mapped; /* size of the mapping */
};

/* Makes *s n bytes of zeros, dropping what it held. -1 for lack of memory (*s is empty then). */
int sa_secret_new(struct sa_secret *s, size_t n);
/* The same, filled from p, which may not be part of s. */
int sa_secret_set(struct sa_secret *s, const void *p, size_t n);
/* Cuts trailing and leading white space in place. */
void sa_secret_trim(struct sa_secret *s);
bool sa_secret_equal(const struct sa_secret *a, const struct sa_secret *b);
void sa_secret_free(struct sa_secret *s); /* wipes; fit for SA_CLEANUP */
/* Wipes and frees an ordinary string that held a secret; *p becomes NULL. */
void sa_secret_free_string(char **p);

#endif
