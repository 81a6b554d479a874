/* SPDX-License-Identifier: Apache-2.0 */
/* Can a file be read, and by whom else. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "doctor/exam.h"

#define OTHERS ((mode_t)0077)

/* The first directory on the way to path that may not be searched. */
static bool find_barrier(const char *path, char out[PATH_MAX])
{
    size_t n = strlen(path);
    for (size_t i = 1; i < n && n < PATH_MAX; i++) {
        if (path[i] != '/')
            continue;
        memcpy(out, path, i);
        out[i] = '\0';
        if (access(out, X_OK) != 0 && errno == EACCES)
            return true;
    }
    return false;
}

static void explain(struct sa_exam *x, const char *check, const char *kind, const char *path,
                    int why)
{
    char barrier[PATH_MAX], fix[PATH_MAX + 256];
    const char *text = strerrordesc_np(why);
    if (why == ENOENT || why == ENOTDIR) {
        sa_exam_bad(x, SA_HEALTH_ERROR, check,
                    "Put the file there, or name the right one in the configuration.",
                    "%s %s is not there", kind, path);
        return;
    }
    if (why == EACCES && find_barrier(path, barrier)) {
        snprintf(fix, sizeof fix, "Let the daemon's user in: chmod or chown the directory %s.",
                 barrier);
        sa_exam_bad(x, SA_HEALTH_ERROR, check, fix,
                    "%s %s can't be read by uid %u: the directory %s may not be searched", kind,
                    path, (unsigned)geteuid(), barrier);
        return;
    }
    if (why == EACCES)
        snprintf(fix, sizeof fix,
                 "Give the file to the daemon's user: chown or chmod it. If the daemon is started "
                 "as root, run this as root, too.");
    else
        snprintf(fix, sizeof fix, "Put a regular file there that can be read.");
    sa_exam_bad(x, SA_HEALTH_ERROR, check, fix, "%s %s can't be read by uid %u: %s", kind, path,
                (unsigned)geteuid(), text);
}

/* The bits that let others than the owner read or change it. */
static void judge_mode(struct sa_exam *x, const char *check, const char *kind, const char *path,
                       const struct stat *st, bool secret)
{
    char fix[PATH_MAX + 64];
    snprintf(fix, sizeof fix, "chmod %s %s", secret ? "600" : "go-w", path);
    if ((st->st_mode & S_IWOTH) != 0)
        sa_exam_bad(x, SA_HEALTH_ERROR, check, fix, "%s %s can be changed by everyone (mode %04o)",
                    kind, path, (unsigned)(st->st_mode & 07777));
    else if (secret && (st->st_mode & S_IROTH) != 0)
        sa_exam_bad(x, SA_HEALTH_WARNING, check, fix,
                    "%s %s holds a credential and can be read by everyone (mode %04o)", kind, path,
                    (unsigned)(st->st_mode & 07777));
    else
        sa_exam_ok(x, check, "%s %s can be read", kind, path);
}

bool sa_exam_file(struct sa_exam *x, const char *check, const char *kind, const char *path,
                  bool secret)
{
    struct stat st;
    SA_CLEANUP(sa_closep)
    int fd = sa_open_readable(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        explain(x, check, kind, path, errno);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        explain(x, check, kind, path, S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
        return false;
    }
    judge_mode(x, check, kind, path, &st, secret);
    return true;
}
