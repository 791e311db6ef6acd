#include "cli/disassembly.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>

#define LONGEST 15 /* bytes of an x86 instruction */

static void print_line(FILE *out, const char *prefix, uint64_t address, const uint8_t *bytes, unsigned length,
                       const char *text)
{
    (void)fprintf(out, "%s%016" PRIx64 "  ", prefix, address);
    for (unsigned i = 0; i < length; i++)
        (void)fprintf(out, "%02x ", bytes[i]);
    (void)fprintf(out, "%*s%s\n", length < 10 ? (int)(10 - length) * 3 : 0, "", text);
}

void disassemble(FILE *out, const char *prefix, const uint8_t *code, uint64_t size, uint64_t address, uint64_t from,
                 uint64_t to, unsigned limit)
{
    ZydisDecoder decoder;
    ZydisFormatter formatter;
    if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
        !ZYAN_SUCCESS(ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL)))
        return;
    for (uint64_t at = 0; at < to && at < size && limit;) {
        ZydisDecodedInstruction instruction;
        ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
        uint64_t left = size - at < LONGEST ? size - at : LONGEST;
        char text[128] = "(bad)";
        unsigned length = 1;
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, left, &instruction, operands))) {
            length = instruction.length;
            (void)ZydisFormatterFormatInstruction(&formatter, &instruction, operands, instruction.operand_count_visible,
                                                  text, sizeof(text), address + at, ZYAN_NULL);
        }
        if (at + length > from) {
            print_line(out, prefix, address + at, code + at, length, text);
            limit--;
        }
        at += length;
    }
}
