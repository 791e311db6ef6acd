#include "lkmfs/error.h"

#include <stdarg.h>
#include <stdio.h>

bool lkmfs_fail(struct lkmfs_error *err, enum lkmfs_error_code code, uint64_t address, const char *format, ...)
{
    if (!err)
        return false;
    err->code = code;
    err->address = address;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
    return false;
}

bool lkmfs_fail_memory(struct lkmfs_error *err)
{
    return lkmfs_fail(err, LKMFS_ERROR_NO_MEMORY, 0, "out of memory");
}
