/*
 * macros.c - the kernel's own alternatives by their replacements: the place to add another one.
 */
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/x86_64/alternatives.h"
#include "object/x86_64/nops.h"

#define FEATURE_ALWAYS (3 * 32 + 21) /* X86_FEATURE_ALWAYS */
#define CALL_SIZE      5

/* What an entry's replacement must be. */
struct macro {
    const char *callee;                 /* a call to the export or symbol of this name, or */
    uint8_t code_size, code[7];         /* exactly this code */
    uint8_t original_size, original[2]; /* what the file holds, filled up with one-byte NOPs */
    const char *import;                 /* the function that the original calls */
};

static const struct macro macros[] = {
    {.callee = "clear_page_rep", .original_size = 1, .original = {0xe8}, .import = "clear_page_orig"},
    {.callee = "clear_page_erms", .original_size = 1, .original = {0xe8}, .import = "clear_page_orig"},
    {.code_size = 7, /* shr $3, %rcx; rep stosq */
     .code = {0x48, 0xc1, 0xe9, 0x03, 0xf3, 0x48, 0xab},
     .original_size = 1,
     .original = {0xe8},
     .import = "__clear_pages_unrolled"},
    {.callee = "copy_user_generic_string",
     .original_size = 1,
     .original = {0xe8},
     .import = "copy_user_generic_unrolled"},
    {.callee = "copy_user_enhanced_fast_string",
     .original_size = 1,
     .original = {0xe8},
     .import = "copy_user_generic_unrolled"},
    {.code_size = 5,
     .code = {0xf3, 0x48, 0x0f, 0xb8, 0xc7},
     .original_size = 1,
     .original = {0xe8},
     .import = "__sw_hweight64"},
    {.code_size = 4,
     .code = {0xf3, 0x0f, 0xb8, 0xc7},
     .original_size = 1,
     .original = {0xe8},
     .import = "__sw_hweight32"},
    {.callee = "clear_user_original", .original_size = 2, .original = {0xf3, 0xaa}}, /* rep stosb */
    {.callee = "clear_user_rep_good", .original_size = 2, .original = {0xf3, 0xaa}},
    {.callee = "clear_user_erms", .original_size = 2, .original = {0xf3, 0xaa}},
    {.callee = "rep_stos_alternative", .original_size = 2, .original = {0xf3, 0xaa}},
    {.callee = "rep_movs_alternative", .original_size = 2, .original = {0xf3, 0xa4}}, /* rep movsb */
    {.code_size = 5, .code = {0x0f, 0xae, 0xe8, 0x0f, 0x31}, .original_size = 2, .original = {0x0f, 0x31}}, /* rdtsc */
    {.code_size = 3, .code = {0x0f, 0x01, 0xf9}, .original_size = 2, .original = {0x0f, 0x31}},
};

static bool calls(const struct restore *r, const struct alternative *entry, const char *callee)
{
    if (entry->size != 5 || (entry->bytes[0] != 0xe8 && entry->bytes[0] != 0xe9))
        return false;
    uint64_t to = entry->replacement + 5 + (uint64_t)(int64_t)(int32_t)le32(entry->bytes + 1);
    const char *export = context_exact(r->context, to), *symbol = context_symbol(r->context, to);
    return (export && strcmp(export, callee) == 0) || (symbol && strcmp(symbol, callee) == 0);
}

static bool matches(const struct restore *r, const struct macro *macro, const struct alternative_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct alternative *entry = &group->entries[i];
        if (macro->callee ? entry->bytes && calls(r, entry, macro->callee)
                          : entry->size == macro->code_size && memcmp(entry->bytes, macro->code, entry->size) == 0)
            return true;
    }
    return false;
}

/* One instruction that took the place of another on the same operand. */
struct variant {
    uint8_t prefix, opcode, reg; /* of the replacement: a byte before 0f or 0, the byte after it, modrm.reg */
    uint8_t original_prefix, original_opcode, original_reg;
};

static const struct variant variants[] = {
    {0, 0x0d, 1, 0, 0x18, 1},       /* prefetchw for prefetcht0 */
    {0, 0x18, 0, 0, 0x18, 1},       /* prefetchnta for prefetcht0 */
    {0x66, 0xae, 7, 0x3e, 0xae, 7}, /* clflushopt for clflush with a ds prefix */
};

/* Offset of the opcode behind 0f in the entry's replacement, when it is `variant`; 0 if not. */
static size_t variant_opcode(const struct alternative *entry, const struct variant *variant, struct instruction *in)
{
    if (!entry->bytes || !decode(entry->bytes, entry->size, in) || in->length != entry->size)
        return 0;
    size_t at = variant->prefix ? 1 : 0;
    if (at && entry->bytes[0] != variant->prefix)
        return 0;
    at += at < in->length && (entry->bytes[at] & 0xf0) == 0x40; /* REX */
    if (at + 2 >= in->length || entry->bytes[at] != 0x0f || entry->bytes[at + 1] != variant->opcode)
        return 0;
    return (entry->bytes[at + 2] >> 3 & 7) == variant->reg ? at + 1 : 0;
}

/* Writes what the variant replaced; a field relative to the next instruction is moved to the site. */
static void undo_variant(const struct alternative *entry, const struct variant *variant, size_t opcode,
                         const struct instruction *in, uint8_t *bytes)
{
    memcpy(bytes, entry->bytes, in->length);
    if (variant->prefix)
        bytes[0] = variant->original_prefix;
    bytes[opcode] = variant->original_opcode;
    bytes[opcode + 1] = (uint8_t)((bytes[opcode + 1] & ~0x38u) | (unsigned)variant->original_reg << 3);
    if (in->rip && in->disp_size == 4)
        put_le32(bytes + in->disp_offset, le32(bytes + in->disp_offset) + (uint32_t)(entry->replacement - entry->site));
}

static void fill(struct original *ret, const uint8_t *bytes, size_t size, size_t length)
{
    ret->size = length;
    memset(ret->bytes, 0x90, length);
    memcpy(ret->bytes, bytes, min_u64(size, length));
}

/* The original by the instruction that replaces it: the same on other hardware, or the indirect branch of a thunk. */
static bool derive_original(const struct restore *r, const struct alternative_group *group, struct original *ret)
{
    uint8_t bytes[ALTERNATIVE_MAX];
    for (size_t i = 0; i < group->count; i++) {
        const struct alternative *entry = &group->entries[i];
        size_t size = 0;
        for (size_t k = 0; size == 0 && k < sizeof(variants) / sizeof(*variants); k++) {
            struct instruction in;
            size_t opcode = variant_opcode(entry, &variants[k], &in);
            if (opcode == 0)
                continue;
            undo_variant(entry, &variants[k], opcode, &in, bytes);
            size = in.length;
        }
        if (size == 0 && entry->size == 5)
            size = plain_branch(r, entry->bytes, entry->replacement, bytes);
        if (size == 0 || size > group->length)
            continue;
        fill(ret, bytes, size, group->length);
        return true;
    }
    return false;
}

/* Code without original: it is there or not, as features say. */
static bool is_optional(size_t length)
{
    return length == 2 || length == 3 || length == 5 || length == 7 || length == 15;
}

/* The return stack buffer's filling: 31 bytes [-6.1], 43 [6.2+]; the original jumps over it. */
static bool is_stuffing(size_t length)
{
    return length == 31 || length == 43;
}

/* TASK_SIZE_MAX: a 64-bit constant that is another one with 5-level page tables. */
static bool is_wide_constant(const struct alternative_group *group)
{
    const struct alternative *entry = &group->entries[0];
    return group->length == 10 && entry->size == 10 && entry->bytes[0] == 0x48 && (entry->bytes[1] & 0xf8) == 0xb8;
}

bool alternative_original(const struct restore *r, const struct alternative_group *group, struct original *ret)
{
    static const uint8_t nothing[CALL_SIZE];
    for (size_t i = 0; i < sizeof(macros) / sizeof(*macros); i++) {
        if (!matches(r, &macros[i], group) || (macros[i].import && group->length < CALL_SIZE))
            continue;
        fill(ret, nothing, macros[i].import ? CALL_SIZE : 0, group->length);
        memcpy(ret->bytes, macros[i].original, macros[i].original_size);
        ret->import = macros[i].import;
        return true;
    }
    if (derive_original(r, group, ret))
        return true;
    if (is_stuffing(group->length)) {
        const uint8_t jump[2] = {0xeb, (uint8_t)(group->length - 2)};
        fill(ret, jump, sizeof(jump), group->length);
        return true;
    }
    if (is_wide_constant(group)) {
        static const uint8_t user_space[8] = {0x00, 0xf0, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x00};
        fill(ret, group->entries[0].bytes, 2, group->length);
        memcpy(ret->bytes + 2, user_space, sizeof(user_space));
        return true;
    }
    fill(ret, nothing, 0, group->length);
    return is_optional(group->length);
}

bool alternative_is_feature_test(const struct alternative_group *group)
{
    return group->count >= 2 && group->length == 5 && group->entries[0].feature == FEATURE_ALWAYS &&
           group->entries[0].flags == 0 && group->entries[0].size == 5 && group->entries[0].bytes[0] == 0xe9 &&
           group->entries[1].size == 0;
}

/* Each snippet is testb $bit, byte; jnz; jmp. */
bool alternative_snippet(const struct restore *r, size_t k, struct original *ret)
{
    uint32_t index;
    const struct draft_section *aux = section_named(r, ".altinstr_aux", &index);
    struct instruction in;
    for (uint64_t at = 0; aux && at < aux->size && decode(aux->data + at, aux->size - at, &in); at += in.length) {
        if (in.opcode != 0xf6 || k-- > 0)
            continue;
        const uint8_t jump[5] = {0xe9};
        fill(ret, jump, sizeof(jump), sizeof(jump));
        ret->target = (struct target){.draft = {DRAFT_TARGET_SECTION, index, (int64_t)at - 4},
                                      .section = index,
                                      .offset = at,
                                      .from = LKMFS_FROM_RESTORED};
        return true;
    }
    return false;
}
