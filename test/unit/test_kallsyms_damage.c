/* test_kallsyms_damage.c - kallsyms tables with bytes flipped, pages missing, ends cut, and decoys before them. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "synth_segment.h"

#define COUNT 800

/* Decodes; what is believed must be sound: names that end, most addresses in the kernel image. */
static bool believed(const struct synth_segment *s)
{
    struct lkmfs_symbols *symbols = NULL;
    struct lkmfs_error err = {0};
    if (!synth_segment_decode(s, &symbols, &err)) {
        cr_assert(err.code == LKMFS_ERROR_NOT_FOUND || err.code == LKMFS_ERROR_DAMAGED, "code %d", (int)err.code);
        cr_assert_neq(err.message[0], 0);
        return false;
    }
    size_t inside = 0, count = lkmfs_symbols_count(symbols);
    for (size_t i = 0; i < count; i++) {
        struct lkmfs_symbol symbol = lkmfs_symbols_at(symbols, i);
        cr_assert_leq(strlen(symbol.name), 512);
        inside += symbol.address >= SYNTH_IMAGE_START && symbol.address < SYNTH_IMAGE_END;
    }
    cr_assert_geq(inside * 2, count, "%zu of %zu in the image", inside, count);
    symbols_free(symbols);
    return true;
}

struct range {
    size_t start, end;
};

ParameterizedTestParameters(kallsyms_damage, every_byte_of_the_headers)
{
    static size_t formats[32];
    for (size_t i = 0; i < synth_kallsyms_format_count; i++)
        formats[i] = i;
    return cr_make_param_array(size_t, formats, synth_kallsyms_format_count);
}

ParameterizedTest(const size_t *index, kallsyms_damage, every_byte_of_the_headers)
{
    const struct synth_kallsyms_format *format = &synth_kallsyms_formats[*index];
    struct synth_segment s;
    synth_segment_init(&s, format, COUNT, 8, 0);
    const struct range ranges[] = {
        {s.at.num_syms, s.at.names + 40},           {s.at.markers, s.at.markers + 4 * format->wide},
        {s.at.token_table, s.at.token_index + 512}, {s.at.base, s.at.base + 8},
        {s.at.addresses, s.at.addresses + 32},
    };
    for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++)
        for (size_t i = ranges[r].start; i < ranges[r].end; i++) {
            uint8_t flip = (uint8_t)(i % 9 == 8 ? 0xff : 1 << i % 9);
            s.bytes.bytes[s.lead + i] ^= flip;
            (void)believed(&s);
            s.bytes.bytes[s.lead + i] ^= flip;
        }
    cr_assert(believed(&s));
    synth_segment_free(&s);
}

/* The tables are proven by each other: damage to one of these must not go unseen. */
Test(kallsyms_damage, broken_structure_is_refused)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], COUNT, 8, 0);
        const size_t places[] = {s.at.num_syms + 1,             /* the count */
                                 s.at.markers,                  /* marker 0 is not 0 */
                                 s.at.markers + s.format->wide, /* marker 1 misses its name */
                                 s.at.token_index + 7,          /* a token too far */
                                 s.at.token_table + 40};
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            uint8_t *byte = s.bytes.bytes + s.lead + places[i];
            *byte ^= 0x10;
            cr_assert_not(believed(&s), "%s: damage %zu", s.format->kernels, i);
            *byte ^= 0x10;
        }
        synth_segment_free(&s);
    }
}

/* Pages of zeros, one after the other. */
Test(kallsyms_damage, missing_pages)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], 4 * COUNT, 0x800, 0);
        uint8_t page[4096];
        size_t whole = 0;
        for (size_t at = 0; at + sizeof(page) <= s.bytes.size; at += sizeof(page)) {
            memcpy(page, s.bytes.bytes + at, sizeof(page));
            memset(s.bytes.bytes + at, 0, sizeof(page));
            whole += believed(&s);
            memcpy(s.bytes.bytes + at, page, sizeof(page));
        }
        cr_assert_lt(whole, s.bytes.size / sizeof(page));
        synth_segment_free(&s);
    }
}

/* Decodes `s`, whose tables are damaged: what is there must be right. Returns how many symbols are lost. */
static size_t lost_of(const struct synth_segment *s)
{
    struct lkmfs_symbols *symbols = NULL;
    struct lkmfs_error err = {0};
    cr_assert(synth_segment_decode(s, &symbols, &err), "%s: %s", s->format->kernels, err.message);
    size_t count = lkmfs_symbols_count(symbols), lost = symbols_lost(symbols);
    cr_assert_eq(count + lost, s->count, "%s", s->format->kernels);
    for (size_t i = 0, at = 0; i < count; i++, at++) {
        struct lkmfs_symbol symbol = lkmfs_symbols_at(symbols, i);
        while (at < s->count && strcmp(s->symbols[at].name, symbol.name) != 0)
            at++;
        cr_assert_lt(at, s->count, "%s: %s is none, or out of order", s->format->kernels, symbol.name);
        cr_assert_eq(s->symbols[at].address, symbol.address, "%s: %s", s->format->kernels, symbol.name);
    }
    symbols_free(symbols);
    return lost;
}

/* Offset of the first whole page at or behind the middle of [start, end), which are offsets from `lead`. */
static size_t middle_page(const struct synth_segment *s, size_t start, size_t end)
{
    return ((s->lead + (start + end) / 2) + 4095) & ~(size_t)4095;
}

/* A page of names that is missing or another's takes the names of its blocks along, and no others. */
Test(kallsyms_damage, lost_page_of_names)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], 20 * COUNT, 0x800, 0);
        uint8_t *page = s.bytes.bytes + middle_page(&s, s.at.names, s.at.markers);
        memset(page, 0, 4096);
        size_t lost = lost_of(&s);
        cr_assert(lost >= 256 && lost <= 6 * 256, "%s: %zu", s.format->kernels, lost);
        memcpy(page, page - 2 * 4096, 4096);
        lost = lost_of(&s);
        cr_assert(lost >= 256 && lost <= 6 * 256, "%s: %zu", s.format->kernels, lost);
        synth_segment_free(&s);
    }
}

Test(kallsyms_damage, lost_page_of_addresses)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], 20 * COUNT, 0x800, 0);
        size_t width = s.format->encoding == SYNTH_ABSOLUTE ? 8 : 4;
        uint8_t *page = s.bytes.bytes + middle_page(&s, s.at.addresses, s.at.addresses + s.count * width);
        memset(page, 0, 4096);
        cr_assert_eq(lost_of(&s), 4096 / width, "%s", s.format->kernels);
        for (unsigned i = 0; i < 4096; i++)
            page[i] = (uint8_t)(i * 37 % 251);
        cr_assert_eq(lost_of(&s), 4096 / width, "%s", s.format->kernels);
        synth_segment_free(&s);
    }
}

/* Tables of which more than a quarter is torn are no tables. */
Test(kallsyms_damage, too_many_lost_pages)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], 20 * COUNT, 0x800, 0);
        size_t middle = s.at.names + (s.at.markers - s.at.names) / 2;
        memset(s.bytes.bytes + s.lead + middle, 0, s.at.markers - middle);
        cr_assert_not(believed(&s), "%s", s.format->kernels);
        synth_segment_free(&s);
    }
}

/* All offsets are missing: no reading of zeros may be believed, self-relative ones least of all. */
Test(kallsyms_damage, missing_addresses)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], COUNT, 0x8000, 0);
        size_t width = s.format->encoding == SYNTH_ABSOLUTE ? 8 : 4;
        memset(s.bytes.bytes + s.lead + s.at.addresses, 0, COUNT * width);
        cr_assert_not(believed(&s), "%s", s.format->kernels);
        synth_segment_free(&s);
    }
}

Test(kallsyms_damage, cut_anywhere)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s;
        synth_segment_init(&s, &synth_kallsyms_formats[f], COUNT, 0, 0);
        size_t size = s.bytes.size, seqs = s.format->seqs == SYNTH_SEQS_LAST ? s.at.seqs : s.at.end;
        for (size_t cut = 0; cut < size; cut += cut < 64 || cut > size - 2000 ? 23 : 211) {
            s.bytes.size = cut;
            bool found = believed(&s);
            cr_assert(!found || cut + 8 >= seqs, "%s: found in 0x%zx of 0x%zx bytes", s.format->kernels, cut, size);
        }
        synth_segment_free(&s);
    }
}

/* The second half is another time's. */
Test(kallsyms_damage, torn)
{
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment s, other;
        synth_segment_init(&s, &synth_kallsyms_formats[f], COUNT, 0, 0);
        synth_segment_init(&other, &synth_kallsyms_formats[(f + 3) % synth_kallsyms_format_count], COUNT + 111, 0, 0);
        for (size_t at = 4096; at + 4096 <= s.bytes.size && at + 4096 <= other.bytes.size; at += 4096) {
            memcpy(s.bytes.bytes + at, other.bytes.bytes + at, s.bytes.size > other.bytes.size ? 4096 : 2048);
            (void)believed(&s);
        }
        synth_segment_free(&s);
        synth_segment_free(&other);
    }
}

/* Damaged tables, then a lone row of digits, then the right tables. */
Test(kallsyms_damage, decoys_before_the_right_tables)
{
    static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009\0";
    for (size_t f = 0; f < synth_kallsyms_format_count; f++) {
        struct synth_segment decoy, right;
        struct synth_bytes tables = {0};
        synth_segment_init(&decoy, &synth_kallsyms_formats[f], COUNT, 8, 0);
        synth_segment_init(&right, &synth_kallsyms_formats[f], COUNT + 5, 0, 0);
        decoy.bytes.bytes[decoy.lead + decoy.at.markers + decoy.format->wide] ^= 1;
        memcpy(synth_bytes_add(&decoy.bytes, sizeof(digits)), digits, sizeof(digits));
        synth_bytes_align(&decoy.bytes, 64);
        (void)synth_kallsyms(&tables, SYNTH_IMAGE_START + 0x800000 + decoy.bytes.size, decoy.format, right.symbols,
                             right.count);
        memcpy(synth_bytes_add(&decoy.bytes, tables.size), tables.bytes, tables.size);

        struct lkmfs_symbols *symbols = NULL;
        struct lkmfs_error err = {0};
        cr_assert(synth_segment_decode(&decoy, &symbols, &err), "%s: %s", decoy.format->kernels, err.message);
        cr_assert_eq(lkmfs_symbols_count(symbols), right.count);
        cr_assert_eq(lkmfs_symbols_at(symbols, 700).address, right.symbols[700].address);
        symbols_free(symbols);
        synth_bytes_free(&tables);
        synth_segment_free(&decoy);
        synth_segment_free(&right);
    }
}

/* Addresses of another kernel's image are no addresses of this one. */
Test(kallsyms_damage, addresses_outside_the_image)
{
    struct synth_segment s;
    struct synth_bytes tables = {0};
    synth_segment_init(&s, &synth_kallsyms_formats[12], COUNT, 0, 0);
    for (size_t i = 0; i < COUNT; i++)
        s.symbols[i].address += i < 20 ? 0 : 0x10000000;
    (void)synth_kallsyms(&tables, SYNTH_IMAGE_START + 0x800000, s.format, s.symbols, s.count);
    synth_bytes_free(&s.bytes);
    s.bytes = tables;
    struct lkmfs_symbols *symbols;
    struct lkmfs_error err = {0};
    cr_assert_not(synth_segment_decode(&s, &symbols, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_DAMAGED);
    synth_segment_free(&s);
}

/* Tokens of 255 characters: a name grows far beyond what any kernel has, and is cut. */
Test(kallsyms_damage, tokens_that_explode)
{
    struct synth_segment s;
    synth_segment_init(&s, &synth_kallsyms_formats[12], COUNT, 0, 0);
    struct synth_bytes out = {0};
    size_t table = s.at.token_table;
    memcpy(synth_bytes_add(&out, table), s.bytes.bytes, table);
    uint16_t index[256];
    for (unsigned i = 0; i < 256; i++) {
        index[i] = (uint16_t)(out.size - table);
        size_t length = i >= '0' && i <= '9' ? 1 : 250;
        memset(synth_bytes_add(&out, length), (int)(i < 0x21 || i > 0x7e ? 'X' : i), length);
        synth_bytes_le(&out, 0, 1);
    }
    synth_bytes_align(&out, 8);
    for (unsigned i = 0; i < 256; i++)
        synth_bytes_le(&out, index[i], 2);
    size_t rest = s.bytes.size - s.at.addresses;
    memcpy(synth_bytes_add(&out, rest), s.bytes.bytes + s.at.addresses, rest);
    synth_bytes_free(&s.bytes);
    s.bytes = out;
    cr_assert(believed(&s));
    synth_segment_free(&s);
}

/* A segment of nothing but rows of digits costs no more than time in proportion to its size. */
Test(kallsyms_damage, a_megabyte_of_digits, .timeout = 10)
{
    static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";
    struct synth_segment s = {.format = &synth_kallsyms_formats[0]};
    while (s.bytes.size < (1 << 20))
        memcpy(synth_bytes_add(&s.bytes, sizeof(digits)), digits, sizeof(digits));
    cr_assert_not(believed(&s));
    synth_bytes_free(&s.bytes);
}

/* Zeros everywhere but in the tokens: every word could be marker 0. */
Test(kallsyms_damage, tokens_after_megabytes_of_zeros, .timeout = 10)
{
    struct synth_segment s;
    synth_segment_init(&s, &synth_kallsyms_formats[12], COUNT, 8, 0);
    size_t size = s.bytes.size - s.lead - s.at.token_table;
    struct synth_bytes out = {0};
    (void)synth_bytes_add(&out, 8 << 20);
    memcpy(synth_bytes_add(&out, size), s.bytes.bytes + s.lead + s.at.token_table, size);
    synth_bytes_free(&s.bytes);
    s.bytes = out;
    cr_assert_not(believed(&s));
    synth_segment_free(&s);
}

/* The right tokens after megabytes in which every word could begin the markers, and every place the names. */
Test(kallsyms_damage, forged_to_keep_us_busy, .timeout = 20)
{
    struct synth_segment s;
    synth_segment_init(&s, &synth_kallsyms_formats[12], COUNT, 8, 0);
    size_t tokens = s.bytes.size - s.lead - s.at.token_table;
    struct synth_bytes out = {0};
    while (out.size < (4 << 20)) {
        for (unsigned i = 0; i < 2048; i++) /* names of one token */
            synth_bytes_le(&out, 0x4101, 2);
        for (unsigned i = 0; i < 8; i++)
            synth_bytes_le(&out, 7 * 256 + 1 + i, 4); /* numbers of symbols */
        for (unsigned i = 0; i < 8; i++)
            synth_bytes_le(&out, i * 0x200, 4);
    }
    memcpy(synth_bytes_add(&out, tokens), s.bytes.bytes + s.lead + s.at.token_table, tokens);
    synth_bytes_free(&s.bytes);
    s.bytes = out;
    (void)believed(&s);
    synth_segment_free(&s);
}

/* All names are the same: looking them up must not take a way as long as their number. */
Test(kallsyms_damage, one_name_for_all, .timeout = 20)
{
    enum { MANY = 65000 };
    struct synth_segment s;
    struct synth_bytes tables = {0};
    uint64_t address = 0;
    synth_segment_init(&s, &synth_kallsyms_formats[12], MANY, 0, 0);
    for (size_t i = 0; i < MANY; i++)
        s.symbols[i].name = "same_name";
    (void)synth_kallsyms(&tables, SYNTH_IMAGE_START + 0x800000, s.format, s.symbols, s.count);
    synth_bytes_free(&s.bytes);
    s.bytes = tables;
    struct lkmfs_symbols *symbols;
    struct lkmfs_error err = {0};
    cr_assert(synth_segment_decode(&s, &symbols, &err), "%s", err.message);
    for (unsigned i = 0; i < 100000; i++)
        cr_assert(lkmfs_symbols_find(symbols, "same_name", &address));
    cr_assert_eq(address, s.symbols[0].address);
    symbols_free(symbols);
    synth_segment_free(&s);
}
