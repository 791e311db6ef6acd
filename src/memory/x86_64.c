/* Page tables of x86_64, Intel SDM volume 3, chapter 4.5 (4-level and 5-level paging). */
#include "memory/paging.h"

#define ENTRY_PRESENT  (UINT64_C(1) << 0)
#define ENTRY_WRITABLE (UINT64_C(1) << 1)
#define ENTRY_USER     (UINT64_C(1) << 2)
#define ENTRY_LEAF     (UINT64_C(1) << 7)
#define ENTRY_NX       (UINT64_C(1) << 63)
#define ENTRY_ADDRESS  UINT64_C(0x000ffffffffff000)

#define PAGE_SHIFT       12
#define BITS_A_LEVEL     9
#define LARGEST_LEAF     30 /* 1 GiB, a PUD entry */
#define SHIFT_4LEVEL_TOP 39
#define SHIFT_5LEVEL_TOP 48

static uint64_t canonical(uint64_t virt, unsigned top)
{
    unsigned unused = 64 - (top + BITS_A_LEVEL);
    return (uint64_t)((int64_t)(virt << unused) >> unused);
}

/* First address after the entry of `shift` that covers `virt`, over the non-canonical hole; 0 past the end. */
static uint64_t after(uint64_t virt, unsigned shift, unsigned top)
{
    return canonical((virt | ((UINT64_C(1) << shift) - 1)) + 1, top);
}

static bool translate(const struct lkmfs_space *space, uint64_t virt, unsigned top, struct lkmfs_mapping *ret,
                      uint64_t *next)
{
    if (canonical(virt, top) != virt) {
        *next = virt >> 63 ? 0 : canonical(UINT64_C(1) << (top + BITS_A_LEVEL - 1), top);
        return false;
    }
    uint64_t table = lkmfs_space_root(space);
    bool writable = true, user = true, executable = true;
    for (unsigned shift = top;; shift -= BITS_A_LEVEL) {
        uint64_t index = (virt >> shift) & ((1U << BITS_A_LEVEL) - 1);
        uint64_t entry = space_table_entry(space, table + index * 8);
        if (!(entry & ENTRY_PRESENT)) {
            *next = after(virt, shift, top);
            return false;
        }
        writable &= (entry & ENTRY_WRITABLE) != 0;
        user &= (entry & ENTRY_USER) != 0;
        executable &= !(entry & ENTRY_NX);
        table = entry & ENTRY_ADDRESS;
        if (shift == PAGE_SHIFT || (shift <= LARGEST_LEAF && (entry & ENTRY_LEAF))) {
            uint64_t page = UINT64_C(1) << shift;
            uint64_t inside = virt & (page - 1);
            *ret = (struct lkmfs_mapping){.virt = virt,
                                          .phys = (table & ~(page - 1)) + inside,
                                          .size = page - inside,
                                          .page = page,
                                          .writable = writable,
                                          .executable = executable,
                                          .user = user};
            return true;
        }
    }
}

static bool table_at(const struct lkmfs_space *space, uint64_t virt, unsigned top, unsigned depth, uint64_t *phys,
                     uint64_t *next)
{
    *phys = lkmfs_space_root(space);
    *next = 0;
    if (canonical(virt, top) != virt)
        return false;
    for (unsigned shift = top; depth > 0; depth--, shift -= BITS_A_LEVEL) {
        uint64_t index = (virt >> shift) & ((1U << BITS_A_LEVEL) - 1);
        uint64_t entry = space_table_entry(space, *phys + index * 8);
        *next = after(virt, shift, top);
        if (!(entry & ENTRY_PRESENT) || (shift <= LARGEST_LEAF && (entry & ENTRY_LEAF)))
            return false;
        *phys = entry & ENTRY_ADDRESS;
    }
    return true;
}

static bool table_4level(const struct lkmfs_space *space, uint64_t virt, unsigned depth, uint64_t *phys, uint64_t *next)
{
    return table_at(space, virt, SHIFT_4LEVEL_TOP, depth, phys, next);
}

static bool table_5level(const struct lkmfs_space *space, uint64_t virt, unsigned depth, uint64_t *phys, uint64_t *next)
{
    return table_at(space, virt, SHIFT_5LEVEL_TOP, depth, phys, next);
}

static bool translate_4level(const struct lkmfs_space *space, uint64_t virt, struct lkmfs_mapping *ret, uint64_t *next)
{
    return translate(space, virt, SHIFT_4LEVEL_TOP, ret, next);
}

static bool translate_5level(const struct lkmfs_space *space, uint64_t virt, struct lkmfs_mapping *ret, uint64_t *next)
{
    return translate(space, virt, SHIFT_5LEVEL_TOP, ret, next);
}

const struct paging paging_x86_64_4level = {
    .name = "x86_64, 4-level",
    .translate = translate_4level,
    .table = table_4level,
    .levels = 4,
};

const struct paging paging_x86_64_5level = {
    .name = "x86_64, 5-level",
    .translate = translate_5level,
    .table = table_5level,
    .levels = 5,
};
