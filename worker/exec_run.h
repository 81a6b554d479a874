/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs an exec plugin once: bounded in time and output, in a process group of its own that is
 * killed as a whole. Its environment is what is named and nothing else.
 */
#ifndef SA_WORKER_EXEC_RUN_H
#define SA_WORKER_EXEC_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/loop.h"
#include "config/settings.h"
#include "worker/kubeconfig.h"

struct sa_exec_run;

struct sa_exec_how {
    const struct sa_exec_spec *spec;   /* borrowed while it runs, as all of these */
    const char *info;                  /* KUBERNETES_EXEC_INFO */
    const char *home;                  /* HOME */
    const struct sa_strings *pass_env; /* names of variables of our own environment */
    uint64_t timeout_ns;
};

/* Standard output (borrowed, wiped after the call), or NULL and why there is none. The run is gone
 * when it is called; never called from within sa_exec_run_start(). */
typedef void sa_exec_run_cb(void *arg, const void *out, size_t n, const struct sa_err *reason);

struct sa_exec_run *sa_exec_run_start(struct sa_loop *l, const struct sa_exec_how *how,
                                      sa_exec_run_cb *cb, void *arg, struct sa_err **err);
void sa_exec_run_kill(struct sa_exec_run *r); /* no callback follows; NULL is allowed */

/* The last line of what a program complained, short, with what looks like a secret replaced by ***.
 * out is NUL-terminated. */
void sa_exec_last_line(const char *p, size_t n, char *out, size_t size);

#endif
