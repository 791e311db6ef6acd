#include "object/x86_64/undone.h"

#include <stdlib.h>
#include <string.h>

#include "object/x86_64/kin.h"
#include "object/x86_64/units.h"

#define UNDONE_MAX 256 /* functions of a module that its exit function calls */

/* From what nearly always undoes an init function to what often undoes something else. */
static const char *const undoing[] = {"uninit",     "deinit",     "exit",    "fini",
                                      "unregister", "deregister", "cleanup", "shutdown"};
static const char *const doing[] = {"init", "setup", "create", "register", "add", "start"};
#define UNDOING_WEAK 6 /* index of the first of the latter */

/* Where the object of a function that undoes something ends in .text. */
struct undone {
    bool is_weak; /* by its name */
    uint32_t low, high;
    bool is_member;      /* as in struct piece */
    struct piece *piece; /* that the function is in, NULL when it is in .text */
};

/* ---- names ---- */

/* Whether `name` is `like` with a word for doing something in place of the `length` bytes at `at`. */
static bool is_counterpart(const char *name, const char *like, size_t at, size_t length)
{
    if (strncmp(name, like, at) != 0)
        return false;
    for (size_t i = 0; i < sizeof(doing) / sizeof(*doing); i++)
        if (has_prefix(name + at, doing[i]) && strcmp(name + at + strlen(doing[i]), like + at + length) == 0)
            return true;
    return false;
}

static bool has_counterpart(const struct restore *r, const char *name, size_t at, size_t length)
{
    for (size_t i = 0; i < r->place_count; i++)
        if (is_counterpart(r->draft->symbols[r->places[i].symbol].name, name, at, length))
            return true;
    return false;
}

/* Whether the function at `address` undoes something that nothing kept did. */
static bool is_undoing(const struct restore *r, uint64_t address, bool *is_weak)
{
    size_t place = place_from(r->places, r->place_count, address);
    if (place >= r->place_count || r->places[place].address != address)
        return false;
    const char *name = r->draft->symbols[r->places[place].symbol].name;
    for (size_t i = 0; i < sizeof(undoing) / sizeof(*undoing); i++) {
        const char *word = strstr(name, undoing[i]);
        *is_weak = i >= UNDOING_WEAK;
        if (word)
            return !has_counterpart(r, name, (size_t)(word - name), strlen(undoing[i]));
    }
    return false;
}

/* ---- calls of the exit function ---- */

/* Where a call leads to that was left to the linker; false when it is none of own code. */
static bool find_callee(const struct restore *r, const struct draft_relocation *relocation, struct tie_end *ret)
{
    const struct draft_target *target = &relocation->target;
    if (relocation->type != R_X86_64_PLT32 && relocation->type != R_X86_64_PC32)
        return false;
    if (target->kind == DRAFT_TARGET_SECTION)
        *ret = (struct tie_end){target->index, (uint64_t)(target->addend + 4)};
    else if (target->kind == DRAFT_TARGET_SYMBOL)
        *ret = (struct tie_end){r->draft->symbols[target->index].section, r->draft->symbols[target->index].value};
    else
        return false;
    return ret->line < r->draft->section_count && is_code(section_at(r, ret->line));
}

/* Surest first. */
static int by_certainty(const void *a, const void *b)
{
    const struct undone *x = a, *y = b;
    if (x->is_weak != y->is_weak)
        return x->is_weak ? 1 : -1;
    if (x->high - x->low != y->high - y->low)
        return x->high - x->low < y->high - y->low ? -1 : 1;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* The last gap where the object may end whose function is before gap `next`; where no ends are known, the first. */
static uint32_t last_end(const struct restore *r, const struct ends *ends, uint64_t next)
{
    return r->context->shapes.text_merged ? ends->next_can[next] : ends->next_does[next];
}

/* Fills `ret` with one a function; returns how many. */
static size_t find_undone(struct restore *r, uint32_t text, const struct ends *ends, const struct pieces *pieces,
                          struct undone ret[UNDONE_MAX])
{
    struct target hook;
    size_t count = 0;
    if (!kin_hook(r, true, &hook) || !is_code(section_at(r, hook.section)))
        return 0;
    const struct draft_section *section = section_at(r, hook.section);
    uint64_t function = units_end(r->units, hook.section, hook.offset).place;
    for (size_t i = 0, calls = 0; i < section->relocation_count && calls < UNDONE_MAX; i++) {
        struct tie_end callee;
        bool is_weak;
        if (units_end(r->units, hook.section, section->relocations[i].offset).place != function ||
            !find_callee(r, &section->relocations[i], &callee))
            continue;
        calls++;
        if (!is_undoing(r, section_at(r, callee.line)->address + callee.place, &is_weak))
            continue;
        struct piece *piece = pieces_at(pieces, callee.line, callee.place);
        uint64_t next = units_end(r->units, callee.line, callee.place).place + 1;
        if (callee.line == text && is_same_part(r, text, callee.place, 0))
            ret[count++] = (struct undone){is_weak, ends->next_can[next], last_end(r, ends, next), true, NULL};
        else if (piece)
            ret[count++] = (struct undone){is_weak, piece->low, piece->high, piece->is_member, piece};
    }
    if (count > 0)
        qsort(ret, count, sizeof(*ret), by_certainty);
    return count;
}

/* ---- pieces ---- */

static bool is_like(const struct piece *a, const struct piece *b)
{
    return a->section == b->section && a->low == b->low && a->high == b->high;
}

/* Where each piece is expected: those that share all their places are taken to be spread evenly. */
static void expect(const struct pieces *pieces, uint32_t *ret)
{
    for (size_t first = 0, last; first < pieces->count; first = last + 1) {
        const struct piece *piece = &pieces->items[first];
        for (last = first; last + 1 < pieces->count && is_like(piece, &pieces->items[last + 1]);)
            last++;
        for (size_t i = first; i <= last; i++)
            ret[i] =
                piece->low + (uint32_t)((uint64_t)(piece->high - piece->low) * (i - first + 1) / (last - first + 2));
    }
}

/* The piece of .init.text that is most likely of the object, NULL if none can be. */
static struct piece *nearest(const struct restore *r, const struct undone *undone, const struct pieces *pieces,
                             const uint32_t *expected, const bool *is_taken)
{
    struct piece *best = NULL;
    uint32_t middle = undone->low + (undone->high - undone->low) / 2, least = UINT32_MAX;
    for (size_t i = 0; i < pieces->count; i++) {
        struct piece *piece = &pieces->items[i];
        uint32_t distance = expected[i] < middle ? middle - expected[i] : expected[i] - middle;
        bool can_be = !is_taken[i] && piece->low <= undone->high && piece->high >= undone->low;
        if (can_be && distance < least && strcmp(section_at(r, piece->section)->name, ".init.text") == 0) {
            least = distance;
            best = piece;
        }
    }
    return best;
}

/* Whether this settles where the object ends. */
static bool meet(struct piece *piece, uint32_t low, uint32_t high, bool is_member)
{
    bool was_open = piece->low < piece->high;
    if (low >= piece->low) {
        piece->is_member = is_member || (low == piece->low && piece->is_member);
        piece->low = low;
    }
    if (high < piece->high)
        piece->high = high;
    return was_open && piece->low == piece->high;
}

static bool is_repeated(const struct undone *undone, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (undone[i].high == undone[index].high)
            return true; /* maybe of one object */
    return false;
}

size_t undone_narrow(struct restore *r, uint32_t text, const struct ends *ends, struct pieces *pieces)
{
    struct undone undone[UNDONE_MAX];
    size_t count = find_undone(r, text, ends, pieces, undone), settled = 0;
    bool *is_taken = calloc(pieces->count + 1, sizeof(*is_taken));
    uint32_t *expected = calloc(pieces->count + 1, sizeof(*expected));
    bool ok = is_taken && expected;
    r->out_of_memory |= !ok;
    if (ok)
        expect(pieces, expected);
    for (size_t i = 0; ok && i < count; i++) {
        struct piece *piece = is_repeated(undone, i) ? NULL : nearest(r, &undone[i], pieces, expected, is_taken);
        if (!piece)
            continue;
        is_taken[piece - pieces->items] = true;
        settled += meet(piece, undone[i].low, undone[i].high, undone[i].is_member);
        if (undone[i].piece)
            settled += meet(undone[i].piece, piece->low, piece->high, piece->is_member);
    }
    free(is_taken);
    free(expected);
    return settled;
}
