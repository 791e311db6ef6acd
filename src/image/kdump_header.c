/* struct disk_dump_header and struct kdump_sub_header of makedumpfile (diskdump_mod.h), in their 64-bit shape. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/advice.h"
#include "image/elf_notes.h"
#include "image/kdump.h"

#define HEADER_VERSION     8
#define HEADER_STATUS      424
#define HEADER_STATUS_I386 412 /* struct timeval is smaller there */
#define HEADER_SIZE        464
#define SUB_HEADER_SIZE    104

#define BLOCK_MIN 4096
#define BLOCK_MAX 65536

/* 4 TiB of 4 KiB pages: their bitmap takes 128 MiB. */
#define PAGES_MAX ((uint64_t)1 << 30)

#define VMCOREINFO_MAX ((uint64_t)1 << 20)

struct sizes {
    uint32_t status, block_size, sub_blocks, bitmap_blocks, pages;
};

struct sub_header {
    uint32_t dump_level, split;
    uint64_t vmcoreinfo, vmcoreinfo_size;
    uint64_t notes, notes_size;
    uint64_t first, end; /* pages of this file, if it is split */
    uint64_t pages;      /* 0: not said */
};

static struct sizes sizes_parse(const uint8_t *bytes, size_t size, size_t status)
{
    struct cursor cursor = cursor_over(bytes, size);
    cursor_seek(&cursor, status);
    struct sizes sizes;
    sizes.status = cursor_u32(&cursor);
    sizes.block_size = cursor_u32(&cursor);
    sizes.sub_blocks = cursor_u32(&cursor);
    sizes.bitmap_blocks = cursor_u32(&cursor);
    sizes.pages = cursor_u32(&cursor);
    return sizes;
}

static bool sizes_sane(const struct sizes *sizes)
{
    uint32_t block = sizes->block_size;
    return block >= BLOCK_MIN && block <= BLOCK_MAX && (block & (block - 1)) == 0 && sizes->sub_blocks >= 1 &&
           sizes->sub_blocks < 65536 && sizes->bitmap_blocks >= 1;
}

static struct sub_header sub_header_parse(const uint8_t *bytes, size_t size, uint32_t version)
{
    struct sub_header sub = {0};
    struct cursor cursor = cursor_over(bytes, size);
    cursor_skip(&cursor, 8); /* phys_base, which is in VMCOREINFO, too */
    if (version >= 1)
        sub.dump_level = cursor_u32(&cursor);
    if (version >= 2)
        sub.split = cursor_u32(&cursor);
    /* Version 6 has them anew where a 32-bit machine has room for them, too. */
    cursor_seek(&cursor, version >= 6 ? 80 : 16);
    sub.first = cursor_u64(&cursor);
    sub.end = cursor_u64(&cursor);
    cursor_seek(&cursor, 32);
    if (version >= 3) {
        sub.vmcoreinfo = cursor_u64(&cursor);
        sub.vmcoreinfo_size = cursor_u64(&cursor);
    }
    if (version >= 4) {
        sub.notes = cursor_u64(&cursor);
        sub.notes_size = cursor_u64(&cursor);
    }
    cursor_seek(&cursor, 96);
    if (version >= 6)
        sub.pages = cursor_u64(&cursor);
    return sub;
}

static bool read_hints(struct lkmfs_image *image, const struct sub_header *sub, struct lkmfs_log *log)
{
    uint64_t size = min_u64(sub->vmcoreinfo_size, VMCOREINFO_MAX);
    if (size && range_fits(sub->vmcoreinfo, size, image->file->size)) {
        char *text = calloc(1, size + 1);
        if (!text)
            return false;
        if (image_file_read(image->file, sub->vmcoreinfo, text, size) == size)
            image->hints.vmcoreinfo = text;
        else
            free(text);
    }
    return sub->notes_size == 0 || elf_notes_read(image->file, sub->notes, sub->notes_size, &image->hints, log);
}

/* The two bitmaps share the blocks evenly, but a diskdump of everything has only one. */
static bool find_bitmaps(struct kdump_header *header, const struct sizes *sizes, uint64_t file_size)
{
    uint64_t block = sizes->block_size;
    uint64_t start = (1 + (uint64_t)sizes->sub_blocks) * block;
    uint64_t needed = (header->pages + block * 8 - 1) / (block * 8); /* blocks of one */
    bool two = sizes->bitmap_blocks >= 2 * needed;

    header->known = two ? start : 0;
    header->held = two ? start + (uint64_t)sizes->bitmap_blocks / 2 * block : start;
    header->table = start + sizes->bitmap_blocks * block;
    return needed <= sizes->bitmap_blocks && header->table < file_size;
}

enum kdump_verdict {
    KDUMP_SOUND,
    KDUMP_DAMAGED,
    KDUMP_I386,
};

static enum kdump_verdict headers_parse(struct image_file *file, struct kdump_header *ret, struct sub_header *sub)
{
    uint8_t bytes[HEADER_SIZE];
    if (image_file_read(file, 0, bytes, sizeof(bytes)) < sizeof(bytes))
        return KDUMP_DAMAGED;
    struct sizes sizes = sizes_parse(bytes, sizeof(bytes), HEADER_STATUS);
    struct sizes i386 = sizes_parse(bytes, sizeof(bytes), HEADER_STATUS_I386);
    if (!sizes_sane(&sizes))
        return sizes_sane(&i386) ? KDUMP_I386 : KDUMP_DAMAGED;

    *ret = (struct kdump_header){.kdump = bytes[0] == 'K',
                                 .version = le32(bytes + HEADER_VERSION),
                                 .status = sizes.status,
                                 .block_size = sizes.block_size,
                                 .pages = sizes.pages};
    uint8_t sub_bytes[SUB_HEADER_SIZE] = {0};
    (void)image_file_read(file, sizes.block_size, sub_bytes, sizeof(sub_bytes));
    /* A diskdump has another sub header, of which nothing is needed. */
    *sub = sub_header_parse(sub_bytes, sizeof(sub_bytes), ret->kdump ? ret->version : 0);
    ret->dump_level = sub->dump_level;
    if (sub->pages)
        ret->pages = sub->pages;
    ret->split = sub->split != 0;
    ret->first = ret->split ? sub->first : 0;
    ret->end = ret->split ? min_u64(sub->end, ret->pages) : ret->pages;
    bool sound =
        ret->pages != 0 && ret->pages <= PAGES_MAX && ret->first <= ret->end && find_bitmaps(ret, &sizes, file->size);
    return sound ? KDUMP_SOUND : KDUMP_DAMAGED;
}

bool kdump_peek_header(struct image_file *file, struct kdump_header *ret)
{
    struct sub_header sub;
    return headers_parse(file, ret, &sub) == KDUMP_SOUND;
}

bool kdump_read_header(struct lkmfs_image *image, struct kdump_header *ret, struct lkmfs_log *log,
                       struct lkmfs_error *err)
{
    struct sub_header sub;
    switch (headers_parse(image->file, ret, &sub)) {
    case KDUMP_SOUND:
        return read_hints(image, &sub, log) || lkmfs_fail_memory(err);
    case KDUMP_I386:
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a kdump of a 32-bit machine, which is not supported yet; save it as a raw image "
                          "instead",
                          image_advice_name(image->file->path));
    case KDUMP_DAMAGED:
        break;
    }
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                      "%s is a kdump whose headers are damaged or cut short; copy it again, or save it anew with "
                      "makedumpfile",
                      image_advice_name(image->file->path));
}
