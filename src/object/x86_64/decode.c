#include "object/x86_64/decode.h"

#include <Zydis/Zydis.h>

static void read_prefixes(const ZydisDecodedInstruction *in, struct instruction *ret)
{
    for (unsigned i = 0; i < in->raw.prefix_count; i++)
        ret->gs |= in->raw.prefixes[i].value == 0x65;
    ret->wide = in->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY && in->raw.rex.W;
}

static void read_operands(const ZydisDecodedInstruction *in, struct instruction *ret)
{
    if (in->raw.modrm.offset) {
        ret->direct = in->raw.modrm.mod == 3;
        ret->rip = in->raw.modrm.mod == 0 && in->raw.modrm.rm == 5;
        bool has_sib = in->raw.modrm.rm == 4;
        ret->no_base = in->raw.modrm.mod == 0 && has_sib && in->raw.sib.base == 5;
        ret->reg = (uint8_t)(in->raw.modrm.reg | in->raw.rex.R << 3);
        if (!ret->rip && !ret->no_base)
            ret->rm = (uint8_t)((has_sib && !ret->direct ? in->raw.sib.base : in->raw.modrm.rm) | in->raw.rex.B << 3);
    }
    ret->disp_size = in->raw.disp.size / 8u;
    ret->disp_offset = in->raw.disp.offset;
    ret->disp = in->raw.disp.value;
    for (int i = 0; i < 2; i++) {
        if (in->raw.imm[i].size < 32 && !in->raw.imm[i].is_relative)
            continue;
        ret->imm_size = in->raw.imm[i].size / 8u;
        ret->imm_offset = in->raw.imm[i].offset;
        ret->relative = in->raw.imm[i].is_relative;
        ret->imm = ret->imm_size == 4 ? (int32_t)(uint32_t)in->raw.imm[i].value.u : in->raw.imm[i].value.s;
    }
}

bool decode_any(const uint8_t *bytes, size_t size, struct instruction *ret)
{
    static _Thread_local ZydisDecoder decoder;
    static _Thread_local bool ready;
    ZydisDecodedInstruction in;
    if (!ready) {
        ready = ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) &&
                ZYAN_SUCCESS(ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_MINIMAL, ZYAN_TRUE));
    }
    if (!ready || !ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, size, &in)))
        return false;
    *ret = (struct instruction){.length = in.length, .opcode = in.opcode, .reg = NO_REGISTER, .rm = NO_REGISTER};
    read_prefixes(&in, ret);
    read_operands(&in, ret);
    return true;
}

bool decode_only_reads(const uint8_t *bytes, size_t size)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    bool reads = false;
    if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
        !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, size, &in, operands)))
        return false;
    for (unsigned i = 0; i < in.operand_count_visible; i++) {
        if (operands[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        if (operands[i].mem.type != ZYDIS_MEMOP_TYPE_MEM || operands[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
            return false;
        reads = true;
    }
    return reads;
}

bool decode(const uint8_t *bytes, size_t size, struct instruction *ret)
{
    return decode_quick(bytes, size, ret) || decode_any(bytes, size, ret);
}
