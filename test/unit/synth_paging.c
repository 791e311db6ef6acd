#include "synth_paging.h"

#define PRESENT       (UINT64_C(1) << 0)
#define ACCESSED      (UINT64_C(1) << 5)
#define DIRTY         (UINT64_C(1) << 6)
#define LEAF          (UINT64_C(1) << 7)
#define ADDRESS       UINT64_C(0x000ffffffffff000)
#define BITS_A_LEVEL  9
#define TABLE_ENTRIES (UINT64_C(1) << BITS_A_LEVEL)

static uint64_t add_table(struct synth_tables *tables)
{
    if (tables->next + SYNTH_PAGE > tables->end)
        synth_die("no room for another page table");
    tables->next += SYNTH_PAGE;
    return tables->next - SYNTH_PAGE;
}

void synth_tables_init(struct synth_tables *tables, struct synth_memory *memory, unsigned levels, uint64_t start,
                       uint64_t end)
{
    *tables = (struct synth_tables){.memory = memory, .levels = levels, .next = start, .end = end};
    tables->root = add_table(tables);
}

static unsigned shift_of(unsigned level)
{
    return 12 + BITS_A_LEVEL * (level - 1);
}

uint64_t synth_entry(struct synth_tables *tables, uint64_t virt, unsigned level)
{
    uint64_t table = tables->root;
    for (unsigned at = tables->levels;; at--) {
        uint64_t entry = table + ((virt >> shift_of(at)) & (TABLE_ENTRIES - 1)) * 8;
        if (at == level)
            return entry;
        uint64_t value = synth_get64(tables->memory, entry);
        if (!(value & PRESENT)) {
            value = add_table(tables) | PRESENT | ACCESSED | DIRTY | SYNTH_WRITE;
            synth_put64(tables->memory, entry, value);
        }
        table = value & ADDRESS;
    }
}

void synth_map(struct synth_tables *tables, uint64_t virt, uint64_t phys, uint64_t leaf, uint64_t flags)
{
    unsigned level = leaf == SYNTH_4K ? 1 : leaf == SYNTH_2M ? 2 : 3;
    uint64_t large = level > 1 ? LEAF : 0;
    synth_put64(tables->memory, synth_entry(tables, virt, level), phys | flags | large | PRESENT | ACCESSED | DIRTY);
    /* A page is for user mode only when all entries on the way to it are. */
    for (unsigned above = level + 1; flags & SYNTH_USER && above <= tables->levels; above++) {
        uint64_t entry = synth_entry(tables, virt, above);
        synth_put64(tables->memory, entry, synth_get64(tables->memory, entry) | SYNTH_USER);
    }
}

void synth_map_range(struct synth_tables *tables, uint64_t virt, uint64_t phys, uint64_t size, uint64_t leaf,
                     uint64_t flags)
{
    for (uint64_t done = 0; done < size; done += leaf)
        synth_map(tables, virt + done, phys + done, leaf, flags);
}
