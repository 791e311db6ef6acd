#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/elf_writer.h"

size_t elf_symbol_size(unsigned word)
{
    return word == 8 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
}

size_t elf_rela_size(unsigned word)
{
    return word == 8 ? sizeof(Elf64_Rela) : sizeof(Elf32_Rela);
}

void elf_put_symbol(unsigned word, uint8_t *at, const struct elf_symbol *symbol)
{
    put_le32(at, symbol->name);
    if (word == 8) {
        at[4] = symbol->info;
        at[5] = symbol->other;
        put_le16(at + 6, symbol->section);
        put_le64(at + 8, symbol->value);
        put_le64(at + 16, symbol->size);
    } else {
        put_le32(at + 4, (uint32_t)symbol->value);
        put_le32(at + 8, (uint32_t)symbol->size);
        at[12] = symbol->info;
        at[13] = symbol->other;
        put_le16(at + 14, symbol->section);
    }
}

void elf_put_rela(unsigned word, uint8_t *at, const struct elf_rela *rela)
{
    if (word == 8) {
        put_le64(at, rela->offset);
        put_le64(at + 8, ELF64_R_INFO((uint64_t)rela->symbol, rela->type));
        put_le64(at + 16, (uint64_t)rela->addend);
    } else {
        put_le32(at, (uint32_t)rela->offset);
        put_le32(at + 4, rela->symbol << 8 | (rela->type & 0xff));
        put_le32(at + 8, (uint32_t)rela->addend);
    }
}

static bool reserve(struct elf_strings *strings, size_t more)
{
    size_t wanted = strings->size + more;
    if (more > UINT32_MAX || wanted > UINT32_MAX)
        return false;
    if (wanted <= strings->capacity)
        return true;
    size_t capacity = wanted * 2 + 1024;
    uint8_t *grown = realloc(strings->bytes, capacity);
    if (!grown)
        return false;
    strings->bytes = grown;
    strings->capacity = capacity;
    return true;
}

bool elf_strings_add(struct elf_strings *strings, const char *text, uint32_t *ret)
{
    size_t length = strlen(text);
    *ret = 0;
    if (!reserve(strings, length + 2))
        return false;
    if (strings->size == 0)
        strings->bytes[strings->size++] = 0;
    if (length == 0)
        return true;
    *ret = (uint32_t)strings->size;
    memcpy(strings->bytes + strings->size, text, length + 1);
    strings->size += length + 1;
    return true;
}

void elf_strings_free(struct elf_strings *strings)
{
    free(strings->bytes);
    *strings = (struct elf_strings){0};
}
