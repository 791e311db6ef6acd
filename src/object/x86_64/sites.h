/*
 * sites.h - the tables that list patched places: one rule a table.
 */
#ifndef LKMFS_OBJECT_X86_64_SITES_H
#define LKMFS_OBJECT_X86_64_SITES_H

#include "object/x86_64/restore.h"

/* One entry of a site table, as in memory. */
struct site_entry {
    uint64_t address;     /* where the entry itself lies */
    const uint8_t *bytes; /* site_rule.entry bytes */
};

/*
 * How the places that `table` lists are brought back to what the file held. `undo` must compare the site's bytes with
 * every form that the kernel can have written and leave it alone, with restore_failed(), when none matches.
 */
struct site_rule {
    const char *table;
    unsigned entry; /* bytes of an entry; the place is its first field */
    bool absolute;  /* that field is a 64-bit address, otherwise 32 bits relative to itself */
    enum rule rule;
    void (*undo)(struct restore *r, const struct site *site, const struct site_entry *entry);
};

extern const struct site_rule ftrace_rule, return_rule, retpoline_rule, static_call_rule, jump_label_rule, endbr_rule,
    lock_rule, call_thunk_rule;

/* Value of the 32-bit field at `offset` of an entry, relative to itself. */
uint64_t entry_relative(const struct site_entry *entry, unsigned offset);

/* Where the 32-bit displacement that ends `length` bytes after the site's start leads. */
uint64_t branch_target(const struct site *site, size_t length);

/*
 * Writes `opcode` (1 or 2 bytes) and a zero displacement at the site, `skip` bytes in, and its relocation to an import
 * as the assembler makes it for calls and jumps.
 */
void site_write_branch(struct restore *r, const struct site *site, size_t skip, const uint8_t *opcode, size_t size,
                       const char *name);

/*
 * Writes the indirect branch, call or jump, of 2 or 3 bytes whose thunk the 5 bytes of code at `address` branch to
 * (retpolines.c). Returns its size, 0 when they branch to no such thunk.
 */
size_t plain_branch(const struct restore *r, const uint8_t *code, uint64_t address, uint8_t *ret);

/* Whether `name` (or NULL) is a return thunk of any mitigation (returns.c). */
bool is_return_thunk(const char *name);

/* What a static call site names (static_calls.c). */
struct static_call {
    uint64_t key;
    bool tail; /* jmp, not call */
    bool own;  /* the module defines the key: `tramp` is the address of its trampoline */
    uint64_t tramp;
    const char *name;       /* import the key is called by: __SCK__x, or __SCT__x where the key is not exported */
    const char *tramp_name; /* __SCT__x */
};

/* Reads the entry of .static_call_sites; false when its key is nothing known. */
bool static_call_read(struct restore *r, const struct site_entry *entry, struct static_call *ret);

/* Whether the entry of .static_call_sites is of a jump: a tail call. */
bool static_call_is_jump(const struct site_entry *entry);

/*
 * Where the trampoline at `address` leads in the file, which leads to `now` in memory: those of tracepoints to the
 * function that calls all probes, until there is one probe alone (DECLARE_TRACE(), include/linux/tracepoint.h).
 */
uint64_t static_call_default(const struct restore *r, uint64_t address, uint64_t now);

/* What a jump label names (jump_labels.c). */
struct jump_label {
    uint64_t target, key;
    bool branch; /* bit 0 of the key field */
    bool jump;   /* the file held a jump, not a NOP */
};

/* Reads the entry of __jump_table; false when its key is not readable. */
bool jump_label_read(const struct restore *r, const struct site_entry *entry, struct jump_label *ret);

#endif
