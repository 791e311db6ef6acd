#include <stdlib.h>

#include "base/array.h"
#include "object/layout.h"

struct missing_context {
    struct draft *draft;
    struct draft_region *region;
    uint64_t address;
};

static void note_missing(void *context, uint64_t virt, uint64_t size)
{
    struct missing_context *missing = context;
    struct draft_region *region = missing->region;
    if (!ARRAY_RESERVE(&region->missing, &region->missing_capacity, region->missing_count)) {
        missing->draft->out_of_memory = true;
        return;
    }
    region->missing[region->missing_count++] =
        (struct lkmfs_byte_range){.offset = virt - missing->address, .size = size};
}

void layout_read_regions(struct draft *draft, const struct lkmfs_space *space)
{
    const struct lkmfs_module *module = draft->module;

    draft->regions = calloc(module->region_count ? module->region_count : 1, sizeof(*draft->regions));
    if (!draft->regions) {
        draft->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < module->region_count; i++) {
        const struct lkmfs_region *region = &module->regions[i];
        struct draft_region *read = &draft->regions[i];
        read->bytes = malloc(region->size ? region->size : 1);
        if (!read->bytes) {
            draft->out_of_memory = true;
            return;
        }
        read->size = region->size;
        struct missing_context missing = {draft, read, region->address};
        lkmfs_space_read_sparse(space, region->address, read->bytes, region->size, note_missing, &missing);
    }
}
