#include "image/file.h"

#include <errno.h>
#include <stdlib.h>

#include "base/overflow.h"
#include "image/failure.h"

bool image_file_open(const char *path, struct lkmfs_log *log, struct image_file **ret, struct lkmfs_error *err)
{
    if (image_file_is_remote(path))
        return image_file_open_remote(path, ret, err);
    bool is_part;
    if (!image_file_is_part(path, &is_part))
        return lkmfs_fail_memory(err);
    return is_part ? image_file_open_split(path, log, ret, err) : image_file_open_local(path, ret, err);
}

void image_file_close(struct image_file *file)
{
    if (!file)
        return;
    free(file->path);
    file->source->close(file);
}

size_t image_file_read(struct image_file *file, uint64_t offset, void *buffer, size_t size)
{
    if (offset >= file->size)
        return 0;
    size = (size_t)min_u64(size, file->size - offset);
    errno = 0;
    size_t got = file->source->pread(file, offset, buffer, size);
    if (got < size)
        image_failure_note(offset + got, errno);
    if (!file->source->counts)
        atomic_fetch_add_explicit(&file->bytes_read, got, memory_order_relaxed);
    return got;
}

bool image_file_prefetches(const struct image_file *file)
{
    return file->source->prefetch != NULL;
}

void image_file_prefetch(struct image_file *file, const struct image_span *spans, size_t count)
{
    if (file->source->prefetch)
        file->source->prefetch(file, spans, count);
}

uint64_t image_file_next_data(struct image_file *file, uint64_t offset)
{
    return offset < file->size ? file->source->next_data(file, offset) : file->size;
}
