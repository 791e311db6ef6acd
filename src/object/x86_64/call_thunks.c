/*
 * call_thunks.c - .call_sites: with call depth tracking (arch/x86/kernel/callthunks.c) calls lead to code in the
 * padding before a function; in the file they lead to the function and the padding is NOPs.
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/sites.h"

/* Restores the padding before the function that the patched call leads to, when the function is the module's own. */
static void undo_padding(struct restore *r, uint64_t address)
{
    uint8_t nops[16];
    struct site padding;
    memset(nops, 0x90, sizeof(nops));
    if (site_at(r, address, &padding) && padding.size >= r->context->padding.size &&
        padding_matches(&r->context->padding, padding.bytes))
        site_write(r, &padding, nops, r->context->padding.size);
}

static void undo_call_thunk(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    unsigned size = r->context->padding.size;
    uint8_t bytes[16];
    (void)entry;
    if (size == 0 || site->size < 5 || site->bytes[0] != 0xe8 || r->owned[site->section][site->offset])
        return; /* not in use, or another table explains the site */
    uint64_t target = branch_target(site, 5);
    struct site own;
    bool is_own_nops = site_at(r, target, &own) && own.size >= size && own.bytes[0] == 0x90;
    if (!is_own_nops &&
        !(context_read(r->context, target, bytes, size) && padding_matches(&r->context->padding, bytes)))
        return; /* this call was not patched */
    uint8_t call[5] = {0xe8};
    put_le32(call + 1, le32(site->bytes + 1) + size);
    site_write(r, site, call, sizeof(call));
    memset(r->owned[site->section] + site->offset, 0, sizeof(call)); /* the decoder relocates it like any call */
    undo_padding(r, target);
}

const struct site_rule call_thunk_rule = {".call_sites", 4, false, RULE_CALL_THUNK, undo_call_thunk};
