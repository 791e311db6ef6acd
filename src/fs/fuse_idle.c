#include "fs/fuse_idle.h"

#include <signal.h>
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

/* A mount that is in use otherwise (somebody's working folder) stays, and is asked about again. */
static void *watch(void *context)
{
    struct fuse_idle *idle = context;
    long timeout = (long)idle->options->timeout;
    for (;;) {
        long idle_for = now() - atomic_load_explicit(&idle->last, memory_order_relaxed);
        bool busy = atomic_load(&idle->open) > 0;
        if (!busy && idle_for >= timeout)
            idle->options->on_idle(idle->options->idle_context);
        (void)sleep((unsigned)(busy || idle_for >= timeout ? timeout : timeout - idle_for));
    }
    return NULL;
}

bool fuse_idle_start(struct fuse_idle *idle, const struct fuse_serve_options *options)
{
    idle->options = options;
    fuse_idle_touch(idle, 0);

    /* Signals are for the main thread, which waits in the session's loop. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool started = pthread_create(&idle->thread, NULL, watch, idle) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

void fuse_idle_stop(struct fuse_idle *idle)
{
    (void)pthread_cancel(idle->thread);
    (void)pthread_join(idle->thread, NULL);
}
