/* SPDX-License-Identifier: Apache-2.0 */
/* First step: which files there are, and their bytes. Nothing is parsed here. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/process.h"
#include "config/load.h"

/* What the package presets; the administrator's files override it. */
#define PACKAGE_FILE "/usr/share/scale-agent/scale-agent.yml"

#define MAX_FILES 20000
#define MAX_TOTAL ((size_t)64 << 20)
#define MAX_FILE  ((size_t)4 << 20)

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"

static int read_fd(int fd, const char *path, size_t max, char **out, size_t *n, struct sa_err **err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return sa_err_sys(err, errno, "reading %s", path);
    if (st.st_size < 0 || (uint64_t)st.st_size > max)
        return sa_err_set(err, SA_ELIMIT, "%s is larger than %zu bytes", path, max);
    size_t cap = (size_t)st.st_size, used = 0;
    char *bytes = malloc(cap + 1);
    if (bytes == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory to read %s", path);
    while (used < cap) {
        ssize_t r = read(fd, bytes + used, cap - used);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            sa_err_sys(err, errno, "reading %s", path);
            free(bytes);
            return -1;
        }
        if (r == 0)
            break;
        used += (size_t)r;
    }
    bytes[used] = '\0';
    *out = bytes;
    *n = used;
    return 0;
}

int sa_file_read(const char *path, size_t max, char **out, size_t *n, struct sa_err **err)
{
    char place[64];
    struct stat st;
    /* Where it leads, first: to open a device, a FIFO or a terminal is to act on it already, and
     * some paths are named by processes with fewer rights. */
    SA_CLEANUP(sa_closep) int where = sa_open_readable(path, O_PATH | O_CLOEXEC);
    if (where < 0)
        return sa_err_sys(err, errno, "opening %s", path);
    if (fstat(where, &st) != 0)
        return sa_err_sys(err, errno, "reading %s", path);
    if (!S_ISREG(st.st_mode))
        return sa_err_set(err, SA_ECONFIG, "%s is not a regular file", path);
    snprintf(place, sizeof place, "/proc/self/fd/%d", where);
    SA_CLEANUP(sa_closep)
    int fd = sa_open_readable(place, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return sa_err_sys(err, errno, "opening %s", path);
    return read_fd(fd, path, max, out, n, err);
}

/* Nothing of that name, not even a link: accounts whose link leads nowhere were not removed. */
static bool is_absent(const char *path, const struct sa_err *why)
{
    struct stat st;
    return why != NULL && why->code == SA_ESYSTEM &&
           (why->sys_errno == ENOENT || why->sys_errno == ENOTDIR) && lstat(path, &st) != 0;
}

/* Adds one file. One that is not there is passed over in silence. Takes over path. */
static int add_file(struct sa_sources *s, char *path, enum sa_source_role role, struct sa_err **err)
{
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    struct sa_source src = {.path = path, .role = role};
    if (path == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of files");
    if (sa_file_read(path, MAX_FILE, &src.bytes, &src.n, &why) != 0) {
        bool absent = is_absent(path, why);
        src.failure = absent ? NULL : strdup(sa_err_msg(why));
        if (src.failure == NULL) {
            free(path);
            return absent ? 0 : sa_err_set(err, SA_EMEMORY, "no memory for the list of files");
        }
    }
    s->total += src.n;
    struct sa_source *bigger = NULL;
    if (s->n >= MAX_FILES || s->total > MAX_TOTAL)
        sa_err_set(err, SA_ELIMIT, "more than %d configuration files or %zu bytes in all",
                   MAX_FILES, MAX_TOTAL);
    else if ((bigger = reallocarray(s->v, s->n + 1, sizeof *bigger)) == NULL)
        sa_err_set(err, SA_EMEMORY, "no memory for the list of files");
    if (bigger == NULL) {
        free(path);
        free(src.bytes);
        free(src.failure);
        return -1;
    }
    s->v = bigger;
    s->v[s->n++] = src;
    return 0;
}

/* *.yml and *.yaml, but nothing hidden: ConfigMap volumes keep their versions in ..data and such.
 */
static int is_config_name(const struct dirent *e)
{
    const char *dot = strrchr(e->d_name, '.');
    return e->d_name[0] != '.' && dot != NULL &&
           (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

/* By bytes, whatever the locale says. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* A directory that can't be listed is reported like a file that can't be read. */
static int add_unlisted(struct sa_sources *s, const char *dir, int errnum, enum sa_source_role role,
                        struct sa_err **err)
{
    if (errnum == ENOENT)
        return 0;
    struct sa_source *bigger = reallocarray(s->v, s->n + 1, sizeof *bigger);
    if (bigger == NULL)
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of files");
    s->v = bigger;
    struct sa_source src = {.path = strdup(dir), .role = role};
    if (asprintf(&src.failure, "listing %s: %s", dir, strerror(errnum)) < 0)
        src.failure = NULL;
    if (src.path == NULL || src.failure == NULL) {
        free(src.path);
        free(src.failure);
        return sa_err_set(err, SA_EMEMORY, "no memory for the list of files");
    }
    s->v[s->n++] = src;
    return 0;
}

static int add_directory(struct sa_sources *s, const char *dir, enum sa_source_role role,
                         struct sa_err **err)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_config_name, by_name);
    if (n < 0)
        return add_unlisted(s, dir, errno, role, err);
    int r = 0;
    for (int i = 0; i < n; i++) {
        if (r == 0) {
            char *path = NULL;
            if (asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0)
                path = NULL;
            r = add_file(s, path, role, err);
        }
        free(names[i]);
    }
    free(names);
    return r;
}

static int add_all(struct sa_sources *s, const char *const *paths, bool directories,
                   enum sa_source_role role, struct sa_err **err)
{
    for (; paths != NULL && *paths != NULL; paths++) {
        int r;
        if (directories) {
            r = add_directory(s, *paths, role, err);
        } else {
            r = add_file(s, strdup(*paths), role, err);
        }
        if (r != 0)
            return -1;
    }
    return 0;
}

/* As client-go finds it; for logging.fields.agentNamespace. */
static void find_namespace(struct sa_sources *s)
{
    const char *env = getenv("POD_NAMESPACE");
    size_t n;
    if (env != NULL && env[0] != '\0') {
        s->namespace = strdup(env);
        return;
    }
    if (sa_file_read(SERVICE_ACCOUNT "namespace", 256, &s->namespace, &n, NULL) == 0)
        s->namespace[strcspn(s->namespace, "\r\n")] = '\0';
}

/* Two clusters never share the key of their authority, and addresses inside them are all alike. */
static void find_cluster(struct sa_sources *s)
{
    struct sa_digest_state h;
    struct sa_digest digest;
    char hex[2 * sizeof digest.b + 1];
    char *ca = NULL;
    size_t n;
    if (sa_file_read(SERVICE_ACCOUNT "ca.crt", MAX_FILE, &ca, &n, NULL) != 0)
        return;
    sa_digest_start(&h);
    sa_digest_add(&h, ca, n);
    sa_digest_end(&h, &digest);
    sa_hex(digest.b, sizeof digest.b, hex);
    if (asprintf(&s->cluster, "cluster-%.12s", hex) < 0)
        s->cluster = NULL;
    free(ca);
}

int sa_sources_read(const struct sa_config_paths *paths, struct sa_sources *out,
                    struct sa_err **err)
{
    *out = (struct sa_sources){0};
    if (add_all(out, paths->main_files, false, SA_SOURCE_MAIN, err) == 0 &&
        add_all(out, paths->drop_in_dirs, true, SA_SOURCE_DROP_IN, err) == 0 &&
        add_all(out, paths->account_dirs, true, SA_SOURCE_ACCOUNT, err) == 0) {
        find_namespace(out);
        find_cluster(out);
        return 0;
    }
    sa_sources_free(out);
    return -1;
}

int sa_sources_read_files(const char *const *files, struct sa_sources *out, struct sa_err **err)
{
    *out = (struct sa_sources){0};
    if (add_all(out, files, false, SA_SOURCE_MAIN, err) == 0)
        return 0;
    sa_sources_free(out);
    return -1;
}

void sa_sources_free(struct sa_sources *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i].bytes != NULL)
            explicit_bzero(s->v[i].bytes, s->v[i].n); /* it may hold a token */
        free(s->v[i].path);
        free(s->v[i].bytes);
        free(s->v[i].failure);
    }
    free(s->v);
    free(s->namespace);
    free(s->cluster);
    *s = (struct sa_sources){0};
}

static bool in_container(void)
{
    return getenv("KUBERNETES_SERVICE_HOST") != NULL || access("/.dockerenv", F_OK) == 0 ||
           access("/run/.containerenv", F_OK) == 0;
}

const struct sa_config_paths *sa_config_default_paths(void)
{
    static const char *const host_files[] = {PACKAGE_FILE, "/etc/scale-agent/scale-agent.yml",
                                             NULL};
    static const char *const container_files[] = {
        PACKAGE_FILE, "/opt/armory/config/armory-agent.yml",
        "/opt/armory/config/armory-agent-local.yml", "/etc/scale-agent/scale-agent.yml", NULL};
    static const char *const drop_ins[] = {"/etc/scale-agent/scale-agent.d", NULL};
    static const char *const accounts[] = {"/etc/scale-agent/accounts.d", NULL};
    static const struct sa_config_paths host = {host_files, drop_ins, accounts};
    static const struct sa_config_paths container = {container_files, drop_ins, accounts};
    return in_container() ? &container : &host;
}
