#include "pokes.h"

#include <string.h>

#include "synth.h"

void pokes_add_area(struct pokes *pokes, uint8_t *bytes, size_t size)
{
    if (pokes->area_count == AREAS_MAX || size < 8)
        synth_die("no room for another area");
    pokes->areas[pokes->area_count++] = (struct poke_area){bytes, size};
}

void pokes_add_value(struct pokes *pokes, uint64_t value)
{
    if (pokes->value_count == VALUES_MAX)
        synth_die("no room for another value");
    pokes->values[pokes->value_count++] = value;
}

/* What to write: a value as it stands in the input, one from the table, one near what is there, a bit flipped. */
static uint64_t value_of(const struct pokes *pokes, unsigned how, uint64_t value, uint64_t old)
{
    switch (how % 4) {
    case 0:
        return value;
    case 1:
        return pokes->values[value % pokes->value_count] + (uint64_t)(int64_t)(int8_t)(value >> 8);
    case 2:
        return old + (uint64_t)(int64_t)(int16_t)value;
    default:
        return old ^ UINT64_C(1) << value % 64;
    }
}

void pokes_apply(struct pokes *pokes, struct input *input)
{
    while (input->size >= POKE_SIZE && pokes->done_count < POKES_MAX) {
        const struct poke_area *area = &pokes->areas[input_take(input, 1) % pokes->area_count];
        size_t offset = input_take(input, 2);
        unsigned what = (unsigned)input_take(input, 1);
        uint64_t value = input_take(input, 8), old;
        unsigned width = 1U << (what & 3);
        /* Large areas are reached in steps; fields are aligned, but for one poke in four. */
        offset = area->size > 0x10000 ? offset * (area->size / 0x10000) : offset;
        offset = offset % (area->size - 7) & ~(size_t)((what & 0xc0) == 0xc0 ? 0 : width - 1);
        uint8_t *at = area->bytes + offset;
        memcpy(&old, at, 8);
        pokes->done[pokes->done_count].at = at;
        memcpy(pokes->done[pokes->done_count++].old, at, 8);
        synth_le(at, value_of(pokes, what >> 2, value, old), width);
    }
}

void pokes_undo(struct pokes *pokes)
{
    while (pokes->done_count) {
        pokes->done_count--;
        memcpy(pokes->done[pokes->done_count].at, pokes->done[pokes->done_count].old, 8);
    }
}
