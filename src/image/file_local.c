#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/file.h"

/* Linux transfers no more than 2 GiB - 4 KiB at a time. */
#define READ_MAX ((size_t)1 << 30)

struct local_file {
    struct image_file base; /* first: a struct image_file * of this source points here */
    int fd;
};

static size_t local_pread(struct image_file *file, uint64_t offset, void *buffer, size_t size)
{
    const struct local_file *local = (const struct local_file *)file;
    size_t done = 0;

    while (done < size) {
        size_t part = size - done < READ_MAX ? size - done : READ_MAX;
        ssize_t got = pread(local->fd, (uint8_t *)buffer + done, part, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got == 0)
            errno = 0;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

static uint64_t local_next_data(struct image_file *file, uint64_t offset)
{
    const struct local_file *local = (const struct local_file *)file;
    off_t data = lseek(local->fd, (off_t)offset, SEEK_DATA);

    if (data >= 0)
        return (uint64_t)data;
    /* Block devices and some file systems don't know SEEK_DATA (EINVAL): all of it may be data. */
    return errno == ENXIO ? file->size : offset;
}

static void local_close(struct image_file *file)
{
    struct local_file *local = (struct local_file *)file;
    (void)close(local->fd);
    free(local);
}

static const struct image_source local_source = {
    .pread = local_pread,
    .next_data = local_next_data,
    .close = local_close,
};

static bool local_open_failed(const char *path, struct lkmfs_error *err)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: no such file; check the path", path);
    case EACCES:
    case EPERM:
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0,
                          "%s: no permission to read it; run as root or make it readable to you", path);
    case ENXIO: /* a socket, or a device without a driver */
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is neither a file nor a block device; give the image file",
                          path);
    default:
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: cannot be opened: %m", path);
    }
}

/* Checks what was opened and finds its size and time. */
static bool local_measure(struct local_file *local, const char *path, struct lkmfs_error *err)
{
    struct stat st;
    if (fstat(local->fd, &st) != 0)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: cannot be examined: %m", path);
    if (S_ISDIR(st.st_mode))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is a directory; give the image file in it", path);
    if (S_ISCHR(st.st_mode))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a character device, not an image; take an image of the memory first, for example with "
                          "avml or LiME",
                          path);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a pipe or socket, and an image is read in no fixed order; save it to a file first",
                          path);

    off_t size = S_ISBLK(st.st_mode) ? lseek(local->fd, 0, SEEK_END) : st.st_size;
    if (size < 0)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: its size cannot be found: %m", path);
    if (size == 0)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is empty; the acquisition or the copy failed, so repeat it (is the disk full?)", path);
    local->base.size = (uint64_t)size;
    local->base.mtime = st.st_mtime;
    return true;
}

bool image_file_open_local(const char *path, struct image_file **ret, struct lkmfs_error *err)
{
    /* O_NONBLOCK: opening a pipe must fail with a message, not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return local_open_failed(path, err);

    struct local_file *local = calloc(1, sizeof(*local));
    if (!local) {
        (void)close(fd);
        return lkmfs_fail_memory(err);
    }
    local->base.source = &local_source;
    local->fd = fd;
    local->base.path = strdup(path);
    if (!local->base.path) {
        image_file_close(&local->base);
        return lkmfs_fail_memory(err);
    }
    if (!local_measure(local, path, err)) {
        image_file_close(&local->base);
        return false;
    }
    *ret = &local->base;
    return true;
}
