/* test_image.c - raw images, and what all formats share: reading, counting, threads. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_builder.h"

TestSuite(image, .init = scratch_begin, .fini = scratch_end);

static const char *save_raw(size_t size)
{
    struct builder builder = {0};
    builder_memory(&builder, 0, size);
    const char *path = builder_save(&builder, "image.raw");
    builder_free(&builder);
    return path;
}

Test(image, raw_is_one_range_at_zero)
{
    struct opened opened = open_expecting(save_raw(0x10000), "raw");

    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0, 0x10000);
    expect_memory(opened.image, 0, 0x10000, 0x10000);
    expect_memory(opened.image, 0x1234, 17, 17);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    cr_assert_eq(lkmfs_image_file_size(opened.image), 0x10000);
    cr_assert_null(lkmfs_image_hints(opened.image)->vmcoreinfo);
    opened_close(&opened);
}

Test(image, size_need_not_be_whole_pages)
{
    struct opened opened = open_expecting(save_raw(0x10001), "raw");
    expect_range(opened.image, 0, 0, 0x10001);
    expect_memory(opened.image, 0x10000, 4096, 1);
    opened_close(&opened);
}

Test(image, reads_stop_at_the_end)
{
    struct opened opened = open_expecting(save_raw(0x10000), "raw");

    expect_memory(opened.image, 0xfff0, 0x20, 0x10);
    expect_memory(opened.image, 0x10000, 1, 0);
    expect_memory(opened.image, 0, 0, 0);
    expect_memory(opened.image, UINT64_MAX, 16, 0);
    expect_memory(opened.image, UINT64_MAX - 7, 16, 0);
    expect_memory(opened.image, (uint64_t)1 << 52, 16, 0);
    opened_close(&opened);
}

Test(image, tells_path_and_time)
{
    const char *path = save_raw(0x10000);
    struct timespec times[2] = {{.tv_sec = 1000000}, {.tv_sec = 1234567890}};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);

    struct opened opened = open_expecting(path, "raw");
    cr_assert_str_eq(lkmfs_image_path(opened.image), path);
    cr_assert_eq(lkmfs_image_mtime(opened.image), 1234567890);
    opened_close(&opened);
}

Test(image, counts_bytes_read)
{
    struct opened opened = open_expecting(save_raw(0x10000), "raw");
    uint64_t before = lkmfs_image_bytes_read(opened.image);

    expect_memory(opened.image, 0xf000, 0x2000, 0x1000);
    cr_assert_eq(lkmfs_image_bytes_read(opened.image), before + 0x1000);
    opened_close(&opened);
}

Test(image, opening_reads_little_of_a_huge_file)
{
    const char *path = save_raw(0x10000);
    cr_assert_eq(truncate(path, (off_t)1 << 42), 0);

    struct opened opened = open_expecting(path, "raw");
    expect_range(opened.image, 0, 0, (uint64_t)1 << 42);
    cr_assert_lt(lkmfs_image_bytes_read(opened.image), 65536);
    opened_close(&opened);
}

Test(image, file_truncated_after_opening_gives_short_reads)
{
    const char *path = save_raw(0x20000);
    struct opened opened = open_expecting(path, "raw");
    cr_assert_eq(truncate(path, 0x8000), 0);

    expect_memory(opened.image, 0x7000, 0x2000, 0x1000);
    expect_memory(opened.image, 0x9000, 0x1000, 0);
    opened_close(&opened);
}

Test(image, what_begins_like_zlib_is_doubted_but_raw)
{
    struct builder builder = {0};
    builder_put(&builder, "\x38\x8d", 2); /* LiME compress=1: window of 2^11 */
    builder_memory(&builder, 2, 0x10000);
    struct opened opened = open_expecting(builder_save(&builder, "image"), "raw");

    cr_assert(opened_log_has(&opened, "compress=1"));
    opened_close(&opened);
    builder_free(&builder);
}

Test(image, hole_moves_what_follows_it)
{
    struct opened opened = open_expecting(save_raw(0x10000), "raw");
    const struct lkmfs_hole hole = {0x8000, 0x100000}, beyond = {0x20000, 0x30000};
    uint8_t bytes[2];
    size_t count;
    (void)lkmfs_image_holes(opened.image, &count);
    cr_assert_eq(count, 0, "so small a machine has nothing above it");

    cr_assert(lkmfs_image_set_hole(opened.image, &hole, NULL));
    expect_ranges(opened.image, 2);
    expect_range(opened.image, 1, 0x100000, 0x8000);
    expect_memory(opened.image, 0x7ff0, 0x20, 0x10);
    cr_assert_eq(lkmfs_image_read(opened.image, 0x107fff, bytes, 2), 1);
    cr_assert(lkmfs_image_set_hole(opened.image, &beyond, NULL));
    expect_ranges(opened.image, 1);
    cr_assert(lkmfs_image_set_hole(opened.image, NULL, NULL));
    expect_memory(opened.image, 0, 0x10000, 0x10000);
    opened_close(&opened);
}

Test(image, large_raw_files_may_lack_a_hole)
{
    const char *path = save_raw(0x10000);
    cr_assert_eq(truncate(path, (off_t)5 << 30), 0);
    struct opened opened = open_expecting(path, "raw");
    size_t count;
    const struct lkmfs_hole *holes = lkmfs_image_holes(opened.image, &count);

    cr_assert_gt(count, 3);
    cr_assert_eq(holes[0].start, 0xc0000000);
    cr_assert(lkmfs_image_set_hole(opened.image, &holes[0], NULL));
    expect_range(opened.image, 1, (uint64_t)4 << 30, (uint64_t)2 << 30);
    opened_close(&opened);
}

Test(image, hole_is_refused_where_the_format_knows)
{
    struct builder builder = {0};
    builder_lime(&builder, 0, 0x1000);
    struct opened opened = open_expecting(builder_save(&builder, "image"), "LiME");
    const struct lkmfs_hole hole = {0xc0000000, 0x100000000};

    cr_assert_not(lkmfs_image_set_hole(opened.image, &hole, &opened.err));
    cr_assert_eq(opened.err.code, LKMFS_ERROR_USAGE);
    opened_close(&opened);
    builder_free(&builder);
}

Test(image, close_accepts_null)
{
    lkmfs_image_close(NULL);
}

Test(image, log_and_error_may_be_null)
{
    struct lkmfs_image *image = NULL;
    cr_assert(lkmfs_image_open(save_raw(0x10000), NULL, &image, NULL));
    lkmfs_image_close(image);
    cr_assert_not(lkmfs_image_open(scratch_path("none"), NULL, &image, NULL));
}

#define THREADS          8
#define READS_PER_THREAD 2000

static void *read_at_random(void *argument)
{
    const struct lkmfs_image *image = argument;
    uint64_t state = (uint64_t)(uintptr_t)&state;
    for (int i = 0; i < READS_PER_THREAD; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        expect_memory(image, (state >> 33) % 0x1f000, 64, 64);
    }
    return NULL;
}

Test(image, threads_read_and_count_without_loss)
{
    struct opened opened = open_expecting(save_raw(0x20000), "raw");
    uint64_t before = lkmfs_image_bytes_read(opened.image);
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, read_at_random, opened.image), 0);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(lkmfs_image_bytes_read(opened.image), before + (uint64_t)THREADS * READS_PER_THREAD * 64);
    opened_close(&opened);
}
