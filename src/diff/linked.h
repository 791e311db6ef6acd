/*
 * linked.h - the sections of a relocatable file as they would be once loaded.
 */
#ifndef LKMFS_DIFF_LINKED_H
#define LKMFS_DIFF_LINKED_H

#include "diff/elf_reader.h"
#include "lkmfs/object.h"

/* Where things lie: the same answer for both files that are compared. */
struct link_map {
    const struct lkmfs_section_report *sections; /* of the module in memory */
    size_t section_count;
    const struct lkmfs_exports *exports;
};

/*
 * The bytes of section `index` with its relocations applied, from `arena`. With `absolute`, PC-relative fields hold the
 * address they refer to instead of the distance, so that entries of a table mean the same wherever they stand. NULL
 * without memory, or for a section without bytes.
 */
uint8_t *linked_section(const struct elf_file *file, size_t index, const struct link_map *map, bool absolute,
                        struct arena *arena);

/* Run-time address of the section called `name`: the real one, or one made up from the name. */
uint64_t linked_address(const struct link_map *map, const char *name);

#endif
