/*
 * beginnings.c - where in a section an object begins or goes on, by what lies between two functions.
 *
 * Both assembler and linker fill gaps in code with NOPs, but the assembler's are of up to 11 bytes
 * (gas/config/tc-i386.c alt_11), the linker's of up to 10 (bfd/cpu-i386.c), so gaps of 11 bytes and more tell which of
 * them made it. And where there is no gap between two objects, the unwind table has two entries for one address
 * (unwind.h).
 */
#include <stdlib.h>
#include <string.h>

#include "object/x86_64/nops.h"
#include "object/x86_64/units.h"
#include "object/x86_64/unwind.h"

static const uint8_t longest[] = {0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00};

/* End of the function that starts at `offset`, `offset` itself when no size is known. */
static uint64_t function_end(const struct restore *r, uint32_t index, uint64_t offset)
{
    uint64_t address = section_at(r, index)->address + offset, size = 0;
    for (size_t i = place_from(r->places, r->place_count, address);
         i < r->place_count && r->places[i].address == address; i++)
        if (r->draft->symbols[r->places[i].symbol].section == index && r->places[i].size > size)
            size = r->places[i].size;
    return size > section_at(r, index)->size - offset ? section_at(r, index)->size : offset + size;
}

/* What fills the gaps of one module. */
struct fillings {
    struct restore *r;
    uint64_t *linked; /* pairs of section and offset: where a gap ends that the linker filled */
    size_t linked_count, assembled_count;
};

static void look_at_gap(struct fillings *fillings, uint32_t index, uint64_t before, uint64_t start)
{
    const struct draft_section *section = section_at(fillings->r, index);
    uint64_t end = function_end(fillings->r, index, before);
    if (end == before)
        return;
    if (end > start) {
        units_join(fillings->r->units, index, before, start);
        return;
    }
    const uint8_t *bytes = section->data + end;
    if (start - end < sizeof(longest) || !is_nops(bytes, start - end))
        return;
    if (memcmp(bytes, longest, sizeof(longest)) == 0) {
        units_join(fillings->r->units, index, before, start);
        fillings->assembled_count++;
    } else if (memcmp(bytes, longest + 1, sizeof(longest) - 1) == 0) {
        fillings->linked[fillings->linked_count * 2] = index;
        fillings->linked[fillings->linked_count++ * 2 + 1] = start;
    }
}

static void prove_by_gaps(struct restore *r)
{
    struct fillings fillings = {.r = r};
    size_t count, total = 1;
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        units_functions(r->units, i, &count);
        total += count;
    }
    fillings.linked = calloc(total, 2 * sizeof(*fillings.linked));
    if (!fillings.linked) {
        r->out_of_memory = true;
        return;
    }
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const uint64_t *starts = units_functions(r->units, i, &count);
        for (size_t k = 1; k < count; k++)
            look_at_gap(&fillings, i, starts[k - 1], starts[k]);
    }
    /* An assembler without NOPs that long would make every gap look like the linker's. */
    for (size_t i = 0; i < fillings.linked_count && fillings.linked_count <= fillings.assembled_count; i++)
        units_begin(r->units, (uint32_t)fillings.linked[i * 2], fillings.linked[i * 2 + 1]);
    free(fillings.linked);
}

static void prove_by_unwind(struct restore *r)
{
    struct unwind unwind;
    if (!r->context->shapes.objtool_per_object || !unwind_read(r, &unwind))
        return;
    for (size_t i = 0; i + 1 < unwind.count; i++)
        if (unwind_is_end(&unwind, i) && unwind.entries[i + 1].section == unwind.entries[i].section)
            units_begin(r->units, unwind.entries[i].section, unwind.entries[i + 1].offset);
    free(unwind.entries);
}

void prove_beginnings(struct restore *r)
{
    prove_by_gaps(r);
    prove_by_unwind(r);
}
