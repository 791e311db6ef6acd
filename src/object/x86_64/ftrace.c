/*
 * ftrace.c - __mcount_loc: `call __fentry__` in the file, a NOP in memory, or a call to a tracer.
 */
#include <string.h>

#include "object/x86_64/nops.h"
#include "object/x86_64/sites.h"

static bool leads_to_tracer(const struct restore *r, uint64_t target)
{
    static const char *const tracers[] = {"__fentry__", "ftrace_caller", "ftrace_regs_caller"};
    const char *name = context_symbol(r->context, target);
    for (size_t i = 0; name && i < sizeof(tracers) / sizeof(*tracers); i++)
        if (strcmp(name, tracers[i]) == 0)
            return true;
    /* Trampolines made at run time lie in the module area, in no module. */
    return !name && is_kernel_map(target) && !r->context->view.in_module(r->context->view.handle, target);
}

static void undo_ftrace(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    static const uint8_t call[] = {0xe8};
    (void)entry;
    if (site->size < 5 ||
        !(is_nop5(site->bytes) || (site->bytes[0] == 0xe8 && leads_to_tracer(r, branch_target(site, 5)))))
        restore_failed(r, RULE_FTRACE, site->address, "neither a NOP nor a call to a tracer");
    else
        site_write_branch(r, site, 0, call, sizeof(call), "__fentry__");
}

const struct site_rule ftrace_rule = {"__mcount_loc", 8, true, RULE_FTRACE, undo_ftrace};
