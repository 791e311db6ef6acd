/*
 * static_calls.c - .static_call_sites: `call __SCT__x` (or jmp, for tail calls) in the file. In memory a direct call, a
 * NOP or return for a call of nothing, or a cleared register (arch/x86/kernel/static_call.c __static_call_transform()).
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/nops.h"
#include "object/x86_64/sites.h"

#define KEY_TAIL  1u
#define KEY_FLAGS 3u

/* Own symbol at `address` whose name starts with `prefix`. */
static const char *own_symbol(const struct restore *r, uint64_t address, const char *prefix)
{
    for (size_t i = place_from(r->places, r->place_count, address);
         i < r->place_count && r->places[i].address == address; i++) {
        const char *name = r->draft->symbols[r->places[i].symbol].name;
        if (has_prefix(name, prefix))
            return name;
    }
    return NULL;
}

/* Address of the own trampoline for the key called `key`; trampolines lie together in .static_call.text. */
static uint64_t own_trampoline(const struct restore *r, const char *key)
{
    uint32_t index;
    const struct draft_section *section = section_named(r, ".static_call.text", &index);
    if (!section)
        return 0;
    for (size_t i = place_from(r->places, r->place_count, section->address);
         i < r->place_count && r->places[i].address - section->address < section->size; i++) {
        const char *name = r->draft->symbols[r->places[i].symbol].name;
        if (has_prefix(name, "__SCT__") && strcmp(name + 7, key + 7) == 0)
            return r->places[i].address;
    }
    return 0;
}

bool static_call_is_jump(const struct site_entry *entry)
{
    return entry_relative(entry, 4) & KEY_TAIL;
}

bool static_call_read(struct restore *r, const struct site_entry *entry, struct static_call *ret)
{
    uint64_t key = entry_relative(entry, 4);
    *ret = (struct static_call){.key = key & ~(uint64_t)KEY_FLAGS, .tail = static_call_is_jump(entry)};
    const char *name = own_symbol(r, ret->key, "__SCK__");
    if (name) {
        ret->own = true;
        ret->tramp = own_trampoline(r, name);
        return true;
    }
    const char *export = context_exact(r->context, ret->key);
    name = has_prefix(export, "__SCK__") ? export : context_symbol(r->context, ret->key);
    if (!has_prefix(name, "__SCK__"))
        return false;
    ret->tramp_name = draft_string(r->draft, "__SCT__%s", name + 7);
    ret->name = name == export ? export : ret->tramp_name;
    return true;
}

uint64_t static_call_default(const struct restore *r, uint64_t address, uint64_t now)
{
    static const char trampoline[] = "__SCT__tp_func_", iterator[] = "__traceiter_";
    const char *name = own_symbol(r, address, trampoline);
    for (size_t i = 0; name && i < r->place_count; i++) {
        const char *other = r->draft->symbols[r->places[i].symbol].name;
        if (has_prefix(other, iterator) && strcmp(other + sizeof(iterator) - 1, name + sizeof(trampoline) - 1) == 0)
            return r->places[i].address;
    }
    return now;
}

/* Whether a call or jump leads where the key says now, by way of the trampoline, or into the padding before it. */
static bool leads_to_function(const struct restore *r, const struct static_call *call, uint64_t target)
{
    uint8_t bytes[8];
    if (call->own ? target == call->tramp : has_prefix(context_symbol(r->context, target), "__SCT__"))
        return true;
    if (!context_read(r->context, call->key, bytes, sizeof(bytes)))
        return true; /* nothing speaks against it */
    uint64_t function = le64(bytes);
    return target == function || (r->context->padding.size && target + r->context->padding.size == function);
}

static bool is_known_form(const struct restore *r, const struct site *site, const struct static_call *call)
{
    static const uint8_t inlined[][5] = {
        {0x66, 0x66, 0x48, 0x31, 0xc0}, /* xor5rax [5.12-6.1] */
        {0x2e, 0x2e, 0x2e, 0x31, 0xc0}, /* [6.2+] */
        {0xb8, 0x00, 0x00, 0x00, 0x00},
        {0x67, 0x48, 0x0f, 0xb9, 0x3a}, /* __WARN_trap: ud1 in place of the call [7.x] */
    };
    static const uint8_t ret[] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
    const uint8_t *bytes = site->bytes;
    if (bytes[0] == 0xe9 && call->tail) {
        uint64_t target = branch_target(site, 5);
        return leads_to_function(r, call, target) || is_return_thunk(context_symbol(r->context, target));
    }
    if (bytes[0] == 0xe8 && !call->tail)
        return leads_to_function(r, call, branch_target(site, 5));
    if (call->tail)
        return memcmp(bytes, ret, sizeof(ret)) == 0 || bytes[0] == 0xc3; /* [5.10]: one byte, the rest left over */
    for (size_t i = 0; i < sizeof(inlined) / sizeof(*inlined); i++)
        if (memcmp(bytes, inlined[i], 5) == 0)
            return true;
    return is_nop5(bytes);
}

static void write_call(struct restore *r, const struct site *site, const struct static_call *call)
{
    const uint8_t opcode[] = {call->tail ? 0xe9 : 0xe8};
    const uint8_t bytes[5] = {opcode[0]};
    struct target target;
    if (!call->own) {
        site_write_branch(r, site, 0, opcode, sizeof(opcode), call->tramp_name);
        return;
    }
    if (!call->tramp || !target_find(r, call->tramp, -4, 0, &target)) {
        restore_failed(r, RULE_STATIC_CALL, site->address, "its trampoline is not in the module");
        return;
    }
    site_write(r, site, bytes, sizeof(bytes));
    relocate(r, site->section, site->offset + 1, R_X86_64_PLT32, &target);
}

static void undo_static_call(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    struct static_call call;
    if (!static_call_read(r, entry, &call))
        restore_failed(r, RULE_STATIC_CALL, site->address, "its key has no name");
    else if (site->size < 5 || !is_known_form(r, site, &call))
        restore_failed(r, RULE_STATIC_CALL, site->address, "no form that the kernel writes there");
    else
        write_call(r, site, &call);
}

const struct site_rule static_call_rule = {".static_call_sites", 8, false, RULE_STATIC_CALL, undo_static_call};
