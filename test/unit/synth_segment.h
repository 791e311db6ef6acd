/*
 * synth_segment.h - kallsyms tables in a piece of memory of their own, for tests of nothing else.
 */
#ifndef LKMFS_TEST_SYNTH_SEGMENT_H
#define LKMFS_TEST_SYNTH_SEGMENT_H

#include "kernel/symbols.h"
#include "synth_kallsyms.h"

#define SYNTH_IMAGE_START UINT64_C(0xffffffff8a000000)
#define SYNTH_IMAGE_END   UINT64_C(0xffffffff8c000000)

struct synth_segment {
    const struct synth_kallsyms_format *format;
    struct synth_symbol *symbols; /* as put in */
    char *names;
    size_t count;
    struct synth_bytes bytes; /* `lead` bytes, the tables, as many again */
    size_t lead;
    struct synth_kallsyms_places at; /* offsets from `lead` */
};

/* Tables of `count` symbols between `lead` bytes of `fill` on either side; `lead` is a multiple of 8. */
void synth_segment_init(struct synth_segment *segment, const struct synth_kallsyms_format *format, size_t count,
                        size_t lead, uint8_t fill);
void synth_segment_free(struct synth_segment *segment);

/* Decodes it from a copy of exactly its size, so that the sanitizer sees any read past its ends. */
bool synth_segment_decode(const struct synth_segment *segment, struct lkmfs_symbols **ret, struct lkmfs_error *err);

#endif
