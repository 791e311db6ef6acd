/*
 * btf_section.h - a kernel's .BTF section as it lies in the image, and in the form that libbpf reads
 * (Documentation/bpf/btf.rst).
 */
#ifndef LKMFS_KERNEL_BTF_SECTION_H
#define LKMFS_KERNEL_BTF_SECTION_H

#include "kernel/symbols.h"

#define BTF_HEADER_SIZE 24
#define BTF_TYPE_SIZE   12 /* of the smallest type, which is what each begins with */

struct btf_section {
    uint64_t address;       /* virtual address of the header */
    const uint8_t *bytes;   /* in the segment: the header */
    const uint8_t *types;   /* the first type */
    const uint8_t *strings; /* the first string, which is empty */
    uint32_t header, size;  /* bytes of the header, of the whole section */
    uint32_t types_size;    /* bytes */
    uint32_t strings_size;  /* bytes */
};

/* Reads the header at `offset`; false unless the section that it describes is a kernel's and lies in the segment. */
bool btf_section_at(const struct segment *segment, size_t offset, struct btf_section *ret);

/* Whether libbpf 1.1 knows its form: a header of 24 bytes, then types, then strings. */
bool btf_section_is_plain(const struct btf_section *section);

/*
 * A section of that form with the strings of `section` and the given types, malloc'd; its size in bytes is in *size.
 * 7.2 has a longer header and a table between types and strings. NULL without memory.
 */
uint8_t *btf_section_plain(const struct btf_section *section, const uint8_t *types, uint32_t types_size,
                           uint32_t *size);

/*
 * Whether a page of the image that is missing, read as zeros, has a part in `size` bytes at `bytes`, which lie in the
 * section. No part of a BTF section has so many zeros.
 */
bool btf_section_misses(const struct btf_section *section, const uint8_t *bytes, uint32_t size);

#endif
