/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon that answers as it is told, a cache with a few objects, and the program run against
 * both. */
#ifndef CTL_FIXTURE_H
#define CTL_FIXTURE_H

#include <stddef.h>
#include <sys/types.h>

struct ctl_fixture {
    char dir[64], socket[96], database[96];
    pid_t daemon;
};

/* What the daemon answers: request line and whole answer; NULL-terminated. A request that is not
 * listed is refused. answer NULL: the connection is closed without a word. */
struct ctl_answer {
    const char *request, *answer;
};

void ctl_fixture_make(struct ctl_fixture *f, const struct ctl_answer *answers);
void ctl_fixture_remove(struct ctl_fixture *f);
/* Two accounts, three scopes, four objects, twelve changes. */
void ctl_fixture_cache(const struct ctl_fixture *f);
/* Runs scale-agentctl with args (by the shell; $S and $D stand for socket and database options),
 * and returns its exit code; *out is standard output and error together, owned by the caller. */
int ctl_run(const struct ctl_fixture *f, const char *args, char **out);

#endif
