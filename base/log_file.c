/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/err.h"

/* Compressed with each line written: small enough to be unnoticed, and a file is done long before
 * the next is full, without a thread or process for it. */
#define COMPRESS_STEP (32u * 1024u)

struct sa_log_file {
    int fd;
    uint64_t size;
    char *path;
    char *dir, *stem, *ext; /* path is DIR/STEM EXT */
    uint64_t max_size;
    unsigned max_backups, max_age_days;
    bool compress;
    /* compression under way */
    int from;
    gzFile to;
    char *from_path, *to_path, *done_path;
};

/* Cuts path into folder, name and extension; the extension keeps its dot. */
static int split_path(struct sa_log_file *f)
{
    const char *slash = strrchr(f->path, '/');
    const char *name = slash != NULL ? slash + 1 : f->path;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name) {
        dot = name + strlen(name);
    }
    f->dir = slash == NULL ? strdup(".") : strndup(f->path, (size_t)(slash - f->path) + 1);
    f->stem = strndup(name, (size_t)(dot - name));
    f->ext = strdup(dot);
    return f->dir != NULL && f->stem != NULL && f->ext != NULL ? 0 : -1;
}

static int open_file(struct sa_log_file *f, struct sa_err **err)
{
    int fd = open(f->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int e = errno;
        sa_closep(&fd);
        return sa_err_sys(err, e, "open log file %s", f->path);
    }
    sa_closep(&f->fd);
    f->fd = fd;
    f->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

struct sa_log_file *sa_log_file_open(const struct sa_log_file_options *opt, struct sa_err **err)
{
    struct sa_log_file *f = calloc(1, sizeof(*f));
    if (f == NULL) {
        sa_err_set(err, SA_EMEMORY, "log file %s", opt->path);
        return NULL;
    }
    f->fd = f->from = -1;
    f->max_size = opt->max_size;
    f->max_backups = opt->max_backups;
    f->max_age_days = opt->max_age_days;
    f->compress = opt->compress;
    f->path = strdup(opt->path);
    if (f->path == NULL || split_path(f) != 0) {
        sa_err_set(err, SA_EMEMORY, "log file %s", opt->path);
    } else if (open_file(f, err) == 0) {
        return f;
    }
    sa_log_file_close(f);
    return NULL;
}

int sa_log_file_reopen(struct sa_log_file *f, struct sa_err **err)
{
    return open_file(f, err);
}

/* Compression */

static void end_compression(struct sa_log_file *f, bool good)
{
    if (f->to != NULL && gzclose(f->to) != Z_OK) {
        good = false;
    }
    f->to = NULL;
    sa_closep(&f->from);
    /* The original goes only when the whole copy is in place. */
    if (good && rename(f->to_path, f->done_path) == 0) {
        unlink(f->from_path);
    } else if (f->to_path != NULL) {
        unlink(f->to_path);
    }
    sa_freep(&f->from_path);
    sa_freep(&f->to_path);
    sa_freep(&f->done_path);
}

static void step_compression(struct sa_log_file *f)
{
    char part[COMPRESS_STEP];
    ssize_t n = read(f->from, part, sizeof(part));
    if (n <= 0) {
        end_compression(f, n == 0);
    } else if (gzwrite(f->to, part, (unsigned)n) != (int)n) {
        end_compression(f, false);
    }
}

static void begin_compression(struct sa_log_file *f, const char *rotated)
{
    while (f->to != NULL) {
        step_compression(f);
    }
    f->from_path = strdup(rotated);
    if (asprintf(&f->to_path, "%s.gz.part", rotated) < 0) {
        f->to_path = NULL;
    }
    if (asprintf(&f->done_path, "%s.gz", rotated) < 0) {
        f->done_path = NULL;
    }
    if (f->from_path != NULL && f->to_path != NULL && f->done_path != NULL) {
        f->from = open(f->from_path, O_RDONLY | O_CLOEXEC);
        int out = open(f->to_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        f->to = out >= 0 ? gzdopen(out, "wb6") : NULL;
        if (f->to == NULL) {
            sa_closep(&out);
        }
    }
    if (f->from < 0 || f->to == NULL) {
        end_compression(f, false);
    }
}

/* Removal of old files */

struct backups {
    char **names; /* of the rotated files, the newest last: the name holds the time */
    size_t n;
};

/* Whether name is STEM-<time>EXT or that with .gz. Returns the time's text within name, else NULL.
 */
static const char *backup_time(const struct sa_log_file *f, const char *name)
{
    static const char shape[] = "dddd-dd-ddTdd-dd-dd.ddd";
    size_t stem = strlen(f->stem);
    if (strncmp(name, f->stem, stem) != 0 || name[stem] != '-') {
        return NULL;
    }
    const char *t = name + stem + 1;
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        bool digit = t[i] >= '0' && t[i] <= '9';
        if (shape[i] == 'd' ? !digit : t[i] != shape[i]) {
            return NULL;
        }
    }
    const char *rest = t + sizeof(shape) - 1;
    size_t ext = strlen(f->ext);
    if (strncmp(rest, f->ext, ext) != 0) {
        return NULL;
    }
    return rest[ext] == '\0' || strcmp(rest + ext, ".gz") == 0 ? t : NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_backups(const struct sa_log_file *f, DIR *dir, struct backups *out)
{
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (backup_time(f, e->d_name) == NULL) {
            continue;
        }
        char **more = reallocarray(out->names, out->n + 1, sizeof(*more));
        if (more == NULL) {
            break;
        }
        out->names = more;
        out->names[out->n] = strdup(e->d_name);
        if (out->names[out->n] == NULL) {
            break;
        }
        out->n++;
    }
    if (out->n > 0) {
        qsort(out->names, out->n, sizeof(*out->names), by_name);
    }
}

static bool too_old(const struct sa_log_file *f, const char *name, time_t now)
{
    struct tm tm = {0};
    const char *t = backup_time(f, name);
    if (f->max_age_days == 0 || t == NULL || strptime(t, "%Y-%m-%dT%H-%M-%S", &tm) == NULL) {
        return false;
    }
    return timegm(&tm) + (time_t)f->max_age_days * 86400 < now;
}

static void remove_old(const struct sa_log_file *f)
{
    DIR *dir = opendir(f->dir);
    struct backups all = {0};
    if (dir == NULL) {
        return;
    }
    find_backups(f, dir, &all);
    time_t now = time(NULL);
    for (size_t i = 0; i < all.n; i++) {
        bool surplus = f->max_backups != 0 && all.n - i > f->max_backups;
        if (surplus || too_old(f, all.names[i], now)) {
            unlinkat(dirfd(dir), all.names[i], 0);
        }
        free(all.names[i]);
    }
    free(all.names);
    closedir(dir);
}

static void rotate(struct sa_log_file *f)
{
    struct timespec now;
    struct tm tm;
    char when[64];
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm) == NULL ||
        strftime(when, sizeof(when), "%Y-%m-%dT%H-%M-%S", &tm) == 0) {
        return;
    }
    SA_CLEANUP(sa_freep) char *rotated = NULL;
    const char *dir = strcmp(f->dir, ".") == 0 ? "" : f->dir;
    if (asprintf(&rotated, "%s%s-%s.%03d%s", dir, f->stem, when, (int)(now.tv_nsec / 1000000),
                 f->ext) < 0) {
        rotated = NULL;
        return;
    }
    /* Two rotations within a millisecond: the file grows a little past its size instead. */
    if (access(rotated, F_OK) == 0 || rename(f->path, rotated) != 0 || open_file(f, NULL) != 0) {
        return;
    }
    if (f->compress) {
        begin_compression(f, rotated);
    }
    remove_old(f);
}

int sa_log_file_write(struct sa_log_file *f, const void *line, size_t n)
{
    if (f->max_size != 0 && f->size > 0 && f->size + n > f->max_size) {
        rotate(f);
    }
    if (f->to != NULL) {
        step_compression(f);
    }
    const char *p = line;
    while (n > 0) {
        ssize_t w = write(f->fd, p, n);
        if (w < 0) {
            if (errno == EINTR) {
                continue;
            }
            return -1;
        }
        f->size += (uint64_t)w;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

void sa_log_file_close(struct sa_log_file *f)
{
    if (f == NULL) {
        return;
    }
    while (f->to != NULL) {
        step_compression(f);
    }
    sa_closep(&f->fd);
    free(f->path);
    free(f->dir);
    free(f->stem);
    free(f->ext);
    free(f);
}
