/* fuzz_paging.c - page tables with pokes: what is mapped is told in bounded time, and always the same. */
#include <string.h>

#include "lkmfs/memory.h"
#include "pokes.h"
#include "synth_paging.h"

#define MIB        UINT64_C(0x100000)
#define TABLES     MIB
#define TABLE_SIZE (32 * SYNTH_PAGE)

struct tables {
    struct synth_memory memory;
    struct synth_tables tables;
    struct pokes pokes;
    struct lkmfs_image *image;
};

static void make(struct tables *t, unsigned levels)
{
    synth_memory_init(&t->memory, 2 * MIB);
    memset(t->memory.bytes, 0xcc, TABLES);
    synth_tables_init(&t->tables, &t->memory, levels, TABLES, TABLES + TABLE_SIZE);
    synth_map_range(&t->tables, 0xffffffffc0000000, 0, 16 * SYNTH_PAGE, SYNTH_4K, SYNTH_NX);
    synth_map(&t->tables, 0xffffffff80000000, 0, SYNTH_2M, 0);
    synth_map(&t->tables, 0xffff888000000000, 0, SYNTH_1G, SYNTH_WRITE);
    synth_map(&t->tables, 0x400000, 0, SYNTH_4K, SYNTH_USER);
    synth_map(&t->tables, 0xfffffffffffff000, 0, SYNTH_4K, 0);
    pokes_add_area(&t->pokes, t->memory.bytes + TABLES, t->tables.next - TABLES);
    for (uint64_t table = TABLES; table < t->tables.next; table += SYNTH_PAGE)
        pokes_add_value(&t->pokes, table | 0x63);
    pokes_add_value(&t->pokes, 0);
    pokes_add_value(&t->pokes, UINT64_MAX);
    pokes_add_value(&t->pokes, 0x83);
    t->image = synth_memory_open(&t->memory, NULL);
}

static void walk(const struct lkmfs_space *space, uint64_t from)
{
    struct lkmfs_mapping m, same;
    uint64_t virt = from;
    for (unsigned i = 0; i < 40 && lkmfs_space_next(space, virt, UINT64_MAX, &m); i++) {
        FUZZ_CHECK(m.virt >= virt && m.size > 0 && m.size <= m.page);
        FUZZ_CHECK(lkmfs_space_translate(space, m.virt, &same));
        FUZZ_CHECK(same.phys == m.phys && same.page == m.page && same.writable == m.writable);
        if (m.virt + m.size < m.virt)
            break;
        virt = m.virt + m.size;
    }
}

static void read_at(const struct lkmfs_space *space, uint64_t virt)
{
    static uint8_t one[12288], other[12288];
    char text[64];
    size_t got = lkmfs_space_read(space, virt, one, sizeof(one));
    uint64_t lost = lkmfs_space_read_sparse(space, virt, other, sizeof(other), NULL, NULL);
    FUZZ_CHECK(got <= sizeof(one) && lost <= sizeof(other) - got);
    FUZZ_CHECK(memcmp(one, other, got) == 0);
    (void)lkmfs_space_string(space, virt, text, sizeof(text));
    FUZZ_CHECK(strlen(text) < sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tables both[2];
    struct input input = {data, size};
    bool five = input_take(&input, 1) & 1;
    uint64_t address = input_take(&input, 8);
    struct tables *t = &both[five];
    if (!t->image)
        make(t, five ? 5 : 4);
    pokes_apply(&t->pokes, &input);
    struct lkmfs_space *space = lkmfs_space_new(
        t->image, five ? LKMFS_PAGING_X86_64_5LEVEL : LKMFS_PAGING_X86_64_4LEVEL, t->tables.root | (address & 0xfff));
    if (space) {
        static const uint64_t starts[] = {0, 0xffff800000000000, 0xffffffff80000000, 0xffffffffc0000000};
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
            walk(space, starts[i]);
            read_at(space, starts[i] + (address & 0x3fff));
        }
        walk(space, address);
        read_at(space, address);
        read_at(space, UINT64_MAX - (address & 0x1fff));
    }
    lkmfs_space_free(space);
    pokes_undo(&t->pokes);
    return 0;
}
