/* test_memory_read.c - reading through page tables: page ends, holes, strings, and walking what is mapped. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "lkmfs/memory.h"
#include "synth_paging.h"

#define MIB    UINT64_C(0x100000)
#define TABLES (16 * MIB)
#define BASE   UINT64_C(0xffffffffc0000000)

/*
 * At BASE: two pages that are far apart in physical memory, a hole, a page that the image does not hold, a page; 2 MiB
 * further a large page of which the image holds 1 MiB.
 */
static struct synth_memory memory;
static struct synth_tables tables;
static struct lkmfs_image *image;
static struct lkmfs_space *space;

static uint8_t byte_of(uint64_t phys)
{
    return (uint8_t)(1 + (phys * 31 + (phys >> 12) * 7) % 255);
}

static void setup(void)
{
    synth_memory_init(&memory, TABLES + MIB);
    for (uint64_t i = 0; i < TABLES; i++)
        memory.bytes[i] = byte_of(i);
    synth_tables_init(&tables, &memory, 4, TABLES, TABLES + MIB);
    synth_map(&tables, BASE, 0x5000, SYNTH_4K, 0);
    synth_map(&tables, BASE + 0x1000, 0x2000, SYNTH_4K, 0);
    synth_map(&tables, BASE + 0x3000, 64 * MIB, SYNTH_4K, 0);
    synth_map(&tables, BASE + 0x4000, 0x9000, SYNTH_4K, 0);
    synth_map(&tables, BASE + 2 * MIB, TABLES, SYNTH_2M, 0);
    image = synth_memory_open(&memory, NULL);
    space = lkmfs_space_new(image, LKMFS_PAGING_X86_64_4LEVEL, tables.root);
}

static void teardown(void)
{
    lkmfs_space_free(space);
    lkmfs_image_close(image);
    synth_memory_free(&memory);
}

TestSuite(memory_read, .init = setup, .fini = teardown);

Test(memory_read, over_a_page_end)
{
    uint8_t buffer[0x2000];
    cr_assert_eq(lkmfs_space_read(space, BASE + 0xff0, buffer, 0x20), 0x20);
    for (uint64_t i = 0; i < 0x10; i++) {
        cr_assert_eq(buffer[i], byte_of(0x5ff0 + i));
        cr_assert_eq(buffer[0x10 + i], byte_of(0x2000 + i));
    }
    cr_assert_eq(lkmfs_space_read(space, BASE, buffer, 0x2000), 0x2000);
    cr_assert_eq(lkmfs_space_read(space, BASE + 0xfff, buffer, 1), 1);
    cr_assert_eq(buffer[0], byte_of(0x5fff));
}

Test(memory_read, stops_at_a_hole)
{
    uint8_t buffer[0x4000];
    cr_assert_eq(lkmfs_space_read(space, BASE, buffer, sizeof(buffer)), 0x2000);
    cr_assert_eq(lkmfs_space_read(space, BASE + 0x1fff, buffer, 2), 1);
    cr_assert_eq(lkmfs_space_read(space, BASE + 0x2000, buffer, 1), 0);
    cr_assert_eq(lkmfs_space_read(space, BASE - 1, buffer, 2), 0);
    cr_assert_eq(lkmfs_space_read(space, BASE, buffer, 0), 0);
}

Test(memory_read, stops_where_the_image_ends)
{
    uint8_t buffer[0x1000];
    cr_assert_eq(lkmfs_space_read(space, BASE + 0x3000, buffer, 0x1000), 0);
    cr_assert_eq(lkmfs_space_read(space, BASE + 3 * MIB - 0x10, buffer, 0x100), 0x10);
    cr_assert_eq(lkmfs_space_read(space, BASE + 3 * MIB, buffer, 1), 0);
}

Test(memory_read, stops_at_the_end_of_the_address_space)
{
    uint8_t buffer[0x20];
    synth_map(&tables, 0xfffffffffffff000, 0x7000, SYNTH_4K, 0);
    synth_map(&tables, 0, 0x8000, SYNTH_4K, 0);
    struct lkmfs_space *fresh = lkmfs_space_new(image, LKMFS_PAGING_X86_64_4LEVEL, tables.root);
    cr_assert_eq(lkmfs_space_read(fresh, 0xfffffffffffffff0, buffer, 0x20), 0x10);
    cr_assert_eq(lkmfs_space_read_sparse(fresh, 0xfffffffffffffff8, buffer, 8, NULL, NULL), 0);
    lkmfs_space_free(fresh);
}

Test(memory_read, exact_is_all_or_zeros)
{
    uint8_t buffer[0x20];
    memset(buffer, 0xee, sizeof(buffer));
    cr_assert(lkmfs_space_read_exact(space, BASE + 0xff0, buffer, 0x20));
    cr_assert_eq(buffer[0x1f], byte_of(0x200f));
    cr_assert_not(lkmfs_space_read_exact(space, BASE + 0x1ff0, buffer, 0x20));
    for (size_t i = 0; i < sizeof(buffer); i++)
        cr_assert_eq(buffer[i], 0);
}

Test(memory_read, words)
{
    uint64_t word;
    uint32_t half;
    cr_assert(lkmfs_space_u64(space, BASE + 0xffc, &word));
    for (unsigned i = 0; i < 8; i++)
        cr_assert_eq((uint8_t)(word >> (8 * i)), i < 4 ? byte_of(0x5ffc + i) : byte_of(0x2000 + i - 4));
    cr_assert(lkmfs_space_u32(space, BASE + 0xffe, &half));
    cr_assert_eq((uint8_t)half, byte_of(0x5ffe));
    cr_assert_not(lkmfs_space_u64(space, BASE + 0x1ffc, &word));
    cr_assert_eq(word, 0);
    cr_assert_not(lkmfs_space_u32(space, BASE + 0x1ffe, &half));
    cr_assert_eq(half, 0);
}

struct runs {
    size_t count;
    uint64_t start[8], size[8];
};

static void note_run(void *context, uint64_t virt, uint64_t size)
{
    struct runs *runs = context;
    cr_assert_lt(runs->count, 8);
    runs->start[runs->count] = virt;
    runs->size[runs->count++] = size;
}

Test(memory_read, sparse)
{
    static uint8_t buffer[0x8000];
    struct runs runs = {0};
    memset(buffer, 0xee, sizeof(buffer));
    uint64_t missing = lkmfs_space_read_sparse(space, BASE - 0x800, buffer, 0x6000, note_run, &runs);

    cr_assert_eq(missing, 0x800 + 0x2000 + 0x800);
    cr_assert_eq(runs.count, 3);
    cr_assert_eq(runs.start[0], BASE - 0x800);
    cr_assert_eq(runs.size[0], 0x800);
    cr_assert_eq(runs.start[1], BASE + 0x2000); /* hole and absent page are one run */
    cr_assert_eq(runs.size[1], 0x2000);
    cr_assert_eq(runs.start[2], BASE + 0x5000);
    cr_assert_eq(runs.size[2], 0x800);
    for (uint64_t i = 0; i < 0x6000; i++) {
        uint8_t want = i < 0x800    ? 0
                       : i < 0x1800 ? byte_of(0x5000 + i - 0x800)
                       : i < 0x2800 ? byte_of(0x2000 + i - 0x1800)
                       : i < 0x4800 ? 0
                       : i < 0x5800 ? byte_of(0x9000 + i - 0x4800)
                                    : 0;
        cr_assert_eq(buffer[i], want, "byte 0x%llx", (unsigned long long)i);
    }
    for (size_t i = 0x6000; i < sizeof(buffer); i++)
        cr_assert_eq(buffer[i], 0xee);
}

Test(memory_read, sparse_of_nothing_at_all)
{
    uint8_t buffer[16];
    struct runs runs = {0};
    memset(buffer, 0xee, sizeof(buffer));
    cr_assert_eq(lkmfs_space_read_sparse(space, 0x1000, buffer, sizeof(buffer), note_run, &runs), sizeof(buffer));
    cr_assert_eq(runs.count, 1);
    cr_assert_eq(runs.size[0], sizeof(buffer));
    cr_assert_eq(buffer[15], 0);
    cr_assert_eq(lkmfs_space_read_sparse(space, 0x1000, buffer, 0, note_run, &runs), 0);
    cr_assert_eq(runs.count, 1);
}

Test(memory_read, sparse_over_the_end_of_the_address_space)
{
    uint8_t buffer[0x3000];
    struct runs runs = {0};
    memset(buffer, 0xee, sizeof(buffer));
    cr_assert_eq(lkmfs_space_read_sparse(space, UINT64_MAX - 0xfff, buffer, sizeof(buffer), note_run, &runs),
                 sizeof(buffer));
    cr_assert_eq(buffer[sizeof(buffer) - 1], 0);
}

static void put_text(uint64_t phys, const char *text, size_t size)
{
    memcpy(synth_phys(&memory, phys, size), text, size);
}

Test(memory_read, strings)
{
    char buffer[16];
    put_text(0x5ffc, "over", 4);
    put_text(0x2000, " there", 7);
    put_text(0x5100, "123456789012345", 16); /* exactly as long as the buffer */
    put_text(0x5200, "1234567890123456", 17);
    put_text(0x5300, "", 1);
    cr_assert(lkmfs_space_string(space, BASE + 0xffc, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "over there");
    cr_assert(lkmfs_space_string(space, BASE + 0x100, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "123456789012345");
    cr_assert_not(lkmfs_space_string(space, BASE + 0x200, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "");
    cr_assert(lkmfs_space_string(space, BASE + 0x300, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "");
}

Test(memory_read, strings_of_many_steps)
{
    char text[1200], buffer[1200];
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = (char)('a' + i % 23);
    text[sizeof(text) - 1] = 0;
    put_text(0x5100, text, sizeof(text));
    for (size_t skip = 0; skip < sizeof(text) - 1; skip += 0x55) {
        size_t size = sizeof(text) - skip;
        cr_assert(lkmfs_space_string(space, BASE + 0x100 + skip, buffer, size));
        cr_assert_str_eq(buffer, text + skip);
        cr_assert_not(lkmfs_space_string(space, BASE + 0x100 + skip, buffer, size - 1));
    }
}

Test(memory_read, strings_at_the_end_of_what_is_mapped)
{
    char buffer[16] = "old";
    put_text(0x2ffc, "end", 4);
    cr_assert(lkmfs_space_string(space, BASE + 0x1ffc, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "end");
}

Test(memory_read, strings_beyond_the_end_of_what_is_mapped)
{
    char buffer[16] = "old";
    put_text(0x2ffc, "endx", 4);
    cr_assert_not(lkmfs_space_string(space, BASE + 0x1ffc, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "");
    strcpy(buffer, "old");
    cr_assert_not(lkmfs_space_string(space, 0x1000, buffer, sizeof(buffer)));
    cr_assert_str_eq(buffer, "");
}

static void expect_next(uint64_t from, uint64_t end, uint64_t virt, uint64_t size)
{
    struct lkmfs_mapping m;
    cr_assert(lkmfs_space_next(space, from, end, &m));
    cr_assert_eq(m.virt, virt, "0x%llx", (unsigned long long)m.virt);
    cr_assert_eq(m.size, size);
}

Test(memory_read, next_skips_what_is_absent)
{
    struct lkmfs_mapping m;
    expect_next(0, UINT64_MAX, BASE, 0x1000);
    expect_next(0xffff800000000000, UINT64_MAX, BASE, 0x1000);
    expect_next(0x0000800000000000, UINT64_MAX, BASE, 0x1000); /* from within the non-canonical hole */
    expect_next(BASE + 0x1001, UINT64_MAX, BASE + 0x1001, 0xfff);
    expect_next(BASE + 0x2000, UINT64_MAX, BASE + 0x3000, 0x1000);
    expect_next(BASE + 0x5000, UINT64_MAX, BASE + 2 * MIB, 2 * MIB);
    cr_assert_not(lkmfs_space_next(space, BASE + 4 * MIB, UINT64_MAX, &m));
    cr_assert_not(lkmfs_space_next(space, UINT64_MAX - 1, UINT64_MAX, &m));
    cr_assert_not(lkmfs_space_next(space, UINT64_MAX, UINT64_MAX, &m));
}

Test(memory_read, next_is_clipped)
{
    struct lkmfs_mapping m;
    expect_next(BASE, BASE + 0x10, BASE, 0x10);
    expect_next(BASE + 3 * MIB, BASE + 3 * MIB + 1, BASE + 3 * MIB, 1);
    cr_assert_not(lkmfs_space_next(space, BASE, BASE, &m));
    cr_assert_not(lkmfs_space_next(space, BASE + 1, BASE, &m));
    cr_assert_not(lkmfs_space_next(space, BASE + 0x2000, BASE + 0x3000, &m));
}

/* An empty address space of 128 TiB is crossed in no time: absent tables are skipped whole. */
Test(memory_read, next_crosses_nothing_quickly, .timeout = 5)
{
    struct lkmfs_mapping m;
    for (unsigned i = 0; i < 1000; i++)
        cr_assert_not(lkmfs_space_next(space, 0, 0x00007fffffffffff, &m));
}

static void *read_all(void *argument)
{
    (void)argument;
    uint8_t buffer[0x2000];
    for (unsigned i = 0; i < 3000; i++) {
        if (lkmfs_space_read(space, BASE, buffer, sizeof(buffer)) != sizeof(buffer))
            return "short";
        for (uint64_t at = 0; at < 0x1000; at += 511)
            if (buffer[at] != byte_of(0x5000 + at))
                return "wrong";
    }
    return NULL;
}

Test(memory_read, from_several_threads)
{
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, read_all, NULL), 0);
    for (size_t i = 0; i < 8; i++) {
        void *problem;
        cr_assert_eq(pthread_join(threads[i], &problem), 0);
        cr_assert_null(problem, "%s", (const char *)problem);
    }
}
