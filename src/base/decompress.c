#include "base/decompress.h"

#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

/* Output of an unpacker, growing up to a limit. */
struct output {
    uint8_t *bytes;
    size_t size, capacity, limit;
};

/* Makes room for more output. False when the limit or memory is reached. */
static bool output_grow(struct output *output)
{
    size_t grown = output->capacity ? output->capacity * 2 : (size_t)1 << 20;
    if (output->capacity == output->limit)
        return false;
    if (grown > output->limit)
        grown = output->limit;
    uint8_t *bytes = realloc(output->bytes, grown);
    if (!bytes)
        return false;
    output->bytes = bytes;
    output->capacity = grown;
    return true;
}

static bool unpack_gzip(const uint8_t *bytes, size_t size, struct output *output)
{
    z_stream stream = {.next_in = (Bytef *)bytes, .avail_in = (uInt)size};
    if (inflateInit2(&stream, 15 + 16) != Z_OK) /* 16: gzip framing */
        return false;
    int result = Z_OK;
    while (result == Z_OK && (output->size < output->capacity || output_grow(output))) {
        stream.next_out = output->bytes + output->size;
        stream.avail_out = (uInt)(output->capacity - output->size);
        result = inflate(&stream, Z_NO_FLUSH);
        output->size = output->capacity - stream.avail_out;
    }
    (void)inflateEnd(&stream);
    return result == Z_STREAM_END;
}

static bool unpack_xz(const uint8_t *bytes, size_t size, struct output *output)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    if (lzma_stream_decoder(&stream, (uint64_t)256 << 20, 0) != LZMA_OK)
        return false;
    stream.next_in = bytes;
    stream.avail_in = size;
    lzma_ret result = LZMA_OK;
    while (result == LZMA_OK && (output->size < output->capacity || output_grow(output))) {
        stream.next_out = output->bytes + output->size;
        stream.avail_out = output->capacity - output->size;
        result = lzma_code(&stream, LZMA_FINISH);
        output->size = output->capacity - stream.avail_out;
    }
    lzma_end(&stream);
    return result == LZMA_STREAM_END;
}

static bool unpack_zstd(const uint8_t *bytes, size_t size, struct output *output)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream)
        return false;
    ZSTD_inBuffer in = {bytes, size, 0};
    size_t left = 1;
    while (left && !ZSTD_isError(left) && (output->size < output->capacity || output_grow(output))) {
        ZSTD_outBuffer out = {output->bytes, output->capacity, output->size};
        size_t before = in.pos + out.pos;
        left = ZSTD_decompressStream(stream, &out, &in);
        output->size = out.pos;
        if (in.pos + out.pos == before && left)
            break;
    }
    (void)ZSTD_freeDStream(stream);
    return left == 0;
}

static bool read_whole(FILE *file, const char *path, size_t limit, uint8_t **ret, size_t *size, struct lkmfs_error *err)
{
    struct stat info;
    bool ok = fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode);
    if (!ok || info.st_size < 0 || (size_t)info.st_size > limit) {
        (void)lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s: not a file of at most %zu MiB", path, limit >> 20);
        return false;
    }
    *size = (size_t)info.st_size;
    *ret = malloc(*size + 1);
    ok = *ret && fread(*ret, 1, *size, file) == *size;
    if (ok)
        return true;
    free(*ret);
    (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: can't be read whole", path);
    return false;
}

struct packing {
    const char *name;
    uint8_t magic[6];
    size_t magic_size;
    bool (*unpack)(const uint8_t *bytes, size_t size, struct output *output);
};

static const struct packing packings[] = {
    {"gzip", {0x1f, 0x8b}, 2, unpack_gzip},
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0}, 6, unpack_xz},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, unpack_zstd},
};

static const struct packing *packing_of(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(packings) / sizeof(packings[0]); i++)
        if (size >= packings[i].magic_size && memcmp(bytes, packings[i].magic, packings[i].magic_size) == 0)
            return &packings[i];
    return NULL;
}

bool read_file_unpacked(FILE *file, const char *path, size_t limit, uint8_t **ret, size_t *size,
                        struct lkmfs_error *err)
{
    if (!read_whole(file, path, limit, ret, size, err))
        return false;
    const struct packing *packing = packing_of(*ret, *size);
    if (!packing)
        return true;
    struct output output = {.limit = limit};
    bool ok = packing->unpack(*ret, *size, &output);
    free(*ret);
    *ret = ok ? output.bytes : NULL;
    *size = output.size;
    if (ok)
        return true;
    free(output.bytes);
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s: its %s data is damaged, or unpacks to more than %zu MiB", path,
                      packing->name, limit >> 20);
}
