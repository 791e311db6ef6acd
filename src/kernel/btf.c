/* Types from BTF (Documentation/bpf/btf.rst), parsed by libbpf. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bulk.h"
#include "base/hash.h"
#include "kernel/btf_salvage.h"
#include "kernel/types.h"

#define NESTING_MAX 8
#define MEMBERS_MAX 65536 /* looked at for one field; struct module has some hundred */
/* Places in one segment that look like BTF; a kernel image holds one. Each costs a copy. */
#define CANDIDATES_MAX 64
#define PATH_MAX_LEN   128

/* libbpf finds names by walking all types; lkmfs asks some thousand times. */
struct btf_types {
    struct btf *btf;
    uint32_t *structs; /* type ids by name: open addressing, 0 for free */
    size_t mask;
    uint64_t seed;
    bool names_torn; /* a name begins in the middle of a string, which is of another page */
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
        self->names_torn |= *btf__name_by_offset(self->btf, type->name_off - 1) != 0;
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
        /* one with a name that is lost is not anonymous */
        if (members[i].name_off == 0 && find_member(search, members[i].type, depth + 1, &inner, ret_id)) {
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
    int64_t size = btf__resolve_size(btf, id);
    const struct btf_type *type = strip(btf, id, &id);
    if (size < 0 || !type) /* of no size is a declaration, which no member can be of: its type is lost */
        return false;
    ret->size = (uint64_t)size;
    ret->element = element_size(btf, type);
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

/* libbpf's reading of the section; NULL when it is torn, or without memory. It keeps a copy of what it is given. */
static struct btf *load(const struct btf_section *section, const uint8_t *types, uint32_t types_size)
{
    uint32_t size = section->size;
    bool as_it_is = btf_section_is_plain(section) && types == section->types;
    uint8_t *plain = as_it_is ? NULL : btf_section_plain(section, types, types_size, &size);
    if (!plain && !as_it_is)
        return NULL;
    (void)libbpf_set_print(NULL);
    struct btf *btf = btf__new(plain ? plain : section->bytes, size);
    free(plain);
    return btf;
}

/* Reads what is left of a section that libbpf refuses. */
static struct btf *load_salvaged(const struct btf_section *section, const struct btf_index *index, size_t *lost)
{
    struct btf_salvage salvage;
    if (!index || !btf_salvage(section, index, &salvage))
        return NULL;
    struct btf *btf = load(section, salvage.types, salvage.types_size);
    free(salvage.types);
    *lost = salvage.lost;
    return btf;
}

/* Parses the section. Errors: NOT_FOUND, NO_MEMORY. */
static struct btf_types *parse(const struct btf_section *section, const struct btf_index *index, size_t *lost,
                               struct lkmfs_error *err)
{
    errno = 0;
    struct btf *btf = index ? load_salvaged(section, index, lost) : load(section, section->types, section->types_size);
    unsigned long long address = section->address;
    if (!btf) {
        (void)(errno == ENOMEM ? lkmfs_fail_memory(err)
                               : lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, address, "the BTF at 0x%llx is torn", address));
        return NULL;
    }
    struct btf_types *self = btf_types_new(btf);
    if (!self) {
        (void)lkmfs_fail_memory(err);
    } else if (!find_struct(self, "module")) {
        (void)lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, address, "the BTF at 0x%llx has no struct module", address);
        btf_free(self);
        self = NULL;
    }
    return self;
}

/* Keeps the section as it is in the image: libbpf's copy, or one of its own where that differs. */
static bool keep_section(struct lkmfs_types *types, const struct btf_types *self, const struct btf_section *section)
{
    types->btf_size = section->size;
    uint32_t size;
    const uint8_t *raw = btf_section_is_plain(section) && !types->lost ? btf__raw_data(self->btf, &size) : NULL;
    if (raw && size == types->btf_size) {
        types->btf = raw;
        return true;
    }
    types->btf = types->btf_copy = bulk_alloc(types->btf_size);
    if (types->btf_copy)
        memcpy(types->btf_copy, section->bytes, types->btf_size);
    return types->btf_copy != NULL;
}

bool types_from_btf(const struct segment *segment, size_t offset, const struct btf_index *index,
                    struct lkmfs_types **ret, struct lkmfs_error *err)
{
    struct btf_section section;
    unsigned long long address = segment->address + offset;
    if (!btf_section_at(segment, offset, &section))
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, address, "no BTF header at 0x%llx", address);
    size_t lost = 0;
    struct btf_types *self = parse(&section, index, &lost, err);
    if (!self)
        return false;
    struct lkmfs_types *types = calloc(1, sizeof(*types));
    if (types)
        types->lost = lost;
    if (!types || !keep_section(types, self, &section)) {
        btf_free(self);
        free(types);
        return lkmfs_fail_memory(err);
    }
    types->source = &btf_source;
    types->self = self;
    types->names_lost = self->names_torn || btf_section_misses(&section, section.strings, section.strings_size);
    (void)snprintf(types->description, sizeof(types->description), "BTF in the image at 0x%llx, %zu bytes", address,
                   types->btf_size);
    *ret = types;
    return true;
}

bool types_find_btf(const struct segment *segment, size_t hint, struct lkmfs_types **ret, struct lkmfs_error *err)
{
    static const uint8_t magic[] = {0x9f, 0xeb, 1, 0};
    if (hint != SIZE_MAX && types_from_btf(segment, hint, NULL, ret, err))
        return true;
    unsigned candidates = 0;
    for (size_t pos = 0; pos < segment->size && candidates < CANDIDATES_MAX;) {
        const uint8_t *hit = memmem(segment->bytes + pos, segment->size - pos, magic, sizeof(magic));
        if (!hit)
            break;
        pos = (size_t)(hit - segment->bytes);
        struct btf_section section;
        if (btf_section_at(segment, pos, &section)) {
            candidates++;
            if (types_from_btf(segment, pos, NULL, ret, err))
                return true;
            if (err && err->code == LKMFS_ERROR_NO_MEMORY)
                return false;
        }
        pos++;
    }
    return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, segment->address, "%s",
                      candidates ? "its BTF is torn" : "no BTF in the kernel image");
}
