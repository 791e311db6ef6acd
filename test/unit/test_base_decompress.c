/* test_base_decompress.c - reading files that may be compressed, and may be hostile. */
#include <criterion/criterion.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/decompress.h"
#include "image_builder.h"

TestSuite(decompress, .init = scratch_begin, .fini = scratch_end);

#define TEXT_SIZE ((size_t)3 << 20) /* output grows several times */
#define LIMIT     ((size_t)16 << 20)

static uint8_t *make_text(size_t size)
{
    uint8_t *text = malloc(size);
    cr_assert_not_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t)(i >> 9 ^ i % 7);
    return text;
}

static struct builder pack_gzip(const uint8_t *text, size_t size)
{
    struct builder file = {0};
    z_stream stream = {.next_in = (Bytef *)text, .avail_in = (uInt)size};
    cr_assert_eq(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&stream, size);
    builder_zeros(&file, room);
    stream.next_out = file.bytes;
    stream.avail_out = (uInt)room;
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    file.size = stream.total_out;
    (void)deflateEnd(&stream);
    return file;
}

static struct builder pack_xz(const uint8_t *text, size_t size)
{
    struct builder file = {0};
    size_t used = 0, room = lzma_stream_buffer_bound(size);
    builder_zeros(&file, room);
    cr_assert_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, text, size, file.bytes, &used, room), LZMA_OK);
    file.size = used;
    return file;
}

static struct builder pack_zstd(const uint8_t *text, size_t size)
{
    struct builder file = {0};
    size_t room = ZSTD_compressBound(size);
    builder_zeros(&file, room);
    file.size = ZSTD_compress(file.bytes, room, text, size, 3);
    cr_assert_not(ZSTD_isError(file.size));
    return file;
}

static struct builder (*const packers[])(const uint8_t *text, size_t size) = {pack_gzip, pack_xz, pack_zstd};
#define PACKERS (sizeof(packers) / sizeof(packers[0]))

/* read_file_unpacked() of the file at `path`. */
static bool read_unpacked(const char *path, size_t limit, uint8_t **ret, size_t *size, struct lkmfs_error *err)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    bool ok = read_file_unpacked(file, path, limit, ret, size, err);
    (void)fclose(file);
    return ok;
}

static bool read_back(const struct builder *file, size_t limit, uint8_t **ret, size_t *size, struct lkmfs_error *err)
{
    return read_unpacked(builder_save(file, "file.ko"), limit, ret, size, err);
}

static void expect_text(struct builder *file, size_t limit, const uint8_t *text, size_t text_size)
{
    uint8_t *bytes;
    size_t size;
    struct lkmfs_error err = {0};
    cr_assert(read_back(file, limit, &bytes, &size, &err), "%s", err.message);
    cr_assert_eq(size, text_size);
    cr_assert_eq(memcmp(bytes, text, size), 0);
    free(bytes);
    builder_free(file);
}

static void expect_format_error(const struct builder *file, size_t limit)
{
    uint8_t *bytes;
    size_t size;
    struct lkmfs_error err = {0};
    cr_assert_not(read_back(file, limit, &bytes, &size, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_FORMAT, "%s", err.message);
}

Test(decompress, whole_files)
{
    uint8_t *text = make_text(TEXT_SIZE);
    for (size_t i = 0; i < PACKERS; i++) {
        struct builder file = packers[i](text, TEXT_SIZE);
        cr_assert_lt(file.size, TEXT_SIZE);
        expect_text(&file, LIMIT, text, TEXT_SIZE);
    }
    free(text);
}

/* Files that are not compressed, some of them shorter than any magic number. */
Test(decompress, plain_files_stay)
{
    static const char *const texts[] = {"\177ELF and so on", "\x1f", "x", "\x28\xb5"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct builder file = {0};
        builder_put(&file, texts[i], strlen(texts[i]));
        expect_text(&file, LIMIT, (const uint8_t *)texts[i], strlen(texts[i]));
    }
}

/* A few bytes that unpack to more than anyone wants. */
Test(decompress, bombs)
{
    uint8_t *zeros = calloc(1, TEXT_SIZE);
    for (size_t i = 0; i < PACKERS; i++) {
        struct builder file = packers[i](zeros, TEXT_SIZE);
        cr_assert_lt(file.size, 64 << 10);
        expect_format_error(&file, TEXT_SIZE - 1);
        builder_free(&file);
    }
    free(zeros);
}

Test(decompress, exactly_the_limit)
{
    uint8_t *text = make_text(TEXT_SIZE);
    for (size_t i = 0; i < PACKERS; i++) {
        struct builder file = packers[i](text, TEXT_SIZE);
        expect_text(&file, TEXT_SIZE, text, TEXT_SIZE);
    }
    free(text);
}

Test(decompress, cut_and_damaged)
{
    uint8_t *text = make_text(TEXT_SIZE);
    for (size_t i = 0; i < PACKERS; i++) {
        struct builder file = packers[i](text, TEXT_SIZE);
        size_t whole = file.size;
        for (size_t cut = 8; cut < whole; cut += whole / 7) {
            file.size = cut;
            expect_format_error(&file, LIMIT);
        }
        file.size = whole;
        file.bytes[whole / 2] ^= 0x55;
        file.bytes[whole / 2 + 1] ^= 0x55;
        if (packers[i] != pack_zstd) /* it has no checksum unless asked for one */
            expect_format_error(&file, LIMIT);
        builder_free(&file);
    }
    free(text);
}

Test(decompress, a_folder_is_no_file)
{
    uint8_t *bytes;
    size_t size;
    struct lkmfs_error err = {0};
    cr_assert_not(read_unpacked("/", LIMIT, &bytes, &size, &err));
    cr_assert_neq(err.message[0], 0);
}

Test(decompress, larger_than_the_limit)
{
    struct builder file = {0};
    builder_memory(&file, 0, 1001);
    expect_format_error(&file, 1000);
    builder_free(&file);
}
