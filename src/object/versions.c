/*
 * versions.c - __versions: the CRC of every import, for kernels with CONFIG_MODVERSIONS (struct modversion_info,
 * include/linux/module.h: an unsigned long and a name, 64 bytes in all). All or nothing: the loader refuses a module
 * with an incomplete table, and takes one without any (LOADER.md section 2).
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/metadata.h"

#define ENTRY 64

static bool put_entry(const struct lkmfs_exports *exports, unsigned word, const char *name, uint8_t *at)
{
    const struct lkmfs_export *export = lkmfs_exports_find(exports, name);
    size_t length = strlen(name);
    if (!export || !export->has_crc || length >= ENTRY - word)
        return false;
    put_le32(at, export->crc);
    memcpy(at + word, name, length);
    return true;
}

/* The name that has no CRC, or NULL when all have been put. */
static const char *put_all(const struct draft *draft, const struct lkmfs_exports *exports, uint8_t *data)
{
    /* genksyms' CRC of the whole module ABI, checked first. */
    if (!put_entry(exports, draft->word, "module_layout", data))
        return "module_layout";
    for (size_t i = 0; i < draft->import_count; i++) {
        if (!put_entry(exports, draft->word, draft->imports[i].name, data + (i + 1) * ENTRY))
            return draft->imports[i].name;
    }
    return NULL;
}

void versions_draft(struct draft *draft, const struct lkmfs_exports *exports)
{
    uint64_t size = (uint64_t)(draft->import_count + 1) * ENTRY;
    uint8_t *data = exports ? calloc(1, size) : NULL;
    if (!data) {
        draft->out_of_memory |= exports != NULL;
        return;
    }
    const char *unknown = put_all(draft, exports, data);
    if (unknown) {
        draft_doubt(draft, "__versions is left out: the CRC of %s is not known", unknown);
        free(data);
        return;
    }
    struct draft_section *section = metadata_add(draft, "__versions", data, size, LKMFS_FROM_INFERRED,
                                                 "rebuilt from the CRC tables of the kernel and of modules");
    if (section) {
        section->flags = SHF_ALLOC;
        section->align = 32;
    }
}
