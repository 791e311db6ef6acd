/* test_image_kdump.c - compressed dumps and makedumpfile's flattened form of a file. */
#include <criterion/criterion.h>
#include <string.h>
#include <zlib.h>

#include "base/cursor.h"
#include "image/file_flat.h"
#include "image/painter.h"
#include "image/ranges.h"
#include "image_builder.h"

TestSuite(image_kdump, .init = scratch_begin, .fini = scratch_end);

#define BLOCK 4096
#define PAGES 40

/* Where things lie in the file that save() makes. */
#define AT_BLOCK_SIZE 428
#define AT_SUB_BLOCKS 432
#define AT_PAGES      440
#define AT_SUB        BLOCK
#define AT_KNOWN      (2 * BLOCK)
#define AT_HELD       (3 * BLOCK)
#define AT_TABLE      (4 * BLOCK)

static bool is_held(unsigned page)
{
    return page != 3 && page < 20;
}

/* A dump of pages 0 to 19 of 40, without 3; odd pages are compressed. `level` is its dump level. */
static struct builder make(uint32_t level)
{
    struct builder file = {0};
    builder_put(&file, "KDUMP   ", 8);
    builder_put32(&file, 6);
    builder_zeros(&file, 424 - file.size);
    const uint32_t sizes[] = {0, BLOCK, 1, 2, UINT32_MAX};
    for (size_t i = 0; i < 5; i++)
        builder_put32(&file, sizes[i]);
    builder_zeros(&file, BLOCK - file.size + 8);
    builder_put32(&file, level);
    builder_zeros(&file, AT_TABLE - file.size);
    put_le64(file.bytes + AT_SUB + 96, PAGES);

    size_t descriptors = file.size;
    unsigned held = 0;
    for (unsigned page = 0; page < PAGES; page++) {
        file.bytes[AT_KNOWN + page / 8] |= (uint8_t)(page < 20 ? 1u << page % 8 : 0);
        file.bytes[AT_HELD + page / 8] |= (uint8_t)(is_held(page) ? 1u << page % 8 : 0);
        held += is_held(page);
    }
    builder_zeros(&file, (size_t)held * 24);
    for (unsigned page = 0; page < PAGES; page++) {
        if (!is_held(page))
            continue;
        struct builder memory = {0};
        builder_memory(&memory, (uint64_t)page * BLOCK, BLOCK);
        uint8_t packed[2 * BLOCK];
        uLongf size = sizeof(packed);
        cr_assert_eq(compress(packed, &size, memory.bytes, BLOCK), Z_OK);
        put_le64(file.bytes + descriptors, file.size);
        put_le32(file.bytes + descriptors + 8, page % 2 ? (uint32_t)size : BLOCK);
        put_le32(file.bytes + descriptors + 12, page % 2);
        descriptors += 24;
        builder_put(&file, page % 2 ? packed : memory.bytes, page % 2 ? size : BLOCK);
        builder_free(&memory);
    }
    return file;
}

static struct opened open_kdump(struct builder *file)
{
    struct opened opened = open_expecting(builder_save(file, "vmcore"), "kdump");
    builder_free(file);
    return opened;
}

static void expect_damaged(struct builder *file, const char *text)
{
    expect_refused(builder_save(file, "vmcore"), LKMFS_ERROR_FORMAT, text);
    builder_free(file);
}

Test(image_kdump, pages_and_holes)
{
    struct builder file = make(31);
    struct opened opened = open_kdump(&file);

    expect_ranges(opened.image, 2);
    expect_range(opened.image, 0, 0, 3 * BLOCK);
    expect_range(opened.image, 1, 4 * BLOCK, 16 * BLOCK);
    expect_memory(opened.image, 0, 20 * BLOCK, 3 * BLOCK);
    expect_memory(opened.image, 4 * BLOCK + 5, 15 * BLOCK, 15 * BLOCK);
    expect_memory(opened.image, 19 * BLOCK, 2 * BLOCK, BLOCK);
    expect_memory(opened.image, UINT64_MAX - 3, 8, 0);
    expect_memory(opened.image, (uint64_t)1 << 51, 8, 0);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

Test(image_kdump, level_1_leaves_out_zeros_only)
{
    struct builder file = make(1);
    struct opened opened = open_kdump(&file);
    uint8_t bytes[BLOCK] = {1};

    expect_ranges(opened.image, 1);
    cr_assert_eq(lkmfs_image_read(opened.image, 3 * BLOCK, bytes, BLOCK), BLOCK);
    cr_assert_eq(bytes[0], 0);
    opened_close(&opened);
}

Test(image_kdump, pages_that_lie_are_missing)
{
    struct builder file = make(31);
    put_le32(file.bytes + AT_TABLE + 24 + 8, 17);             /* page 1: cut */
    put_le32(file.bytes + AT_TABLE + 2 * 24 + 8, 100);        /* page 2: plain, but short */
    put_le64(file.bytes + AT_TABLE + 3 * 24, UINT64_MAX - 2); /* page 4: beyond the file */
    put_le32(file.bytes + AT_TABLE + 4 * 24 + 8, UINT32_MAX); /* page 5: as large as can be */
    put_le32(file.bytes + AT_TABLE + 5 * 24 + 12, 0x20);      /* page 6: of another codec */
    struct opened opened = open_kdump(&file);

    expect_memory(opened.image, 0, 3 * BLOCK, BLOCK);
    const unsigned wrong[] = {1, 2, 4, 5, 6};
    for (size_t i = 0; i < 5; i++)
        expect_memory(opened.image, (uint64_t)wrong[i] * BLOCK, BLOCK, 0);
    expect_memory(opened.image, 7 * BLOCK, BLOCK, BLOCK);
    opened_close(&opened);
}

Test(image_kdump, damaged_headers)
{
    struct builder file = make(31);
    put_le32(file.bytes + AT_BLOCK_SIZE, 5000);
    expect_damaged(&file, "headers are damaged");
    file = make(31);
    put_le32(file.bytes + AT_SUB_BLOCKS, 0x7fffffff);
    expect_damaged(&file, "headers are damaged");
    file = make(31);
    put_le32(file.bytes + AT_SUB_BLOCKS + 4, UINT32_MAX);
    expect_damaged(&file, "headers are damaged");
    file = make(31);
    put_le64(file.bytes + AT_SUB + 96, UINT64_MAX);
    expect_damaged(&file, "headers are damaged");
    file = make(31);
    put_le64(file.bytes + AT_SUB + 96, (uint64_t)1 << 20);
    expect_damaged(&file, "headers are damaged");
    file = make(31);
    file.size = 300;
    expect_damaged(&file, "headers are damaged");
    file = make(31);
    memset(file.bytes + AT_KNOWN, 0, 2 * BLOCK);
    expect_damaged(&file, "holds no memory");
}

Test(image_kdump, other_kinds_are_named)
{
    struct builder file = make(31);
    memmove(file.bytes + 412, file.bytes + 424, 32);
    memset(file.bytes + AT_BLOCK_SIZE + 4, 0, 16);
    put_le32(file.bytes + AT_BLOCK_SIZE, 0);
    expect_damaged(&file, "32-bit");
}

/* The same dump's file NAME with the descriptors of pages FIRST to before END only; returns its path. */
static const char *save_part(const char *name, unsigned first, unsigned end)
{
    struct builder file = make(31);
    unsigned before = 0;
    for (unsigned page = 0; page < first; page++)
        before += is_held(page);
    put_le32(file.bytes + AT_SUB + 12, 1);
    put_le64(file.bytes + AT_SUB + 80, first);
    put_le64(file.bytes + AT_SUB + 88, end);
    memmove(file.bytes + AT_TABLE, file.bytes + AT_TABLE + (size_t)before * 24, (size_t)(19 - before) * 24);
    const char *path = builder_save(&file, name);
    builder_free(&file);
    return path;
}

Test(image_kdump, split_in_files)
{
    (void)save_part("vmcore3", 11, PAGES);
    (void)save_part("vmcore4", PAGES, PAGES); /* makedumpfile writes such, too */
    (void)save_part("vmcore1", 0, 5);
    struct opened opened = open_expecting(save_part("vmcore2", 5, 11), "kdump");
    cr_assert(opened_log_has(&opened, "split into 4 files"));
    expect_memory(opened.image, 0, 3 * BLOCK, 3 * BLOCK);
    expect_memory(opened.image, 4 * BLOCK, 17 * BLOCK, 16 * BLOCK);
    opened_close(&opened);
}

Test(image_kdump, split_without_all_files)
{
    expect_refused(save_part("vmcore2", 5, 11), LKMFS_ERROR_FORMAT, "vmcore1, the one with pages 0x0 to 0x4,");
    (void)save_part("vmcore1", 0, 5);
    expect_refused(scratch_path("vmcore2"), LKMFS_ERROR_FORMAT, "vmcore3, the one with pages 0xb to 0x27,");
    (void)save_part("vmcore4", 15, PAGES);
    expect_refused(scratch_path("vmcore4"), LKMFS_ERROR_FORMAT, "vmcore3, the one with pages 0xb to 0xe,");
    (void)save_part("copy", 0, 5);
    expect_refused(scratch_path("vmcore1"), LKMFS_ERROR_FORMAT, "hold the same pages");
    expect_refused(save_part("odd", 7, 3), LKMFS_ERROR_FORMAT, "headers are damaged");
    expect_refused(save_part("odd", PAGES + 1, UINT32_MAX), LKMFS_ERROR_FORMAT, "headers are damaged");
}

Test(image_kdump, split_beside_another_dump)
{
    struct builder other = make(31);
    put_le32(other.bytes + AT_SUB + 12, 1);
    put_le64(other.bytes + AT_SUB + 80, 20);
    put_le64(other.bytes + AT_SUB + 88, PAGES);
    other.bytes[AT_HELD] ^= 1;
    (void)builder_save(&other, "vmcore2");
    builder_free(&other);
    expect_refused(save_part("vmcore1", 0, 20), LKMFS_ERROR_FORMAT, "vmcore2, the one with pages 0x14 to 0x27,");
}

Test(image_kdump, incomplete_is_doubted_and_notes_may_be_anywhere)
{
    struct builder file = make(31);
    put_le32(file.bytes + 424, 8);
    put_le64(file.bytes + AT_SUB + 32, UINT64_MAX);
    put_le64(file.bytes + AT_SUB + 40, UINT64_MAX);
    put_le64(file.bytes + AT_SUB + 48, UINT64_MAX);
    put_le64(file.bytes + AT_SUB + 56, UINT64_MAX);
    struct opened opened = open_kdump(&file);
    cr_assert(opened_log_has(&opened, "not written to its end"));
    opened_close(&opened);
}

static void put_be64(struct builder *builder, uint64_t value)
{
    builder_put64(builder, __builtin_bswap64(value));
}

static void put_flat_header(struct builder *flat)
{
    builder_put(flat, "makedumpfile\0\0\0\0", 16);
    put_be64(flat, 1);
    put_be64(flat, 1);
    builder_zeros(flat, BLOCK - flat->size);
}

static void put_part(struct builder *flat, const struct builder *file, size_t offset, size_t size)
{
    put_be64(flat, offset);
    put_be64(flat, size);
    builder_put(flat, file->bytes + offset, size);
}

/* Parts in no order, and one that is painted over. */
static struct builder flatten(const struct builder *file)
{
    struct builder flat = {0};
    put_flat_header(&flat);
    put_be64(&flat, 100);
    put_be64(&flat, 5000);
    builder_zeros(&flat, 5000);
    put_part(&flat, file, AT_TABLE, file->size - AT_TABLE);
    put_part(&flat, file, 0, 500);
    put_part(&flat, file, 500, AT_TABLE - 500);
    return flat;
}

Test(image_kdump, flattened)
{
    struct builder file = make(31);
    struct builder flat = flatten(&file);
    put_be64(&flat, UINT64_MAX);
    put_be64(&flat, UINT64_MAX);
    struct opened opened = open_expecting(builder_save(&flat, "vmcore.flat"), "kdump");
    expect_memory(opened.image, 4 * BLOCK, 16 * BLOCK, 16 * BLOCK);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
    builder_free(&flat);
    builder_free(&file);
}

Test(image_kdump, flattened_and_cut)
{
    struct builder file = make(31);
    struct builder flat = flatten(&file);
    struct opened opened = open_expecting(builder_save(&flat, "vmcore.flat"), "kdump");
    cr_assert(opened_log_has(&opened, "without its end mark"));
    opened_close(&opened);

    put_be64(&flat, (uint64_t)INT64_MAX - 3);
    put_be64(&flat, 100);
    opened = open_expecting(builder_save(&flat, "vmcore.flat"), "kdump");
    cr_assert(opened_log_has(&opened, "makes no sense"));
    opened_close(&opened);
    expect_refused(builder_save_part(&flat, "vmcore.flat", BLOCK), LKMFS_ERROR_FORMAT, "holds nothing");
    expect_refused(builder_save_part(&flat, "vmcore.flat", 20), LKMFS_ERROR_FORMAT, "damaged header");
    builder_free(&flat);
    builder_free(&file);
}

Test(image_kdump, what_was_not_written_is_zero)
{
    struct builder file = {0}, flat = {0};
    struct image_file *inner, *opened;
    struct lkmfs_error err;
    uint8_t bytes[7000];
    builder_memory(&file, 0, 6000);
    put_flat_header(&flat);
    put_part(&flat, &file, 1000, 2000);
    put_part(&flat, &file, 5000, 1000);
    /* the last part is cut short by 10 bytes */
    cr_assert(image_file_open_local(builder_save_part(&flat, "flat", flat.size - 10), &inner, &err), "%s", err.message);
    struct opened log = {.log = lkmfs_log_new(false)};
    cr_assert(image_file_open_flat(inner, log.log, &opened, &err), "%s", err.message);
    cr_expect(opened_log_has(&log, "its last part is cut short"));
    cr_assert_eq(opened->size, 5990);
    memset(bytes, 0xee, sizeof(bytes));
    cr_assert_eq(image_file_read(opened, 0, bytes, sizeof(bytes)), 5990);
    for (size_t i = 0; i < 5990; i++)
        cr_assert_eq(bytes[i], (i >= 1000 && i < 3000) || i >= 5000 ? file.bytes[i] : 0, "%zu", i);
    static const uint64_t data[][2] = {{0, 1000}, {1500, 1500}, {3000, 5000}, {5989, 5989}, {5990, 5990}, {9999, 5990}};
    for (size_t i = 0; i < sizeof(data) / sizeof(*data); i++)
        cr_expect_eq(image_file_next_data(opened, data[i][0]), data[i][1]);
    cr_expect_not(image_file_prefetches(opened));
    image_file_close(opened);
    lkmfs_log_free(log.log);
    builder_free(&flat);
    builder_free(&file);
}

Test(image_kdump, flattened_twice_is_refused)
{
    struct builder file = {0}, flat = {0};
    put_flat_header(&file);
    builder_zeros(&file, BLOCK);
    put_flat_header(&flat);
    put_part(&flat, &file, 0, file.size);
    expect_refused(builder_save(&flat, "vmcore.flat"), LKMFS_ERROR_FORMAT, "neither kdump nor ELF");
    builder_free(&flat);
    builder_free(&file);
}

#define CANVAS  200
#define STROKES 60

Test(image_painter, agrees_with_a_canvas)
{
    uint64_t state = 1;
    for (unsigned round = 0; round < 200; round++) {
        uint64_t canvas[CANVAS] = {0};
        struct painter painter = {0};
        for (unsigned i = 0; i < STROKES; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            uint64_t start = (state >> 33) % (CANVAS - 20), size = (state >> 50) % 20, source = (i + 1) * 1000;
            cr_assert(painter_add(&painter, start, size, source));
            for (uint64_t at = 0; at < size; at++)
                canvas[start + at] = source + at;
        }
        struct painted *parts;
        size_t count;
        cr_assert(painter_finish(&painter, &parts, &count));
        for (uint64_t at = 0; at < CANVAS; at++) {
            size_t i = painted_find(parts, count, at);
            bool seen = i < count && parts[i].start <= at;
            cr_assert_eq(seen ? parts[i].source + (at - parts[i].start) : 0, canvas[at]);
        }
        painter_destroy(&painter);
        free(parts);
    }
}

Test(image_ranges, too_many_become_coarser)
{
    struct image_ranges ranges = {0};
    for (uint64_t i = 0; i <= IMAGE_RANGES_MAX; i++)
        cr_assert(image_ranges_add(&ranges, i * 8192, 4096));
    cr_assert_lt(ranges.count, IMAGE_RANGES_MAX);
    cr_assert_eq(ranges.items[0].start, 0);
    const struct lkmfs_range *last = &ranges.items[ranges.count - 1];
    cr_assert_eq(last->start + last->size, IMAGE_RANGES_MAX * 8192 + 4096);
    free(ranges.items);
}
