#include "fuzz_objects.h"

#include <elf.h>
#include <string.h>

#include "base/arena.h"
#include "diff/elf_reader.h"
#include "fuzz.h"

static void check_elf(const uint8_t *bytes, size_t size)
{
    Elf64_Ehdr header;
    FUZZ_CHECK(size >= sizeof(header) && memcmp(bytes, ELFMAG, SELFMAG) == 0);
    memcpy(&header, bytes, sizeof(header));
    FUZZ_CHECK(header.e_shnum == 0 || (header.e_shoff < size && header.e_shstrndx < header.e_shnum));
    FUZZ_CHECK(header.e_shoff + (uint64_t)header.e_shnum * sizeof(Elf64_Shdr) <= size);
}

/* A .ko must be readable by the strict reader that lkmfs itself uses for files on disk. */
static void check_relocatable(const uint8_t *bytes, size_t size)
{
    struct arena arena = {0};
    struct elf_file file;
    struct lkmfs_error err = {0};
    FUZZ_CHECK(elf_read(bytes, size, "rebuilt", &arena, &file, &err));
    for (size_t i = 1; i < file.section_count; i++) {
        size_t count;
        (void)elf_relocations(&file, i, &arena, &count);
    }
    arena_release(&arena);
}

static void check_report(const struct lkmfs_object *object)
{
    size_t count, doubts, counts[LKMFS_PROVENANCE_COUNT];
    const struct lkmfs_section_report *sections = lkmfs_object_sections(object, &count);
    for (size_t i = 0; i < count; i++) {
        FUZZ_CHECK(sections[i].name && sections[i].size_rule);
        for (size_t j = 0; j < sections[i].missing_count; j++)
            FUZZ_CHECK(sections[i].missing[j].offset + sections[i].missing[j].size <= sections[i].size);
    }
    (void)lkmfs_object_doubts(object, &doubts);
    lkmfs_object_symbol_counts(object, counts);
}

void fuzz_build_objects(const struct lkmfs_modules *modules, size_t limit, unsigned kinds)
{
    struct lkmfs_builder *builder;
    struct lkmfs_error err = {0};
    FUZZ_CHECK(lkmfs_builder_new(modules, NULL, &builder, &err));
    for (size_t i = 0; i < lkmfs_modules_count(modules) && i < limit; i++)
        for (int kind = LKMFS_OBJECT_RELOCATABLE; kind <= LKMFS_OBJECT_LOADABLE; kind++) {
            struct lkmfs_object *object;
            if (!(kinds >> kind & 1))
                continue;
            if (!lkmfs_object_build(builder, lkmfs_modules_at(modules, i), (enum lkmfs_object_kind)kind, &object,
                                    &err)) {
                fuzz_check_message(err.message);
                FUZZ_CHECK(err.code == LKMFS_ERROR_DAMAGED);
                continue;
            }
            size_t size;
            const uint8_t *bytes = lkmfs_object_bytes(object, &size);
            check_elf(bytes, size);
            if (kind != LKMFS_OBJECT_LOADED)
                check_relocatable(bytes, size);
            check_report(object);
            lkmfs_object_free(object);
        }
    lkmfs_builder_free(builder);
}
