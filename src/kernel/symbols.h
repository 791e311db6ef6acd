/*
 * symbols.h - finding and decoding the kallsyms tables of a kernel (KERNEL.md section E).
 */
#ifndef LKMFS_KERNEL_SYMBOLS_H
#define LKMFS_KERNEL_SYMBOLS_H

#include "lkmfs/kernel.h"

/* Bytes of the kernel image that lie together in virtual memory. */
struct segment {
    uint64_t address; /* virtual address of bytes[0] */
    const uint8_t *bytes;
    size_t size;
};

/*
 * Decodes the kallsyms tables in `segment`. Addresses are believed when they fall into [image_start, image_end), the
 * mapped kernel image. *ret is owned by the caller (symbols_free()). Errors: NOT_FOUND (no tables here), DAMAGED,
 * NO_MEMORY.
 */
bool symbols_decode(const struct segment *segment, uint64_t image_start, uint64_t image_end, struct lkmfs_symbols **ret,
                    struct lkmfs_error *err);
void symbols_free(struct lkmfs_symbols *symbols);

/* How many symbols are left out because their names or addresses lie on pages that are missing or torn. */
size_t symbols_lost(const struct lkmfs_symbols *symbols);

/* How the tables are laid out and encoded, in words, for the log. */
const char *symbols_layout(const struct lkmfs_symbols *symbols);

#endif
