/* test_types_torn.c - BTF of which pages are missing or another's: what is left keeps its numbers, and is right. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "kernel/types.h"
#include "synth_types.h"

#define ADDRESS UINT64_C(0xffffffff82000000)
#define PAGE    4096

struct torn {
    struct synth_types in;
    struct synth_bytes bytes; /* the section */
    uint64_t *addresses;
    struct btf_index index;
};

static void torn_init(struct torn *torn, enum synth_release release)
{
    enum synth_btf_header header = release >= SYNTH_7_2 ? SYNTH_BTF_LAYOUT : SYNTH_BTF_PLAIN;
    *torn = (struct torn){0};
    synth_types_of(&torn->in, release);
    synth_btf(&torn->bytes, &torn->in, header);
    torn->addresses = synth_btf_index(&torn->in, header, ADDRESS, &torn->index.count);
    torn->index.addresses = torn->addresses;
}

static void torn_free(struct torn *torn)
{
    free(torn->addresses);
    synth_bytes_free(&torn->bytes);
    synth_types_free(&torn->in);
}

static struct lkmfs_types *salvage(const struct torn *torn, const struct btf_index *index, struct lkmfs_error *err)
{
    struct lkmfs_types *types = NULL;
    uint8_t *copy = malloc(torn->bytes.size); /* of exactly this size, for the sanitizer */
    cr_assert_not_null(copy);
    memcpy(copy, torn->bytes.bytes, torn->bytes.size);
    struct segment segment = {.address = ADDRESS, .bytes = copy, .size = torn->bytes.size};
    cr_assert_eq(types_from_btf(&segment, 0, index, &types, err), types != NULL);
    free(copy);
    return types;
}

/* What is known of a field is right; returns how many fields are not known. */
static size_t fields_lost(const struct torn *torn, const struct lkmfs_types *types)
{
    size_t lost = 0;
    for (size_t i = 0; i < torn->in.count; i++) {
        const struct synth_struct *s = &torn->in.structs[i];
        for (size_t j = 0; !s->is_union && *s->name != '~' && j < s->count; j++) {
            const struct synth_member *member = &s->members[j];
            struct lkmfs_field field;
            if (!*member->name)
                continue;
            if (!lkmfs_types_field(types, s->name, member->name, &field)) {
                lost++;
                continue;
            }
            cr_assert_eq(field.offset, member->offset, "%s.%s", s->name, member->name);
            cr_assert_eq(field.size, member->size, "%s.%s", s->name, member->name);
        }
    }
    return lost;
}

/* Every page in turn, missing or with numbers of no meaning. */
Test(types_torn, each_page, .timeout = 60)
{
    for (int release = 0; release < SYNTH_RELEASES; release += 3) {
        struct torn torn;
        struct lkmfs_error err = {0};
        uint8_t page[PAGE];
        size_t whole = 0, part = 0, refused = 0;
        torn_init(&torn, (enum synth_release)release);
        for (size_t at = PAGE; at + PAGE <= torn.bytes.size; at += PAGE)
            for (int noise = 0; noise < 2; noise++) {
                memcpy(page, torn.bytes.bytes + at, PAGE);
                for (size_t i = 0; i < PAGE; i++)
                    torn.bytes.bytes[at + i] = noise ? (uint8_t)(i * 37 % 251 | 1) : 0;
                struct lkmfs_types *types = salvage(&torn, &torn.index, &err);
                memcpy(torn.bytes.bytes + at, page, PAGE);
                if (!types) {
                    refused++;
                    continue;
                }
                cr_assert(types->lost || types->names_lost || noise, "page 0x%zx", at);
                cr_assert_lt(types->lost, PAGE / 12 + 3);
                *(fields_lost(&torn, types) ? &part : &whole) += 1;
                types_free(types);
            }
        cr_assert_gt(whole, 10);
        cr_assert_gt(part + refused, 0);
        torn_free(&torn);
    }
}

/* Names of another time: libbpf takes any. */
Test(types_torn, strings_of_another_page)
{
    struct torn torn;
    struct lkmfs_error err = {0};
    torn_init(&torn, SYNTH_6_1);
    memset(torn.bytes.bytes + torn.bytes.size - 0x200, 'x', 0x180);
    struct lkmfs_types *types = salvage(&torn, NULL, &err);
    cr_assert_not_null(types, "%s", err.message);
    cr_assert(types->names_lost);
    types_free(types);
    torn_free(&torn);
}

/* The index is memory as well: where a page of it is missing, one type leads to the next. */
Test(types_torn, page_of_the_index)
{
    struct torn torn;
    struct lkmfs_error err = {0};
    torn_init(&torn, SYNTH_6_1);
    cr_assert_gt(torn.index.count, 2 * PAGE / 8);
    memset(torn.addresses, 0, PAGE);
    struct lkmfs_types *types = salvage(&torn, &torn.index, &err);
    cr_assert_not_null(types, "%s", err.message);
    cr_assert_eq(types->lost, 0);
    cr_assert_eq(fields_lost(&torn, types), 0);
    types_free(types);
    torn_free(&torn);
}

/* What follows the index in memory adds no types. */
Test(types_torn, more_than_the_index)
{
    struct torn torn;
    struct lkmfs_error err = {0};
    torn_init(&torn, SYNTH_6_1);
    size_t count = torn.index.count;
    uint64_t *longer = calloc(2 * count, sizeof(*longer));
    cr_assert_not_null(longer);
    memcpy(longer, torn.addresses, count * sizeof(*longer));
    memcpy(longer + count, torn.addresses, count * sizeof(*longer));
    struct btf_index index = {longer, 2 * count};
    memset(torn.bytes.bytes + PAGE * 3, 0, PAGE);
    struct lkmfs_types *types = salvage(&torn, &index, &err);
    cr_assert_not_null(types, "%s", err.message);
    cr_assert_lt(types->lost, PAGE / 12 + 3);
    types_free(types);
    free(longer);
    torn_free(&torn);
}

Test(types_torn, index_of_no_meaning)
{
    static const uint64_t values[] = {0, 1, ADDRESS, ADDRESS + 24, ADDRESS + 0x10000, UINT64_MAX};
    struct torn torn;
    torn_init(&torn, SYNTH_6_1);
    for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
        struct lkmfs_error err = {0};
        for (size_t i = 0; i < torn.index.count; i++)
            torn.addresses[i] = values[v] + (v % 2 ? i : 0);
        memset(torn.bytes.bytes + 24, 0, PAGE);
        cr_assert_null(salvage(&torn, &torn.index, &err), "0x%llx", (unsigned long long)values[v]);
        cr_assert_eq(err.code, LKMFS_ERROR_NOT_FOUND);
    }
    torn_free(&torn);
}

/*
 * Types of 65,535 members behind each other, on pages that are nearly empty, and an index that leads to each: none of
 * their bytes are looked at thousands of times.
 */
Test(types_torn, index_that_leads_to_the_same_bytes, .timeout = 3)
{
    enum { SIZE = 32 << 20, COUNT = SIZE / 12, FIRST = 3 << 10 };
    uint8_t *section = calloc(1, 24 + SIZE + 4);
    uint64_t *addresses = calloc(COUNT, sizeof(*addresses));
    cr_assert(section && addresses);
    memcpy(section, (uint8_t[]){0x9f, 0xeb, 1, 0}, 4);
    synth_le(section + 4, 24, 4);
    synth_le(section + 12, SIZE, 4);
    synth_le(section + 16, SIZE, 4);
    synth_le(section + 20, 4, 4);
    size_t count = 1;
    for (size_t page = 0; page < SIZE; page += PAGE) /* some are missing, so that each type is lost in the end */
        for (size_t at = page + FIRST; page / PAGE % 180 != 179 && at + 12 <= page + PAGE - 24; at += 12, count += 2) {
            synth_le(section + 24 + at + 4, UINT64_C(0x0f00ffff), 4); /* BTF_KIND_DATASEC */
            addresses[count] = ADDRESS + 24 + at;
        }
    cr_assert_leq(count, COUNT);
    struct lkmfs_types *types = NULL;
    struct lkmfs_error err = {0};
    struct segment segment = {.address = ADDRESS, .bytes = section, .size = 24 + SIZE + 4};
    struct btf_index index = {addresses, COUNT};
    cr_assert_not(types_from_btf(&segment, 0, &index, &types, &err));
    free(addresses);
    free(section);
}

/* Without the index nothing is known of what lies behind a torn page, and it is said how much that is. */
Test(types_torn, no_index)
{
    struct torn torn;
    torn_init(&torn, SYNTH_6_1);
    memset(torn.addresses, 0, torn.index.count * sizeof(*torn.addresses));
    for (size_t at = PAGE; at + PAGE <= torn.bytes.size - PAGE; at += 2 * PAGE) {
        struct lkmfs_error err = {0};
        uint8_t page[PAGE];
        memcpy(page, torn.bytes.bytes + at, PAGE);
        memset(torn.bytes.bytes + at, 0xa5, PAGE);
        struct lkmfs_types *types = salvage(&torn, &torn.index, &err);
        memcpy(torn.bytes.bytes + at, page, PAGE);
        if (at < torn.bytes.size / 3)
            cr_assert_null(types, "page 0x%zx", at);
        if (!types)
            continue;
        cr_assert_gt(types->lost, 0, "page 0x%zx", at);
        (void)fields_lost(&torn, types);
        types_free(types);
    }
    torn_free(&torn);
}

/* The first struct of two members or more that the index has. */
static void find_struct(const struct torn *torn, uint8_t **type)
{
    for (size_t id = 1; id < torn->index.count; id++) {
        *type = torn->bytes.bytes + (torn->addresses[id] - ADDRESS);
        uint32_t info = le32(*type + 4);
        if ((info >> 24 & 0x1f) == 4 && (info & 0xffff) >= 2 && le32(*type))
            return;
    }
    cr_assert_fail("no struct");
}

/* What stands in the place of a type is not taken for it when it can't be one, or ends elsewhere than the next begins.
 */
Test(types_torn, types_that_are_not_what_the_index_leads_to)
{
    enum { NAME, TYPE, SHORT, LONG, KIND, OWN_NAME, KINDS };
    for (int kind = 0; kind < KINDS; kind++) {
        struct torn torn;
        struct lkmfs_error err = {0};
        uint8_t *type;
        torn_init(&torn, SYNTH_6_1);
        find_struct(&torn, &type);
        uint32_t info = le32(type + 4);
        if (kind == NAME || kind == TYPE) /* of its second member */
            synth_le(type + 24 + (kind == TYPE ? 4 : 0), 0x7fffffff, 4);
        else if (kind == OWN_NAME)
            synth_le(type, 0x7fffffff, 4);
        else
            synth_le(type + 4, kind == SHORT ? info - 1 : kind == LONG ? info + 1 : 0x1f000000u, 4);
        struct lkmfs_types *types = salvage(&torn, &torn.index, &err);
        cr_assert_not_null(types, "%d: %s", kind, err.message);
        cr_expect_eq(types->lost, 1, "%d: %zu lost", kind, types->lost);
        cr_expect_gt(fields_lost(&torn, types), 0, "%d", kind);
        types_free(types);
        torn_free(&torn);
    }
}

Test(types_torn, array_of_a_type_that_is_lost)
{
    struct torn torn;
    struct lkmfs_error err = {0};
    struct lkmfs_field field;
    size_t count = 0;
    torn_init(&torn, SYNTH_6_1);
    for (size_t id = 1; id < torn.index.count; id++) {
        uint8_t *type = torn.bytes.bytes + (torn.addresses[id] - ADDRESS);
        if (le32(type + 4) != 0x1000000 || le32(type + 8) != 1) /* char and the like */
            continue;
        synth_le(type + 4, 0x1f000000, 4);
        count++;
    }
    struct lkmfs_types *types = salvage(&torn, &torn.index, &err);
    cr_assert_not_null(types, "%s", err.message);
    cr_expect_eq(types->lost, count);
    cr_expect_not(lkmfs_types_field(types, "module", "name", &field), "of %zu bytes", (size_t)field.size);
    cr_expect(lkmfs_types_field(types, "module", "list", &field));
    types_free(types);
    torn_free(&torn);
}

/* A message that says what to do, not that the kernel has no modules. */
Test(types_torn, a_field_that_is_lost)
{
    struct torn torn;
    struct lkmfs_error err = {0};
    struct lkmfs_field field;
    torn_init(&torn, SYNTH_6_1);
    memset(torn.bytes.bytes + 0xc000, 0, PAGE);
    struct lkmfs_types *types = salvage(&torn, &torn.index, &err);
    cr_assert_not_null(types, "%s", err.message);
    cr_assert_not(lkmfs_types_require(types, "module", "no_such_field", &field, &err));
    cr_assert_not_null(strstr(err.message, "acquire"), "%s", err.message);
    types_free(types);
    torn_free(&torn);
}
