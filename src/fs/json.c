#include "fs/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/escape.h"

json_t *json_text(const char *text)
{
    if (!text)
        return json_null();
    char *escaped = escape_text(text);
    json_t *value = escaped ? json_string(escaped) : NULL;
    free(escaped);
    return value;
}

json_t *json_address(uint64_t address)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "0x%" PRIx64, address);
    return json_string(text);
}

json_t *json_count(uint64_t count)
{
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

void json_put(json_t *object, const char *key, json_t *value, bool *ok)
{
    if (json_object_set_new(object, key, value) != 0)
        *ok = false;
}

void json_push(json_t *array, json_t *value, bool *ok)
{
    if (json_array_append_new(array, value) != 0)
        *ok = false;
}

char *json_finish(json_t *value, bool ok, size_t *size)
{
    char *text = ok && value ? json_dumps(value, JSON_INDENT(2)) : NULL;
    json_decref(value);
    if (!text)
        return NULL;
    size_t length = strlen(text);
    char *grown = realloc(text, length + 2);
    if (!grown) {
        free(text);
        return NULL;
    }
    grown[length] = '\n';
    grown[length + 1] = 0;
    *size = length + 1;
    return grown;
}
