/*
 * retpolines.c - .retpoline_sites: a call, jump or conditional jump to __x86_indirect_thunk_REG in the file. In memory
 * the same, or to a thunk of another mitigation, or the plain indirect branch (arch/x86/kernel/alternative.c
 * patch_retpoline()).
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/nops.h"
#include "object/x86_64/sites.h"

#define THUNK "__x86_indirect_thunk_"

static const char *const thunks[16] = {
    THUNK "rax", THUNK "rcx", THUNK "rdx", THUNK "rbx", THUNK "rsp", THUNK "rbp", THUNK "rsi", THUNK "rdi",
    THUNK "r8",  THUNK "r9",  THUNK "r10", THUNK "r11", THUNK "r12", THUNK "r13", THUNK "r14", THUNK "r15",
};

/* What stood at a site: prefix 2e or none, opcode, register. */
struct retpoline {
    bool prefix;
    uint8_t opcode[2];
    size_t opcode_size;
    unsigned reg;
};

/* Length of `call *%reg` or `jmp *%reg` at `bytes` (modrm base d0 or e0), 0 if it is none. */
static size_t indirect_length(const uint8_t *bytes, size_t size, uint8_t base, unsigned *reg)
{
    bool rex = size > 0 && bytes[0] == 0x41;
    if (size < 2u + rex || bytes[rex] != 0xff || (bytes[rex + 1] & 0xf8) != base)
        return 0;
    *reg = (bytes[rex + 1] & 7u) + (rex ? 8 : 0);
    return 2u + rex;
}

static bool register_of_name(const char *name, unsigned *reg)
{
    static const char *const prefixes[] = {THUNK, "__x86_indirect_call_thunk_", "__x86_indirect_jump_thunk_",
                                           "__x86_indirect_its_thunk_"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        for (*reg = 0; has_prefix(name, prefixes[i]) && *reg < 16; ++*reg)
            if (strcmp(name + strlen(prefixes[i]), thunks[*reg] + strlen(THUNK)) == 0)
                return true;
    return false;
}

/* A thunk by its name, or, for those made in pages of their own (ITS), by the jump it consists of. */
static bool register_of_thunk(const struct restore *r, uint64_t target, unsigned *reg)
{
    uint8_t code[3];
    const char *name = context_exact(r->context, target);
    if (register_of_name(name, reg) || register_of_name(context_symbol(r->context, target), reg))
        return true;
    return !name && !r->context->view.in_module(r->context->view.handle, target) &&
           context_read(r->context, target, code, sizeof(code)) && indirect_length(code, sizeof(code), 0xe0, reg);
}

size_t plain_branch(const struct restore *r, const uint8_t *code, uint64_t address, uint8_t *ret)
{
    unsigned reg;
    uint64_t to = address + 5 + (uint64_t)(int64_t)(int32_t)le32(code + 1);
    if ((code[0] != 0xe8 && code[0] != 0xe9) || !register_of_thunk(r, to, &reg))
        return 0;
    size_t size = 0;
    if (reg >= 8)
        ret[size++] = 0x41;
    ret[size++] = 0xff;
    ret[size++] = (uint8_t)((code[0] == 0xe8 ? 0xd0 : 0xe0) | (reg & 7));
    return size;
}

static bool match_thunk(const struct restore *r, const struct site *site, struct retpoline *ret)
{
    *ret = (struct retpoline){.prefix = site->bytes[0] == 0x2e};
    const uint8_t *code = site->bytes + ret->prefix;
    ret->opcode_size = code[0] == 0x0f ? 2 : 1;
    memcpy(ret->opcode, code, ret->opcode_size);
    if (site->size < ret->prefix + ret->opcode_size + 4)
        return false;
    bool is_branch = ret->opcode_size == 2 ? (code[1] & 0xf0) == 0x80 : code[0] == 0xe8 || code[0] == 0xe9;
    return is_branch && register_of_thunk(r, branch_target(site, ret->prefix + ret->opcode_size + 4), &ret->reg);
}

/* The plain branch: lfence or not, the branch, int3 after a jump or not, NOPs up to `length`. */
static bool match_plain(const uint8_t *bytes, size_t length, uint8_t base, unsigned *reg)
{
    static const uint8_t lfence[] = {0x0f, 0xae, 0xe8};
    size_t pos = memcmp(bytes, lfence, sizeof(lfence)) == 0 ? sizeof(lfence) : 0;
    size_t branch = indirect_length(bytes + pos, length - pos, base, reg);
    if (branch == 0)
        return false;
    pos += branch;
    if (base == 0xe0 && pos < length && bytes[pos] == 0xcc)
        pos++;
    return is_nops(bytes + pos, length - pos);
}

/* Five bytes, or six with the cs prefix that compilers put before calls of r8 to r15. */
static bool match_patched(const struct site *site, struct retpoline *ret)
{
    for (size_t length = 6; length >= 5; length--) {
        for (int call = 0; call < 2 && site->size >= length; call++) {
            if (match_plain(site->bytes, length, call ? 0xd0 : 0xe0, &ret->reg) && (length == 5 || ret->reg >= 8)) {
                ret->prefix = length == 6;
                ret->opcode[0] = call ? 0xe8 : 0xe9;
                ret->opcode_size = 1;
                return true;
            }
        }
    }
    /* jcc to a thunk became the opposite short jump over the rest. */
    if (site->size >= 6 && (site->bytes[0] & 0xf0) == 0x70 && site->bytes[1] == 4 &&
        match_plain(site->bytes + 2, 4, 0xe0, &ret->reg)) {
        *ret = (struct retpoline){false, {0x0f, (uint8_t)(0x80 | ((site->bytes[0] ^ 1) & 0xf))}, 2, ret->reg};
        return true;
    }
    return false;
}

static void undo_retpoline(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    struct retpoline was;
    (void)entry;
    if (site->size < 5 || !(match_thunk(r, site, &was) || match_patched(site, &was))) {
        restore_failed(r, RULE_RETPOLINE, site->address, "neither a thunk call nor an indirect branch");
        return;
    }
    uint8_t code[3] = {0x2e};
    memcpy(code + was.prefix, was.opcode, was.opcode_size);
    site_write_branch(r, site, 0, code, was.prefix + was.opcode_size, thunks[was.reg]);
}

const struct site_rule retpoline_rule = {".retpoline_sites", 4, false, RULE_RETPOLINE, undo_retpoline};
