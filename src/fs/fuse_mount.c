#include "fs/fuse_mount.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/fuse_ops.h"
#include "fs/fuse_stderr.h"

/* "-o" and everything that libfuse is told; NULL without memory. */
static char *mount_options(const char *image, bool allow_other)
{
    char *text = strdup("ro,nosuid,nodev,noatime,default_permissions,subtype=lkmfs"), *source = NULL;
    if (text && asprintf(&source, "fsname=%s", image) < 0)
        source = NULL;
    /* Escapes commas and backslashes of the path. */
    bool ok = text && source && fuse_opt_add_opt_escaped(&text, source) == 0 &&
              (!allow_other || fuse_opt_add_opt(&text, "allow_other") == 0);
    free(source);
    if (ok)
        return text;
    free(text);
    return NULL;
}

static struct fuse_session *new_session(const char *source, bool allow_other, struct lkmfs_error *err)
{
    /* Another process serves: this session only has the mount. */
    static const struct fuse_lowlevel_ops none = {0};
    char *text = mount_options(source, allow_other);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    bool ok = text && fuse_opt_add_arg(&args, "lkmfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
              fuse_opt_add_arg(&args, text) == 0;
    free(text);
    struct fuse_session *session = NULL;
    char printed[300] = "";
    if (ok) {
        struct stderr_catch catch;
        stderr_catch_begin(&catch);
        session = fuse_session_new(&args, &none, sizeof(none), NULL);
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

struct fuse_session *fuse_mount_begin(const char *source, const char *mountpoint, bool allow_other,
                                      struct lkmfs_error *err)
{
    struct fuse_session *session = new_session(source, allow_other, err);
    if (!session || mount_session(session, mountpoint, err))
        return session;
    fuse_session_destroy(session);
    return NULL;
}

/* Only a helper that is set-user-id may unmount for those who are not root. */
static bool unmount_by_helper(const char *mountpoint)
{
    char *const argv[] = {
        (char[]){"fusermount3"}, (char[]){"-u"}, (char[]){"-q"}, (char[]){"--"}, (char *)(uintptr_t)mountpoint, NULL};
    pid_t child;
    int status = 1;
    if (posix_spawnp(&child, argv[0], NULL, NULL, argv, environ) == 0)
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    return status == 0;
}

bool fuse_mount_try_end(const char *mountpoint)
{
    return umount2(mountpoint, UMOUNT_NOFOLLOW) == 0 || (errno == EPERM && unmount_by_helper(mountpoint));
}

void fuse_mount_end(struct fuse_session *session)
{
    fuse_session_unmount(session);
    fuse_session_destroy(session);
}
