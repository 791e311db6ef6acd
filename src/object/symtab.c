#include "object/symtab.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

static bool is_local(const struct draft_symbol *symbol)
{
    return ELF64_ST_BIND(symbol->info) == STB_LOCAL;
}

/* A symbol whose section is unknown keeps its address as an absolute value, so that nothing is lost. */
static struct draft_symbol kept_symbol(const struct layout *layout, size_t index)
{
    const struct lkmfs_module_symbol *kept = &layout->draft->module->symbols[index];
    uint32_t section = layout->symbol_sections[index];
    return (struct draft_symbol){
        .name = kept->name ? kept->name : "",
        .section = section,
        .value = section == DRAFT_NONE ? kept->value : kept->value - layout->draft->sections[section].address,
        .size = kept->size,
        .info = kept->info,
        .other = kept->other,
        .from = section == DRAFT_NONE ? LKMFS_FROM_INFERRED : LKMFS_FROM_MEMORY,
    };
}

/* Section symbols are the writer's; undefined ones stay only where the kernel keeps all symbols, for livepatching. */
static bool is_wanted(const struct lkmfs_module_symbol *symbol)
{
    unsigned type = ELF64_ST_TYPE(symbol->info);
    return symbol->name && symbol->name[0] && type != STT_SECTION && symbol->shndx != SHN_UNDEF;
}

static void keep_undefined(struct draft *draft, const struct lkmfs_module_symbol *symbol)
{
    if (!symbol->name || !symbol->name[0])
        return;
    uint32_t import = draft_import(draft, symbol->name);
    if (import != DRAFT_NONE)
        draft->imports[import].weak = ELF64_ST_BIND(symbol->info) == STB_WEAK;
}

/* Appends the symbols of one binding class, so that locals come first whatever a damaged table holds. */
static void add_class(const struct layout *layout, bool locals)
{
    const struct lkmfs_module *module = layout->draft->module;
    for (size_t i = 1; i < module->symbol_count; i++) {
        if (!is_wanted(&module->symbols[i]))
            continue;
        struct draft_symbol symbol = kept_symbol(layout, i);
        if (is_local(&symbol) == locals)
            draft_add_symbol(layout->draft, &symbol);
    }
}

void symtab_draft(struct layout *layout)
{
    struct draft *draft = layout->draft;
    const struct lkmfs_module *module = draft->module;
    add_class(layout, true);
    add_class(layout, false);
    for (size_t i = 1; i < module->symbol_count; i++) {
        if (module->symbols[i].shndx == SHN_UNDEF)
            keep_undefined(draft, &module->symbols[i]);
    }
}

/* ---- symbols named by tables ---- */

/* Adds a symbol at run-time address `address`, unless that lies in no section. */
static void add_named(struct layout *layout, const char *name, uint64_t address, uint64_t size, uint8_t info)
{
    struct draft *draft = layout->draft;
    for (uint32_t i = 0; i < draft->section_count; i++) {
        const struct draft_section *section = &draft->sections[i];
        if (!section->in_memory || address - section->address >= section->size)
            continue;
        struct draft_symbol symbol = {.name = name,
                                      .section = i,
                                      .value = address - section->address,
                                      .size = size,
                                      .info = info,
                                      .from = LKMFS_FROM_INFERRED};
        draft_add_symbol(draft, &symbol);
        return;
    }
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* Sorted names of the symbols there are; NULL without memory. */
static const char **known_names(const struct draft *draft, size_t count)
{
    const char **names = malloc((count + 1) * sizeof(*names));
    if (!names)
        return NULL;
    for (size_t i = 0; i < count; i++)
        names[i] = draft->symbols[i].name;
    qsort(names, count, sizeof(*names), compare_names);
    return names;
}

static bool is_known(const char **names, size_t count, const char *name)
{
    return bsearch(&name, names, count, sizeof(*names), compare_names) != NULL;
}

static void add_parameters(struct layout *layout)
{
    const struct lkmfs_module *module = layout->draft->module;
    uint32_t index = draft_find_section(layout->draft, "__param");
    if (index == DRAFT_NONE || !module->parameter_count)
        return;
    uint64_t address = layout->draft->sections[index].address;
    uint64_t entry = layout->draft->sections[index].size / module->parameter_count;
    for (size_t i = 0; i < module->parameter_count; i++)
        add_named(layout, draft_string(layout->draft, "__param_%s", module->parameters[i].name), address + i * entry,
                  entry, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT));
}

/* Stable: locals first, otherwise as they are. */
static bool locals_first(struct draft *draft)
{
    struct draft_symbol *sorted = malloc((draft->symbol_count + 1) * sizeof(*sorted));
    size_t count = 0;
    if (!sorted)
        return false;
    for (int globals = 0; globals < 2; globals++) {
        for (size_t i = 0; i < draft->symbol_count; i++) {
            if (is_local(&draft->symbols[i]) == !globals)
                sorted[count++] = draft->symbols[i];
        }
    }
    free(draft->symbols);
    draft->symbols = sorted;
    draft->symbol_capacity = draft->symbol_count + 1;
    return true;
}

static void add_exports(struct layout *layout, const struct lkmfs_exports *exports, size_t module_index,
                        const char **names, size_t count)
{
    for (size_t i = 0; exports && i < lkmfs_exports_count(exports); i++) {
        const struct lkmfs_export *export = lkmfs_exports_at(exports, i);
        if (export->module == module_index && !is_known(names, count, export->name))
            add_named(layout, export->name, export->address, 0, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE));
    }
}

void symtab_add_named(struct layout *layout, const struct lkmfs_exports *exports, size_t module_index)
{
    struct draft *draft = layout->draft;
    const struct lkmfs_module *module = draft->module;
    size_t count = draft->symbol_count;

    if (layout->evidence->kallsyms_all)
        return;
    const char **names = known_names(draft, count);
    if (!names) {
        draft->out_of_memory = true;
        return;
    }
    add_parameters(layout);
    if (!is_known(names, count, "__this_module"))
        add_named(layout, "__this_module", module->address, module->bytes_size, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT));
    if (!is_known(names, count, "cleanup_module"))
        add_named(layout, "cleanup_module", module->exit, 0, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC));
    add_exports(layout, exports, module_index, names, count);
    free(names);
    if (!locals_first(draft))
        draft->out_of_memory = true;
}
