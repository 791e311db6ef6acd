#include "diff/linked.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

/* A made-up address for what has none in memory; it only has to be the same in both files. */
static uint64_t made_up(const char *name)
{
    uint32_t hash = 2166136261U; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 16777619U;
    return UINT64_C(0x10000000) + (hash & 0x0ffffff0);
}

uint64_t linked_address(const struct link_map *map, const char *name)
{
    for (size_t i = 0; i < map->section_count; i++)
        if (strcmp(map->sections[i].name, name) == 0 && map->sections[i].address)
            return map->sections[i].address;
    return made_up(name);
}

static uint64_t symbol_address(const struct elf_file *file, const struct elf_symbol *symbol, const struct link_map *map)
{
    if (symbol->shndx == SHN_UNDEF) {
        /* Through the address, two names of one function (memcpy, __memcpy) mean the same. */
        const struct lkmfs_export *export = lkmfs_exports_find(map->exports, symbol->name);
        return export ? export->address : made_up(symbol->name);
    }
    if (symbol->shndx >= file->section_count)
        return symbol->value;
    return linked_address(map, file->sections[symbol->shndx].name) + symbol->value;
}

static void apply(const struct elf_relocation *relocation, uint64_t target, uint64_t place, bool absolute,
                  uint8_t *data, uint64_t size)
{
    uint64_t value = target + (uint64_t)relocation->addend;
    unsigned width = 4;
    switch (relocation->type) {
    case R_X86_64_64:
        width = 8;
        break;
    case R_X86_64_PC64:
        width = 8;
        value -= absolute ? 0 : place;
        break;
    case R_X86_64_PC32:
    case R_X86_64_PLT32:
        value -= absolute ? 0 : place;
        break;
    case R_X86_64_32:
    case R_X86_64_32S:
        break;
    default:
        return;
    }
    if (!range_fits(relocation->offset, width, size))
        return;
    if (width == 8)
        put_le64(data + relocation->offset, value);
    else
        put_le32(data + relocation->offset, (uint32_t)value);
}

uint8_t *linked_section(const struct elf_file *file, size_t index, const struct link_map *map, bool absolute,
                        struct arena *arena)
{
    const struct elf_section *section = &file->sections[index];
    if (!section->data)
        return NULL;
    uint8_t *data = (uint8_t *)arena_copy(arena, section->data, section->size);
    size_t count;
    const struct elf_relocation *relocations = elf_relocations(file, index, arena, &count);
    uint64_t address = linked_address(map, section->name);
    for (size_t i = 0; data && i < count; i++) {
        const struct elf_symbol *symbol = &file->symbols[relocations[i].symbol];
        apply(&relocations[i], symbol_address(file, symbol, map), address + relocations[i].offset, absolute, data,
              section->size);
    }
    return data;
}
