/* test_image_lime.c - LiME images, sound and damaged. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "image/extents.h"
#include "image_builder.h"

TestSuite(image_lime, .init = scratch_begin, .fini = scratch_end);

static struct opened open_lime(struct builder *builder)
{
    struct opened opened = open_expecting(builder_save(builder, "image.lime"), "LiME");
    builder_free(builder);
    return opened;
}

static void expect_clean(const struct opened *opened)
{
    char *text = lkmfs_log_text(opened->log);
    cr_assert_eq(lkmfs_log_doubts(opened->log), 0, "%s", text);
    free(text);
}

Test(image_lime, holes_and_ranges)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x9ec00);
    builder_lime(&builder, 0x100000, 0x3000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 2);
    expect_range(opened.image, 0, 0x1000, 0x9ec00);
    expect_range(opened.image, 1, 0x100000, 0x3000);
    expect_memory(opened.image, 0xfff, 16, 0);
    expect_memory(opened.image, 0x1000, 0x9ec00, 0x9ec00);
    expect_memory(opened.image, 0x9f000, 0x1000, 0xc00);
    expect_memory(opened.image, 0x102ff8, 16, 8);
    expect_clean(&opened);
    opened_close(&opened);
}

Test(image_lime, unsorted_adjacent_ranges_merge)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x3000, 0x1000);
    builder_lime(&builder, 0x1000, 0x1000);
    builder_lime(&builder, 0x2000, 0x1000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0x1000, 0x3000);
    expect_memory(opened.image, 0x1000, 0x3000, 0x3000);
    expect_memory(opened.image, 0x1fff, 0x1002, 0x1002);
    expect_clean(&opened);
    opened_close(&opened);
}

#define MANY 30000

Test(image_lime, many_records, .timeout = 10)
{
    struct builder builder = {0};
    for (uint64_t i = 0; i < MANY; i++)
        builder_lime(&builder, ((i * 7919) % MANY) * 0x100, 0x80);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, MANY);
    for (uint64_t i = 0; i < MANY; i += 997)
        expect_memory(opened.image, i * 0x100, 0x100, 0x80);
    expect_clean(&opened);
    opened_close(&opened);
}

Test(image_lime, a_million_tiny_records, .timeout = 60)
{
    struct builder builder = {0};
    for (uint64_t i = 1000000; i > 0; i--)
        builder_lime(&builder, i * 2, 1);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1000000);
    expect_memory(opened.image, 1000000, 2, 1);
    opened_close(&opened);
}

Test(image_lime, lower_start_wins_an_overlap)
{
    struct builder builder = {0};
    builder_lime_header(&builder, 0x2000, 0x3fff);
    builder_zeros(&builder, 0x2000);
    builder_lime(&builder, 0x1000, 0x2000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0x1000, 0x3000);
    expect_memory(opened.image, 0x1000, 0x2000, 0x2000);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 1);
    cr_assert(opened_log_has(&opened, "1 ranges overlap others: 4096 bytes"));
    opened_close(&opened);
}

Test(image_lime, first_in_file_wins_when_both_start_alike)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x800);
    builder_lime_header(&builder, 0x1000, 0x1fff);
    builder_zeros(&builder, 0x800);
    builder_memory(&builder, 0x1800, 0x800);
    struct opened opened = open_lime(&builder);

    expect_range(opened.image, 0, 0x1000, 0x1000);
    expect_memory(opened.image, 0x1000, 0x1000, 0x1000);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 1);
    opened_close(&opened);
}

Test(image_lime, contained_range_is_ignored)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x4000);
    builder_lime_header(&builder, 0x2000, 0x2fff);
    builder_zeros(&builder, 0x1000);
    builder_lime(&builder, 0x5000, 0x1000);
    struct opened opened = open_lime(&builder);

    expect_range(opened.image, 0, 0x1000, 0x5000);
    expect_memory(opened.image, 0x1000, 0x5000, 0x5000);
    opened_close(&opened);
}

Test(image_lime, last_range_cut_short)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x1000);
    builder_lime_header(&builder, 0x100000, 0x1fffff);
    builder_memory(&builder, 0x100000, 0x1800);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 2);
    expect_range(opened.image, 1, 0x100000, 0x1800);
    expect_memory(opened.image, 0x101000, 0x1000, 0x800);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 1);
    cr_assert(opened_log_has(&opened, "cut short"));
    opened_close(&opened);
}

Test(image_lime, all_zero_header_ends_the_list)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x1000);
    builder_zeros(&builder, 32);
    builder_lime(&builder, 0x4000, 0x1000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1);
    cr_assert(opened_log_has(&opened, "all-zero header at offset 0x1020"));
    cr_assert_eq(lkmfs_log_doubts(opened.log), 1);
    opened_close(&opened);
}

Test(image_lime, garbage_header_ends_the_list)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x1000);
    builder_memory(&builder, 0x777, 100);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1);
    cr_assert(opened_log_has(&opened, "no valid header at offset 0x1020"));
    opened_close(&opened);
}

Test(image_lime, last_address_given_exclusively)
{
    struct builder builder = {0};
    builder_lime_header(&builder, 0x1000, 0x2000);
    builder_memory(&builder, 0x1000, 0x1000);
    builder_lime_header(&builder, 0x8000, 0xa000);
    builder_memory(&builder, 0x8000, 0x2000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 2);
    expect_range(opened.image, 0, 0x1000, 0x1000);
    expect_range(opened.image, 1, 0x8000, 0x2000);
    expect_memory(opened.image, 0x8000, 0x2000, 0x2000);
    expect_clean(&opened);
    opened_close(&opened);
}

Test(image_lime, last_address_ending_in_zeros_but_inclusive)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x1001);
    builder_lime(&builder, 0x8000, 0x2001);
    struct opened opened = open_lime(&builder);

    expect_range(opened.image, 0, 0x1000, 0x1001);
    expect_range(opened.image, 1, 0x8000, 0x2001);
    expect_clean(&opened);
    opened_close(&opened);
}

Test(image_lime, single_byte_at_a_page)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 1);
    builder_lime(&builder, 0x8000, 1);
    struct opened opened = open_lime(&builder);
    expect_ranges(opened.image, 2);
    expect_memory(opened.image, 0x8000, 2, 1);
    opened_close(&opened);
}

static void expect_ends_list(uint64_t start, uint64_t last)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x1000);
    builder_lime_header(&builder, start, last);
    builder_memory(&builder, 0, 0x1000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0x1000, 0x1000);
    cr_assert_geq(lkmfs_log_doubts(opened.log), 1);
    opened_close(&opened);
}

Test(image_lime, absurd_ranges_are_left_out)
{
    expect_ends_list(0x3000, 0x2000);
    expect_ends_list(0, UINT64_MAX);
    expect_ends_list(1, UINT64_MAX);
    expect_ends_list(UINT64_MAX, UINT64_MAX);
    expect_ends_list(UINT64_MAX, 0);
    expect_ends_list((uint64_t)1 << 52, ((uint64_t)1 << 52) + 0xfff);
}

Test(image_lime, huge_range_is_cut_to_the_file)
{
    struct builder builder = {0};
    builder_lime_header(&builder, 0, ((uint64_t)1 << 52) - 1);
    builder_memory(&builder, 0, 0x1000);
    struct opened opened = open_lime(&builder);
    expect_range(opened.image, 0, 0, 0x1000);
    opened_close(&opened);
}

Test(image_lime, range_after_an_absurd_one_is_still_read)
{
    struct builder builder = {0};
    builder_lime(&builder, 0xffff800000000000, 0x1000);
    builder_lime(&builder, 0x1000, 0x1000);
    struct opened opened = open_lime(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0x1000, 0x1000, 0x1000);
    cr_assert(opened_log_has(&opened, "beyond the 52 bits"));
    opened_close(&opened);
}

Test(image_lime, first_header_unusable)
{
    struct builder builder = {0};
    builder_lime_header(&builder, 0x2000, 0x1000);
    builder_memory(&builder, 0, 0x1000);
    expect_refused(builder_save(&builder, "image"), LKMFS_ERROR_FORMAT, "first header is damaged");

    builder.bytes[4] = 2;
    expect_refused(builder_save(&builder, "image"), LKMFS_ERROR_FORMAT, "LiME image of version 2");
    expect_refused(builder_save_part(&builder, "image", 31), LKMFS_ERROR_FORMAT, "cut within its first header");
    builder_free(&builder);
}

Test(image_lime, header_without_memory)
{
    struct builder builder = {0};
    builder_lime_header(&builder, 0x1000, 0x1fff);
    expect_refused(builder_save(&builder, "image"), LKMFS_ERROR_FORMAT, "holds no memory");
    builder_free(&builder);
}

Test(image_lime, more_extents_than_accepted, .timeout = 60)
{
    struct image_extents extents = {0};
    for (uint64_t i = 0; i < IMAGE_EXTENTS_MAX + 5; i++)
        cr_assert(image_extents_add(&extents, i * 2, i, 1));
    cr_assert_eq(extents.count, IMAGE_EXTENTS_MAX);
    cr_assert_eq(extents.losses.dropped, 5);
    image_extents_destroy(&extents);
}

Test(image_lime, cut_anywhere, .timeout = 60)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x60);
    builder_lime(&builder, 0x4000, 0x80);
    builder_lime(&builder, 0x3000, 0x40);

    for (size_t size = 1; size <= builder.size; size++) {
        struct opened opened = open_path(builder_save_part(&builder, "image.lime", size));
        cr_assert_eq(opened.image != NULL, size > 32, "%zu bytes: %s", size, opened.err.message);
        if (size > 32)
            expect_memory(opened.image, 0x1000, 0x60, size - 32 < 0x60 ? size - 32 : 0x60);
        /* Only at the end of a record does nothing look amiss. */
        bool whole = size == 0x80 || size == 0x80 + 0xa0 || size == builder.size;
        if (opened.image)
            cr_assert_eq(lkmfs_log_doubts(opened.log) == 0, whole, "%zu bytes", size);
        opened_close(&opened);
    }
    builder_free(&builder);
}
