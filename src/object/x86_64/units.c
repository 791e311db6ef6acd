/*
 * units.c - which code came from one object file.
 *
 * The linker concatenates objects: in every section, and among the local symbols, what came from one object lies
 * together, in one order everywhere. So each section's functions and the local symbols are a line of places, and
 * whatever proves two places of a line to be of one object binds all between them. Proofs: a branch that the assembler
 * resolved; a reference to a local symbol; local symbols whose order contradicts that of their addresses.
 */
#include "object/x86_64/units.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/overflow.h"
#include "object/x86_64/line.h"
#include "object/x86_64/references.h"

#define ROUNDS_MAX 16

/* A local symbol (place on the symbols' line) belongs to the same object as a function (place on a part's line). */
struct link {
    uint32_t symbol, part, function;
    uint32_t last_symbol; /* empty objects may share its address: certain once all up to this one are bound */
};

struct units {
    struct restore *r;
    struct line symbols;
    uint32_t *symbol_place; /* by symbol: place on the line, DRAFT_NONE if it is not on it */
    struct line *parts;     /* by part: functions in the order of their addresses */
    uint64_t **starts;      /* by part: offsets of the functions, the first that of the part */
    bool **begins;          /* by part: an object is known to begin with the function */
    uint32_t **ordinals;    /* by part: how many such beginnings there are up to the function */
    bool **called;          /* by part: a branch that the assembler resolved leads to the function */
    bool *are_named;        /* by part: its functions have symbols */
    uint32_t part_count;    /* parts are the sections, and last what is cold of a section */
    struct link *links;
    size_t link_count, link_capacity;
    uint32_t last_part, last_function; /* of the last code asked for */
    struct references references;      /* to be linked once all are in */
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
    units->begins[part] = calloc(end - first + 2, sizeof(bool));
    units->ordinals[part] = calloc(end - first + 2, sizeof(uint32_t));
    units->called[part] = calloc(end - first + 2, sizeof(bool));
    if (!starts || !units->begins[part] || !units->ordinals[part] || !units->called[part])
        return false;
    starts[0] = start;
    for (size_t i = first; i < end; i++) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        if (symbol->section != index || ELF64_ST_TYPE(symbol->info) != STT_FUNC)
            continue;
        units->are_named[part] = true;
        if (symbol->value > starts[count - 1])
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
    units->begins = calloc(units->part_count, sizeof(*units->begins));
    units->ordinals = calloc(units->part_count, sizeof(*units->ordinals));
    units->called = calloc(units->part_count, sizeof(*units->called));
    units->are_named = calloc(units->part_count, sizeof(*units->are_named));
    if (!units->parts || !units->starts || !units->begins || !units->ordinals || !units->called || !units->are_named ||
        !line_up_symbols(units))
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
bool units_is_ordered(const struct units *units, uint32_t part)
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
        for (size_t i = 0; units_is_ordered(units, part) && i < draft->symbol_count; i++) {
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
        if (units->begins)
            free(units->begins[i]);
        if (units->ordinals)
            free(units->ordinals[i]);
        if (units->called)
            free(units->called[i]);
    }
    line_free(&units->symbols);
    free(units->symbol_place);
    free(units->parts);
    free(units->starts);
    free(units->begins);
    free(units->ordinals);
    free(units->called);
    free(units->are_named);
    free(units->links);
    references_free(&units->references);
    free(units);
}

/* ---- proofs from code ---- */

static uint32_t function_here(struct units *units, uint32_t part, uint64_t offset)
{
    units->last_function = function_at(units, part, offset);
    units->last_part = part;
    return units->last_function;
}

void units_join(struct units *units, uint32_t index, uint64_t offset, uint64_t to)
{
    uint32_t part = part_of(units, index, offset), from = function_here(units, part, offset);
    line_bind(&units->parts[part], from, function_at(units, part, to));
}

void units_branch(struct units *units, uint32_t index, uint64_t offset, uint64_t to)
{
    uint32_t part = part_of(units, index, offset);
    uint32_t from = function_here(units, part, offset), function = function_at(units, part, to);
    if (from == function)
        return;
    line_bind(&units->parts[part], from, function);
    units->called[part][function] |= units->starts[part][function] == to;
}

void units_reference(struct units *units, uint32_t index, uint64_t offset, uint64_t address)
{
    const struct restore *r = units->r;
    uint32_t first = DRAFT_NONE, last = 0;
    uint64_t end = address;
    bool is_local = true; /* the reference may be to a global too */
    for (size_t i = place_from(r->places, r->place_count, address);
         i < r->place_count && r->places[i].address == address; i++) {
        uint32_t symbol = r->places[i].symbol, place = units->symbol_place[symbol];
        is_local &= ELF64_ST_BIND(r->draft->symbols[symbol].info) == STB_LOCAL && place != DRAFT_NONE;
        end = max_u64(end, address + r->places[i].size);
        first = place < first ? place : first;
        last = place > last ? place : last;
    }
    uint32_t part = part_of(units, index, offset);
    struct reference reference = {part, function_here(units, part, offset), first, last, is_local, address, end};
    if (end > address && !references_add(&units->references, &reference))
        units->r->out_of_memory = true;
}

void units_address(struct units *units, uint32_t index, uint64_t offset, uint64_t address)
{
    const struct restore *r = units->r;
    size_t i = place_from(r->places, r->place_count, address);
    bool is_start = i < r->place_count && r->places[i].address == address;
    uint32_t part = part_of(units, index, offset);
    if (is_start || i == 0 || address - r->places[i - 1].address >= r->places[i - 1].size)
        return;
    /* A loop over one member of an array's structs ends at that member of what would follow. */
    struct reference reference = {part,    function_here(units, part, offset), DRAFT_NONE, 0, false,
                                  address, address + r->places[i - 1].size};
    if (!references_add(&units->references, &reference))
        units->r->out_of_memory = true;
}

void units_begin(struct units *units, uint32_t index, uint64_t offset)
{
    uint32_t part = part_of(units, index, offset), function;
    if (!units->starts[part])
        return;
    function = function_at(units, part, offset);
    if (units->starts[part][function] == offset)
        units->begins[part][function] = true;
}

/* ---- settling ---- */

static bool is_certain(const struct units *units, const struct link *link)
{
    return units->symbols.group[link->symbol] == units->symbols.group[link->last_symbol];
}

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
        if (link->part == part && is_certain(units, link))
            extend(&extents[from->group[to_symbols ? link->function : link->symbol]],
                   to_symbols ? link->symbol : link->function);
    }
    for (uint32_t i = 0; i < from->groups; i++)
        if (extents[i].first != DRAFT_NONE)
            line_bind(to, extents[i].first, extents[i].last);
    free(extents);
}

/* Code and the local objects that it refers to are of one object file. */
static void link_references(struct units *units)
{
    references_drop_ends(&units->references);
    for (size_t i = 0; i < units->references.count; i++) {
        const struct reference *reference = &units->references.items[i];
        add_link(units, reference->first, reference->last, reference->part, reference->function);
    }
    references_free(&units->references);
}

static void count_beginnings(struct units *units, uint32_t part)
{
    const uint32_t *group = units->parts[part].group;
    for (size_t i = 1; i < units->parts[part].count; i++)
        units->ordinals[part][i] = units->ordinals[part][i - 1] + (units->begins[part][i] && group[i] != group[i - 1]);
}

void units_settle(struct units *units)
{
    link_references(units);
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
    for (uint32_t i = 0; i < units->part_count; i++)
        if (units->starts[i])
            count_beginnings(units, i);
}

/* ---- what is known in the end ---- */

enum kinship units_compare(struct units *units, uint32_t index, uint64_t a, uint64_t b)
{
    uint32_t part = part_of(units, index, a);
    uint32_t x = function_at(units, part, a), y = function_at(units, part, b);
    if (units->parts[part].group[x] == units->parts[part].group[y])
        return KIN_SAME;
    return units->ordinals[part][x] == units->ordinals[part][y] ? KIN_UNKNOWN : KIN_OTHER;
}

const uint64_t *units_functions(const struct units *units, uint32_t index, size_t *count)
{
    *count = units->starts[index] ? units->parts[index].count : 0;
    return units->starts[index];
}

bool units_are_named(const struct units *units, uint32_t index)
{
    return units->are_named[index];
}

bool units_begins(const struct units *units, uint32_t index, uint32_t function)
{
    return units->begins[index][function];
}

bool units_is_called(const struct units *units, uint32_t index, uint32_t function)
{
    return units->called[index][function];
}

struct tie_end units_end(struct units *units, uint32_t index, uint64_t offset)
{
    uint32_t part = part_of(units, index, offset);
    return (struct tie_end){part, units->are_named[part] ? function_at(units, part, offset) : offset};
}

bool units_symbol(const struct units *units, uint32_t symbol, struct tie_end *ret)
{
    *ret = (struct tie_end){units->part_count, units->symbol_place[symbol]};
    return units->symbol_place[symbol] != DRAFT_NONE;
}

/* What is of one group is of one object. */
static bool tell_groups(const struct line *line, uint32_t number, struct ties *ties)
{
    size_t start = 0;
    for (size_t i = 1; i <= line->count; i++) {
        if (i < line->count && line->group[i] == line->group[start])
            continue;
        if (i > start + 1 && !ties_add(ties, (struct tie_end){number, start}, (struct tie_end){number, i - 1}))
            return false;
        start = i;
    }
    return true;
}

/* Local data lies in its section as its symbol does among the symbols. */
static bool tell_data(const struct units *units, struct ties *ties)
{
    const struct draft *draft = units->r->draft;
    for (size_t i = 0; i < draft->symbol_count; i++) {
        const struct draft_symbol *symbol = &draft->symbols[i];
        if (units->symbol_place[i] == DRAFT_NONE || symbol->size == 0 || units->starts[symbol->section] ||
            !units_is_ordered(units, symbol->section))
            continue;
        if (!ties_add(ties, (struct tie_end){units->part_count, units->symbol_place[i]},
                      (struct tie_end){symbol->section, symbol->value}))
            return false;
    }
    return true;
}

bool units_tell(const struct units *units, struct ties *ties)
{
    bool ok = tell_groups(&units->symbols, units->part_count, ties) && tell_data(units, ties);
    for (uint32_t i = 0; i < units->part_count && ok; i++)
        ok = !units->starts[i] || tell_groups(&units->parts[i], i, ties);
    for (size_t i = 0; i < units->link_count && ok; i++) {
        const struct link *link = &units->links[i];
        if (is_certain(units, link))
            ok = ties_add(ties, (struct tie_end){units->part_count, link->symbol},
                          (struct tie_end){link->part, link->function});
    }
    return ok;
}
