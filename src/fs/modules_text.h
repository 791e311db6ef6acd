/*
 * modules_text.h - the modules as a table for people: /modules.txt and `lkmfs ls`.
 */
#ifndef LKMFS_FS_MODULES_TEXT_H
#define LKMFS_FS_MODULES_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lkmfs/module.h"

/*
 * One line a module, columns aligned: file name, base, size, state, taints, references, found by, used by; and the name
 * as it is in memory, in quotes and escaped, where it differs from the file name. With `header` the first line names
 * the columns. malloc'd; NULL without memory.
 */
char *modules_text(const struct lkmfs_modules *modules, bool header, size_t *size);

#endif
