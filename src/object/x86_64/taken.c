#include "object/x86_64/taken.h"

#include <stdlib.h>

struct taken {
    const struct draft *draft;
    uint8_t **marks; /* by section: a bit a byte; NULL where nothing is taken */
};

bool taken_target(const struct restore *r, const struct draft_relocation *relocation, uint32_t *index, uint64_t *offset)
{
    const struct draft_target *target = &relocation->target;
    bool is_relative = relocation->type == R_X86_64_PC32 || relocation->type == R_X86_64_PLT32;
    *offset = (uint64_t)target->addend + (is_relative ? 4 : 0);
    *index = target->index;
    if (target->kind == DRAFT_TARGET_SYMBOL) {
        *index = r->draft->symbols[target->index].section;
        *offset += r->draft->symbols[target->index].value;
    } else if (target->kind != DRAFT_TARGET_SECTION) {
        return false;
    }
    return *index < r->draft->section_count;
}

static bool mark(struct taken *taken, uint32_t index, uint64_t offset)
{
    uint8_t **marks = &taken->marks[index];
    if (offset >= taken->draft->sections[index].size)
        return true;
    if (!*marks)
        *marks = calloc(taken->draft->sections[index].size / 8 + 1, 1);
    if (!*marks)
        return false;
    (*marks)[offset / 8] |= (uint8_t)(1u << offset % 8);
    return true;
}

struct taken *taken_new(const struct restore *r)
{
    struct taken *taken = calloc(1, sizeof(*taken));
    bool ok = taken && (taken->marks = calloc(r->draft->section_count + 1, sizeof(*taken->marks)));
    if (taken)
        taken->draft = r->draft;
    for (uint32_t i = 0; ok && i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        for (size_t k = 0; ok && is_code(section) && k < section->relocation_count; k++) {
            uint32_t index;
            uint64_t offset;
            if (taken_target(r, &section->relocations[k], &index, &offset))
                ok = mark(taken, index, offset);
        }
    }
    if (ok)
        return taken;
    taken_free(taken);
    return NULL;
}

void taken_free(struct taken *taken)
{
    if (!taken)
        return;
    for (size_t i = 0; taken->marks && i < taken->draft->section_count; i++)
        free(taken->marks[i]);
    free(taken->marks);
    free(taken);
}

bool taken_at(const struct taken *taken, uint32_t index, uint64_t offset)
{
    return taken->marks[index] && offset < taken->draft->sections[index].size &&
           taken->marks[index][offset / 8] >> offset % 8 & 1;
}
