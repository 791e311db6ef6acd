/*
 * read_memory.c - writes out all physical memory of an image as liblkmfs reads it: for each whole page its number
 * (eight bytes, little-endian) and its bytes. What can't be read is left out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lkmfs/image.h"

#define PAGE 4096

static bool put_page(uint64_t number, const uint8_t *bytes)
{
    uint8_t head[8];
    for (unsigned i = 0; i < sizeof(head); i++)
        head[i] = (uint8_t)(number >> (8 * i));
    return fwrite(head, sizeof(head), 1, stdout) == 1 && fwrite(bytes, PAGE, 1, stdout) == 1;
}

static bool put_range(const struct lkmfs_image *image, const struct lkmfs_range *range)
{
    uint8_t bytes[PAGE];
    uint64_t end = (range->start + range->size) / PAGE;
    for (uint64_t page = (range->start + PAGE - 1) / PAGE; page < end; page++)
        if (lkmfs_image_read(image, page * PAGE, bytes, PAGE) == PAGE && !put_page(page, bytes))
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct lkmfs_error err = {0};
    struct lkmfs_log *log = lkmfs_log_new(false);
    struct lkmfs_image *image;
    if (argc != 2 || !log || !lkmfs_image_open(argv[1], log, &image, &err)) {
        (void)fprintf(stderr, "read_memory: %s\n", argc == 2 ? err.message : "give one image");
        return 1;
    }
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = put_range(image, &ranges[i]);
    lkmfs_image_close(image);
    lkmfs_log_free(log);
    return ok && fflush(stdout) == 0 ? 0 : 1;
}
