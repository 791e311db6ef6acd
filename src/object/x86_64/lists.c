/*
 * lists.c - list nodes in writable data: their pointers were made at run time. On disk a node was zero, and a list head
 * pointed to itself.
 */
#include "base/cursor.h"
#include "object/x86_64/data.h"

#define LIST_HEAD      UINT64_C(16) /* sizeof(struct list_head) */
#define ARRAY_OF_HEADS UINT64_C(8)
#define ARRAY_STEP_MAX 128

static bool reads_as(const struct restore *r, uint64_t address, uint64_t value)
{
    uint8_t word[8];
    return address >= r->context->kernel_half && address % 8 == 0 &&
           context_read(r->context, address, word, sizeof(word)) && le64(word) == value;
}

const struct draft_symbol *object_around(const struct restore *r, uint32_t index, uint64_t offset)
{
    uint64_t address = section_at(r, index)->address + offset;
    for (size_t i = place_from(r->places, r->place_count, address + 1); i-- > 0;) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        if (symbol->section == index && symbol->size)
            return address - r->places[i].address < symbol->size ? symbol : NULL;
        if (r->places[i].address < section_at(r, index)->address)
            return NULL;
    }
    return NULL;
}

/* A head declared on its own, or the two in the objects of trace event classes; other heads cannot be told from nodes.
 */
static bool is_head(const struct restore *r, const struct draft_section *section, uint64_t offset)
{
    uint32_t index = (uint32_t)(section - r->draft->sections);
    const struct draft_symbol *object = object_around(r, index, offset);
    return object &&
           (has_prefix(object->name, "event_class_") || (object->value == offset && object->size == LIST_HEAD));
}

static bool is_empty_head(const struct draft_section *section, uint64_t offset)
{
    uint64_t self = section->address + offset;
    return offset <= section->size && section->size - offset >= LIST_HEAD && le64(section->data + offset) == self &&
           le64(section->data + offset + 8) == self;
}

/* Whether heads follow `offset` within `object` at equal distances of `step`, enough of them to be an array. */
static bool is_row(const struct draft_section *section, const struct draft_symbol *object, uint64_t offset,
                   uint64_t step)
{
    for (uint64_t i = 1; i < ARRAY_OF_HEADS; i++)
        if (offset + i * step - object->value >= object->size || !is_empty_head(section, offset + i * step))
            return false;
    return true;
}

/* One of many heads at equal distances in one object: a hash table, which a loop makes at run time. */
static bool is_in_array(struct restore *r, const struct draft_section *section, uint64_t offset)
{
    uint32_t index = (uint32_t)(section - r->draft->sections);
    const struct draft_symbol *object = object_around(r, index, offset);
    struct head_row *row = &r->head_row;
    if (object && row->object == object && offset == row->offset + row->step) {
        row->offset = offset;
        return true;
    }
    if (!object || object->size < ARRAY_OF_HEADS * LIST_HEAD)
        return false;
    for (uint64_t step = LIST_HEAD; step <= ARRAY_STEP_MAX; step += 8) {
        if (is_row(section, object, offset, step)) {
            *row = (struct head_row){object, offset, step};
            return true;
        }
    }
    return false;
}

static bool is_linked(const struct restore *r, uint64_t self, uint64_t next, uint64_t prev)
{
    return next >= r->context->kernel_half && prev >= r->context->kernel_half && reads_as(r, next + 8, self) &&
           reads_as(r, prev, self);
}

/*
 * A head inside an object that was registered: behind a node, whose list the object was added to (struct crypto_alg),
 * or in a driver (dynids). Nodes may be restored already, so memory is asked.
 */
static bool is_registered(const struct restore *r, const struct draft_section *section, uint64_t offset)
{
    uint32_t index = (uint32_t)(section - r->draft->sections);
    const struct draft_symbol *object = object_around(r, index, offset);
    uint64_t node = section->address + offset - LIST_HEAD;
    uint8_t words[16];
    if (!object || offset == object->value)
        return false;
    if (offset - object->value >= LIST_HEAD && context_read(r->context, node, words, sizeof(words)) &&
        le64(words) != node && is_linked(r, node, le64(words), le64(words + 8)))
        return true;
    return is_registered_driver(r, section, object);
}

bool list_fate(struct restore *r, const struct draft_section *section, uint64_t offset, enum word_fate fate[2])
{
    uint64_t self = section->address + offset;
    uint64_t next = le64(section->data + offset), prev = le64(section->data + offset + 8);
    if (prev < r->context->kernel_half)
        return false;
    if (next == self && prev == self) { /* else an empty head is as it was */
        fate[0] = fate[1] = WORD_ZERO;
        return is_in_array(r, section, offset) || is_registered(r, section, offset);
    }
    if (is_linked(r, self, next, prev)) {
        bool head = is_head(r, section, offset);
        fate[0] = head ? WORD_SELF : WORD_ZERO;
        fate[1] = head ? WORD_SELF_PREV : WORD_ZERO;
        return true;
    }
    /* hlist_node: next, pprev */
    if (prev != self && reads_as(r, prev, self) && (next == 0 || reads_as(r, next + 8, self))) {
        fate[0] = fate[1] = WORD_ZERO;
        return true;
    }
    return false;
}
