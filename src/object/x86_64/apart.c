#include "object/x86_64/apart.h"

#include <stdlib.h>
#include <string.h>

#include "object/x86_64/units.h"

/* What one object has only once, and where it is. */
struct once {
    const char *text;
    size_t length;
    struct tie_end end;
};

struct list {
    struct once *items;
    size_t count;
};

static int compare_text(const struct once *a, const struct once *b)
{
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    return memcmp(a->text, b->text, a->length);
}

static int by_text(const void *a, const void *b)
{
    const struct once *x = a, *y = b;
    int order = compare_text(x, y);
    if (order)
        return order;
    return x->end.place < y->end.place ? -1 : x->end.place > y->end.place;
}

/* Those that are alike are of one object after the other, as all lie on one line. */
static void tell(struct list *list, const struct ties *ties, struct ends *ends)
{
    struct once *items = list->items;
    if (list->count > 0)
        qsort(items, list->count, sizeof(*items), by_text);
    for (size_t i = 1; i < list->count; i++)
        if (compare_text(&items[i - 1], &items[i]) == 0)
            ends_between(ends, ties_bounds(ties, items[i - 1].end).low, ties_bounds(ties, items[i].end).high);
}

/* ---- local symbols ---- */

static size_t list_names(const struct restore *r, struct once *items)
{
    size_t count = 0;
    for (uint32_t i = 0; i < r->draft->symbol_count; i++) {
        const char *name = r->draft->symbols[i].name;
        struct tie_end end;
        if (units_symbol(r->units, i, &end))
            items[count++] = (struct once){name, strlen(name), end};
    }
    return count;
}

/*
 * The number that the compiler gave a variable local to a function, "3" for __func__.3: it counts those of an object
 * (gcc/langhooks.cc lhd_set_decl_assembler_name()). Tables and literals without names have counters of their own.
 */
static const char *number_of(const struct draft_symbol *symbol)
{
    static const char *const others[] = {"CSWTCH.", "__compound_literal.", "C."};
    const char *dot = strrchr(symbol->name, '.');
    if (!dot || ELF64_ST_TYPE(symbol->info) != STT_OBJECT || dot[1 + strspn(dot + 1, "0123456789")] || !dot[1])
        return NULL;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        if (has_prefix(symbol->name, others[i]))
            return NULL;
    return dot + 1;
}

static size_t list_numbers(const struct restore *r, struct once *items)
{
    size_t count = 0;
    for (uint32_t i = 0; i < r->draft->symbol_count; i++) {
        const char *number = number_of(&r->draft->symbols[i]);
        struct tie_end end;
        if (number && units_symbol(r->units, i, &end))
            items[count++] = (struct once){number, strlen(number), end};
    }
    return count;
}

static bool tell_symbols(const struct restore *r, const struct ties *ties, struct ends *ends)
{
    struct list list = {calloc(r->draft->symbol_count + 1, sizeof(*list.items)), 0};
    if (!list.items)
        return false;
    list.count = list_names(r, list.items);
    tell(&list, ties, ends);
    list.count = list_numbers(r, list.items);
    tell(&list, ties, ends);
    free(list.items);
    return true;
}

/* ---- strings ---- */

static size_t list_strings(const struct restore *r, uint32_t index, struct once *items)
{
    const struct draft_section *section = section_at(r, index);
    size_t count = 0;
    for (uint64_t at = 0, length; at < section->size; at += length + 1) {
        const char *string = (const char *)section->data + at;
        length = strnlen(string, section->size - at);
        if (length == 0)
            continue; /* may be padding */
        if (items)
            items[count] = (struct once){string, length, {index, at}};
        count++;
    }
    return count;
}

/* Compilers keep equal strings of an object once, and `ld -r` keeps those of several objects as they are. */
static bool tell_strings(const struct restore *r, uint32_t index, const struct ties *ties, struct ends *ends)
{
    struct list list = {NULL, list_strings(r, index, NULL)};
    list.items = calloc(list.count + 1, sizeof(*list.items));
    if (!list.items)
        return false;
    list_strings(r, index, list.items);
    tell(&list, ties, ends);
    free(list.items);
    return true;
}

bool apart_tell(const struct restore *r, const struct ties *ties, struct ends *ends)
{
    bool ok = tell_symbols(r, ties, ends);
    for (uint32_t i = 0; ok && i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        if (section->data && section->address && has_prefix(section->name, ".rodata.str"))
            ok = tell_strings(r, i, ties, ends);
    }
    return ok;
}
