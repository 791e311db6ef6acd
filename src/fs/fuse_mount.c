#include "fs/fuse_mount.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/fuse_ops.h"
#include "fs/fuse_stderr.h"

/* Threads that are kept while there is nothing to do. */
#define IDLE_THREADS 10

/* "-o" and everything that libfuse is told; NULL without memory. */
static char *mount_options(const struct fuse_mount_options *options)
{
    char *text = strdup("ro,nosuid,nodev,noatime,default_permissions,subtype=lkmfs"), *source = NULL;
    if (text && asprintf(&source, "fsname=%s", options->source) < 0)
        source = NULL;
    /* Escapes commas and backslashes of the path. */
    bool ok = text && source && fuse_opt_add_opt_escaped(&text, source) == 0 &&
              (!options->allow_other || fuse_opt_add_opt(&text, "allow_other") == 0);
    free(source);
    if (ok)
        return text;
    free(text);
    return NULL;
}

static struct fuse_session *new_session(struct fuse_state *state, const struct fuse_mount_options *options,
                                        struct lkmfs_error *err)
{
    char *text = mount_options(options);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    bool ok = text && fuse_opt_add_arg(&args, "lkmfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
              fuse_opt_add_arg(&args, text) == 0;
    free(text);
    struct fuse_session *session = NULL;
    char printed[300] = "";
    if (ok) {
        struct stderr_catch catch;
        stderr_catch_begin(&catch);
        session = fuse_session_new(&args, &fuse_operations, sizeof(fuse_operations), state);
        stderr_catch_end(&catch, printed, sizeof(printed));
    }
    fuse_opt_free_args(&args);
    if (!session)
        (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot set up FUSE: %s", *printed ? printed : "out of memory");
    return session;
}

/* fuse_session_mount() with its messages, and those of its helper, made into one line. */
static bool mount_session(struct fuse_session *session, const char *mountpoint, struct lkmfs_error *err)
{
    char printed[300];
    struct stderr_catch catch;
    stderr_catch_begin(&catch);
    int result = fuse_session_mount(session, mountpoint);
    stderr_catch_end(&catch, printed, sizeof(printed));
    if (result == 0)
        return true;
    return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot mount on '%s': %s", mountpoint,
                      *printed ? printed : "FUSE gave no reason");
}

/* From the background to the end. */
static bool serve(struct fuse_session *session, struct fuse_state *state, const struct fuse_mount_options *options,
                  struct fuse_loop_config *config, struct lkmfs_error *err)
{
    if (fuse_daemonize(options->foreground) != 0)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot go to the background: use -f to stay in the foreground");
    if (options->timeout && !fuse_idle_start(&state->idle, options->timeout, options->mountpoint))
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot start the thread that timeout= needs");
    int result = fuse_session_loop_mt(session, config);
    /* An unmount that overtakes a request aborts it (fuse_dev_do_read() in the kernel): as orderly as any. */
    if (result < 0 && result != -ECONNABORTED)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "serving '%s' ended with an error", options->mountpoint);
    return true;
}

/* All that can fail comes before going to the background. */
static bool mount_and_serve(struct fuse_session *session, struct fuse_state *state,
                            const struct fuse_mount_options *options, struct lkmfs_error *err)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config)
        return lkmfs_fail_memory(err);
    fuse_loop_cfg_set_clone_fd(config, 1);
    fuse_loop_cfg_set_idle_threads(config, IDLE_THREADS);
    if (options->threads)
        fuse_loop_cfg_set_max_threads(config, options->threads);

    bool ok = false;
    if (fuse_set_signal_handlers(session) != 0) {
        (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot set signal handlers");
    } else {
        if (mount_session(session, options->mountpoint, err)) {
            ok = serve(session, state, options, config, err);
            fuse_session_unmount(session);
        }
        fuse_remove_signal_handlers(session);
    }
    fuse_loop_cfg_destroy(config);
    return ok;
}

bool fuse_mount_run(struct lkmfs_tree *tree, const struct fuse_mount_options *options, struct lkmfs_error *err)
{
    struct fuse_state state = {
        .tree = tree,
        .uid = getuid(),
        .gid = getgid(),
        .mtime = lkmfs_image_mtime(lkmfs_session_image(lkmfs_tree_session(tree))),
    };
    struct fuse_session *session = new_session(&state, options, err);
    if (!session)
        return false;
    bool ok = mount_and_serve(session, &state, options, err);
    fuse_session_destroy(session);
    return ok;
}
