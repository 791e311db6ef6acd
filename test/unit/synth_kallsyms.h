/*
 * synth_kallsyms.h - kallsyms tables as scripts/kallsyms.c of each kernel release lays them out and encodes them.
 */
#ifndef LKMFS_TEST_SYNTH_KALLSYMS_H
#define LKMFS_TEST_SYNTH_KALLSYMS_H

#include <stdbool.h>

#include "synth.h"

struct synth_symbol {
    const char *name;
    uint64_t address;
    char type;
};

enum synth_encoding {
    SYNTH_ABSOLUTE,        /* addresses as they are */
    SYNTH_RELATIVE,        /* relative_base + offset */
    SYNTH_RELATIVE_PERCPU, /* >= 0 absolute, else relative_base - 1 - offset */
    SYNTH_SELF_RELATIVE,   /* &offsets[i] + offset */
};

enum synth_seqs {
    SYNTH_SEQS_NONE,
    SYNTH_SEQS_AFTER_MARKERS,
    SYNTH_SEQS_LAST,
};

struct synth_kallsyms_format {
    const char *kernels; /* which kernels write it, in words */
    enum synth_encoding encoding;
    bool before;     /* addresses stand before num_syms: to 6.3 */
    unsigned wide;   /* bytes of num_syms and of a marker: 8 before 4.20, then 4 */
    bool long_names; /* lengths above 127 take two bytes: since 6.1 */
    enum synth_seqs seqs;
    unsigned align; /* of every table: 8, since 7.0 4 */
};

/* Every form that kernels for x86_64 have had since 4.6. */
extern const struct synth_kallsyms_format synth_kallsyms_formats[];
extern const size_t synth_kallsyms_format_count;

/* Where the tables begin in the bytes that synth_kallsyms() appended. */
struct synth_kallsyms_places {
    size_t addresses, base, num_syms, names, markers, seqs, token_table, token_index, end;
};

/*
 * Appends the tables for `symbols` (ascending by address, but for per-CPU ones) to `ret`, whose first byte lies at
 * virtual address `address`.
 */
struct synth_kallsyms_places synth_kallsyms(struct synth_bytes *ret, uint64_t address,
                                            const struct synth_kallsyms_format *format,
                                            const struct synth_symbol *symbols, size_t count);

#endif
