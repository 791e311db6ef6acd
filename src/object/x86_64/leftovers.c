#include "object/x86_64/leftovers.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "base/zeros.h"
#include "object/x86_64/decode.h"
#include "object/x86_64/taken.h"
#include "object/x86_64/units.h"

#define NEAR_MAX     64   /* symbols at or below an address that are looked at */
#define VARIABLE_MAX 4096 /* bytes of one that are looked at */
#define CHUNK        4096 /* bytes of .bss that are read at once */
#define BSS_MAX      (UINT64_C(16) << 20)

/* What is known of each symbol of the draft. */
struct uses {
    struct restore *r;
    bool *is_used;   /* a function that something kept leads to, a variable that something kept may have written */
    bool *is_read;   /* a variable that kept code reads */
    bool *is_stored; /* a function whose address lies in .bss */
};

/* The symbol of a function that begins at `address`, or of a variable around it; DRAFT_NONE if there is none. */
static uint32_t symbol_around(const struct restore *r, uint64_t address)
{
    size_t place = place_from(r->places, r->place_count, address + 1);
    for (int near = 0; near < NEAR_MAX && place > 0 && r->places[place - 1].size == 0; near++)
        place--;
    if (place == 0)
        return DRAFT_NONE;
    const struct place *below = &r->places[place - 1];
    bool is_function = ELF64_ST_TYPE(r->draft->symbols[below->symbol].info) == STT_FUNC;
    bool is_here = is_function ? below->address == address : address - below->address < below->size;
    return is_here ? below->symbol : DRAFT_NONE;
}

/* Whether all that has bytes at the address of a place is that one local symbol. */
static bool is_alone(const struct restore *r, const struct place *place)
{
    size_t count = 0, first = place_from(r->places, r->place_count, place->address), i = first;
    for (; i < r->place_count && i - first < NEAR_MAX && r->places[i].address == place->address; i++)
        count += r->places[i].size > 0;
    return count == 1 && i - first < NEAR_MAX && place->size > 0 &&
           ELF64_ST_BIND(r->draft->symbols[place->symbol].info) == STB_LOCAL;
}

/* ---- code ---- */

/* Decoding goes on from where it was, so that a section is decoded once. */
struct walk {
    uint32_t index;
    uint64_t offset;
};

/* The instruction around `field`; its length is 0 when decoding did not meet it. */
static struct instruction instruction_around(const struct uses *uses, struct walk *walk, uint64_t field)
{
    const struct draft_section *section = section_at(uses->r, walk->index);
    size_t count;
    const uint64_t *starts = units_functions(uses->r->units, walk->index, &count);
    struct instruction in = {0};
    uint64_t function = units_end(uses->r->units, walk->index, field).place;
    if (function < count && starts[function] > walk->offset)
        walk->offset = starts[function];
    while (walk->offset <= field) {
        if (!decode(section->data + walk->offset, section->size - walk->offset, &in))
            in.length = 1;
        if (walk->offset + in.length > field)
            return in;
        walk->offset += in.length;
    }
    return (struct instruction){0};
}

static void use_function(struct uses *uses, uint64_t address)
{
    uint32_t symbol = symbol_around(uses->r, address);
    if (symbol != DRAFT_NONE)
        uses->is_used[symbol] = true;
}

/* The code at `field` leads to the variable around `address`, or behind that by the bytes behind a memory operand. */
static void use_variable(struct uses *uses, struct walk *walk, uint64_t field, bool is_relative, uint64_t address)
{
    const struct draft_section *section = section_at(uses->r, walk->index);
    struct instruction in = instruction_around(uses, walk, field);
    bool is_operand = in.disp_size == 4 && field == walk->offset + in.disp_offset;
    uint64_t behind = is_operand && is_relative ? in.length - in.disp_offset - 4 : 0;
    uint32_t symbol = symbol_around(uses->r, address + behind);
    if (symbol == DRAFT_NONE)
        return;
    uses->is_read[symbol] = true;
    if (!is_operand || !decode_only_reads(section->data + walk->offset, section->size - walk->offset))
        uses->is_used[symbol] = true;
}

static void use_relocation(struct uses *uses, struct walk *walk, const struct draft_relocation *relocation)
{
    uint32_t index;
    uint64_t offset;
    if (!taken_target(uses->r, relocation, &index, &offset) || section_at(uses->r, index)->address == 0)
        return;
    uint64_t address = section_at(uses->r, index)->address + offset;
    if (is_code(section_at(uses->r, index)))
        use_function(uses, address);
    else
        use_variable(uses, walk, relocation->offset, relocation->type == R_X86_64_PC32, address);
}

static void use_code(struct uses *uses)
{
    const struct restore *r = uses->r;
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        struct walk walk = {i, 0};
        for (size_t k = 0; is_code(section) && k < section->relocation_count; k++)
            use_relocation(uses, &walk, &section->relocations[k]);
    }
}

/* ---- data ---- */

/* Whatever kept data names may be used in any way. */
static void use_data(struct uses *uses)
{
    const struct restore *r = uses->r;
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        bool is_data = section->data && section->address && section->flags & SHF_ALLOC &&
                       !(section->flags & SHF_EXECINSTR) && !r->is_table[i];
        for (uint64_t at = 0; is_data && at + 8 <= section->size; at += 4) { /* packed structs */
            uint64_t address = le64(section->data + at);
            uint32_t symbol = is_kernel_map(address) ? symbol_around(r, address) : DRAFT_NONE;
            if (symbol != DRAFT_NONE)
                uses->is_used[symbol] = true;
        }
    }
}

/* Of what .bss held at first, zeros, nothing is left here: the module stored all. */
static void store_section(struct uses *uses, const struct draft_section *section)
{
    const struct restore *r = uses->r;
    uint8_t bytes[CHUNK];
    uint64_t size = min_u64(section->size, BSS_MAX);
    for (uint64_t at = 0; at < size; at += CHUNK) {
        size_t length = (size_t)min_u64(CHUNK, size - at);
        if (!context_read(r->context, section->address + at, bytes, length))
            continue;
        for (size_t i = 0; i + 8 <= length; i += 8) {
            uint64_t address = le64(bytes + i);
            uint32_t symbol = is_kernel_map(address) ? symbol_around(r, address) : DRAFT_NONE;
            if (symbol != DRAFT_NONE)
                uses->is_stored[symbol] = true;
        }
    }
}

static void store(struct uses *uses)
{
    for (uint32_t i = 0; i < uses->r->draft->section_count; i++) {
        const struct draft_section *section = section_at(uses->r, i);
        if (section->type == SHT_NOBITS && section->address && section->flags & SHF_WRITE)
            store_section(uses, section);
    }
}

/* ---- what is left ---- */

static bool is_left_function(const struct uses *uses, uint32_t index)
{
    const struct units *units = uses->r->units;
    const struct draft_symbol *symbol = &uses->r->draft->symbols[index];
    return uses->is_stored[index] && is_code(section_at(uses->r, symbol->section)) &&
           units_are_named(units, symbol->section) &&
           !units_is_called(units, symbol->section,
                            (uint32_t)units_end(uses->r->units, symbol->section, symbol->value).place);
}

/* What holds plain numbers alone may be in no use because the compiler made constants of them. */
static bool has_pointer(const struct draft_section *section, uint64_t offset, uint64_t size)
{
    uint64_t end = offset < section->size ? offset + min_u64(size, section->size - offset) : 0;
    for (uint64_t at = offset; at < end && end - at >= 8; at += 8)
        if (is_kernel_map(le64(section->data + at)))
            return true;
    return false;
}

static bool is_left_variable(const struct uses *uses, uint32_t index, const struct place *place)
{
    const struct draft_symbol *symbol = &uses->r->draft->symbols[index];
    const struct draft_section *section = section_at(uses->r, symbol->section);
    uint8_t bytes[VARIABLE_MAX];
    size_t size = (size_t)min_u64(place->size, sizeof(bytes));
    if (section->type == SHT_NOBITS)
        return size > 0 && context_read(uses->r->context, place->address, bytes, size) && !is_all_zero(bytes, size);
    bool is_plain = strcmp(section->name, ".rodata") == 0 || strcmp(section->name, ".data") == 0;
    return is_plain && !uses->is_read[index] && section->data && has_pointer(section, symbol->value, place->size);
}

static void add_left(const struct uses *uses, struct inits *inits)
{
    const struct restore *r = uses->r;
    for (size_t i = 0; i < r->place_count; i++) {
        const struct place *place = &r->places[i];
        const struct draft_symbol *symbol = &r->draft->symbols[place->symbol];
        unsigned type = ELF64_ST_TYPE(symbol->info);
        if (uses->is_used[place->symbol] || !is_alone(r, place))
            continue;
        if (type == STT_FUNC ? is_left_function(uses, place->symbol)
                             : type == STT_OBJECT && is_left_variable(uses, place->symbol, place))
            inits_add(inits, INIT_LEFT, symbol->section, symbol->value);
    }
}

bool leftovers_find(struct inits *inits)
{
    size_t count = inits->r->draft->symbol_count + 1;
    struct uses uses = {inits->r, calloc(count, sizeof(bool)), calloc(count, sizeof(bool)),
                        calloc(count, sizeof(bool))};
    bool ok = uses.is_used && uses.is_read && uses.is_stored;
    if (ok) {
        use_data(&uses);
        use_code(&uses);
        store(&uses);
        add_left(&uses, inits);
    }
    free(uses.is_used);
    free(uses.is_read);
    free(uses.is_stored);
    return ok;
}
