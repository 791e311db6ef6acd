/* test_kallsyms.c - kallsyms tables of every kernel since 4.6. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "synth_segment.h"

#define COUNT 1100

static void expect_all(const struct synth_segment *s, const struct lkmfs_symbols *symbols)
{
    cr_assert_eq(lkmfs_symbols_count(symbols), s->count);
    for (size_t i = 0; i < s->count; i++) {
        struct lkmfs_symbol got = lkmfs_symbols_at(symbols, i);
        cr_assert_str_eq(got.name, s->symbols[i].name);
        cr_assert_eq(got.address, s->symbols[i].address, "%s: 0x%llx", got.name, (unsigned long long)got.address);
        cr_assert_eq(got.type, s->symbols[i].type);
    }
}

static struct lkmfs_symbols *decode(const struct synth_segment *s)
{
    struct lkmfs_symbols *symbols = NULL;
    struct lkmfs_error err = {0};
    cr_assert(synth_segment_decode(s, &symbols, &err), "%s: %s", s->format->kernels, err.message);
    return symbols;
}

static const char *word_for(enum synth_encoding encoding)
{
    static const char *const words[] = {"absolute", "base-relative", "base-relative with absolute per-CPU",
                                        "self-relative"};
    return words[encoding];
}

static void expect_layout(const struct synth_kallsyms_format *format, const struct lkmfs_symbols *symbols)
{
    char encoding[64];
    const char *layout = symbols_layout(symbols);
    (void)snprintf(encoding, sizeof(encoding), "symbols, %s, %s names", word_for(format->encoding), "long");
    if (!strstr(layout, encoding))
        (void)snprintf(encoding, sizeof(encoding), "symbols, %s, %s names", word_for(format->encoding), "short");
    cr_assert_not_null(strstr(layout, encoding), "%s: %s", format->kernels, layout);
    cr_assert_not_null(strstr(layout, format->before ? "before names (to 6.3)" : "after token_index (since 6.4)"), "%s",
                       layout);
    if (format->long_names)
        cr_assert_not_null(strstr(layout, "long names"), "%s", layout);
}

struct setting {
    size_t format, lead;
    uint8_t fill;
};

ParameterizedTestParameters(kallsyms, every_format)
{
    static struct setting settings[16 * 4];
    static const size_t leads[] = {0, 8, 0x1008, 0x20000};
    static const uint8_t fills[] = {0, 0xff, 0x41, 0};
    size_t n = 0;
    for (size_t i = 0; i < synth_kallsyms_format_count; i++)
        for (size_t j = 0; j < 4; j++)
            settings[n++] = (struct setting){i, leads[j], fills[j]};
    return cr_make_param_array(struct setting, settings, n);
}

ParameterizedTest(const struct setting *setting, kallsyms, every_format)
{
    struct synth_segment s;
    synth_segment_init(&s, &synth_kallsyms_formats[setting->format], COUNT, setting->lead, setting->fill);
    struct lkmfs_symbols *symbols = decode(&s);
    expect_all(&s, symbols);
    expect_layout(s.format, symbols);
    symbols_free(symbols);
    synth_segment_free(&s);
}

/* What no kernel has been seen to write, but a patched one could: every combination of the parts. */
Test(kallsyms, every_combination)
{
    struct synth_kallsyms_format format = {.kernels = "made up"};
    for (unsigned i = 0; i < 4 * 2 * 2 * 2 * 3; i++) {
        format.encoding = (enum synth_encoding)(i % 4);
        format.before = i / 4 % 2;
        format.wide = i / 8 % 2 ? 8 : 4;
        format.long_names = i / 16 % 2;
        format.seqs = (enum synth_seqs)(i / 32);
        format.align = 8;
        if (format.encoding == SYNTH_SELF_RELATIVE && format.before)
            continue; /* not since 6.4 */
        struct synth_segment s;
        synth_segment_init(&s, &format, COUNT, 64, 0);
        struct lkmfs_symbols *symbols = decode(&s);
        expect_all(&s, symbols);
        symbols_free(symbols);
        synth_segment_free(&s);
    }
}

/* Numbers of symbols around those at which a marker begins. */
Test(kallsyms, counts_around_a_marker)
{
    static const size_t counts[] = {769, 1023, 1024, 1025, 1279, 1280, 1281};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
            struct synth_segment s;
            synth_segment_init(&s, &synth_kallsyms_formats[f], counts[i], 16, 0);
            struct lkmfs_symbols *symbols = decode(&s);
            expect_all(&s, symbols);
            symbols_free(symbols);
            synth_segment_free(&s);
        }
}

Test(kallsyms, find_by_name)
{
    struct synth_segment s;
    synth_segment_init(&s, &synth_kallsyms_formats[12], COUNT, 0, 0);
    struct lkmfs_symbols *symbols = decode(&s);
    uint64_t address = 1;
    for (size_t i = 0; i < COUNT; i++) {
        cr_assert(lkmfs_symbols_find(symbols, s.symbols[i].name, &address));
        cr_assert_eq(address, s.symbols[i].address);
    }
    cr_assert_not(lkmfs_symbols_find(symbols, "", &address));
    cr_assert_not(lkmfs_symbols_find(symbols, "synth_fn", &address));
    cr_assert_not(lkmfs_symbols_find(symbols, "no_such_symbol", &address));
    symbols_free(symbols);
    synth_segment_free(&s);
}

/* The name that stands first counts: static functions share names. */
Test(kallsyms, find_the_first_of_a_name)
{
    struct synth_segment s;
    struct synth_bytes tables = {0};
    synth_segment_init(&s, &synth_kallsyms_formats[12], COUNT, 0, 0);
    for (size_t i = 100; i < 110; i++)
        s.symbols[i].name = "twin";
    (void)synth_kallsyms(&tables, SYNTH_IMAGE_START + 0x800000, s.format, s.symbols, s.count);
    synth_bytes_free(&s.bytes);
    s.bytes = tables;
    struct lkmfs_symbols *symbols = decode(&s);
    uint64_t address;
    cr_assert(lkmfs_symbols_find(symbols, "twin", &address));
    cr_assert_eq(address, s.symbols[100].address);
    symbols_free(symbols);
    synth_segment_free(&s);
}

Test(kallsyms, nearest)
{
    struct synth_segment s;
    struct lkmfs_symbol symbol;
    synth_segment_init(&s, &synth_kallsyms_formats[13], COUNT, 0, 0);
    struct lkmfs_symbols *symbols = decode(&s);
    uint64_t first = s.symbols[0].address, last = s.symbols[COUNT - 1].address;

    cr_assert_not(lkmfs_symbols_nearest(symbols, first - 1, &symbol));
    cr_assert_not(lkmfs_symbols_nearest(symbols, 0, &symbol));
    cr_assert(lkmfs_symbols_nearest(symbols, first, &symbol));
    cr_assert_str_eq(symbol.name, s.symbols[0].name);
    cr_assert(lkmfs_symbols_nearest(symbols, UINT64_MAX, &symbol));
    cr_assert_eq(symbol.address, last);
    /* 14 and 15 share an address: the first of them, from any byte of it */
    cr_assert_eq(s.symbols[14].address, s.symbols[15].address);
    cr_assert(lkmfs_symbols_nearest(symbols, s.symbols[14].address + 5, &symbol));
    cr_assert_str_eq(symbol.name, s.symbols[14].name);
    symbols_free(symbols);
    synth_segment_free(&s);
}

/* Two pages of addresses have changed places: each ascends, the whole does not, and is searched all the same. */
Test(kallsyms, nearest_when_not_ascending)
{
    enum { MANY = 4096, PAGE = 4096 };
    struct synth_segment s;
    struct lkmfs_symbol symbol;
    uint8_t page[PAGE];
    synth_segment_init(&s, &synth_kallsyms_formats[6], MANY, 0, 0);
    uint8_t *first = s.bytes.bytes + PAGE;
    memcpy(page, first, PAGE);
    memmove(first, first + PAGE, PAGE);
    memcpy(first + PAGE, page, PAGE);
    struct lkmfs_symbols *symbols = decode(&s);
    cr_assert_eq(lkmfs_symbols_count(symbols), MANY);
    for (size_t i = 0; i < MANY; i += 7) {
        cr_assert(lkmfs_symbols_nearest(symbols, s.symbols[i].address, &symbol));
        cr_assert_eq(symbol.address, s.symbols[i].address);
    }
    symbols_free(symbols);
    synth_segment_free(&s);
}

/* As the 7,000 names of empty name spaces of exports do in 5.10. */
Test(kallsyms, thousands_share_an_address)
{
    enum { MANY = 6000 };
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        struct synth_bytes tables = {0};
        synth_segment_init(&s, &synth_kallsyms_formats[f], MANY, 0, 0);
        for (size_t i = 1000; i < 3300; i++)
            s.symbols[i].address = s.symbols[1000].address;
        (void)synth_kallsyms(&tables, SYNTH_IMAGE_START + 0x800000, s.format, s.symbols, s.count);
        synth_bytes_free(&s.bytes);
        s.bytes = tables;
        struct lkmfs_symbols *symbols = decode(&s);
        cr_assert_eq(symbols_lost(symbols), 0, "%s", s.format->kernels);
        cr_assert_eq(lkmfs_symbols_count(symbols), MANY);
        symbols_free(symbols);
        synth_segment_free(&s);
    }
}

Test(kallsyms, free_accepts_null)
{
    symbols_free(NULL);
}
