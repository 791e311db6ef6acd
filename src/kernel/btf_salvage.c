#include "kernel/btf_salvage.h"

#include <bpf/btf.h>
#include <stdlib.h>
#include <string.h>

#include "base/bulk.h"
#include "base/cursor.h"
#include "base/overflow.h"

#define MEMBER_SIZE 12 /* struct btf_member */
#define PAGE        4096

/* Bytes of a type with so many members, 0 for a kind that there is not. */
static uint64_t type_size(uint32_t info)
{
    uint64_t members = BTF_INFO_VLEN(info);
    switch (BTF_INFO_KIND(info)) {
    case BTF_KIND_PTR:
    case BTF_KIND_FWD:
    case BTF_KIND_TYPEDEF:
    case BTF_KIND_VOLATILE:
    case BTF_KIND_CONST:
    case BTF_KIND_RESTRICT:
    case BTF_KIND_FUNC:
    case BTF_KIND_FLOAT:
    case BTF_KIND_TYPE_TAG:
        return BTF_TYPE_SIZE;
    case BTF_KIND_INT:
    case BTF_KIND_VAR:
    case BTF_KIND_DECL_TAG:
        return BTF_TYPE_SIZE + 4;
    case BTF_KIND_ARRAY:
        return BTF_TYPE_SIZE + sizeof(struct btf_array);
    case BTF_KIND_ENUM:
    case BTF_KIND_FUNC_PROTO:
        return BTF_TYPE_SIZE + members * 8;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
    case BTF_KIND_DATASEC:
    case BTF_KIND_ENUM64:
        return BTF_TYPE_SIZE + members * MEMBER_SIZE;
    default:
        return 0;
    }
}

/* Whether the members of a struct have names in the section and types of it: those on another's page do not. */
static bool members_fit(const struct btf_section *section, const struct btf_index *index, uint32_t at, uint32_t info)
{
    uint32_t kind = BTF_INFO_KIND(info);
    if (kind != BTF_KIND_STRUCT && kind != BTF_KIND_UNION)
        return true;
    const uint8_t *member = section->types + at + BTF_TYPE_SIZE;
    for (uint32_t i = 0; i < BTF_INFO_VLEN(info); i++, member += MEMBER_SIZE)
        if (le32(member) >= section->strings_size || le32(member + 4) >= index->count)
            return false;
    return true;
}

/* Whether the type goes on on a page that is missing; one that begins there is of no kind. */
static bool is_cut(const struct btf_section *section, uint32_t at, uint32_t size)
{
    uint64_t address = section->address + section->header + at;
    uint32_t here = PAGE - (uint32_t)(address % PAGE);
    return size > here && btf_section_misses(section, section->types + at + here, size - here);
}

/*
 * Bytes of the type at `at`, an offset among the types; 0 when it is lost. What is looked at is taken off *work: a
 * forged index can lead to the same bytes again and again.
 */
static uint32_t whole_type(const struct btf_section *section, const struct btf_index *index, uint32_t at,
                           uint64_t *work)
{
    if (!range_fits(at, BTF_TYPE_SIZE, section->types_size))
        return 0;
    const uint8_t *type = section->types + at;
    uint32_t name = le32(type), info = le32(type + 4);
    uint64_t size = type_size(info);
    if (!size || size > *work || !range_fits(at, size, section->types_size) || name >= section->strings_size)
        return 0;
    *work -= size;
    return members_fit(section, index, at, info) && !is_cut(section, at, (uint32_t)size) ? (uint32_t)size : 0;
}

#define UNKNOWN UINT32_MAX

/* Offset of type `id` among the types as the index has it, UNKNOWN where that is missing or not behind `last`. */
static uint32_t indexed(const struct btf_section *section, const struct btf_index *index, size_t id, uint32_t last)
{
    uint64_t start = section->address + section->header;
    if (id >= index->count || index->addresses[id] < start || index->addresses[id] - start >= section->types_size)
        return UNKNOWN;
    uint32_t at = (uint32_t)(index->addresses[id] - start);
    return at % 4 == 0 && (at > last || id == 1) ? at : UNKNOWN;
}

static void put_type(struct btf_salvage *salvage, const uint8_t *type, uint32_t size)
{
    uint8_t *to = salvage->types + salvage->types_size;
    if (type) {
        memcpy(to, type, size);
    } else {
        size = BTF_TYPE_SIZE;
        put_le32(to, 0);
        put_le32(to + 4, (uint32_t)BTF_KIND_FWD << 24);
        put_le32(to + 8, 0);
        salvage->lost++;
    }
    salvage->types_size += size;
    salvage->count++;
}

static void put_all(const struct btf_section *section, const struct btf_index *index, struct btf_salvage *ret)
{
    /* Where the type is by what stands before it; the index is an array in memory, and may miss pages, too. */
    uint32_t expected = 0, last = 0, whole_end = 0;
    uint64_t work = (uint64_t)2 * section->types_size; /* each type once, and some for a torn index */
    struct btf_salvage whole = *ret; /* up to the last that is not lost: behind the array is other memory */
    for (size_t id = 1; id < index->count && whole_end != section->types_size; id++) {
        uint32_t at = indexed(section, index, id, last);
        if (at == UNKNOWN)
            at = expected;
        uint32_t size = at == UNKNOWN ? 0 : whole_type(section, index, at, &work);
        uint32_t next = indexed(section, index, id + 1, at == UNKNOWN ? last : at);
        if (size && next != UNKNOWN && next != at + size)
            size = 0;
        put_type(ret, size ? section->types + at : NULL, size);
        expected = size ? at + size : UNKNOWN;
        last = at == UNKNOWN ? last : at;
        if (size) {
            whole = *ret;
            whole_end = expected;
        }
    }
    *ret = whole;
    ret->lost += (section->types_size - whole_end) / BTF_TYPE_SIZE;
}

bool btf_salvage(const struct btf_section *section, const struct btf_index *index, struct btf_salvage *ret)
{
    /* Each entry of the index adds its type or a declaration, which is as small as any type. */
    struct btf_index used = {index->addresses, min_u64(index->count, section->types_size / BTF_TYPE_SIZE + 1)};
    *ret = (struct btf_salvage){.types = bulk_alloc(section->types_size + used.count * BTF_TYPE_SIZE)};
    if (!ret->types)
        return false;
    put_all(section, &used, ret);
    if (ret->count > 2 * ret->lost)
        return true;
    free(ret->types);
    *ret = (struct btf_salvage){.lost = ret->lost, .count = ret->count};
    return false;
}
