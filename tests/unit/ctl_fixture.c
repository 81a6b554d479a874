/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_fixture.h"

#include <check.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "uplink/sqlite_schema.h"

static void serve_one(int fd, const struct ctl_answer *answers)
{
    static const char refusal[] = "ERROR protocol no such request\n";
    char line[4096];
    size_t n = 0;
    while (n + 1 < sizeof line && (n == 0 || line[n - 1] != '\n')) {
        ssize_t r = read(fd, line + n, sizeof line - 1 - n);
        if (r <= 0)
            return;
        n += (size_t)r;
    }
    line[n - 1] = '\0';
    for (; answers->request != NULL; answers++) {
        if (strcmp(answers->request, line) != 0)
            continue;
        /* in small pieces, as a slow daemon would */
        for (const char *s = answers->answer; s != NULL && *s != '\0';) {
            size_t piece = strlen(s) > 100 ? 100 : strlen(s);
            if (write(fd, s, piece) != (ssize_t)piece)
                return;
            s += piece;
        }
        return;
    }
    (void)!write(fd, refusal, sizeof refusal - 1);
}

static void serve(int listener, const struct ctl_answer *answers)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(1);
        serve_one(fd, answers);
        close(fd);
    }
}

void ctl_fixture_make(struct ctl_fixture *f, const struct ctl_answer *answers)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *f = (struct ctl_fixture){.dir = "/tmp/sa-ctl-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(f->dir));
    snprintf(f->socket, sizeof f->socket, "%s/control.sock", f->dir);
    snprintf(f->database, sizeof f->database, "%s/cache.db", f->dir);
    if (answers == NULL)
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, f->socket, strlen(f->socket) + 1);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    f->daemon = fork();
    ck_assert_int_ge(f->daemon, 0);
    if (f->daemon == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(fd, answers);
    }
    close(fd);
}

void ctl_fixture_remove(struct ctl_fixture *f)
{
    char command[128];
    if (f->daemon > 0) {
        kill(f->daemon, SIGKILL);
        waitpid(f->daemon, NULL, 0);
    }
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    ck_assert_int_eq(system(command), 0);
}

static const char content[] =
    "INSERT INTO accounts "
    "VALUES(1,'prod',5,'a:443','v1.36.3','u1',0),(2,'test',6,'b:443','v1.30.0','u2',0);"
    "INSERT INTO scopes VALUES(1,1,'','pods','','v1','Pod',1,'',0,2,zeroblob(16),''),"
    "(2,1,'apps','deployments','','v1','Deployment',1,'',0,1,zeroblob(16),''),"
    "(3,2,'','pods','shop','v1','Pod',1,'',0,1,zeroblob(16),'');"
    "INSERT INTO objects VALUES"
    "(1,1,'shop','web-1','x','1',zeroblob(16),0,'{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
    "\"metadata\":"
    "{\"name\":\"web-1\",\"namespace\":\"shop\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":"
    "[{\"image\":\"nginx:1\"}]},\"status\":{\"phase\":\"Running\"}}'),"
    "(2,1,'bank','web-2','x','1',zeroblob(16),0,'{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
    "\"metadata\":"
    "{\"name\":\"web-2\",\"annotations\":{\"a\":\"yes\",\"b\":\"x: "
    "[y]\",\"\\u001b[2J\":\"\"}},\"n\":12345678901234}'),"
    "(3,2,'shop','web','x','1',zeroblob(16),0,'{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"Deployment\",\"metadata\":"
    "{\"name\":\"web\"},\"spec\":{\"replicas\":3},\"status\":{\"readyReplicas\":2}}'),"
    "(4,3,'shop','web-1','x','1',zeroblob(16),0,'{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
    "\"metadata\":"
    "{\"name\":\"web-1\"}}');"
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<12)"
    "INSERT INTO changes SELECT i,1700000000000000+i*1000,CASE i%2 WHEN 0 THEN 'prod' ELSE 'test' "
    "END,"
    "'Pod','shop','web-'||i,'added',100 FROM n;";

void ctl_fixture_cache(const struct ctl_fixture *f)
{
    sqlite3 *db;
    char *text = NULL;
    ck_assert_int_eq(sqlite3_open(f->database, &db), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(db, "PRAGMA journal_mode=WAL;" SA_SQLITE_SCHEMA, NULL, NULL, &text),
        SQLITE_OK);
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version=%d", SA_SQLITE_VERSION);
    ck_assert_int_eq(sqlite3_exec(db, version, NULL, NULL, NULL), SQLITE_OK);
    int r = sqlite3_exec(db, content, NULL, NULL, &text);
    ck_assert_msg(r == SQLITE_OK, "%s", text);
    sqlite3_close(db);
}

int ctl_run(const struct ctl_fixture *f, const char *args, char **out)
{
    char command[2048], chunk[4096];
    struct sa_buf b;
    sa_buf_init(&b, 0);
    snprintf(command, sizeof command,
             "S='--socket %s' D='--database %s' DIR='%s'; timeout 20 %s %s 2>&1", f->socket,
             f->database, f->dir, SA_CTL_PROGRAM, args);
    FILE *p = popen(command, "r");
    ck_assert_ptr_nonnull(p);
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, p)) > 0;)
        sa_buf_add(&b, chunk, n);
    int status = pclose(p);
    sa_buf_addc(&b, '\0');
    *out = b.data;
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}
