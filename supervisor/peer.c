/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"

#ifndef SO_PEERPIDFD /* Linux 6.5; glibc's headers follow later */
#define SO_PEERPIDFD 77
#endif

/* Longer chains of parents are made by who wants to be hard to follow. */
#define PARENTS_MAX 64

/* 0: it has none in our namespace; -1: can't be told. */
static pid_t parent_of(pid_t pid)
{
    char path[64], line[128];
    long parent = -1;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return -1;
    while (parent < 0 && fgets(line, sizeof(line), f))
        if (strncmp(line, "PPid:", 5) == 0) /* after Name, in which line ends are escaped */
            parent = strtol(line + 5, NULL, 10);
    fclose(f);
    return (pid_t)parent;
}

bool sa_descends(pid_t pid)
{
    for (int i = 0; i < PARENTS_MAX; i++) {
        if (pid == getpid() || pid < 0)
            return true;
        if (pid == 0)
            return false;
        pid = parent_of(pid);
    }
    return true;
}

bool sa_peer_descends(int fd, pid_t pid)
{
    int pidfd = -1;
    socklen_t n = sizeof(pidfd);
    bool is;

    if (pid == 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n) < 0)
        return errno != ENOPROTOOPT || sa_descends(pid);
    is = sa_descends(pid);
    /* It lives still, so the number was its own all the time. */
    if (poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, 0) != 0)
        is = true;
    sa_closep(&pidfd);
    return is;
}
