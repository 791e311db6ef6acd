/*
 * paravirt.c - .parainstructions [-6.7] and what its sites have in common with ALT_FLAG_DIRECT_CALL alternatives
 * [6.8+].
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/nops.h"
#include "object/x86_64/pv.h"
#include "object/x86_64/sites.h"

#define PARA_ENTRY 16

/* Native instructions that stand in for a call (arch/x86/kernel/paravirt_patch.c, paravirt.h), and of which function.
 */
static const struct {
    uint8_t size, bytes[5];
    const char *functions[2]; /* NULL: does not name its word */
} natives[] = {
    {1, {0xfa}, {"pv_native_irq_disable", "native_irq_disable"}},
    {1, {0xfb}, {"pv_native_irq_enable", "native_irq_enable"}},
    {2, {0x9c, 0x58}, {"pv_native_save_fl", "native_save_fl"}},
    {2, {0x0f, 0x09}, {"pv_native_wbinvd", "native_wbinvd"}},
    {3, {0x0f, 0x20, 0xd0}, {"pv_native_read_cr2", "native_read_cr2"}},
    {3, {0x0f, 0x20, 0xd8}, {"__native_read_cr3", NULL}},
    {3, {0x0f, 0x22, 0xdf}, {"native_write_cr3", "pv_native_write_cr3"}},
    {3, {0xc6, 0x07, 0x00}, {NULL}}, /* queued spin unlock */
    {3, {0x48, 0x89, 0xf8}, {"_paravirt_ident_64", NULL}},
    {2, {0x31, 0xc0}, {NULL}}, /* vcpu_is_preempted */
    {2, {0x57, 0x9d}, {NULL}}, /* restore_fl */
    {2, {0x0f, 0xa2}, {NULL}},
};

static bool is_native(const uint8_t *bytes, size_t length, size_t which)
{
    size_t size = natives[which].size;
    return size <= length && memcmp(bytes, natives[which].bytes, size) == 0 && is_nops(bytes + size, length - size);
}

/* call *pv_ops+n, not patched: rip-relative or absolute. */
static bool is_indirect(const struct site *site, uint64_t *word)
{
    const uint8_t *bytes = site->bytes;
    if (site->size >= 7 && bytes[0] == 0xff && bytes[1] == 0x14 && bytes[2] == 0x25) {
        *word = (uint64_t)(int64_t)(int32_t)le32(bytes + 3);
        return true;
    }
    *word = site->size >= 6 ? branch_target(site, 6) : 0;
    return site->size >= 6 && bytes[0] == 0xff && bytes[1] == 0x15;
}

bool pv_is_known(const struct restore *r, const struct site *site, size_t length, size_t slot)
{
    uint64_t word;
    if (length > site->size || slot >= r->context->pv.count)
        return false;
    if (is_indirect(site, &word))
        return word == r->context->pv.address + slot * 8;
    if (length >= 5 && site->bytes[0] == 0xe8)
        return branch_target(site, 5) == r->context->pv.words[slot] && is_nops(site->bytes + 5, length - 5);
    for (size_t i = 0; i < sizeof(natives) / sizeof(*natives); i++)
        if (is_native(site->bytes, length, i))
            return true;
    return is_nops(site->bytes, length);
}

static bool is_named(const char *name, const char *wanted)
{
    return name && wanted && strcmp(name, wanted) == 0;
}

bool pv_makes(const struct restore *r, const struct site *site, size_t length, size_t slot)
{
    uint64_t word;
    if (length > site->size || length < 6 || slot >= r->context->pv.count)
        return false;
    if (is_indirect(site, &word))
        return word == r->context->pv.address + slot * 8;
    if (site->bytes[0] == 0xe8)
        return branch_target(site, 5) == r->context->pv.words[slot] && is_nops(site->bytes + 5, length - 5);
    const char *function = context_symbol(r->context, r->context->pv.words[slot]);
    for (size_t i = 0; i < sizeof(natives) / sizeof(*natives); i++)
        if (is_native(site->bytes, length, i))
            return is_named(function, natives[i].functions[0]) || is_named(function, natives[i].functions[1]);
    return is_named(function, "nop_func") && is_nops(site->bytes, length);
}

void pv_add_reading(struct restore *r, const struct site *site, size_t slot)
{
    uint64_t word = r->context->pv.address + slot * 8;
    struct lkmfs_reading reading = {.address = site->address, .size = 6, .bytes = {0xff, 0x15}};
    put_le32(reading.bytes + 2, (uint32_t)(word - (site->address + reading.size)));
    draft_add_reading(r->draft, &reading);
}

void pv_write_call(struct restore *r, const struct site *site, size_t length, size_t slot)
{
    const uint8_t relative[6] = {0xff, 0x15}, absolute[7] = {0xff, 0x14, 0x25};
    int64_t addend = (int64_t)slot * 8;
    if (length == 6) {
        site_write(r, site, relative, length);
        relocate_import(r, site->section, site->offset + 2, R_X86_64_PC32, "pv_ops", addend - 4, LKMFS_FROM_RESTORED);
    } else {
        site_write(r, site, absolute, length);
        relocate_import(r, site->section, site->offset + 3, R_X86_64_32S, "pv_ops", addend, LKMFS_FROM_RESTORED);
    }
}

void restore_paravirt(struct restore *r)
{
    uint32_t index;
    const struct draft_section *table = section_named(r, ".parainstructions", &index);
    for (uint64_t at = 0; table && at + 10 <= table->size; at += PARA_ENTRY) {
        size_t slot = table->data[at + 8], length = table->data[at + 9];
        struct site site;
        if (!site_at(r, le64(table->data + at), &site))
            continue; /* code that is freed, or a damaged entry, which the table's relocations will tell */
        if ((length == 6 || length == 7) && pv_is_known(r, &site, length, slot))
            pv_write_call(r, &site, length, slot);
        else
            restore_failed(r, RULE_PARAVIRT, site.address, "no form that the kernel writes there");
    }
}
