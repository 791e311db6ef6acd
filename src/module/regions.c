#include "module/modules.h"

#include <inttypes.h>

#include "base/overflow.h"

/* What claims to be larger is damage. The largest module known needs 60 MiB for all its regions together. */
#define REGION_MAX ((uint64_t)512 << 20)
#define MODULE_MAX ((uint64_t)128 << 20)
/* Up to this size a region is believed; beyond it must be mapped, but for a missing page table or two (2 MiB each). */
#define REGION_USUAL ((uint64_t)8 << 20)
#define GAP_MAX      ((uint64_t)4 << 20)

static void add_region(struct module_entry *entry, struct arena *arena, struct lkmfs_region *regions,
                       enum lkmfs_region_kind kind, uint64_t address, uint64_t size)
{
    uint64_t end;
    if (!address || !size)
        return;
    size = min_u64(size, REGION_MAX);
    if (!add_u64(address, size, &end)) {
        module_doubt(entry, arena, "a region of 0x%" PRIx64 " bytes at 0x%" PRIx64 " is absurd and left out", size,
                     address);
        return;
    }
    regions[entry->module.region_count++] = (struct lkmfs_region){kind, address, size};
    if (kind <= LKMFS_REGION_DATA)
        entry->module.size += size;
}

/* enum mod_mem_type since 6.4 */
static void read_mem(const struct lkmfs_modules *modules, struct module_entry *entry, struct arena *arena,
                     struct lkmfs_region *regions)
{
    static const enum lkmfs_region_kind kinds[] = {
        LKMFS_REGION_TEXT,      LKMFS_REGION_DATA,      LKMFS_REGION_RODATA,     LKMFS_REGION_RO_AFTER_INIT,
        LKMFS_REGION_INIT_TEXT, LKMFS_REGION_INIT_DATA, LKMFS_REGION_INIT_RODATA};
    const struct module_layout *layout = &modules->layout;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct lkmfs_field base = layout->mem_base, size = layout->mem_size;
        base.offset += layout->mem.offset + i * layout->mem.element;
        size.offset += layout->mem.offset + i * layout->mem.element;
        uint64_t address = module_field(&entry->module, &base);
        if (kinds[i] == LKMFS_REGION_TEXT)
            entry->module.base = address;
        add_region(entry, arena, regions, kinds[i], address, module_field(&entry->module, &size));
    }
}

/* struct module_layout [4.5-6.3]: sizes are cumulative ends */
static void read_layouts(const struct lkmfs_modules *modules, struct module_entry *entry, struct arena *arena,
                         struct lkmfs_region *regions)
{
    const struct module_layout *layout = &modules->layout;
    const struct lkmfs_module *module = &entry->module;
    uint64_t base = module_field(module, &layout->core_base), size = module_field(module, &layout->core_size);
    uint64_t text = module_field(module, &layout->core_text), ro = module_field(module, &layout->core_ro);
    uint64_t roai = layout->core_roai.size ? module_field(module, &layout->core_roai) : ro;
    entry->module.base = base;
    if (text > ro || ro > roai || roai > size) {
        module_doubt(entry, arena, "core_layout contradicts itself; its memory is taken as one data region");
        text = ro = roai = 0;
    }
    add_region(entry, arena, regions, LKMFS_REGION_TEXT, base, text);
    add_region(entry, arena, regions, LKMFS_REGION_RODATA, base + text, ro - text);
    add_region(entry, arena, regions, LKMFS_REGION_RO_AFTER_INIT, base + ro, roai - ro);
    add_region(entry, arena, regions, LKMFS_REGION_DATA, base + roai, size - roai);
    base = module_field(module, &layout->init_base);
    size = module_field(module, &layout->init_size);
    text = module_field(module, &layout->init_text);
    ro = module_field(module, &layout->init_ro);
    if (text > ro || ro > size)
        return;
    add_region(entry, arena, regions, LKMFS_REGION_INIT_TEXT, base, text);
    add_region(entry, arena, regions, LKMFS_REGION_INIT_RODATA, base + text, ro - text);
    add_region(entry, arena, regions, LKMFS_REGION_INIT_DATA, base + ro, size - ro);
}

void module_read_regions(const struct lkmfs_modules *modules, struct module_entry *entry, struct arena *arena)
{
    struct lkmfs_region *regions = arena_array(arena, 8, sizeof(*regions));
    if (!regions)
        return;
    entry->module.regions = regions;
    if (modules->layout.mem.size)
        read_mem(modules, entry, arena, regions);
    else
        read_layouts(modules, entry, arena, regions);
}

/* Bytes from `address` to the last page that is mapped, of `size` at most; elsewhere than in the module area not many.
 */
static uint64_t mapped_size(struct lkmfs_modules *modules, uint64_t address, uint64_t size)
{
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(modules->kernel);
    if (address < facts->module_start || address >= facts->module_end)
        return min_u64(size, REGION_USUAL);
    uint64_t end = address;
    struct lkmfs_mapping leaf;
    while (end - address < size && modules->leaves_left &&
           lkmfs_space_next(modules->space, end, min_u64(address + size, end + GAP_MAX), &leaf)) {
        modules->leaves_left--;
        end = leaf.virt + leaf.size;
    }
    return end - address;
}

void module_clip_regions(struct lkmfs_modules *modules, struct module_entry *entry)
{
    struct lkmfs_module *module = &entry->module;
    struct lkmfs_region *regions = (struct lkmfs_region *)module->regions; /* this folder's own, still in the making */
    uint64_t left = MODULE_MAX;
    size_t kept = 0;
    module->size = 0;
    for (size_t i = 0; i < module->region_count; i++) {
        struct lkmfs_region region = regions[i];
        if (region.size > REGION_USUAL)
            region.size = mapped_size(modules, region.address, min_u64(region.size, left));
        if (region.size < regions[i].size)
            module_doubt(entry, &modules->arena,
                         "a region of 0x%" PRIx64 " bytes at 0x%" PRIx64 " is absurd; it is taken to have 0x%" PRIx64,
                         regions[i].size, region.address, region.size);
        if (!region.size)
            continue;
        left -= min_u64(left, region.size);
        module->size += region.kind <= LKMFS_REGION_DATA ? region.size : 0;
        regions[kept++] = region;
    }
    module->region_count = kept;
}

int module_region_around(const struct lkmfs_module *module, uint64_t address)
{
    for (size_t i = 0; i < module->region_count; i++)
        if (address >= module->regions[i].address && address - module->regions[i].address < module->regions[i].size)
            return (int)i;
    return -1;
}
