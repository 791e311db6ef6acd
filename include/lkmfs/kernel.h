/*
 * kernel.h - the kernel found in an image: its address space, symbols (kallsyms) and types (BTF).
 *
 * Symbol addresses are run-time (KASLR-slid) virtual addresses. Type facts are reached by name only.
 */
#ifndef LKMFS_KERNEL_H
#define LKMFS_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"
#include "lkmfs/image.h"
#include "lkmfs/memory.h"

/* ---- symbols ---- */

struct lkmfs_symbols;

struct lkmfs_symbol {
    uint64_t address;
    const char *name; /* owned by the symbols */
    char type;        /* nm letter as kallsyms holds it: T, t, D, d, A ... */
};

size_t lkmfs_symbols_count(const struct lkmfs_symbols *symbols);
/* Symbol `index` of those that are whole, in kallsyms' own order: by address, absolute per-CPU ones first. */
struct lkmfs_symbol lkmfs_symbols_at(const struct lkmfs_symbols *symbols, size_t index);
/* Address of the first symbol called `name`; false when there is none. */
bool lkmfs_symbols_find(const struct lkmfs_symbols *symbols, const char *name, uint64_t *ret);
/* The last symbol at or below `address` (the first of those sharing that address); false when there is none. */
bool lkmfs_symbols_nearest(const struct lkmfs_symbols *symbols, uint64_t address, struct lkmfs_symbol *ret);

/* ---- types ---- */

struct lkmfs_types;

struct lkmfs_field {
    uint64_t offset;  /* bytes from the start of the outermost struct */
    uint64_t size;    /* bytes; of the whole array for an array */
    uint64_t element; /* bytes of one element of an array, of the pointed-to type for a pointer; else 0 */
};

/* sizeof(struct `name`) in bytes; false (and 0) when the kernel has no such struct. */
bool lkmfs_types_size(const struct lkmfs_types *types, const char *name, uint64_t *ret);
/*
 * Field `path` ("mkobj.mod"; anonymous members are looked through) of struct `name`. False when struct or field does
 * not exist in this kernel, which for many fields is a normal answer.
 */
bool lkmfs_types_field(const struct lkmfs_types *types, const char *name, const char *path, struct lkmfs_field *ret);
/* lkmfs_types_field() for a field that must exist: the error names struct, field and kernel. */
bool lkmfs_types_require(const struct lkmfs_types *types, const char *name, const char *path, struct lkmfs_field *ret,
                         struct lkmfs_error *err);
/* Where the types came from, in words ("BTF in the image at ..."). */
const char *lkmfs_types_source(const struct lkmfs_types *types);
/* Raw bytes of the kernel's .BTF section; NULL when types came from elsewhere. Owned by the types. */
const uint8_t *lkmfs_types_btf(const struct lkmfs_types *types, size_t *size);

/*
 * Unsigned little-endian value of `field` (1, 2, 4 or 8 bytes) out of `size` bytes that start where the struct does;
 * 0 when the field does not lie wholly inside.
 */
uint64_t lkmfs_field_value(const struct lkmfs_field *field, const uint8_t *bytes, size_t size);

/* ---- the kernel ---- */

struct lkmfs_kernel;

struct lkmfs_kernel_options {
    bool has_root;
    uint64_t root; /* dtb=: physical address of the top-level page table */
};

/* Facts about the kernel; strings are owned by the kernel. */
struct lkmfs_kernel_facts {
    const char *banner;              /* linux_banner without its newline */
    const char *release;             /* third word of the banner: uname -r */
    const char *root_source;         /* how the page tables were found, in words */
    const char *vmcoreinfo;          /* text, or NULL */
    uint64_t text_start;             /* _text: run-time virtual address of the image's first byte */
    uint64_t text_phys;              /* where that lies in physical memory */
    uint64_t image_start, image_end; /* virtual range of the mapped kernel image */
    uint64_t virtual_slide;          /* _text - 0xffffffff81000000 (CONFIG_PHYSICAL_START, arch/x86/Kconfig) */
    uint64_t physical_slide;         /* text_phys - 0x1000000 */
    uint64_t module_start,
        module_end; /* module area: MODULES_VADDR .. MODULES_END (Documentation/arch/x86/x86_64/mm.rst) */
};

/*
 * Finds and proves the kernel in `image` (which must outlive it). *ret is owned by the caller. Errors: NOT_FOUND (no
 * Linux kernel, no page tables, no kallsyms, no types), NO_MEMORY, READ; the message names the likely cause and the way
 * out.
 */
bool lkmfs_kernel_open(const struct lkmfs_image *image, const struct lkmfs_kernel_options *options,
                       struct lkmfs_log *log, struct lkmfs_kernel **ret, struct lkmfs_error *err);
void lkmfs_kernel_close(struct lkmfs_kernel *kernel);

const struct lkmfs_kernel_facts *lkmfs_kernel_facts(const struct lkmfs_kernel *kernel);
const struct lkmfs_space *lkmfs_kernel_space(const struct lkmfs_kernel *kernel);
const struct lkmfs_symbols *lkmfs_kernel_symbols(const struct lkmfs_kernel *kernel);
const struct lkmfs_types *lkmfs_kernel_types(const struct lkmfs_kernel *kernel);

/* Bytes of a machine word of the imaged kernel: 8. */
unsigned lkmfs_kernel_word(const struct lkmfs_kernel *kernel);

#endif
