/*
 * numbers.h - the order and the header indexes of the original section table (SECTIONS.md section 5).
 */
#ifndef LKMFS_OBJECT_NUMBERS_H
#define LKMFS_OBJECT_NUMBERS_H

#include "object/draft.h"
#include "object/evidence.h"

/* One section of the original table, but for .rela sections: those follow theirs. */
struct slot {
    uint32_t section; /* drafted section; DRAFT_NONE for one that is known of but not rebuilt */
    const char *name;
    uint32_t anchor; /* header index that symbols prove; DRAFT_NONE if none */
    bool rela;       /* a .rela section follows */
    bool rela_doubtful;
    bool movable; /* its place is a convention, not the list's */
};

struct slots {
    struct slot *items;
    size_t count, capacity;
};

/* order.c: all sections in the original's order, as listed and by convention. False without memory. */
bool order_sections(const struct draft *draft, const struct evidence *evidence, struct slots *ret);

/*
 * Numbers all drafted sections: fills original_index, index_from and has_rela. *order is the drafted sections' indexes
 * in the file's order, malloc'd, section_count of them. False (out_of_memory) without memory.
 */
bool numbers_find(struct draft *draft, const struct evidence *evidence, uint32_t **order);

#endif
