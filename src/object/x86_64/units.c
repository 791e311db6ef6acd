/*
 * units.c - which code came from one object file.
 *
 * The linker concatenates objects: in every section, and among the local symbols, what came from one object lies
 * together, in one order everywhere. So each section's functions and the local symbols are a line of places, and
 * whatever proves two places of a line to be of one object binds all between them. Proofs: a branch that the assembler
 * resolved; a reference to a local symbol; local symbols whose order contradicts that of their addresses.
 */
#include "object/x86_64/code.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "object/x86_64/line.h"

#define ROUNDS_MAX    16
#define LIKELY_WITHIN 2048 /* a jump this short that nothing is known of is taken for one inside an object */

/* A local symbol (place on the symbols' line) belongs to the same object as a function (place on a part's line). */
struct link {
    uint32_t symbol, part, function;
    uint32_t last_symbol; /* empty objects may share its address: certain once all up to this one are bound */
};

struct candidate {
    uint32_t section;
    uint64_t offset;
    unsigned field;
    uint8_t opcode;
    struct target target;
};

struct units {
    struct restore *r;
    struct line symbols;
    uint32_t *symbol_place; /* by symbol: place on the line, DRAFT_NONE if it is not on it */
    struct line *parts;     /* by part: functions in the order of their addresses */
    uint64_t **starts;      /* by part: offsets of the functions, the first that of the part */
    uint32_t part_count;    /* parts are the sections, and last what is cold of a section */
    struct link *links;
    size_t link_count, link_capacity;
    struct candidate *candidates;
    size_t candidate_count, candidate_capacity;
    uint32_t last_part, last_function; /* of the last code asked for */
};

/* ---- building the lines ---- */

static bool is_on_line(const struct units *units, const struct draft_symbol *symbol)
{
    return ELF64_ST_BIND(symbol->info) == STB_LOCAL && symbol->section < units->r->draft->section_count &&
           symbol->section != units->r->percpu_section && !has_prefix(symbol->name, "__pfx_") &&
           !has_prefix(symbol->name, "__ksymtab") && !has_prefix(symbol->name, "__kstrtab");
}

static bool line_up_symbols(struct units *units)
{
    const struct draft *draft = units->r->draft;
    uint32_t count = 0;
    units->symbol_place = malloc((draft->symbol_count + 1) * sizeof(*units->symbol_place));
    if (!units->symbol_place)
        return false;
    for (size_t i = 0; i < draft->symbol_count; i++)
        units->symbol_place[i] = is_on_line(units, &draft->symbols[i]) ? count++ : DRAFT_NONE;
    return line_init(&units->symbols, count);
}

static uint32_t part_of(const struct units *units, uint32_t index, uint64_t offset)
{
    const struct restore *r = units->r;
    return index == r->cold_section && offset >= r->cold_start ? units->part_count - 1 : index;
}

/* Lines up the functions of section `index` between two offsets. */
static bool line_up_part(struct units *units, uint32_t part, uint32_t index, uint64_t start, uint64_t stop)
{
    const struct restore *r = units->r;
    uint64_t address = section_at(r, index)->address;
    size_t first = place_from(r->places, r->place_count, address + start), count = 1;
    size_t end = place_from(r->places, r->place_count, address + stop);
    uint64_t *starts = calloc(end - first + 1, sizeof(*starts));
    units->starts[part] = starts;
    if (!starts)
        return false;
    starts[0] = start;
    for (size_t i = first; i < end; i++) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        if (symbol->section == index && ELF64_ST_TYPE(symbol->info) == STT_FUNC && symbol->value > starts[count - 1])
            starts[count++] = symbol->value;
    }
    return line_init(&units->parts[part], count);
}

static bool line_up(struct units *units)
{
    const struct restore *r = units->r;
    units->part_count = (uint32_t)r->draft->section_count + 1;
    units->parts = calloc(units->part_count, sizeof(*units->parts));
    units->starts = calloc(units->part_count, sizeof(*units->starts));
    if (!units->parts || !units->starts || !line_up_symbols(units))
        return false;
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        uint64_t size = section_at(r, i)->size, hot = i == r->cold_section ? r->cold_start : size;
        if (!is_code(section_at(r, i)))
            continue;
        if (!line_up_part(units, i, i, 0, hot) ||
            (hot < size && !line_up_part(units, units->part_count - 1, i, hot, size)))
            return false;
    }
    return true;
}

/* Place of the function around `offset` on the line of its part. */
static uint32_t function_at(struct units *units, uint32_t part, uint64_t offset)
{
    const uint64_t *starts = units->starts[part];
    size_t count = units->parts[part].count, low = units->last_function, high = count;
    if (units->last_part == part && starts[low] <= offset && (low + 1 == count || offset < starts[low + 1]))
        return units->last_function;
    for (low = 1; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (starts[middle] <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint32_t)(low - 1);
}

static void add_link(struct units *units, uint32_t symbol, uint32_t last_symbol, uint32_t part, uint32_t function)
{
    if (!ARRAY_RESERVE(&units->links, &units->link_capacity, units->link_count)) {
        units->r->out_of_memory = true;
        return;
    }
    units->links[units->link_count++] = (struct link){symbol, part, function, last_symbol};
}

/* Local functions lie on both lines. */
static void link_functions(struct units *units)
{
    const struct draft *draft = units->r->draft;
    for (uint32_t i = 0; i < draft->symbol_count; i++) {
        const struct draft_symbol *symbol = &draft->symbols[i];
        if (units->symbol_place[i] == DRAFT_NONE || symbol->value >= section_at(units->r, symbol->section)->size)
            continue;
        uint32_t part = part_of(units, symbol->section, symbol->value);
        if (units->starts[part])
            add_link(units, units->symbol_place[i], units->symbol_place[i], part,
                     function_at(units, part, symbol->value));
    }
}

/* Kernels that merge .text.unlikely do the same to .rodata.*, .data.* and .bss.*: no order of objects is left there. */
static bool is_ordered(const struct units *units, uint32_t part)
{
    static const char *const merged[] = {".rodata", ".data", ".bss"};
    if (!units->r->context->shapes.text_merged || part + 1 == units->part_count)
        return true;
    for (size_t i = 0; i < sizeof(merged) / sizeof(*merged); i++)
        if (strcmp(section_at(units->r, part)->name, merged[i]) == 0)
            return false;
    return true;
}

/* Symbols of one section that stand in another order than their addresses are of one object, with all between them. */
static void bind_disordered(struct units *units)
{
    const struct draft *draft = units->r->draft;
    size_t count = units->symbols.count;
    uint64_t *highest = calloc(count + 1, sizeof(*highest)); /* of the section's symbols so far */
    uint32_t *place = calloc(count + 1, sizeof(*place));
    for (uint32_t part = 0; highest && place && part < units->part_count; part++) {
        size_t seen = 0;
        for (size_t i = 0; is_ordered(units, part) && i < draft->symbol_count; i++) {
            uint64_t value = draft->symbols[i].value;
            if (units->symbol_place[i] == DRAFT_NONE || part_of(units, draft->symbols[i].section, value) != part)
                continue;
            size_t low = 0, high = seen; /* the first symbol that is not wholly below this one */
            while (low < high) {
                size_t middle = low + (high - low) / 2;
                if (highest[middle] > value)
                    high = middle;
                else
                    low = middle + 1;
            }
            place[seen] = units->symbol_place[i];
            if (low < seen)
                line_bind(&units->symbols, place[low], place[seen]);
            /* Objects may begin where an empty one of the object file before ended. */
            uint64_t end = value + (draft->symbols[i].size > 0);
            highest[seen] = seen && highest[seen - 1] > end ? highest[seen - 1] : end;
            seen++;
        }
    }
    units->r->out_of_memory |= !highest || !place;
    free(highest);
    free(place);
}

struct units *units_new(struct restore *r)
{
    struct units *units = calloc(1, sizeof(*units));
    if (!units)
        return NULL;
    units->r = r;
    units->last_part = DRAFT_NONE;
    if (!line_up(units)) {
        units_free(units);
        return NULL;
    }
    link_functions(units);
    bind_disordered(units);
    return units;
}

void units_free(struct units *units)
{
    if (!units)
        return;
    for (size_t i = 0; i < units->part_count; i++) {
        if (units->parts)
            line_free(&units->parts[i]);
        if (units->starts)
            free(units->starts[i]);
    }
    line_free(&units->symbols);
    free(units->symbol_place);
    free(units->parts);
    free(units->starts);
    free(units->links);
    free(units->candidates);
    free(units);
}

/* ---- proofs from code ---- */

static uint32_t function_here(struct units *units, uint32_t part, uint64_t offset)
{
    units->last_function = function_at(units, part, offset);
    units->last_part = part;
    return units->last_function;
}

void units_branch(struct units *units, uint32_t index, uint64_t offset, uint64_t to)
{
    uint32_t part = part_of(units, index, offset), from = function_here(units, part, offset);
    line_bind(&units->parts[part], from, function_at(units, part, to));
}

void units_reference(struct units *units, uint32_t index, uint64_t offset, uint64_t address)
{
    const struct restore *r = units->r;
    uint32_t first = DRAFT_NONE, last = 0;
    bool has_object = false;
    for (size_t i = place_from(r->places, r->place_count, address);
         i < r->place_count && r->places[i].address == address; i++) {
        uint32_t symbol = r->places[i].symbol, place = units->symbol_place[symbol];
        if (ELF64_ST_BIND(r->draft->symbols[symbol].info) != STB_LOCAL || place == DRAFT_NONE)
            return; /* the reference may be to the global */
        has_object |= r->places[i].size > 0;
        first = place < first ? place : first;
        last = place > last ? place : last;
    }
    uint32_t part = part_of(units, index, offset);
    if (has_object)
        add_link(units, first, last, part, function_here(units, part, offset));
}

void units_candidate(struct units *units, uint32_t index, uint64_t offset, unsigned field, uint8_t opcode,
                     const struct target *target)
{
    if (!ARRAY_RESERVE(&units->candidates, &units->candidate_capacity, units->candidate_count)) {
        units->r->out_of_memory = true;
        return;
    }
    units->candidates[units->candidate_count++] = (struct candidate){index, offset, field, opcode, *target};
}

/* ---- deciding ---- */

/* First and last place on another line that the members of one group are linked to. */
struct extent {
    uint32_t first, last;
};

static void extend(struct extent *extent, uint32_t place)
{
    if (extent->first == DRAFT_NONE || place < extent->first)
        extent->first = place;
    if (extent->last == DRAFT_NONE || place > extent->last)
        extent->last = place;
}

/* Carries what is known of line `from` over to line `to` by the links of a part. */
static void carry(struct units *units, uint32_t part, bool to_symbols)
{
    struct line *code = &units->parts[part], *symbols = &units->symbols;
    struct line *from = to_symbols ? code : symbols, *to = to_symbols ? symbols : code;
    struct extent *extents = malloc((from->groups + 1) * sizeof(*extents));
    if (!extents) {
        units->r->out_of_memory = true;
        return;
    }
    memset(extents, 0xff, (from->groups + 1) * sizeof(*extents));
    for (size_t i = 0; i < units->link_count; i++) {
        const struct link *link = &units->links[i];
        bool is_certain = symbols->group[link->symbol] == symbols->group[link->last_symbol];
        if (link->part == part && is_certain)
            extend(&extents[from->group[to_symbols ? link->function : link->symbol]],
                   to_symbols ? link->symbol : link->function);
    }
    for (uint32_t i = 0; i < from->groups; i++)
        if (extents[i].first != DRAFT_NONE)
            line_bind(to, extents[i].first, extents[i].last);
    free(extents);
}

static void settle(struct units *units)
{
    bool changed = line_group(&units->symbols);
    for (uint32_t i = 0; i < units->part_count; i++)
        if (units->starts[i])
            line_group(&units->parts[i]);
    for (int round = 0; round < ROUNDS_MAX && (round == 0 || changed); round++) {
        changed = false;
        for (uint32_t i = 0; i < units->part_count; i++) {
            if (!units->starts[i] || units->r->out_of_memory)
                continue;
            carry(units, i, false);
            changed |= line_group(&units->parts[i]);
            carry(units, i, true);
            changed |= line_group(&units->symbols);
        }
    }
}

/* What is not local there is called by the exit function, which is of another object as a rule. */
static bool is_exit(const char *section)
{
    return strcmp(section, ".exit.text") == 0;
}

static void decide(struct units *units, const struct candidate *candidate)
{
    struct restore *r = units->r;
    uint64_t from = candidate->offset, to = candidate->target.offset;
    uint32_t part = part_of(units, candidate->section, from);
    const uint32_t *group = units->parts[part].group;
    if (candidate->opcode != 0xe9)
        return; /* no compiler jumps conditionally to another object */
    if (group[function_at(units, part, from)] == group[function_at(units, part, to)])
        return;
    if ((from < to ? to - from : from - to) < LIKELY_WITHIN && !is_exit(section_at(r, candidate->section)->name))
        return;
    struct target target = candidate->target;
    target.from = LKMFS_FROM_INFERRED;
    relocate(r, candidate->section, from + candidate->field, R_X86_64_PLT32, &target);
}

void units_decide(struct units *units)
{
    if (units->candidate_count == 0)
        return;
    settle(units);
    for (size_t i = 0; i < units->candidate_count && !units->r->out_of_memory; i++)
        decide(units, &units->candidates[i]);
}
