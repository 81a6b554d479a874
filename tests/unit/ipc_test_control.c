/* SPDX-License-Identifier: Apache-2.0 */
/* The control channel: order, queueing, both kinds of end, callbacks that free it, hostile peers.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/control.h"
#include "ipc/queue.h"
#include "ipc_test.h"

struct side {
    struct sa_ctl *ctl;
    unsigned messages, ends;
    uint64_t next; /* the number expected in the next SA_CTL_LOG_LEVEL message */
    bool free_in_callback, refuse, take_fd;
    int fd; /* that came with the last message and was taken */
    uint8_t last_type;
    char reason[200];
};

static struct sa_loop *loop;
static int fds[2];
static struct side a, b;

static int on_msg(void *arg, uint8_t type, struct sa_rd *body)
{
    struct side *s = arg;
    s->messages++;
    s->last_type = type;
    if (s->take_fd) {
        s->fd = sa_ctl_take_fd(s->ctl);
    }
    if (type == SA_CTL_ACCOUNT_REMOVE) {
        ck_assert_uint_eq(sa_rd_u64(body), s->next++);
    }
    if (s->free_in_callback) {
        sa_ctl_free(s->ctl);
        s->ctl = NULL;
    }
    return s->refuse ? -1 : 0;
}

static void on_end(void *arg, const struct sa_err *reason)
{
    struct side *s = arg;
    s->ends++;
    snprintf(s->reason, sizeof(s->reason), "%s", reason != NULL ? reason->msg : "clean");
    if (s->free_in_callback) {
        sa_ctl_free(s->ctl);
        s->ctl = NULL;
    }
}

static struct sa_ctl *attach(struct side *s, int fd)
{
    s->ctl = sa_ctl_new(loop, fd, on_msg, on_end, s, NULL);
    ck_assert_ptr_nonnull(s->ctl);
    ck_assert_int_eq(sa_ctl_fd(s->ctl), fd);
    return s->ctl;
}

static void set_up(void)
{
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    loop = sa_loop_new(NULL);
    ck_assert_int_eq(sa_ctl_pair(fds, NULL), 0);
}

static void tear_down(void)
{
    sa_ctl_free(a.ctl);
    sa_ctl_free(b.ctl);
    sa_loop_free(loop);
}

static void turns(int n)
{
    for (int i = 0; i < n; i++) {
        ck_assert_int_eq(sa_loop_turn(loop, 1, NULL), 0);
    }
}

static int send_number(struct sa_ctl *c, uint64_t number, size_t padding, struct sa_err **err)
{
    struct sa_buf body = {0};
    sa_wr_u64(&body, number);
    sa_buf_reserve(&body, padding);
    memset(body.data + body.len, 'x', padding);
    body.len += padding;
    int r = sa_ctl_send(c, SA_CTL_ACCOUNT_REMOVE, &body, err);
    sa_buf_free(&body);
    return r;
}

START_TEST(messages_go_both_ways)
{
    attach(&a, fds[0]);
    attach(&b, fds[1]);
    ck_assert_int_ne(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
    ck_assert_int_eq(sa_ctl_send(a.ctl, SA_CTL_STOP, NULL, NULL), 0);
    ck_assert_int_eq(sa_ctl_send(b.ctl, SA_CTL_READY, NULL, NULL), 0);
    ck_assert_int_eq(send_number(a.ctl, 0, SA_CTL_MAX - 9, NULL), 0); /* the largest */
    turns(3);
    ck_assert_uint_eq(a.messages, 1);
    ck_assert_uint_eq(a.last_type, SA_CTL_READY);
    ck_assert_uint_eq(b.messages, 2);
    ck_assert_uint_eq(b.next, 1);
    ck_assert_uint_eq(a.ends + b.ends, 0);
}
END_TEST

/* The other side doesn't read for a while: everything is queued, keeps its order and arrives. */
START_TEST(what_the_socket_cannot_take_is_queued_in_order)
{
    struct sa_err *err = NULL;
    uint64_t n = 0;
    attach(&a, fds[0]);
    while (n < 100000 && send_number(a.ctl, n, 10000, &err) == 0) {
        n++;
    }
    ck_assert_uint_gt(n, 400); /* 4 MB and what the socket holds */
    ck_assert_uint_lt(n, 500);
    ck_assert_int_eq(err->code, SA_ELIMIT);
    sa_err_free(&err);
    attach(&b, fds[1]);
    for (int i = 0; i < 1000 && b.messages < n; i++) {
        turns(1);
    }
    ck_assert_uint_eq(b.messages, n); /* on_msg checks the order */
    ck_assert_int_eq(send_number(a.ctl, n, 0, NULL), 0);
    turns(2);
    ck_assert_uint_eq(b.next, n + 1);
    ck_assert_uint_eq(a.ends, 0);
}
END_TEST

/* A worker that is forked while the uplink doesn't read must not find the others' keys. */
START_TEST(a_forked_child_does_not_get_what_is_queued)
{
    struct sa_ctl_queue q = {0};
    size_t len;
    int status;
    ck_assert_int_eq(sa_ctl_queue_add(&q, SA_CTL_ACCOUNT_KEY, "key", 3, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make a report of it */
        _exit(sa_ctl_queue_first(&q, &len) == NULL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    ck_assert_mem_eq(sa_ctl_queue_first(&q, &len) + 1, "key", 3);
    sa_ctl_queue_free(&q);
}
END_TEST

/* Room at the front is used again, however long the queue lives. */
START_TEST(a_queue_that_never_empties_keeps_its_order)
{
    struct sa_ctl_queue q = {0};
    static uint8_t big[100000];
    uint64_t in = 0;
    uint64_t out = 0;
    size_t len;
    while (out < 1000) {
        memcpy(big, &in, sizeof(in));
        ck_assert_int_eq(sa_ctl_queue_add(&q, SA_CTL_LOG, big, 1000 + in % 90000, NULL), 0);
        if (++in <= 20) {
            continue;
        }
        const uint8_t *m = sa_ctl_queue_first(&q, &len);
        ck_assert_uint_eq(m[0], SA_CTL_LOG);
        ck_assert_uint_eq(len, 1001 + out % 90000);
        ck_assert_mem_eq(m + 1, &out, sizeof(out));
        sa_ctl_queue_drop_first(&q);
        out++;
    }
    ck_assert_uint_gt(sa_ctl_queue_bytes(&q), 20000);
    while (sa_ctl_queue_first(&q, &len) != NULL) {
        sa_ctl_queue_drop_first(&q);
    }
    ck_assert_uint_eq(sa_ctl_queue_bytes(&q), 0);
    ck_assert_ptr_null(q.base);
}
END_TEST

START_TEST(drain_sends_the_queue_or_gives_up)
{
    struct sa_err *err = NULL;
    attach(&a, fds[0]);
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(send_number(a.ctl, i, 10000, NULL), 0);
    }
    ck_assert_int_eq(sa_ctl_drain(a.ctl, 30, &err), -1);
    ck_assert_int_eq(err->code, SA_ELIMIT);
    sa_err_free(&err);
    pid_t pid = fork();
    if (pid == 0) {
        static char part[SA_CTL_MAX];
        close(fds[0]);
        int got = 0;
        fcntl(fds[1], F_SETFL, 0);
        while (recv(fds[1], part, sizeof(part), 0) > 0) {
            got++;
        }
        _exit(got);
    }
    close(fds[1]);
    ck_assert_int_eq(sa_ctl_drain(a.ctl, 5000, NULL), 0);
    sa_ctl_free(a.ctl);
    a.ctl = NULL;
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(WEXITSTATUS(status), 100);
}
END_TEST

START_TEST(clean_end_is_told_once)
{
    struct sa_err *err = NULL;
    attach(&a, fds[0]);
    close(fds[1]);
    turns(3);
    ck_assert_uint_eq(a.ends, 1);
    ck_assert_str_eq(a.reason, "clean");
    ck_assert_int_eq(sa_ctl_send(a.ctl, SA_CTL_STOP, NULL, &err), -1);
    ck_assert_int_eq(err->code, SA_ENETWORK);
    sa_err_free(&err);
    turns(1);
    ck_assert_uint_eq(a.ends, 1);
}
END_TEST

/* A child that fails says why and exits; it has not read all that was sent to it. Its last words
 * count. */
START_TEST(last_words_survive_a_reset)
{
    attach(&a, fds[0]);
    ck_assert_int_eq(sa_ctl_send(a.ctl, SA_CTL_STOP, NULL, NULL), 0);
    ck_assert_int_eq(sa_ctl_send_now(fds[1], SA_CTL_FATAL, NULL, NULL), 0);
    close(fds[1]);
    turns(3);
    ck_assert_uint_eq(a.messages, 1);
    ck_assert_uint_eq(a.last_type, SA_CTL_FATAL);
    ck_assert_uint_eq(a.ends, 1);
    ck_assert_str_eq(a.reason, "clean");
}
END_TEST

/* SIGPIPE would end this process; the send itself never calls back. */
START_TEST(sending_into_a_closed_channel_is_an_error)
{
    struct sa_err *err = NULL;
    attach(&a, fds[0]);
    close(fds[1]);
    ck_assert_int_eq(sa_ctl_send(a.ctl, SA_CTL_STOP, NULL, &err), -1);
    ck_assert_int_eq(err->sys_errno, EPIPE);
    ck_assert_uint_eq(a.ends, 0);
    sa_err_free(&err);
    turns(2);
    ck_assert_uint_eq(a.ends, 1);
}
END_TEST

START_TEST(queue_of_a_broken_channel_ends_it)
{
    attach(&a, fds[0]);
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(send_number(a.ctl, i, 10000, NULL), 0);
    }
    close(fds[1]);
    turns(3);
    ck_assert_uint_eq(a.ends, 1);
}
END_TEST

START_TEST(callback_may_free_the_channel)
{
    attach(&a, fds[0]);
    a.free_in_callback = true;
    if (_i == 0) { /* in on_msg, with more to come */
        ck_assert_int_eq(sa_ctl_send_now(fds[1], SA_CTL_READY, NULL, NULL), 0);
        ck_assert_int_eq(sa_ctl_send_now(fds[1], SA_CTL_READY, NULL, NULL), 0);
    } else { /* in on_end; with a queue, so that flushing meets it */
        for (uint64_t i = 0; i < 100; i++) {
            ck_assert_int_eq(send_number(a.ctl, i, 10000, NULL), 0);
        }
        close(fds[1]);
    }
    turns(3);
    ck_assert_ptr_null(a.ctl);
    ck_assert_uint_eq(a.messages + a.ends, 1);
}
END_TEST

START_TEST(refused_message_ends_the_channel)
{
    attach(&a, fds[0]);
    a.refuse = true;
    ck_assert_int_eq(sa_ctl_send_now(fds[1], SA_CTL_READY, NULL, NULL), 0);
    ck_assert_int_eq(sa_ctl_send_now(fds[1], SA_CTL_READY, NULL, NULL), 0);
    turns(3);
    ck_assert_uint_eq(a.messages, 1);
    ck_assert_uint_eq(a.ends, 1);
    ck_assert_str_eq(a.reason, "control channel: message SA_CTL_READY was not accepted");
}
END_TEST

START_TEST(too_long_a_message_is_refused_on_both_sides)
{
    struct sa_err *err = NULL;
    static char big[SA_CTL_MAX + 1];
    attach(&a, fds[0]);
    ck_assert_int_eq(send_number(a.ctl, 0, SA_CTL_MAX - 8, &err), -1);
    ck_assert_int_eq(err->code, SA_ELIMIT);
    sa_err_free(&err);
    ck_assert_int_eq(send(fds[1], big, sizeof(big), 0), (int)sizeof(big));
    turns(2);
    ck_assert_uint_eq(a.messages, 0);
    ck_assert_uint_eq(a.ends, 1);
    ck_assert_ptr_nonnull(strstr(a.reason, "more than"));
}
END_TEST

START_TEST(flood_leaves_the_other_descriptors_their_turn)
{
    attach(&a, fds[0]);
    for (int i = 0; i < 200; i++) {
        ck_assert_int_eq(sa_ctl_send_now(fds[1], SA_CTL_READY, NULL, NULL), 0);
    }
    turns(1);
    ck_assert_uint_eq(a.messages, 64);
    turns(4);
    ck_assert_uint_eq(a.messages, 200);
}
END_TEST

START_TEST(send_now_gives_up_on_a_supervisor_that_does_not_read)
{
    struct sa_err *err = NULL;
    static char part[50000];
    struct sa_buf body = {.data = part, .len = sizeof(part)};
    int sent = 0;
    while (sa_ctl_send_now(fds[1], SA_CTL_LOG, &body, &err) == 0) {
        ck_assert_int_lt(sent++, 100);
    }
    ck_assert_int_eq(err->code, SA_ELIMIT);
    sa_err_free(&err);
}
END_TEST

/* What the child logs arrives as a record that can be read back. */
static unsigned records;
/* How many descriptors of the process are open. */
static unsigned open_fds(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

START_TEST(a_descriptor_goes_with_a_message)
{
    int pipe_fds[2];
    char byte = 0;
    attach(&a, fds[0]);
    attach(&b, fds[1]);
    sa_ctl_accept_fds(b.ctl);
    b.take_fd = true;
    ck_assert_int_eq(pipe(pipe_fds), 0);
    ck_assert_int_eq(sa_ctl_send_fd(a.ctl, SA_CTL_OPERATE, NULL, pipe_fds[1], NULL), 0);
    ck_assert_int_eq(close(pipe_fds[1]), 0);
    turns(2);
    ck_assert_uint_eq(b.messages, 1);
    ck_assert_int_ge(b.fd, 0);
    ck_assert_int_eq(fcntl(b.fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(b.fd, "x", 1), 1);
    ck_assert_int_eq(read(pipe_fds[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'x');
    close(b.fd);
    close(pipe_fds[0]);
    /* A message without one brings none. */
    ck_assert_int_eq(sa_ctl_send(a.ctl, SA_CTL_STOP, NULL, NULL), 0);
    turns(2);
    ck_assert_int_eq(b.fd, -1);
}
END_TEST

/* One that is not taken, ones too many, and one that a supervisor's side gets. */
START_TEST(descriptors_that_nobody_takes_are_closed)
{
    attach(&a, fds[0]);
    attach(&b, fds[1]);
    unsigned before = open_fds();
    if (_i != 2) {
        sa_ctl_accept_fds(b.ctl);
    }
    if (_i == 1) {
        int two[2] = {fds[0], fds[1]};
        uint8_t type = SA_CTL_STOP;
        struct iovec v = {&type, 1};
        union {
            struct cmsghdr align;
            char room[CMSG_SPACE(sizeof two)];
        } control = {0};
        struct msghdr m = {.msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control.room};
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        *h = (struct cmsghdr){CMSG_LEN(sizeof two), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(h), two, sizeof two);
        ck_assert_int_eq(sendmsg(fds[0], &m, 0), 1);
    } else {
        ck_assert_int_eq(sa_ctl_send_fd(a.ctl, SA_CTL_OPERATE, NULL, fds[0], NULL), 0);
    }
    turns(2);
    ck_assert_uint_eq(b.messages, 1);
    ck_assert_uint_eq(open_fds(), before);
}
END_TEST

START_TEST(a_descriptor_goes_at_once_or_not_at_all)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    attach(&a, fds[0]);
    for (uint64_t i = 0; !sa_ctl_queued(a.ctl); i++) {
        ck_assert_int_eq(send_number(a.ctl, i, 10000, NULL), 0);
    }
    ck_assert_int_eq(sa_ctl_send_fd(a.ctl, SA_CTL_OPERATE, NULL, fds[0], &err), -1);
    ck_assert_int_eq(err->code, SA_ELIMIT);
}
END_TEST

static int on_log(void *arg, uint8_t type, struct sa_rd *body)
{
    char key[64];
    char value[64];
    char msg[256];
    (void)arg;
    ck_assert_uint_eq(type, SA_CTL_LOG);
    ck_assert_uint_eq(sa_rd_u8(body), SA_WARN);
    sa_rd_str(body, msg, sizeof(msg));
    uint32_t n = sa_rd_u32(body);
    for (uint32_t i = 0; i < n; i++) {
        sa_rd_str(body, key, sizeof(key));
        sa_rd_str(body, value, sizeof(value));
    }
    ck_assert(sa_rd_done(body));
    ck_assert_str_eq(msg, "listed 3 pods");
    ck_assert_uint_ge(n, 1);
    records++;
    return 0;
}

START_TEST(log_goes_through_the_channel)
{
    struct sa_field f[] = {{"resource", "pods"}};
    struct sa_ctl *up = sa_ctl_new(loop, fds[0], on_log, on_end, &a, NULL);
    attach(&b, fds[1]);
    records = 0;
    sa_ctl_log_sink_fd(fds[1]);
    sa_logf(SA_WARN, f, 1, "listed %d pods", 3);
    sa_ctl_log_sink(b.ctl);
    sa_logf(SA_WARN, f, 1, "listed %d pods", 3);
    turns(2);
    ck_assert_uint_eq(records, 2);
    sa_ctl_free(b.ctl); /* and the sink with it */
    b.ctl = NULL;
    sa_log(SA_DEBUG, "not shown, and not written to what was freed");
    sa_log_set_level(SA_TRACE);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    sa_log(SA_INFO, "to standard error again");
    sa_ctl_free(up);
}
END_TEST

START_TEST(log_records_are_dropped_before_the_queue_is_full_and_counted)
{
    struct sa_err *err = NULL;
    static char big[8000];
    memset(big, 'x', sizeof(big) - 1);
    attach(&a, fds[0]);
    sa_ctl_log_sink(a.ctl);
    for (int i = 0; i < 1000; i++) {
        sa_log(SA_WARN, "%s", big);
    }
    /* 8 MB were logged, yet what matters still finds room. */
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(send_number(a.ctl, i, 10000, &err), 0);
    }
    sa_log_set_sink(NULL, NULL);
}
END_TEST

START_TEST(types_have_names)
{
    ck_assert_str_eq(sa_ctl_name(SA_CTL_STOP), "SA_CTL_STOP");
    ck_assert_str_eq(sa_ctl_name(SA_CTL_NONE), "unknown");
    ck_assert_str_eq(sa_ctl_name(255), "unknown");
}
END_TEST

TCase *ipc_test_control(void)
{
    TCase *t = tcase_create("control");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, messages_go_both_ways);
    tcase_add_test(t, what_the_socket_cannot_take_is_queued_in_order);
    tcase_add_test(t, a_forked_child_does_not_get_what_is_queued);
    tcase_add_test(t, a_queue_that_never_empties_keeps_its_order);
    tcase_add_test(t, drain_sends_the_queue_or_gives_up);
    tcase_add_test(t, clean_end_is_told_once);
    tcase_add_test(t, last_words_survive_a_reset);
    tcase_add_test(t, sending_into_a_closed_channel_is_an_error);
    tcase_add_test(t, queue_of_a_broken_channel_ends_it);
    tcase_add_loop_test(t, callback_may_free_the_channel, 0, 2);
    tcase_add_test(t, refused_message_ends_the_channel);
    tcase_add_test(t, too_long_a_message_is_refused_on_both_sides);
    tcase_add_test(t, flood_leaves_the_other_descriptors_their_turn);
    tcase_add_test(t, send_now_gives_up_on_a_supervisor_that_does_not_read);
    tcase_add_test(t, a_descriptor_goes_with_a_message);
    tcase_add_loop_test(t, descriptors_that_nobody_takes_are_closed, 0, 3);
    tcase_add_test(t, a_descriptor_goes_at_once_or_not_at_all);
    tcase_add_test(t, log_goes_through_the_channel);
    tcase_add_test(t, log_records_are_dropped_before_the_queue_is_full_and_counted);
    tcase_add_test(t, types_have_names);
    return t;
}
