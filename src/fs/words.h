/*
 * words.h - the numbers of a module in words, as every output of lkmfs calls them.
 */
#ifndef LKMFS_FS_WORDS_H
#define LKMFS_FS_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "lkmfs/module.h"

#define WORDS_TAINT_COUNT 20
#define WORDS_TAINT_SIZE  (WORDS_TAINT_COUNT + 3) /* letters, "?" for unknown bits, NUL */
#define WORDS_TRACE_COUNT 3
#define WORDS_TRACE_SIZE  32

/* "live", "coming", "going", "unformed"; NULL for any other number. */
const char *words_state(unsigned state);

/* Letters of the taints as the kernel prints them (P, O, E ...), "-" for none, with "?" at the end for unknown bits. */
void words_taint_letters(uint64_t taints, char letters[WORDS_TAINT_SIZE]);
/* What taint bit `bit` means; NULL when unknown. */
const char *words_taint(unsigned bit);

/* Name of trace number `index` (below WORDS_TRACE_COUNT) if `traces` has it, else NULL. */
const char *words_trace(unsigned traces, unsigned index);
/* All of them: "list,scan,latch"; "-" for none. */
void words_traces(unsigned traces, char text[WORDS_TRACE_SIZE]);

const char *words_region(enum lkmfs_region_kind kind);

#endif
