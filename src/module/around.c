/* From an address to the module around it: asked for every call and jump of every module, so by bisection. */
#include <stdlib.h>

#include "base/overflow.h"
#include "module/modules.h"

static int by_start(const void *a, const void *b)
{
    const struct module_span *one = a, *other = b;
    if (one->start != other->start)
        return one->start < other->start ? -1 : 1;
    return one->module < other->module ? -1 : one->module > other->module;
}

bool module_index_regions(struct lkmfs_modules *modules)
{
    size_t count = 0;
    for (size_t i = 0; i < modules->count; i++)
        count += modules->entries[i].module.region_count;
    struct module_span *spans = arena_array(&modules->arena, count + 1, sizeof(*spans));
    if (!spans)
        return false;
    for (size_t i = 0; i < modules->count; i++) {
        const struct lkmfs_module *module = &modules->entries[i].module;
        for (size_t k = 0; k < module->region_count; k++) {
            const struct lkmfs_region *region = &module->regions[k];
            spans[modules->span_count++] =
                (struct module_span){.start = region->address, .end = region->address + region->size, .module = i};
        }
    }
    qsort(spans, count, sizeof(*spans), by_start);
    uint64_t highest = 0;
    for (size_t i = 0; i < count; i++)
        spans[i].highest = highest = max_u64(highest, spans[i].end);
    modules->spans = spans;
    return true;
}

const struct lkmfs_module *lkmfs_modules_around(const struct lkmfs_modules *modules, uint64_t address)
{
    size_t low = 0, high = modules->span_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (modules->spans[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    /* Regions of a damaged image may overlap: the first module counts. */
    size_t found = SIZE_MAX;
    while (low-- > 0 && modules->spans[low].highest > address)
        if (modules->spans[low].end > address && modules->spans[low].module < found)
            found = modules->spans[low].module;
    return found == SIZE_MAX ? NULL : &modules->entries[found].module;
}
