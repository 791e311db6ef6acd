#include "kernel/symbols.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bulk.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/overflow.h"
#include "base/zeros.h"
#include "kernel/kallsyms.h"

#define NAME_MAX_BYTES 512 /* KSYM_NAME_LEN since 6.1; 128 before */
#define NO_SYMBOL      UINT32_MAX
/* Names of a kernel take 3 to 6 MB; what a forged table expands to must not take all memory. */
#define POOL_MAX ((size_t)64 << 20)

struct lkmfs_symbols {
    size_t count;
    size_t lost;         /* symbols whose names or addresses are on pages that are missing or torn */
    void *memory;        /* of all that follows */
    uint64_t *addresses; /* by index */
    uint32_t *names;     /* offset into pool: type letter, then the name */
    uint32_t *sorted;    /* indexes by ascending address, then by index */
    uint32_t *hash;      /* open addressing, NO_SYMBOL for free */
    char *pool;
    size_t hash_mask;
    uint64_t hash_seed;
    char layout[128];
};

/* How symbol i's address is stored. */
enum encoding {
    RELATIVE_PERCPU, /* offsets; >= 0 absolute, else relative_base - 1 - offset: KALLSYMS_ABSOLUTE_PERCPU, 4.6-6.14 */
    RELATIVE,        /* relative_base + offset */
    SELF_RELATIVE,   /* &offsets[i] + offset: 7.0+ */
    ABSOLUTE,        /* addresses[i]: before 4.6, and !KALLSYMS_BASE_RELATIVE */
};

static const char *const encoding_names[] = {"base-relative with absolute per-CPU", "base-relative", "self-relative",
                                             "absolute"};

struct placement {
    enum encoding encoding;
    size_t table; /* offset of offsets[] or addresses[] in the segment */
    size_t base;  /* offset of relative_base */
    bool before;  /* before num_syms (to 6.3) or after token_index (6.4+) */
};

static uint64_t address_at(const struct segment *segment, const struct placement *place, size_t i)
{
    if (place->encoding == ABSOLUTE)
        return le64(segment->bytes + place->table + i * 8);
    size_t at = place->table + i * 4;
    uint32_t raw = le32(segment->bytes + at);
    int64_t offset = (int32_t)raw;
    if (place->encoding == SELF_RELATIVE)
        return segment->address + at + (uint64_t)offset;
    uint64_t base = le64(segment->bytes + place->base);
    if (place->encoding == RELATIVE)
        return base + raw;
    return offset >= 0 ? (uint64_t)offset : base - 1 - (uint64_t)offset;
}

#define LOST UINT64_MAX /* for an address that nothing can lie at */
#define PAGE 4096
/* Symbols that can stand for the very first address. */
#define ZEROS_MAX 16

/* Self-relative offsets of pages that are missing from the image are zero: they lead back to where they stand. */
static bool points_to_itself(const struct segment *segment, const struct placement *place, size_t count,
                             uint64_t address)
{
    return place->encoding == SELF_RELATIVE && address - (segment->address + place->table) < count * 4;
}

/*
 * Share of addresses, in 1/1000, that a right decoding would give: inside the kernel image and rising. Absolute per-CPU
 * symbols, aliases and a few beyond the ends keep it below 1000; missing pages, all zero, don't rise.
 */
static unsigned plausibility(const struct segment *segment, const struct kallsyms_tables *tables,
                             const struct placement *place, uint64_t start, uint64_t end)
{
    size_t good = 0, tried = 0, step = tables->count / 4096 + 1;
    uint64_t last = 0;
    for (size_t i = 0; i < tables->count; i += step, tried++) {
        uint64_t address = address_at(segment, place, i);
        good += address >= start && address < end && address > last &&
                !points_to_itself(segment, place, tables->count, address);
        last = address;
    }
    return tried ? (unsigned)(good * 1000 / tried) : 0;
}

/* Fills `ret` with every placement that fits into the segment; returns how many. */
static size_t placements(const struct segment *segment, const struct kallsyms_tables *tables, struct placement ret[16])
{
    size_t n = 0, count = tables->count, offsets = align_up(count * 4, 8);
    if (tables->num_syms >= offsets + 8) {
        size_t base = tables->num_syms - 8;
        ret[n++] = (struct placement){RELATIVE_PERCPU, base - offsets, base, true};
        ret[n++] = (struct placement){RELATIVE, base - offsets, base, true};
    }
    if (tables->num_syms >= count * 8)
        ret[n++] = (struct placement){ABSOLUTE, tables->num_syms - count * 8, 0, true};
    size_t table = tables->token_index + 512;
    if (range_fits(table, offsets + 8, segment->size)) {
        ret[n++] = (struct placement){RELATIVE_PERCPU, table, table + offsets, false};
        ret[n++] = (struct placement){RELATIVE, table, table + offsets, false};
        ret[n++] = (struct placement){SELF_RELATIVE, table, 0, false};
    }
    if (range_fits(table, count * 8, segment->size))
        ret[n++] = (struct placement){ABSOLUTE, table, 0, false};
    return n;
}

static bool choose_placement(const struct segment *segment, const struct kallsyms_tables *tables, uint64_t start,
                             uint64_t end, struct placement *ret)
{
    struct placement tries[16];
    size_t n = placements(segment, tables, tries);
    unsigned best = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned score = plausibility(segment, tables, &tries[i], start, end);
        if (score > best) {
            best = score;
            *ret = tries[i];
        }
    }
    /* Modules without an address in the image (init sections are in it) are few; half is far from any wrong reading. */
    return best >= 500;
}

/*
 * Whether entries `first` to `end`, of `width` bytes, can be what the kernel's build wrote: addresses ascend in every
 * kernel. Those on a page that is another's do not, and those on one that is missing are zero.
 */
static bool addresses_fit(const uint8_t *table, size_t width, size_t first, size_t end, const uint64_t *addresses)
{
    for (size_t i = first + 1; i < end; i++)
        if (addresses[i] < addresses[i - 1])
            return false;
    return end - first <= ZEROS_MAX || !is_all_zero(table + first * width, (end - first) * width);
}

/* Writes the `count` addresses, LOST for those of pages that do not fit. */
static void read_addresses(const struct segment *segment, size_t count, const struct placement *place, uint64_t *ret)
{
    size_t width = place->encoding == ABSOLUTE ? 8 : 4;
    for (size_t first = 0, end; first < count; first = end) {
        size_t left = PAGE - (segment->address + place->table + first * width) % PAGE;
        end = min_u64(count, first + (left + width - 1) / width);
        for (size_t i = first; i < end; i++)
            ret[i] = address_at(segment, place, i);
        if (!addresses_fit(segment->bytes + place->table, width, first, end, ret))
            memset(ret + first, 0xff, (end - first) * sizeof(*ret));
    }
}

/* A short token's bytes are also in `start`, to be copied without a look at its size. */
#define TOKEN_START 8

struct token {
    const char *text;
    size_t size;
    char start[TOKEN_START];
};

static void read_tokens(const struct segment *segment, const struct kallsyms_tables *tables, struct token tokens[256])
{
    for (size_t i = 0; i < 256; i++) {
        const char *text =
            (const char *)segment->bytes + tables->token_table + le16(segment->bytes + tables->token_index + 2 * i);
        tokens[i] = (struct token){.text = text, .size = strlen(text)}; /* kallsyms_find() saw each NUL */
        memcpy(tokens[i].start, text, min_u64(tokens[i].size, TOKEN_START));
    }
}

/* Bytes of the type letter and the name that these codes stand for, without a NUL; cut at what a kernel can have. */
static size_t expanded_size(const struct token tokens[256], const uint8_t *codes, size_t length)
{
    size_t size = 0;
    for (size_t i = 0; i < length; i++)
        size += tokens[codes[i]].size;
    return min_u64(size, NAME_MAX_BYTES);
}

/* Writes `size` bytes as expanded_size() gave them, and up to TOKEN_START more that mean nothing. */
static void expand(const struct token tokens[256], const uint8_t *codes, size_t length, char *name, size_t size)
{
    size_t at = 0;
    for (size_t i = 0; i < length && at < size; i++) {
        const struct token *token = &tokens[codes[i]];
        if (token->size <= TOKEN_START)
            memcpy(name + at, token->start, TOKEN_START);
        else
            memcpy(name + at, token->text, min_u64(token->size, size - at));
        at += token->size;
    }
}

/* Bytes that all names take, each with a letter and a NUL; 0 when that is more than any kernel has. */
static size_t pool_size(const struct segment *segment, const struct kallsyms_tables *tables,
                        const struct token tokens[256])
{
    size_t total = 1;
    struct kallsyms_walk walk = kallsyms_walk_begin(segment, tables);
    for (size_t i = 0; i < tables->count; i++) {
        size_t length;
        const uint8_t *codes = kallsyms_walk_next(&walk, &length);
        total += max_u64(expanded_size(tokens, codes, length), 1) + 1;
    }
    return total <= POOL_MAX ? total : 0;
}

/* Takes in symbols whose names and addresses are known; read_addresses() wrote the latter. */
static void decode_names(struct lkmfs_symbols *symbols, const struct segment *segment,
                         const struct kallsyms_tables *tables, const struct token tokens[256])
{
    char *end = symbols->pool;
    struct kallsyms_walk walk = kallsyms_walk_begin(segment, tables);
    for (size_t i = 0; i < tables->count; i++) {
        size_t length;
        const uint8_t *codes = kallsyms_walk_next(&walk, &length);
        if (length == 0 || symbols->addresses[i] == LOST)
            continue;
        size_t size = expanded_size(tokens, codes, length);
        expand(tokens, codes, length, end, size);
        if (size < 1)
            end[size++] = '?';
        symbols->addresses[symbols->count] = symbols->addresses[i];
        symbols->names[symbols->count++] = (uint32_t)(end - symbols->pool);
        end += size;
        *end++ = 0;
    }
    symbols->lost = tables->count - symbols->count;
}

static const char *name_at(const struct lkmfs_symbols *symbols, size_t i)
{
    return symbols->pool + symbols->names[i] + 1;
}

/* Of symbols that share a name the first is kept, so that a million equal ones make no long way. */
static void index_names(struct lkmfs_symbols *symbols)
{
    memset(symbols->hash, 0xff, (symbols->hash_mask + 1) * sizeof(*symbols->hash));
    for (size_t i = 0; i < symbols->count; i++) {
        const char *name = name_at(symbols, i);
        size_t slot = hash_name(name, symbols->hash_seed) & symbols->hash_mask;
        while (symbols->hash[slot] != NO_SYMBOL && strcmp(name_at(symbols, symbols->hash[slot]), name) != 0)
            slot = (slot + 1) & symbols->hash_mask;
        if (symbols->hash[slot] == NO_SYMBOL)
            symbols->hash[slot] = (uint32_t)i;
    }
}

static int by_address(const void *a, const void *b, void *context)
{
    const uint64_t *addresses = context;
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    if (addresses[i] != addresses[j])
        return addresses[i] < addresses[j] ? -1 : 1;
    return i < j ? -1 : i > j;
}

static void index_addresses(struct lkmfs_symbols *symbols)
{
    bool ascending = true;
    for (size_t i = 0; i < symbols->count; i++) {
        symbols->sorted[i] = (uint32_t)i;
        ascending &= i == 0 || symbols->addresses[i] >= symbols->addresses[i - 1];
    }
    if (!ascending)
        qsort_r(symbols->sorted, symbols->count, sizeof(*symbols->sorted), by_address, symbols->addresses);
}

/* One piece of memory for all: some megabytes in distribution kernels. */
static struct lkmfs_symbols *symbols_new(size_t count, size_t pool)
{
    struct lkmfs_symbols *symbols = calloc(1, sizeof(*symbols));
    if (!symbols)
        return NULL;
    size_t slots = 1024;
    while (slots < count * 2)
        slots *= 2;
    symbols->memory =
        bulk_alloc(count * (sizeof(*symbols->addresses) + sizeof(*symbols->names) + sizeof(*symbols->sorted)) +
                   slots * sizeof(*symbols->hash) + pool + TOKEN_START);
    if (!symbols->memory) {
        free(symbols);
        return NULL;
    }
    symbols->hash_mask = slots - 1;
    symbols->hash_seed = hash_seed();
    symbols->addresses = symbols->memory;
    symbols->names = (uint32_t *)(symbols->addresses + count);
    symbols->sorted = symbols->names + count;
    symbols->hash = symbols->sorted + count;
    symbols->pool = (char *)(symbols->hash + slots);
    return symbols;
}

void symbols_free(struct lkmfs_symbols *symbols)
{
    if (!symbols)
        return;
    free(symbols->memory);
    free(symbols);
}

/* NULL without memory. */
static struct lkmfs_symbols *decode(const struct segment *segment, const struct kallsyms_tables *tables,
                                    const struct placement *place, const struct token tokens[256], size_t pool)
{
    struct lkmfs_symbols *symbols = symbols_new(tables->count, pool);
    if (!symbols)
        return NULL;
    read_addresses(segment, tables->count, place, symbols->addresses);
    decode_names(symbols, segment, tables, tokens);
    index_names(symbols);
    index_addresses(symbols);
    (void)snprintf(symbols->layout, sizeof(symbols->layout), "%zu symbols, %s, %s names, addresses %s", symbols->count,
                   encoding_names[place->encoding], tables->long_names ? "long" : "short",
                   place->before ? "before names (to 6.3)" : "after token_index (since 6.4)");
    return symbols;
}

bool symbols_decode(const struct segment *segment, uint64_t image_start, uint64_t image_end, struct lkmfs_symbols **ret,
                    struct lkmfs_error *err)
{
    struct kallsyms_tables tables;
    struct placement place;
    bool tables_seen = false;
    struct kallsyms_search search = kallsyms_search_begin(segment);
    while (kallsyms_find(&search, &tables)) {
        tables_seen = true;
        struct token tokens[256];
        read_tokens(segment, &tables, tokens);
        size_t pool = pool_size(segment, &tables, tokens);
        if (!pool || !choose_placement(segment, &tables, image_start, image_end, &place))
            continue;
        *ret = decode(segment, &tables, &place, tokens, pool);
        return *ret ? true : lkmfs_fail_memory(err);
    }
    return tables_seen
               ? lkmfs_fail(err, LKMFS_ERROR_DAMAGED, segment->address,
                            "kallsyms names found, but no reading of their addresses lies in the kernel image")
               : lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, segment->address, "no kallsyms tables in the kernel image");
}

size_t symbols_lost(const struct lkmfs_symbols *symbols)
{
    return symbols->lost;
}

const char *symbols_layout(const struct lkmfs_symbols *symbols)
{
    return symbols->layout;
}

size_t lkmfs_symbols_count(const struct lkmfs_symbols *symbols)
{
    return symbols->count;
}

struct lkmfs_symbol lkmfs_symbols_at(const struct lkmfs_symbols *symbols, size_t index)
{
    const char *entry = symbols->pool + symbols->names[index];
    return (struct lkmfs_symbol){.address = symbols->addresses[index], .name = entry + 1, .type = entry[0]};
}

bool lkmfs_symbols_find(const struct lkmfs_symbols *symbols, const char *name, uint64_t *ret)
{
    for (size_t slot = hash_name(name, symbols->hash_seed) & symbols->hash_mask; symbols->hash[slot] != NO_SYMBOL;
         slot = (slot + 1) & symbols->hash_mask) {
        if (strcmp(name_at(symbols, symbols->hash[slot]), name) == 0) {
            *ret = symbols->addresses[symbols->hash[slot]];
            return true;
        }
    }
    return false;
}

bool lkmfs_symbols_nearest(const struct lkmfs_symbols *symbols, uint64_t address, struct lkmfs_symbol *ret)
{
    size_t low = 0, high = symbols->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (symbols->addresses[symbols->sorted[middle]] <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    uint64_t found = symbols->addresses[symbols->sorted[low - 1]];
    while (low > 1 && symbols->addresses[symbols->sorted[low - 2]] == found)
        low--;
    *ret = lkmfs_symbols_at(symbols, symbols->sorted[low - 1]);
    return true;
}
