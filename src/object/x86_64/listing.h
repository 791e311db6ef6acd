/*
 * listing.h - in what order __patchable_function_entries lists functions: by object file, .text comes again and again;
 * by section, once.
 */
#ifndef LKMFS_OBJECT_X86_64_LISTING_H
#define LKMFS_OBJECT_X86_64_LISTING_H

#include "object/x86_64/context.h"

struct listing {
    size_t runs;   /* of .text: how often it comes after something else */
    size_t others; /* entries of other sections */
    bool was_text;
};

/* Counts the next entry, with .text from `text` to before `text_end`. False where the table has ended. */
static inline bool listing_add(struct listing *listing, uint64_t entry, uint64_t text, uint64_t text_end)
{
    bool is_text = entry >= text && entry < text_end;
    if (!is_kernel_map(entry))
        return false;
    listing->runs += is_text && !listing->was_text;
    listing->others += !is_text;
    listing->was_text = is_text;
    return true;
}

#endif
