#include <stdlib.h>

#include "base/array.h"
#include "base/overflow.h"
#include "object/layout.h"

/* All regions of one module together. The x86_64 module area has 1.5 GiB; the largest module known needs 60 MiB. */
#define REGIONS_LIMIT (UINT64_C(512) << 20)

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
    uint64_t total = 0;

    draft->regions = calloc(module->region_count ? module->region_count : 1, sizeof(*draft->regions));
    if (!draft->regions) {
        draft->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < module->region_count; i++) {
        const struct lkmfs_region *region = &module->regions[i];
        uint64_t end;
        if (!add_u64(region->address, region->size, &end) || region->size > REGIONS_LIMIT - total) {
            draft_doubt(draft, "region of %llu bytes at 0x%llx is too large to be true: left out",
                        (unsigned long long)region->size, (unsigned long long)region->address);
            continue;
        }
        struct draft_region *read = &draft->regions[i];
        read->bytes = malloc(region->size ? region->size : 1);
        if (!read->bytes) {
            draft->out_of_memory = true;
            return;
        }
        total += region->size;
        read->size = region->size;
        struct missing_context missing = {draft, read, region->address};
        lkmfs_space_read_sparse(space, region->address, read->bytes, region->size, note_missing, &missing);
    }
}
