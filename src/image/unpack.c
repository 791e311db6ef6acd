#include "image/unpack.h"

#include <errno.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "image/failure.h"

static size_t unpack_none(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    if (in_size > out_size)
        return 0;
    memcpy(out, in, in_size);
    return in_size;
}

static size_t unpack_zlib(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    uLongf size = out_size;
    int result = uncompress(out, &size, in, in_size);
    if (result == Z_MEM_ERROR)
        image_failure_note(0, ENOMEM);
    return result == Z_OK ? size : 0;
}

static size_t unpack_lzo(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    lzo_uint size = out_size;
    return lzo1x_decompress_safe(in, in_size, out, &size, NULL) == LZO_E_OK ? size : 0;
}

static size_t unpack_snappy(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    size_t size = out_size;
    return snappy_uncompress((const char *)in, in_size, (char *)out, &size) == SNAPPY_OK ? size : 0;
}

static size_t unpack_zstd(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    size_t size = ZSTD_decompress(out, out_size, in, in_size);
    if (ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation)
        image_failure_note(0, ENOMEM);
    return ZSTD_isError(size) ? 0 : size;
}

size_t image_unpack(enum image_packing packing, const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size)
{
    switch (packing) {
    case IMAGE_PACKING_NONE:
        return unpack_none(in, in_size, out, out_size);
    case IMAGE_PACKING_ZLIB:
        return unpack_zlib(in, in_size, out, out_size);
    case IMAGE_PACKING_LZO:
        return unpack_lzo(in, in_size, out, out_size);
    case IMAGE_PACKING_SNAPPY:
        return unpack_snappy(in, in_size, out, out_size);
    case IMAGE_PACKING_ZSTD:
        return unpack_zstd(in, in_size, out, out_size);
    }
    return 0;
}
