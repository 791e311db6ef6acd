/*
 * code.c - relocations of code: a linear sweep over every executable section; the raw displacement and immediate fields
 * of each instruction say what the assembler left to the linker (RECONSTRUCT.md section 4).
 */
#include <string.h>

#include "object/x86_64/code.h"
#include "object/x86_64/decode.h"
#include "object/x86_64/emission.h"
#include "object/x86_64/objects.h"
#include "object/x86_64/sites.h"

#define PERCPU_FIRST 0x1000 /* smaller values are constants, gs:0x28 the stack canary */
#define CPU_WITHIN   64     /* bytes of code in which a CPU's offset is added to variables */

/* The instruction at hand. */
struct sweep {
    struct restore *r;
    struct units *units;
    struct jumps *jumps;
    struct draft_section *section;
    uint32_t index;
    uint64_t offset;
    struct instruction in;
    uint8_t cpu_register; /* holds the offset of a CPU's variables, NO_REGISTER if none does */
    uint64_t cpu_since;
};

static uint64_t next_address(const struct sweep *s)
{
    return s->section->address + s->offset + s->in.length;
}

static void put(const struct sweep *s, unsigned field, uint32_t type, const struct target *target)
{
    relocate(s->r, s->index, s->offset + field, type, target);
}

/* ---- calls and jumps ---- */

static void do_own_branch(const struct sweep *s, uint64_t to, const struct target *target)
{
    const struct place *global = target->draft.kind == DRAFT_TARGET_SYMBOL ? global_at(s->r, to) : NULL;
    bool same = target->section == s->index && is_same_part(s->r, s->index, s->offset, target->offset);
    if (strcmp(s->section->name, ".static_call.text") == 0)
        global = NULL; /* a trampoline is no call: PC32 even to a global */
    bool is_conditional = s->in.opcode != 0xe8 && s->in.opcode != 0xe9; /* those never lead to another object */
    if (same && (!global || is_conditional))
        units_branch(s->units, s->index, s->offset, target->offset); /* the assembler resolved it */
    else if (same && s->in.opcode != 0xe8)
        jumps_add(s->jumps, &(struct jump){s->index, s->offset, s->in.imm_offset, *target});
    else
        put(s, s->in.imm_offset, global ? R_X86_64_PLT32 : R_X86_64_PC32, target);
    if (!same && !global)
        units_reference(s->units, s->index, s->offset, to);
}

static void do_branch(const struct sweep *s)
{
    uint64_t to = next_address(s) + (uint64_t)s->in.imm;
    struct target target;
    if (strcmp(s->section->name, ".static_call.text") == 0)
        to = static_call_default(s->r, s->section->address + s->offset, to);
    if (!target_find(s->r, to, -4, TARGET_EXACT, &target))
        restore_failed(s->r, RULE_CODE, s->section->address + s->offset, "a branch to nothing that is known");
    else if (target.section == DRAFT_NONE)
        put(s, s->in.imm_offset, R_X86_64_PLT32, &target);
    else
        do_own_branch(s, to, &target);
}

/* Within the section: the assembler resolved it. */
static void do_short_branch(const struct sweep *s)
{
    uint64_t to = s->offset + s->in.length + (uint64_t)s->in.imm;
    if (to < s->section->size && is_same_part(s->r, s->index, s->offset, to))
        units_branch(s->units, s->index, s->offset, to);
}

/* ---- memory operands ---- */

static void do_rip(const struct sweep *s)
{
    uint64_t to = next_address(s) + (uint64_t)s->in.disp;
    int64_t bias = (int64_t)s->in.disp_offset - (int64_t)s->in.length;
    struct target target;
    if (!target_find(s->r, to, bias, 0, &target) && !(s->in.gs && target_percpu(s->r, to, bias, &target)))
        return;
    if (target.section == s->index && !global_at(s->r, to) && is_same_part(s->r, s->index, s->offset, target.offset)) {
        units_branch(s->units, s->index, s->offset, target.offset);
        return;
    }
    units_reference(s->units, s->index, s->offset, to);
    if (s->in.opcode == 0x8d)
        units_address(s->units, s->index, s->offset, to);
    put(s, s->in.disp_offset, R_X86_64_PC32, &target);
}

/* raw_cpu_ptr() and per_cpu_ptr() load the offset of a CPU's variables, and add it to a variable by its address. */
static void follow_cpu(struct sweep *s)
{
    bool is_load = s->in.opcode == 0x8b && s->in.wide && (s->in.rip || s->in.no_base);
    uint64_t address = (s->in.rip ? next_address(s) : 0) + (uint64_t)s->in.disp;
    const char *name = is_load && (s->in.gs || s->in.no_base) ? context_exact(s->r->context, address) : NULL;
    if (name && strcmp(name, s->in.gs ? "this_cpu_off" : "__per_cpu_offset") == 0) {
        s->cpu_register = s->in.reg;
        s->cpu_since = s->offset;
    } else if (s->in.reg == s->cpu_register && (s->in.opcode == 0x8b || s->in.opcode == 0x8d)) {
        s->cpu_register = NO_REGISTER;
    }
}

static bool is_cpu_base(const struct sweep *s, uint8_t number)
{
    return number != NO_REGISTER && number == s->cpu_register && s->offset - s->cpu_since < CPU_WITHIN;
}

static void do_disp(const struct sweep *s)
{
    uint64_t value = (uint64_t)s->in.disp;
    struct target target;
    bool found = false;
    if (s->in.gs && s->in.no_base)
        found = value >= PERCPU_FIRST &&
                (target_find(s->r, value, 0, TARGET_EXACT, &target) || target_percpu(s->r, value, 0, &target));
    else if (is_kernel_map(value) || (value >= s->r->percpu && value < s->r->percpu_end))
        found = target_find(s->r, value, 0, 0, &target);
    else if (s->in.no_base && !s->in.gs && value > PERCPU_FIRST && value < s->r->context->percpu_end)
        found = target_import(s->r, value, 0, &target);
    else if (is_cpu_base(s, s->in.rm) && value >= PERCPU_FIRST)
        found = target_percpu(s->r, value, 0, &target);
    if (found)
        put(s, s->in.disp_offset, R_X86_64_32S, &target);
}

/* ---- immediates ---- */

/* add $variable, %register */
static bool adds_to_cpu(const struct sweep *s)
{
    bool is_short = s->in.opcode == 0x05, is_add = s->in.opcode == 0x81 && s->in.direct && (s->in.reg & 7) == 0;
    return s->in.wide && (is_short || is_add) && is_cpu_base(s, is_short ? 0 : s->in.rm);
}

/* cmp $address, ... */
static bool compares(const struct sweep *s)
{
    return s->in.opcode == 0x3d || (s->in.opcode == 0x81 && (s->in.reg & 7) == 7);
}

/* A 32-bit immediate is an address only where the CPU sign-extends it to 64 bits. */
static void do_imm32(const struct sweep *s)
{
    uint64_t value = (uint64_t)s->in.imm;
    struct target target;
    bool is_push = s->in.opcode == 0x68;
    unsigned compared = compares(s) ? TARGET_COMPARED : 0;
    bool is_move = s->in.opcode == 0xc7 && s->in.direct && s->in.wide;
    bool found = false;
    if (is_kernel_map(value))
        found = (s->in.wide || is_push) && target_find(s->r, value, 0, TARGET_VALUE | compared, &target);
    else if ((is_move || adds_to_cpu(s)) &&
             s->in.imm >= PERCPU_FIRST) /* plain constants this small have a shorter move */
        found = target_find(s->r, value, 0, TARGET_EXACT, &target) || target_percpu(s->r, value, 0, &target);
    if (!found)
        return;
    if (s->in.opcode == 0xc7) { /* what is compared with may be the end of an array, and so another's start */
        units_reference(s->units, s->index, s->offset, value);
        units_address(s->units, s->index, s->offset, value);
    }
    put(s, s->in.imm_offset, R_X86_64_32S, &target);
}

static void do_word64(const struct sweep *s, unsigned field, uint64_t value)
{
    struct target target;
    if (target_before(s->r, value, &target) || target_find(s->r, value, 0, TARGET_EXACT, &target))
        put(s, field, R_X86_64_64, &target);
}

static void do_instruction(const struct sweep *s)
{
    if (s->in.relative) {
        if (s->in.imm_size == 4)
            do_branch(s);
        else
            do_short_branch(s);
        return;
    }
    if (s->in.disp_size == 4 && s->in.rip)
        do_rip(s);
    else if (s->in.disp_size == 4)
        do_disp(s);
    else if (s->in.disp_size == 8)
        do_word64(s, s->in.disp_offset, (uint64_t)s->in.disp);
    if (s->in.imm_size == 4)
        do_imm32(s);
    else if (s->in.imm_size == 8)
        do_word64(s, s->in.imm_offset, (uint64_t)s->in.imm);
}

/* Start of the first function after `offset`: there decoding falls into step again whatever came before. */
static uint64_t next_function(const struct restore *r, uint32_t index, size_t *place, uint64_t offset)
{
    uint64_t start = section_at(r, index)->address;
    for (; *place < r->place_count; ++*place) {
        const struct draft_symbol *symbol = &r->draft->symbols[r->places[*place].symbol];
        if (r->places[*place].address > start + offset && symbol->section == index &&
            ELF64_ST_TYPE(symbol->info) == STT_FUNC && symbol->size)
            return r->places[*place].address - start;
    }
    return UINT64_MAX;
}

static void sweep_section(struct restore *r, struct jumps *jumps, uint32_t index)
{
    struct sweep s = {.r = r,
                      .units = r->units,
                      .jumps = jumps,
                      .section = section_at(r, index),
                      .index = index,
                      .cpu_register = NO_REGISTER};
    size_t place = place_from(r->places, r->place_count, s.section->address);
    uint64_t limit = next_function(r, index, &place, 0);
    while (s.offset < s.section->size) {
        if (s.offset >= limit)
            limit = next_function(r, index, &place, s.offset);
        uint64_t end = limit < s.section->size ? limit : s.section->size;
        if (!decode(s.section->data + s.offset, end - s.offset, &s.in)) {
            restore_failed(r, RULE_CODE, s.section->address + s.offset, "no instruction");
            s.offset++;
            continue;
        }
        if (!r->owned[index][s.offset]) {
            do_instruction(&s);
            follow_cpu(&s);
        }
        s.offset += s.in.length;
    }
}

void restore_code(struct restore *r)
{
    struct jumps jumps = {0};
    r->units = units_new(r);
    if (!r->units) {
        r->out_of_memory = true;
        return;
    }
    prove_beginnings(r);
    for (uint32_t i = 0; i < r->draft->section_count; i++)
        if (is_code(section_at(r, i)) && section_at(r, i)->address)
            sweep_section(r, &jumps, i);
    units_settle(r->units);
    r->entries_by_section = emission_is_by_section(r);
    if (r->context->shapes.objtool_per_object || r->context->shapes.text_merged || r->entries_by_section)
        r->objects = objects_new(r);
    jumps_decide(r, &jumps);
}
