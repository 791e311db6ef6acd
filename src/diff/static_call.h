/*
 * static_call.h - trampolines of static calls, which the kernel points elsewhere at run time.
 */
#ifndef LKMFS_DIFF_STATIC_CALL_H
#define LKMFS_DIFF_STATIC_CALL_H

#include "diff/linked.h"

/*
 * Whether `symbol` of section `index` is such a trampoline, and leads to the function of the module that its key in
 * writable data names now: static_call_update() changes both. `linked` are the section's bytes as linked. Functions
 * elsewhere don't count: nothing of the file speaks for them.
 */
bool static_call_follows_key(const struct elf_file *file, const struct link_map *map, size_t index,
                             const struct elf_symbol *symbol, const uint8_t *linked);

#endif
