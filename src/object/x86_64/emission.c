#include "object/x86_64/emission.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/x86_64/kin.h"
#include "object/x86_64/listing.h"
#include "object/x86_64/objects.h"

/* A rank is the number of the function of .text that comes next, then the order among what comes before that one. */
#define NEXT_SHIFT 24
#define LAST       ((1u << NEXT_SHIFT) - 1)

#define NEAR_MAX     64 /* symbols below an address among which its function is looked for */
#define ENTRY_WITHIN 16 /* bytes from a function's start to where it calls the tracer */

/* Where a function calls the tracer. */
struct call {
    uint64_t address, rank;
};

/* The function `name` of .text. */
struct function {
    const char *name;
    uint64_t offset;
};

struct emission {
    struct restore *r;
    uint32_t text;
    uint64_t count;             /* of functions in .text */
    uint64_t *next;             /* by symbol: number of the first of .text among the local ones from there on */
    struct function *functions; /* by name */
    size_t function_count;
    struct call *calls; /* by address: of all functions where their order is known, else of freed ones */
    size_t call_count;
    bool are_ranked;
    struct target init, exit; /* of the module; `section` is DRAFT_NONE where it has none */
};

static bool is_text(const struct emission *emission, uint32_t index, uint64_t offset)
{
    return index == emission->text && is_same_part(emission->r, index, offset, 0);
}

static uint64_t number_of(const struct emission *emission, uint64_t offset)
{
    return units_end(emission->r->units, emission->text, offset).place;
}

static uint64_t rank_before(uint64_t next, uint64_t order)
{
    return next << NEXT_SHIFT | min_u64(order, LAST);
}

/* ---- the compiler's own table, or what is left of it ---- */

static int by_address(const void *a, const void *b)
{
    const struct call *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* What is not of .text comes before the next of the table that is. */
static void rank_calls(struct emission *emission)
{
    const struct draft_section *text = section_at(emission->r, emission->text);
    uint64_t next = emission->count;
    for (size_t i = emission->call_count; i-- > 0;) {
        struct call *call = &emission->calls[i];
        uint64_t offset = call->address - text->address;
        if (offset < text->size)
            next = number_of(emission, offset);
        call->rank = rank_before(next, i);
    }
}

bool emission_is_by_section(const struct restore *r)
{
    uint32_t index;
    const struct draft_section *code = section_named(r, ".text", &index);
    const struct draft_section *table = section_named(r, "__patchable_function_entries", &index);
    struct listing listing = {0};
    if (!r->context->shapes.entries_by_section || !code || !table)
        return false;
    for (size_t i = 0; i < table->size / 8; i++)
        if (!listing_add(&listing, le64(table->data + i * 8), code->address, code->address + code->size))
            break;
    return listing.runs == 1 && context_is_joined(r->context, r->draft->module);
}

/* Kernels that merge .text.unlikely do the same to the sections of the compiler's table: no order is left there. */
static bool read_calls(struct emission *emission)
{
    struct restore *r = emission->r;
    uint32_t index;
    const struct draft_section *table = section_named(r, "__patchable_function_entries", &index);
    emission->are_ranked = table && !r->context->shapes.text_merged && !r->entries_by_section;
    if (!emission->are_ranked)
        table = section_named(r, "__mcount_loc", &index);
    size_t count = table ? table->size / 8 : 0;
    emission->calls = calloc(count + 1, sizeof(*emission->calls));
    if (!emission->calls)
        return false;
    for (size_t i = 0; i < count; i++) {
        uint64_t address = le64(table->data + i * 8);
        if (emission->are_ranked || freed_around(r, address))
            emission->calls[emission->call_count++].address = address;
    }
    if (emission->are_ranked)
        rank_calls(emission);
    if (emission->call_count > 0)
        qsort(emission->calls, emission->call_count, sizeof(*emission->calls), by_address);
    return true;
}

/* The call of the function around `address`, NULL if it has none. */
static const struct call *call_of(const struct emission *emission, uint64_t address)
{
    size_t low = 0, high = emission->call_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (emission->calls[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &emission->calls[low - 1] : NULL;
}

/* ---- symbols ---- */

static int by_name(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool read_symbols(struct emission *emission)
{
    const struct draft *draft = emission->r->draft;
    uint64_t next = emission->count;
    emission->next = calloc(draft->symbol_count + 1, sizeof(*emission->next));
    emission->functions = calloc(draft->symbol_count + 1, sizeof(*emission->functions));
    if (!emission->next || !emission->functions)
        return false;
    for (size_t i = draft->symbol_count; i-- > 0;) {
        const struct draft_symbol *symbol = &draft->symbols[i];
        if (ELF64_ST_TYPE(symbol->info) == STT_FUNC && is_text(emission, symbol->section, symbol->value)) {
            emission->functions[emission->function_count++] = (struct function){symbol->name, symbol->value};
            if (ELF64_ST_BIND(symbol->info) == STB_LOCAL && !has_prefix(symbol->name, "__pfx_"))
                next = min_u64(next, number_of(emission, symbol->value));
        }
        emission->next[i] = next;
    }
    if (emission->function_count > 0)
        qsort(emission->functions, emission->function_count, sizeof(*emission->functions), by_name);
    return true;
}

/* Symbol of the function around `offset`, a local one where there are several; DRAFT_NONE if there is none. */
static uint32_t symbol_of(const struct restore *r, uint32_t index, uint64_t offset)
{
    uint32_t ret = DRAFT_NONE;
    uint64_t address = section_at(r, index)->address + offset, start = 0;
    size_t i = place_from(r->places, r->place_count, address + 1);
    for (int near = 0; near < NEAR_MAX && i-- > 0; near++) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        if (symbol->section != index || (ret != DRAFT_NONE && r->places[i].address != start))
            break;
        if (ELF64_ST_TYPE(symbol->info) != STT_FUNC || has_prefix(symbol->name, "__pfx_"))
            continue;
        if (ret == DRAFT_NONE || ELF64_ST_BIND(symbol->info) == STB_LOCAL)
            ret = r->places[i].symbol;
        start = r->places[i].address;
    }
    return ret;
}

/* The function of .text that the one called `name` was split off from, NULL if from none. */
static const struct function *parent_of(const struct emission *emission, const char *name)
{
    const char *suffix = strstr(name, ".cold");
    size_t length = suffix ? (size_t)(suffix - name) : 0, low = 0, high = emission->function_count;
    if (length == 0)
        return NULL;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(emission->functions[middle].name, name, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < emission->function_count && strncmp(emission->functions[low].name, name, length) == 0 &&
                 emission->functions[low].name[length] == '\0';
    return found ? &emission->functions[low] : NULL;
}

/* ---- all together ---- */

struct emission *emission_new(struct restore *r)
{
    uint32_t text;
    size_t count;
    if (!r->units || !section_named(r, ".text", &text))
        return NULL;
    units_functions(r->units, text, &count);
    struct emission *emission = calloc(1, sizeof(*emission));
    if (emission) {
        *emission = (struct emission){
            .r = r, .text = text, .count = units_are_named(r->units, text) ? count : section_at(r, text)->size};
        if (!kin_hook(r, false, &emission->init))
            emission->init.section = DRAFT_NONE;
        if (!kin_hook(r, true, &emission->exit))
            emission->exit.section = DRAFT_NONE;
    }
    if (!emission || !read_calls(emission) || !read_symbols(emission)) {
        emission_free(emission);
        r->out_of_memory = true;
        return NULL;
    }
    return emission;
}

void emission_free(struct emission *emission)
{
    if (!emission)
        return;
    free(emission->next);
    free(emission->functions);
    free(emission->calls);
    free(emission);
}

static uint64_t rank_by_symbol(const struct emission *emission, uint32_t index, uint64_t offset, bool is_before)
{
    const struct restore *r = emission->r;
    uint32_t symbol = symbol_of(r, index, offset);
    uint64_t end = r->objects ? objects_rank(r->objects, index, offset) >> 32 : emission->count;
    if (symbol == DRAFT_NONE || ELF64_ST_BIND(r->draft->symbols[symbol].info) != STB_LOCAL ||
        (emission->next[symbol] > end && r->context->shapes.objtool_per_object))
        return rank_before(end, LAST);
    return rank_before(emission->next[symbol], UINT64_C(2) * symbol + !is_before);
}

uint64_t emission_rank(const struct emission *emission, uint32_t index, uint64_t offset)
{
    const struct restore *r = emission->r;
    uint64_t address = section_at(r, index)->address + offset;
    uint32_t symbol = is_text(emission, index, offset) ? DRAFT_NONE : symbol_of(r, index, offset);
    const struct function *parent = symbol == DRAFT_NONE ? NULL : parent_of(emission, r->draft->symbols[symbol].name);
    if (parent)
        return rank_before(number_of(emission, parent->offset) + 1, 0);
    if (is_text(emission, index, offset))
        return rank_before(number_of(emission, offset) + 1, 0);
    const struct call *call = call_of(emission, address);
    if (emission->are_ranked && call)
        return call->rank;
    bool is_init =
        index == emission->init.section && emission->exit.section != DRAFT_NONE &&
        (call ? call->address : address) - (section_at(r, index)->address + emission->init.offset) < ENTRY_WITHIN;
    if (!is_init)
        return rank_by_symbol(emission, index, offset, false);
    if (is_text(emission, emission->exit.section, emission->exit.offset))
        return rank_before(number_of(emission, emission->exit.offset), LAST);
    return rank_by_symbol(emission, emission->exit.section, emission->exit.offset, true);
}
