#include "synth.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void synth_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fputs("synth: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputc('\n', stderr);
    va_end(args);
    abort();
}

void synth_memory_init(struct synth_memory *memory, uint64_t size)
{
    memory->size = size;
    memory->fd = memfd_create("lkmfs-synth", MFD_CLOEXEC);
    if (memory->fd < 0 || ftruncate(memory->fd, (off_t)size) != 0)
        synth_die("no anonymous file of %llu bytes", (unsigned long long)size);
    memory->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
    if (memory->bytes == MAP_FAILED)
        synth_die("no mapping of %llu bytes", (unsigned long long)size);
    (void)snprintf(memory->path, sizeof(memory->path), "/proc/self/fd/%d", memory->fd);
}

void synth_memory_free(struct synth_memory *memory)
{
    if (!memory->bytes)
        return;
    (void)munmap(memory->bytes, memory->size);
    (void)close(memory->fd);
    *memory = (struct synth_memory){0};
}

uint8_t *synth_phys(const struct synth_memory *memory, uint64_t phys, uint64_t size)
{
    if (phys > memory->size || size > memory->size - phys)
        synth_die("no physical memory at 0x%llx", (unsigned long long)phys);
    return memory->bytes + phys;
}

void synth_put64(const struct synth_memory *memory, uint64_t phys, uint64_t value)
{
    synth_le(synth_phys(memory, phys, 8), value, 8);
}

uint64_t synth_get64(const struct synth_memory *memory, uint64_t phys)
{
    const uint8_t *at = synth_phys(memory, phys, 8);
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

struct lkmfs_image *synth_memory_open(const struct synth_memory *memory, struct lkmfs_log *log)
{
    struct lkmfs_image *image;
    struct lkmfs_error err;
    if (!lkmfs_image_open(memory->path, log, &image, &err))
        synth_die("%s", err.message);
    return image;
}

void synth_bytes_free(struct synth_bytes *bytes)
{
    free(bytes->bytes);
    *bytes = (struct synth_bytes){0};
}

uint8_t *synth_bytes_add(struct synth_bytes *bytes, size_t size)
{
    if (!bytes->bytes || bytes->size + size > bytes->capacity) {
        bytes->capacity = (bytes->size + size) * 2 + 64;
        bytes->bytes = realloc(bytes->bytes, bytes->capacity);
        if (!bytes->bytes)
            synth_die("out of memory");
    }
    uint8_t *at = bytes->bytes + bytes->size;
    memset(at, 0, size);
    bytes->size += size;
    return at;
}

void synth_bytes_le(struct synth_bytes *bytes, uint64_t value, unsigned width)
{
    synth_le(synth_bytes_add(bytes, width), value, width);
}

void synth_bytes_align(struct synth_bytes *bytes, size_t align)
{
    while (bytes->size % align)
        (void)synth_bytes_add(bytes, 1);
}

void synth_le(uint8_t *at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}
