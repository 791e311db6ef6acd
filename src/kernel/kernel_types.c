#include "kernel/kernel_types.h"

#include <stdlib.h>

#include "base/bulk.h"
#include "base/cursor.h"

/*
 * Where the kernel keeps the addresses of its own types, btf_vmlinux->types: what struct btf begins with since 4.18 are
 * the pointers `data` and `types`. The kernel reads its BTF when a module with BTF is loaded. To be freed; NULL when
 * there is none or without memory.
 */
static uint64_t *read_type_index(const struct lkmfs_space *space, const struct lkmfs_symbols *symbols, size_t count)
{
    uint64_t variable, btf, types, *index = NULL;
    if (!lkmfs_symbols_find(symbols, "btf_vmlinux", &variable) || !lkmfs_space_u64(space, variable, &btf) ||
        !lkmfs_space_u64(space, btf + 8, &types) || !(index = bulk_alloc(count * sizeof(*index))))
        return NULL;
    (void)lkmfs_space_read_sparse(space, types, index, count * sizeof(*index), NULL, NULL);
    for (size_t i = 0; i < count; i++)
        index[i] = le64((const uint8_t *)&index[i]);
    return index;
}

bool kernel_types_find(const struct lkmfs_space *space, const struct segment *segment,
                       const struct lkmfs_symbols *symbols, struct lkmfs_types **ret, struct lkmfs_error *err)
{
    uint64_t start;
    struct btf_section section;
    size_t hint = SIZE_MAX;
    if (lkmfs_symbols_find(symbols, "__start_BTF", &start) && start >= segment->address &&
        start - segment->address < segment->size)
        hint = (size_t)(start - segment->address);
    if (types_find_btf(segment, hint, ret, err))
        return true;
    if (hint == SIZE_MAX || err->code != LKMFS_ERROR_NOT_FOUND || !btf_section_at(segment, hint, &section))
        return false;
    size_t count = section.types_size / BTF_TYPE_SIZE + 1;
    uint64_t *addresses = read_type_index(space, symbols, count);
    struct btf_index index = {addresses, count};
    bool found = addresses && types_from_btf(segment, hint, &index, ret, err);
    free(addresses);
    return found;
}
