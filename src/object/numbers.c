/*
 * numbers.c - fits the order of sections to the header indexes that symbols prove.
 *
 * Between two proven indexes the sections (one header each, two with a .rela) must fill the distance. Where they do,
 * each index between is proven too. Where they don't, a section placed by convention or a doubtful .rela is moved or
 * changed until they do.
 */
#include "object/numbers.h"

#include <stdlib.h>
#include <string.h>

/* The headers from one anchored slot up to the next. */
struct gap {
    size_t first, end; /* slots[first] is anchored, or the gap starts the file; slots[end] is anchored or the end */
    bool open;         /* nothing is known behind it */
    int64_t deficit;   /* headers that are missing in it, less than 0 when there are too many */
};

static int64_t weight(const struct slot *slot)
{
    return slot->rela ? 2 : 1;
}

/* The gap that starts at slot `first` and header index `start`. */
static struct gap measure(const struct slots *slots, size_t first, int64_t start)
{
    struct gap gap = {.first = first, .end = first + 1, .deficit = -start};
    if (first == 0 && slots->count && slots->items[0].anchor == DRAFT_NONE)
        gap.end = 0;
    for (size_t i = first; i < gap.end; i++)
        gap.deficit -= weight(&slots->items[i]);
    for (; gap.end < slots->count && slots->items[gap.end].anchor == DRAFT_NONE; gap.end++)
        gap.deficit -= weight(&slots->items[gap.end]);
    gap.open = gap.end >= slots->count;
    gap.deficit = gap.open ? 0 : gap.deficit + slots->items[gap.end].anchor;
    return gap;
}

/* All gaps; the first starts at header 1, behind the null header. Returns their number, at most slots->count + 1. */
static size_t find_gaps(const struct slots *slots, struct gap *gaps)
{
    size_t count = 0, at = 0;
    if (slots->count && slots->items[0].anchor != DRAFT_NONE) {
        /* An empty gap before the first slot. */
        gaps[count++] = (struct gap){.deficit = (int64_t)slots->items[0].anchor - 1};
    }
    while (at < slots->count) {
        const struct slot *slot = &slots->items[at];
        gaps[count] = measure(slots, at, slot->anchor == DRAFT_NONE ? 1 : slot->anchor);
        at = gaps[count++].end;
    }
    return count;
}

static void move_slot(struct slots *slots, size_t from, size_t to)
{
    struct slot moved = slots->items[from];
    memmove(&slots->items[from], &slots->items[from + 1], (slots->count - from - 1) * sizeof(moved));
    to -= from < to;
    memmove(&slots->items[to + 1], &slots->items[to], (slots->count - to - 1) * sizeof(moved));
    slots->items[to] = moved;
}

static size_t distance(size_t a, size_t b)
{
    return a > b ? a - b : b - a;
}

/* A movable slot of a gap that has too many (or, if `from_open`, of the open end), the nearest to `gap`; SIZE_MAX if
 * none. */
static size_t find_movable(const struct slots *slots, const struct gap *gaps, size_t count, const struct gap *gap,
                           bool from_open)
{
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        if (&gaps[i] == gap || (gaps[i].deficit >= 0 && !(from_open && gaps[i].open)))
            continue;
        for (size_t j = gaps[i].first; j < gaps[i].end; j++) {
            if (slots->items[j].movable && weight(&slots->items[j]) <= gap->deficit &&
                (best == SIZE_MAX || distance(j, gap->end) < distance(best, gap->end)))
                best = j;
        }
    }
    return best;
}

/* Moves one section into a gap that lacks headers. */
static bool move_one(struct slots *slots, const struct gap *gaps, size_t count, bool from_open)
{
    for (size_t i = 0; i < count; i++) {
        const struct gap *gap = &gaps[i];
        if (gap->open || gap->deficit <= 0)
            continue;
        size_t from = find_movable(slots, gaps, count, gap, from_open);
        if (from == SIZE_MAX)
            continue;
        /* To the near end of the gap, behind its anchored slot if that is it. */
        bool anchored = gap->first < gap->end && slots->items[gap->first].anchor != DRAFT_NONE;
        move_slot(slots, from, from < gap->end ? gap->first + anchored : gap->end);
        return true;
    }
    return false;
}

/* Moves one section out of a gap that has too many headers, behind the last anchor. */
static bool move_out(struct slots *slots, const struct gap *gaps, size_t count)
{
    if (!count || !gaps[count - 1].open)
        return false;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = gaps[i].end; gaps[i].deficit < 0 && j-- > gaps[i].first;) {
            if (slots->items[j].movable && weight(&slots->items[j]) <= -gaps[i].deficit) {
                move_slot(slots, j, gaps[count - 1].first + 1);
                return true;
            }
        }
    }
    return false;
}

static bool is_filled(const struct draft *draft, const struct slot *slot)
{
    return slot->section != DRAFT_NONE && draft->sections[slot->section].relocation_count;
}

/*
 * The doubtful .rela whose change makes the gap fit better. One for which relocations were found goes only when nothing
 * else explains the gap: it has one header too many, nothing movable, and no other doubt.
 */
static struct slot *find_doubtful(const struct draft *draft, const struct slots *slots, const struct gap *gap)
{
    struct slot *filled = NULL;
    bool only = gap->deficit == -1;
    for (size_t i = gap->first; i < gap->end; i++) {
        struct slot *slot = &slots->items[i];
        bool fits = slot->rela_doubtful && slot->rela == (gap->deficit < 0);
        if (fits && !is_filled(draft, slot))
            return slot;
        only = only && !slot->movable && !(fits && filled);
        filled = fits ? slot : filled;
    }
    return only ? filled : NULL;
}

static bool toggle_one(const struct draft *draft, const struct slots *slots, const struct gap *gaps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slot *slot = NULL;
        if (!gaps[i].open && gaps[i].deficit)
            slot = find_doubtful(draft, slots, &gaps[i]);
        if (!slot)
            continue;
        slot->rela = !slot->rela;
        slot->rela_doubtful = false;
        return true;
    }
    return false;
}

/* Every change brings a gap nearer to fitting, but two gaps might trade: the number of changes is bounded. */
static size_t fit(const struct draft *draft, struct slots *slots, struct gap *gaps)
{
    size_t count = find_gaps(slots, gaps);
    for (size_t changes = 0; changes < 64; changes++) {
        if (!move_one(slots, gaps, count, false) && !toggle_one(draft, slots, gaps, count) &&
            !move_one(slots, gaps, count, true) && !move_out(slots, gaps, count))
            break;
        count = find_gaps(slots, gaps);
    }
    return count;
}

/* The original had no relocations for this section: what was taken for them are pointers stored at run time, zero on
 * disk. */
static void drop_relocations(struct draft *draft, struct draft_section *section)
{
    if (!section->relocation_count)
        return;
    draft_doubt(draft, "%zu pointers in %s were stored at run time: header indexes prove that it had no relocations",
                section->relocation_count, section->name);
    section->relocation_count = 0;
}

/* Sections that found no slot (names that occur twice) go last. */
static void append_rest(struct draft *draft, const struct slots *slots, uint32_t number, size_t placed, uint32_t *order)
{
    for (uint32_t i = 0; i < draft->section_count && placed < draft->section_count; i++) {
        size_t j = 0;
        while (j < slots->count && slots->items[j].section != i)
            j++;
        if (j < slots->count)
            continue;
        draft->sections[i].original_index = number++;
        draft->sections[i].index_from = LKMFS_FROM_INFERRED;
        order[placed++] = i;
    }
}

static void assign(struct draft *draft, const struct slots *slots, const struct gap *gaps, size_t gap_count,
                   uint32_t *order)
{
    size_t placed = 0;
    uint32_t number = 1;
    for (size_t i = 0; i < gap_count; i++) {
        for (size_t j = gaps[i].first; j < gaps[i].end; j++) {
            const struct slot *slot = &slots->items[j];
            bool anchored = slot->anchor != DRAFT_NONE;
            number = anchored ? slot->anchor : number;
            if (slot->section != DRAFT_NONE) {
                struct draft_section *section = &draft->sections[slot->section];
                section->original_index = number;
                section->has_rela = slot->rela;
                if (!slot->rela)
                    drop_relocations(draft, section);
                if (!anchored)
                    section->index_from = gaps[i].open || gaps[i].deficit ? LKMFS_FROM_INFERRED : LKMFS_FROM_RESTORED;
                order[placed++] = slot->section;
            }
            number += (uint32_t)weight(slot);
        }
    }
    append_rest(draft, slots, number, placed, order);
}

bool numbers_find(struct draft *draft, const struct evidence *evidence, uint32_t **order)
{
    struct slots slots;
    bool ok = order_sections(draft, evidence, &slots);
    struct gap *gaps = calloc(slots.count + 2, sizeof(*gaps));
    *order = calloc(draft->section_count + 1, sizeof(**order));
    ok = ok && gaps && *order;
    if (ok) {
        size_t count = fit(draft, &slots, gaps);
        assign(draft, &slots, gaps, count, *order);
    } else {
        draft->out_of_memory = true;
        free(*order);
        *order = NULL;
    }
    free(slots.items);
    free(gaps);
    return ok;
}
