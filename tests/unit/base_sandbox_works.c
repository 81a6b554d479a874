/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must go on working inside: nng over its ipc socket in both roles, libcurl over TLS with its
 * resolver's threads, getaddrinfo, SQLite, libmicrohttpd, and a helper's program.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base_sandbox_test.h"

static pid_t tls_server;
static uint16_t tls_port;
static char ca_file[128];

/* A step of a child; the number of the line is its exit code's reason on standard error. */
#define NEED(c)                                                                                    \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #c, errno);              \
            _exit(99);                                                                             \
        }                                                                                          \
    } while (0)

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static int connect_local(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    a.sin_port = htons(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void start_tls_server(void)
{
    char command[600];
    char port[16];
    char key[128];
    world_make();
    snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", world.readable);
    snprintf(key, sizeof(key), "%s/key.pem", world.dir);
    snprintf(command, sizeof(command),
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "
             "/CN=localhost -addext subjectAltName=DNS:localhost -keyout %s -out %s 2>%s/log",
             key, ca_file, world.dir);
    ck_assert_int_eq(system(command), 0);
    chmod(ca_file, 0644);
    tls_port = free_port();
    snprintf(port, sizeof(port), "%u", tls_port);
    tls_server = fork();
    if (tls_server == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("openssl", "openssl", "s_server", "-accept", port, "-www", "-cert", ca_file, "-key",
               key, (char *)NULL);
        _exit(127);
    }
    int fd = -1;
    for (int i = 0; i < 500 && fd < 0; i++) {
        usleep(10000);
        fd = connect_local(tls_port);
    }
    ck_assert_int_ge(fd, 0);
    close(fd);
}

static void stop_tls_server(void)
{
    kill(tls_server, SIGKILL);
    waitpid(tls_server, NULL, 0);
    world_remove();
}

/* The parts, each used after the seal */

static size_t count_bytes(char *p, size_t size, size_t n, void *arg)
{
    (void)p;
    *(size_t *)arg += size * n;
    return size * n;
}

static void get_by_tls(void)
{
    char url[64];
    size_t got = 0;
    CURL *c = curl_easy_init();
    NEED(c != NULL);
    snprintf(url, sizeof(url), "https://localhost:%u/", tls_port);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, count_bytes);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &got);
    CURLcode r = curl_easy_perform(c);
    if (r != CURLE_OK) {
        fprintf(stderr, "curl: %s\n", curl_easy_strerror(r));
    }
    NEED(r == CURLE_OK && got > 100);
    curl_easy_cleanup(c);
}

static void *thread_body(void *arg)
{
    *(int *)arg = prctl(PR_GET_SECCOMP);
    return NULL;
}

static void make_thread(void)
{
    pthread_t t;
    int mode = 0;
    NEED(pthread_create(&t, NULL, thread_body, &mode) == 0);
    NEED(pthread_join(t, NULL) == 0);
    NEED(mode == 2);
}

static void resolve(void)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *a = NULL;
    /* As well as outside: a bare tree has no hosts file. */
    NEED((getaddrinfo("localhost", "443", &hints, &a) == 0) == world.localhost);
    if (world.localhost)
        freeaddrinfo(a);
    /* A name that has to be asked for: no answer is no matter, being killed is. */
    NEED(getaddrinfo("name.invalid", "443", &hints, &a) != 0);
}

static void use_sqlite(void)
{
    char path[160];
    sqlite3 *db = NULL;
    snprintf(path, sizeof(path), "%s/cache.db", world.writable);
    NEED(sqlite3_open(path, &db) == SQLITE_OK);
    NEED(sqlite3_exec(db,
                      "PRAGMA journal_mode=WAL; CREATE TABLE t(a TEXT PRIMARY KEY); BEGIN; INSERT "
                      "INTO t VALUES('x'); COMMIT; PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA "
                      "journal_mode=DELETE; INSERT INTO t VALUES('y'); DELETE FROM t;",
                      NULL, NULL, NULL) == SQLITE_OK);
    NEED(sqlite3_close(db) == SQLITE_OK);
}

static void seal(const struct sa_sandbox *s, struct sa_sandbox_report *rep, int32_t *nr)
{
    struct sa_err *err = NULL;
    sa_sandbox_report_syscall_to(nr);
    if (sa_sandbox_seal(s, rep, &err) != 0) {
        fprintf(stderr, "seal: %s\n", sa_err_msg(err));
        _exit(98);
    }
}

static void enter(const struct sa_sandbox *s, struct sa_sandbox_report *rep)
{
    struct sa_err *err = NULL;
    if (sa_sandbox_enter(s, rep, &err) != 0) {
        fprintf(stderr, "enter: %s\n", sa_err_msg(err));
        _exit(98);
    }
}

/* As the uplink listens and a worker dials; both seal when nng's threads run. */
static void nng_child(enum sa_sandbox_profile profile, bool from_root, int32_t *nr)
{
    if (!from_root) {
        start_without_root();
    }
    char url[160];
    char reply[16];
    size_t n = sizeof(reply);
    nng_socket sock;
    struct sa_sandbox_report rep;
    struct sa_sandbox s = sandbox_of(profile, from_root);
    s.tcp_connect = &tls_port;
    bool listens = profile == SA_SANDBOX_UPLINK;
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    enter(&s, &rep);
    snprintf(url, sizeof(url), "ipc://%s/data", world.writable);
    NEED(nng_pair0_open(&sock) == 0);
    NEED(nng_socket_set_ms(sock, NNG_OPT_RECVTIMEO, 20000) == 0);
    NEED(nng_socket_set_ms(sock, NNG_OPT_SENDTIMEO, 20000) == 0);
    if (listens) {
        NEED(nng_listen(sock, url, NULL, 0) == 0);
    }
    seal(&s, &rep, nr);
    if (!listens) {
        NEED(nng_dial(sock, url, NULL, NNG_FLAG_NONBLOCK) == 0);
        NEED(nng_send(sock, (void *)(uintptr_t) "ping", 5, 0) == 0);
        NEED(nng_recv(sock, reply, &n, 0) == 0 && strcmp(reply, "pong") == 0);
    } else {
        NEED(nng_recv(sock, reply, &n, 0) == 0 && strcmp(reply, "ping") == 0);
        NEED(nng_send(sock, (void *)(uintptr_t) "pong", 5, 0) == 0);
        use_sqlite();
    }
    get_by_tls();
    make_thread();
    resolve();
    if (listens) {
        usleep(50000); /* the other side may still be reading */
    }
    nng_close(sock);
    curl_global_cleanup();
    exit(0); /* not _exit: what runs at exit has to be allowed, too */
}

static void check_child(pid_t pid, const int32_t *nr, const char *who)
{
    int status = -1;
    char name[64] = "none";
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (*nr != 0) {
        sa_syscall_name(*nr - 1, name, sizeof(name));
    }
    ck_assert_msg(status == 0, "%s: wait status %x, system call %s", who, (unsigned)status, name);
}

static int32_t *shared_numbers(void)
{
    struct trace_page {
        int32_t nr[4];
    };
    FILE *f = tmpfile();
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(ftruncate(fileno(f), sizeof(struct trace_page)), 0);
    void *p =
        mmap(NULL, sizeof(struct trace_page), PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    ck_assert_ptr_ne(p, MAP_FAILED);
    return p;
}

START_TEST(uplink_and_worker_work)
{
    bool root = _i == 1;
    int32_t *nr = shared_numbers();
    if (root && !is_root()) {
        return;
    }
    pid_t uplink = fork();
    if (uplink == 0) {
        nng_child(SA_SANDBOX_UPLINK, root, &nr[0]);
    }
    pid_t worker = fork();
    if (worker == 0) {
        nng_child(SA_SANDBOX_WORKER, root, &nr[1]);
    }
    check_child(worker, &nr[1], "worker");
    check_child(uplink, &nr[0], "uplink");
}
END_TEST

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **state)
{
    static char text[] = "sa_up 1\n";
    (void)arg, (void)url, (void)method, (void)version, (void)upload, (void)upload_size, (void)state;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result q = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return q;
}

/* Serves until the other end of until is closed. */
static void exporter_child(uint16_t port, int until, int32_t *nr)
{
    char end;
    struct sa_sandbox_report rep;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_EXPORTER, is_root());
    s.tcp_bind = &port;
    s.n_tcp_bind = 1;
    enter(&s, &rep);
    struct MHD_Daemon *d =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, port, NULL, NULL, answer, NULL,
                         MHD_OPTION_CONNECTION_TIMEOUT, 5u, MHD_OPTION_END);
    NEED(d != NULL);
    seal(&s, &rep, nr);
    NEED(read(until, &end, 1) == 0);
    MHD_stop_daemon(d);
    exit(0);
}

START_TEST(exporter_works)
{
    static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";
    char reply[1000] = "";
    int32_t *nr = shared_numbers();
    uint16_t port = free_port();
    int p[2];
    ck_assert_int_eq(pipe(p), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(p[1]);
        exporter_child(port, p[0], nr);
    }
    int fd = -1;
    for (int i = 0; i < 2000 && fd < 0; i++) {
        usleep(10000);
        fd = connect_local(port);
    }
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, request, sizeof(request) - 1), (int)sizeof(request) - 1);
    ssize_t n = 0;
    for (ssize_t got = 1; got > 0 && n < 999; n += got) {
        got = read(fd, reply + n, sizeof(reply) - 1 - (size_t)n);
        ck_assert_int_ge(got, 0);
    }
    ck_assert_ptr_nonnull(strstr(reply, "sa_up 1"));
    close(fd);
    close(p[1]);
    check_child(pid, nr, "exporter");
}
END_TEST

/* A program of the helper's runs, with threads and processes of its own, and is confined like it.
 */
static void helper_child(bool from_root, int32_t *nr)
{
    struct sa_sandbox_report rep;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_HELPER, from_root);
    struct sa_sandbox_path paths[] = {{.path = "/usr", .exec = true},
                                      {.path = "/lib", .exec = true, .optional = true},
                                      {.path = "/lib64", .exec = true, .optional = true},
                                      {.path = "/bin", .exec = true, .optional = true},
                                      {.path = "/etc/ld.so.cache", .optional = true},
                                      {.path = "/dev/null", .write = true},
                                      {.path = world.readable}};
    char script[400];
    s.paths = paths;
    s.n_paths = sizeof(paths) / sizeof(paths[0]);
    /* SIGCONT passes within a session, whoever the user is: only a scope stops it. */
    snprintf(
        script, sizeof(script),
        "[ \"$(cat %s/file)\" = text ] || exit 1; cat %s 2>/dev/null && exit 2; %s kill -CONT %d "
        "2>/dev/null && exit 3; [ \"$(id -u)\" != 0 ] || exit 4",
        world.readable, world.outside, landlock_abi() >= 6 ? "" : "false &&", (int)world.parent);
    enter(&s, &rep);
    seal(&s, &rep, nr);
    pid_t pid = fork();
    NEED(pid >= 0);
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", script, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    NEED(waitpid(pid, &status, 0) == pid);
    if (status != 0) {
        fprintf(stderr, "script: %x\n", (unsigned)status);
    }
    NEED(status == 0);
    _exit(0);
}

START_TEST(helper_runs_its_program)
{
    int32_t *nr = shared_numbers();
    pid_t pid = fork();
    if (pid == 0) {
        helper_child(is_root(), nr);
    }
    check_child(pid, nr, "helper");
}
END_TEST

static void reader_child(int out, int in, int32_t *nr)
{
    char text[16] = "";
    struct sa_sandbox_report rep;
    struct sa_sandbox s = sandbox_of(SA_SANDBOX_READER, is_root());
    s.n_paths = 0;
    s.n_tcp_connect = 0;
    enter(&s, &rep);
    seal(&s, &rep, nr);
    NEED(read(in, text, sizeof(text)) == 5 && strcmp(text, "text\n") == 0);
    char *big = malloc(3000000); /* parsing needs memory, and more of it */
    NEED(big != NULL);
    memset(big, 'x', 3000000);
    free(big);
    struct tm tm;
    time_t now = time(NULL);
    NEED(localtime_r(&now, &tm) != NULL);
    NEED(write(out, "answer", 6) == 6);
    exit(0);
}

START_TEST(reader_reads_what_it_has_open)
{
    char path[160];
    char text[16] = "";
    int p[2];
    int32_t *nr = shared_numbers();
    snprintf(path, sizeof(path), "%s/file", world.readable);
    ck_assert_int_eq(pipe(p), 0);
    int in = open(path, O_RDONLY);
    pid_t pid = fork();
    if (pid == 0) {
        reader_child(p[1], in, nr);
    }
    close(p[1]);
    ck_assert_int_eq(read(p[0], text, sizeof(text)), 6);
    check_child(pid, nr, "reader");
}
END_TEST

TCase *sandbox_works(void)
{
    TCase *t = tcase_create("works");
    tcase_add_checked_fixture(t, start_tls_server, stop_tls_server);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, uplink_and_worker_work, 0, 2);
    tcase_add_test(t, exporter_works);
    tcase_add_test(t, helper_runs_its_program);
    tcase_add_test(t, reader_reads_what_it_has_open);
    return t;
}
