/*
 * target.c - from a run-time address back to section, symbol or import plus addend (RECONSTRUCT.md section 2).
 *
 * Always the address that the CPU or the table really points to is looked up, and the bias of PC-relative fields added
 * afterwards: S + A itself may lie in the neighbour.
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/restore.h"
#include "object/x86_64/tables.h"

#define NEAR_EXPORT 0x8000 /* farthest member of an exported struct */
#define NEAR_PERCPU 0x2000
#define OVERSHOOT   0x40   /* how far beside an array a pointer to it may lie */
#define UNDERSHOOT  0x1000 /* how far before an object a constant that is subtracted may lead */

/* Every way of finding a target as one function, tried in order. */
typedef bool find_fn(struct restore *r, uint64_t address, unsigned want, struct target *ret);

static struct target in_section(const struct restore *r, uint32_t section, uint64_t address)
{
    uint64_t offset = address - section_at(r, section)->address;
    return (struct target){.draft = {DRAFT_TARGET_SECTION, section, (int64_t)offset},
                           .section = section,
                           .offset = offset,
                           .from = LKMFS_FROM_RESTORED};
}

/* Names a symbol that is not local the way the assembler does: functions only by their start, objects by all bytes. */
static void name_global(struct restore *r, uint64_t address, struct target *ret)
{
    size_t index = place_from(r->globals, r->global_count, address + 1);
    if (index == 0)
        return;
    const struct place *place = &r->globals[index - 1];
    const struct draft_symbol *symbol = &r->draft->symbols[place->symbol];
    bool is_start = place->address == address;
    bool is_inside = ELF64_ST_TYPE(symbol->info) == STT_OBJECT && address - place->address < place->size;
    if (symbol->section == ret->section && (is_start || is_inside))
        ret->draft = (struct draft_target){DRAFT_TARGET_SYMBOL, place->symbol, (int64_t)(address - place->address)};
}

/* The section of the symbols at exactly `address`: `prefer` if one of them is in it. */
static uint32_t section_of_symbols(const struct restore *r, uint64_t address, uint32_t prefer)
{
    uint32_t found = DRAFT_NONE;
    for (size_t i = place_from(r->places, r->place_count, address);
         i < r->place_count && r->places[i].address == address; i++) {
        uint32_t section = r->draft->symbols[r->places[i].symbol].section;
        if (section == prefer)
            return prefer;
        if (found == DRAFT_NONE)
            found = section;
    }
    return found;
}

/* Static keys point to __jump_table at run time, and code to __bug_table [7.x]. */
static bool is_pointed_to(const char *name)
{
    return strcmp(name, "__jump_table") == 0 || strcmp(name, "__bug_table") == 0;
}

/*
 * Sections that nothing of the module points into: who needs them finds them by struct module. Of .exit.data only
 * variables are named, and those have names of their own.
 */
static bool is_not_named(const struct restore *r, uint32_t section, uint64_t address, unsigned want)
{
    static const char *const names[] = {"__ksymtab_strings", "__bpf_raw_tp_map", "__param"};
    const char *name = section_at(r, section)->name;
    if (r->is_table[section])
        return !is_pointed_to(name);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    if (has_prefix(name, ".note")) /* build IDs and properties are for programs */
        return true;
    if (has_prefix(name, ".rodata.str")) /* where a string lies is nothing to compare with */
        return want & TARGET_COMPARED;
    if (has_prefix(name, ".rodata.cst")) /* constants are read, their addresses are not taken */
        return want & TARGET_VALUE;
    return strcmp(name, ".exit.data") == 0 && address == section_at(r, section)->address && want & TARGET_VALUE;
}

/*
 * Code and data point into no other table: an address there means an array of the section next to it, just before its
 * start or after its end.
 */
static bool find_neighbour(const struct restore *r, uint64_t address, uint32_t table, struct target *ret)
{
    const struct span *before = NULL, *after = NULL;
    for (size_t i = 0; i < r->span_count; i++) {
        const struct span *span = &r->spans[i];
        if (span->section == table || is_not_named(r, span->section, span->start, TARGET_VALUE))
            continue;
        if (span->end <= address)
            before = span;
        else if (span->start > address && !after)
            after = span;
    }
    bool is_before = before && address - before->end < OVERSHOOT;
    if (is_before && after && after->start - address < address - before->end)
        is_before = false;
    if (!is_before && !(after && after->start - address < OVERSHOOT))
        return false;
    *ret = in_section(r, is_before ? before->section : after->section, address);
    ret->from = LKMFS_FROM_INFERRED;
    return true;
}

/* Where one section ends and another starts, a symbol decides; so it does for empty sections, which have no span. */
static bool find_own(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    uint32_t section = section_around(r, address);
    if (section == DRAFT_NONE || section_at(r, section)->address == address) {
        uint32_t named = section_of_symbols(r, address, section);
        if (named != DRAFT_NONE && (section == DRAFT_NONE || named != section))
            section = named;
    }
    if (section == DRAFT_NONE)
        return false;
    if (!(want & TARGET_TABLE) && is_not_named(r, section, address, want) && !global_at(r, address) &&
        find_neighbour(r, address, section, ret))
        return true;
    *ret = in_section(r, section, address);
    if (!(want & TARGET_LABEL))
        name_global(r, address, ret);
    return true;
}

static bool find_init(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    (void)want;
    for (size_t i = r->init_count; i-- > 0;) {
        const struct span *span = &r->init[i];
        if (address >= span->start && address < span->end) {
            *ret = in_section(r, span->section, address);
            return true;
        }
    }
    return false;
}

static bool find_own_percpu(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    (void)want;
    if (address < r->percpu || address >= r->percpu_end)
        return false;
    *ret = (struct target){.draft = {DRAFT_TARGET_SECTION, r->percpu_section, (int64_t)(address - r->percpu)},
                           .section = r->percpu_section,
                           .offset = address - r->percpu,
                           .from = LKMFS_FROM_RESTORED};
    return true;
}

/*
 * The loader notes every module that this one imports from (ref_module(), kernel/module): a pointer to another module's
 * export without such a note was stored at run time.
 */
static bool may_import(const struct restore *r, const struct import_name *name)
{
    const struct lkmfs_module *module = r->draft->module;
    for (size_t i = 0; i < module->use_count; i++)
        if (module->uses[i] == name->module)
            return true;
    return name->module == SIZE_MAX;
}

/* The import `index` of the names, by its direct name at no distance. */
static bool import_by_index(struct restore *r, size_t index, uint64_t distance, struct target *ret)
{
    const struct import_name *name = &r->context->names[index];
    if (!may_import(r, name))
        return false;
    uint32_t *cached = distance ? &r->imports[index] : &r->imports_direct[index];
    if (*cached == DRAFT_NONE)
        *cached = draft_import(r->draft, distance ? name->name : name->direct);
    if (*cached == DRAFT_NONE) {
        r->out_of_memory = true;
        return false;
    }
    *ret = (struct target){.draft = {DRAFT_TARGET_IMPORT, *cached, (int64_t)distance},
                           .section = DRAFT_NONE,
                           .from = distance ? LKMFS_FROM_INFERRED : LKMFS_FROM_RESTORED};
    return true;
}

static bool find_import(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    (void)want;
    size_t index = context_name(r->context, address);
    return index != SIZE_MAX && r->context->names[index].address == address && import_by_index(r, index, 0, ret);
}

/*
 * Nobody points past strings but at an empty one, whose NUL its size was inferred without. Where the next section
 * begins at once there is no room for it.
 */
static void note_last_string(struct restore *r, size_t span)
{
    const struct draft_section *section = section_at(r, r->spans[span].section);
    bool is_bound = span + 1 < r->span_count && r->spans[span + 1].start <= r->spans[span].end;
    if (section->flags & SHF_STRINGS && section->size > 1 && section->size_from == LKMFS_FROM_INFERRED && !is_bound)
        r->last_empty[r->spans[span].section] = true;
}

static bool find_own_end(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    if (want & TARGET_EXACT)
        return false;
    for (size_t i = 0; i < r->span_count; i++) {
        if (r->spans[i].end == address) {
            note_last_string(r, i);
            *ret = in_section(r, r->spans[i].section, address);
            return true;
        }
    }
    return false;
}

/* Beyond the last array before a gap. */
static bool find_beyond(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    return want & TARGET_VALUE && r->span_count && address >= r->spans[0].start &&
           find_neighbour(r, address, DRAFT_NONE, ret);
}

/* A member of an exported struct: nothing else that has a name may lie between. */
static bool find_near_import(struct restore *r, uint64_t address, unsigned want, struct target *ret)
{
    struct lkmfs_symbol symbol;
    if (want & TARGET_EXACT || !is_kernel_map(address))
        return false;
    size_t index = context_name(r->context, address);
    if (index == SIZE_MAX || address - r->context->names[index].address >= NEAR_EXPORT)
        return false;
    uint64_t start = r->context->names[index].address;
    if (!r->context->view.symbol(r->context->view.handle, address, &symbol))
        return false;
    /* What begins there has no export, so no module can mean it: the end of what has. */
    if (symbol.address == address && want & TARGET_VALUE &&
        !r->context->view.symbol(r->context->view.handle, address - 1, &symbol))
        return false;
    if (symbol.address != start)
        return false;
    return import_by_index(r, index, address - start, ret);
}

static find_fn *const code_order[] = {find_own,     find_own_percpu, find_import,     find_init,
                                      find_own_end, find_beyond,     find_near_import};
static find_fn *const table_order[] = {find_own,     find_init,   find_own_percpu, find_import,
                                       find_own_end, find_beyond, find_near_import};

bool target_find(struct restore *r, uint64_t address, int64_t bias, unsigned want, struct target *ret)
{
    find_fn *const *order = want & TARGET_TABLE ? table_order : code_order;
    for (size_t i = 0; i < sizeof(code_order) / sizeof(*code_order); i++) {
        if (order[i](r, address, want, ret)) {
            ret->draft.addend += bias;
            return true;
        }
    }
    return false;
}

bool target_import(struct restore *r, uint64_t address, int64_t bias, struct target *ret)
{
    if (!find_import(r, address, 0, ret))
        return false;
    ret->draft.addend += bias;
    return true;
}

bool target_percpu(struct restore *r, uint64_t address, int64_t bias, struct target *ret)
{
    size_t index = context_name(r->context, address);
    if (index == SIZE_MAX || address >= r->context->percpu_end)
        return false;
    uint64_t distance = address - r->context->names[index].address;
    if (distance >= NEAR_PERCPU || !import_by_index(r, index, distance, ret))
        return false;
    ret->draft.addend += bias;
    return true;
}

bool target_before(struct restore *r, uint64_t address, struct target *ret)
{
    size_t i = place_from(r->places, r->place_count, address);
    if (i == r->place_count || r->places[i].address == address || r->places[i].address - address >= UNDERSHOOT)
        return false;
    const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
    if (is_code(section_at(r, symbol->section)) || strncmp(section_at(r, symbol->section)->name, ".init", 5) == 0)
        return false;
    *ret = in_section(r, symbol->section, r->places[i].address);
    name_global(r, r->places[i].address, ret);
    ret->draft.addend -= (int64_t)(r->places[i].address - address);
    ret->from = LKMFS_FROM_INFERRED;
    return true;
}

void relocate(struct restore *r, uint32_t section, uint64_t offset, uint32_t type, const struct target *target)
{
    size_t size = type == R_X86_64_64 || type == R_X86_64_PC64 ? 8 : 4;
    memset(section_at(r, section)->data + offset, 0, size);
    draft_add_relocation(r->draft, section, offset, type, target->draft, target->from);
}
