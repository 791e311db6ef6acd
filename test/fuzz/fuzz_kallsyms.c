/* fuzz_kallsyms.c - kallsyms tables of one of the formats with pokes, or bytes that never were any. */
#include <stdlib.h>
#include <string.h>

#include "pokes.h"
#include "synth_segment.h"

#define COUNT 800

static void check(const struct lkmfs_symbols *symbols)
{
    struct lkmfs_symbol nearest;
    uint64_t address;
    for (size_t i = 0; i < lkmfs_symbols_count(symbols); i++) {
        struct lkmfs_symbol symbol = lkmfs_symbols_at(symbols, i);
        FUZZ_CHECK(strlen(symbol.name) <= 512);
        FUZZ_CHECK(lkmfs_symbols_find(symbols, symbol.name, &address));
        FUZZ_CHECK(lkmfs_symbols_nearest(symbols, symbol.address, &nearest) && nearest.address == symbol.address);
    }
}

static void decode(const uint8_t *bytes, size_t size)
{
    struct lkmfs_symbols *symbols;
    struct lkmfs_error err = {0};
    uint8_t *copy = malloc(size ? size : 1); /* of its exact size */
    if (!copy)
        return;
    memcpy(copy, bytes, size);
    struct segment segment = {.address = SYNTH_IMAGE_START + 0x800000, .bytes = copy, .size = size};
    if (symbols_decode(&segment, SYNTH_IMAGE_START, SYNTH_IMAGE_END, &symbols, &err)) {
        check(symbols);
        symbols_free(symbols);
    } else {
        fuzz_check_message(err.message);
    }
    free(copy);
}

static struct synth_segment *segment_of(unsigned format, struct pokes *pokes)
{
    static struct synth_segment segments[32];
    struct synth_segment *s = &segments[format];
    if (!s->count)
        synth_segment_init(s, &synth_kallsyms_formats[format], COUNT, 64, 0);
    uint8_t *tables = s->bytes.bytes + s->lead;
    *pokes = (struct pokes){0};
    pokes_add_area(pokes, s->bytes.bytes, s->bytes.size);
    pokes_add_area(pokes, tables + s->at.num_syms, 64);
    pokes_add_area(pokes, tables + s->at.markers, 64);
    pokes_add_area(pokes, tables + s->at.token_table, s->at.token_index - s->at.token_table);
    pokes_add_area(pokes, tables + s->at.token_index, 512);
    pokes_add_area(pokes, tables + s->at.base, 16);
    pokes_add_value(pokes, COUNT);
    pokes_add_value(pokes, UINT64_MAX);
    pokes_add_value(pokes, 0x80);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned format = (unsigned)input_take(&input, 1) % (unsigned)(synth_kallsyms_format_count + 1);
    if (format == synth_kallsyms_format_count) {
        decode(input.bytes, input.size);
        return 0;
    }
    struct pokes pokes;
    struct synth_segment *s = segment_of(format, &pokes);
    pokes_apply(&pokes, &input);
    decode(s->bytes.bytes, s->bytes.size);
    pokes_undo(&pokes);
    return 0;
}
