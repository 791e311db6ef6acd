/*
 * order.c - the order on disk of tables that the loader sorts (RECONSTRUCT.md section 7). Per target section the
 * entries ascend on disk; how the sections' runs are interleaved is inferred: section by section where objtool wrote
 * the table for the whole module, object by object (objects.h) where it ran on objects. What the linker merged into
 * .text afterwards was a section of its own then: the tables of sites, which list section by section, tell its place.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/tables.h"

static int by_place(const void *a, const void *b)
{
    const struct entry_place *x = a, *y = b;
    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

uint32_t *order_entries(struct entry_place *places, size_t count)
{
    bool is_same = true;
    uint32_t *order = malloc(count * sizeof(*order));
    if (!order)
        return NULL;
    qsort(places, count, sizeof(*places), by_place);
    for (size_t i = 0; i < count; i++) {
        order[i] = places[i].index;
        is_same &= places[i].index == i;
    }
    if (!is_same)
        return order;
    free(order);
    return NULL;
}

/* Lowers *next to the section that table `name` lists first behind what is cold of .text; false when it lists none. */
static bool find_behind_cold(struct restore *r, const char *name, uint32_t *next)
{
    uint32_t index;
    const struct draft_section *table = section_named(r, name, &index);
    bool is_behind = false;
    for (uint64_t at = 0; table && at + 4 <= table->size; at += 4) {
        uint64_t address = table->address + at + (uint64_t)(int64_t)(int32_t)le32(table->data + at);
        struct target target;
        if (!target_find(r, address, 0, TARGET_TABLE | TARGET_LABEL, &target) || target.section == DRAFT_NONE)
            continue;
        if (target.section == r->cold_section && target.offset >= r->cold_start)
            is_behind = true;
        else if (is_behind && target.section != r->cold_section && target.section < *next)
            *next = target.section;
    }
    return is_behind;
}

uint32_t order_behind_cold(struct restore *r)
{
    static const char *const tables[] = {".return_sites", ".call_sites"};
    uint32_t next = DRAFT_NONE;
    bool is_listed = false;
    if (r->cold_section == DRAFT_NONE)
        return DRAFT_NONE;
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
        is_listed |= find_behind_cold(r, tables[i], &next);
    return is_listed ? next : r->cold_section + 1;
}
