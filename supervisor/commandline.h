/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of scale-agentd. */
#ifndef SA_SUPERVISOR_COMMANDLINE_H
#define SA_SUPERVISOR_COMMANDLINE_H

#include "ipc/child.h"

/* All of the program but the children's entry points. Returns the exit code. */
int sa_supervisor_main(int argc, char **argv, const struct sa_child_mains *mains);

#endif
