#include "synth_kallsyms.h"

#include <string.h>

#define SYMBOLS_A_MARKER 256
#define TOKENS           256

const struct synth_kallsyms_format synth_kallsyms_formats[] = {
    {"4.6-4.19", SYNTH_RELATIVE_PERCPU, true, 8, false, SYNTH_SEQS_NONE, 8},
    {"4.6-4.19 UP", SYNTH_RELATIVE, true, 8, false, SYNTH_SEQS_NONE, 8},
    {"4.6-4.19 absolute", SYNTH_ABSOLUTE, true, 8, false, SYNTH_SEQS_NONE, 8},
    {"4.20-6.0", SYNTH_RELATIVE_PERCPU, true, 4, false, SYNTH_SEQS_NONE, 8},
    {"4.20-6.0 UP", SYNTH_RELATIVE, true, 4, false, SYNTH_SEQS_NONE, 8},
    {"4.20-6.0 absolute", SYNTH_ABSOLUTE, true, 4, false, SYNTH_SEQS_NONE, 8},
    {"6.1", SYNTH_RELATIVE_PERCPU, true, 4, true, SYNTH_SEQS_NONE, 8},
    {"6.1 UP", SYNTH_RELATIVE, true, 4, true, SYNTH_SEQS_NONE, 8},
    {"6.1 absolute", SYNTH_ABSOLUTE, true, 4, true, SYNTH_SEQS_NONE, 8},
    {"6.2-6.3, 6.1.176", SYNTH_RELATIVE_PERCPU, true, 4, true, SYNTH_SEQS_AFTER_MARKERS, 8},
    {"6.2-6.3 UP", SYNTH_RELATIVE, true, 4, true, SYNTH_SEQS_AFTER_MARKERS, 8},
    {"6.2-6.3 absolute", SYNTH_ABSOLUTE, true, 4, true, SYNTH_SEQS_AFTER_MARKERS, 8},
    {"6.4-6.14", SYNTH_RELATIVE_PERCPU, false, 4, true, SYNTH_SEQS_LAST, 8},
    {"6.4-6.19 without absolute per-CPU", SYNTH_RELATIVE, false, 4, true, SYNTH_SEQS_LAST, 8},
    {"6.4-6.10 absolute", SYNTH_ABSOLUTE, false, 4, true, SYNTH_SEQS_LAST, 8},
    {"7.0+", SYNTH_SELF_RELATIVE, false, 4, true, SYNTH_SEQS_LAST, 4},
};
const size_t synth_kallsyms_format_count = sizeof(synth_kallsyms_formats) / sizeof(synth_kallsyms_formats[0]);

/* What the best pairs of characters would become in a real table; they take the place of characters no symbol has. */
static const char *const pairs[] = {"sys_", "init",  "synth_", "fn_",  "__", "Tsy",
                                    "tsy",  "start", "stop",   "ksym", "_0", "_1"};
#define PAIR_COUNT (sizeof(pairs) / sizeof(pairs[0]))
#define FIRST_PAIR 0x80

/* Token `code`: a pair, or the character itself; an unused one is empty. */
static size_t token(unsigned code, char text[16])
{
    size_t size = 0;
    if (code >= FIRST_PAIR && code < FIRST_PAIR + PAIR_COUNT) {
        size = strlen(pairs[code - FIRST_PAIR]);
        memcpy(text, pairs[code - FIRST_PAIR], size);
    } else if (code > 0x20 && code < 0x7f) {
        text[size++] = (char)code;
    }
    return size;
}

static size_t compress(const char *text, size_t size, uint8_t *codes)
{
    size_t count = 0;
    for (size_t pos = 0; pos < size; count++) {
        codes[count] = (uint8_t)text[pos];
        size_t best = 1;
        for (unsigned i = 0; i < PAIR_COUNT; i++) {
            size_t length = strlen(pairs[i]);
            if (length > best && length <= size - pos && memcmp(text + pos, pairs[i], length) == 0) {
                codes[count] = (uint8_t)(FIRST_PAIR + i);
                best = length;
            }
        }
        pos += best;
    }
    return count;
}

static void add_name(struct synth_bytes *ret, const struct synth_kallsyms_format *format,
                     const struct synth_symbol *symbol)
{
    char text[1024];
    uint8_t codes[1024];
    size_t size = strlen(symbol->name);
    text[0] = symbol->type;
    memcpy(text + 1, symbol->name, size);
    size_t count = compress(text, size + 1, codes);
    if (format->long_names && count > 0x7f) {
        synth_bytes_le(ret, (count & 0x7f) | 0x80, 1);
        synth_bytes_le(ret, count >> 7, 1);
    } else {
        if (count > 0xff)
            synth_die("a name of %zu tokens needs long names", count);
        synth_bytes_le(ret, count, 1);
    }
    memcpy(synth_bytes_add(ret, count), codes, count);
}

static uint64_t lowest(const struct synth_symbol *symbols, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (symbols[i].address >> 63)
            return symbols[i].address;
    return 0;
}

static void add_addresses(struct synth_bytes *ret, uint64_t address, const struct synth_kallsyms_format *format,
                          const struct synth_symbol *symbols, size_t count, struct synth_kallsyms_places *places)
{
    uint64_t base = lowest(symbols, count);
    places->addresses = ret->size;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = symbols[i].address;
        if (format->encoding == SYNTH_ABSOLUTE)
            synth_bytes_le(ret, value, 8);
        else if (format->encoding == SYNTH_SELF_RELATIVE)
            synth_bytes_le(ret, value - (address + ret->size), 4);
        else if (format->encoding == SYNTH_RELATIVE_PERCPU && value >> 63)
            synth_bytes_le(ret, base - 1 - value, 4);
        else
            synth_bytes_le(ret, format->encoding == SYNTH_RELATIVE ? value - base : value, 4);
    }
    synth_bytes_align(ret, format->align);
    places->base = ret->size;
    if (format->encoding == SYNTH_RELATIVE || format->encoding == SYNTH_RELATIVE_PERCPU)
        synth_bytes_le(ret, base, 8);
}

/* 3 bytes for each symbol; lkmfs does not read them, and only their size matters. */
static void add_seqs(struct synth_bytes *ret, const struct synth_kallsyms_format *format, size_t count,
                     struct synth_kallsyms_places *places)
{
    places->seqs = ret->size;
    for (size_t i = 0; i < count; i++) {
        synth_bytes_le(ret, i >> 16, 1);
        synth_bytes_le(ret, i >> 8, 1);
        synth_bytes_le(ret, i, 1);
    }
    synth_bytes_align(ret, format->align);
}

static void add_tokens(struct synth_bytes *ret, const struct synth_kallsyms_format *format,
                       struct synth_kallsyms_places *places)
{
    uint16_t index[TOKENS];
    places->token_table = ret->size;
    for (unsigned i = 0; i < TOKENS; i++) {
        char text[16];
        size_t size = token(i, text);
        index[i] = (uint16_t)(ret->size - places->token_table);
        memcpy(synth_bytes_add(ret, size + 1), text, size);
    }
    synth_bytes_align(ret, format->align);
    places->token_index = ret->size;
    for (unsigned i = 0; i < TOKENS; i++)
        synth_bytes_le(ret, index[i], 2);
    synth_bytes_align(ret, format->align);
}

static void add_names(struct synth_bytes *ret, const struct synth_kallsyms_format *format,
                      const struct synth_symbol *symbols, size_t count, struct synth_kallsyms_places *places)
{
    size_t markers[256], marked = 0;
    places->num_syms = ret->size;
    synth_bytes_le(ret, count, format->wide);
    synth_bytes_align(ret, format->align);
    places->names = ret->size;
    for (size_t i = 0; i < count; i++) {
        if (i % SYMBOLS_A_MARKER == 0)
            markers[marked++] = ret->size - places->names;
        add_name(ret, format, &symbols[i]);
    }
    synth_bytes_align(ret, format->align);
    places->markers = ret->size;
    for (size_t i = 0; i < marked; i++)
        synth_bytes_le(ret, markers[i], format->wide);
    synth_bytes_align(ret, format->align);
}

struct synth_kallsyms_places synth_kallsyms(struct synth_bytes *ret, uint64_t address,
                                            const struct synth_kallsyms_format *format,
                                            const struct synth_symbol *symbols, size_t count)
{
    struct synth_kallsyms_places places = {0};
    synth_bytes_align(ret, 8);
    if (format->before)
        add_addresses(ret, address, format, symbols, count, &places);
    add_names(ret, format, symbols, count, &places);
    if (format->seqs == SYNTH_SEQS_AFTER_MARKERS)
        add_seqs(ret, format, count, &places);
    add_tokens(ret, format, &places);
    if (!format->before)
        add_addresses(ret, address, format, symbols, count, &places);
    if (format->seqs == SYNTH_SEQS_LAST)
        add_seqs(ret, format, count, &places);
    places.end = ret->size;
    return places;
}
