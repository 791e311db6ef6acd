/*
 * kdump.c - compressed dumps of makedumpfile and of QEMU's dump-guest-memory -z: a bitmap of the pages that are held,
 * and a descriptor for each of them, in order, that says where it is and how it is compressed.
 */
#include "image/kdump.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/cache.h"
#include "image/failure.h"
#include "image/ranges.h"
#include "image/unpack.h"

#define DESCRIPTOR_SIZE 24

/* Descriptors are found by the number of bits before a page's: counted up to every so many bytes of the bitmap. */
#define COUNTED_BYTES 512

enum descriptor_flags {
    DESCRIPTOR_ZLIB = 0x01,
    DESCRIPTOR_LZO = 0x02,
    DESCRIPTOR_SNAPPY = 0x04,
    DESCRIPTOR_ZSTD = 0x20,
};

struct kdump {
    struct kdump_header header;
    uint8_t *held;   /* bitmap */
    uint8_t *zeros;  /* bitmap of pages that were left out for being zeros; NULL if that can't be told */
    uint64_t *ranks; /* pages held before every COUNTED_BYTES of the bitmap */
    size_t bitmap_size;
    struct kdump_part *parts; /* ascending */
    size_t part_count;
    struct image_cache *cache;
};

static bool kdump_probe(const struct image_head *head)
{
    return head->size >= 8 && (memcmp(head->bytes, "KDUMP   ", 8) == 0 || memcmp(head->bytes, "DISKDUMP", 8) == 0);
}

static bool bit_is_set(const uint8_t *bitmap, uint64_t bit)
{
    return bitmap[bit / 8] >> (bit % 8) & 1;
}

static unsigned count_bits(uint8_t byte)
{
    return (unsigned)__builtin_popcount(byte);
}

static bool kdump_read_bitmap(struct image_file *file, uint64_t offset, size_t size, uint64_t pages, uint8_t **ret,
                              struct lkmfs_log *log)
{
    *ret = calloc(1, size);
    if (!*ret)
        return false;
    size_t got = image_file_read(file, offset, *ret, size);
    if (got < size)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "kdump: its bitmap is cut short: %zu of %zu bytes", got, size);
    if (pages % 8)
        (*ret)[size - 1] &= (uint8_t)((1u << (pages % 8)) - 1);
    return true;
}

/* Turns the bitmap of what the machine had into that of what was left out. */
static void kdump_find_zeros(struct kdump *kdump)
{
    for (size_t i = 0; i < kdump->bitmap_size; i++)
        kdump->zeros[i] &= (uint8_t)~kdump->held[i];
}

static bool kdump_count(struct kdump *kdump)
{
    uint64_t count = 0;
    kdump->ranks = calloc(kdump->bitmap_size / COUNTED_BYTES + 1, sizeof(*kdump->ranks));
    if (!kdump->ranks)
        return false;
    for (size_t i = 0; i < kdump->bitmap_size; i++) {
        if (i % COUNTED_BYTES == 0)
            kdump->ranks[i / COUNTED_BYTES] = count;
        count += count_bits(kdump->held[i]);
    }
    return true;
}

static bool kdump_list_ranges(const struct kdump *kdump, struct image_ranges *ranges)
{
    uint64_t block = kdump->header.block_size;
    for (uint64_t i = 0; i < kdump->bitmap_size; i++) {
        uint8_t bits = kdump->held[i] | (kdump->zeros ? kdump->zeros[i] : 0);
        if (bits == 0xff && !image_ranges_add(ranges, i * 8 * block, 8 * block))
            return false;
        for (unsigned bit = 0; bits && bits != 0xff && bit < 8; bit++)
            if (bits >> bit & 1 && !image_ranges_add(ranges, (i * 8 + bit) * block, block))
                return false;
    }
    return true;
}

static bool kdump_prepare(struct lkmfs_image *image, struct kdump *kdump, struct lkmfs_log *log)
{
    const struct kdump_header *header = &kdump->header;
    kdump->bitmap_size = (size_t)((header->pages + 7) / 8);
    if (!kdump_read_bitmap(image->file, header->held, kdump->bitmap_size, header->pages, &kdump->held, log))
        return false;
    if (header->dump_level == KDUMP_LEVEL_ZEROS && header->known) {
        if (!kdump_read_bitmap(image->file, header->known, kdump->bitmap_size, header->pages, &kdump->zeros, log))
            return false;
        kdump_find_zeros(kdump);
    }
    struct image_ranges ranges = {0};
    bool listed = kdump_count(kdump) && kdump_list_ranges(kdump, &ranges);
    image->ranges = ranges.items;
    image->range_count = ranges.count;
    kdump->cache = image_cache_new(header->block_size, IMAGE_CACHE_BYTES);
    return listed && kdump->cache;
}

static uint64_t kdump_rank(const struct kdump *kdump, uint64_t page)
{
    size_t byte = (size_t)(page / 8);
    size_t counted = byte - byte % COUNTED_BYTES;
    uint64_t rank = kdump->ranks[byte / COUNTED_BYTES];
    for (size_t i = counted; i < byte; i++)
        rank += count_bits(kdump->held[i]);
    return rank + count_bits((uint8_t)(kdump->held[byte] & ((1u << (page % 8)) - 1)));
}

static enum image_packing packing_of(uint32_t flags)
{
    if (flags & DESCRIPTOR_ZLIB)
        return IMAGE_PACKING_ZLIB;
    if (flags & DESCRIPTOR_LZO)
        return IMAGE_PACKING_LZO;
    if (flags & DESCRIPTOR_SNAPPY)
        return IMAGE_PACKING_SNAPPY;
    return flags & DESCRIPTOR_ZSTD ? IMAGE_PACKING_ZSTD : IMAGE_PACKING_NONE;
}

static const struct kdump_part *kdump_part_of(const struct kdump *kdump, uint64_t page)
{
    const struct kdump_part *part = kdump->parts;
    while (page >= part->end && part + 1 < kdump->parts + kdump->part_count)
        part++;
    return part;
}

/* Reads from any of the files, for the account of the first. */
static bool kdump_read_exact(const struct lkmfs_image *image, const struct kdump_part *part, uint64_t offset,
                             void *buffer, size_t size)
{
    size_t got = image_file_read(part->file, offset, buffer, size);
    if (part->file != image->file)
        atomic_fetch_add_explicit(&image->file->bytes_read, got, memory_order_relaxed);
    return got == size;
}

struct descriptor {
    uint64_t offset;
    uint32_t size, flags;
};

static bool kdump_read_descriptor(const struct lkmfs_image *image, const struct kdump_part *part, uint64_t page,
                                  struct descriptor *ret)
{
    const struct kdump *kdump = image->state;
    uint8_t bytes[DESCRIPTOR_SIZE];
    uint64_t at = part->table + (kdump_rank(kdump, page) - kdump_rank(kdump, part->first)) * DESCRIPTOR_SIZE;
    if (!kdump_read_exact(image, part, at, bytes, sizeof(bytes)))
        return false;
    struct cursor cursor = cursor_over(bytes, sizeof(bytes));
    ret->offset = cursor_u64(&cursor);
    ret->size = cursor_u32(&cursor);
    ret->flags = cursor_u32(&cursor);
    return true;
}

/* Unpacks a page; 0 when it is damaged, or lies about its size. */
static size_t kdump_unpack(const struct lkmfs_image *image, uint64_t page, uint8_t *block)
{
    const struct kdump *kdump = image->state;
    const struct kdump_part *part = kdump_part_of(kdump, page);
    uint32_t block_size = kdump->header.block_size;
    struct descriptor descriptor;
    if (!kdump_read_descriptor(image, part, page, &descriptor) || descriptor.size == 0 ||
        descriptor.size > 2 * block_size) /* no codec makes so much of a page */
        return 0;
    uint8_t *packed = malloc(descriptor.size);
    size_t unpacked = 0;
    if (!packed)
        image_failure_note(descriptor.offset, ENOMEM);
    if (packed && kdump_read_exact(image, part, descriptor.offset, packed, descriptor.size))
        unpacked = image_unpack(packing_of(descriptor.flags), packed, descriptor.size, block, block_size);
    free(packed);
    return unpacked == block_size ? block_size : 0;
}

static size_t kdump_fill(void *context, uint64_t page, uint8_t *block)
{
    const struct lkmfs_image *image = context;
    size_t size = kdump_unpack(image, page, block);
    if (size == 0)
        atomic_fetch_add_explicit(&image->file->damaged, 1, memory_order_relaxed);
    return size;
}

/* Makes a doubt of a part whose last page is not in its file: one look, for all pages would be too many. */
static void kdump_check_end(const struct lkmfs_image *image, const struct kdump_part *part, struct lkmfs_log *log)
{
    const struct kdump *kdump = image->state;
    struct descriptor descriptor;
    uint64_t page = part->end;
    while (page > part->first && !bit_is_set(kdump->held, page - 1))
        page--;
    if (page == part->first)
        return;
    if (!kdump_read_descriptor(image, part, page - 1, &descriptor) ||
        !range_fits(descriptor.offset, descriptor.size, part->file->size))
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "kdump: %s is cut short: its last page lies past its end, and so may others", part->file->path);
}

static bool kdump_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct kdump *kdump = calloc(1, sizeof(*kdump));
    if (!kdump)
        return lkmfs_fail_memory(err);
    image->state = kdump;
    if (!kdump_read_header(image, &kdump->header, log, err))
        return false;
    if (!kdump_prepare(image, kdump, log))
        return lkmfs_fail_memory(err);
    if (!kdump_find_parts(image->file, &kdump->header, kdump->held, kdump->bitmap_size, &kdump->parts,
                          &kdump->part_count, err))
        return false;
    if (kdump->part_count > 1)
        lkmfs_log_add(log, LKMFS_LOG_NOTE, "kdump: split into %zu files", kdump->part_count);

    for (size_t i = 0; i < kdump->part_count; i++)
        kdump_check_end(image, &kdump->parts[i], log);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "kdump: header version %" PRIu32 ", dump level %" PRIu32, kdump->header.version,
                  kdump->header.dump_level);
    if (kdump->header.kdump && kdump->header.status & KDUMP_STATUS_INCOMPLETE)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "kdump: it was not written to its end (disk full?); pages are missing");
    if (kdump->header.dump_level & ~(uint32_t)KDUMP_LEVEL_ZEROS)
        lkmfs_log_add(log, LKMFS_LOG_NOTE, "kdump: pages of some kinds were left out when it was written");
    return true;
}

static size_t kdump_pread(const struct lkmfs_image *image, uint64_t phys, void *buffer, size_t size)
{
    const struct kdump *kdump = image->state;
    uint64_t block_size = kdump->header.block_size;
    size_t done = 0;

    while (done < size && phys < IMAGE_PHYSICAL_LIMIT) {
        uint64_t page = (phys + done) / block_size;
        size_t skip = (size_t)((phys + done) % block_size);
        size_t want = (size_t)min_u64(size - done, block_size - skip);
        uint8_t *to = (uint8_t *)buffer + done;
        size_t got = 0;
        if (page >= kdump->header.pages)
            break;
        if (bit_is_set(kdump->held, page)) {
            got = image_cache_read(kdump->cache, page, skip, to, want, kdump_fill, (void *)(uintptr_t)image);
        } else if (kdump->zeros && bit_is_set(kdump->zeros, page)) {
            memset(to, 0, want);
            got = want;
        }
        done += got;
        if (got < want)
            break;
    }
    return done;
}

static void kdump_close(struct lkmfs_image *image)
{
    struct kdump *kdump = image->state;
    if (!kdump)
        return;
    for (size_t i = 0; i < kdump->part_count; i++)
        if (kdump->parts[i].file != image->file)
            image_file_close(kdump->parts[i].file);
    free(kdump->parts);
    free(kdump->held);
    free(kdump->zeros);
    free(kdump->ranks);
    image_cache_free(kdump->cache);
    free(kdump);
}

const struct image_format image_format_kdump = {
    .name = "kdump",
    .probe = kdump_probe,
    .open = kdump_open,
    .pread = kdump_pread,
    .close = kdump_close,
};
