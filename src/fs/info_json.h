/*
 * info_json.h - /info/<name>.json: all that is known of a module, and where every part of its .ko came from.
 * test/schema/info.schema.json describes each field.
 */
#ifndef LKMFS_FS_INFO_JSON_H
#define LKMFS_FS_INFO_JSON_H

#include <stddef.h>

#include "lkmfs/module.h"
#include "lkmfs/object.h"

/*
 * The text for `module`, whose contents are loaded, malloc'd; NULL without memory. `object` is its relocatable object,
 * or NULL when nothing of it could be rebuilt, for the reason `why` (then not NULL).
 */
char *info_json(const struct lkmfs_modules *modules, const struct lkmfs_module *module,
                const struct lkmfs_object *object, const char *why, size_t *size);

#endif
