/*
 * object_json.h - the provenance of a rebuilt object as JSON: the "object" of /info/<name>.json.
 */
#ifndef LKMFS_FS_OBJECT_JSON_H
#define LKMFS_FS_OBJECT_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "lkmfs/object.h"

/* A new value; clears *ok without memory. */
json_t *object_json(const struct lkmfs_object *object, bool *ok);

#endif
