/*
 * synth_open.h - a synthetic kernel as lkmfs opens it.
 */
#ifndef LKMFS_TEST_SYNTH_OPEN_H
#define LKMFS_TEST_SYNTH_OPEN_H

#include "lkmfs/module.h"
#include "synth_kernel.h"

struct synth_opened {
    struct lkmfs_image *image;
    struct lkmfs_log *log;
    struct lkmfs_kernel *kernel;   /* NULL when there is none; err says why */
    struct lkmfs_modules *modules; /* NULL until synth_open_modules() */
    struct lkmfs_error err;
};

struct synth_opened synth_open_path(const char *path, const struct lkmfs_kernel_options *options);
struct synth_opened synth_open_kernel(const struct synth_kernel *kernel, const struct lkmfs_kernel_options *options);
/* Kernel and modules; dies when the kernel is not found. */
struct synth_opened synth_open_modules(const struct synth_kernel *kernel);
void synth_close(struct synth_opened *opened);

/* True when the log has `text`. */
bool synth_log_has(const struct synth_opened *opened, const char *text);
/* The module at this address; NULL if none was found there. */
const struct lkmfs_module *synth_find_module(const struct synth_opened *opened, uint64_t address);
/* The same, loaded. */
const struct lkmfs_module *synth_load_module(const struct synth_opened *opened, uint64_t address);

#endif
