/*
 * restore.h - one module being restored: its address map, and the few ways in which rules change the draft.
 */
#ifndef LKMFS_OBJECT_X86_64_RESTORE_H
#define LKMFS_OBJECT_X86_64_RESTORE_H

#include <elf.h>

#include "object/draft.h"
#include "object/x86_64/context.h"

/* A section as it lay in memory. */
struct span {
    uint64_t start, end;
    uint32_t section;
};

/* A symbol by its run-time address. */
struct place {
    uint64_t address, size;
    uint32_t symbol; /* index into the draft's symbols */
};

/* Patch rules, for counting what each could not restore. */
enum rule {
    RULE_FTRACE,
    RULE_RETURN,
    RULE_RETPOLINE,
    RULE_STATIC_CALL,
    RULE_JUMP_LABEL,
    RULE_ENDBR,
    RULE_LOCK,
    RULE_CALL_THUNK,
    RULE_PARAVIRT,
    RULE_ALTERNATIVE,
    RULE_TABLE,
    RULE_CODE,
    RULE_COUNT,
};

/* The last of a row of list heads that was met (lists.c). */
struct head_row {
    const struct draft_symbol *object;
    uint64_t offset, step;
};

struct units;
struct objects;

struct restore {
    const struct machine_context *context;
    struct draft *draft;
    struct span *spans; /* sections with bytes or .bss in live regions, ascending by address; empty ones left out */
    size_t span_count;
    bool *is_table;    /* by section: its name is that of a table (tables.h) */
    struct span *init; /* the freed .init sections */
    size_t init_count;
    uint64_t percpu, percpu_end;
    uint32_t percpu_section;
    struct place *places; /* all symbols, ascending by address */
    size_t place_count;
    struct place *globals; /* symbols that are not local, ascending by address */
    size_t global_count;
    uint32_t cold_section;    /* section whose objects' .text.unlikely lies behind their .text, DRAFT_NONE if none */
    uint64_t cold_start;      /* offset where that begins */
    uint32_t behind_cold;     /* section that objtool met next, DRAFT_NONE if none; by restore_tables() */
    uint32_t orc_section;     /* .orc_unwind if it has bytes, else DRAFT_NONE */
    bool *last_empty;         /* a section: something points to its end, where only an empty string can be */
    uint8_t **owned;          /* a section: one byte a byte that a patch rule restored; NULL where it has no code */
    uint32_t *imports;        /* by index of the import name; DRAFT_NONE until used */
    uint32_t *imports_direct; /* the same for the `direct` names */
    struct head_row head_row;
    bool entries_by_section; /* __patchable_function_entries says nothing of objects; by restore_code() */
    struct units *units;     /* which code is of one object; by restore_code() */
    struct objects *objects; /* their order on disk, NULL where it is not known; by restore_code() */
    size_t failed[RULE_COUNT];
    bool out_of_memory;
};

bool restore_init(struct restore *r, const struct machine_context *context, struct draft *draft);
void restore_free(struct restore *r);

static inline struct draft_section *section_at(const struct restore *r, uint32_t index)
{
    return &r->draft->sections[index];
}

/* The section called `name` if it has bytes, else NULL. */
struct draft_section *section_named(const struct restore *r, const char *name, uint32_t *index);

static inline bool is_code(const struct draft_section *section)
{
    return section->data && section->flags & SHF_EXECINSTR;
}

/* The section whose bytes lie at `address`, DRAFT_NONE if there is none. Its end is outside. */
uint32_t section_around(const struct restore *r, uint64_t address);

/* The freed .init section that held `address`, NULL if none did. */
const struct span *freed_around(const struct restore *r, uint64_t address);

/* Whether code at two offsets of section `index` lay in one section of the objects (see cold_start). */
static inline bool is_same_part(const struct restore *r, uint32_t index, uint64_t a, uint64_t b)
{
    return index != r->cold_section || (a >= r->cold_start) == (b >= r->cold_start);
}

/* The first symbol at or above `address` among `count` places. */
size_t place_from(const struct place *places, size_t count, uint64_t address);
/* The symbol that is not local and lies exactly at `address`, NULL if none. */
const struct place *global_at(const struct restore *r, uint64_t address);

/* A place in the module's code that a table or an instruction names. */
struct site {
    uint32_t section;
    uint64_t offset, address;
    uint8_t *bytes; /* as in memory, or as an earlier rule left them */
    uint64_t size;  /* bytes from there to the end of the section */
};

/* Fills *ret when `address` lies in bytes of an executable section. */
bool site_at(const struct restore *r, uint64_t address, struct site *ret);

/* Writes `size` bytes at the site as the file had them, counts what changed, and keeps the decoder away from them. */
void site_write(struct restore *r, const struct site *site, const uint8_t *bytes, size_t size);

/* The site is right as it is: keeps the decoder's relocation rules away from `size` bytes. */
void site_own(struct restore *r, const struct site *site, size_t size);

/* Notes that `rule` could not restore what lies at `address`: a line of doubt each for the first few. */
void restore_failed(struct restore *r, enum rule rule, uint64_t address, const char *why);
/* One line of doubt for each rule that failed oftener than it said. */
void restore_report(struct restore *r);

/* Adds a relocation against the import `name`. */
void relocate_import(struct restore *r, uint32_t section, uint64_t offset, uint32_t type, const char *name,
                     int64_t addend, enum lkmfs_provenance from);

/* Adds the empty strings that were found at the end of sections: among the zeros behind they could not be seen. */
void restore_last_strings(struct restore *r);

/* cold.c: finds cold_section and cold_start. */
void restore_find_cold(struct restore *r);

/* ---- target.c: from an address to section, symbol or import ---- */

enum target_want {
    TARGET_LABEL = 1 << 0,    /* against the section, as labels and objtool's tables are, never a named symbol */
    TARGET_EXACT = 1 << 1,    /* no export with a distance, no end of a section */
    TARGET_TABLE = 1 << 2,    /* own sections, freed ones included, before what others export there now */
    TARGET_VALUE = 1 << 3,    /* code takes the address, it does not read there: it may be an array's end, or beyond */
    TARGET_COMPARED = 1 << 4, /* code compares with the address: that of an array's end, or of an object */
};

struct target {
    struct draft_target draft;
    uint32_t section; /* own section, DRAFT_NONE for an import */
    uint64_t offset;  /* in that section, without the bias */
    enum lkmfs_provenance from;
};

/*
 * Finds what `address` means. `bias` is added to the addend: minus the distance from field to end of instruction for
 * PC-relative fields. False: it is nothing that the linker would have known.
 */
bool target_find(struct restore *r, uint64_t address, int64_t bias, unsigned want, struct target *ret);

/* Per-CPU variable `address` (zero-based kernels) or a member of one. */
bool target_percpu(struct restore *r, uint64_t address, int64_t bias, struct target *ret);

/* The import at exactly `address`. */
bool target_import(struct restore *r, uint64_t address, int64_t bias, struct target *ret);

/*
 * An object of the module less a constant: the one that follows `address`, unless one begins there. Compilers of kernel
 * code move such a difference with 64 bits, as the memory model lets 32 hold no more than the object and what follows.
 */
bool target_before(struct restore *r, uint64_t address, struct target *ret);

/* Adds the relocation for `target` and zeroes its field of 4 or 8 bytes. */
void relocate(struct restore *r, uint32_t section, uint64_t offset, uint32_t type, const struct target *target);

/* ---- the steps, in the order in which machine.c takes them ---- */

void restore_sites(struct restore *r);        /* sites.c: the site tables */
void restore_alternatives(struct restore *r); /* alternatives.c */
void restore_paravirt(struct restore *r);     /* paravirt.c */
void restore_code(struct restore *r);         /* code.c */
void restore_tables(struct restore *r);       /* tables.c */
void restore_data(struct restore *r);         /* data.c */

#endif
