/*
 * conventions.h - what a section's name says about its header, size and contents.
 */
#ifndef LKMFS_OBJECT_CONVENTIONS_H
#define LKMFS_OBJECT_CONVENTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "lkmfs/module.h"
#include "object/evidence.h"

/* What a section holds: says which rules can tell its size. */
enum section_kind {
    SECTION_DATA,           /* objects, most of them named by symbols */
    SECTION_CODE,           /* functions */
    SECTION_SNIPPETS,       /* code without symbols */
    SECTION_REPLACEMENTS,   /* code that .altinstructions lists */
    SECTION_TABLE,          /* entries of one size, none of them all zero */
    SECTION_STRINGS,        /* NUL-terminated strings of `entry`-byte characters */
    SECTION_EXPORT_STRINGS, /* strings that the __ksymtab entries point to */
    SECTION_CONSTANTS,      /* constants of `entry` bytes, labelled by symbols of size 0 */
    SECTION_ZEROED,         /* no bytes in the file */
    SECTION_NOTE,
};

/* Does the section have a .rela section? */
enum section_rela {
    RELA_NEVER,
    RELA_ALWAYS,
    RELA_IF_POINTERS, /* when it holds an address of the kernel or a module, at a multiple of 4 */
    RELA_IF_BRANCHES, /* when it holds a call or jump */
    RELA_IF_ENTRY,    /* when the module has an init or exit function */
};

struct convention {
    enum section_kind kind;
    uint32_t type;  /* SHT_* */
    uint64_t flags; /* SHF_* */
    uint64_t align; /* 0: told by the section's symbols and bytes */
    uint64_t entsize;
    uint64_t entry; /* bytes of one entry of a table, character or constant; 0 if it has none */
    enum section_rela rela;
    bool known; /* a row of the table names it */
};

/* True for sections that the loader puts into the init part and frees: their names start with ".init". */
bool convention_is_init(const char *name);

/* The convention for section `name` in a region of kind `region`. */
struct convention convention_for(const struct evidence *evidence, const char *name, enum lkmfs_region_kind region);

#endif
