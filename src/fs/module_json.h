/*
 * module_json.h - what is known of a module without reading its contents, as JSON: /modules.json and the head of /info.
 */
#ifndef LKMFS_FS_MODULE_JSON_H
#define LKMFS_FS_MODULE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lkmfs/module.h"

/* A new record of `module`; clears *ok without memory. */
json_t *module_json(const struct lkmfs_modules *modules, const struct lkmfs_module *module, bool *ok);

/* The text of /modules.json: an array of records. malloc'd, NULL without memory. */
char *modules_json(const struct lkmfs_modules *modules, size_t *size);

#endif
