#include "kernel/types.h"

#include <stdlib.h>

#include "base/cursor.h"
#include "base/overflow.h"

bool lkmfs_types_size(const struct lkmfs_types *types, const char *name, uint64_t *ret)
{
    *ret = 0;
    return types->source->size(types->self, name, ret);
}

bool lkmfs_types_field(const struct lkmfs_types *types, const char *name, const char *path, struct lkmfs_field *ret)
{
    *ret = (struct lkmfs_field){0};
    return types->source->field(types->self, name, path, ret);
}

bool lkmfs_types_require(const struct lkmfs_types *types, const char *name, const char *path, struct lkmfs_field *ret,
                         struct lkmfs_error *err)
{
    if (lkmfs_types_field(types, name, path, ret))
        return true;
    if (types->lost || types->names_lost)
        return lkmfs_fail(
            err, LKMFS_ERROR_NOT_FOUND, 0,
            "field %s of struct %s is lost: pages of the kernel's types (%s) are missing or torn; acquire the "
            "image again",
            path, name, types->description);
    return lkmfs_fail(
        err, LKMFS_ERROR_NOT_FOUND, 0,
        "this kernel's types (%s) have no field %s in struct %s, which lkmfs needs; is it a kernel without "
        "loadable modules?",
        types->description, path, name);
}

const char *lkmfs_types_source(const struct lkmfs_types *types)
{
    return types->description;
}

const uint8_t *lkmfs_types_btf(const struct lkmfs_types *types, size_t *size)
{
    *size = types->btf_size;
    return types->btf;
}

uint64_t lkmfs_field_value(const struct lkmfs_field *field, const uint8_t *bytes, size_t size)
{
    if (!range_fits(field->offset, field->size, size))
        return 0;
    const uint8_t *at = bytes + field->offset;
    switch (field->size) {
    case 1:
        return *at;
    case 2:
        return le16(at);
    case 4:
        return le32(at);
    case 8:
        return le64(at);
    default:
        return 0;
    }
}

void types_free(struct lkmfs_types *types)
{
    if (!types)
        return;
    types->source->free(types->self);
    free(types->btf_copy);
    free(types);
}
