/*
 * kernel_types.h - the types of the kernel whose symbols were found in the same segment.
 */
#ifndef LKMFS_KERNEL_KERNEL_TYPES_H
#define LKMFS_KERNEL_KERNEL_TYPES_H

#include "kernel/types.h"

/*
 * Finds BTF in `segment`, first where `symbols` has it; of one there that is torn, what the kernel's own index, read
 * through `space`, leads to. *ret is owned by the caller (types_free()). Errors: those of types_find_btf().
 */
bool kernel_types_find(const struct lkmfs_space *space, const struct segment *segment,
                       const struct lkmfs_symbols *symbols, struct lkmfs_types **ret, struct lkmfs_error *err);

#endif
