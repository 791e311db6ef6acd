/*
 * machine.c - x86-64: the order of the steps.
 */
#include "object/patches.h"

#include <elf.h>
#include <stdlib.h>

#include "object/x86_64/restore.h"

/* ---- the image as the rules see it ---- */

static bool view_read(const void *handle, uint64_t address, void *buffer, size_t size)
{
    const struct lkmfs_modules *modules = handle;
    return lkmfs_space_read_exact(lkmfs_kernel_space(lkmfs_modules_kernel(modules)), address, buffer, size);
}

static bool module_symbol(const struct lkmfs_module *module, uint64_t address, struct lkmfs_symbol *ret)
{
    const struct lkmfs_module_symbol *best = NULL;
    for (size_t i = 1; i < module->symbol_count; i++) {
        const struct lkmfs_module_symbol *symbol = &module->symbols[i];
        if (symbol->value <= address && (!best || symbol->value > best->value) && symbol->name[0])
            best = symbol;
    }
    if (best)
        *ret = (struct lkmfs_symbol){.address = best->value, .name = best->name, .type = best->letter};
    return best != NULL;
}

static bool view_symbol(const void *handle, uint64_t address, struct lkmfs_symbol *ret)
{
    const struct lkmfs_modules *modules = handle;
    const struct lkmfs_module *module = lkmfs_modules_around(modules, address);
    if (module)
        return module_symbol(module, address, ret);
    return lkmfs_symbols_nearest(lkmfs_kernel_symbols(lkmfs_modules_kernel(modules)), address, ret);
}

static bool view_in_module(const void *handle, uint64_t address)
{
    return lkmfs_modules_around(handle, address) != NULL;
}

/* ---- the machine ---- */

static void context_free(struct machine_context *context)
{
    if (!context)
        return;
    free(context->names);
    free(context->pv.words);
    free(context);
}

static struct machine_context *context_new(const struct lkmfs_modules *modules, const struct lkmfs_exports *exports,
                                           struct lkmfs_log *log)
{
    struct machine_context *context = calloc(1, sizeof(*context));
    if (!context)
        return NULL;
    context->modules = modules;
    context->exports = exports;
    context->view = (struct image_view){modules, view_read, view_symbol, view_in_module};
    if (!context_gather_names(context) || !context_gather_facts(context)) {
        context_free(context);
        return NULL;
    }
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "x86-64: %zu addresses to import%s%s%s%s", context->name_count,
                  context->shapes.jump_nop_mark ? ", jump labels by objtool" : "",
                  context->shapes.objtool_per_object ? ", objtool ran per object" : "",
                  context->shapes.entries_by_section ? ", the compiler's entries listed by section" : "",
                  context->padding.size ? ", call depth tracking in use" : "");
    return context;
}

/* Sites first, while the tables are as in memory; code next, on restored bytes; then the tables themselves and data. */
static void restore(const struct machine_context *context, struct draft *draft)
{
    struct restore r;
    if (draft->kind == LKMFS_OBJECT_LOADED)
        return;
    if (!restore_init(&r, context, draft)) {
        draft->out_of_memory = true;
    } else {
        restore_paravirt(&r);
        restore_alternatives(&r);
        restore_sites(&r);
        restore_code(&r);
        restore_tables(&r);
        restore_data(&r);
        restore_last_strings(&r);
        restore_report(&r);
        draft->out_of_memory |= r.out_of_memory;
    }
    restore_free(&r);
}

const struct machine machine_x86_64 = {
    .name = "x86-64",
    .elf_machine = EM_X86_64,
    .context_new = context_new,
    .context_free = context_free,
    .restore = restore,
};
