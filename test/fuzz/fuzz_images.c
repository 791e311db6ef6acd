#include "fuzz_images.h"

#include <string.h>

#include "fuzz.h"
#include "lkmfs/image.h"

static void check_ranges(const struct lkmfs_image *image)
{
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    uint64_t end = 0;
    FUZZ_CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(ranges[i].size > 0 && ranges[i].start + ranges[i].size > ranges[i].start);
        FUZZ_CHECK(i == 0 || ranges[i].start > end);
        end = ranges[i].start + ranges[i].size;
    }
}

static void read_some(const struct lkmfs_image *image)
{
    static uint8_t buffer[8192], again[8192];
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    for (size_t i = 0; i < count && i < 32; i++) {
        const uint64_t places[] = {ranges[i].start, ranges[i].start + ranges[i].size - 1, ranges[i].start - 100,
                                   ranges[i].start + ranges[i].size / 2};
        for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
            size_t got = lkmfs_image_read(image, places[p], buffer, sizeof(buffer));
            FUZZ_CHECK(got <= sizeof(buffer));
            FUZZ_CHECK(lkmfs_image_read(image, places[p], again, sizeof(again)) == got);
            FUZZ_CHECK(memcmp(buffer, again, got) == 0);
        }
    }
    (void)lkmfs_image_read(image, 0, buffer, sizeof(buffer));
    (void)lkmfs_image_read(image, UINT64_MAX - 10, buffer, sizeof(buffer));
}

void fuzz_open_image(const char *path)
{
    struct lkmfs_image *image;
    struct lkmfs_error err = {0};
    struct lkmfs_log *log = lkmfs_log_new(false);
    if (lkmfs_image_open(path, log, &image, &err)) {
        check_ranges(image);
        read_some(image);
        FUZZ_CHECK(lkmfs_image_hints(image)->cr3_count <= 64);
        lkmfs_image_close(image);
    } else {
        fuzz_check_message(err.message);
    }
    lkmfs_log_free(log);
}
