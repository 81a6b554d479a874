/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define DEFAULT_USER "_scale-agent"

static bool find_user(const char *name, uid_t *uid, gid_t *gid)
{
    const struct passwd *pw = getpwnam(name);

    if (!pw || pw->pw_uid == 0 || pw->pw_gid == 0)
        return false;
    *uid = pw->pw_uid;
    *gid = pw->pw_gid;
    return true;
}

void sa_identity_early(struct sa_identity *id)
{
    memset(id, 0, sizeof(*id));
    id->root = geteuid() == 0;
    if (id->root && !find_user(DEFAULT_USER, &id->uid, &id->gid)) {
        id->uid = SA_NOBODY;
        id->gid = SA_NOBODY;
    }
}

static void take_user(const struct sa_settings *s, struct sa_identity *id)
{
    const char *name = s->user && *s->user ? s->user : DEFAULT_USER;

    if (find_user(name, &id->uid, &id->gid))
        return;
    id->uid = id->range_count > 0 ? id->range_first : SA_NOBODY;
    id->gid = id->range_count > 0 ? (gid_t)id->range_first : SA_NOBODY;
    sa_log(SA_WARN, "user %s does not exist or is root: children run as uid %u", name,
           (unsigned)id->uid);
}

/* In a user namespace there may be no such users: user_namespaces(7). */
static bool range_exists(const struct sa_settings *s)
{
    bool found = false;
    char line[128];
    FILE *f = fopen("/proc/self/uid_map", "re");

    if (!f)
        return true;
    /* Each line: the first id inside, the first outside, how many. */
    while (!found && fgets(line, sizeof(line), f)) {
        char *at = line;
        int64_t first = strtoll(at, &at, 10);

        strtoll(at, &at, 10);
        found = s->uid_range_first >= first &&
                s->uid_range_first + s->uid_range_count <= first + strtoll(at, NULL, 10);
    }
    fclose(f);
    if (!found)
        sa_log(SA_WARN, "the users of uidRange do not exist in this container: all workers run as "
                        "one user");
    return found;
}

int sa_identity_resolve(const struct sa_settings *s, struct sa_identity *id, struct sa_err **err)
{
    memset(id, 0, sizeof(*id));
    id->root = geteuid() == 0;
    if (s->control_group && *s->control_group) {
        const struct group *gr = getgrnam(s->control_group);

        if (!gr)
            return sa_err_set(err, SA_ECONFIG,
                              "group %s, which may use the control socket, does not exist",
                              s->control_group);
        id->control_group_set = true;
        id->control_gid = gr->gr_gid;
    }
    if (!id->root)
        return 0;
    if (s->uid_range_count > 0 && s->uid_range_first > 0 &&
        s->uid_range_first + s->uid_range_count < UINT32_MAX && range_exists(s)) {
        id->range_first = (uid_t)s->uid_range_first;
        id->range_count = (uint32_t)s->uid_range_count;
    }
    take_user(s, id);
    return 0;
}

uid_t sa_identity_worker_uid(const struct sa_identity *id, uint32_t index)
{
    if (!id->root || id->range_count == 0)
        return id->uid;
    return id->range_first + index % id->range_count;
}

static int make_parents(const char *path, struct sa_err **err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);

    if (n >= sizeof(part))
        return sa_err_set(err, SA_ECONFIG, "%s: path too long", path);
    memcpy(part, path, n + 1);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(part, 0755) < 0 && errno != EEXIST)
            return sa_err_sys(err, errno, "cannot make directory %s", part);
        *p = '/';
    }
    return 0;
}

/* A service manager has made it, and may not have left root the rights to change it. */
static bool is_as_wanted(const struct sa_identity *id, const char *path, uid_t uid, gid_t gid,
                         mode_t mode)
{
    struct stat st;

    return id->root && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid &&
           st.st_gid == gid && (st.st_mode & 07777) == mode;
}

/* Makes path, or brings what is there (a directory, not a link to one) to owner and mode. */
static int make_directory(const struct sa_identity *id, const char *path, uid_t uid, gid_t gid,
                          mode_t mode, struct sa_err **err)
{
    SA_CLEANUP(sa_closep) int fd = -1;
    bool made = mkdir(path, mode) == 0;

    if (!made && errno == EEXIST && is_as_wanted(id, path, uid, gid, mode))
        return 0;
    if (!made && errno != EEXIST)
        return sa_err_sys(err, errno, "cannot make directory %s", path);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return sa_err_sys(err, errno, "cannot use %s as a directory", path);
    if (!made && !id->root)
        return 0;
    if (id->root && fchown(fd, uid, gid) < 0)
        return sa_err_sys(err, errno, "cannot give directory %s to uid %u", path, (unsigned)uid);
    if (fchmod(fd, mode) < 0)
        return sa_err_sys(err, errno, "cannot set the mode of directory %s", path);
    return 0;
}

static int take_lock(const char *runtime_dir, int *lock_fd, struct sa_err **err)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof(path), "%s/lock", runtime_dir) >= sizeof(path))
        return sa_err_set(err, SA_ECONFIG, "%s: path too long", runtime_dir);
    *lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock_fd < 0)
        return sa_err_sys(err, errno, "cannot open %s", path);
    if (flock(*lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return sa_err_set(err, SA_EREFUSED,
                          "another scale-agentd runs with the directory %s; stop it, or give this "
                          "one another by --runtime-dir",
                          runtime_dir);
    return sa_err_sys(err, errno, "cannot lock %s", path);
}

int sa_identity_directories(const struct sa_identity *id, const char *runtime_dir,
                            const char *state_dir, int *lock_fd, struct sa_err **err)
{
    char data[PATH_MAX];

    if ((size_t)snprintf(data, sizeof(data), "%s/data", runtime_dir) >= sizeof(data))
        return sa_err_set(err, SA_ECONFIG, "%s: path too long", runtime_dir);
    if (make_parents(runtime_dir, err) < 0 || make_parents(state_dir, err) < 0)
        return -1;
    if (make_directory(id, runtime_dir, 0, 0, id->root ? 0755 : 0700, err) < 0)
        return -1;
    if (take_lock(runtime_dir, lock_fd, err) < 0)
        return -1;
    if (make_directory(id, data, id->uid, id->gid, 0750, err) < 0)
        return -1;
    return make_directory(id, state_dir, id->uid, id->gid, 0700, err);
}
