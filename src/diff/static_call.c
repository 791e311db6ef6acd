#include "diff/static_call.h"

#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

#define TRAMPOLINE "__SCT__"
#define KEY        "__SCK__"
#define JUMP       5 /* bytes of jmp rel32 */

/* Where the key's first word, which is relocated, points to; 0 if to nothing that is known. */
static uint64_t key_function(const struct elf_file *file, const struct link_map *map, const struct elf_symbol *key)
{
    struct arena arena = {0};
    uint64_t function = 0;
    const uint8_t *data = linked_section(file, key->shndx, map, false, &arena);
    if (data && range_fits(key->value, 8, file->sections[key->shndx].size))
        function = le64(data + key->value);
    arena_release(&arena);
    return function;
}

static bool is_function(const struct elf_file *file, const struct link_map *map, uint64_t address)
{
    for (size_t i = 1; i < file->symbol_count; i++) {
        const struct elf_symbol *symbol = &file->symbols[i];
        if (ELF64_ST_TYPE(symbol->info) == STT_FUNC && symbol->shndx && symbol->shndx < file->section_count &&
            linked_address(map, file->sections[symbol->shndx].name) + symbol->value == address)
            return true;
    }
    return false;
}

bool static_call_follows_key(const struct elf_file *file, const struct link_map *map, size_t index,
                             const struct elf_symbol *symbol, const uint8_t *linked)
{
    const struct elf_section *section = &file->sections[index];
    if (strncmp(symbol->name, TRAMPOLINE, strlen(TRAMPOLINE)) != 0 || !range_fits(symbol->value, JUMP, section->size) ||
        linked[symbol->value] != 0xe9)
        return false;
    uint64_t end = linked_address(map, section->name) + symbol->value + JUMP;
    uint64_t target = end + (uint64_t)(int64_t)(int32_t)le32(linked + symbol->value + 1);
    for (size_t i = 1; i < file->symbol_count; i++) {
        const struct elf_symbol *key = &file->symbols[i];
        if (strncmp(key->name, KEY, strlen(KEY)) == 0 &&
            strcmp(key->name + strlen(KEY), symbol->name + strlen(TRAMPOLINE)) == 0 && key->shndx &&
            key->shndx < file->section_count)
            return key_function(file, map, key) == target && is_function(file, map, target);
    }
    return false;
}
