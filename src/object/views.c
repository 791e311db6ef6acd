#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "object/layout.h"

#define PAGE 4096

static int compare_symbols(const void *a, const void *b)
{
    const struct layout_symbol *x = a, *y = b;
    if (x->section != y->section)
        return x->section < y->section ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool sort_symbols(struct layout *layout)
{
    const struct draft *draft = layout->draft;
    const struct lkmfs_module *module = draft->module;
    layout->by_address = malloc((module->symbol_count + 1) * sizeof(*layout->by_address));
    if (!layout->by_address)
        return false;
    for (size_t i = 0; i < module->symbol_count; i++) {
        uint32_t section = layout->symbol_sections[i];
        if (section != DRAFT_NONE)
            layout->by_address[layout->by_address_count++] =
                (struct layout_symbol){.section = section,
                                       .index = (uint32_t)i,
                                       .offset = module->symbols[i].value - draft->sections[section].address};
    }
    qsort(layout->by_address, layout->by_address_count, sizeof(*layout->by_address), compare_symbols);
    return true;
}

const struct layout_symbol *layout_symbols_of(const struct layout *layout, uint32_t section, size_t *count)
{
    size_t low = 0, high = layout->by_address_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (layout->by_address[middle].section < section)
            low = middle + 1;
        else
            high = middle;
    }
    *count = layout->views[section].symbols;
    return &layout->by_address[low];
}

/* Is it the array of characters that __func__ makes? Those are not aligned as integers of their size would be. */
static bool is_function_name(const char *name)
{
    return strncmp(name, "__func__", 8) == 0 || strncmp(name, "__FUNCTION__", 12) == 0 ||
           strncmp(name, "__PRETTY_FUNCTION__", 19) == 0;
}

/*
 * Alignment that an object of `size` bytes at `offset` shows: gcc aligns objects from 8 bytes on by their size, up to
 * 32 (ix86_data_alignment()); no smaller type is aligned to more than what divides its size.
 */
static uint64_t object_align(const char *name, uint64_t size, uint64_t offset)
{
    uint64_t natural = size >= 32 ? 32 : size >= 16 ? 16 : size >= 8 ? 8 : size & -size;
    if (size < 8 && name && is_function_name(name))
        natural = 1;
    return max_u64(offset ? min_u64(natural, offset & -offset) : natural, 1);
}

static void measure_symbols(struct layout *layout)
{
    const struct lkmfs_module *module = layout->draft->module;
    for (size_t i = 0; i < layout->by_address_count; i++) {
        const struct layout_symbol *symbol = &layout->by_address[i];
        struct view *view = &layout->views[symbol->section];
        uint64_t size = module->symbols[symbol->index].size, end;
        if (!add_u64(symbol->offset, size, &end))
            size = 0;
        view->symbols++;
        view->last_symbol = symbol->offset;
        view->sized_symbols += size > 0;
        if (size)
            view->symbols_end = max_u64(view->symbols_end, end);
        view->symbols_align =
            max_u64(view->symbols_align, object_align(module->symbols[symbol->index].name, size, symbol->offset));
    }
}

struct order {
    uint64_t address;
    uint32_t section;
    int region;
};

static int compare_order(const void *a, const void *b)
{
    const struct order *x = a, *y = b;
    if (x->region != y->region)
        return x->region < y->region ? -1 : 1;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return x->section < y->section ? -1 : x->section > y->section;
}

static uint64_t trimmed_size(const uint8_t *bytes, uint64_t size)
{
    while (size && bytes[size - 1] == 0)
        size--;
    return size;
}

/* What bounds the last section of a region: its end, or the symbols that the loader put behind the data. */
static uint64_t region_bound(const struct lkmfs_module *module, const struct lkmfs_region *region, uint64_t from,
                             uint64_t *align)
{
    uint64_t end = region->address + region->size;
    *align = end % PAGE == 0 ? PAGE : 1;
    if (module->symtab_address >= from && module->symtab_address < end) {
        /* Before 6.4 the data is page aligned before the symbols follow; since, they are aligned as words. */
        *align = module->symtab_address % PAGE == 0 ? PAGE : 8;
        return module->symtab_address;
    }
    return end;
}

static void measure_place(struct layout *layout, const struct order *order, const struct order *next)
{
    const struct lkmfs_module *module = layout->draft->module;
    const struct lkmfs_region *region = &module->regions[order->region];
    const struct draft_region *bytes = &layout->draft->regions[order->region];
    struct view *view = &layout->views[order->section];
    uint64_t end, offset = order->address - region->address;

    if (next && next->region == order->region) {
        view->next = next->section;
        end = next->address;
    } else {
        end = region_bound(module, region, order->address, &view->next_align);
    }
    view->upper = end - order->address;
    if (bytes->bytes && range_fits(offset, view->upper, bytes->size)) {
        view->bytes = bytes->bytes + offset;
        view->trimmed = trimmed_size(view->bytes, view->upper);
    }
}

bool layout_measure(struct layout *layout)
{
    const struct draft *draft = layout->draft;
    struct order *orders = malloc((draft->section_count + 1) * sizeof(*orders));
    size_t count = 0;

    if (!orders || !sort_symbols(layout)) {
        free(orders);
        layout->draft->out_of_memory = true;
        return false;
    }
    for (uint32_t i = 0; i < draft->section_count; i++) {
        layout->views[i].symbols_align = 1;
        if (draft->sections[i].region >= 0)
            orders[count++] = (struct order){draft->sections[i].address, i, draft->sections[i].region};
    }
    measure_symbols(layout);
    qsort(orders, count, sizeof(*orders), compare_order);
    for (size_t i = 0; i < count; i++)
        measure_place(layout, &orders[i], i + 1 < count ? &orders[i + 1] : NULL);
    free(orders);
    return true;
}
