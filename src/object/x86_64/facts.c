/*
 * facts.c - facts of the kernel that the rules depend on, by evidence in the image, never by release.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/x86_64/listing.h"

#define PV_SLOTS_MAX       512
#define PERCPU_LIMIT       (UINT64_C(1) << 32)
#define JUMP_ENTRY         16
#define JUMP_SAMPLE        2048
#define ENTRIES_SAMPLE     65536
#define ENTRIES_CHUNK      256
#define MANY_TIMES         4
#define PADDING_SAMPLE     256
#define PADDING_LEAST_HITS 8

static uint64_t type_size(const struct lkmfs_types *types, const char *name, uint64_t fallback)
{
    uint64_t size;
    return lkmfs_types_size(types, name, &size) ? size : fallback;
}

/* Whether the jump table at `address` lists a site of two bytes: then objtool wrote the NOPs. */
static bool has_short_jump(const struct machine_context *context, uint64_t address, uint64_t count)
{
    for (uint64_t i = 0; i < count && i < JUMP_SAMPLE; i++) {
        uint64_t entry = address + i * JUMP_ENTRY;
        uint8_t offset[4], site[3];
        if (!context_read(context, entry, offset, sizeof(offset)))
            return false;
        uint64_t code = entry + (uint64_t)(int64_t)(int32_t)le32(offset);
        if (context_read(context, code, site, sizeof(site)) &&
            (site[0] == 0xeb || (site[0] == 0x66 && site[1] == 0x90)))
            return true;
    }
    return false;
}

/* By the kernel's own jump table, or by those of the modules where its symbols are lacking. */
static bool find_jump_nop_mark(const struct machine_context *context, const struct lkmfs_symbols *symbols)
{
    uint64_t start, stop;
    if (lkmfs_symbols_find(symbols, "__start___jump_table", &start) &&
        lkmfs_symbols_find(symbols, "__stop___jump_table", &stop) && stop > start)
        return has_short_jump(context, start, (stop - start) / JUMP_ENTRY);
    for (size_t i = 0; i < lkmfs_modules_count(context->modules); i++) {
        const struct lkmfs_module *module = lkmfs_modules_at(context->modules, i);
        for (size_t k = 0; k < module->table_count; k++) {
            const struct lkmfs_table_entry *table = &module->tables[k];
            if (strcmp(table->section, "__jump_table") == 0 && has_short_jump(context, table->address, table->count))
                return true;
        }
    }
    return false;
}

static bool any_module_has(const struct machine_context *context, const char *section)
{
    for (size_t i = 0; i < lkmfs_modules_count(context->modules); i++) {
        const struct lkmfs_module *module = lkmfs_modules_at(context->modules, i);
        for (size_t k = 0; k < module->section_count; k++)
            if (strcmp(module->sections[k].name, section) == 0)
                return true;
    }
    return false;
}

/* The first section above `address`. */
static uint64_t next_section(const struct lkmfs_module *module, uint64_t address)
{
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; i < module->section_count; i++)
        if (module->sections[i].address > address && module->sections[i].address < next)
            next = module->sections[i].address;
    return next;
}

static uint64_t section_address(const struct lkmfs_module *module, const char *name)
{
    for (size_t i = 0; i < module->section_count; i++)
        if (strcmp(module->sections[i].name, name) == 0)
            return module->sections[i].address;
    return 0;
}

static struct listing read_listing(const struct machine_context *context, const struct lkmfs_module *module)
{
    uint64_t text = section_address(module, ".text"), table = section_address(module, "__patchable_function_entries");
    uint64_t text_end = next_section(module, text), end = next_section(module, table);
    struct listing listing = {0};
    uint8_t bytes[ENTRIES_CHUNK * 8];
    size_t at = 0;
    for (size_t i = 0; text && table && i < ENTRIES_SAMPLE && end - table >= 8; i++, at += 8, table += 8) {
        if (i % ENTRIES_CHUNK == 0) {
            at = 0;
            if (!context_read(context, table, bytes, min_u64(sizeof(bytes), end - table)))
                break;
        }
        if (!listing_add(&listing, le64(bytes + at), text, text_end))
            break;
    }
    return listing;
}

bool context_is_joined(const struct machine_context *context, const struct lkmfs_module *module)
{
    /* What headers make of a tracepoint is global in any case, and the room before a global function as that is. */
    static const char *const made[] = {"__traceiter_", "__probestub_", "__SCT__", "__pfx_"};
    for (size_t i = 0; i < module->symbol_count; i++) {
        const struct lkmfs_module_symbol *symbol = &module->symbols[i];
        bool is_made = false;
        if (ELF64_ST_TYPE(symbol->info) != STT_FUNC || ELF64_ST_BIND(symbol->info) == STB_LOCAL ||
            symbol->value == module->init || symbol->value == module->exit)
            continue;
        for (size_t k = 0; k < sizeof(made) / sizeof(*made); k++)
            is_made |= has_prefix(symbol->name, made[k]);
        if (!is_made && !context_exact(context, symbol->value))
            return true;
    }
    return false;
}

/*
 * Where the linker takes one object's entries after the other's, .text of a module of several objects is in several
 * runs, if there are functions elsewhere. Since GNU ld 2.44 all of .text comes first, or last, on Linux 6.12.
 */
static bool find_entries_by_section(const struct machine_context *context)
{
    size_t by_object = 0, by_section = 0;
    for (size_t i = 0; i < lkmfs_modules_count(context->modules); i++) {
        const struct lkmfs_module *module = lkmfs_modules_at(context->modules, i);
        if (!context_is_joined(context, module))
            continue;
        struct listing listing = read_listing(context, module);
        by_object += listing.others > 1 && listing.runs > 1;
        by_section += listing.others > 1 && listing.runs == 1;
    }
    return by_section > by_object * MANY_TIMES;
}

static unsigned field_offset(const struct lkmfs_types *types, const char *name, const char *path)
{
    struct lkmfs_field field;
    return lkmfs_types_field(types, name, path, &field) ? (unsigned)field.offset : 0;
}

static void gather_shapes(struct machine_context *context, const struct lkmfs_symbols *symbols,
                          const struct lkmfs_types *types)
{
    context->shapes = (struct entry_shapes){
        .alternative = (unsigned)type_size(types, "alt_instr", 0),
        .bug = (unsigned)type_size(types, "bug_entry", 0),
        .event = (unsigned)type_size(types, "trace_event_call", 0),
        .event_type = field_offset(types, "trace_event_call", "event.type"),
        .module_init = field_offset(types, "module", "init"),
        .module_exit = field_offset(types, "module", "exit"),
        .init_together = field_offset(types, "module", "init_layout") || field_offset(types, "module", "module_init"),
        .jump_nop_mark = find_jump_nop_mark(context, symbols),
        .entries_by_section = find_entries_by_section(context),
        .text_merged = !any_module_has(context, ".text.unlikely") && !any_module_has(context, ".rodata.str1.1"),
        /* objtool runs on whole modules since 6.4, which is when it began to write .orc_header. */
        .objtool_per_object = !any_module_has(context, ".orc_header"),
    };
}

static bool gather_pv_slots(struct machine_context *context, const struct lkmfs_types *types)
{
    const struct lkmfs_export *export = lkmfs_exports_find(context->exports, "pv_ops");
    if (!export)
        return true;
    uint64_t size = type_size(types, "paravirt_patch_template", 0);
    uint8_t bytes[PV_SLOTS_MAX * 8];
    if (size < 8 || size > sizeof(bytes) || !context_read(context, export->address, bytes, size))
        return true;
    context->pv.words = calloc(size / 8, sizeof(*context->pv.words));
    if (!context->pv.words)
        return false;
    context->pv.address = export->address;
    context->pv.count = size / 8;
    for (size_t i = 0; i < context->pv.count; i++)
        context->pv.words[i] = le64(bytes + i * 8);
    return true;
}

/*
 * Code that counts calls (arch/x86/kernel/callthunks.c skl_call_thunk_template): sarq $5, %gs:__x86_call_depth, the
 * operand absolute or rip-relative.
 */
static const struct call_padding padding_forms[] = {
    {.size = 10,
     .bytes = {0x65, 0x48, 0xc1, 0x3c, 0x25, 0, 0, 0, 0, 0x05},
     .mask = {0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff}},
    {.size = 9,
     .bytes = {0x65, 0x48, 0xc1, 0x3d, 0, 0, 0, 0, 0x05},
     .mask = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff}},
};

bool padding_matches(const struct call_padding *padding, const uint8_t *bytes)
{
    for (unsigned i = 0; i < padding->size; i++)
        if ((bytes[i] & padding->mask[i]) != padding->bytes[i])
            return false;
    return padding->size > 0;
}

/* Call depth is tracked when the form stands before many of the functions that the kernel exports. */
static void gather_padding(struct machine_context *context)
{
    for (size_t form = 0; form < sizeof(padding_forms) / sizeof(*padding_forms); form++) {
        const struct call_padding *padding = &padding_forms[form];
        size_t stride = context->name_count / PADDING_SAMPLE + 1, hits = 0;
        for (size_t i = 0; i < context->name_count; i += stride) {
            uint8_t bytes[16];
            hits += context_read(context, context->names[i].address - padding->size, bytes, padding->size) &&
                    padding_matches(padding, bytes);
        }
        if (hits >= PADDING_LEAST_HITS)
            context->padding = *padding;
    }
}

static void gather_percpu(struct machine_context *context, const struct lkmfs_symbols *symbols)
{
    uint64_t end;
    if (lkmfs_symbols_find(symbols, "__per_cpu_end", &end)) {
        context->percpu_end = end < PERCPU_LIMIT ? end : 0;
        return;
    }
    size_t last = context_name(context, PERCPU_LIMIT - 1);
    if (last != SIZE_MAX)
        context->percpu_end = (context->names[last].address | 0xfff) + 1;
}

bool context_gather_facts(struct machine_context *context)
{
    const struct lkmfs_kernel *kernel = lkmfs_modules_kernel(context->modules);
    const struct lkmfs_symbols *symbols = lkmfs_kernel_symbols(kernel);
    const struct lkmfs_types *types = lkmfs_kernel_types(kernel);
    bool is_5level = lkmfs_space_paging(lkmfs_kernel_space(kernel)) == LKMFS_PAGING_X86_64_5LEVEL;
    context->kernel_half = is_5level ? UINT64_C(0xff00000000000000) : UINT64_C(0xffff800000000000);
    gather_shapes(context, symbols, types);
    gather_percpu(context, symbols);
    gather_padding(context);
    if (!lkmfs_symbols_find(symbols, "__static_call_return0", &context->return0))
        context->return0 = 0;
    const struct lkmfs_export *ata = lkmfs_exports_find(context->exports, "sata_port_ops");
    if (!ata)
        ata = lkmfs_exports_find(context->exports, "ata_sff_port_ops");
    context->ata_ops = ata ? ata->address : 0;
    return gather_pv_slots(context, types);
}
