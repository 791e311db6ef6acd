/*
 * jump_labels.c - __jump_table: a NOP or a jump of two or five bytes. The file held the jump iff the key's initial
 * value (bit 0 of struct static_key, which never changes) and the entry's branch bit (bit 0 of the key field) differ.
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/nops.h"
#include "object/x86_64/sites.h"

bool jump_label_read(const struct restore *r, const struct site_entry *entry, struct jump_label *ret)
{
    uint8_t word[8];
    uint64_t key = entry->address + 8 + le64(entry->bytes + 8);
    *ret = (struct jump_label){.target = entry_relative(entry, 4), .key = key & ~UINT64_C(3), .branch = key & 1};
    /* struct static_key: the counter, then the word with the type bits. */
    if (!context_read(r->context, ret->key + 8, word, sizeof(word)))
        return false;
    ret->jump = (word[0] & 1) != ret->branch;
    return true;
}

static bool is_short(const struct site *site, uint64_t target)
{
    static const uint8_t nop2[] = {0x66, 0x90};
    if (memcmp(site->bytes, nop2, sizeof(nop2)) == 0)
        return true;
    return site->bytes[0] == 0xeb && site->address + 2 + (uint64_t)(int64_t)(int8_t)site->bytes[1] == target;
}

static bool is_long(const struct site *site, uint64_t target)
{
    return site->size >= 5 && (is_nop5(site->bytes) || (site->bytes[0] == 0xe9 && branch_target(site, 5) == target));
}

static void write_short(struct restore *r, const struct site *site, const struct jump_label *label)
{
    const uint8_t nop[] = {0x66, 0x90};
    const uint8_t jump[] = {0xeb, (uint8_t)(label->target - site->address - 2)};
    site_write(r, site, label->jump ? jump : nop, 2);
}

/* A jump within the section was resolved by the assembler; one that leaves it was left to the linker. */
static void write_long(struct restore *r, const struct site *site, const struct jump_label *label)
{
    struct target target;
    uint8_t jump[5] = {0xe9};
    bool leaves = section_around(r, label->target) != site->section ||
                  !is_same_part(r, site->section, site->offset, label->target - section_at(r, site->section)->address);
    bool found = leaves && target_find(r, label->target, -4, TARGET_LABEL, &target);
    if (leaves && label->jump && !found) {
        restore_failed(r, RULE_JUMP_LABEL, site->address, "it jumps out of the module");
        return;
    }
    put_le32(jump + 1, (uint32_t)(label->target - site->address - 5));
    site_write(r, site, label->jump ? jump : nop5, 5);
    if (!found)
        return;
    if (label->jump)
        relocate(r, site->section, site->offset + 1, R_X86_64_PC32, &target);
    else if (r->context->shapes.jump_nop_mark && r->context->shapes.objtool_per_object)
        draft_add_relocation(r->draft, site->section, site->offset + 1, R_X86_64_NONE, target.draft, target.from);
}

static void undo_jump_label(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    struct jump_label label;
    if (!jump_label_read(r, entry, &label))
        restore_failed(r, RULE_JUMP_LABEL, site->address, "its key is not readable");
    else if (site->size >= 2 && is_short(site, label.target))
        write_short(r, site, &label);
    else if (is_long(site, label.target))
        write_long(r, site, &label);
    else
        restore_failed(r, RULE_JUMP_LABEL, site->address, "neither a NOP nor a jump to its target");
}

const struct site_rule jump_label_rule = {"__jump_table", 16, false, RULE_JUMP_LABEL, undo_jump_label};
