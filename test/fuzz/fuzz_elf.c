/* fuzz_elf.c - .ko files as `lkmfs diff` reads them from disk. */
#include <stdlib.h>
#include <string.h>

#include "diff/elf_reader.h"
#include "fuzz.h"

static void check(const struct elf_file *file, struct arena *arena)
{
    size_t touched = 0;
    for (size_t i = 0; i < file->section_count; i++) {
        const struct elf_section *section = &file->sections[i];
        FUZZ_CHECK(section->name);
        touched += strlen(section->name);
        if (section->data && section->size)
            touched += section->data[0] + section->data[section->size - 1];
        (void)elf_find_section(file, section->name);
        size_t count;
        const struct elf_relocation *relocations = elf_relocations(file, i, arena, &count);
        for (size_t j = 0; j < count; j++)
            FUZZ_CHECK(relocations[j].symbol < file->symbol_count);
    }
    for (size_t i = 0; i < file->symbol_count; i++)
        touched += strlen(file->symbols[i].name);
    (void)touched;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct elf_file file;
    struct lkmfs_error err = {0};
    uint8_t *copy = malloc(size ? size : 1); /* of its exact size */
    if (!copy)
        return 0;
    if (size)
        memcpy(copy, data, size);
    if (elf_read(copy, size, "input.ko", &arena, &file, &err))
        check(&file, &arena);
    else
        fuzz_check_message(err.message);
    arena_release(&arena);
    free(copy);
    return 0;
}
