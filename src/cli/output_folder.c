#include "cli/output_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail_errno(const char *what, const char *name, struct lkmfs_error *err)
{
    return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot %s '%s': %s", what, name, strerror(errno));
}

int output_folder_open(const char *path, struct lkmfs_error *err)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST) {
        (void)fail_errno("make the folder", path, err);
        return -1;
    }
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        (void)fail_errno("open the folder", path, err);
    return folder;
}

static bool write_all(int file, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(file, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (size_t)written;
    }
    return true;
}

bool output_folder_write(int folder, const char *name, const void *bytes, size_t size, struct lkmfs_error *err)
{
    static atomic_uint serial;
    char temporary[64];
    (void)snprintf(temporary, sizeof(temporary), ".lkmfs-%ld-%u", (long)getpid(), atomic_fetch_add(&serial, 1));

    if (strchr(name, '/'))
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "'%s' is no file name", name);
    int file = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0)
        return fail_errno("make a file for", name, err);
    /* close(2) is where network file systems and quotas report a full disk. */
    bool ok = write_all(file, bytes, size);
    int saved = errno;
    if (close(file) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (ok && renameat(folder, temporary, folder, name) != 0) {
        ok = false;
        saved = errno;
    }
    if (ok)
        return true;
    (void)unlinkat(folder, temporary, 0);
    errno = saved;
    return fail_errno("write", name, err);
}
