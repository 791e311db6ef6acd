#include "fs/find_kernel.h"

#include <inttypes.h>

#include "base/cursor.h"
#include "base/overflow.h"

#define FOUR_GIB ((uint64_t)1 << 32)
#define PAGE     4096

/* struct boot_params (arch/x86/include/uapi/asm/bootparam.h): the same since 2.6.23. */
#define BOOT_PARAMS_E820_COUNT 0x1e8
#define BOOT_PARAMS_E820       0x2d0
#define E820_ENTRY_SIZE        20
#define E820_ENTRIES_MAX       128
#define E820_RAM               1

struct memory_map {
    uint64_t end;     /* of all RAM */
    uint64_t low_end; /* of RAM below 4 GiB */
};

/* The firmware's memory map, which the kernel keeps as it was given to it. False when it's not x86's or not there. */
static bool read_memory_map(const struct lkmfs_kernel *kernel, struct memory_map *map)
{
    uint8_t bytes[E820_ENTRIES_MAX * E820_ENTRY_SIZE];
    uint8_t count;
    uint64_t params;
    const struct lkmfs_space *space = lkmfs_kernel_space(kernel);
    if (!lkmfs_symbols_find(lkmfs_kernel_symbols(kernel), "boot_params", &params) ||
        !lkmfs_space_read_exact(space, params + BOOT_PARAMS_E820_COUNT, &count, 1) || count > E820_ENTRIES_MAX ||
        !lkmfs_space_read_exact(space, params + BOOT_PARAMS_E820, bytes, (size_t)count * E820_ENTRY_SIZE))
        return false;

    struct cursor cursor = cursor_over(bytes, (size_t)count * E820_ENTRY_SIZE);
    *map = (struct memory_map){0};
    for (unsigned i = 0; i < count; i++) {
        uint64_t start = cursor_u64(&cursor);
        uint64_t size = cursor_u64(&cursor);
        uint32_t type = cursor_u32(&cursor);
        uint64_t end;
        if (type != E820_RAM || !add_u64(start, size, &end))
            continue;
        map->end = max_u64(map->end, end);
        if (end <= FOUR_GIB)
            map->low_end = max_u64(map->low_end, end);
    }
    return map->end != 0;
}

/*
 * The hole that makes a file of `size` bytes end where RAM does. False when there's none: a smaller machine, or a file
 * that has room for it.
 */
static bool hole_from_map(const struct memory_map *map, uint64_t size, struct lkmfs_hole *hole)
{
    if (map->end <= FOUR_GIB || size >= map->end || map->end - size > FOUR_GIB)
        return false;
    *hole = (struct lkmfs_hole){.start = FOUR_GIB - (map->end - size), .end = FOUR_GIB};
    return hole->start >= map->low_end && hole->start % PAGE == 0;
}

/* Opens the kernel with `hole`, or without when it is NULL. */
static bool open_with(struct lkmfs_image *image, const struct lkmfs_hole *hole,
                      const struct lkmfs_session_options *options, struct lkmfs_log *log, struct lkmfs_kernel **ret,
                      struct lkmfs_error *err)
{
    if (!lkmfs_image_set_hole(image, hole, err) || !lkmfs_kernel_open(image, &options->kernel, log, ret, err))
        return false;
    if (hole)
        lkmfs_log_add(log, LKMFS_LOG_NOTE, "image: memory after a hole at 0x%" PRIx64 "-0x%" PRIx64, hole->start,
                      hole->end);
    return true;
}

/* Has found a kernel with `tried` (or without a hole); opens it anew where its memory map says otherwise. */
static bool settle_hole(struct lkmfs_image *image, const struct lkmfs_hole *tried,
                        const struct lkmfs_session_options *options, struct lkmfs_log *log, struct lkmfs_kernel **ret,
                        struct lkmfs_error *err)
{
    struct memory_map map;
    struct lkmfs_hole proven;
    if (!read_memory_map(*ret, &map)) {
        if (tried)
            lkmfs_log_add(log, LKMFS_LOG_DOUBT, "image: the hole is a guess; hole=START-END overrides it");
        return true;
    }
    bool has = hole_from_map(&map, lkmfs_image_file_size(image), &proven);
    if (tried ? has && proven.start == tried->start && proven.end == tried->end : !has)
        return true;

    lkmfs_log_add(log, LKMFS_LOG_NOTE, "image: the kernel's memory map (e820) ends at 0x%" PRIx64, map.end);
    lkmfs_kernel_close(*ret);
    *ret = NULL;
    if (open_with(image, has ? &proven : NULL, options, log, ret, err))
        return true;
    lkmfs_log_add(log, LKMFS_LOG_DOUBT, "image: ... but no kernel is found that way; hole=START-END overrides it");
    return open_with(image, tried, options, log, ret, err);
}

static bool try_holes(struct lkmfs_image *image, const struct lkmfs_session_options *options, struct lkmfs_log *log,
                      struct lkmfs_kernel **ret, struct lkmfs_error *err)
{
    size_t count;
    const struct lkmfs_hole *holes = lkmfs_image_holes(image, &count);
    if (count == 0)
        return lkmfs_kernel_open(image, &options->kernel, log, ret, err);

    /* The first message is the one to show: it speaks of the image as it is. */
    if (open_with(image, NULL, options, log, ret, err))
        return settle_hole(image, NULL, options, log, ret, err);
    for (size_t i = 0; i < count && err->code == LKMFS_ERROR_NOT_FOUND; i++) {
        struct lkmfs_error ignored;
        if (open_with(image, &holes[i], options, log, ret, &ignored))
            return settle_hole(image, &holes[i], options, log, ret, err);
    }
    return false;
}

bool find_kernel(struct lkmfs_image *image, const struct lkmfs_session_options *options, struct lkmfs_log *log,
                 struct lkmfs_kernel **ret, struct lkmfs_error *err)
{
    if (options->hole.end)
        return open_with(image, &options->hole, options, log, ret, err);
    struct lkmfs_error own;
    return try_holes(image, options, log, ret, err ? err : &own);
}
