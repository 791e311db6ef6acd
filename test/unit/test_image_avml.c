/* test_image_avml.c - AVML's compressed records, sound and damaged, alone and among LiME's; the cache of blocks. */
#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "image/cache.h"
#include "image_builder.h"

TestSuite(image_avml, .init = scratch_begin, .fini = scratch_end);

#define FRAME 0x10000

static void put_header(struct builder *builder, uint64_t start, uint64_t size)
{
    builder_put(builder, "AVML", 4);
    builder_put32(builder, 2);
    builder_put64(builder, start);
    builder_put64(builder, start + size - 1);
    builder_zeros(builder, 8);
    builder_put(builder, "\xff\6\0\0sNaPpY", 10);
}

/* A frame with the memory at `phys`, whose preamble says `claimed` bytes; stored as it is when not `packed`. */
static void put_frame(struct builder *builder, uint64_t phys, size_t size, bool packed)
{
    struct builder memory = {0};
    builder_memory(&memory, phys, size);
    size_t room = snappy_max_compressed_length(size);
    char *bytes = malloc(room);
    cr_assert_not_null(bytes);
    cr_assert_eq(snappy_compress((const char *)memory.bytes, size, bytes, &room), SNAPPY_OK);
    size_t body = packed ? room : size;
    builder_put32(builder, (uint32_t)((body + 4) << 8 | !packed));
    builder_zeros(builder, 4);
    builder_put(builder, packed ? (const void *)bytes : memory.bytes, body);
    free(bytes);
    builder_free(&memory);
}

static void put_record(struct builder *builder, uint64_t start, size_t size)
{
    put_header(builder, start, size);
    size_t before = builder->size - 10;
    for (size_t at = 0; at < size; at += FRAME)
        put_frame(builder, start + at, size - at < FRAME ? size - at : FRAME, at != FRAME);
    builder_put64(builder, builder->size - before);
}

static struct opened open_avml(struct builder *builder)
{
    struct opened opened = open_expecting(builder_save(builder, "lies.lime"), "AVML");
    builder_free(builder);
    return opened;
}

Test(image_avml, records_of_packed_and_plain_frames)
{
    struct builder builder = {0};
    put_record(&builder, 0x1000, 0x9e000);
    put_record(&builder, 0x100000, 0x30800);
    struct opened opened = open_avml(&builder);

    expect_ranges(opened.image, 2);
    expect_range(opened.image, 0, 0x1000, 0x9e000);
    expect_range(opened.image, 1, 0x100000, 0x30800);
    expect_memory(opened.image, 0x1000, 0x9e000, 0x9e000);
    expect_memory(opened.image, 0x1fffd, 7, 7);
    expect_memory(opened.image, 0x130000, 0x1000, 0x800);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

Test(image_avml, mixed_with_lime)
{
    struct builder builder = {0};
    put_record(&builder, 0x100000, 0x20000);
    builder_lime(&builder, 0x80000, 0x1000);
    put_record(&builder, 0x200000, 0x1000);
    struct opened opened = open_avml(&builder);

    expect_ranges(opened.image, 3);
    expect_memory(opened.image, 0x80000, 0x1000, 0x1000);
    expect_memory(opened.image, 0x200000, 0x1000, 0x1000);
    opened_close(&opened);
}

Test(image_avml, unknown_frames_are_skipped_or_end_it)
{
    struct builder builder = {0};
    put_header(&builder, 0, 0x2000);
    builder_put32(&builder, 3 << 8 | 0x80);
    builder_zeros(&builder, 3);
    put_frame(&builder, 0, 0x1000, true);
    builder_put32(&builder, 3 << 8 | 0x02);
    builder_zeros(&builder, 100);
    struct opened opened = open_avml(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0, 0x2000, 0x1000);
    cr_assert(opened_log_has(&opened, "damaged compressed range"));
    opened_close(&opened);
}

Test(image_avml, cut_keeps_what_is_whole)
{
    struct builder builder = {0};
    put_record(&builder, 0, 2 * FRAME);
    struct opened opened = open_expecting(builder_save_part(&builder, "image", builder.size - FRAME / 2), "AVML");

    expect_range(opened.image, 0, 0, FRAME);
    cr_assert(opened_log_has(&opened, "cut short"));
    opened_close(&opened);
    builder_free(&builder);
}

Test(image_avml, preamble_that_lies_gives_no_memory)
{
    struct builder builder = {0};
    put_header(&builder, 0, FRAME + 0x1000);
    size_t at = builder.size;
    put_frame(&builder, 0, FRAME, true);
    put_frame(&builder, FRAME, 0x1000, true);
    builder.bytes[at + 8] = 0xff; /* 0x80 0x80 0x04: 64 KiB; now 127 more, too much */
    builder.bytes[at + 9] = 0xff;
    builder.bytes[at + 10] = 0x03; /* 64 KiB - 1 */
    builder_put64(&builder, 0);
    struct opened opened = open_avml(&builder);

    expect_memory(opened.image, 0, 0x1000, 0);
    opened_close(&opened);
}

Test(image_avml, more_memory_than_the_record_is_refused_alone)
{
    struct builder builder = {0};
    put_header(&builder, 0, 0x800);
    put_frame(&builder, 0, 0x1000, true);
    expect_refused(builder_save(&builder, "image"), LKMFS_ERROR_FORMAT, "holds no memory");
    builder_free(&builder);
}

Test(image_avml, overlapping_records_keep_the_lower)
{
    struct builder builder = {0};
    put_record(&builder, 0x8000, FRAME);
    put_record(&builder, 0, FRAME);
    struct opened opened = open_avml(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0, 0x18000, 0x18000);
    cr_assert_gt(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

Test(image_avml, other_versions_are_named)
{
    expect_refused(
        builder_save(
            &(struct builder){(uint8_t *)"AVML\3\0\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32, 0},
            "image"),
        LKMFS_ERROR_FORMAT, "version 3");
    expect_refused(builder_save(&(struct builder){(uint8_t *)"AVML\2\0\0\0", 8, 0}, "image"), LKMFS_ERROR_FORMAT,
                   "cut within its first header");
}

static size_t fill_number(void *context, uint64_t key, uint8_t *block)
{
    ++*(unsigned *)context;
    if (key == 13)
        return 0;
    memset(block, (int)key, 64);
    return 64;
}

Test(image_cache, keeps_blocks_and_failures_and_forgets_the_oldest)
{
    struct image_cache *cache = image_cache_new(64, 8 * 64);
    uint8_t bytes[100];
    unsigned fills = 0;
    cr_assert_not_null(cache);

    cr_assert_eq(image_cache_read(cache, 5, 60, bytes, sizeof(bytes), fill_number, &fills), 4);
    cr_assert_eq(bytes[3], 5);
    cr_assert_eq(image_cache_read(cache, 5, 64, bytes, 1, fill_number, &fills), 0);
    cr_assert_eq(image_cache_read(cache, 13, 0, bytes, 1, fill_number, &fills), 0);
    cr_assert_eq(image_cache_read(cache, 13, 0, bytes, 1, fill_number, &fills), 0);
    cr_assert_eq(fills, 2);

    image_cache_put(cache, 77, "0123", 4);
    cr_assert_eq(image_cache_read(cache, 77, 1, bytes, 8, fill_number, &fills), 3);
    cr_assert_eq(bytes[2], '3');
    for (uint64_t key = 100; key < 108; key++)
        (void)image_cache_read(cache, key, 0, bytes, 1, fill_number, &fills);
    cr_assert_eq(fills, 10);
    cr_assert_not(image_cache_has(cache, 5));
    cr_assert(image_cache_has(cache, 107));
    image_cache_free(cache);
    image_cache_free(NULL);
}
