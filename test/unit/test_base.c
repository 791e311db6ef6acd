/* test_base.c - the small parts that all others stand on: cursor, overflow checks, arena, array, hash. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/bulk.h"
#include "base/cursor.h"
#include "base/hash.h"
#include "base/overflow.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

Test(cursor, little_and_big_endian)
{
    struct cursor c = cursor_over(bytes, sizeof(bytes));
    cr_assert_eq(cursor_u8(&c), 1);
    cr_assert_eq(cursor_u16(&c), 0x0302);
    cr_assert_eq(cursor_u32(&c), 0x07060504);
    cr_assert_eq(c.pos, 7);
    cursor_seek(&c, 0);
    cr_assert_eq(cursor_u64(&c), UINT64_C(0x0807060504030201));
    cursor_seek(&c, 0);
    cr_assert_eq(cursor_u32be(&c), 0x01020304);
    cursor_seek(&c, 2);
    cr_assert_eq(cursor_u64be(&c), UINT64_C(0x030405060708090a));
    cr_assert_not(c.overrun);
}

Test(cursor, last_bytes_and_one_more)
{
    struct cursor c = cursor_over(bytes, sizeof(bytes));
    cursor_seek(&c, 8);
    cr_assert_eq(cursor_u16(&c), 0x0a09);
    cr_assert_not(c.overrun);
    cr_assert_eq(cursor_u8(&c), 0);
    cr_assert(c.overrun);
}

Test(cursor, overrun_stays)
{
    struct cursor c = cursor_over(bytes, sizeof(bytes));
    cursor_seek(&c, 3);
    cr_assert_eq(cursor_u64(&c), 0);
    cr_assert(c.overrun);
    cr_assert_eq(c.pos, 3);
    cr_assert_eq(cursor_u8(&c), 0); /* there, but the cursor is spoilt */
    cr_assert_null(cursor_bytes(&c, 0));
}

Test(cursor, sizes_that_wrap)
{
    struct cursor c = cursor_over(bytes, sizeof(bytes));
    cursor_seek(&c, 5);
    cr_assert_null(cursor_bytes(&c, SIZE_MAX));
    c = cursor_over(bytes, sizeof(bytes));
    cursor_seek(&c, 5);
    cursor_skip(&c, SIZE_MAX - 4);
    cr_assert(c.overrun);
    c = cursor_over(bytes, sizeof(bytes));
    cursor_seek(&c, sizeof(bytes) + 1);
    cr_assert(c.overrun);
}

Test(cursor, the_end_is_no_overrun)
{
    struct cursor c = cursor_over(bytes, sizeof(bytes));
    cursor_skip(&c, sizeof(bytes));
    cr_assert_not_null(cursor_bytes(&c, 0));
    cr_assert_not(c.overrun);
    c = cursor_over(NULL, 0);
    cr_assert_eq(cursor_u8(&c), 0);
    cr_assert(c.overrun);
}

Test(cursor, put_and_get)
{
    uint8_t out[15];
    memset(out, 0xee, sizeof(out));
    put_le16(out, 0xfedc);
    put_le32(out + 2, 0xfedcba98);
    put_le64(out + 6, UINT64_C(0xfedcba9876543210));
    cr_assert_eq(le16(out), 0xfedc);
    cr_assert_eq(le32(out + 2), 0xfedcba98);
    cr_assert_eq(le64(out + 6), UINT64_C(0xfedcba9876543210));
    cr_assert_eq(out[6], 0x10);
    cr_assert_eq(out[14], 0xee);
}

Test(overflow, sums_and_products)
{
    uint64_t r;
    cr_assert(add_u64(UINT64_MAX - 1, 1, &r));
    cr_assert_eq(r, UINT64_MAX);
    cr_assert_not(add_u64(UINT64_MAX, 1, &r));
    cr_assert(mul_u64(UINT64_C(1) << 32, (UINT64_C(1) << 32) - 1, &r));
    cr_assert_not(mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &r));
}

Test(overflow, ranges)
{
    cr_assert(range_fits(0, 0, 0));
    cr_assert(range_fits(0, 10, 10));
    cr_assert(range_fits(10, 0, 10));
    cr_assert_not(range_fits(11, 0, 10));
    cr_assert_not(range_fits(1, 10, 10));
    cr_assert_not(range_fits(1, UINT64_MAX, 10));
    cr_assert_not(range_fits(UINT64_MAX, 2, 10));
    cr_assert(range_fits(0, UINT64_MAX, UINT64_MAX));
}

Test(overflow, least_most_and_alignment)
{
    cr_assert_eq(min_u64(1, 2), 1);
    cr_assert_eq(max_u64(1, UINT64_MAX), UINT64_MAX);
    cr_assert_eq(align_up(0, 8), 0);
    cr_assert_eq(align_up(1, 8), 8);
    cr_assert_eq(align_up(8, 8), 8);
    cr_assert_eq(align_up(9, 1), 9);
    cr_assert_eq(align_up(UINT64_MAX - 7, 8), UINT64_MAX - 7);
    cr_assert_eq(align_up(UINT64_MAX - 6, 8), UINT64_MAX);
}

Test(arena, many_pieces)
{
    struct arena arena = {0};
    uint8_t *pieces[500];
    for (size_t i = 0; i < 500; i++) {
        pieces[i] = arena_alloc(&arena, i);
        cr_assert_not_null(pieces[i]);
        cr_assert_eq((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        for (size_t j = 0; j < i; j++)
            cr_assert_eq(pieces[i][j], 0);
        memset(pieces[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert_eq(pieces[i][j], i & 0xff);
    cr_assert_geq(arena.used, 499 * 500 / 2);
    cr_assert_not(arena.failed);
    arena_release(&arena);
    cr_assert_eq(arena.used, 0);
    cr_assert_not_null(arena_alloc(&arena, 10));
    arena_release(&arena);
}

Test(arena, large_pieces)
{
    struct arena arena = {0};
    uint8_t *large = arena_alloc(&arena, 1 << 20), *small = arena_alloc(&arena, 16);
    large[(1 << 20) - 1] = 1;
    small[15] = 1;
    arena_release(&arena);
}

Test(arena, absurd_sizes)
{
    struct arena arena = {0};
    cr_assert_null(arena_alloc(&arena, SIZE_MAX));
    cr_assert(arena.failed);
    arena_release(&arena);
    cr_assert_not(arena.failed);
    cr_assert_null(arena_array(&arena, SIZE_MAX / 2, 3));
    cr_assert(arena.failed);
    arena_release(&arena);
    cr_assert_null(arena_copy(&arena, "", SIZE_MAX));
    arena_release(&arena);
}

Test(arena, strings)
{
    struct arena arena = {0};
    char text[] = "text";
    char *copy = arena_string(&arena, text);
    text[0] = 'n';
    cr_assert_str_eq(copy, "text");
    cr_assert_str_eq(arena_string(&arena, ""), "");
    copy = arena_copy(&arena, "a\0b", 3);
    cr_assert_eq(memcmp(copy, "a\0b", 4), 0); /* with a NUL behind it */
    cr_assert_str_eq(arena_format(&arena, "%s %d", "number", 7), "number 7");
    char *cut = arena_format(&arena, "%2000d", 7);
    cr_assert_eq(strlen(cut), 1023);
    arena_release(&arena);
}

Test(array, grows_and_keeps)
{
    uint32_t *items = NULL;
    size_t capacity = 0;
    for (size_t count = 0; count < 1000; count++) {
        cr_assert(ARRAY_RESERVE(&items, &capacity, count));
        cr_assert_gt(capacity, count);
        items[count] = (uint32_t)count * 3;
    }
    for (uint32_t i = 0; i < 1000; i++)
        cr_assert_eq(items[i], i * 3);
    free(items);
}

/* The other overflow, of the size in bytes, is reallocarray(3)'s, and the sanitizer takes its refusal for an error. */
Test(array, refuses_a_count_that_wraps)
{
    void *items = NULL;
    size_t capacity = SIZE_MAX / 2 + 2;
    cr_assert_not(array_reserve(&items, &capacity, capacity, 1));
    cr_assert_null(items);
    cr_assert_eq(capacity, SIZE_MAX / 2 + 2);
}

Test(bulk, every_byte_can_be_written)
{
    static const size_t sizes[] = {1, 4095, ((size_t)2 << 20) - 1, (size_t)2 << 20, ((size_t)5 << 20) + 3};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *memory = bulk_alloc(sizes[i]);
        cr_assert_not_null(memory);
        memset(memory, 0xa5, sizes[i]);
        cr_assert_eq(memory[sizes[i] - 1], 0xa5);
        free(memory);
    }
}

Test(hash, differs_by_name_and_seed)
{
    cr_assert_eq(hash_name("name", 1), hash_name("name", 1));
    cr_assert_neq(hash_name("name", 1), hash_name("name", 2));
    cr_assert_neq(hash_name("name", 1), hash_name("names", 1));
    cr_assert_neq(hash_seed(), hash_seed());
}

/* Names that differ in one letter don't crowd together. */
Test(hash, spreads)
{
    unsigned slots[256] = {0};
    char name[16];
    for (unsigned i = 0; i < 4096; i++) {
        (void)snprintf(name, sizeof(name), "sym_%u", i);
        slots[hash_name(name, 12345) & 255]++;
    }
    for (unsigned i = 0; i < 256; i++)
        cr_assert_lt(slots[i], 64, "%u names in slot %u", slots[i], i); /* 16 each on average */
}
