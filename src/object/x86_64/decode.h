/*
 * decode.h - what the rules need to know of one instruction: its length and where its displacement and immediate lie.
 */
#ifndef LKMFS_OBJECT_X86_64_DECODE_H
#define LKMFS_OBJECT_X86_64_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NO_REGISTER 0xff

struct instruction {
    unsigned length;
    uint8_t opcode;
    uint8_t reg;                     /* number of the register that ModRM.reg names, NO_REGISTER without ModRM */
    uint8_t rm;                      /* of the operand itself, or of its base register; NO_REGISTER if it has none */
    bool wide;                       /* REX.W */
    bool gs;                         /* gs: prefix */
    bool rip;                        /* the displacement is relative to the next instruction */
    bool no_base;                    /* a memory operand without base register */
    bool direct;                     /* modrm names a register, not memory */
    bool relative;                   /* the immediate is relative to the next instruction: a branch */
    unsigned disp_size, disp_offset; /* bytes; 0 if there is none */
    unsigned imm_size, imm_offset;   /* the same; 1 only for branches */
    int64_t disp, imm;               /* sign-extended */
};

/* Decodes the instruction at `bytes`; false when there is none. */
bool decode(const uint8_t *bytes, size_t size, struct instruction *ret);

/*
 * The two ways of decode(): the plain forms by table, ten times as fast, and all others by the library. Where
 * decode_quick() knows an instruction it says the same as decode_any(); false says only that it does not know it.
 */
bool decode_quick(const uint8_t *bytes, size_t size, struct instruction *ret);
bool decode_any(const uint8_t *bytes, size_t size, struct instruction *ret);

/* Whether the instruction reads its operand in memory, and neither writes it nor takes its address. */
bool decode_only_reads(const uint8_t *bytes, size_t size);

#endif
