/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled only with SA_TEST_POINTS. */
#include "base/points.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"

/* What a test writes into the file while processes run. It writes pid last, and finds it 0 when the
 * process has come to the point. */
struct order {
    _Atomic uint32_t pid;
    uint32_t signal;
    uint32_t left; /* passings, the fatal one included */
    char name[52];
};
#define ORDERS 64

static struct order *orders; /* shared with the test and all other processes */

/* Before anything is forked or confined: no child could open it. */
__attribute__((constructor)) static void map_orders(void)
{
    const char *path = getenv("SCALE_AGENT_POINTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = MAP_FAILED;
    if (fd >= 0)
        p = mmap(NULL, ORDERS * sizeof(struct order), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    sa_closep(&fd);
    if (p != MAP_FAILED)
        orders = p;
}

static void obey(const char *name)
{
    uint32_t pid = (uint32_t)getpid();
    for (size_t i = 0; orders && i < ORDERS; i++) {
        struct order *o = &orders[i];
        if (atomic_load(&o->pid) != pid || strncmp(o->name, name, sizeof o->name) != 0 || --o->left)
            continue;
        int signal = (int)o->signal;
        atomic_store(&o->pid, 0);
        raise(signal);
    }
}

void sa_point(const char *name)
{
    static unsigned long passed; /* one point is watched in a process */
    const char *spec = getenv("SCALE_AGENT_KILL_AT");
    const char *colon = spec ? strrchr(spec, ':') : NULL;
    obey(name);
    if (!colon || strlen(name) != (size_t)(colon - spec) ||
        strncmp(spec, name, (size_t)(colon - spec)) != 0)
        return;
    if (++passed == strtoul(colon + 1, NULL, 10))
        raise(SIGKILL);
}
