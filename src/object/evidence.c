#include "object/evidence.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* Distance from section `index` to the next one above it, 0 if there is none in its region. */
static uint64_t distance_to_next(const struct lkmfs_module *module, size_t index)
{
    const struct lkmfs_section_entry *section = &module->sections[index];
    uint64_t best = 0;
    for (size_t i = 0; i < module->section_count; i++) {
        const struct lkmfs_section_entry *other = &module->sections[i];
        if (other->region == section->region && other->address > section->address &&
            (!best || other->address - section->address < best))
            best = other->address - section->address;
    }
    return best;
}

bool evidence_is_whole_function(const struct lkmfs_module_symbol *symbol)
{
    return ELF64_ST_TYPE(symbol->info) == STT_FUNC && symbol->name && !strstr(symbol->name, ".cold") &&
           !starts_with(symbol->name, "__pfx_");
}

static void gather_cold_functions(const struct lkmfs_module *module, size_t index, struct evidence *ret)
{
    uint64_t start = module->sections[index].address, size = distance_to_next(module, index);
    for (size_t i = 0; i < module->symbol_count && ret->cold_function_align > 1; i++) {
        const struct lkmfs_module_symbol *symbol = &module->symbols[i];
        if (symbol->value - start < size && symbol->value % 16 && evidence_is_whole_function(symbol))
            ret->cold_function_align = 1;
    }
}

static void gather_section(const struct lkmfs_module *module, size_t index, struct evidence *ret)
{
    const struct lkmfs_section_entry *section = &module->sections[index];
    const char *name = section->name;

    if ((strcmp(name, ".exit.text") == 0 || strcmp(name, ".init.text") == 0) && section->address % 16)
        ret->entry_text_align = 1;
    if (starts_with(name, "__ksymtab") && strcmp(name, "__ksymtab_strings") != 0 && section->address % 8)
        ret->ksymtab_align = 4;
    if (starts_with(name, ".rodata.str") || starts_with(name, ".rodata.cst"))
        ret->strings_in_rodata = false;
    if (strcmp(name, ".exit.data") == 0)
        ret->has_entry_data = true;
    if (strcmp(name, ".text.unlikely") == 0)
        gather_cold_functions(module, index, ret);
    /* 16n bytes would end at a multiple of 8, and so would all that can follow. */
    if (strcmp(name, ".parainstructions") == 0 && distance_to_next(module, index) % 8 == 4)
        ret->parainstructions_cut = true;
}

static void gather_module(const struct lkmfs_module *module, bool *has_crcs, bool *labels_crcs, struct evidence *ret)
{
    for (size_t i = 0; i < module->section_count; i++)
        gather_section(module, i, ret);
    for (size_t i = 0; i < module->table_count; i++) {
        const struct lkmfs_table_entry *table = &module->tables[i];
        if (starts_with(table->section, "__kcrctab") && table->count)
            *has_crcs = true;
        if (strcmp(table->section, "__bug_table") == 0 && table->count && table->entry == 16)
            ret->tables_merge = true;
    }
    for (size_t i = 0; i < module->symbol_count; i++) {
        const struct lkmfs_module_symbol *symbol = &module->symbols[i];
        if (symbol->name && starts_with(symbol->name, "__crc_"))
            *labels_crcs = true;
        if (symbol->letter && strchr("bBdDrR", symbol->letter))
            ret->kallsyms_all = true;
    }
}

/* The banner ends with the tools: "(gcc ..., GNU ld (GNU Binutils for Debian) 2.44) #1 SMP". Releases are compared. */
static bool linker_keeps_entsize(const char *banner)
{
    const char *linker = strstr(banner, "GNU ld ");
    const char *version = linker ? strstr(linker, ") ") : NULL;
    char *end;
    if (!version)
        return false;
    unsigned long major = strtoul(version + 2, &end, 10);
    unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 2 || (major == 2 && minor >= 45);
}

void evidence_gather(const struct lkmfs_module *const *modules, size_t count, const struct lkmfs_types *types,
                     const char *vermagic, const char *banner, unsigned word, struct evidence *ret)
{
    bool has_crcs = false, labels_crcs = false;
    uint64_t size;

    *ret = (struct evidence){.entry_text_align = 16,
                             .cold_function_align = 16,
                             .ksymtab_align = 8,
                             .alt_instr_size = 14,
                             .strings_in_rodata = true,
                             .word = word};
    for (size_t i = 0; i < count; i++)
        gather_module(modules[i], &has_crcs, &labels_crcs, ret);

    /* Since 5.19 the CRCs are labelled words in __kcrctab; before, a .rela named absolute symbols, which are not kept.
     */
    ret->entsize_kept = banner && linker_keeps_entsize(banner);
    ret->crc_relocated = has_crcs && ret->kallsyms_all && !labels_crcs;
    ret->versions_in_file = has_crcs || (vermagic && strstr(vermagic, "modversions"));
    if (types && lkmfs_types_size(types, "alt_instr", &size) && size >= 10 && size <= 32)
        ret->alt_instr_size = size;
    if (types && lkmfs_types_size(types, "bug_entry", &size) && size == 16)
        ret->tables_merge = true;
}
