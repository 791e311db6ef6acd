/* Types from BTF (Documentation/bpf/btf.rst), parsed by libbpf. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bulk.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/overflow.h"
#include "kernel/types.h"

#define HEADER_SIZE 24
#define MAGIC       0xeb9f
#define SECTION_MIN 0x10000
#define SECTION_MAX ((uint64_t)64 << 20)
#define NESTING_MAX 8
#define MEMBERS_MAX 65536 /* looked at for one field; struct module has some hundred */
/* Places in one segment that look like BTF; a kernel image holds one. Each costs a copy of up to SECTION_MAX. */
#define CANDIDATES_MAX 64
#define PATH_MAX_LEN   128

/* libbpf finds names by walking all types; lkmfs asks some thousand times. */
struct btf_types {
    struct btf *btf;
    uint32_t *structs; /* type ids by name: open addressing, 0 for free */
    size_t mask;
    uint64_t seed;
};

/* Name of a struct in the index, which holds none without. */
static const char *struct_name(const struct btf_types *self, uint32_t id)
{
    return btf__name_by_offset(self->btf, btf__type_by_id(self->btf, id)->name_off);
}

static bool index_structs(struct btf_types *self)
{
    uint32_t count = btf__type_cnt(self->btf);
    size_t structs = 0, slots = 1024;
    for (uint32_t id = 1; id < count; id++)
        structs += btf_is_struct(btf__type_by_id(self->btf, id));
    while (slots < structs * 2)
        slots *= 2;
    self->mask = slots - 1;
    self->seed = hash_seed();
    self->structs = calloc(slots, sizeof(*self->structs));
    for (uint32_t id = 1; self->structs && id < count; id++) {
        const struct btf_type *type = btf__type_by_id(self->btf, id);
        const char *name = btf_is_struct(type) ? btf__name_by_offset(self->btf, type->name_off) : NULL;
        if (!name || !*name)
            continue;
        size_t slot = hash_name(name, self->seed) & self->mask;
        while (self->structs[slot] && strcmp(struct_name(self, self->structs[slot]), name) != 0)
            slot = (slot + 1) & self->mask;
        if (!self->structs[slot]) /* the first of a name counts */
            self->structs[slot] = id;
    }
    return self->structs != NULL;
}

/* Id of the first struct called `name`, 0 if there is none. */
static uint32_t find_struct(const struct btf_types *self, const char *name)
{
    size_t slot = hash_name(name, self->seed) & self->mask;
    while (self->structs[slot] && strcmp(struct_name(self, self->structs[slot]), name) != 0)
        slot = (slot + 1) & self->mask;
    return self->structs[slot];
}

static uint64_t type_size(const struct btf *btf, uint32_t id)
{
    int64_t size = btf__resolve_size(btf, id);
    return size > 0 ? (uint64_t)size : 0;
}

static const struct btf_type *strip(const struct btf *btf, uint32_t id, uint32_t *stripped)
{
    int resolved = btf__resolve_type(btf, id);
    if (resolved < 0)
        return NULL;
    *stripped = (uint32_t)resolved;
    return btf__type_by_id(btf, *stripped);
}

static uint64_t element_size(const struct btf *btf, const struct btf_type *type)
{
    if (btf_is_array(type))
        return type_size(btf, btf_array(type)->type);
    /* Pointer to pointer is 8, to a modifier chain whatever it ends in; void gives 0. */
    return btf_is_ptr(type) ? type_size(btf, type->type) : 0;
}

/* A search for one member. */
struct search {
    const struct btf *btf;
    const char *name;
    unsigned left; /* members that may still be looked at: damaged types can hold each other in circles */
};

/* Finds the member in struct `id`, looking through anonymous members; *ret_id is its type. */
static bool find_member(struct search *search, uint32_t id, unsigned depth, uint64_t *offset, uint32_t *ret_id)
{
    const struct btf *btf = search->btf;
    uint32_t stripped;
    const struct btf_type *type = strip(btf, id, &stripped);
    if (!type || !btf_is_composite(type) || depth > NESTING_MAX)
        return false;
    const struct btf_member *members = btf_members(type);
    for (uint32_t i = 0; i < btf_vlen(type) && search->left; i++) {
        search->left--;
        const char *member = btf__name_by_offset(btf, members[i].name_off);
        uint64_t at = btf_member_bit_offset(type, i) / 8;
        if (!member)
            continue;
        if (*member && strcmp(member, search->name) == 0) {
            *offset += at;
            *ret_id = members[i].type;
            return true;
        }
        uint64_t inner = 0;
        if (!*member && find_member(search, members[i].type, depth + 1, &inner, ret_id)) {
            *offset += at + inner;
            return true;
        }
    }
    return false;
}

static bool btf_size(const void *self, const char *name, uint64_t *ret)
{
    const struct btf_types *types = self;
    uint32_t id = find_struct(types, name);
    *ret = id ? type_size(types->btf, id) : 0;
    return *ret != 0;
}

static bool btf_field(const void *self, const char *name, const char *path, struct lkmfs_field *ret)
{
    const struct btf_types *types = self;
    const struct btf *btf = types->btf;
    uint32_t id = find_struct(types, name);
    char copy[PATH_MAX_LEN];
    if (!id || strlen(path) >= sizeof(copy))
        return false;
    memcpy(copy, path, strlen(path) + 1);
    char *rest = copy;
    for (char *part; (part = strsep(&rest, "."));) {
        struct search search = {btf, part, MEMBERS_MAX};
        if (!find_member(&search, id, 0, &ret->offset, &id))
            return false;
    }
    const struct btf_type *type = strip(btf, id, &id);
    ret->size = type_size(btf, id);
    ret->element = type ? element_size(btf, type) : 0;
    return true;
}

static void btf_free(void *self)
{
    struct btf_types *types = self;
    if (!types)
        return;
    btf__free(types->btf);
    free(types->structs);
    free(types);
}

/* Takes over `btf`, which is freed with the result, or at once on failure. */
static struct btf_types *btf_types_new(struct btf *btf)
{
    struct btf_types *self = calloc(1, sizeof(*self));
    if (!self) {
        btf__free(btf);
        return NULL;
    }
    self->btf = btf;
    if (index_structs(self))
        return self;
    btf_free(self);
    return NULL;
}

static const struct type_source btf_source = {.size = btf_size, .field = btf_field, .free = btf_free};

struct header {
    uint32_t length, type_off, type_len, str_off, str_len;
};

/* Reads the header at `offset` and checks that the section it describes lies in the segment. */
static bool read_header(const struct segment *segment, size_t offset, struct header *ret)
{
    struct cursor cursor = cursor_over(segment->bytes, segment->size);
    cursor_seek(&cursor, offset);
    bool magic = cursor_u16(&cursor) == MAGIC;
    uint8_t version = cursor_u8(&cursor), flags = cursor_u8(&cursor);
    ret->length = cursor_u32(&cursor);
    ret->type_off = cursor_u32(&cursor);
    ret->type_len = cursor_u32(&cursor);
    ret->str_off = cursor_u32(&cursor);
    ret->str_len = cursor_u32(&cursor);
    if (cursor.overrun || !magic || version != 1 || flags != 0 || ret->length < HEADER_SIZE || ret->length > 256)
        return false;
    uint64_t strings_end = (uint64_t)ret->str_off + ret->str_len;
    return ret->type_off == 0 && ret->type_len >= SECTION_MIN && ret->str_off >= ret->type_len &&
           strings_end <= SECTION_MAX && range_fits(offset, ret->length + strings_end, segment->size);
}

/* Whether the section has the form that libbpf 1.1 knows: a header of 24 bytes, then types, then strings. */
static bool is_plain(const struct header *header)
{
    return header->length == HEADER_SIZE && header->str_off == header->type_len;
}

/* The section in that form; 7.2 has a longer header with a layout table between types and strings. */
static uint8_t *plain_section(const uint8_t *section, const struct header *header, uint32_t *size)
{
    *size = HEADER_SIZE + header->type_len + header->str_len;
    uint8_t *plain = bulk_alloc(*size);
    if (!plain)
        return NULL;
    memcpy(plain, section, 4);
    put_le32(plain + 4, HEADER_SIZE);
    put_le32(plain + 8, 0);
    put_le32(plain + 12, header->type_len);
    put_le32(plain + 16, header->type_len);
    put_le32(plain + 20, header->str_len);
    memcpy(plain + HEADER_SIZE, section + header->length, header->type_len);
    memcpy(plain + HEADER_SIZE + header->type_len, section + header->length + header->str_off, header->str_len);
    return plain;
}

/* Parses the section; libbpf keeps a copy of what it is given. Errors: NOT_FOUND, NO_MEMORY. */
static struct btf_types *parse(const uint8_t *section, const struct header *header, uint64_t address,
                               struct lkmfs_error *err)
{
    uint32_t size = header->length + header->str_off + header->str_len;
    uint8_t *plain = is_plain(header) ? NULL : plain_section(section, header, &size);
    if (!plain && !is_plain(header)) {
        (void)lkmfs_fail_memory(err);
        return NULL;
    }
    (void)libbpf_set_print(NULL);
    struct btf *btf = btf__new(plain ? plain : section, size);
    int error = errno;
    free(plain);
    if (!btf) {
        (void)(error == ENOMEM ? lkmfs_fail_memory(err)
                               : lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, address, "the BTF at 0x%llx is torn",
                                            (unsigned long long)address));
        return NULL;
    }
    struct btf_types *self = btf_types_new(btf);
    if (!self) {
        (void)lkmfs_fail_memory(err);
    } else if (!find_struct(self, "module")) {
        (void)lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, address, "the BTF at 0x%llx has no struct module",
                         (unsigned long long)address);
        btf_free(self);
        self = NULL;
    }
    return self;
}

/* Keeps the section as it is in the image: libbpf's copy, or one of its own where that differs. */
static bool keep_section(struct lkmfs_types *types, const struct btf_types *self, const uint8_t *section,
                         const struct header *header)
{
    types->btf_size = header->length + header->str_off + header->str_len;
    uint32_t size;
    const uint8_t *raw = is_plain(header) ? btf__raw_data(self->btf, &size) : NULL;
    if (raw && size == types->btf_size) {
        types->btf = raw;
        return true;
    }
    types->btf = types->btf_copy = bulk_alloc(types->btf_size);
    if (types->btf_copy)
        memcpy(types->btf_copy, section, types->btf_size);
    return types->btf_copy != NULL;
}

bool types_from_btf(const struct segment *segment, size_t offset, struct lkmfs_types **ret, struct lkmfs_error *err)
{
    struct header header;
    uint64_t address = segment->address + offset;
    if (!read_header(segment, offset, &header))
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, address, "no BTF header at 0x%llx", (unsigned long long)address);
    struct btf_types *self = parse(segment->bytes + offset, &header, address, err);
    if (!self)
        return false;
    struct lkmfs_types *types = calloc(1, sizeof(*types));
    if (!types || !keep_section(types, self, segment->bytes + offset, &header)) {
        btf_free(self);
        free(types);
        return lkmfs_fail_memory(err);
    }
    types->source = &btf_source;
    types->self = self;
    (void)snprintf(types->description, sizeof(types->description), "BTF in the image at 0x%llx, %zu bytes",
                   (unsigned long long)address, types->btf_size);
    *ret = types;
    return true;
}

bool types_find_btf(const struct segment *segment, size_t hint, struct lkmfs_types **ret, struct lkmfs_error *err)
{
    static const uint8_t magic[] = {MAGIC & 0xff, MAGIC >> 8, 1, 0};
    if (hint != SIZE_MAX && types_from_btf(segment, hint, ret, err))
        return true;
    unsigned candidates = 0;
    for (size_t pos = 0; pos < segment->size && candidates < CANDIDATES_MAX;) {
        const uint8_t *hit = memmem(segment->bytes + pos, segment->size - pos, magic, sizeof(magic));
        if (!hit)
            break;
        pos = (size_t)(hit - segment->bytes);
        struct header header;
        if (read_header(segment, pos, &header)) {
            candidates++;
            if (types_from_btf(segment, pos, ret, err))
                return true;
            if (err && err->code == LKMFS_ERROR_NO_MEMORY)
                return false;
        }
        pos++;
    }
    return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, segment->address, "%s",
                      candidates ? "its BTF is torn" : "no BTF in the kernel image");
}
