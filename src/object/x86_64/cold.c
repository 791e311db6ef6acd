/*
 * cold.c - kernels that merge .text.unlikely into .text when they link a module [7.x]: branches between the two were
 * left to the linker, as between any two sections, so their seam must be found again.
 */
#include <string.h>

#include "object/x86_64/restore.h"

/* Measured over 391 modules of 7.2: 5 have such functions, none is taken for one wrongly. */
#define COLD_LEAST 16
#define COLD_RATIO 8

static bool is_function(const struct restore *r, const struct place *place, uint32_t index)
{
    const struct draft_symbol *symbol = &r->draft->symbols[place->symbol];
    return symbol->section == index && ELF64_ST_TYPE(symbol->info) == STT_FUNC && symbol->size &&
           !has_prefix(symbol->name, "__pfx_");
}

static bool is_local_function(const struct restore *r, const struct place *place, uint32_t index)
{
    return is_function(r, place, index) && ELF64_ST_BIND(r->draft->symbols[place->symbol].info) == STB_LOCAL;
}

/* The lowest of the parts that the compiler split off functions, foo.cold; place_count if there is none. */
static size_t first_split_function(const struct restore *r, uint32_t index)
{
    for (size_t i = 0; i < r->place_count; i++)
        if (is_function(r, &r->places[i], index) && strstr(r->draft->symbols[r->places[i].symbol].name, ".cold"))
            return i;
    return r->place_count;
}

/*
 * Functions that are cold as a whole lie before it, when objects before its own have them: then they stand among the
 * first of the symbols, although nearly all other functions lie below.
 */
static bool is_cold(const struct restore *r, uint32_t index, size_t function, uint32_t split_symbol)
{
    size_t later = 0, earlier = 0;
    if (r->places[function].symbol > split_symbol)
        return false;
    for (size_t i = 0; i < function; i++) {
        if (!is_local_function(r, &r->places[i], index))
            continue;
        later += r->places[i].symbol > split_symbol;
        earlier += r->places[i].symbol < r->places[function].symbol;
    }
    return later >= COLD_LEAST && later >= earlier * COLD_RATIO;
}

void restore_find_cold(struct restore *r)
{
    uint32_t index;
    const struct draft_section *text = section_named(r, ".text", &index);
    if (!r->context->shapes.text_merged || !text)
        return;
    size_t split = first_split_function(r, index), first = split;
    if (split == r->place_count)
        return;
    for (size_t i = split; i-- > 0;) {
        if (r->places[i].address < text->address)
            break;
        if (!is_function(r, &r->places[i], index))
            continue;
        if (!is_local_function(r, &r->places[i], index) || !is_cold(r, index, i, r->places[split].symbol))
            break;
        first = i;
    }
    r->cold_section = index;
    r->cold_start = r->places[first].address - text->address;
}
