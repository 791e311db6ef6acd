#include "fs/fuse_serve.h"

#include <errno.h>
#include <stdio.h>

#include "fs/fuse_ops.h"

/* Threads that are kept while there is nothing to do. */
#define IDLE_THREADS 10

static struct fuse_session *new_session(struct fuse_state *state, struct lkmfs_error *err)
{
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    struct fuse_session *session = NULL;
    if (fuse_opt_add_arg(&args, "lkmfs") == 0)
        session = fuse_session_new(&args, &fuse_operations, sizeof(fuse_operations), state);
    fuse_opt_free_args(&args);
    if (!session)
        (void)lkmfs_fail_memory(err);
    return session;
}

static struct fuse_loop_config *new_config(const struct fuse_serve_options *options, struct lkmfs_error *err)
{
    struct fuse_loop_config *config = fuse_loop_cfg_create();
    if (!config) {
        (void)lkmfs_fail_memory(err);
        return NULL;
    }
    /* Threads share the one device: the sandbox opens no more of them. */
    fuse_loop_cfg_set_clone_fd(config, 0);
    fuse_loop_cfg_set_idle_threads(config, IDLE_THREADS);
    if (options->threads)
        fuse_loop_cfg_set_max_threads(config, options->threads);
    return config;
}

static bool run(struct fuse_session *session, struct fuse_state *state, const struct fuse_serve_options *options,
                struct lkmfs_error *err)
{
    struct fuse_loop_config *config = new_config(options, err);
    if (!config)
        return false;
    if (options->timeout && !fuse_idle_start(&state->idle, options)) {
        fuse_loop_cfg_destroy(config);
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot start the thread that timeout= needs");
    }
    int result = fuse_session_loop_mt(session, config);
    if (options->timeout)
        fuse_idle_stop(&state->idle);
    fuse_loop_cfg_destroy(config);
    /* An unmount that overtakes a request aborts it (fuse_dev_do_read() in the kernel): as orderly as any. */
    if (result < 0 && result != -ECONNABORTED)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "serving the mount ended with an error");
    return true;
}

bool fuse_serve(struct lkmfs_tree *tree, int device, const struct fuse_serve_options *options, struct lkmfs_error *err)
{
    struct fuse_state state = {
        .tree = tree,
        .uid = options->uid,
        .gid = options->gid,
        .mtime = lkmfs_image_mtime(lkmfs_session_image(lkmfs_tree_session(tree))),
    };
    struct fuse_session *session = new_session(&state, err);
    if (!session)
        return false;
    char mountpoint[32]; /* as libfuse wants a mount that is made already */
    (void)snprintf(mountpoint, sizeof(mountpoint), "/dev/fd/%d", device);
    bool ok = false;
    if (fuse_set_signal_handlers(session) != 0 || fuse_session_mount(session, mountpoint) != 0)
        (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot set up FUSE");
    else
        ok = run(session, &state, options, err);
    fuse_remove_signal_handlers(session);
    fuse_session_destroy(session);
    return ok;
}
