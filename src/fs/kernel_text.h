/*
 * kernel_text.h - texts about the kernel: /kernel/kallsyms and /kernel/version.
 */
#ifndef LKMFS_FS_KERNEL_TEXT_H
#define LKMFS_FS_KERNEL_TEXT_H

#include <stddef.h>

#include "lkmfs/module.h"

/*
 * Symbols of the kernel, then of its modules, as /proc/kallsyms prints them: "address letter name", modules' followed
 * by a tab and [file name]. Names are escaped. Loads the contents of all modules. malloc'd; NULL without memory.
 */
char *kallsyms_text(const struct lkmfs_modules *modules, size_t *size);

/* The banner and a newline, as /proc/version prints it. malloc'd; NULL without memory. */
char *version_text(const struct lkmfs_kernel *kernel, size_t *size);

#endif
