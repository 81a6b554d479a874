/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Named places in the protocol at which a test build can be made to die: with SA_TEST_POINTS
 * defined, SCALE_AGENT_KILL_AT="name:count" in the environment makes the count-th passing of
 * sa_point("name") raise SIGKILL. SCALE_AGENT_POINTS="file" names a file by which a test tells one
 * process (by its pid) to raise a signal at a point (base/points.c). In any other build a point is
 * nothing at all.
 */
#ifndef SA_BASE_POINTS_H
#define SA_BASE_POINTS_H

#ifdef SA_TEST_POINTS
void sa_point(const char *name);
#else
static inline void sa_point(const char *name)
{
    (void)name;
}
#endif

#endif
