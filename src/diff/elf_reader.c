#include "diff/elf_reader.h"

#include <elf.h>
#include <stddef.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

/* The string at `offset` of a string table; "" when it leaves the table. */
static const char *string_in(const struct elf_section *table, uint64_t offset)
{
    if (!table->data || offset >= table->size || !memchr(table->data + offset, 0, table->size - offset))
        return "";
    return (const char *)table->data + offset;
}

static bool read_section(const uint8_t *bytes, size_t size, struct cursor *cursor, struct elf_section *ret,
                         uint32_t *name)
{
    *name = cursor_u32(cursor);
    ret->type = cursor_u32(cursor);
    ret->flags = cursor_u64(cursor);
    cursor_skip(cursor, 8);
    uint64_t offset = cursor_u64(cursor);
    ret->size = cursor_u64(cursor);
    ret->link = cursor_u32(cursor);
    ret->info = cursor_u32(cursor);
    ret->align = cursor_u64(cursor);
    ret->entsize = cursor_u64(cursor);
    if (ret->type == SHT_NOBITS || ret->type == SHT_NULL)
        return !cursor->overrun;
    if (cursor->overrun || !range_fits(offset, ret->size, size))
        return false;
    ret->data = bytes + offset;
    return true;
}

static bool read_sections(const uint8_t *bytes, size_t size, struct arena *arena, struct elf_file *ret)
{
    struct cursor cursor = cursor_over(bytes, size);
    cursor_seek(&cursor, offsetof(Elf64_Ehdr, e_shoff));
    uint64_t table = cursor_u64(&cursor);
    cursor_seek(&cursor, offsetof(Elf64_Ehdr, e_shnum));
    size_t count = cursor_u16(&cursor), names = cursor_u16(&cursor);
    if (cursor.overrun || !range_fits(table, count * sizeof(Elf64_Shdr), size) || names >= count)
        return false;
    struct elf_section *sections = arena_array(arena, count, sizeof(*sections));
    uint32_t *offsets = arena_array(arena, count, sizeof(*offsets));
    if (!sections || !offsets)
        return false;
    cursor_seek(&cursor, table);
    for (size_t i = 0; i < count; i++)
        if (!read_section(bytes, size, &cursor, &sections[i], &offsets[i]))
            return false;
    for (size_t i = 0; i < count; i++)
        sections[i].name = string_in(&sections[names], offsets[i]);
    ret->sections = sections;
    ret->section_count = count;
    return true;
}

static bool read_symbols(struct arena *arena, struct elf_file *ret)
{
    size_t at = 0;
    while (at < ret->section_count && ret->sections[at].type != SHT_SYMTAB)
        at++;
    if (at == ret->section_count)
        return true;
    const struct elf_section *table = &ret->sections[at];
    if (table->link >= ret->section_count)
        return false;
    size_t count = table->size / sizeof(Elf64_Sym);
    struct elf_symbol *symbols = arena_array(arena, count, sizeof(*symbols));
    struct cursor cursor = cursor_over(table->data, table->size);
    for (size_t i = 0; symbols && i < count; i++) {
        symbols[i].name = string_in(&ret->sections[table->link], cursor_u32(&cursor));
        symbols[i].info = cursor_u8(&cursor);
        cursor_skip(&cursor, 1);
        symbols[i].shndx = cursor_u16(&cursor);
        symbols[i].value = cursor_u64(&cursor);
        symbols[i].size = cursor_u64(&cursor);
    }
    ret->symbols = symbols;
    ret->symbol_count = symbols ? count : 0;
    return symbols != NULL;
}

bool elf_read(const uint8_t *bytes, size_t size, const char *label, struct arena *arena, struct elf_file *ret,
              struct lkmfs_error *err)
{
    *ret = (struct elf_file){0};
    if (size < sizeof(Elf64_Ehdr) || memcmp(bytes, ELFMAG, SELFMAG) != 0)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s: not an ELF file; a kernel module (.ko) is needed", label);
    if (bytes[EI_CLASS] != ELFCLASS64 || bytes[EI_DATA] != ELFDATA2LSB ||
        le16(bytes + offsetof(Elf64_Ehdr, e_type)) != ET_REL)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s: not a 64-bit little-endian relocatable file (.ko)", label);
    if (read_sections(bytes, size, arena, ret) && read_symbols(arena, ret))
        return true;
    return arena->failed ? lkmfs_fail_memory(err)
                         : lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s: its section headers are damaged or cut", label);
}

size_t elf_find_section(const struct elf_file *file, const char *name)
{
    for (size_t i = 1; i < file->section_count; i++)
        if (strcmp(file->sections[i].name, name) == 0)
            return i;
    return 0;
}

const struct elf_relocation *elf_relocations(const struct elf_file *file, size_t target, struct arena *arena,
                                             size_t *count)
{
    *count = 0;
    for (size_t i = 1; i < file->section_count; i++) {
        const struct elf_section *section = &file->sections[i];
        if (section->type != SHT_RELA || section->info != target)
            continue;
        size_t entries = section->size / sizeof(Elf64_Rela);
        struct elf_relocation *ret = arena_array(arena, entries, sizeof(*ret));
        struct cursor cursor = cursor_over(section->data, section->size);
        for (size_t k = 0; ret && k < entries; k++) {
            struct elf_relocation one = {.offset = cursor_u64(&cursor)};
            uint64_t info = cursor_u64(&cursor);
            one.addend = (int64_t)cursor_u64(&cursor);
            one.type = (uint32_t)info;
            one.symbol = (uint32_t)(info >> 32);
            if (one.symbol < file->symbol_count)
                ret[(*count)++] = one;
        }
        return ret;
    }
    return NULL;
}
