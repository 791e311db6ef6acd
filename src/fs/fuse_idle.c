#include "fs/fuse_idle.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (long)time.tv_sec;
}

void fuse_idle_touch(struct fuse_idle *idle, int opened)
{
    if (opened)
        atomic_fetch_add(&idle->open, opened);
    atomic_store_explicit(&idle->last, now(), memory_order_relaxed);
}

/* Only a helper that is set-user-id may unmount for those who are not root. */
static void unmount_by_helper(const char *mountpoint)
{
    char *const argv[] = {
        (char[]){"fusermount3"}, (char[]){"-u"}, (char[]){"-q"}, (char[]){"--"}, (char *)(uintptr_t)mountpoint, NULL};
    pid_t child;
    int status;
    if (posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) == 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
}

/* Not lazily: who still uses the mount keeps it. The session's loop ends when the kernel lets go. */
static void unmount(const char *mountpoint)
{
    if (umount2(mountpoint, UMOUNT_NOFOLLOW) != 0 && errno == EPERM)
        unmount_by_helper(mountpoint);
}

static void *watch(void *context)
{
    struct fuse_idle *idle = context;
    for (;;) {
        long idle_for = now() - atomic_load_explicit(&idle->last, memory_order_relaxed);
        bool busy = atomic_load(&idle->open) > 0;
        long wait = busy || idle_for >= (long)idle->timeout ? (long)idle->timeout : (long)idle->timeout - idle_for;
        if (!busy && idle_for >= (long)idle->timeout)
            unmount(idle->mountpoint);
        (void)sleep((unsigned)wait);
    }
    return NULL;
}

bool fuse_idle_start(struct fuse_idle *idle, unsigned timeout, const char *mountpoint)
{
    idle->timeout = timeout;
    idle->mountpoint = mountpoint;
    fuse_idle_touch(idle, 0);

    /* Signals are for the main thread, which waits in the session's loop. */
    sigset_t all, before;
    pthread_t thread;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&thread, NULL, watch, idle) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        (void)pthread_detach(thread);
    return started;
}
