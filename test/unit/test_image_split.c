/* test_image_split.c - images cut into parts. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <unistd.h>

#include "image_builder.h"

TestSuite(image_split, .init = scratch_begin, .fini = scratch_end);

#define PART 0xa000

/* Writes part `index` of a raw image of `count` parts, the last of which is shorter, as the file `name`. */
static void save_part(const char *name, unsigned index, unsigned count)
{
    struct builder builder = {0};
    builder_memory(&builder, (uint64_t)index * PART, index + 1 == count ? 0x1800 : PART);
    (void)builder_save(&builder, name);
    builder_free(&builder);
}

static void save_numbered(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "image.raw.%03u", i + 1);
        save_part(name, i, count);
    }
}

static void expect_whole(const char *name, size_t size)
{
    struct opened opened = open_expecting(scratch_path(name), "raw");
    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0, size);
    expect_memory(opened.image, 0, size, size);
    expect_memory(opened.image, PART - 3, 7, 7);
    expect_memory(opened.image, size - 1, 100, 1);
    opened_close(&opened);
}

Test(image_split, numbers)
{
    save_numbered(12);
    expect_whole("image.raw.001", 11 * PART + 0x1800);
    expect_whole("image.raw.007", 11 * PART + 0x1800);
    expect_whole("image.raw.012", 11 * PART + 0x1800);
}

Test(image_split, letters)
{
    save_part("image.aa", 0, 3);
    save_part("image.ab", 1, 3);
    save_part("image.ac", 2, 3);
    expect_whole("image.aa", 2 * PART + 0x1800);
}

Test(image_split, other_formats_are_found_in_it)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x10000);
    (void)builder_save_part(&builder, "image.lime.00", 0x5001);
    builder.bytes += 0x5001;
    (void)builder_save_part(&builder, "image.lime.01", builder.size - 0x5001);
    builder.bytes -= 0x5001;
    struct opened opened = open_expecting(scratch_path("image.lime.00"), "LiME");
    expect_memory(opened.image, 0x1000, 0x10000, 0x10000);
    opened_close(&opened);
    builder_free(&builder);
}

Test(image_split, missing_parts_are_named)
{
    save_numbered(5);
    cr_assert_eq(unlink(scratch_path("image.raw.003")), 0);
    expect_refused(scratch_path("image.raw.001"), LKMFS_ERROR_FORMAT, "image.raw.003 is missing");
    expect_refused(scratch_path("image.raw.005"), LKMFS_ERROR_FORMAT, "image.raw.003 is missing");
}

Test(image_split, a_short_part_is_doubted)
{
    save_numbered(3);
    cr_assert_eq(truncate(scratch_path("image.raw.002"), 0x5000), 0);
    struct opened opened = open_expecting(scratch_path("image.raw.001"), "raw");
    cr_assert(opened_log_has(&opened, "part 2 has not the size"));
    opened_close(&opened);
}

Test(image_split, images_each_for_itself_are_left_alone)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x10000);
    (void)builder_save(&builder, "host.001");
    (void)builder_save(&builder, "host.002");
    struct opened opened = open_expecting(scratch_path("host.002"), "LiME");
    cr_assert_eq(lkmfs_image_file_size(opened.image), builder.size);
    opened_close(&opened);
    builder_free(&builder);
}

Test(image_split, a_lone_part_is_taken_as_it_is)
{
    struct builder builder = {0};
    builder_memory(&builder, 0, 0x10000);
    struct opened opened = open_expecting(builder_save(&builder, "memory.001"), "raw");
    expect_range(opened.image, 0, 0, 0x10000);
    opened_close(&opened);
    builder_free(&builder);
}
