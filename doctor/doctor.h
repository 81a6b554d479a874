/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything between here and there, looked at step by step by the code that the daemon's own
 * processes use for it: what is configured, which files may be read, where a name leads, who
 * answers there and by which certificate, whether it knows the account and what it allows.
 *
 * Each account and Clouddriver are looked at by a process of their own, as the user that their
 * worker or the uplink has where this is root: what it would be refused is seen, and nothing
 * foreign is parsed, nor is any plugin run, as root.
 */
#ifndef SA_DOCTOR_DOCTOR_H
#define SA_DOCTOR_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/reader.h"

/* In the order of how bad they are. */
enum sa_health { SA_HEALTH_SKIPPED, SA_HEALTH_OK, SA_HEALTH_WARNING, SA_HEALTH_ERROR };
const char *sa_health_name(enum sa_health h); /* "ok" */

/* One check. Texts are owned, never NULL, hold no secret; "" where there is nothing to say. */
struct sa_finding {
    enum sa_health health;
    char *about; /* "host", "clouddriver" or "account" */
    char *account;
    char *check; /* one word: "dns" */
    char *found; /* what was looked at, and what was seen */
    char *fix;   /* what to do about it */
    char *yaml;  /* to be applied to the cluster */
};

struct sa_findings {
    struct sa_finding *v;
    size_t n;
    bool failed; /* there was no memory for one */
};
void sa_findings_free(struct sa_findings *f);
/* Takes over what is in from, and leaves it empty. */
void sa_findings_move(struct sa_findings *to, struct sa_findings *from);

struct sa_doctor_options {
    const struct sa_config_paths *paths;
    const char *account; /* NULL: all of them */
    /* Of the daemon, by its status; zero where none runs. */
    pid_t daemon;
    uint64_t max_files;
    /* Called now and then while something lasts: what, and how much of it is done. May be NULL. */
    void (*progress)(void *arg, size_t done, size_t all);
    void *arg;
};

/* Everything that was found, in the order of the way there. -1 where not even that can be had
 * (memory; an account that is not configured: SA_ENOTFOUND). */
int sa_doctor(const struct sa_doctor_options *o, struct sa_findings *out, struct sa_err **err);

#endif
