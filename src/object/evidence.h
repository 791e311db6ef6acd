/*
 * evidence.h - facts about how a kernel's modules were built, read once per image from the traces the builds left.
 *
 * Nothing here asks for the kernel's version: backports make it lie. Each fact names its evidence (SECTIONS.md section
 * 4).
 */
#ifndef LKMFS_OBJECT_EVIDENCE_H
#define LKMFS_OBJECT_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/module.h"

struct evidence {
    uint64_t entry_text_align;    /* of .init.text and .exit.text: 16, or 1 when one lies at an address that 16 does not
                                     divide */
    uint64_t cold_function_align; /* of .text.unlikely where it has more than split-off parts: 16
                                     (-fmin-function-alignment, gcc 14), or 1 when such a function lies elsewhere */
    uint64_t ksymtab_align;       /* of __ksymtab*: 8, or 4 when one lies at such an address */
    bool crc_relocated; /* __kcrctab* are filled by the linker through __crc_ symbols (before 5.19): align 1, .rela */
    uint64_t alt_instr_size;   /* bytes of one .altinstructions entry */
    bool parainstructions_cut; /* the last .parainstructions entry is 12 bytes, not 16 */
    bool entsize_kept; /* `ld -r` left objtool's tables the entry size in their header: binutils 2.44 and before clear
                          it, 2.47 does not */
    bool tables_merge; /* .altinstructions and __ex_table are mergeable sections (6.19, with the 16-byte bug_entry) */
    bool strings_in_rodata;    /* .rodata.str* and .rodata.cst* are merged into .rodata (7.x): no module has one */
    bool versions_in_file;     /* modules carry __versions (CONFIG_MODVERSIONS) */
    bool kallsyms_all;         /* data symbols were kept, not those of code alone */
    bool has_entry_data;       /* modules have an .exit.data (since 5.19: the __addressable_ words of init and exit) */
    unsigned word;             /* bytes of a machine word */
    struct lkmfs_range kernel; /* run-time addresses of the kernel image */
    struct lkmfs_range area;   /* run-time addresses of the module area */
};

/* Facts of `count` modules; `types`, `vermagic` and the kernel's banner may be NULL. */
void evidence_gather(const struct lkmfs_module *const *modules, size_t count, const struct lkmfs_types *types,
                     const char *vermagic, const char *banner, unsigned word, struct evidence *ret);

/* Is it a function of its own, no part that the compiler split off (NAME.cold) and no padding before one (__pfx_)? */
bool evidence_is_whole_function(const struct lkmfs_module_symbol *symbol);

#endif
