/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when something may have changed in the files that configuration and credentials come from,
 * by inotify(7). It watches directories, so that replacing a file by rename is seen; the targets of
 * symbolic links, so that a file kept elsewhere is; the place of a directory that does not exist,
 * so that its making is. Kubernetes swaps the link ..data in a volume made from a ConfigMap or
 * Secret.
 */
#ifndef SA_SUPERVISOR_WATCH_H
#define SA_SUPERVISOR_WATCH_H

#include <stddef.h>

#include "base/loop.h"

struct sa_watcher;

/* changed is called in the loop, 200 ms after the last of a burst of events but at most 1 s after
 * its first. Returns NULL with *err where the kernel gives no inotify instance. */
struct sa_watcher *sa_watcher_new(struct sa_loop *l, sa_timer_cb *changed, void *arg,
                                  struct sa_err **err);
void sa_watcher_free(struct sa_watcher *w);

/* Replaces what is watched: collect between begin and end. Watches that stay are not interrupted.
 */
void sa_watcher_begin(struct sa_watcher *w);
void sa_watcher_add_file(struct sa_watcher *w, const char *path);      /* one file */
void sa_watcher_add_directory(struct sa_watcher *w, const char *path); /* its *.yml and *.yaml */
/* Returns the number of directories that were not watched before, so that something may have
 * changed unseen in them; -1 if the kernel's bound of watches was reached. */
int sa_watcher_end(struct sa_watcher *w);

#endif
