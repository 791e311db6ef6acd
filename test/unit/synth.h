/*
 * synth.h - synthetic physical memory: what the tests build kernels in, byte by byte.
 *
 * It lies in an anonymous file, so lkmfs opens it by path like any raw image, sees every later change, and nothing is
 * left behind. Used by the fuzz targets too, so nothing here needs Criterion: a mistake of the test itself aborts.
 */
#ifndef LKMFS_TEST_SYNTH_H
#define LKMFS_TEST_SYNTH_H

#include <stddef.h>
#include <stdint.h>

#include "lkmfs/image.h"

#define SYNTH_PAGE ((uint64_t)4096)

struct synth_memory {
    uint8_t *bytes; /* physical address 0 is bytes[0] */
    uint64_t size;
    int fd;
    char path[32];
};

/* Prints a line and aborts: for mistakes of the test, not of lkmfs. */
_Noreturn void synth_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

void synth_memory_init(struct synth_memory *memory, uint64_t size);
void synth_memory_free(struct synth_memory *memory);

/* `size` bytes at physical address `phys`, which must be there. */
uint8_t *synth_phys(const struct synth_memory *memory, uint64_t phys, uint64_t size);
void synth_put64(const struct synth_memory *memory, uint64_t phys, uint64_t value);
uint64_t synth_get64(const struct synth_memory *memory, uint64_t phys);

/* Opens the memory as a raw image; for the caller to close. */
struct lkmfs_image *synth_memory_open(const struct synth_memory *memory, struct lkmfs_log *log);

/* Growing bytes; start with {0}. */
struct synth_bytes {
    uint8_t *bytes;
    size_t size, capacity;
};

void synth_bytes_free(struct synth_bytes *bytes);
/* Room for `size` more bytes, zeroed; good until the next call. */
uint8_t *synth_bytes_add(struct synth_bytes *bytes, size_t size);
/* Appends `value` as `width` little-endian bytes. */
void synth_bytes_le(struct synth_bytes *bytes, uint64_t value, unsigned width);
void synth_bytes_align(struct synth_bytes *bytes, size_t align);

/* Writes `value` to `at` as `width` little-endian bytes. */
void synth_le(uint8_t *at, uint64_t value, unsigned width);

#endif
