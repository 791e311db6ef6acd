/*
 * returns.c - .return_sites: `jmp __x86_return_thunk` in the file; `ret` with int3 filling or a jump to the thunk of
 * the mitigation in use in memory (arch/x86/kernel/alternative.c apply_returns()).
 */
#include <string.h>

#include "object/x86_64/sites.h"

bool is_return_thunk(const char *name)
{
    static const char *const thunks[] = {"__x86_return_thunk",    "srso_return_thunk", "srso_alias_return_thunk",
                                         "retbleed_return_thunk", "its_return_thunk",  "call_depth_return_thunk",
                                         "__x86_return_skl",      "zen_return_thunk",  "warn_thunk_thunk"};
    for (size_t i = 0; name && i < sizeof(thunks) / sizeof(*thunks); i++)
        if (strcmp(name, thunks[i]) == 0)
            return true;
    return false;
}

static bool is_return(const struct restore *r, const struct site *site)
{
    static const uint8_t ret[] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
    if (site->size < 5)
        return false;
    if (memcmp(site->bytes, ret, sizeof(ret)) == 0)
        return true;
    if (site->bytes[0] != 0xe9)
        return false;
    /* The trampoline of an empty static call is a return in the file; once the call is set it jumps anywhere. */
    return strcmp(section_at(r, site->section)->name, ".static_call.text") == 0 ||
           is_return_thunk(context_symbol(r->context, branch_target(site, 5)));
}

static void undo_return(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    static const uint8_t jump[] = {0xe9};
    (void)entry;
    if (is_return(r, site))
        site_write_branch(r, site, 0, jump, sizeof(jump), "__x86_return_thunk");
    else
        restore_failed(r, RULE_RETURN, site->address, "neither a return nor a jump to a return thunk");
}

const struct site_rule return_rule = {".return_sites", 4, false, RULE_RETURN, undo_return};
