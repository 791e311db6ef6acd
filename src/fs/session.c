#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "fs/find_kernel.h"
#include "lkmfs/tree.h"

#define MAX_TIMINGS 8

struct lkmfs_session {
    struct lkmfs_log *log;
    struct lkmfs_image *image;
    struct lkmfs_kernel *kernel;
    struct lkmfs_modules *modules;
    struct lkmfs_builder *builder;
    char *log_text;
    size_t doubts;
    struct lkmfs_timing timings[MAX_TIMINGS];
    size_t timing_count;
};

/* A stopwatch over the steps of opening. */
struct stopwatch {
    struct lkmfs_session *session;
    const struct lkmfs_session_options *options;
    const char *step;
    struct timespec start;
};

static void step_begin(struct stopwatch *watch, const char *step)
{
    watch->step = step;
    if (watch->options->step)
        watch->options->step(watch->options->step_context, step);
    (void)clock_gettime(CLOCK_MONOTONIC, &watch->start);
}

static void step_end(struct stopwatch *watch)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    struct lkmfs_session *session = watch->session;
    if (session->timing_count == MAX_TIMINGS)
        return;
    session->timings[session->timing_count++] = (struct lkmfs_timing){
        .step = watch->step,
        .seconds = (double)(now.tv_sec - watch->start.tv_sec) + (double)(now.tv_nsec - watch->start.tv_nsec) / 1e9,
    };
}

static bool open_parts(struct lkmfs_session *session, const char *path, const struct lkmfs_session_options *options,
                       struct lkmfs_error *err)
{
    struct stopwatch watch = {.session = session, .options = options};

    step_begin(&watch, "image");
    if (!lkmfs_image_open(path, session->log, &session->image, err))
        return false;
    step_end(&watch);
    if (options->confine && !options->confine(options->confine_context, err))
        return false;

    step_begin(&watch, "kernel");
    if (!find_kernel(session->image, options, session->log, &session->kernel, err))
        return false;
    step_end(&watch);

    step_begin(&watch, "modules");
    if (!lkmfs_modules_open(session->kernel, session->log, &session->modules, err))
        return false;
    step_end(&watch);

    step_begin(&watch, "builder");
    if (!lkmfs_builder_new(session->modules, session->log, &session->builder, err))
        return false;
    step_end(&watch);
    return true;
}

bool lkmfs_session_open(const char *path, const struct lkmfs_session_options *options, struct lkmfs_session **ret,
                        struct lkmfs_error *err)
{
    static const struct lkmfs_session_options defaults = {0};
    if (!options)
        options = &defaults;

    struct lkmfs_session *session = calloc(1, sizeof(*session));
    if (!session)
        return lkmfs_fail_memory(err);
    session->log = lkmfs_log_new(options->verbose);
    if (!session->log) {
        lkmfs_session_close(session);
        return lkmfs_fail_memory(err);
    }
    if (!open_parts(session, path, options, err)) {
        lkmfs_session_close(session);
        return false;
    }
    uint64_t damaged = lkmfs_image_damaged(session->image);
    if (damaged)
        lkmfs_log_add(session->log, LKMFS_LOG_DOUBT,
                      "image: %" PRIu64
                      " compressed blocks that were needed are damaged or lie about their size; their "
                      "memory is missing",
                      damaged);
    session->log_text = lkmfs_log_text(session->log);
    session->doubts = lkmfs_log_doubts(session->log);
    if (!session->log_text) {
        lkmfs_session_close(session);
        return lkmfs_fail_memory(err);
    }
    *ret = session;
    return true;
}

void lkmfs_session_close(struct lkmfs_session *session)
{
    if (!session)
        return;
    /* The parts need not accept NULL: opening stops at the first that fails. */
    if (session->builder)
        lkmfs_builder_free(session->builder);
    if (session->modules)
        lkmfs_modules_close(session->modules);
    if (session->kernel)
        lkmfs_kernel_close(session->kernel);
    if (session->image)
        lkmfs_image_close(session->image);
    lkmfs_log_free(session->log);
    free(session->log_text);
    free(session);
}

const struct lkmfs_image *lkmfs_session_image(const struct lkmfs_session *session)
{
    return session->image;
}

const struct lkmfs_kernel *lkmfs_session_kernel(const struct lkmfs_session *session)
{
    return session->kernel;
}

const struct lkmfs_modules *lkmfs_session_modules(const struct lkmfs_session *session)
{
    return session->modules;
}

const struct lkmfs_builder *lkmfs_session_builder(const struct lkmfs_session *session)
{
    return session->builder;
}

struct lkmfs_log *lkmfs_session_log(const struct lkmfs_session *session)
{
    return session->log;
}

const char *lkmfs_session_log_text(const struct lkmfs_session *session)
{
    return session->log_text;
}

size_t lkmfs_session_doubts(const struct lkmfs_session *session)
{
    return session->doubts;
}

const struct lkmfs_timing *lkmfs_session_timings(const struct lkmfs_session *session, size_t *count)
{
    *count = session->timing_count;
    return session->timings;
}
