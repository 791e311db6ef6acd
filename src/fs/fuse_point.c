#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/fuse_mount.h"

static bool fail_errno(const char *path, struct lkmfs_error *err)
{
    if (errno == ENOENT)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "mount point '%s' does not exist: make it with mkdir", path);
    if (errno == ENOTCONN)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0,
                          "mount point '%s' holds a mount whose server is dead: unmount it with 'fusermount3 -u'",
                          path);
    return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "mount point '%s': %s", path, strerror(errno));
}

/* True when the folder holds nothing; *error is an errno when that can't be told. */
static bool is_empty(const char *path, int *error)
{
    DIR *folder = opendir(path);
    *error = folder ? 0 : errno;
    if (!folder)
        return false;
    bool empty = true;
    for (struct dirent *entry; empty && (entry = readdir(folder));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    (void)closedir(folder);
    return empty;
}

char *fuse_mount_point(const char *path, bool nonempty, struct lkmfs_error *err)
{
    struct stat attr;
    char *absolute = realpath(path, NULL);
    if (!absolute || stat(absolute, &attr) != 0) {
        (void)fail_errno(path, err);
        free(absolute);
        return NULL;
    }
    int error = 0;
    if (!S_ISDIR(attr.st_mode)) {
        (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0, "mount point '%s' is not a folder", path);
    } else if (nonempty || is_empty(absolute, &error)) {
        return absolute;
    } else if (error) {
        errno = error;
        (void)fail_errno(path, err);
    } else {
        (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0,
                         "mount point '%s' is not empty: choose another, or mount over it with -o nonempty", path);
    }
    free(absolute);
    return NULL;
}
