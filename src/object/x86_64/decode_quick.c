/*
 * decode_quick.c - the plain forms that nearly all compiled code consists of, by the opcode maps of the Intel SDM
 * (volume 2, appendix A). What is not certainly one of them is left to the library.
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/decode.h"

#define LONGEST 16 /* bytes: no instruction has more than 15 */

/*
 * What follows an opcode, one character each, a row for each 16 of them:
 *   -  not decided here       .  nothing             b  8-bit immediate     w  16-bit immediate    j  8-bit branch
 *   z  32-bit immediate (16 with an operand-size prefix)      v  the same, or 64-bit with REX.W    J  32-bit branch
 *   M  ModRM    A  ModRM that names memory    B  ModRM, b    Z  ModRM, z    N G H  M B Z where ModRM.reg is 0
 *   T U  B Z where ModRM.reg is 0, M where it is more than 1      D  B where ModRM.reg is 4 or more
 *   I  M where ModRM.reg is 0 or 1      C  M where ModRM.reg is 0, 1, 2, 4 or 6
 */
static const char one_byte[] = "MMMMbz--MMMMbz--" /* 00 */
                               "MMMMbz--MMMMbz--"
                               "MMMMbz--MMMMbz--"
                               "MMMMbz--MMMMbz--"
                               "----------------" /* 40: REX */
                               "................"
                               "---M----zZbB----"
                               "jjjjjjjjjjjjjjjj"
                               "BZ-BMMMMMMMM-A--" /* 80 */
                               "..........--...."
                               "----....bz......"
                               "bbbbbbbbvvvvvvvv"
                               "BBw.--GH-.--.b--" /* c0 */
                               "MMMM------------"
                               "jjjj----JJ-j...."
                               "----..TU......IC";

static const char two_byte[] = "-----------.----" /* 0f 00 */
                               "---------------N"
                               "----------------"
                               "----------------"
                               "MMMMMMMMMMMMMMMM" /* 0f 40 */
                               "----------------"
                               "----------------"
                               "----------------"
                               "JJJJJJJJJJJJJJJJ" /* 0f 80 */
                               "MMMMMMMMMMMMMMMM"
                               "--.MBM-----MBM-M"
                               "MM-M--MM--DMMMMM"
                               "MM------........" /* 0f c0 */
                               "----------------"
                               "----------------"
                               "----------------";

/* What ModRM.reg makes of a form: '-' where that is no instruction, or one that is not decided here. */
static char settle_form(char form, uint8_t modrm)
{
    unsigned reg = modrm >> 3 & 7;
    switch (form) {
    case 'A':
        return modrm >> 6 == 3 ? '-' : 'M';
    case 'N':
        return reg == 0 ? 'M' : '-';
    case 'G':
        return reg == 0 ? 'B' : '-';
    case 'H':
        return reg == 0 ? 'Z' : '-';
    case 'T':
        return reg == 0 ? 'B' : reg == 1 ? '-' : 'M';
    case 'U':
        return reg == 0 ? 'Z' : reg == 1 ? '-' : 'M';
    case 'D':
        return reg >= 4 ? 'B' : '-';
    case 'I':
        return reg <= 1 ? 'M' : '-';
    case 'C':
        return reg == 3 || reg == 5 || reg == 7 ? '-' : 'M';
    default:
        return form;
    }
}

/* Reads ModRM, SIB and displacement at `at`; returns the offset behind them. */
static unsigned read_address(const uint8_t *bytes, unsigned at, uint8_t rex, struct instruction *ret)
{
    uint8_t modrm = bytes[at++], mod = modrm >> 6, base = modrm & 7;
    ret->direct = mod == 3;
    ret->reg = (uint8_t)((modrm >> 3 & 7) | (rex & 4) << 1);
    ret->rm = (uint8_t)(base | (rex & 1) << 3);
    if (ret->direct)
        return at;
    ret->rip = mod == 0 && base == 5;
    if (base == 4) {
        base = bytes[at++] & 7;
        ret->no_base = mod == 0 && base == 5;
    }
    ret->rm = (uint8_t)(ret->rip || ret->no_base ? NO_REGISTER : base | (rex & 1) << 3);
    ret->disp_size = mod == 1 ? 1 : mod == 2 || (mod == 0 && base == 5) ? 4 : 0;
    ret->disp_offset = ret->disp_size ? at : 0;
    if (ret->disp_size)
        ret->disp = mod == 1 ? (int8_t)bytes[at] : (int32_t)le32(bytes + at);
    return at + ret->disp_size;
}

/* Bytes of the immediate of a form. Only branches and those of 4 and more are of interest. */
static unsigned read_immediate(const uint8_t *bytes, unsigned at, char form, bool is_short, struct instruction *ret)
{
    unsigned size = 0;
    if (form == 'b' || form == 'B' || form == 'j')
        size = 1;
    else if (form == 'w')
        size = 2;
    else if (form == 'J' || form == 'z' || form == 'Z' || form == 'v')
        size = form == 'v' && ret->wide ? 8 : is_short && !ret->wide ? 2 : 4;
    ret->relative = form == 'J' || form == 'j';
    if (size < 4 && !ret->relative)
        return size;
    ret->imm_size = size;
    ret->imm_offset = at;
    ret->imm = size == 8 ? (int64_t)le64(bytes + at) : size == 1 ? (int8_t)bytes[at] : (int32_t)le32(bytes + at);
    return size;
}

bool decode_quick(const uint8_t *code, size_t size, struct instruction *ret)
{
    uint8_t bytes[LONGEST + 8] = {0};
    unsigned at = 0;
    bool is_short = false;
    uint8_t rex = 0;
    *ret = (struct instruction){.reg = NO_REGISTER, .rm = NO_REGISTER};
    memcpy(bytes, code, size < LONGEST ? size : LONGEST);
    if (bytes[at] == 0x65) {
        ret->gs = true;
        at++;
    }
    if (bytes[at] == 0x66) {
        is_short = true;
        at++;
    }
    if ((bytes[at] & 0xf0) == 0x40)
        rex = bytes[at++];
    ret->wide = rex & 8;
    bool is_two = bytes[at] == 0x0f;
    at += is_two;
    ret->opcode = bytes[at];
    char form = settle_form((is_two ? two_byte : one_byte)[ret->opcode], bytes[at + 1]);
    if (form == '-' || (form == 'J' && is_short) || (is_two && is_short))
        return false;
    at++;
    if (form == 'M' || form == 'B' || form == 'Z')
        at = read_address(bytes, at, rex, ret);
    ret->length = at + read_immediate(bytes, at, form, is_short, ret);
    return ret->length <= size;
}
