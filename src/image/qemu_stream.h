/*
 * qemu_stream.h - goes once through a QEMU migration stream, from its start to the end of the RAM in it.
 */
#ifndef LKMFS_IMAGE_QEMU_STREAM_H
#define LKMFS_IMAGE_QEMU_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "image/file.h"
#include "lkmfs/error.h"

#define QEMU_PAGE 4096

/* Bytes of RAM whose pages are indexed together: what is indexed grows with the stream, not with what it claims. */
#define QEMU_LEAF ((uint64_t)64 * QEMU_PAGE)

/* Part of the machine's RAM, as QEMU has it: without holes. */
struct qemu_block {
    char name[256];
    uint64_t size;
    uint64_t start; /* in all RAM; UINT64_MAX for a block that is no RAM: firmware, video memory */
};

struct qemu_ram {
    char machine[64]; /* "pc-q35-7.2"; empty if the stream doesn't say */
    struct qemu_block *blocks;
    size_t block_count;
    uint64_t size;     /* bytes of RAM */
    uint64_t **places; /* for each QEMU_LEAF of RAM the place of each page; NULL if none was sent */
    uint64_t seen;     /* pages in the stream, each time they were sent */
};

/* A page's place: 0 if it is not in the stream, its offset in the file, or the byte that fills it. */
static inline uint64_t qemu_page_at(uint64_t offset)
{
    return offset << 1;
}

static inline uint64_t qemu_page_filled(uint8_t byte)
{
    return (uint64_t)byte << 1 | 1;
}

/* The place of the page that holds byte `at` of RAM, which must be below ram->size. */
static inline uint64_t qemu_page_place(const struct qemu_ram *ram, uint64_t at)
{
    const uint64_t *leaf = ram->places[at / QEMU_LEAF];
    return leaf ? leaf[at % QEMU_LEAF / QEMU_PAGE] : 0;
}

/*
 * Reads the stream at `offset` of the file into *ret, for the caller to free with qemu_ram_free() in any case. What a
 * cut stream has is kept, and the loss logged. Errors: NO_MEMORY; FORMAT (no RAM in it, an absurd size, pages that are
 * encoded in a way that is not supported).
 */
bool qemu_stream_read(struct image_file *file, uint64_t offset, struct qemu_ram *ret, struct lkmfs_log *log,
                      struct lkmfs_error *err);
void qemu_ram_free(struct qemu_ram *ram);

#endif
