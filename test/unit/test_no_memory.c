/*
 * test_no_memory.c - the system has no memory left, at each place that asks for some: whatever is then made says so, or
 * is what it would have been.
 *
 * The linker leads the program's own calls of the functions below here (see CMakeLists.txt).
 */
#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "image_builder.h"
#include "lkmfs/object.h"
#include "synth_open.h"
#include "synth_sample.h"

#define SITES_MAX 1024

/* A place in the code that asks for memory. */
struct site {
    const void *address;
    size_t asked; /* how often in this run */
    size_t most;  /* in any run */
};

static struct {
    struct site sites[SITES_MAX];
    size_t count;
    bool watching;
    const struct site *failing;
    size_t failing_at; /* which time it asks, from 1 */
    bool failed;
} memory;

static struct site *site_of(const void *address)
{
    for (size_t i = 0; i < memory.count; i++)
        if (memory.sites[i].address == address)
            return &memory.sites[i];
    if (memory.count == SITES_MAX)
        synth_die("more than %d places ask for memory", SITES_MAX);
    memory.sites[memory.count] = (struct site){.address = address};
    return &memory.sites[memory.count++];
}

/* True when the place at `address` is to get none this time. */
static bool is_out(const void *address)
{
    if (!memory.watching)
        return false;
    struct site *site = site_of(address);
    site->asked++;
    site->most = site->asked > site->most ? site->asked : site->most;
    if (site != memory.failing || site->asked != memory.failing_at)
        return false;
    memory.failed = true;
    errno = ENOMEM;
    return true;
}

#define CALLER __builtin_return_address(0)

/* Declares what the linker calls the true function, and begins the one in its place. */
#define IN_PLACE_OF(type, name, ...)                                                                                   \
    type __real_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__);                                                                                   \
    type __wrap_##name(__VA_ARGS__)

IN_PLACE_OF(void *, malloc, size_t size)
{
    return is_out(CALLER) ? NULL : __real_malloc(size);
}

IN_PLACE_OF(void *, calloc, size_t count, size_t size)
{
    return is_out(CALLER) ? NULL : __real_calloc(count, size);
}

IN_PLACE_OF(void *, realloc, void *block, size_t size)
{
    return is_out(CALLER) ? NULL : __real_realloc(block, size);
}

IN_PLACE_OF(void *, aligned_alloc, size_t align, size_t size)
{
    return is_out(CALLER) ? NULL : __real_aligned_alloc(align, size);
}

IN_PLACE_OF(char *, strdup, const char *text)
{
    return is_out(CALLER) ? NULL : __real_strdup(text);
}

IN_PLACE_OF(char *, strndup, const char *text, size_t size)
{
    return is_out(CALLER) ? NULL : __real_strndup(text, size);
}

IN_PLACE_OF(int, vasprintf, char **ret, const char *format, va_list args)
{
    return is_out(CALLER) ? -1 : __real_vasprintf(ret, format, args);
}

IN_PLACE_OF(FILE *, open_memstream, char **bytes, size_t *size)
{
    return is_out(CALLER) ? NULL : __real_open_memstream(bytes, size);
}

IN_PLACE_OF(bool, array_reserve, void **items, size_t *capacity, size_t count, size_t element)
{
    return !(count >= *capacity && is_out(CALLER)) && __real_array_reserve(items, capacity, count, element);
}

/* What an arena does without memory. */
static void *fail_arena(struct arena *arena)
{
    arena->failed = true;
    return NULL;
}

IN_PLACE_OF(void *, arena_alloc, struct arena *arena, size_t size)
{
    return is_out(CALLER) ? fail_arena(arena) : __real_arena_alloc(arena, size);
}

IN_PLACE_OF(void *, arena_array, struct arena *arena, size_t count, size_t size)
{
    return is_out(CALLER) ? fail_arena(arena) : __real_arena_array(arena, count, size);
}

IN_PLACE_OF(char *, arena_string, struct arena *arena, const char *text)
{
    return is_out(CALLER) ? fail_arena(arena) : __real_arena_string(arena, text);
}

IN_PLACE_OF(char *, arena_copy, struct arena *arena, const void *bytes, size_t size)
{
    return is_out(CALLER) ? fail_arena(arena) : __real_arena_copy(arena, bytes, size);
}

/* What is tried: a hash of what was made, 0 (and *err) when it failed. */
typedef uint64_t attempt_fn(void *context, struct lkmfs_error *err);

static uint64_t run(attempt_fn *attempt, void *context, struct lkmfs_error *err)
{
    for (size_t i = 0; i < memory.count; i++)
        memory.sites[i].asked = 0;
    memory.failed = false;
    memory.watching = true;
    uint64_t made = attempt(context, err);
    memory.watching = false;
    return made;
}

/* What addr2line(1) takes. */
static unsigned long offset_in_program(const void *address)
{
    extern const char __executable_start[]; /* the linker's */
    return (unsigned long)((uintptr_t)address - (uintptr_t)__executable_start);
}

static void fail_at(attempt_fn *attempt, void *context, size_t site, size_t time, uint64_t expected)
{
    struct lkmfs_error err = {0};
    memory.failing = &memory.sites[site];
    memory.failing_at = time;
    uint64_t made = run(attempt, context, &err);
    if (!memory.failed)
        return;
    if (made)
        cr_expect_eq(made, expected, "without memory at 0x%lx (%zu), something else is made",
                     offset_in_program(memory.failing->address), time);
    else
        cr_expect_eq(err.code, LKMFS_ERROR_NO_MEMORY, "without memory at 0x%lx (%zu): %s",
                     offset_in_program(memory.failing->address), time, err.message);
}

/* Without memory at each place in turn, when it asks for the first, second and last time. */
static void fail_everywhere(attempt_fn *attempt, void *context)
{
    struct lkmfs_error err;
    memory.failing = NULL;
    uint64_t expected = run(attempt, context, &err);
    cr_assert(expected, "%s", err.message);
    cr_assert_gt(memory.count, 0, "nothing asks for memory");
    for (size_t i = 0; i < memory.count; i++) {
        size_t most = memory.sites[i].most;
        const size_t times[] = {1, 2, most};
        for (size_t k = 0; k < 3 && (k == 0 || times[k] > times[k - 1]) && times[k] <= most; k++)
            fail_at(attempt, context, i, times[k], expected);
    }
    memory.failing = NULL;
    cr_expect_eq(run(attempt, context, &err), expected, "and then all is as it was");
}

static uint64_t add_hash(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(1099511628211);
    return hash;
}

/* ---- images ---- */

static uint64_t open_and_read(void *context, struct lkmfs_error *err)
{
    struct lkmfs_image *image;
    if (!lkmfs_image_open(context, NULL, &image, err))
        return 0;
    uint8_t bytes[512];
    size_t count;
    uint64_t hash = 1, failures = lkmfs_image_failures();
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    for (size_t i = 0; i < count; i++) {
        hash = add_hash(hash, &ranges[i], sizeof(ranges[i]));
        hash = add_hash(hash, bytes, lkmfs_image_read(image, ranges[i].start, bytes, sizeof(bytes)));
    }
    if (!lkmfs_image_intact(image, failures, err))
        hash = 0;
    lkmfs_image_close(image);
    return hash;
}

TestSuite(no_memory, .init = scratch_begin, .fini = scratch_end, .timeout = 300);

static void fail_image(struct builder *builder, const char *name)
{
    char *path = strdup(builder_save(builder, name));
    fail_everywhere(open_and_read, path);
    free(path);
    builder_free(builder);
}

Test(no_memory, images)
{
    struct builder builder = {0};
    builder_lime(&builder, 0x1000, 0x2000);
    builder_lime(&builder, 0x100000, 0x1000);
    fail_image(&builder, "image.lime");
}

Test(no_memory, images_with_notes)
{
    struct builder builder = {0};
    const size_t first = BUILDER_EHDR_SIZE + 2 * BUILDER_PHDR_SIZE;
    static const char text[] = "OSRELEASE=6.12\n";
    builder_elf_header(&builder, 2);
    builder_elf_segment(&builder, &(struct builder_segment){PT_NOTE, first, 0, 44, 0});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, first + 44, 0x1000, 0x1000, 0x1000});
    builder_note(&builder, "VMCOREINFO", text, sizeof(text) - 1);
    builder_memory(&builder, 0x1000, 0x1000);
    fail_image(&builder, "image.elf");
}

static void put_big_endian(struct builder *builder, uint64_t value)
{
    builder_put64(builder, __builtin_bswap64(value));
}

Test(no_memory, images_in_parts_of_one_file)
{
    struct builder core = {0}, flat = {0};
    builder_put(&flat, "makedumpfile\0\0\0\0", 16);
    put_big_endian(&flat, 1);
    put_big_endian(&flat, 1);
    builder_zeros(&flat, 4096 - flat.size);
    builder_elf_header(&core, 1);
    builder_elf_segment(&core, &(struct builder_segment){PT_LOAD, 0x1000, 0x1000, 0x1000, 0x1000});
    builder_zeros(&core, 0x1000 - core.size);
    builder_memory(&core, 0x1000, 0x1000);
    put_big_endian(&flat, 0);
    put_big_endian(&flat, core.size);
    builder_put(&flat, core.bytes, core.size);
    put_big_endian(&flat, UINT64_MAX);
    put_big_endian(&flat, UINT64_MAX);
    builder_free(&core);
    fail_image(&flat, "image.flat");
}

Test(no_memory, images_in_several_files)
{
    struct builder first = {0}, second = {0};
    builder_memory(&first, 0, 0x10000);
    builder_memory(&second, 0x10000, 0x1000);
    (void)builder_save(&second, "image.raw.002");
    builder_free(&second);
    fail_image(&first, "image.raw.001");
}

Test(no_memory, images_that_are_no_parts_though_they_are_called_so)
{
    struct builder first = {0}, second = {0};
    builder_lime(&first, 0x1000, 0x2000);
    builder_lime(&second, 0x1000, 0x4000);
    (void)builder_save(&second, "image.002");
    builder_free(&second);
    fail_image(&first, "image.001");
}

/* ---- kernels ---- */

static uint64_t open_kernel(void *context, struct lkmfs_error *err)
{
    struct lkmfs_kernel *kernel;
    struct lkmfs_modules *modules = NULL;
    if (!lkmfs_kernel_open(context, NULL, NULL, &kernel, err))
        return 0;
    uint64_t hash = 1;
    const struct lkmfs_symbols *symbols = lkmfs_kernel_symbols(kernel);
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(kernel);
    hash = add_hash(hash, facts->banner, strlen(facts->banner));
    for (size_t i = 0; i < lkmfs_symbols_count(symbols); i++) {
        struct lkmfs_symbol symbol = lkmfs_symbols_at(symbols, i);
        hash = add_hash(hash, symbol.name, strlen(symbol.name));
    }
    if (!lkmfs_modules_open(kernel, NULL, &modules, err))
        hash = 0;
    for (size_t i = 0; hash && i < lkmfs_modules_count(modules); i++) {
        const struct lkmfs_module *module = lkmfs_modules_at(modules, i);
        hash = add_hash(hash, module->name, strlen(module->name));
        hash = add_hash(hash, &module->traces, sizeof(module->traces));
    }
    lkmfs_modules_close(modules);
    lkmfs_kernel_close(kernel);
    return hash;
}

Test(no_memory, kernels)
{
    struct synth_sample sample;
    synth_sample_init(&sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct lkmfs_image *image = synth_memory_open(&sample.kernel->memory, NULL);
    fail_everywhere(open_kernel, image);
    lkmfs_image_close(image);
    synth_sample_free(&sample);
}

/* ---- modules and objects ---- */

static uint64_t build(const struct lkmfs_builder *builder, const struct lkmfs_module *module, uint64_t hash,
                      struct lkmfs_error *err)
{
    for (int kind = 0; hash && kind <= LKMFS_OBJECT_LOADABLE; kind++) {
        struct lkmfs_object *object;
        size_t size, doubts;
        if (!lkmfs_object_build(builder, module, (enum lkmfs_object_kind)kind, &object, err))
            return 0;
        const uint8_t *bytes = lkmfs_object_bytes(object, &size);
        (void)lkmfs_object_doubts(object, &doubts);
        hash = add_hash(hash, bytes, size);
        lkmfs_object_free(object);
    }
    return hash;
}

static uint64_t build_all(void *context, struct lkmfs_error *err)
{
    struct lkmfs_modules *modules;
    struct lkmfs_builder *builder;
    uint64_t hash = 0;
    if (!lkmfs_modules_open(context, NULL, &modules, err))
        return 0;
    if (lkmfs_builder_new(modules, NULL, &builder, err)) {
        hash = 1;
        for (size_t i = 0; hash && i < lkmfs_modules_count(modules); i++)
            hash = build(builder, lkmfs_modules_at(modules, i), hash, err);
    }
    lkmfs_builder_free(builder);
    lkmfs_modules_close(modules);
    return hash;
}

Test(no_memory, objects)
{
    struct synth_sample sample;
    synth_sample_init(&sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_opened opened = synth_open_kernel(sample.kernel, NULL);
    cr_assert_not_null(opened.kernel);
    fail_everywhere(build_all, opened.kernel);
    synth_close(&opened);
    synth_sample_free(&sample);
}
