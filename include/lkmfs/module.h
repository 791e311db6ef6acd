/*
 * module.h - the modules of a kernel as the kernel itself holds them: where they lie, their section names and
 * addresses, tables, symbols. Nothing is reconstructed here; what is absent in memory is absent here.
 *
 * All addresses are run-time virtual addresses, all sizes bytes. Everything is owned by struct lkmfs_modules and
 * immutable once opened.
 */
#ifndef LKMFS_MODULE_H
#define LKMFS_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"
#include "lkmfs/kernel.h"

/* The traces a module leaves; a module is shown when any of them names it. */
enum lkmfs_trace {
    LKMFS_TRACE_LIST = 1 << 0,  /* the `modules` list */
    LKMFS_TRACE_SCAN = 1 << 1,  /* a struct module found in the mapped pages of the module area */
    LKMFS_TRACE_LATCH = 1 << 2, /* the latch tree mod_tree (since 4.2) */
};

/* enum module_state, include/linux/module.h */
enum lkmfs_module_state {
    LKMFS_MODULE_LIVE = 0,
    LKMFS_MODULE_COMING = 1,
    LKMFS_MODULE_GOING = 2,
    LKMFS_MODULE_UNFORMED = 3,
};

/* Kinds of memory a module has; the order in which the loader lays them out (kernel/module/main.c layout_sections()).
 */
enum lkmfs_region_kind {
    LKMFS_REGION_TEXT,
    LKMFS_REGION_RODATA,
    LKMFS_REGION_RO_AFTER_INIT,
    LKMFS_REGION_DATA,
    LKMFS_REGION_INIT_TEXT, /* the INIT kinds are there only while the module is COMING */
    LKMFS_REGION_INIT_DATA,
    LKMFS_REGION_INIT_RODATA,
};

struct lkmfs_region {
    enum lkmfs_region_kind kind;
    uint64_t address;
    uint64_t size; /* page aligned; on [4.5-6.3] cut from core_layout by text_size, ro_size, ro_after_init_size */
};

/* One entry of sect_attrs, in array order, which is section header order (KERNEL.md A.5). */
struct lkmfs_section_entry {
    const char *name;
    uint64_t address; /* stale for .init*, .symtab and .strtab of a module that is LIVE */
    int region;       /* index into regions, or -1: name says init/.symtab/.strtab, or no live region holds it */
};

/* One entry of notes_attrs: the exact place of a SHT_NOTE section. */
struct lkmfs_note_entry {
    const char *name;
    uint64_t address;
    uint64_t size;
};

/* A table that struct module points to and counts: the exact place of one section (KERNEL.md A.8). */
struct lkmfs_table_entry {
    const char *section; /* name of the section, a string constant */
    uint64_t address;
    uint64_t count;
    uint64_t entry; /* bytes of one entry */
};

/* One symbol of the module's core kallsyms, in the original .symtab's order (KERNEL.md A.7). */
struct lkmfs_module_symbol {
    const char *name;
    uint64_t value; /* absolute address as the loader made it */
    uint64_t size;
    uint16_t shndx; /* section header index in the original file */
    uint8_t info;   /* ELF st_info; on kernels before 5.0 only the letter is known and binding and type come from it */
    uint8_t other;
    char letter; /* nm letter the kernel assigned, or 0 */
};

/* A kernel parameter of the module (struct kernel_param). */
struct lkmfs_parameter {
    const char *name;
    const char *type;  /* "int", "bool", "charp", ... by the ops' symbol; "" when unknown */
    const char *value; /* current value as text; NULL when it can't be told */
    uint16_t mode;     /* permissions in sysfs */
};

/*
 * The members up to `use_count` are there as soon as the modules are opened; the contents below it only after
 * lkmfs_module_load().
 */
struct lkmfs_module {
    const char *name;       /* exactly as in memory, without its NUL padding: hostile bytes included */
    const char *file;       /* name without extension for /modules: safe, unique and stable */
    uint64_t address;       /* of struct module */
    unsigned traces;        /* enum lkmfs_trace, or-ed */
    unsigned state;         /* enum lkmfs_module_state, or whatever was found */
    uint64_t taints;        /* bit n is kernel taint n (Documentation/admin-guide/tainted-kernels.rst) */
    int64_t refcount;       /* users: the kernel's refcnt less MODULE_REF_BASE; -1 when unknown */
    const char *version;    /* MODULE_VERSION, NULL if none */
    const char *srcversion; /* NULL if none */
    const char *args;       /* load parameters, NULL if none or unreadable */

    const uint8_t *bytes; /* struct module as in memory */
    size_t bytes_size;    /* sizeof(struct module) */
    uint64_t base;        /* start of the text region: what /proc/modules prints */
    uint64_t size;        /* bytes of all core regions together: what /proc/modules prints */

    const struct lkmfs_region *regions;
    size_t region_count;
    uint64_t init, exit; /* init_module (dangling once LIVE) and cleanup_module; 0 if none */
    uint64_t percpu;     /* address or offset cookie of .data..percpu, 0 if none */
    uint64_t percpu_size;
    uint64_t btf_size;   /* bytes of .BTF as loaded; 0 if none */
    const size_t *users; /* indexes of modules that use this one, in the kernel's order */
    size_t user_count;
    const size_t *uses; /* indexes of modules that this one uses */
    size_t use_count;

    const char *build_id; /* lower-case hex of .note.gnu.build-id, NULL if none */
    const struct lkmfs_section_entry *sections;
    size_t section_count;
    const struct lkmfs_note_entry *notes;
    size_t note_count;
    const struct lkmfs_table_entry *tables;
    size_t table_count;
    const struct lkmfs_module_symbol *symbols; /* [0] is the null symbol */
    size_t symbol_count;
    uint64_t symtab_address; /* of the core symbol table: bounds the DATA region's contents */
    uint64_t strtab_address;
    const uint8_t *btf; /* btf_size bytes from the kernel's private copy, NULL if not found */
    const struct lkmfs_parameter *parameters;
    size_t parameter_count;
    const char *const *doubts; /* what was contradictory or lost while reading this module, one line each */
    size_t doubt_count;
};

struct lkmfs_modules;

/*
 * Enumerates all modules of `kernel` (which must outlive the result). Finding none is no error. Errors: NOT_FOUND when
 * the kernel's types lack what is needed, NO_MEMORY, READ.
 */
bool lkmfs_modules_open(const struct lkmfs_kernel *kernel, struct lkmfs_log *log, struct lkmfs_modules **ret,
                        struct lkmfs_error *err);
void lkmfs_modules_close(struct lkmfs_modules *modules);

const struct lkmfs_kernel *lkmfs_modules_kernel(const struct lkmfs_modules *modules);
size_t lkmfs_modules_count(const struct lkmfs_modules *modules);
/* Module `index`, ascending by base address. */
const struct lkmfs_module *lkmfs_modules_at(const struct lkmfs_modules *modules, size_t index);
/* The module whose `file` name is `name` (with - and _ alike), or NULL. */
const struct lkmfs_module *lkmfs_modules_find(const struct lkmfs_modules *modules, const char *name);
/* The module with a live region around `address`, or NULL. */
const struct lkmfs_module *lkmfs_modules_around(const struct lkmfs_modules *modules, uint64_t address);

/*
 * Has an image that is far away (lkmfs_image_prefetch()) fetch all memory of `count` modules from index `first` on at
 * once, before they are loaded one after the other.
 */
void lkmfs_modules_prefetch(const struct lkmfs_modules *modules, size_t first, size_t count);

/*
 * Reads the contents of `module` (one of `modules`) on its first call; safe from several threads. Whatever is missing
 * or contradictory becomes a doubt of the module. Errors: NO_MEMORY, READ; the next call tries again.
 */
bool lkmfs_module_load(const struct lkmfs_modules *modules, const struct lkmfs_module *module, struct lkmfs_error *err);

/* The kernel's vermagic string, trailing space included; NULL when not found. */
const char *lkmfs_modules_vermagic(const struct lkmfs_modules *modules);

/* ---- exported symbols: the name space of imports (KERNEL.md A.8 __ksymtab, LOADER.md section 2) ---- */

struct lkmfs_export {
    const char *name;
    const char *name_space; /* "" if none */
    uint64_t address;       /* or per-CPU offset */
    size_t module;          /* index of the exporting module, SIZE_MAX for the kernel itself */
    uint32_t crc;
    bool has_crc;
    bool gpl;
};

struct lkmfs_exports;

/* Reads the export tables of the kernel and of all modules. Ascending by address. Errors: NO_MEMORY. */
bool lkmfs_exports_open(const struct lkmfs_modules *modules, struct lkmfs_log *log, struct lkmfs_exports **ret,
                        struct lkmfs_error *err);
void lkmfs_exports_close(struct lkmfs_exports *exports);
size_t lkmfs_exports_count(const struct lkmfs_exports *exports);
const struct lkmfs_export *lkmfs_exports_at(const struct lkmfs_exports *exports, size_t index);
/* Index of the last export at or below `address`, SIZE_MAX if none. */
size_t lkmfs_exports_nearest(const struct lkmfs_exports *exports, uint64_t address);
const struct lkmfs_export *lkmfs_exports_find(const struct lkmfs_exports *exports, const char *name);

#endif
