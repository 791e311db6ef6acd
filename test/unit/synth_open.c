#include "synth_open.h"

#include <stdlib.h>
#include <string.h>

struct synth_opened synth_open_path(const char *path, const struct lkmfs_kernel_options *options)
{
    struct synth_opened ret = {.log = lkmfs_log_new(false)};
    if (!ret.log || !lkmfs_image_open(path, ret.log, &ret.image, &ret.err))
        synth_die("%s", ret.err.message);
    if (!lkmfs_kernel_open(ret.image, options, ret.log, &ret.kernel, &ret.err))
        ret.kernel = NULL;
    return ret;
}

struct synth_opened synth_open_kernel(const struct synth_kernel *kernel, const struct lkmfs_kernel_options *options)
{
    return synth_open_path(kernel->memory.path, options);
}

struct synth_opened synth_open_modules(const struct synth_kernel *kernel)
{
    struct synth_opened ret = synth_open_kernel(kernel, NULL);
    if (!ret.kernel || !lkmfs_modules_open(ret.kernel, ret.log, &ret.modules, &ret.err))
        synth_die("%s", ret.err.message);
    return ret;
}

void synth_close(struct synth_opened *opened)
{
    lkmfs_modules_close(opened->modules);
    lkmfs_kernel_close(opened->kernel);
    lkmfs_image_close(opened->image);
    lkmfs_log_free(opened->log);
    *opened = (struct synth_opened){0};
}

bool synth_log_has(const struct synth_opened *opened, const char *text)
{
    char *log = lkmfs_log_text(opened->log);
    if (!log)
        synth_die("out of memory");
    bool has = strstr(log, text) != NULL;
    free(log);
    return has;
}

const struct lkmfs_module *synth_find_module(const struct synth_opened *opened, uint64_t address)
{
    for (size_t i = 0; i < lkmfs_modules_count(opened->modules); i++) {
        const struct lkmfs_module *module = lkmfs_modules_at(opened->modules, i);
        if (module->address == address)
            return module;
    }
    return NULL;
}

const struct lkmfs_module *synth_load_module(const struct synth_opened *opened, uint64_t address)
{
    const struct lkmfs_module *module = synth_find_module(opened, address);
    struct lkmfs_error err;
    if (!module)
        synth_die("no module at 0x%llx", (unsigned long long)address);
    if (!lkmfs_module_load(opened->modules, module, &err))
        synth_die("%s", err.message);
    return module;
}
