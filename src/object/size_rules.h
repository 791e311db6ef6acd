/*
 * size_rules.h - one function for each rule that can tell a section's size (SECTIONS.md section 3).
 */
#ifndef LKMFS_OBJECT_SIZE_RULES_H
#define LKMFS_OBJECT_SIZE_RULES_H

#include "object/layout.h"

/* One section being sized. */
struct sizing {
    const struct layout *layout;
    const struct draft_section *section;
    const struct view *view;
    uint64_t lower, upper; /* the true size lies in [lower, upper] when the next section's alignment is right */
    bool lower_sure;       /* it is right: not guessed from the symbols there */
};

/* Returns true and the size when the rule applies. */
typedef bool size_rule(const struct sizing *sizing, uint64_t *ret);

/* size_facts.c: what the kernel kept. */
size_rule size_by_count;
size_rule size_by_note;
size_rule size_by_struct;
size_rule size_by_neighbour;
size_rule size_by_exports;

/* size_bytes.c: what symbols and bytes show. */
size_rule size_by_last_string;
size_rule size_by_constants;
size_rule size_by_entries;
size_rule size_by_functions;
size_rule size_by_replacements;
size_rule size_by_snippets;
size_rule size_by_code_bytes;
size_rule size_by_zeroed_symbols;
size_rule size_by_objects;

#endif
