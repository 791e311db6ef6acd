#include "image_builder.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[64];

void scratch_begin(void)
{
    (void)snprintf(scratch, sizeof(scratch), "/tmp/lkmfs-test-XXXXXX");
    cr_assert_not_null(mkdtemp(scratch));
}

static int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void scratch_end(void)
{
    cr_assert_eq(seteuid(getuid()), 0); /* for a test that became somebody else */
    (void)nftw(scratch, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_path(const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
    return path;
}

void builder_free(struct builder *builder)
{
    free(builder->bytes);
    *builder = (struct builder){0};
}

static uint8_t *builder_grow(struct builder *builder, size_t size)
{
    size_t needed = builder->size + size;
    if (needed > builder->capacity) {
        builder->capacity = needed * 2;
        builder->bytes = realloc(builder->bytes, builder->capacity);
        cr_assert_not_null(builder->bytes);
    }
    uint8_t *at = builder->bytes + builder->size;
    builder->size = needed;
    return at;
}

void builder_put(struct builder *builder, const void *bytes, size_t size)
{
    memcpy(builder_grow(builder, size), bytes, size);
}

static void builder_put_le(struct builder *builder, uint64_t value, size_t size)
{
    uint8_t *at = builder_grow(builder, size);
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

void builder_put16(struct builder *builder, uint16_t value)
{
    builder_put_le(builder, value, 2);
}

void builder_put32(struct builder *builder, uint32_t value)
{
    builder_put_le(builder, value, 4);
}

void builder_put64(struct builder *builder, uint64_t value)
{
    builder_put_le(builder, value, 8);
}

void builder_zeros(struct builder *builder, size_t size)
{
    memset(builder_grow(builder, size), 0, size);
}

static uint8_t memory_byte(uint64_t phys)
{
    return (uint8_t)((phys * UINT64_C(0x9e3779b97f4a7c15)) >> 56);
}

void builder_memory(struct builder *builder, uint64_t phys, size_t size)
{
    uint8_t *at = builder_grow(builder, size);
    for (size_t i = 0; i < size; i++)
        at[i] = memory_byte(phys + i);
}

const char *builder_save_part(const struct builder *builder, const char *name, size_t size)
{
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    if (size)
        cr_assert_eq(fwrite(builder->bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
    return path;
}

const char *builder_save(const struct builder *builder, const char *name)
{
    return builder_save_part(builder, name, builder->size);
}

void builder_lime_header(struct builder *builder, uint64_t start, uint64_t last)
{
    builder_put(builder, "EMiL", 4);
    builder_put32(builder, 1);
    builder_put64(builder, start);
    builder_put64(builder, last);
    builder_zeros(builder, 8);
}

void builder_lime(struct builder *builder, uint64_t start, size_t size)
{
    builder_lime_header(builder, start, start + size - 1);
    builder_memory(builder, start, size);
}

void builder_elf_header(struct builder *builder, uint16_t phnum)
{
    static const uint8_t ident[EI_NIDENT] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
    builder_put(builder, ident, sizeof(ident));
    builder_put16(builder, ET_CORE);
    builder_put16(builder, EM_X86_64);
    builder_put32(builder, EV_CURRENT);
    builder_put64(builder, 0);                 /* e_entry */
    builder_put64(builder, BUILDER_EHDR_SIZE); /* e_phoff */
    builder_put64(builder, 0);                 /* e_shoff */
    builder_put32(builder, 0);                 /* e_flags */
    builder_put16(builder, BUILDER_EHDR_SIZE);
    builder_put16(builder, BUILDER_PHDR_SIZE);
    builder_put16(builder, phnum);
    builder_zeros(builder, 6); /* no sections */
}

void builder_elf_segment(struct builder *builder, const struct builder_segment *segment)
{
    builder_put32(builder, segment->type);
    builder_put32(builder, PF_R);
    builder_put64(builder, segment->offset);
    builder_put64(builder, 0xffff888000000000 + segment->phys); /* p_vaddr */
    builder_put64(builder, segment->phys);
    builder_put64(builder, segment->file_size);
    builder_put64(builder, segment->size);
    builder_put64(builder, 0); /* p_align */
}

void builder_note(struct builder *builder, const char *name, const void *desc, size_t size)
{
    size_t name_size = strlen(name) + 1;
    builder_put32(builder, (uint32_t)name_size);
    builder_put32(builder, (uint32_t)size);
    builder_put32(builder, 0);
    builder_put(builder, name, name_size);
    builder_zeros(builder, -name_size & 3);
    builder_put(builder, desc, size);
    builder_zeros(builder, -size & 3);
}

struct opened open_path(const char *path)
{
    struct opened opened = {.log = lkmfs_log_new(false)};
    cr_assert_not_null(opened.log);
    if (!lkmfs_image_open(path, opened.log, &opened.image, &opened.err))
        cr_assert_null(opened.image);
    return opened;
}

struct opened open_expecting(const char *path, const char *format)
{
    struct opened opened = open_path(path);
    cr_assert_not_null(opened.image, "%s", opened.err.message);
    cr_assert_str_eq(lkmfs_image_format(opened.image), format);
    return opened;
}

void opened_close(struct opened *opened)
{
    lkmfs_image_close(opened->image);
    lkmfs_log_free(opened->log);
    *opened = (struct opened){0};
}

bool opened_log_has(const struct opened *opened, const char *text)
{
    char *log = lkmfs_log_text(opened->log);
    cr_assert_not_null(log);
    bool has = strstr(log, text) != NULL;
    free(log);
    return has;
}

void expect_refused(const char *path, enum lkmfs_error_code code, const char *text)
{
    struct opened opened = open_path(path);
    cr_assert_null(opened.image, "%s was taken for %s", path, opened.image ? lkmfs_image_format(opened.image) : "");
    cr_assert_eq(opened.err.code, code, "code %d: %s", (int)opened.err.code, opened.err.message);
    cr_assert_not_null(strstr(opened.err.message, text), "no '%s' in: %s", text, opened.err.message);
    cr_assert_null(strchr(opened.err.message, '\n'));
    opened_close(&opened);
}

void expect_range(const struct lkmfs_image *image, size_t index, uint64_t start, uint64_t size)
{
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    cr_assert_lt(index, count);
    cr_assert_eq(ranges[index].start, start, "range %zu starts at 0x%llx", index,
                 (unsigned long long)ranges[index].start);
    cr_assert_eq(ranges[index].size, size, "range %zu has 0x%llx bytes", index, (unsigned long long)ranges[index].size);
}

void expect_ranges(const struct lkmfs_image *image, size_t count)
{
    size_t found;
    (void)lkmfs_image_ranges(image, &found);
    cr_assert_eq(found, count, "%zu ranges, not %zu", found, count);
}

void expect_memory(const struct lkmfs_image *image, uint64_t phys, size_t size, size_t held)
{
    uint8_t *bytes = malloc(size ? size : 1);
    cr_assert_not_null(bytes);
    size_t got = lkmfs_image_read(image, phys, bytes, size);
    cr_assert_eq(got, held, "%zu bytes at 0x%llx, not %zu", got, (unsigned long long)phys, held);
    for (size_t i = 0; i < got; i++)
        cr_assert_eq(bytes[i], memory_byte(phys + i), "wrong byte at 0x%llx", (unsigned long long)(phys + i));
    free(bytes);
}
