#include "kernel/kallsyms.h"

#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

#define TOKENS           256
#define SYMBOLS_A_MARKER 256
/* Bytes of 256 compressed names; real kernels have 1,800 to 4,500. */
#define MARKER_STEP_MIN 0x200
#define MARKER_STEP_MAX ((size_t)0x8000)
#define MARKERS_MIN     4
#define MARKERS_MAX     0x4000 /* four million symbols; distribution kernels have 100 to 300 thousand */
/* One block in so many may be torn: a page of names that is lost takes two or three of some 600 blocks with it. */
#define TORN_SHARE 4
/* names, markers and seqs_of_names lie between num_syms and token_table: 3 to 5 MB in distribution kernels. */
#define REACH ((size_t)32 << 20)

/* Unused byte values stand for themselves, so the digits are always in a row. */
static const char digits[] = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009";

/* token_index[i] is the offset of token i: the two tables prove each other. */
static bool index_fits(const struct segment *segment, size_t table, size_t index)
{
    const uint8_t *at = segment->bytes + index;
    if (le16(at) != 0)
        return false;
    for (size_t i = 0; i + 1 < TOKENS; i++) {
        size_t start = le16(at + 2 * i), end = le16(at + 2 * i + 2);
        if (end <= start || table + end > index || segment->bytes[table + end - 1] != 0)
            return false;
        if (memchr(segment->bytes + table + start, 0, end - 1 - start))
            return false;
    }
    return true;
}

/* Counts one step of work; false when there were too many. */
static bool step(struct kallsyms_search *search)
{
    if (!search->work)
        return false;
    search->work--;
    return true;
}

/* From the token "0" at `digit`, finds the start of token_table and token_index behind its end. */
static bool find_tokens(struct kallsyms_search *search, size_t digit, struct kallsyms_tables *ret)
{
    const struct segment *segment = search->segment;
    size_t pos = digit;
    for (int token = '0'; token < TOKENS; token++) {
        const uint8_t *nul = memchr(segment->bytes + pos, 0, segment->size - pos);
        if (!nul || !step(search))
            return false;
        pos = (size_t)(nul - segment->bytes) + 1;
    }
    /* .balign 8, since 7.0 .balign 4 */
    for (size_t align = 4; align <= 8; align += 4) {
        size_t index = align_up(pos, align);
        if (!range_fits(index, (size_t)TOKENS * 2, segment->size))
            continue;
        size_t before = le16(segment->bytes + index + (size_t)'0' * 2);
        if (before > digit || !index_fits(segment, digit - before, index))
            continue;
        ret->token_table = digit - before;
        ret->token_index = index;
        return true;
    }
    return false;
}

static uint64_t marker_at(const struct segment *segment, size_t pos, unsigned wide)
{
    return wide == 4 ? le32(segment->bytes + pos) : le64(segment->bytes + pos);
}

/* Number of markers in the rising run that starts at `pos` with 0; bounded by `limit`. */
static size_t marker_run(struct kallsyms_search *search, size_t pos, size_t limit, unsigned wide)
{
    const struct segment *segment = search->segment;
    size_t count = 1;
    uint64_t last = 0;
    for (pos += wide; pos + wide <= limit && count < MARKERS_MAX && step(search); pos += wide, count++) {
        uint64_t next = marker_at(segment, pos, wide);
        if (next < last + MARKER_STEP_MIN || next > last + MARKER_STEP_MAX)
            break;
        last = next;
    }
    return count;
}

/* Length in tokens of the name at *pos, which moves to its first token. False when it leaves the segment. */
static bool name_length(const struct segment *segment, const struct kallsyms_tables *tables, size_t *pos,
                        size_t *length)
{
    if (*pos >= segment->size)
        return false;
    size_t value = segment->bytes[(*pos)++];
    if (tables->long_names && value & 0x80) {
        if (*pos >= segment->size)
            return false;
        value = (value & 0x7f) | (size_t)segment->bytes[(*pos)++] << 7;
    }
    *length = value;
    return value && value <= segment->size - *pos;
}

/* Where the names of a block begin, as its marker has it. */
static size_t block_start(const struct segment *segment, const struct kallsyms_tables *tables, uint32_t block)
{
    return tables->names + (size_t)marker_at(segment, tables->markers + (size_t)block * tables->wide, tables->wide);
}

static uint32_t block_count(const struct kallsyms_tables *tables)
{
    return (tables->count + SYMBOLS_A_MARKER - 1) / SYMBOLS_A_MARKER;
}

/* Whether the names of a block end where the next marker says, or those of the last right before the markers. */
static bool block_fits(const struct segment *segment, const struct kallsyms_tables *tables, uint32_t block)
{
    bool last = block + 1 == block_count(tables);
    size_t pos = block_start(segment, tables, block);
    size_t end = last ? tables->markers : block_start(segment, tables, block + 1);
    size_t names = last ? tables->count - block * SYMBOLS_A_MARKER : SYMBOLS_A_MARKER;
    for (size_t i = 0; i < names; i++) {
        size_t length;
        if (!name_length(segment, tables, &pos, &length))
            return false;
        pos += length;
        if (pos > end)
            return false;
    }
    return last ? align_up(pos, 8) >= end : pos == end;
}

/* Walks all names. The first block must fit, and most of the others. */
static bool names_fit(struct kallsyms_search *search, struct kallsyms_tables *tables)
{
    uint32_t blocks = block_count(tables);
    tables->torn = 0;
    for (uint32_t block = 0; block < blocks; block++) {
        for (unsigned i = 0; i < SYMBOLS_A_MARKER; i++)
            if (!step(search))
                return false;
        if (block_fits(search->segment, tables, block))
            continue;
        tables->torn++;
        if (block == 0 || tables->torn > blocks / TORN_SHARE)
            return false;
    }
    return true;
}

struct kallsyms_walk kallsyms_walk_begin(const struct segment *segment, const struct kallsyms_tables *tables)
{
    return (struct kallsyms_walk){.segment = segment, .tables = tables, .pos = tables->names};
}

const uint8_t *kallsyms_walk_next(struct kallsyms_walk *walk, size_t *length)
{
    const struct kallsyms_tables *tables = walk->tables;
    *length = 0;
    if (tables->torn && walk->index % SYMBOLS_A_MARKER == 0) {
        uint32_t block = walk->index / SYMBOLS_A_MARKER;
        walk->pos = block_start(walk->segment, tables, block);
        walk->torn = !block_fits(walk->segment, tables, block);
    }
    walk->index++;
    if (walk->torn)
        return NULL;
    (void)name_length(walk->segment, tables, &walk->pos, length);
    const uint8_t *tokens = walk->segment->bytes + walk->pos;
    walk->pos += *length;
    return tokens;
}

/* num_syms stands right before names, which end where the `count` markers begin. */
static bool find_names(struct kallsyms_search *search, size_t count, struct kallsyms_tables *ret)
{
    const struct segment *segment = search->segment;
    uint64_t last = marker_at(segment, ret->markers + (count - 1) * ret->wide, ret->wide);
    if (last + 16 > ret->markers)
        return false;
    size_t high = ret->markers - (size_t)last;
    size_t low = high > 2 * MARKER_STEP_MAX ? high - 2 * MARKER_STEP_MAX : 0;
    for (size_t pos = high & ~(size_t)3; pos >= low + 4 && step(search); pos -= 4) {
        uint32_t number = le32(segment->bytes + pos - 4);
        if (number <= (count - 1) * SYMBOLS_A_MARKER || number > count * SYMBOLS_A_MARKER)
            continue;
        ret->count = number;
        ret->num_syms = pos - 4;
        /* names follow after .balign 8, since 7.0 .balign 4 */
        for (size_t align = 4; align <= 8; align += 4) {
            ret->names = align_up(pos, align);
            for (int longs = 1; longs >= 0; longs--) {
                ret->long_names = longs;
                if (names_fit(search, ret))
                    return true;
            }
        }
    }
    return false;
}

static bool find_markers(struct kallsyms_search *search, struct kallsyms_tables *ret)
{
    const struct segment *segment = search->segment;
    size_t low = ret->token_table > REACH ? ret->token_table - REACH : 0;
    for (unsigned wide = 4; wide <= 8; wide += 4) {
        ret->wide = wide;
        /* Backwards, for nothing but seqs_of_names can stand between markers and token_table. */
        for (size_t pos = ret->token_table & ~(size_t)(wide - 1); pos >= low + wide && step(search);) {
            pos -= wide;
            if (marker_at(segment, pos, wide) != 0)
                continue;
            size_t count = marker_run(search, pos, ret->token_table, wide);
            ret->markers = pos;
            if (count >= MARKERS_MIN && find_names(search, count, ret))
                return true;
        }
    }
    return false;
}

struct kallsyms_search kallsyms_search_begin(const struct segment *segment)
{
    /* Real tables take less than one step a byte. */
    return (struct kallsyms_search){.segment = segment, .work = segment->size * 4 + ((uint64_t)1 << 20)};
}

bool kallsyms_find(struct kallsyms_search *search, struct kallsyms_tables *ret)
{
    const struct segment *segment = search->segment;
    while (search->from < segment->size && search->work) {
        const uint8_t *hit =
            memmem(segment->bytes + search->from, segment->size - search->from, digits, sizeof(digits));
        if (!hit)
            break;
        size_t digit = (size_t)(hit - segment->bytes);
        search->from = digit + 1;
        *ret = (struct kallsyms_tables){0};
        if (find_tokens(search, digit, ret) && find_markers(search, ret))
            return true;
    }
    search->from = segment->size;
    return false;
}
