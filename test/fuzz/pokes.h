/*
 * pokes.h - the structure-aware mutation: an input is a list of values to write into a sound image, and where.
 *
 * Random bytes are no kernel; a sound kernel with a handful of wrong values is what attackers and torn acquisitions
 * make. A poke is 12 bytes: area, offset in it (2), what to write, value (8). After each run the old bytes return.
 */
#ifndef LKMFS_FUZZ_POKES_H
#define LKMFS_FUZZ_POKES_H

#include "fuzz.h"

#define POKE_SIZE  12
#define POKES_MAX  64
#define AREAS_MAX  64
#define VALUES_MAX 64

struct poke_area {
    uint8_t *bytes;
    size_t size;
};

struct pokes {
    struct poke_area areas[AREAS_MAX];
    size_t area_count;
    uint64_t values[VALUES_MAX]; /* worth writing: addresses of things, ends of regions, absurd counts */
    size_t value_count;
    struct {
        uint8_t *at;
        uint8_t old[8];
    } done[POKES_MAX];
    size_t done_count;
};

void pokes_add_area(struct pokes *pokes, uint8_t *bytes, size_t size);
void pokes_add_value(struct pokes *pokes, uint64_t value);

void pokes_apply(struct pokes *pokes, struct input *input);
void pokes_undo(struct pokes *pokes);

#endif
