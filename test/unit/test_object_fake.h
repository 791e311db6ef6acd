/*
 * test_object_fake.h - a small module made by hand, as src/module would have found it, for the tests of src/object.
 *
 * Four regions of one page each: text, read-only, read-only after init, data; the symbol table follows at 0xf00 of the
 * last.
 */
#ifndef LKMFS_TEST_OBJECT_FAKE_H
#define LKMFS_TEST_OBJECT_FAKE_H

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "module/exports.h"
#include "object/layout.h"
#include "object/numbers.h"
#include "object/symtab.h"

enum { FAKE_TEXT, FAKE_RODATA, FAKE_RO_AFTER_INIT, FAKE_DATA, FAKE_REGIONS };

#define FAKE_PAGE 4096
#define FAKE_BASE UINT64_C(0xffffffffc0000000)
#define FAKE_INIT UINT64_C(0xffffffffc0800000)

struct fake_module {
    struct lkmfs_module module;
    struct lkmfs_region regions[FAKE_REGIONS];
    uint8_t bytes[FAKE_REGIONS][FAKE_PAGE];
    struct lkmfs_section_entry sections[32];
    struct lkmfs_module_symbol symbols[32];
    struct lkmfs_table_entry tables[16];
    struct lkmfs_note_entry notes[4];
    uint8_t structure[1024];
    struct evidence evidence;
    struct draft draft;
    struct layout layout;
};

static inline struct fake_module *fake_module_new(void)
{
    struct fake_module *fake = calloc(1, sizeof(*fake));
    for (unsigned i = 0; i < FAKE_REGIONS; i++)
        fake->regions[i] = (struct lkmfs_region){(enum lkmfs_region_kind)i, FAKE_BASE + i * 0x100000, FAKE_PAGE};
    fake->module = (struct lkmfs_module){.name = "fake",
                                         .file = "fake",
                                         .regions = fake->regions,
                                         .region_count = FAKE_REGIONS,
                                         .sections = fake->sections,
                                         .symbols = fake->symbols,
                                         .symbol_count = 1,
                                         .tables = fake->tables,
                                         .notes = fake->notes,
                                         .bytes = fake->structure,
                                         .bytes_size = 0x200,
                                         .symtab_address = FAKE_BASE + FAKE_DATA * 0x100000 + 0xf00};
    fake->evidence = (struct evidence){.entry_text_align = 16,
                                       .ksymtab_align = 4,
                                       .alt_instr_size = 14,
                                       .kallsyms_all = true,
                                       .word = 8,
                                       .area = {FAKE_BASE, 0x10000000}};
    return fake;
}

static inline uint64_t fake_address(unsigned region, uint64_t offset)
{
    return FAKE_BASE + region * 0x100000 + offset;
}

static inline void fake_section(struct fake_module *fake, const char *name, unsigned region, uint64_t offset)
{
    fake->sections[fake->module.section_count++] =
        (struct lkmfs_section_entry){name, fake_address(region, offset), (int)region};
}

/* A section of the init part, which is gone. */
static inline void fake_init_section(struct fake_module *fake, const char *name, uint64_t offset)
{
    fake->sections[fake->module.section_count++] = (struct lkmfs_section_entry){name, FAKE_INIT + offset, -1};
}

static inline void fake_symbol(struct fake_module *fake, const char *name, uint64_t value, uint64_t size,
                               unsigned shndx, unsigned info, char letter)
{
    fake->symbols[fake->module.symbol_count++] = (struct lkmfs_module_symbol){
        .name = name, .value = value, .size = size, .shndx = (uint16_t)shndx, .info = (uint8_t)info, .letter = letter};
}

static inline void fake_table(struct fake_module *fake, const char *name, unsigned region, uint64_t offset,
                              uint64_t count, uint64_t entry)
{
    fake->tables[fake->module.table_count++] =
        (struct lkmfs_table_entry){name, fake_address(region, offset), count, entry};
}

static inline void fake_fill(struct fake_module *fake, unsigned region, uint64_t offset, uint64_t size)
{
    memset(fake->bytes[region] + offset, 0x11, size);
}

/* A 32-bit field that points to `target`, relative to itself. */
static inline void fake_relative(struct fake_module *fake, unsigned region, uint64_t offset, uint64_t target)
{
    put_le32(fake->bytes[region] + offset, (uint32_t)(target - fake_address(region, offset)));
}

/* Runs the layout steps; the regions are copied as layout_read_regions() would have read them. */
static inline bool fake_layout(struct fake_module *fake)
{
    fake->draft = (struct draft){.module = &fake->module, .kind = LKMFS_OBJECT_RELOCATABLE, .word = 8};
    fake->draft.regions = calloc(FAKE_REGIONS, sizeof(*fake->draft.regions));
    for (unsigned i = 0; i < FAKE_REGIONS; i++) {
        fake->draft.regions[i].bytes = malloc(FAKE_PAGE);
        fake->draft.regions[i].size = FAKE_PAGE;
        memcpy(fake->draft.regions[i].bytes, fake->bytes[i], FAKE_PAGE);
    }
    return layout_sections(&fake->layout, &fake->draft, &fake->evidence);
}

static inline const struct draft_section *fake_find(const struct fake_module *fake, const char *name)
{
    uint32_t index = draft_find_section(&fake->draft, name);
    return index == DRAFT_NONE ? NULL : &fake->draft.sections[index];
}

static inline void fake_module_free(struct fake_module *fake)
{
    layout_clear(&fake->layout);
    draft_clear(&fake->draft);
    free(fake);
}

/* Exports of a kernel: at most 16 are found by name. */
struct fake_exports {
    struct lkmfs_exports exports;
    uint32_t by_name[32];
};

static inline const struct lkmfs_exports *fake_exports(struct fake_exports *ret, struct lkmfs_export *items,
                                                       size_t count)
{
    *ret = (struct fake_exports){{.items = items, .count = count, .by_name = ret->by_name, .mask = 31}, {0}};
    for (uint32_t i = 0; i < count; i++) {
        size_t slot = hash_name(items[i].name, ret->exports.seed) & ret->exports.mask;
        while (ret->by_name[slot])
            slot = (slot + 1) & ret->exports.mask;
        ret->by_name[slot] = i + 1;
    }
    return &ret->exports;
}

#endif
