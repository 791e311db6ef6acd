#include "lkmfs/error.h"

#include <stdarg.h>
#include <stdio.h>

void lkmfs_error_set(struct lkmfs_error *err, enum lkmfs_error_code code, uint64_t address, const char *format, ...)
{
    if (!err)
        return;
    err->code = code;
    err->address = address;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof(err->message), format, args);
    va_end(args);
}
