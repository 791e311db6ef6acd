#include "synth_types.h"

#include <bpf/btf.h>
#include <stdlib.h>
#include <string.h>

#define POINTER_SIZE 8
#define FILLER_BYTES ((size_t)72 << 10)

static const struct {
    const char *name;
    uint64_t size;
    int encoding;
} integers[] = {
    {"u8", 1, 0},
    {"u16", 2, 0},
    {"u32", 4, 0},
    {"u64", 8, 0},
    {"char", 1, BTF_INT_SIGNED},
    {"bool", 1, BTF_INT_BOOL},
    {"s8", 1, BTF_INT_SIGNED},
    {"s32", 4, BTF_INT_SIGNED},
    {"s64", 8, BTF_INT_SIGNED},
};
#define INTEGER_COUNT (sizeof(integers) / sizeof(integers[0]))

static int checked(int id)
{
    if (id < 0)
        synth_die("libbpf refuses a type: %s", strerror(-id));
    return id;
}

void synth_types_init(struct synth_types *types)
{
    *types = (struct synth_types){.release = SYNTH_RELEASES};
    types->btf = btf__new_empty();
    types->structs = calloc(SYNTH_STRUCTS_MAX, sizeof(*types->structs));
    if (!types->btf || !types->structs)
        synth_die("out of memory");
    for (size_t i = 0; i < INTEGER_COUNT; i++)
        (void)checked(btf__add_int(types->btf, integers[i].name, integers[i].size, integers[i].encoding));
}

void synth_types_free(struct synth_types *types)
{
    btf__free(types->btf);
    free(types->structs);
    *types = (struct synth_types){0};
}

static struct synth_struct *find_struct(const struct synth_types *types, const char *name)
{
    for (size_t i = 0; i < types->count; i++)
        if (strcmp(types->structs[i].name, name) == 0)
            return &types->structs[i];
    return NULL;
}

/* BTF id, size and alignment of a type by its name in struct synth_member. */
static int resolve(struct synth_types *types, const char *type, uint64_t *size, uint64_t *align)
{
    if (*type == '*') {
        uint64_t pointed_size, pointed_align;
        int pointed = type[1] ? resolve(types, type + 1, &pointed_size, &pointed_align) : 0;
        *size = *align = POINTER_SIZE;
        return checked(btf__add_ptr(types->btf, pointed));
    }
    for (size_t i = 0; i < INTEGER_COUNT; i++)
        if (strcmp(integers[i].name, type) == 0) {
            *size = *align = integers[i].size;
            return (int)i + 1;
        }
    const struct synth_struct *found = find_struct(types, type);
    if (!found)
        synth_die("no type %s", type);
    *size = found->size;
    *align = found->align;
    return found->id;
}

static void copy_name(char ret[32], const char *name)
{
    if (strlen(name) >= 32)
        synth_die("name %s is too long", name);
    strcpy(ret, name);
}

void synth_struct_begin(struct synth_types *types, const char *name, bool is_union)
{
    if (types->count == SYNTH_STRUCTS_MAX)
        synth_die("too many structs");
    struct synth_struct *s = &types->structs[types->count];
    *s = (struct synth_struct){.is_union = is_union, .align = 1};
    copy_name(s->name, name);
}

void synth_field(struct synth_types *types, const char *name, const char *type, uint32_t count)
{
    struct synth_struct *s = &types->structs[types->count];
    if (s->count == SYNTH_MEMBERS_MAX)
        synth_die("too many members in %s", s->name);
    struct synth_member *member = &s->members[s->count++];
    uint64_t align;
    copy_name(member->name, name);
    copy_name(member->type, type);
    member->count = count;
    member->id = resolve(types, type, &member->element, &align);
    member->size = member->element;
    if (count) {
        uint32_t elements = count == SYNTH_FLEXIBLE ? 0 : count;
        member->id = checked(btf__add_array(types->btf, 3, member->id, elements));
        member->size = member->element * elements;
    }
    member->offset = s->is_union ? 0 : (s->size + align - 1) / align * align;
    uint64_t end = member->offset + member->size;
    s->size = end > s->size ? end : s->size;
    s->align = align > s->align ? align : s->align;
}

void synth_struct_end(struct synth_types *types, uint64_t align)
{
    struct synth_struct *s = &types->structs[types->count++];
    const char *name = *s->name == '~' ? NULL : s->name;
    if (align)
        s->align = align;
    s->size = (s->size + s->align - 1) / s->align * s->align;
    s->id = checked(s->is_union ? btf__add_union(types->btf, name, (uint32_t)s->size)
                                : btf__add_struct(types->btf, name, (uint32_t)s->size));
    for (size_t i = 0; i < s->count; i++) {
        const struct synth_member *member = &s->members[i];
        (void)checked(btf__add_field(types->btf, *member->name ? member->name : NULL, member->id,
                                     (uint32_t)member->offset * 8, 0));
    }
}

static const struct synth_member *find_member(const struct synth_types *types, const char *name, const char *field,
                                              size_t length, uint64_t *offset)
{
    const struct synth_struct *s = find_struct(types, name);
    for (size_t i = 0; s && i < s->count; i++) {
        const struct synth_member *member = &s->members[i];
        if (strlen(member->name) == length && strncmp(member->name, field, length) == 0) {
            *offset += member->offset;
            return member;
        }
        uint64_t inner = 0;
        const struct synth_member *found =
            *member->name ? NULL : find_member(types, member->type, field, length, &inner);
        if (found) {
            *offset += member->offset + inner;
            return found;
        }
    }
    return NULL;
}

static const struct synth_member *find_path(const struct synth_types *types, const char *name, const char *path,
                                            uint64_t *offset)
{
    *offset = 0;
    for (;;) {
        size_t length = strcspn(path, ".");
        const struct synth_member *member = find_member(types, name, path, length, offset);
        if (!member || !path[length])
            return member;
        path += length + 1;
        name = member->type;
    }
}

bool synth_has(const struct synth_types *types, const char *name, const char *path)
{
    uint64_t offset;
    return find_path(types, name, path, &offset) != NULL;
}

uint64_t synth_offset(const struct synth_types *types, const char *name, const char *path)
{
    uint64_t offset;
    if (!find_path(types, name, path, &offset))
        synth_die("no field %s in %s", path, name);
    return offset;
}

uint64_t synth_width(const struct synth_types *types, const char *name, const char *path)
{
    uint64_t offset;
    const struct synth_member *member = find_path(types, name, path, &offset);
    if (!member)
        synth_die("no field %s in %s", path, name);
    return member->size;
}

uint64_t synth_sizeof(const struct synth_types *types, const char *name)
{
    const struct synth_struct *found = find_struct(types, name);
    if (!found)
        synth_die("no struct %s", name);
    return found->size;
}

/* struct btf_layout of each kind, 4 bytes; lkmfs must skip it. */
static void add_layout(struct synth_bytes *ret, uint64_t *size)
{
    *size = 20 * 4;
    memset(synth_bytes_add(ret, *size), 0x5a, *size);
}

void synth_btf(struct synth_bytes *ret, const struct synth_types *types, enum synth_btf_header header)
{
    uint32_t size;
    for (size_t done = 0; done < FILLER_BYTES; done += sizeof(struct btf_type))
        (void)checked(btf__add_ptr(types->btf, 1));
    const uint8_t *raw = btf__raw_data(types->btf, &size);
    if (!raw)
        synth_die("libbpf gives no bytes");
    struct btf_header h;
    memcpy(&h, raw, sizeof(h));
    if (header == SYNTH_BTF_PLAIN) {
        memcpy(synth_bytes_add(ret, size), raw, size);
        return;
    }
    size_t start = ret->size;
    (void)synth_bytes_add(ret, 32);
    memcpy(synth_bytes_add(ret, h.type_len), raw + h.hdr_len, h.type_len);
    uint64_t layout_size;
    add_layout(ret, &layout_size);
    memcpy(synth_bytes_add(ret, h.str_len), raw + h.hdr_len + h.str_off, h.str_len);
    uint8_t *head = ret->bytes + start;
    memcpy(head, raw, 4);
    synth_le(head + 4, 32, 4);
    synth_le(head + 8, 0, 4);
    synth_le(head + 12, h.type_len, 4);
    synth_le(head + 16, h.type_len + layout_size, 4);
    synth_le(head + 20, h.str_len, 4);
    synth_le(head + 24, h.type_len, 4);
    synth_le(head + 28, layout_size, 4);
}

uint64_t *synth_btf_index(const struct synth_types *types, enum synth_btf_header header, uint64_t address,
                          size_t *count)
{
    *count = btf__type_cnt(types->btf);
    uint64_t *index = calloc(*count, sizeof(*index));
    if (!index)
        synth_die("no memory");
    const uint8_t *first = (const uint8_t *)btf__type_by_id(types->btf, 1);
    index[0] = UINT64_C(0xffffffff83001234); /* btf_void, a variable of the kernel */
    for (size_t id = 1; id < *count; id++)
        index[id] = address + (header == SYNTH_BTF_PLAIN ? 24 : 32) +
                    (size_t)((const uint8_t *)btf__type_by_id(types->btf, (uint32_t)id) - first);
    return index;
}
