/*
 * The last resort: page tables by their look. level3_kernel_pgt (arch/x86/kernel/head_64.S) uses its two last entries
 * only, and lies next to the tables above it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "kernel/roots.h"

#define PAGE       UINT64_C(4096)
#define BLOCK      ((size_t)4 << 20)
#define OVERLAP    256 /* longest text searched for, so that none is cut by two blocks */
#define ENTRY_MASK UINT64_C(0x000ffffffffff000)
#define NEIGHBOUR  64 /* pages on either side of level3_kernel_pgt in which its parents lie */

struct scan {
    const struct lkmfs_image *image;
    root_proof_fn *proof;
    void *context;
    struct scan_sight *sight;
    uint64_t total, done;
    bool progress;
};

static uint64_t entry_at(const struct scan *scan, uint64_t table, size_t index)
{
    uint8_t bytes[8];
    if (lkmfs_image_read(scan->image, table + index * 8, bytes, sizeof(bytes)) != sizeof(bytes))
        return 0;
    return le64(bytes);
}

static bool is_pointer(uint64_t entry)
{
    return (entry & 0x83) == 0x03;
}

static bool looks_like_level3(const uint8_t *page)
{
    if (!is_pointer(le64(page + (size_t)510 * 8)) || !is_pointer(le64(page + (size_t)511 * 8)))
        return false;
    for (size_t i = 0; i < 510; i++)
        if (le64(page + i * 8) != 0)
            return false;
    return true;
}

/* Tries every table near `child` whose last entry points to it; with 5 levels one more table lies between. */
static bool try_parents(const struct scan *scan, uint64_t child, unsigned depth)
{
    uint64_t low = child > NEIGHBOUR * PAGE ? child - NEIGHBOUR * PAGE : 0;
    for (uint64_t table = low; table < child + NEIGHBOUR * PAGE; table += PAGE) {
        uint64_t last = entry_at(scan, table, 511);
        if (!is_pointer(last) || (last & ENTRY_MASK) != child)
            continue;
        struct root_guess guess = {depth == 0 ? LKMFS_PAGING_X86_64_4LEVEL : LKMFS_PAGING_X86_64_5LEVEL, table,
                                   "full scan for level3_kernel_pgt"};
        /* level4_kernel_pgt of 5 levels would pass for a root of 4, which maps the kernel image and nothing else. */
        if ((depth == 0 && try_parents(scan, table, 1)) || scan->proof(scan->context, &guess))
            return true;
    }
    return false;
}

static void look_for_text(const struct scan *scan, const uint8_t *bytes, size_t size)
{
    struct scan_sight *sight = scan->sight;
    static const char linux_text[] = "Linux version ", windows_text[] = "ntkrnlmp.pdb";
    for (const uint8_t *at = bytes; !sight->banner[0];) {
        at = memmem(at, size - (size_t)(at - bytes), linux_text, sizeof(linux_text) - 1);
        if (!at)
            break;
        size_t left = min_u64(size - (size_t)(at - bytes), sizeof(sight->banner) - 1);
        /* linux_banner goes on with a number; a format string or a log line in between would not. */
        if (left > 20 && at[14] >= '2' && at[14] <= '9') {
            for (size_t i = 0; i < left && at[i] >= 0x20 && at[i] < 0x7f; i++)
                sight->banner[i] = (char)at[i];
        }
        at++;
    }
    sight->windows = sight->windows || memmem(bytes, size, windows_text, sizeof(windows_text) - 1);
}

static void show_progress(struct scan *scan, size_t size)
{
    if (!scan->total)
        return;
    unsigned before = (unsigned)(scan->done * 100 / scan->total);
    scan->done += size;
    unsigned now = (unsigned)(scan->done * 100 / scan->total);
    if (scan->progress && now != before)
        (void)fprintf(stderr, "\rlkmfs: searching for page tables: %u %%%s", now, now == 100 ? "\n" : "");
}

/* Looks at one block of physical memory at `start`; true ends the walk. */
typedef bool block_fn(struct scan *scan, uint64_t start, const uint8_t *bytes, size_t size);

static bool find_tables(struct scan *scan, uint64_t start, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i + PAGE <= size; i += PAGE)
        if (looks_like_level3(bytes + i) && try_parents(scan, start + i, 0))
            return true;
    return false;
}

static bool find_text(struct scan *scan, uint64_t start, const uint8_t *bytes, size_t size)
{
    (void)start;
    look_for_text(scan, bytes, size);
    return scan->sight->banner[0] != 0;
}

static bool walk_range(struct scan *scan, const struct lkmfs_range *range, uint8_t *buffer, block_fn *look)
{
    uint64_t end = range->start + range->size;
    for (uint64_t at = range->start; at < end;) {
        size_t want = (size_t)min_u64(BLOCK, end - at);
        size_t got = lkmfs_image_read(scan->image, at, buffer, want);
        if (look(scan, at, buffer, got))
            return true;
        show_progress(scan, want);
        at += want;
    }
    return false;
}

static bool walk(struct scan *scan, uint8_t *buffer, block_fn *look)
{
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(scan->image, &count);
    scan->done = 0;
    for (size_t i = 0; i < count; i++)
        if (walk_range(scan, &ranges[i], buffer, look))
            return true;
    return false;
}

bool roots_try_scan(const struct lkmfs_image *image, root_proof_fn *proof, void *context, struct scan_sight *sight)
{
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    struct scan scan = {.image = image, .proof = proof, .context = context, .sight = sight, .progress = isatty(2)};
    *sight = (struct scan_sight){0};
    uint8_t *buffer = malloc(BLOCK);
    if (!buffer)
        return false;
    for (size_t i = 0; i < count; i++)
        scan.total += ranges[i].size;
    bool found = walk(&scan, buffer, find_tables);
    /* A search for text costs more than the page tables: only to explain why there is no kernel. */
    if (!found)
        (void)walk(&scan, buffer, find_text);
    free(buffer);
    return found;
}
