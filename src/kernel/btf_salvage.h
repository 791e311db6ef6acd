/*
 * btf_salvage.h - the types of a BTF section of which pages are missing or torn.
 *
 * A type's number is its place in the section, so that one that is lost would give all that follow wrong numbers. The
 * running kernel holds the address of each: btf_vmlinux->types (struct btf, kernel/bpf/btf.c, since 4.18).
 */
#ifndef LKMFS_KERNEL_BTF_SALVAGE_H
#define LKMFS_KERNEL_BTF_SALVAGE_H

#include "kernel/btf_section.h"

/* btf_vmlinux->types as it was read, zeros where it is missing; the first is that of void. */
struct btf_index {
    const uint64_t *addresses;
    size_t count;
};

struct btf_salvage {
    uint8_t *types;      /* for the caller to free: a forward declaration without a name for each type that is lost */
    uint32_t types_size; /* bytes */
    size_t count, lost;  /* types; `lost` counts as many behind the last that is whole as there is room for */
};

/* False when more than half of the types is lost, or without memory (ret->types is NULL then, and `count` 0). */
bool btf_salvage(const struct btf_section *section, const struct btf_index *index, struct btf_salvage *ret);

#endif
