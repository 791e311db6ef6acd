#include "object/metadata.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

struct draft_section *metadata_add(struct draft *draft, const char *name, uint8_t *data, uint64_t size,
                                   enum lkmfs_provenance from, const char *rule)
{
    struct draft_section *section = data ? draft_add_section(draft, name) : NULL;
    if (!section) {
        draft->out_of_memory = true;
        free(data);
        return NULL;
    }
    section->type = SHT_PROGBITS;
    section->align = 1;
    section->size = size;
    section->data = data;
    section->size_from = section->data_from = from;
    section->header_from = LKMFS_FROM_RESTORED;
    section->index_from = LKMFS_FROM_INFERRED;
    section->size_rule = rule;
    return section;
}

void btf_draft(struct draft *draft)
{
    const struct lkmfs_module *module = draft->module;
    /* vmlinux's own BTF has 5 to 10 MiB. */
    if (!module->btf || !module->btf_size || module->btf_size > 64 << 20)
        return;
    uint8_t *data = malloc(module->btf_size);
    if (data)
        memcpy(data, module->btf, module->btf_size);
    metadata_add(draft, ".BTF", data, module->btf_size, LKMFS_FROM_MEMORY, "struct module's btf_data_size");
}
