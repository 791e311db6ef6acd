#include "object/builder.h"

#include <stdlib.h>

/* Few enough that what is fetched for them is still held when the last is read. */
#define PREFETCH_MODULES 64

bool lkmfs_builder_new(const struct lkmfs_modules *modules, struct lkmfs_log *log, struct lkmfs_builder **ret,
                       struct lkmfs_error *err)
{
    struct lkmfs_builder *builder = calloc(1, sizeof(*builder));
    *ret = builder;
    if (!builder)
        return lkmfs_fail_memory(err);
    builder->modules = modules;
    builder->log = log;
    builder->machine = &machine_x86_64;
    pthread_mutex_init(&builder->lock, NULL);
    return true;
}

static void release(struct lkmfs_builder *builder)
{
    if (builder->context)
        builder->machine->context_free(builder->context);
    lkmfs_exports_close(builder->exports);
    builder->context = NULL;
    builder->exports = NULL;
}

void lkmfs_builder_free(struct lkmfs_builder *builder)
{
    if (!builder)
        return;
    release(builder);
    pthread_mutex_destroy(&builder->lock);
    free(builder);
}

/* Facts of the image's builds come from all its modules, whatever module is built first. */
static bool gather(struct lkmfs_builder *builder, struct lkmfs_error *err)
{
    const struct lkmfs_kernel *kernel = lkmfs_modules_kernel(builder->modules);
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(kernel);
    size_t count = lkmfs_modules_count(builder->modules);
    const struct lkmfs_module **modules = calloc(count + 1, sizeof(*modules));
    if (!modules)
        return lkmfs_fail_memory(err);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        if (i % PREFETCH_MODULES == 0)
            lkmfs_modules_prefetch(builder->modules, i, PREFETCH_MODULES);
        modules[i] = lkmfs_modules_at(builder->modules, i);
        ok = lkmfs_module_load(builder->modules, modules[i], err);
    }
    if (ok) {
        evidence_gather(modules, count, lkmfs_kernel_types(kernel), lkmfs_modules_vermagic(builder->modules),
                        facts->banner, lkmfs_kernel_word(kernel), &builder->evidence);
        builder->evidence.kernel = (struct lkmfs_range){facts->image_start, facts->image_end - facts->image_start};
        builder->evidence.area = (struct lkmfs_range){facts->module_start, facts->module_end - facts->module_start};
    }
    free(modules);
    return ok;
}

static bool prepare(struct lkmfs_builder *builder, struct lkmfs_error *err)
{
    const struct lkmfs_image *image = lkmfs_space_image(lkmfs_kernel_space(lkmfs_modules_kernel(builder->modules)));
    uint64_t failures = lkmfs_image_failures();
    if (!gather(builder, err) || !lkmfs_exports_open(builder->modules, builder->log, &builder->exports, err))
        return false;
    builder->context = builder->machine->context_new(builder->modules, builder->exports, builder->log);
    if (!builder->context)
        (void)lkmfs_fail_memory(err);
    if (lkmfs_image_intact(image, failures, err) && builder->context)
        return true;
    release(builder);
    return false;
}

bool builder_prepare(const struct lkmfs_builder *builder, struct lkmfs_error *err)
{
    /* Logically constant: what is made late is a cache of facts of the image. */
    struct lkmfs_builder *late = (struct lkmfs_builder *)(uintptr_t)builder;
    pthread_mutex_lock(&late->lock);
    bool ok = late->ready || prepare(late, err);
    late->ready = ok;
    pthread_mutex_unlock(&late->lock);
    return ok;
}

const struct lkmfs_exports *lkmfs_builder_exports(const struct lkmfs_builder *builder)
{
    return builder_prepare(builder, NULL) ? builder->exports : NULL;
}
