/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/process.h"
#include "worker/credential_internal.h"

/* Whoever has the key can open whatever was sealed for it. The group may read: that is how systemd
 * hands a credential to a service's user, by an access control list. */
#define NOT_PRIVATE ((mode_t)(S_IWGRP | S_IRWXO))

static int read_all(int fd, const char *path, mode_t forbidden, struct sa_secret *out,
                    struct sa_err **err)
{
    struct stat st;
    size_t n = 0;
    if (fstat(fd, &st) != 0)
        return sa_err_sys(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return sa_err_set(err, SA_ECREDENTIAL, "%s is not a regular file", path);
    if ((st.st_mode & forbidden) != 0)
        return sa_err_set(err, SA_ECREDENTIAL,
                          "%s is open to others than its owner (mode %04o): chmod 600 it", path,
                          (unsigned)(st.st_mode & 07777));
    if (st.st_size > (off_t)SA_CREDENTIAL_FILE_MAX)
        return sa_err_set(err, SA_ELIMIT, "%s is longer than 1 MB", path);
    /* One byte more shows a file that grew meanwhile. */
    if (sa_secret_new(out, (size_t)st.st_size + 1) != 0)
        return sa_err_set(err, SA_EMEMORY, "reading %s", path);
    while (n < out->n) {
        ssize_t got = read(fd, out->p + n, out->n - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return sa_err_sys(err, errno, "reading %s", path);
        if (got == 0)
            break;
        n += (size_t)got;
    }
    if (n == out->n)
        return sa_err_set(err, SA_ECREDENTIAL, "%s changed while it was read", path);
    out->n = n;
    out->p[n] = '\0';
    return 0;
}

static int load(const char *path, mode_t forbidden, struct sa_secret *out, struct sa_err **err)
{
    /* O_NONBLOCK: a FIFO must not hold up the start before it is refused. */
    SA_CLEANUP(sa_closep)
    int fd = sa_open_readable(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return sa_err_sys(err, errno, "%s", path);
    int rc = read_all(fd, path, forbidden, out, err);
    if (rc != 0)
        sa_secret_free(out);
    return rc;
}

int sa_credential_load(const char *path, struct sa_secret *out, struct sa_err **err)
{
    return load(path, 0, out, err);
}

int sa_credential_load_private(const char *path, struct sa_secret *out, struct sa_err **err)
{
    return load(path, NOT_PRIVATE, out, err);
}
