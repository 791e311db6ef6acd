#include "object/x86_64/data.h"

#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/tables.h"

#define DYNAMIC_END     0xfffff00000000000u /* direct map, vmalloc and vmemmap end below */
#define STATIC_KEY_TYPE 1u

/* Sections that hold no pointers although they are data. */
static bool is_plain(const struct draft_section *section)
{
    static const char *const prefixes[] = {".note", ".rodata.str", "__ksymtab_strings", ".orc_",      "__kcrctab",
                                           ".BTF",  ".modinfo",    "__versions",        "__kflagstab"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (has_prefix(section->name, prefixes[i]))
            return true;
    return false;
}

/* struct module on disk: zeros and its name (contents.c), and the pointers to init and exit. */
static void restore_this_module(struct restore *r, uint32_t index)
{
    const struct {
        uint64_t address;
        unsigned offset;
    } pointers[] = {
        {r->draft->module->init, r->context->shapes.module_init},
        {r->draft->module->exit, r->context->shapes.module_exit},
    };
    for (size_t i = 0; i < sizeof(pointers) / sizeof(*pointers); i++) {
        struct target target;
        if (pointers[i].address && pointers[i].offset &&
            pointers[i].offset + UINT64_C(8) <= section_at(r, index)->size &&
            target_find(r, pointers[i].address, 0, TARGET_TABLE, &target))
            relocate(r, index, pointers[i].offset, R_X86_64_64, &target);
    }
}

/* ---- words ---- */

void write_word(struct restore *r, uint32_t index, uint64_t offset, uint64_t value)
{
    struct draft_section *section = section_at(r, index);
    if (le64(section->data + offset) == value)
        return;
    put_le64(section->data + offset, value);
    section->restored_bytes += 8;
    section->restored_sites++;
}

static void relocate_word(struct restore *r, uint32_t index, uint64_t offset, struct target *target)
{
    if (section_at(r, index)->flags & SHF_WRITE)
        target->from = LKMFS_FROM_INFERRED;
    relocate(r, index, offset, R_X86_64_64, target);
}

/* A per-CPU variable that another module exports: its own, the kernel's small numbers, would be met by chance. */
static bool is_foreign_percpu(const struct restore *r, uint64_t value)
{
    size_t index = value && value <= UINT32_MAX ? context_name(r->context, value) : SIZE_MAX;
    return index != SIZE_MAX && r->context->names[index].address == value &&
           r->context->names[index].module != SIZE_MAX;
}

static bool is_pointer(const struct restore *r, uint64_t value)
{
    return is_kernel_map(value) || (r->percpu && value >= r->percpu && value < r->percpu_end) ||
           is_foreign_percpu(r, value);
}

/* A pointer in writable data that resolves to something, but that only the running kernel writes there. */
static bool is_run_time(const struct restore *r, uint32_t index, uint64_t offset, const struct target *target)
{
    if (target->section == DRAFT_NONE)
        return false;
    const char *section = section_at(r, index)->name, *to = section_at(r, target->section)->name;
    if (!has_prefix(section, ".data"))
        return false;
    if (has_prefix(to, ".init"))
        return true;
    const struct draft_symbol *object = object_around(r, index, offset);
    return strcmp(to, ".gnu.linkonce.this_module") == 0 && object && has_prefix(object->name, "event_");
}

static void restore_writable_word(struct restore *r, uint32_t index, uint64_t offset)
{
    uint64_t value = le64(section_at(r, index)->data + offset);
    struct target target;
    if (value >= r->context->kernel_half && value < DYNAMIC_END) {
        write_word(r, index, offset, 0);
        return;
    }
    if (!is_pointer(r, value))
        return;
    bool found = target_find(r, value, 0, 0, &target);
    /* A static key's list of its entries, beside its type: the type was there alone. */
    if (found && target.section != DRAFT_NONE && strcmp(section_at(r, target.section)->name, "__jump_table") == 0)
        write_word(r, index, offset, value & STATIC_KEY_TYPE);
    else if (!found || is_run_time(r, index, offset, &target))
        write_word(r, index, offset, 0);
    else
        relocate_word(r, index, offset, &target);
}

static void write_fate(struct restore *r, uint32_t index, uint64_t offset, enum word_fate fate)
{
    const struct draft_section *section = section_at(r, index);
    struct target target;
    uint64_t self = section->address + offset - (fate == WORD_SELF_PREV ? 8 : 0);
    if (fate != WORD_ZERO && target_find(r, self, 0, 0, &target))
        relocate_word(r, index, offset, &target);
    else
        write_word(r, index, offset, 0);
}

static void restore_writable(struct restore *r, uint32_t index)
{
    const struct draft_section *section = section_at(r, index);
    for (uint64_t offset = 0; offset + 8 <= section->size; offset += 8) {
        enum word_fate fate[2];
        if (offset + 16 <= section->size && list_fate(r, section, offset, fate)) {
            write_fate(r, index, offset, fate[0]);
            write_fate(r, index, offset + 8, fate[1]);
            offset += 8;
        } else if (driver_fate(r, section, offset)) {
            write_word(r, index, offset, 0);
            write_word(r, index, offset + 8, 0);
            offset += 8;
            if (driver_module_fate(r, section, offset + 8)) {
                write_word(r, index, offset + 8, 0);
                offset += 8;
            }
        } else if (driver_name_fate(r, section, offset)) {
            write_word(r, index, offset, 0);
        } else {
            restore_writable_word(r, index, offset);
        }
    }
}

/* Whether a string of the module's own starts at the target: what an unaligned pointer must point to to be believed. */
static bool is_string_start(const struct restore *r, const struct target *target)
{
    if (target->section == DRAFT_NONE)
        return false;
    const struct draft_section *section = section_at(r, target->section);
    return has_prefix(section->name, ".rodata") && section->data && target->offset < section->size &&
           section->data[target->offset] >= ' ' && (target->offset == 0 || section->data[target->offset - 1] == '\0');
}

/* Packed structs hold pointers at any offset. */
static void restore_unaligned(struct restore *r, uint32_t index)
{
    struct draft_section *section = section_at(r, index);
    for (uint64_t offset = 0; offset + 8 <= section->size; offset++) {
        struct target target;
        if (le32(section->data + offset + 4) != 0xffffffff || offset % 8 == 0)
            continue;
        uint64_t value = le64(section->data + offset);
        if (!is_pointer(r, value) || !target_find(r, value, 0, TARGET_EXACT, &target) || !is_string_start(r, &target))
            continue;
        target.from = LKMFS_FROM_INFERRED;
        relocate(r, index, offset, R_X86_64_64, &target);
    }
}

static void restore_read_only(struct restore *r, uint32_t index)
{
    struct draft_section *section = section_at(r, index);
    for (uint64_t offset = 0; offset + 8 <= section->size; offset += 8) {
        struct target target;
        uint64_t value = le64(section->data + offset);
        if (is_pointer(r, value) && target_find(r, value, 0, 0, &target))
            relocate_word(r, index, offset, &target);
    }
    restore_unaligned(r, index);
}

/* ---- objects with run-time fields ---- */

/* struct trace_event_call: the number its event got at registration. */
static void clear_event_types(struct restore *r)
{
    unsigned at = r->context->shapes.event_type, size = r->context->shapes.event;
    if (!at || at + UINT64_C(4) > size)
        return;
    for (size_t i = 0; i < r->place_count; i++) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        struct draft_section *section = section_at(r, symbol->section);
        if (!has_prefix(symbol->name, "event_") || symbol->size != size || !section->data ||
            !(section->flags & SHF_WRITE) || symbol->value > section->size || size > section->size - symbol->value)
            continue;
        uint8_t *type = section->data + symbol->value + at;
        section->restored_sites += le32(type) != 0;
        put_le32(type, 0);
    }
}

/* struct static_call_key: the word after the function is its type, 1 on disk, and a list in memory. */
static void set_call_key_types(struct restore *r)
{
    for (size_t i = 0; i < r->place_count; i++) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[i].symbol];
        struct draft_section *section = section_at(r, symbol->section);
        if (has_prefix(symbol->name, "__SCK__") && symbol->size == 16 && section->data && section->flags & SHF_WRITE &&
            section->size >= 16 && symbol->value <= section->size - 16)
            write_word(r, symbol->section, symbol->value + 8, 1);
    }
}

void restore_data(struct restore *r)
{
    clear_event_types(r);
    set_call_key_types(r);
    restore_ata_ops(r);
    for (uint32_t i = 0; i < r->draft->section_count; i++) {
        const struct draft_section *section = section_at(r, i);
        if (!section->data || !section->address || !section->in_memory || section->flags & SHF_EXECINSTR ||
            !(section->flags & SHF_ALLOC) || r->is_table[i] || is_plain(section))
            continue;
        if (strcmp(section->name, ".gnu.linkonce.this_module") == 0)
            restore_this_module(r, i);
        else if (section->flags & SHF_WRITE)
            restore_writable(r, i);
        else
            restore_read_only(r, i);
    }
}
