/*
 * select.h - which modules the names on a command line mean.
 */
#ifndef LKMFS_CLI_SELECT_H
#define LKMFS_CLI_SELECT_H

#include <stdbool.h>

/*
 * True when `pattern` means the module with file name `file`. A pattern may use *, ? and [...], takes - and _ for the
 * same outside of brackets, and may end in ".ko".
 */
bool select_matches(const char *pattern, const char *file);

#endif
