#include "fs/fuse_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/fuse_mount.h"
#include "fs/fuse_ops.h"

/* One byte a message; the guard's only one carries the descriptor, and says how to go on. */
enum { SERVER_READY = 'r', SERVER_IDLE = 'i', GUARD_FOREGROUND = 'f', GUARD_BACKGROUND = 'b' };

struct guard {
    const struct fuse_guard_options *options;
    pid_t server;
    int socket;  /* to the server */
    int signals; /* signalfd(2) */
    int caller;  /* pipe to the process that was called; -1 in the foreground */
    struct fuse_session *session;
    const char *mountpoint; /* NULL until it is mounted */
    bool stopped;           /* by a signal */
};

/* ---- to and fro ---- */

static bool send_device(int socket, char message, int device)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = &message, .iov_len = 1};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    item->cmsg_level = SOL_SOCKET;
    item->cmsg_type = SCM_RIGHTS;
    item->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(item), &device, sizeof(device));
    return sendmsg(socket, &header, MSG_NOSIGNAL) == 1;
}

static int receive_device(int socket, char *message)
{
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = message, .iov_len = 1};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    while ((got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    struct cmsghdr *item = got == 1 ? CMSG_FIRSTHDR(&header) : NULL;
    int device = -1;
    if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS)
        memcpy(&device, CMSG_DATA(item), sizeof(device));
    return device;
}

static void leave_folder(void)
{
    if (chdir("/") != 0)
        errno = 0; /* then its file system can't be unmounted, which is no reason to fail */
}

/* Leaves the terminal and the standard descriptors of the caller. */
static void detach(int null)
{
    (void)setsid();
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
        (void)dup2(null, fd);
}

/* ---- the server's side ---- */

int fuse_guard_ready(const struct fuse_link *link)
{
    /* Not earlier: a change of the user would have taken it back. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    const char ready = SERVER_READY;
    char message = 0;
    int device = send(link->socket, &ready, 1, MSG_NOSIGNAL) == 1 ? receive_device(link->socket, &message) : -1;
    leave_folder();
    if (device >= 0 && message == GUARD_BACKGROUND)
        detach(link->null);
    return device;
}

void fuse_guard_idle(const struct fuse_link *link)
{
    const char idle = SERVER_IDLE;
    (void)send(link->socket, &idle, 1, MSG_NOSIGNAL);
}

/* ---- the guard's side ---- */

enum event { EVENT_READY, EVENT_IDLE, EVENT_SIGNAL, EVENT_END };

static enum event next_event(const struct guard *guard)
{
    struct pollfd sources[] = {{.fd = guard->socket, .events = POLLIN}, {.fd = guard->signals, .events = POLLIN}};
    for (;;) {
        if (poll(sources, 2, -1) < 0 && errno != EINTR)
            return EVENT_END;
        struct signalfd_siginfo info;
        if (sources[1].revents && read(guard->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            return EVENT_SIGNAL;
        char message;
        if (sources[0].revents && recv(guard->socket, &message, 1, 0) != 1)
            return EVENT_END;
        if (sources[0].revents && (message == SERVER_READY || message == SERVER_IDLE))
            return message == SERVER_READY ? EVENT_READY : EVENT_IDLE;
    }
}

static bool mount_it(struct guard *guard, struct lkmfs_error *err)
{
    const struct fuse_guard_options *options = guard->options;
    guard->mountpoint = options->mountpoint(options->context, err);
    if (!guard->mountpoint)
        return false;
    guard->session = fuse_mount_begin(options->source, guard->mountpoint, options->allow_other, err);
    /* A server that died meanwhile is found out by the caller. */
    if (guard->session)
        (void)send_device(guard->socket, options->foreground ? GUARD_FOREGROUND : GUARD_BACKGROUND,
                          fuse_session_fd(guard->session));
    return guard->session != NULL;
}

/* Tells the process that was called that all is well. */
static void go_to_background(struct guard *guard)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const char well = 0;
    leave_folder();
    detach(null);
    if (null >= 0)
        (void)close(null);
    (void)!write(guard->caller, &well, 1);
    (void)close(guard->caller);
    guard->caller = -1;
}

static void take_away(struct guard *guard)
{
    if (guard->session)
        fuse_mount_end(guard->session);
    guard->session = NULL;
    /* It may be at work for a while, but ends as soon as it can. */
    guard->stopped = true;
    (void)kill(guard->server, SIGTERM);
}

/* Until the server has ended. False when mounting failed; the server then sees the socket closed. */
static bool watch(struct guard *guard, struct lkmfs_error *err)
{
    for (;;) {
        switch (next_event(guard)) {
        case EVENT_READY:
            if (guard->mountpoint)
                break;
            if (!mount_it(guard, err))
                return false;
            if (guard->caller >= 0)
                go_to_background(guard);
            break;
        case EVENT_IDLE:
            if (guard->session)
                (void)fuse_mount_try_end(guard->mountpoint);
            break;
        case EVENT_SIGNAL:
            take_away(guard);
            break;
        case EVENT_END:
            return true;
        }
    }
}

static bool reap(pid_t child, bool stopped, int *status, struct lkmfs_error *err)
{
    int how;
    while (waitpid(child, &how, 0) < 0)
        if (errno != EINTR)
            return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "a process of lkmfs got lost: %s", strerror(errno));
    if (WIFEXITED(how)) {
        *status = WEXITSTATUS(how);
        return true;
    }
    if (stopped && WTERMSIG(how) == SIGTERM) { /* it was not that far yet as to end in good order */
        *status = 0;
        return true;
    }
    return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "the process that reads the image was ended by signal %d (%s)",
                      WTERMSIG(how), strsignal(WTERMSIG(how)));
}

static bool start_server(struct guard *guard, struct lkmfs_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot make a socket: %s", strerror(errno));
    guard->server = fork();
    if (guard->server < 0) {
        (void)close(ends[0]);
        (void)close(ends[1]);
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot start a process: %s", strerror(errno));
    }
    if (guard->server == 0) {
        (void)close(ends[0]);
        if (guard->caller >= 0)
            (void)close(guard->caller);
        const struct fuse_link link = {.socket = ends[1], .null = open("/dev/null", O_RDWR | O_CLOEXEC)};
        exit(guard->options->serve(guard->options->context, &link));
    }
    (void)close(ends[1]);
    guard->socket = ends[0];
    return true;
}

static bool block_signals(struct guard *guard, struct lkmfs_error *err)
{
    sigset_t ending;
    (void)sigemptyset(&ending);
    (void)sigaddset(&ending, SIGTERM);
    (void)sigaddset(&ending, SIGINT);
    (void)sigaddset(&ending, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &ending, NULL);
    guard->signals = signalfd(-1, &ending, SFD_CLOEXEC);
    return guard->signals >= 0 || lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot wait for signals: %s", strerror(errno));
}

static bool run_guard(struct guard *guard, int *status, struct lkmfs_error *err)
{
    if (!start_server(guard, err))
        return false;
    bool ok = block_signals(guard, err) && watch(guard, err);
    struct lkmfs_error lost;
    bool ended;
    (void)close(guard->socket);
    if (guard->session)
        fuse_mount_end(guard->session);
    ended = reap(guard->server, guard->stopped && guard->mountpoint, status, ok ? err : &lost);
    if (guard->signals >= 0)
        (void)close(guard->signals);
    return ok && ended;
}

/* In the process that was called: waits until the guard is in the background, or has failed and said so. */
static bool wait_for_guard(pid_t child, int pipe, int *status, struct lkmfs_error *err)
{
    char well;
    ssize_t got;
    while ((got = read(pipe, &well, 1)) < 0 && errno == EINTR)
        ;
    (void)close(pipe);
    if (got != 1)
        return reap(child, false, status, err);
    *status = 0;
    return true;
}

bool fuse_guard_run(const struct fuse_guard_options *options, int *status, struct lkmfs_error *err)
{
    struct guard guard = {.options = options, .socket = -1, .signals = -1, .caller = -1};
    if (options->foreground)
        return run_guard(&guard, status, err);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot make a pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child > 0) {
        (void)close(ends[1]);
        return wait_for_guard(child, ends[0], status, err);
    }
    (void)close(ends[0]);
    if (child == 0) {
        guard.caller = ends[1];
        return run_guard(&guard, status, err);
    }
    (void)close(ends[1]);
    return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot start a process: %s", strerror(errno));
}
