/*
 * json.h - building JSON values out of untrusted text, with one check for memory at the end.
 */
#ifndef LKMFS_FS_JSON_H
#define LKMFS_FS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Text from the image as a JSON string, through escape_text(); JSON null for NULL. NULL without memory. */
json_t *json_text(const char *text);
/* Text with a hexadecimal address: JSON numbers are exact up to 2^53 only. */
json_t *json_address(uint64_t address);
/* A size or count. Beyond INT64_MAX, which no true one is, it is cut. */
json_t *json_count(uint64_t count);

/* object[key] = value, array[] = value; takes the value over. Clears *ok when value is NULL or without memory. */
void json_put(json_t *object, const char *key, json_t *value, bool *ok);
void json_push(json_t *array, json_t *value, bool *ok);

/*
 * Takes `value` over and returns its text, indented, with a newline at the end, malloc'd, its length in *size; NULL
 * without memory or when not `ok`.
 */
char *json_finish(json_t *value, bool ok, size_t *size);

#endif
