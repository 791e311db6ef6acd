/*
 * synth_module.h - modules in a synthetic kernel, with all the traces and tables that load_module() leaves.
 */
#ifndef LKMFS_TEST_SYNTH_MODULE_H
#define LKMFS_TEST_SYNTH_MODULE_H

#include "synth_kernel.h"

enum synth_region {
    SYNTH_TEXT,
    SYNTH_RODATA,
    SYNTH_RO_AFTER_INIT,
    SYNTH_DATA,
    SYNTH_REGIONS,
};

#define SYNTH_REGION_SIZE  (2 * SYNTH_PAGE) /* of each region of a module */
#define SYNTH_SECTIONS_MAX 64
#define SYNTH_ITEMS_MAX    32

struct synth_section {
    const char *name;
    uint64_t address;
    uint64_t size; /* of notes; else 0 */
};

struct synth_parameter {
    const char *name, *ops;
    uint64_t arg;
    uint16_t mode;
};

struct synth_export {
    const char *name;
    const char *name_space; /* NULL if none */
    uint64_t value;
    uint32_t crc;
    bool gpl;
};

/* A table of exports as it lies in memory. */
struct synth_export_table {
    uint64_t symbols, crcs, flags; /* virtual; flags: one byte an export, 7.2 */
    size_t count;
};

struct synth_module {
    struct synth_kernel *kernel;
    uint64_t address; /* of struct module */
    uint64_t region[SYNTH_REGIONS], next[SYNTH_REGIONS];
    struct synth_section sections[SYNTH_SECTIONS_MAX], notes[SYNTH_ITEMS_MAX];
    size_t section_count, note_count;
    struct synth_parameter parameters[SYNTH_ITEMS_MAX];
    size_t parameter_count;
    struct synth_export exports[SYNTH_ITEMS_MAX];
    size_t export_count;
    struct synth_bytes symtab, strtab, typetab;
    size_t symbol_count;
    uint64_t sect_attrs, notes_attrs; /* once finished */
    bool unlisted, unlatched;         /* leaves these traces out */
};

/*
 * Begins a module: its memory and struct module, whose name is up to 56 bytes of `name`. The sections .text and
 * .gnu.linkonce.this_module are there already.
 */
struct synth_module *synth_module_new(struct synth_kernel *kernel, const char *name);
/* Writes the tables and links the module with its kernel. */
void synth_module_finish(struct synth_module *module);
/* Writes the section tables, anew when sections were added to a finished module. */
void synth_module_put_sections(struct synth_module *module);
/* Frees what the builder holds; the module stays in the kernel's memory. */
void synth_module_free(struct synth_module *module);

/* Adds a section of `size` bytes; returns its address. Its header index is 2 * its position + 1. */
uint64_t synth_module_section(struct synth_module *module, const char *name, enum synth_region region, uint64_t size,
                              uint64_t align);
/* A section in the table whose memory is not the module's, such as .init.text. */
void synth_module_stale_section(struct synth_module *module, const char *name, uint64_t address);
uint64_t synth_module_note(struct synth_module *module, const char *name, const void *bytes, size_t size);
uint16_t synth_module_shndx(const struct synth_module *module, const char *section);

void synth_module_symbol(struct synth_module *module, const char *name, const char *section, uint64_t offset,
                         uint64_t size, uint8_t info, char letter);
/* Writes a field of struct module. */
void synth_module_set(const struct synth_module *module, const char *path, uint64_t value);
uint64_t synth_module_get(const struct synth_module *module, const char *path);

void synth_module_parameter(struct synth_module *module, const char *name, const char *ops, uint64_t arg,
                            uint16_t mode);
void synth_module_export(struct synth_module *module, const struct synth_export *item);
/* Module `user` uses `used`. */
void synth_module_use(struct synth_module *user, struct synth_module *used);
/* Enters the module into the latch tree. */
void synth_module_latch(const struct synth_module *module);
/* list_del(): the neighbours skip it, its own pointers become poison. */
void synth_module_unlink(const struct synth_module *module);
/* The kernel's private copy of a module's .BTF. */
uint64_t synth_module_btf(struct synth_module *module, const void *bytes, size_t size);

/* ---- exports (synth_exports.c) ---- */

/* Writes the exports with this `gpl` (all with 7.2's flags) and their strings to the address that `room` gives. */
struct synth_export_table synth_export_table(struct synth_kernel *kernel,
                                             uint64_t (*room)(void *context, uint64_t size), void *context,
                                             const struct synth_export *items, size_t count, bool gpl);
/* The kernel's own; before synth_kernel_finish(). */
void synth_kernel_export(struct synth_kernel *kernel, const struct synth_export *items, size_t count);

/* Address of a symbol of the kernel. */
uint64_t synth_symbol(const struct synth_kernel *kernel, const char *name);

#endif
