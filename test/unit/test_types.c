/* test_types.c - struct layouts out of BTF: what was put in comes out, and damage does not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/types.h"
#include "synth_types.h"

#define ADDRESS UINT64_C(0xffffffff82000000)

static struct lkmfs_types *decode(const struct synth_bytes *bytes, size_t hint, struct lkmfs_error *err)
{
    struct lkmfs_types *types = NULL;
    uint8_t *copy = malloc(bytes->size ? bytes->size : 1); /* of exactly this size, for the sanitizer */
    cr_assert_not_null(copy);
    if (bytes->size)
        memcpy(copy, bytes->bytes, bytes->size);
    struct segment segment = {.address = ADDRESS, .bytes = copy, .size = bytes->size};
    bool ok = types_find_btf(&segment, hint, &types, err);
    cr_assert_eq(ok, types != NULL);
    free(copy);
    return types;
}

static struct lkmfs_types *decode_release(enum synth_release release, struct synth_types *in)
{
    struct synth_bytes bytes = {0};
    struct lkmfs_error err = {0};
    synth_types_of(in, release);
    synth_btf(&bytes, in, release >= SYNTH_7_2 ? SYNTH_BTF_LAYOUT : SYNTH_BTF_PLAIN);
    struct lkmfs_types *types = decode(&bytes, SIZE_MAX, &err);
    cr_assert_not_null(types, "%s", err.message);
    synth_bytes_free(&bytes);
    return types;
}

static void expect_struct(const struct synth_struct *s, const struct lkmfs_types *types)
{
    uint64_t size;
    if (s->is_union || *s->name == '~')
        return;
    cr_assert(lkmfs_types_size(types, s->name, &size));
    cr_assert_eq(size, s->size, "struct %s: %llu bytes", s->name, (unsigned long long)size);
    for (size_t i = 0; i < s->count; i++) {
        const struct synth_member *member = &s->members[i];
        struct lkmfs_field field;
        if (!*member->name)
            continue;
        cr_assert(lkmfs_types_field(types, s->name, member->name, &field), "%s.%s", s->name, member->name);
        cr_assert_eq(field.offset, member->offset, "%s.%s", s->name, member->name);
        cr_assert_eq(field.size, member->size, "%s.%s: %llu bytes", s->name, member->name,
                     (unsigned long long)field.size);
        if (member->count)
            cr_assert_eq(field.element, member->element, "%s.%s", s->name, member->name);
    }
}

Test(types, every_field_of_every_release)
{
    for (int release = 0; release < SYNTH_RELEASES; release++) {
        struct synth_types in;
        struct lkmfs_types *types = decode_release((enum synth_release)release, &in);
        cr_assert_gt(in.count, 20);
        for (size_t i = 0; i < in.count; i++)
            expect_struct(&in.structs[i], types);
        types_free(types);
        synth_types_free(&in);
    }
}

static void expect_field(const struct lkmfs_types *types, const char *name, const char *path, uint64_t offset,
                         uint64_t size, uint64_t element)
{
    struct lkmfs_field field;
    cr_assert(lkmfs_types_field(types, name, path, &field), "%s.%s", name, path);
    cr_assert_eq(field.offset, offset, "%s.%s at %llu", name, path, (unsigned long long)field.offset);
    cr_assert_eq(field.size, size, "%s.%s: %llu bytes", name, path, (unsigned long long)field.size);
    cr_assert_eq(field.element, element, "%s.%s: element of %llu bytes", name, path, (unsigned long long)field.element);
}

static void expect_no_field(const struct lkmfs_types *types, const char *name, const char *path)
{
    struct lkmfs_field field = {1, 2, 3};
    cr_assert_not(lkmfs_types_field(types, name, path, &field), "%s.%s", name, path);
    cr_assert_eq(field.size, 0);
}

/* A struct by hand, with all that paths can lead through. */
static struct lkmfs_types *decode_nested(struct synth_types *in)
{
    struct synth_bytes bytes = {0};
    struct lkmfs_error err = {0};
    synth_types_init(in);
    synth_struct_begin(in, "point", false);
    synth_field(in, "x", "u32", 0);
    synth_field(in, "y", "u32", 0);
    synth_struct_end(in, 0);
    synth_struct_begin(in, "~deepest", false);
    synth_field(in, "pad", "u64", 0);
    synth_field(in, "deep", "u16", 0);
    synth_struct_end(in, 0);
    synth_struct_begin(in, "~either", true);
    synth_field(in, "one", "u64", 0);
    synth_field(in, "other", "point", 0);
    synth_field(in, "", "~deepest", 0);
    synth_struct_end(in, 0);
    synth_struct_begin(in, "module", false);
    synth_field(in, "first", "u8", 0);
    synth_field(in, "", "~either", 0);
    synth_field(in, "points", "point", 5);
    synth_field(in, "to_point", "*point", 0);
    synth_field(in, "to_pointer", "**point", 0);
    synth_field(in, "to_void", "*", 0);
    synth_field(in, "to_byte", "*u8", 0);
    synth_field(in, "tail", "u32", SYNTH_FLEXIBLE);
    synth_struct_end(in, 0);
    synth_btf(&bytes, in, SYNTH_BTF_PLAIN);
    struct lkmfs_types *types = decode(&bytes, SIZE_MAX, &err);
    cr_assert_not_null(types, "%s", err.message);
    synth_bytes_free(&bytes);
    return types;
}

Test(types, paths_arrays_and_pointers)
{
    struct synth_types in;
    struct lkmfs_types *types = decode_nested(&in);
    expect_field(types, "module", "first", 0, 1, 0);
    expect_field(types, "module", "one", 8, 8, 0);
    expect_field(types, "module", "other", 8, 8, 0);
    expect_field(types, "module", "other.y", 12, 4, 0);
    expect_field(types, "module", "deep", 16, 2, 0);
    expect_field(types, "module", "points", 24, 40, 8);
    expect_field(types, "module", "to_point", 64, 8, 8);
    expect_field(types, "module", "to_pointer", 72, 8, 8);
    expect_field(types, "module", "to_void", 80, 8, 0);
    expect_field(types, "module", "to_byte", 88, 8, 1);
    expect_field(types, "module", "tail", 96, 0, 4);
    types_free(types);
    synth_types_free(&in);
}

Test(types, what_is_not_there)
{
    struct synth_types in;
    struct lkmfs_types *types = decode_nested(&in);
    uint64_t size = 7;
    expect_no_field(types, "module", "nothing");
    expect_no_field(types, "module", "");
    expect_no_field(types, "module", ".");
    expect_no_field(types, "module", "first.x");
    expect_no_field(types, "module", "to_point.x"); /* pointers are not followed */
    expect_no_field(types, "module", "other.");
    expect_no_field(types, "module", "other..y");
    expect_no_field(types, "no_struct", "x");
    expect_no_field(types, "", "x");
    char path[400];
    memset(path, 'a', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    expect_no_field(types, "module", path);
    cr_assert_not(lkmfs_types_size(types, "no_struct", &size));
    cr_assert_eq(size, 0);
    cr_assert_not(lkmfs_types_size(types, "u8", &size)); /* there, but no struct */
    types_free(types);
    synth_types_free(&in);
}

Test(types, require_says_what_is_missing)
{
    struct synth_types in;
    struct lkmfs_types *types = decode_nested(&in);
    struct lkmfs_field field;
    struct lkmfs_error err = {0};
    cr_assert(lkmfs_types_require(types, "module", "first", &field, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_NONE);
    cr_assert_not(lkmfs_types_require(types, "module", "mkobj.mod", &field, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "mkobj.mod"));
    cr_assert_not_null(strstr(err.message, "struct module"));
    cr_assert_not_null(strstr(err.message, "BTF"));
    cr_assert_not(lkmfs_types_require(types, "nothing", "at.all", &field, NULL));
    types_free(types);
    synth_types_free(&in);
}

Test(types, values_of_fields)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff};
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 9, .size = 1}, bytes, sizeof(bytes)), 0xff);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 1, .size = 2}, bytes, sizeof(bytes)), 0x0302);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 6, .size = 4}, bytes, sizeof(bytes)), 0xff090807);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 0, .size = 8}, bytes, sizeof(bytes)),
                 UINT64_C(0x0807060504030201));
    /* odd sizes, and whatever does not lie wholly inside */
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 0, .size = 3}, bytes, sizeof(bytes)), 0);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 0, .size = 0}, bytes, sizeof(bytes)), 0);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 3, .size = 8}, bytes, sizeof(bytes)), 0);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = 10, .size = 1}, bytes, sizeof(bytes)), 0);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = UINT64_MAX, .size = 8}, bytes, sizeof(bytes)), 0);
    cr_assert_eq(lkmfs_field_value(&(struct lkmfs_field){.offset = UINT64_MAX - 3, .size = 4}, bytes, sizeof(bytes)),
                 0);
}

static void make_section(struct synth_bytes *ret, enum synth_release release)
{
    struct synth_types in;
    synth_types_of(&in, release);
    synth_btf(ret, &in, release >= SYNTH_7_2 ? SYNTH_BTF_LAYOUT : SYNTH_BTF_PLAIN);
    synth_types_free(&in);
}

/* The section as found: whole, with the header that it has in memory. */
Test(types, raw_bytes_are_those_of_the_image)
{
    for (int release = SYNTH_6_12; release < SYNTH_RELEASES; release++) {
        struct synth_bytes bytes = {0};
        struct lkmfs_error err = {0};
        size_t size;
        make_section(&bytes, (enum synth_release)release);
        size_t section = bytes.size;
        (void)synth_bytes_add(&bytes, 100);
        struct lkmfs_types *types = decode(&bytes, 0, &err);
        cr_assert_not_null(types, "%s", err.message);
        const uint8_t *raw = lkmfs_types_btf(types, &size);
        cr_assert_eq(size, section);
        cr_assert_eq(memcmp(raw, bytes.bytes, size), 0);
        cr_assert_not_null(strstr(lkmfs_types_source(types), "0xffffffff82000000"), "%s", lkmfs_types_source(types));
        types_free(types);
        synth_bytes_free(&bytes);
    }
}

Test(types, hints_right_and_wrong)
{
    struct synth_bytes section = {0}, bytes = {0};
    struct lkmfs_error err = {0};
    make_section(&section, SYNTH_6_1);
    (void)synth_bytes_add(&bytes, 40);
    memcpy(synth_bytes_add(&bytes, section.size), section.bytes, section.size);
    static const size_t hints[] = {40, 0, 39, 41, 1000, SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 23};
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        struct lkmfs_types *types = decode(&bytes, hints[i], &err);
        cr_assert_not_null(types, "hint %zu: %s", hints[i], err.message);
        types_free(types);
    }
    synth_bytes_free(&bytes);
    synth_bytes_free(&section);
}

/* The page cache holds torn copies of vmlinux and of modules' BTF; only one that is whole and has struct module counts.
 */
Test(types, torn_copies_before_the_right_one)
{
    struct synth_bytes section = {0}, bytes = {0};
    struct lkmfs_error err = {0};
    make_section(&section, SYNTH_6_12);
    for (size_t torn = 1; torn <= 4; torn++) {
        uint8_t *copy = synth_bytes_add(&bytes, section.size);
        memcpy(copy, section.bytes, section.size);
        memset(copy + 30 + torn * 11111, 0x5a, 600);
    }
    size_t right = bytes.size;
    memcpy(synth_bytes_add(&bytes, section.size), section.bytes, section.size);
    struct lkmfs_types *types = decode(&bytes, 0, &err);
    cr_assert_not_null(types, "%s", err.message);
    char place[32];
    (void)snprintf(place, sizeof(place), "0x%llx", (unsigned long long)(ADDRESS + right));
    cr_assert_not_null(strstr(lkmfs_types_source(types), place), "%s", lkmfs_types_source(types));
    types_free(types);
    synth_bytes_free(&bytes);
    synth_bytes_free(&section);
}

static void try_damaged(const struct synth_bytes *bytes)
{
    struct lkmfs_error err = {0};
    struct lkmfs_types *types = decode(bytes, 0, &err);
    if (!types) {
        cr_assert_eq(err.code, LKMFS_ERROR_NOT_FOUND);
        return;
    }
    struct lkmfs_field field;
    uint64_t size;
    (void)lkmfs_types_size(types, "module", &size);
    (void)lkmfs_types_field(types, "module", "mkobj.mod", &field);
    (void)lkmfs_types_field(types, "kernel_param", "arg", &field);
    types_free(types);
}

Test(types, header_bytes_flipped)
{
    for (int release = SYNTH_6_14; release <= SYNTH_7_2; release++) {
        struct synth_bytes bytes = {0};
        make_section(&bytes, (enum synth_release)release);
        for (size_t i = 0; i < 32; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                bytes.bytes[i] ^= (uint8_t)(1 << bit);
                try_damaged(&bytes);
                bytes.bytes[i] ^= (uint8_t)(1 << bit);
            }
        synth_bytes_free(&bytes);
    }
}

/* One byte of the types that matter, one after the other: ids, lengths, kinds and names all go wrong once. */
Test(types, type_bytes_flipped, .timeout = 60)
{
    struct synth_bytes bytes = {0};
    make_section(&bytes, SYNTH_6_14);
    for (size_t i = 24; i < 24 + 4000; i++) {
        uint8_t flip = (uint8_t)(i % 9 == 8 ? 0xff : 1 << i % 9);
        bytes.bytes[i] ^= flip;
        try_damaged(&bytes);
        bytes.bytes[i] ^= flip;
    }
    synth_bytes_free(&bytes);
}

Test(types, cut_anywhere)
{
    struct synth_bytes bytes = {0};
    make_section(&bytes, SYNTH_7_2);
    size_t whole = bytes.size;
    for (size_t size = 0; size < whole; size += size < 64 ? 1 : 997) {
        bytes.size = size;
        struct lkmfs_error err = {0};
        cr_assert_null(decode(&bytes, 0, &err));
        cr_assert_eq(err.code, LKMFS_ERROR_NOT_FOUND);
    }
    synth_bytes_free(&bytes);
}

/* Anonymous structs in each other without end: a member's type is changed to the struct around it. */
Test(types, anonymous_structs_in_a_circle)
{
    struct synth_types in;
    struct synth_bytes bytes = {0};
    struct lkmfs_error err = {0};
    struct lkmfs_field field;
    synth_types_init(&in);
    synth_struct_begin(&in, "~inner", false);
    synth_field(&in, "leaf", "u32", 0);
    synth_struct_end(&in, 0);
    synth_struct_begin(&in, "module", false);
    for (unsigned i = 0; i < 8; i++)
        synth_field(&in, "", "~inner", 0);
    synth_struct_end(&in, 0);
    /* struct module is the type after ~inner: every member of it becomes struct module itself */
    int module = in.structs[1].id;
    for (size_t i = 0; i < in.structs[1].count; i++)
        in.structs[1].members[i].id = module;
    synth_btf(&bytes, &in, SYNTH_BTF_PLAIN);
    uint32_t inner = (uint32_t)in.structs[0].id, outer = (uint32_t)module;
    size_t changed = 0;
    for (size_t at = 24; at + 12 <= 24 + 1000; at += 4) {
        /* struct btf_member: no name, type ~inner, a bit offset */
        uint8_t *b = bytes.bytes + at;
        uint32_t name, type, offset;
        memcpy(&name, b, 4);
        memcpy(&type, b + 4, 4);
        memcpy(&offset, b + 8, 4);
        if (name == 0 && type == inner && offset % 32 == 0 && offset < 8 * 32) {
            memcpy(b + 4, &outer, 4);
            changed++;
        }
    }
    cr_assert_geq(changed, 8);
    struct lkmfs_types *types = decode(&bytes, 0, &err);
    if (types) {
        cr_assert_not(lkmfs_types_field(types, "module", "nowhere", &field));
        types_free(types);
    }
    synth_bytes_free(&bytes);
    synth_types_free(&in);
}

Test(types, nothing_but_magic, .timeout = 10)
{
    static const uint8_t head[] = {0x9f, 0xeb, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0};
    struct synth_bytes bytes = {0};
    struct lkmfs_error err = {0};
    while (bytes.size < 0x30000)
        memcpy(synth_bytes_add(&bytes, sizeof(head)), head, sizeof(head));
    cr_assert_null(decode(&bytes, SIZE_MAX, &err));
    bytes.size = 0;
    cr_assert_null(decode(&bytes, SIZE_MAX, &err));
    synth_bytes_free(&bytes);
}

Test(types, free_accepts_null)
{
    types_free(NULL);
}
