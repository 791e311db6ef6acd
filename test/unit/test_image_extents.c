/* test_image_extents.c - what of an image is left out is counted, and sums of hostile sizes stop at the largest. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "image/extents.h"
#include "image_builder.h"

/* Asserts that the log of these extents has one line of doubt, with `text`. */
static void expect_doubt_of(const struct image_extents *extents, const char *text)
{
    struct opened opened = {.log = lkmfs_log_new(false)};
    image_extents_log(extents, LKMFS_LOG_DOUBT, opened.log);
    cr_expect_eq(lkmfs_log_doubts(opened.log), 1);
    cr_expect(opened_log_has(&opened, text));
    lkmfs_log_free(opened.log);
}

Test(image_extents, too_many_are_left_out)
{
    struct image_extents extents = {0};
    for (size_t i = 0; i < IMAGE_EXTENTS_MAX + 3; i++)
        cr_assert(image_extents_add(&extents, i * 0x2000, i, 1));
    cr_expect_eq(extents.count, IMAGE_EXTENTS_MAX);
    cr_expect_eq(extents.losses.dropped, 3);
    expect_doubt_of(&extents, "3 ranges left out: more than");
    image_extents_destroy(&extents);
}

Test(image_extents, a_chunk_is_cut_whole)
{
    struct image_extents extents = {0};
    cr_assert(image_extents_add_packed(&extents, 0, 0, 0x10000, 100));
    cr_assert(image_extents_add_packed(&extents, 0x10000, 100, 0x10000, 100));
    image_extents_settle(&extents, 150);
    cr_expect_eq(extents.count, 1);
    cr_expect_eq(extents.items[0].phys, 0);
    cr_expect_eq(extents.losses.cut, 1);
    cr_expect_eq(extents.losses.cut_bytes, 0x10000, "what is left of it is of no use");
    expect_doubt_of(&extents, "1 ranges reach 65536 bytes past the end");
    image_extents_destroy(&extents);
}

Test(image_extents, sums_do_not_overflow)
{
    struct image_extents extents = {0};
    for (unsigned i = 0; i < 5000; i++) /* 5,000 times half of what an address can be: more than 64 bits hold */
        cr_assert(image_extents_add(&extents, i, 1000, IMAGE_PHYSICAL_LIMIT - 5000));
    image_extents_settle(&extents, 100);
    cr_expect_eq(extents.count, 0);
    cr_expect_eq(extents.losses.cut, 5000);
    cr_expect_eq(extents.losses.cut_bytes, UINT64_MAX);
    image_extents_destroy(&extents);
}
