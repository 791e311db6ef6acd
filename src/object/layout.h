/*
 * layout.h - what the steps that find the sections' headers share: the sections in the order of memory, the symbols of
 * each, and the bytes between one section and the next.
 */
#ifndef LKMFS_OBJECT_LAYOUT_H
#define LKMFS_OBJECT_LAYOUT_H

#include "object/conventions.h"
#include "object/draft.h"
#include "object/evidence.h"

/* What memory says of one drafted section. Offsets are from the start of the section. */
struct view {
    struct convention convention;
    const uint8_t *bytes; /* `upper` bytes from the section's start on; NULL when it lies in no live region */
    uint64_t upper;       /* bytes to the next section, the symbol table or the end of the region */
    uint64_t trimmed;     /* bytes up to and with the last one of them that is not zero */
    uint32_t next;        /* the section that follows in memory, DRAFT_NONE if none */
    uint64_t next_align;  /* alignment of what follows when that is no section: the symbol table or the region's end */
    bool align_sure;      /* draft_section.align comes from a convention, not from a guess */

    /* Symbols that lie in the section. */
    size_t symbols;
    size_t sized_symbols;   /* those with st_size > 0 */
    uint64_t symbols_end;   /* largest value + size of those with a size */
    uint64_t last_symbol;   /* largest value */
    uint64_t symbols_align; /* least alignment that explains them; 1 without symbols */
};

/* One surviving symbol, for walking a section's symbols by address. */
struct layout_symbol {
    uint32_t section; /* drafted section */
    uint32_t index;   /* into the module's symbols */
    uint64_t offset;
};

struct layout {
    struct draft *draft;
    const struct evidence *evidence;
    struct view *views; /* one for each drafted section; room for view_capacity */
    size_t view_count, view_capacity;
    uint32_t *symbol_sections;        /* drafted section of each of the module's symbols, DRAFT_NONE if none */
    struct layout_symbol *by_address; /* symbols with a section, ascending by section and offset */
    size_t by_address_count;
};

/*
 * Reads the bytes of the module's regions (draft->regions), whose sizes are sane already; missing pages are zero and
 * noted. Sets draft->out_of_memory.
 */
void layout_read_regions(struct draft *draft, const struct lkmfs_space *space);

/*
 * Finds sections with sizes, alignments and all other header fields but numbers, and gives each its bytes as in memory.
 * Needs draft->regions. False without memory. `layout` is to be cleared by the caller in any case.
 */
bool layout_sections(struct layout *layout, struct draft *draft, const struct evidence *evidence);
void layout_clear(struct layout *layout);

/* ---- the steps, in order ---- */

/* sections.c: drafts every section that sect_attrs lists and those that are known to be there without. */
bool layout_draft_sections(struct layout *layout);
/* lost_sections.c: the same for a module that has no sect_attrs any more. */
bool layout_recover_sections(struct layout *layout);
/* The view of a section that is added after layout_draft_sections(); NULL without memory. */
struct view *layout_add_section(struct layout *layout, const char *name, enum lkmfs_region_kind region);

/* anchors.c: finds the section of every symbol number, and with it empty sections and original header indexes. */
bool layout_anchor_symbols(struct layout *layout);

/* views.c: neighbours, bytes and symbol extents of every section. */
bool layout_measure(struct layout *layout);
/* First of the section's symbols in by_address; *count is how many follow, it included. */
const struct layout_symbol *layout_symbols_of(const struct layout *layout, uint32_t section, size_t *count);

/* alignment.c: by convention and symbols; then, when sizes are known, by the gaps that they leave. */
void layout_guess_alignments(struct layout *layout);
void layout_correct_alignments(struct layout *layout);

/* sizes.c: SECTIONS.md section 3. */
void layout_find_sizes(struct layout *layout);

/* init_sizes.c: sizes of freed init sections. */
void layout_find_init_sizes(struct layout *layout);

/* has_rela.c: which sections have a .rela section, by convention and content; needs the bytes as in memory. */
void layout_find_relas(struct layout *layout);

/* contents.c: copies bytes out of the regions, and makes the sections that are known without memory. */
bool layout_fill_sections(struct layout *layout);

#endif
