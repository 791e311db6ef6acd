/* The reader of .ko files that users hand to `lkmfs diff`, and the unpacking before it. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/decompress.h"
#include "diff/elf_reader.h"

#define TEXT_OFFSET   64
#define STRINGS       "\0.text\0.symtab\0.rela.text\0func\0"
#define STRING_BYTES  (sizeof(STRINGS) - 1)
#define SECTION_COUNT 5

/* A whole relocatable file: null, .text, .symtab (names in section 4), .rela.text, string table. */
static uint8_t *tiny_file(size_t *size)
{
    Elf64_Ehdr header = {.e_type = ET_REL, .e_machine = EM_X86_64, .e_shnum = SECTION_COUNT, .e_shstrndx = 4};
    memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    Elf64_Sym symbols[2] = {{0}, {.st_name = 26, .st_shndx = 1, .st_value = 4, .st_size = 12}};
    Elf64_Rela rela = {.r_offset = 8, .r_info = ELF64_R_INFO(1, R_X86_64_PC32), .r_addend = -4};
    Elf64_Shdr sections[SECTION_COUNT] = {
        {0},
        {.sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_offset = TEXT_OFFSET, .sh_size = 16},
        {.sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = 80, .sh_size = sizeof(symbols), .sh_link = 4},
        {.sh_name = 15, .sh_type = SHT_RELA, .sh_offset = 128, .sh_size = sizeof(rela), .sh_link = 2, .sh_info = 1},
        {.sh_name = 0, .sh_type = SHT_STRTAB, .sh_offset = 152, .sh_size = STRING_BYTES},
    };
    header.e_shoff = 192;
    *size = 192 + sizeof(sections);
    uint8_t *bytes = calloc(1, *size);
    memcpy(bytes, &header, sizeof(header));
    memset(bytes + TEXT_OFFSET, 0x90, 16);
    memcpy(bytes + 80, symbols, sizeof(symbols));
    memcpy(bytes + 128, &rela, sizeof(rela));
    memcpy(bytes + 152, STRINGS, STRING_BYTES);
    memcpy(bytes + 192, sections, sizeof(sections));
    return bytes;
}

Test(elf_reader, reads_sections_symbols_and_relocations)
{
    size_t size, count;
    uint8_t *bytes = tiny_file(&size);
    struct arena arena = {0};
    struct elf_file file;
    struct lkmfs_error err;
    cr_assert(elf_read(bytes, size, "tiny", &arena, &file, &err), "%s", err.message);
    cr_assert_eq(file.section_count, SECTION_COUNT);
    cr_assert_eq(elf_find_section(&file, ".text"), 1);
    cr_assert_eq(elf_find_section(&file, ".data"), 0);
    cr_assert_eq(file.symbol_count, 2);
    cr_assert_str_eq(file.symbols[1].name, "func");
    const struct elf_relocation *relocations = elf_relocations(&file, 1, &arena, &count);
    cr_assert_eq(count, 1);
    cr_assert_eq(relocations[0].addend, -4);
    cr_assert_eq(relocations[0].type, R_X86_64_PC32);
    arena_release(&arena);
    free(bytes);
}

Test(elf_reader, survives_every_cut_and_every_flipped_byte)
{
    size_t size, count;
    uint8_t *bytes = tiny_file(&size);
    struct lkmfs_error err;
    for (size_t cut = 0; cut < size; cut++) {
        struct arena arena = {0};
        struct elf_file file;
        uint8_t *copy = malloc(cut ? cut : 1); /* its own block, so that ASan sees any read past the cut */
        memcpy(copy, bytes, cut);
        cr_assert_not(elf_read(copy, cut, "cut", &arena, &file, &err));
        arena_release(&arena);
        free(copy);
    }
    for (size_t at = 0; at < size; at++) {
        struct arena arena = {0};
        struct elf_file file;
        bytes[at] ^= 0xff;
        if (elf_read(bytes, size, "flipped", &arena, &file, &err))
            for (size_t i = 0; i < file.section_count; i++)
                (void)elf_relocations(&file, i, &arena, &count);
        bytes[at] ^= 0xff;
        arena_release(&arena);
    }
    free(bytes);
}

static char *temporary(const void *bytes, size_t size)
{
    char *path = strdup("/tmp/lkmfs-test-XXXXXX");
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    (void)close(fd);
    return path;
}

/* read_file_unpacked() of the file at `path`. */
static bool read_unpacked(const char *path, size_t limit, uint8_t **ret, size_t *size, struct lkmfs_error *err)
{
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file);
    bool ok = read_file_unpacked(file, path, limit, ret, size, err);
    (void)fclose(file);
    return ok;
}

static void expect_unpacked(const void *packed, size_t size, const char *text)
{
    char *path = temporary(packed, size);
    uint8_t *bytes;
    size_t got;
    struct lkmfs_error err;
    cr_assert(read_unpacked(path, 1 << 20, &bytes, &got, &err), "%s", err.message);
    cr_assert_eq(got, strlen(text));
    cr_assert_arr_eq(bytes, text, got);
    free(bytes);
    cr_assert_not(read_unpacked(path, strlen(text) - 1, &bytes, &got, &err), "the limit must hold");
    (void)unlink(path);
    free(path);
}

static size_t pack_gzip(const char *text, uint8_t *out, size_t room)
{
    z_stream stream = {
        .next_in = (Bytef *)text, .avail_in = (uInt)strlen(text), .next_out = out, .avail_out = (uInt)room};
    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    (void)deflateEnd(&stream);
    return stream.total_out;
}

Test(decompress, plain_gzip_and_zstd)
{
    const char text[] = "a text long enough to be worth packing, packing, packing, packing, packing, packing";
    uint8_t packed[512];
    expect_unpacked(text, strlen(text), text);
    expect_unpacked(packed, pack_gzip(text, packed, sizeof(packed)), text);
    expect_unpacked(packed, ZSTD_compress(packed, sizeof(packed), text, strlen(text), 3), text);
}

Test(decompress, damage_is_an_error_that_names_the_format)
{
    const char text[] = "packing, packing, packing, packing, packing, packing";
    uint8_t packed[512], *bytes;
    size_t size = pack_gzip(text, packed, sizeof(packed)), got;
    struct lkmfs_error err;
    char *path = temporary(packed, size - 9);
    cr_assert_not(read_unpacked(path, 1 << 20, &bytes, &got, &err));
    cr_assert(strstr(err.message, "gzip"), "%s", err.message);
    (void)unlink(path);
    free(path);
}
