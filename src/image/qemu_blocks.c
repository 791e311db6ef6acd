#include "image/qemu_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"

/* The index of 1 TiB takes 32 MiB, and 2 GiB when all of it was sent. */
#define RAM_MAX ((uint64_t)1 << 40)

/* Bytes of the name before the number at its end. */
static size_t stem_length(const char *name)
{
    size_t length = strlen(name);
    while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9')
        length--;
    return length;
}

static bool is_like(const struct qemu_block *a, const struct qemu_block *b)
{
    size_t length = stem_length(a->name);
    return length == stem_length(b->name) && memcmp(a->name, b->name, length) == 0;
}

static int compare_names(const void *left, const void *right)
{
    const struct qemu_block *a = left;
    const struct qemu_block *b = right;
    size_t length_a = strlen(a->name);
    size_t length_b = strlen(b->name);
    if (length_a != length_b) /* ram-node10 comes after ram-node9 */
        return length_a < length_b ? -1 : 1;
    return strcmp(a->name, b->name);
}

bool qemu_blocks_settle(struct qemu_ram *ram)
{
    if (ram->block_count == 0)
        return false;
    qsort(ram->blocks, ram->block_count, sizeof(*ram->blocks), compare_names);
    const struct qemu_block *largest = &ram->blocks[0];
    for (size_t i = 1; i < ram->block_count; i++)
        if (ram->blocks[i].size > largest->size)
            largest = &ram->blocks[i];

    ram->size = 0;
    for (size_t i = 0; i < ram->block_count; i++) {
        struct qemu_block *block = &ram->blocks[i];
        block->start = UINT64_MAX;
        if (!is_like(block, largest))
            continue;
        block->start = ram->size;
        if (block->size % QEMU_PAGE != 0 || !add_u64(ram->size, block->size, &ram->size) || ram->size > RAM_MAX)
            return false;
    }
    return ram->size > 0;
}
