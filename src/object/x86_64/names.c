/*
 * names.c - the name space of imports: what the kernel and all modules export, by address.
 */
#include <stdlib.h>
#include <string.h>

#include "object/x86_64/context.h"

bool has_prefix(const char *name, const char *prefix)
{
    return name && strncmp(name, prefix, strlen(prefix)) == 0;
}

size_t context_name(const struct machine_context *context, uint64_t address)
{
    size_t low = 0, high = context->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (context->names[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? low - 1 : SIZE_MAX;
}

const char *context_exact(const struct machine_context *context, uint64_t address)
{
    size_t index = context_name(context, address);
    return index != SIZE_MAX && context->names[index].address == address ? context->names[index].direct : NULL;
}

const char *context_symbol(const struct machine_context *context, uint64_t address)
{
    struct lkmfs_symbol symbol;
    return context->view.symbol(context->view.handle, address, &symbol) && symbol.address == address ? symbol.name
                                                                                                     : NULL;
}

bool context_read(const struct machine_context *context, uint64_t address, void *buffer, size_t size)
{
    return context->view.read(context->view.handle, address, buffer, size);
}

/* Of two names at one address, whether modules import it by `name`: no leading underscores, then the shorter. */
static bool is_better(const char *name, const char *other)
{
    bool hidden = name[0] == '_' && !has_prefix(name, "__SC");
    bool other_hidden = other[0] == '_' && !has_prefix(other, "__SC");
    if (hidden != other_hidden)
        return other_hidden;
    size_t length = strlen(name), other_length = strlen(other);
    return length != other_length ? length < other_length : strcmp(name, other) < 0;
}

/* Chooses among the exports [first, end), all at one address. const_X is X declared const: read directly only. */
static struct import_name choose(const struct lkmfs_exports *exports, size_t first, size_t end)
{
    struct import_name chosen = {.address = lkmfs_exports_at(exports, first)->address,
                                 .module = lkmfs_exports_at(exports, first)->module};
    for (size_t i = first; i < end; i++) {
        const char *name = lkmfs_exports_at(exports, i)->name;
        if (has_prefix(name, "const_") && end - first > 1) {
            if (!chosen.direct || is_better(name, chosen.direct))
                chosen.direct = name;
        } else if (!chosen.name || is_better(name, chosen.name)) {
            chosen.name = name;
        }
    }
    if (!chosen.name)
        chosen.name = chosen.direct;
    if (!chosen.direct)
        chosen.direct = chosen.name;
    return chosen;
}

bool context_gather_names(struct machine_context *context)
{
    size_t count = lkmfs_exports_count(context->exports);
    context->names = calloc(count ? count : 1, sizeof(*context->names));
    if (!context->names)
        return false;
    for (size_t first = 0, end; first < count; first = end) {
        uint64_t address = lkmfs_exports_at(context->exports, first)->address;
        for (end = first + 1; end < count && lkmfs_exports_at(context->exports, end)->address == address; end++)
            ;
        context->names[context->name_count++] = choose(context->exports, first, end);
    }
    return true;
}
