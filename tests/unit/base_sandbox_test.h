/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the sandbox is tested: a forked child goes into it as a real one would, and one of its
 * threads tries something. What came of it is left in shared memory.
 */
#ifndef SA_TESTS_BASE_SANDBOX_TEST_H
#define SA_TESTS_BASE_SANDBOX_TEST_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/sandbox.h"

/* What lies around the sandbox: made anew for each test, everything open to every uid, so that
 * nothing but the sandbox stands in the way. */
struct world {
    char dir[64];
    char outside[96];                /* a readable file in no rule */
    char closed[96];                 /* in the folder that may be read, its own mode refuses all */
    char readable[96];               /* a folder that may be read, with a file "file" in it */
    char writable[96];               /* a folder that may be written */
    char abstract[32];               /* name of an abstract socket that listens, without its NUL */
    uint16_t open_port, closed_port; /* TCP on 127.0.0.1, both listening: in a rule, in none */
    bool localhost;                  /* that name can be resolved */
    pid_t parent;                    /* the test itself */
    int listeners[3];
};
extern struct world world;
void world_make(void);
void world_remove(void);

/* Left by the child. */
struct trace {
    int32_t syscall_nr; /* as sa_sandbox_report_syscall_to() left it */
    int outcome;        /* 0: the attempt succeeded, else errno */
    bool sealed;
    struct sa_sandbox_report report;
    char error[200];
};
#define OUTCOME_NONE (-1)

enum where { IN_MAIN, IN_EARLY, IN_LATE, WHERE_COUNT }; /* which thread tries */

/* Rules for the world above. uid is 0 where the child is no root to begin with. */
struct sa_sandbox sandbox_of(enum sa_sandbox_profile profile, bool from_root);
/* Runs attempt in a child confined by s; returns its wait status. from_root false: the child is
 * another uid from its start. The trace is valid until the next call. */
int run_confined(const struct sa_sandbox *s, bool from_root, enum where where, int (*attempt)(void),
                 const struct trace **out);
/* In a child: become what a daemon is that was not started as root. */
void start_without_root(void);
/* Of this kernel's Landlock; 0 where there is none. Older kernels can't show everything. */
int landlock_abi(void);
/* Whether the test can start a child as root. */
bool is_root(void);

TCase *sandbox_attempts(void);
TCase *sandbox_works(void);

#endif
