#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fs/cache.h"

#define UNITS 32

/* Unit n: part 0 has 1000 bytes of value n, part 1 n bytes of value n + 100. */
static struct {
    atomic_size_t makes, live, making[UNITS];
    size_t growth;
    bool fail;
} source;

static void release(void *bytes)
{
    atomic_fetch_sub(&source.live, 1);
    free(bytes);
}

static void fill(struct cache_blob *blob, size_t size, int value)
{
    uint8_t *bytes = malloc(size + 1);
    memset(bytes, value, size);
    atomic_fetch_add(&source.live, 1);
    *blob = (struct cache_blob){.bytes = bytes, .size = size, .owner = bytes, .release = release};
}

static bool make(void *context, size_t unit, struct cache_blob parts[CACHE_PARTS], struct lkmfs_error *err)
{
    cr_assert_eq(context, &source);
    cr_assert_eq(atomic_fetch_add(&source.making[unit], 1), 0, "two threads make the same unit");
    atomic_fetch_add(&source.makes, 1);
    bool ok = !source.fail || lkmfs_fail(err, LKMFS_ERROR_NO_MEMORY, 0, "as the test wants it");
    if (ok) {
        fill(&parts[0], 1000 + source.growth, (int)unit);
        fill(&parts[1], unit, (int)unit + 100);
    }
    atomic_fetch_sub(&source.making[unit], 1);
    return ok;
}

static struct cache *new_cache(uint64_t limit)
{
    struct cache *cache = cache_new(UNITS, limit, make, &source);
    cr_assert(cache);
    return cache;
}

static void check_part(struct cache *cache, size_t unit, unsigned part)
{
    const uint8_t *bytes;
    size_t size;
    struct lkmfs_error err;
    cr_assert(cache_hold(cache, unit, part, &bytes, &size, &err), "%s", err.message);
    cr_assert_eq(size, part ? unit : 1000);
    for (size_t i = 0; i < size; i++)
        cr_assert_eq(bytes[i], part ? unit + 100 : unit);
    cache_drop(cache, unit, part);
}

Test(fs_cache, makes_a_unit_once)
{
    struct cache *cache = new_cache(1 << 20);
    uint64_t size;
    for (int round = 0; round < 3; round++) {
        check_part(cache, 7, 0);
        check_part(cache, 7, 1);
        cr_assert(cache_size(cache, 7, 1, &size, NULL));
        cr_assert_eq(size, 7);
    }
    cr_assert_eq(cache_use(cache).makes, 1);
    cr_assert_eq(cache_use(cache).holds, 6);
    cache_free(cache);
    cr_assert_eq(source.live, 0);
}

Test(fs_cache, stays_below_its_limit_and_makes_again)
{
    struct cache *cache = new_cache(3500);
    for (size_t unit = 0; unit < UNITS; unit++) {
        check_part(cache, unit, 0);
        cr_assert_leq(cache_use(cache).bytes, 3500);
    }
    cr_assert_eq(source.makes, UNITS);
    /* The last ones are still there, the first is not. */
    check_part(cache, UNITS - 1, 0);
    check_part(cache, UNITS - 2, 0);
    cr_assert_eq(source.makes, UNITS);
    check_part(cache, 0, 0);
    cr_assert_eq(source.makes, UNITS + 1);
    cache_free(cache);
    cr_assert_eq(source.live, 0);
}

Test(fs_cache, evicts_the_least_recently_used)
{
    struct cache *cache = new_cache(3500);
    check_part(cache, 1, 0);
    check_part(cache, 2, 0);
    check_part(cache, 3, 0);
    check_part(cache, 1, 0);
    check_part(cache, 4, 0); /* pushes out 2 */
    size_t makes = source.makes;
    check_part(cache, 1, 0);
    check_part(cache, 3, 0);
    cr_assert_eq(source.makes, makes);
    check_part(cache, 2, 0);
    cr_assert_eq(source.makes, makes + 1);
    cache_free(cache);
}

Test(fs_cache, never_evicts_what_is_held)
{
    struct cache *cache = new_cache(1500);
    const uint8_t *bytes;
    size_t size;
    cr_assert(cache_hold(cache, 5, 0, &bytes, &size, NULL));
    for (size_t unit = 6; unit < 20; unit++)
        check_part(cache, unit, 0);
    cr_assert_eq(bytes[0], 5);
    cr_assert_eq(bytes[999], 5);
    cache_drop(cache, 5, 0);
    cr_assert_leq(cache_use(cache).bytes, 1500);
    cache_free(cache);
    cr_assert_eq(source.live, 0);
}

Test(fs_cache, keeps_one_larger_than_its_limit)
{
    struct cache *cache = new_cache(10);
    for (int i = 0; i < 5; i++)
        check_part(cache, 9, 0);
    cr_assert_eq(source.makes, 1);
    cache_free(cache);
}

Test(fs_cache, refuses_another_size)
{
    struct cache *cache = new_cache(10);
    check_part(cache, 1, 0);
    check_part(cache, 2, 0); /* pushes out 1 */
    source.growth = 1;
    const uint8_t *bytes;
    size_t size;
    uint64_t remembered;
    struct lkmfs_error err;
    cr_assert_not(cache_hold(cache, 1, 0, &bytes, &size, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_IO);
    cr_assert(cache_size(cache, 1, 0, &remembered, NULL));
    cr_assert_eq(remembered, 1000);
    source.growth = 0;
    check_part(cache, 1, 0);
    cache_free(cache);
    cr_assert_eq(source.live, 0);
}

Test(fs_cache, a_failure_is_not_remembered)
{
    struct cache *cache = new_cache(1 << 20);
    uint64_t size;
    struct lkmfs_error err;
    source.fail = true;
    cr_assert_not(cache_size(cache, 3, 0, &size, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_NO_MEMORY);
    source.fail = false;
    cr_assert(cache_size(cache, 3, 0, &size, &err));
    cr_assert_eq(size, 1000);
    cache_free(cache);
}

static void *reader(void *context)
{
    unsigned state = (unsigned)(uintptr_t)&state;
    for (int i = 0; i < 2000; i++) {
        size_t unit = (size_t)rand_r(&state) % UNITS;
        unsigned part = (unsigned)rand_r(&state) % 2;
        uint64_t size;
        check_part(context, unit, part);
        cr_assert(cache_size(context, unit, part, &size, NULL));
    }
    return NULL;
}

Test(fs_cache, many_threads)
{
    struct cache *cache = new_cache(5000);
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, reader, cache), 0);
    for (size_t i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
    cr_assert_leq(cache_use(cache).bytes, 5000);
    cache_free(cache);
    cr_assert_eq(source.live, 0);
}
