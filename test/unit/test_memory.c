/* test_memory.c - page tables: what is mapped where, at every edge. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "lkmfs/memory.h"
#include "synth_paging.h"

#define MIB    UINT64_C(0x100000)
#define TABLES (16 * MIB) /* physical; data lies below */

struct fixture {
    struct synth_memory memory;
    struct synth_tables tables;
    struct lkmfs_image *image;
    struct lkmfs_space *space;
};

static void begin(struct fixture *f, unsigned levels)
{
    *f = (struct fixture){0};
    synth_memory_init(&f->memory, TABLES + MIB);
    f->memory.bytes[0] = 1; /* nothing but zeros is refused as an image */
    synth_tables_init(&f->tables, &f->memory, levels, TABLES, TABLES + MIB);
}

static void open_space(struct fixture *f)
{
    f->image = synth_memory_open(&f->memory, NULL);
    f->space = lkmfs_space_new(
        f->image, f->tables.levels == 5 ? LKMFS_PAGING_X86_64_5LEVEL : LKMFS_PAGING_X86_64_4LEVEL, f->tables.root);
    cr_assert_not_null(f->space);
}

static void end(struct fixture *f)
{
    lkmfs_space_free(f->space);
    lkmfs_image_close(f->image);
    synth_memory_free(&f->memory);
}

static void expect_mapped(const struct fixture *f, uint64_t virt, uint64_t phys, uint64_t size, uint64_t page)
{
    struct lkmfs_mapping m;
    cr_assert(lkmfs_space_translate(f->space, virt, &m), "0x%llx is not mapped", (unsigned long long)virt);
    cr_assert_eq(m.virt, virt);
    cr_assert_eq(m.phys, phys, "0x%llx lies at 0x%llx", (unsigned long long)virt, (unsigned long long)m.phys);
    cr_assert_eq(m.size, size);
    cr_assert_eq(m.page, page);
}

static void expect_absent(const struct fixture *f, uint64_t virt)
{
    struct lkmfs_mapping m;
    cr_assert_not(lkmfs_space_translate(f->space, virt, &m), "0x%llx is mapped", (unsigned long long)virt);
}

/* Addresses at the edges of what the levels can reach. */
struct edge {
    unsigned levels;
    uint64_t virt;
};

ParameterizedTestParameters(memory, pages_at_every_edge)
{
    static struct edge edges[] = {
        {4, 0},
        {4, 0x00007ffffffff000},
        {4, 0xffff800000000000},
        {4, 0xfffffffffffff000},
        {4, 0xffffffff80000000},
        {4, 0x0000008000000000},
        {4, 0x0000007ffffff000},
        {5, 0},
        {5, 0x00fffffffffff000},
        {5, 0xff00000000000000},
        {5, 0xfffffffffffff000},
        {5, 0xff11000000000000},
        {5, 0x0001000000000000},
    };
    return cr_make_param_array(struct edge, edges, sizeof(edges) / sizeof(edges[0]));
}

ParameterizedTest(const struct edge *edge, memory, pages_at_every_edge)
{
    struct fixture f;
    begin(&f, edge->levels);
    synth_map(&f.tables, edge->virt, 5 * SYNTH_PAGE, SYNTH_4K, SYNTH_WRITE);
    open_space(&f);

    expect_mapped(&f, edge->virt, 5 * SYNTH_PAGE, SYNTH_PAGE, SYNTH_4K);
    expect_mapped(&f, edge->virt + 0xfff, 5 * SYNTH_PAGE + 0xfff, 1, SYNTH_4K);
    expect_absent(&f, edge->virt + SYNTH_PAGE);
    expect_absent(&f, edge->virt - 1);
    end(&f);
}

Test(memory, non_canonical_addresses)
{
    for (unsigned levels = 4; levels <= 5; levels++) {
        struct fixture f;
        begin(&f, levels);
        uint64_t low_end = levels == 4 ? UINT64_C(1) << 47 : UINT64_C(1) << 56;
        synth_map(&f.tables, 0, 0, SYNTH_4K, 0);
        synth_map(&f.tables, -low_end, 0, SYNTH_4K, 0);
        open_space(&f);
        expect_mapped(&f, 0, 0, SYNTH_PAGE, SYNTH_4K);
        /* the same table entries, but with wrong upper bits */
        expect_absent(&f, low_end);
        expect_absent(&f, 2 * low_end);
        expect_absent(&f, UINT64_C(1) << 63);
        expect_absent(&f, -low_end - 1);
        expect_absent(&f, -low_end - SYNTH_PAGE);
        end(&f);
    }
}

Test(memory, huge_leaves)
{
    for (unsigned levels = 4; levels <= 5; levels++) {
        struct fixture f;
        begin(&f, levels);
        synth_map(&f.tables, 0xffffffff80000000, 2 * MIB, SYNTH_2M, 0);
        synth_map(&f.tables, 0xffffff8000000000, 0, SYNTH_1G, 0);
        open_space(&f);
        expect_mapped(&f, 0xffffffff80000000, 2 * MIB, 2 * MIB, SYNTH_2M);
        expect_mapped(&f, 0xffffffff801fffff, 4 * MIB - 1, 1, SYNTH_2M);
        expect_absent(&f, 0xffffffff80200000);
        expect_mapped(&f, 0xffffff8000000000, 0, SYNTH_1G, SYNTH_1G);
        expect_mapped(&f, 0xffffff8000123456, 0x123456, SYNTH_1G - 0x123456, SYNTH_1G);
        expect_absent(&f, 0xffffff8040000000);
        end(&f);
    }
}

/* Bits 12 to 20 of a 2 MiB entry are PAT and reserved: no part of the address. */
Test(memory, low_address_bits_of_huge_leaves)
{
    struct fixture f;
    begin(&f, 4);
    synth_map(&f.tables, 0, 2 * MIB, SYNTH_2M, UINT64_C(1) << 12);
    open_space(&f);
    expect_mapped(&f, 0x1234, 2 * MIB + 0x1234, 2 * MIB - 0x1234, SYNTH_2M);
    end(&f);
}

/* The leaf bit of a 512 GiB entry is reserved, and of a 4 KiB entry it is PAT. */
Test(memory, leaf_bit_where_there_is_no_leaf)
{
    struct fixture f;
    begin(&f, 4);
    synth_map(&f.tables, 0, 7 * SYNTH_PAGE, SYNTH_4K, UINT64_C(1) << 7);
    uint64_t top = synth_entry(&f.tables, 0, 4);
    synth_put64(&f.memory, top, synth_get64(&f.memory, top) | UINT64_C(1) << 7);
    open_space(&f);
    expect_mapped(&f, 0, 7 * SYNTH_PAGE, SYNTH_PAGE, SYNTH_4K);
    end(&f);
}

Test(memory, permissions_are_those_of_all_levels)
{
    struct fixture f;
    begin(&f, 4);
    struct lkmfs_mapping m;
    synth_map(&f.tables, 0x1000, 0, SYNTH_4K, SYNTH_WRITE | SYNTH_USER);
    synth_map(&f.tables, 0x2000, 0, SYNTH_4K, SYNTH_NX);
    synth_map(&f.tables, 0x40000000, 0, SYNTH_4K, SYNTH_WRITE);
    uint64_t above = synth_entry(&f.tables, 0x40000000, 3);
    synth_put64(&f.memory, above, (synth_get64(&f.memory, above) & ~SYNTH_WRITE) | SYNTH_NX);
    open_space(&f);

    cr_assert(lkmfs_space_translate(f.space, 0x1000, &m));
    cr_assert(m.writable && m.user && m.executable);
    cr_assert(lkmfs_space_translate(f.space, 0x2000, &m));
    cr_assert(!m.writable && !m.user && !m.executable);
    cr_assert(lkmfs_space_translate(f.space, 0x40000000, &m));
    cr_assert(!m.writable && !m.user && !m.executable);
    end(&f);
}

Test(memory, root_with_low_bits)
{
    struct fixture f;
    begin(&f, 4);
    synth_map(&f.tables, 0x1000, 0x3000, SYNTH_4K, 0);
    f.tables.root |= 0x801; /* as in CR3 */
    open_space(&f);
    cr_assert_eq(lkmfs_space_root(f.space), f.tables.root & ~UINT64_C(0xfff));
    expect_mapped(&f, 0x1000, 0x3000, SYNTH_PAGE, SYNTH_4K);
    end(&f);
}

Test(memory, root_outside_the_image)
{
    static const uint64_t roots[] = {UINT64_MAX, 0x40000000, UINT64_C(1) << 52, TABLES + MIB};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct fixture f;
        begin(&f, 4);
        struct lkmfs_mapping m;
        f.tables.root = roots[i];
        open_space(&f);
        expect_absent(&f, 0);
        expect_absent(&f, 0xffffffff80000000);
        cr_assert_not(lkmfs_space_next(f.space, 0, UINT64_MAX, &m));
        end(&f);
    }
}

/* Every entry of a table points to the table itself: all addresses are mapped, none forever. */
Test(memory, self_referencing_table, .timeout = 10)
{
    for (unsigned levels = 4; levels <= 5; levels++) {
        struct fixture f;
        begin(&f, levels);
        for (unsigned i = 0; i < 512; i++)
            synth_put64(&f.memory, f.tables.root + i * 8, f.tables.root | 3);
        open_space(&f);
        expect_mapped(&f, 0, f.tables.root, SYNTH_PAGE, SYNTH_4K);
        expect_mapped(&f, 0xffffffff80000123, f.tables.root + 0x123, SYNTH_PAGE - 0x123, SYNTH_4K);
        struct lkmfs_mapping m = {0};
        uint64_t virt = 0xffffffff80000000;
        for (unsigned i = 0; i < 5000; i++, virt = m.virt + m.size) {
            cr_assert(lkmfs_space_next(f.space, virt, UINT64_MAX, &m));
            cr_assert_eq(m.virt, virt);
        }
        end(&f);
    }
}

Test(memory, table_that_is_not_in_the_image)
{
    struct fixture f;
    begin(&f, 4);
    synth_map(&f.tables, 0, 0x3000, SYNTH_4K, 0);
    synth_put64(&f.memory, synth_entry(&f.tables, 0, 2), UINT64_C(0x000ffffffffff003));
    open_space(&f);
    expect_absent(&f, 0);
    expect_absent(&f, 0x200000 - 1);
    end(&f);
}

/* The image ends inside the page of a table: what is there counts. */
Test(memory, table_cut_by_the_end_of_the_image)
{
    struct fixture f = {0};
    synth_memory_init(&f.memory, 4 * MIB + 0x804); /* the table's entries up to 255, and half of 256 */
    f.memory.bytes[0] = 1;
    f.tables = (struct synth_tables){.memory = &f.memory, .levels = 4, .root = 4 * MIB};
    synth_put64(&f.memory, f.tables.root + 255 * 8, (2 * MIB) | 3);
    memset(f.memory.bytes + f.tables.root + 0x800, 0xff, 4);
    for (uint64_t table = 2 * MIB; table < 2 * MIB + 3 * SYNTH_PAGE; table += SYNTH_PAGE)
        synth_put64(&f.memory, table, (table + SYNTH_PAGE) | 3);
    open_space(&f);
    uint64_t virt = UINT64_C(255) << 39;
    expect_mapped(&f, virt, 2 * MIB + 3 * SYNTH_PAGE, SYNTH_PAGE, SYNTH_4K);
    expect_absent(&f, 0xffff800000000000);
    end(&f);
}

Test(memory, names_and_getters)
{
    struct fixture f;
    begin(&f, 5);
    open_space(&f);
    cr_assert_eq(lkmfs_space_paging(f.space), LKMFS_PAGING_X86_64_5LEVEL);
    cr_assert_str_neq(lkmfs_paging_name(LKMFS_PAGING_X86_64_5LEVEL), lkmfs_paging_name(LKMFS_PAGING_X86_64_4LEVEL));
    cr_assert_eq(lkmfs_space_image(f.space), f.image);
    lkmfs_space_free(NULL);
    end(&f);
}
