/*
 * tables.h - metadata tables whose relocations follow from the shape of their entries (RECONSTRUCT.md section 3).
 */
#ifndef LKMFS_OBJECT_X86_64_TABLES_H
#define LKMFS_OBJECT_X86_64_TABLES_H

#include "object/x86_64/restore.h"

/* What a field of an entry holds, and with that its relocation. */
enum field_kind {
    FIELD_NONE,
    FIELD_LABEL,       /* PC32 to a label: against the section */
    FIELD_NAME,        /* PC32 to a symbol */
    FIELD_ADDRESS,     /* 64: an address, NULL stays */
    FIELD_ORC,         /* PC32 to code; the last of a section points to its end */
    FIELD_REPLACEMENT, /* PC32 into .altinstr_replacement, its end included */
    FIELD_HANDLER,     /* PC32 to an exported handler [-5.16], later a number */
    FIELD_JUMP_KEY,    /* PC64 to a static key, two bits on top */
    FIELD_CALL_KEY,    /* PC32 to a static call key, bit 0 on top */
    FIELD_CRC,         /* 32 to an absolute symbol that is the CRC */
};

enum table_order {
    ORDER_KEPT,     /* the loader leaves the table as it is */
    ORDER_BY_PLACE, /* sorted at load; on disk by object where that is known, section, then offset, of the first field
                     */
    ORDER_BY_CODE,  /* sorted too, but on disk in the order in which the compiler wrote the code (emission.h) */
};

struct table_field {
    uint8_t offset;
    uint8_t kind;
    uint8_t least; /* only entries of at least so many bytes have the field */
};

struct table_shape {
    const char *name;
    unsigned entry;               /* bytes; 0: see entry_size() */
    struct table_field fields[4]; /* ends with FIELD_NONE */
    enum table_order order;
};

/* Shape of the table called `name`, NULL when it is no such table. */
const struct table_shape *table_shape(const char *name);

/* Bytes of an entry of table `section`, where its shape changed over time by evidence; 0 if nothing fits. */
unsigned entry_size(const struct restore *r, const struct table_shape *shape, const struct draft_section *section);

/* Bytes of an entry of .altinstructions (alternatives.c), 0 if nothing fits. */
unsigned alternative_size(const struct restore *r, const struct draft_section *section);

/* Where an entry of a sorted table comes on disk: ascending by group, then place. */
struct entry_place {
    uint64_t group, place;
    uint32_t index; /* in memory */
};

/*
 * For each place on disk the index of the entry in memory. Sorts `places`. NULL when the order is that in memory, or
 * without memory. The caller frees it.
 */
uint32_t *order_entries(struct entry_place *places, size_t count);

/*
 * The section that objtool met next after what is cold of .text (cold_section); DRAFT_NONE when that was the last, or
 * there is nothing cold. Needs untouched tables.
 */
uint32_t order_behind_cold(struct restore *r);

#endif
