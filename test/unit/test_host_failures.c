/* test_host_failures.c - reads that the host fails are no holes, and nothing that came of them is kept. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image/cache.h"
#include "image/failure.h"
#include "image_builder.h"
#include "lkmfs/object.h"
#include "synth_open.h"
#include "synth_sample.h"

#define SIZE 0x10000

TestSuite(host_failures, .init = scratch_begin, .fini = scratch_end);

/* The bytes of a file, to put back what a test takes away. */
struct saved {
    const char *path;
    uint8_t *bytes;
    size_t size;
};

static struct saved save(const char *path)
{
    struct saved saved = {.path = path};
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    saved.size = (size_t)ftell(file);
    rewind(file);
    saved.bytes = malloc(saved.size);
    cr_assert_eq(fread(saved.bytes, 1, saved.size, file), saved.size);
    (void)fclose(file);
    return saved;
}

static void put_back(struct saved *saved)
{
    FILE *file = fopen(saved->path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(saved->bytes, 1, saved->size, file), saved->size);
    cr_assert_eq(fclose(file), 0);
    free(saved->bytes);
}

static void *failures_of_thread(void *context)
{
    *(uint64_t *)context = lkmfs_image_failures();
    return NULL;
}

Test(host_failures, a_file_that_was_cut_is_told_from_its_end)
{
    struct lkmfs_error err;
    struct builder builder = {0};
    builder_memory(&builder, 0, SIZE);
    char *path = strdup(builder_save(&builder, "image.raw"));
    builder_free(&builder);
    struct opened opened = open_expecting(path, "raw");
    struct saved saved = save(path);
    uint64_t before = lkmfs_image_failures();

    expect_memory(opened.image, SIZE - 16, 64, 16);
    expect_memory(opened.image, SIZE, 64, 0);
    cr_assert(lkmfs_image_intact(opened.image, before, &err));

    cr_assert_eq(truncate(path, SIZE / 2), 0);
    expect_memory(opened.image, SIZE / 2 - 16, 64, 16);
    cr_assert_not(lkmfs_image_intact(opened.image, before, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_READ);
    cr_assert_eq(err.address, SIZE / 2);
    cr_assert_not_null(strstr(err.message, path));
    cr_assert_not_null(strstr(err.message, "0x8000"));

    pthread_t thread;
    uint64_t others = 1;
    cr_assert_eq(pthread_create(&thread, NULL, failures_of_thread, &others), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_eq(others, 0, "another thread has nothing to do with it");

    put_back(&saved);
    before = lkmfs_image_failures();
    expect_memory(opened.image, 0, SIZE, SIZE);
    cr_assert(lkmfs_image_intact(opened.image, before, NULL));
    opened_close(&opened);
    free(path);
}

static unsigned fills;

/* Has a host that fails once. */
static size_t fill(void *context, uint64_t key, uint8_t *block)
{
    (void)context;
    if (fills++ == 0) {
        image_failure_note(key, 5);
        return 0;
    }
    memset(block, 7, 64);
    return 64;
}

Test(host_failures, a_block_is_tried_again)
{
    uint8_t bytes[64] = {0};
    struct image_cache *cache = image_cache_new(64, 4096);
    cr_assert_eq(image_cache_read(cache, 3, 0, bytes, sizeof(bytes), fill, NULL), 0);
    cr_assert_not(image_cache_has(cache, 3));
    cr_assert_eq(image_cache_read(cache, 3, 0, bytes, sizeof(bytes), fill, NULL), 64);
    cr_assert_eq(bytes[63], 7);
    cr_assert_eq(fills, 2);
    image_cache_free(cache);
}

static struct lkmfs_object *build(const struct lkmfs_builder *builder, const struct lkmfs_module *module)
{
    struct lkmfs_object *object;
    struct lkmfs_error err;
    cr_assert(lkmfs_object_build(builder, module, LKMFS_OBJECT_RELOCATABLE, &object, &err), "%s", err.message);
    return object;
}

Test(host_failures, nothing_of_a_failed_build_is_kept)
{
    struct lkmfs_error err;
    struct synth_sample sample;
    synth_sample_init(&sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_opened opened = synth_open_modules(sample.kernel), healthy = synth_open_modules(sample.kernel);
    const struct lkmfs_module *module = synth_find_module(&opened, sample.modules[SYNTH_ALPHA]->address);
    const struct lkmfs_module *same = synth_find_module(&healthy, sample.modules[SYNTH_ALPHA]->address);
    struct lkmfs_builder *builder, *other;
    cr_assert(lkmfs_builder_new(opened.modules, opened.log, &builder, &err));
    cr_assert(lkmfs_builder_new(healthy.modules, healthy.log, &other, &err));

    struct saved saved = save(sample.kernel->memory.path);
    cr_assert_eq(truncate(saved.path, 4096), 0);
    struct lkmfs_object *object;
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_not(lkmfs_module_load(opened.modules, module, &err));
        cr_assert_eq(err.code, LKMFS_ERROR_READ);
        cr_assert_not(lkmfs_object_build(builder, module, LKMFS_OBJECT_RELOCATABLE, &object, &err));
        cr_assert_eq(err.code, LKMFS_ERROR_READ);
        cr_assert_eq(module->section_count, 0);
        cr_assert_eq(module->doubt_count, same->doubt_count);
    }
    struct lkmfs_kernel *kernel = NULL;
    cr_assert_not(lkmfs_kernel_open(opened.image, NULL, NULL, &kernel, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_READ, "%s", err.message);
    put_back(&saved);

    size_t sizes[2];
    struct lkmfs_object *late = build(builder, module), *early = build(other, same);
    const uint8_t *bytes[] = {lkmfs_object_bytes(late, &sizes[0]), lkmfs_object_bytes(early, &sizes[1])};
    cr_assert_eq(sizes[0], sizes[1]);
    cr_assert_arr_eq(bytes[0], bytes[1], sizes[0]);
    cr_assert_gt(module->section_count, 0);
    cr_assert_eq(module->doubt_count, same->doubt_count);

    lkmfs_object_free(late);
    lkmfs_object_free(early);
    lkmfs_builder_free(builder);
    lkmfs_builder_free(other);
    synth_close(&opened);
    synth_close(&healthy);
    synth_sample_free(&sample);
}
