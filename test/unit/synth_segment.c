#include "synth_segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_ROOM       512
#define SEGMENT_ADDRESS (SYNTH_IMAGE_START + 0x800000)
#define SHORT_NAME_MAX  120
#define LONG_NAME_MAX   500

/* A name of `length` characters that no token shortens. */
static void long_name(char *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        name[i] = (char)('a' + (i * 7 + i / 26) % 26);
    name[length] = 0;
}

static void make_name(char *name, const struct synth_kallsyms_format *format, size_t i)
{
    if (i % 100 == 50)
        long_name(name, (format->long_names ? LONG_NAME_MAX : SHORT_NAME_MAX) - i / 100 % 64);
    else
        (void)snprintf(name, NAME_ROOM, "%s_fn_%zu.cold.%zx", i % 2 ? "synth" : "__x64_sys", i, i * 7919);
}

void synth_segment_init(struct synth_segment *segment, const struct synth_kallsyms_format *format, size_t count,
                        size_t lead, uint8_t fill)
{
    bool percpu = format->encoding == SYNTH_RELATIVE_PERCPU || format->encoding == SYNTH_ABSOLUTE;
    *segment = (struct synth_segment){.format = format, .count = count, .lead = lead};
    segment->symbols = calloc(count, sizeof(*segment->symbols));
    segment->names = calloc(count, NAME_ROOM);
    if (!segment->symbols || !segment->names)
        synth_die("out of memory");
    for (size_t i = 0; i < count; i++) {
        char *name = segment->names + i * NAME_ROOM;
        make_name(name, format, i);
        /* some per-CPU symbols first; one address in 16 has a second name */
        uint64_t address = percpu && i < 20 ? i * 0x100 : SYNTH_IMAGE_START + 0x1000 + (i - (i % 16 == 15)) * 0x30;
        segment->symbols[i] = (struct synth_symbol){name, address, i < 20 ? 'A' : "Ttdr"[i % 4]};
    }
    memset(synth_bytes_add(&segment->bytes, lead), fill, lead);
    struct synth_bytes tables = {0};
    segment->at = synth_kallsyms(&tables, SEGMENT_ADDRESS + lead, format, segment->symbols, count);
    memcpy(synth_bytes_add(&segment->bytes, tables.size), tables.bytes, tables.size);
    memset(synth_bytes_add(&segment->bytes, lead), fill, lead);
    synth_bytes_free(&tables);
}

void synth_segment_free(struct synth_segment *segment)
{
    synth_bytes_free(&segment->bytes);
    free(segment->symbols);
    free(segment->names);
    *segment = (struct synth_segment){0};
}

bool synth_segment_decode(const struct synth_segment *s, struct lkmfs_symbols **ret, struct lkmfs_error *err)
{
    uint8_t *copy = malloc(s->bytes.size);
    if (!copy)
        synth_die("out of memory");
    memcpy(copy, s->bytes.bytes, s->bytes.size);
    struct segment segment = {.address = SEGMENT_ADDRESS, .bytes = copy, .size = s->bytes.size};
    bool ok = symbols_decode(&segment, SYNTH_IMAGE_START, SYNTH_IMAGE_END, ret, err);
    free(copy);
    return ok;
}
