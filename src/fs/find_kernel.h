/*
 * find_kernel.h - opens the kernel of an image whose file may lack the hole below 4 GiB.
 */
#ifndef LKMFS_FS_FIND_KERNEL_H
#define LKMFS_FS_FIND_KERNEL_H

#include <stdbool.h>

#include "lkmfs/tree.h"

/*
 * lkmfs_kernel_open(), with the hole that `options` name, else with the one that the kernel proves: the holes that are
 * known are tried when no kernel is found without one, and the memory map that the firmware gave to the kernel (e820)
 * then says how large the hole is. Errors: as lkmfs_kernel_open() without a hole; USAGE (a hole where none can be).
 */
bool find_kernel(struct lkmfs_image *image, const struct lkmfs_session_options *options, struct lkmfs_log *log,
                 struct lkmfs_kernel **ret, struct lkmfs_error *err);

#endif
