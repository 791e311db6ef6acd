/* The quick decoder against the library: whatever it decides must be the same. */
#include <criterion/criterion.h>
#include <string.h>

#include "object/x86_64/decode.h"

static bool is_same(const struct instruction *a, const struct instruction *b)
{
    return a->length == b->length && a->opcode == b->opcode && a->reg == b->reg && a->rm == b->rm &&
           a->wide == b->wide && a->gs == b->gs && a->rip == b->rip && a->no_base == b->no_base &&
           a->direct == b->direct && a->relative == b->relative && a->disp_size == b->disp_size &&
           a->disp_offset == b->disp_offset && a->imm_size == b->imm_size && a->imm_offset == b->imm_offset &&
           a->disp == b->disp && a->imm == b->imm;
}

/* Compares one instruction, also cut short; true when the quick one knows it. */
static bool compare(const uint8_t *code, size_t size)
{
    struct instruction quick, any;
    if (!decode_quick(code, size, &quick))
        return false;
    bool ok = decode_any(code, size, &any) && is_same(&quick, &any);
    cr_assert(ok, "%02x %02x %02x %02x %02x %02x: length %u, not %u", code[0], code[1], code[2], code[3], code[4],
              code[5], quick.length, any.length);
    cr_assert_not(decode_quick(code, quick.length - 1, &any), "%02x %02x %02x: cut short", code[0], code[1], code[2]);
    return true;
}

Test(x86_decode, quick_says_what_the_library_says)
{
    static const uint8_t prefixes[][4] = {{0},       {1, 0x65},       {1, 0x66},       {1, 0x48},
                                          {1, 0x45}, {2, 0x65, 0x48}, {2, 0x66, 0x48}, {3, 0x65, 0x66, 0x41}};
    static const uint8_t sibs[] = {0x00, 0x25, 0x8d, 0xe4};
    size_t known = 0, all = 0;
    for (size_t p = 0; p < sizeof(prefixes) / sizeof(*prefixes); p++) {
        for (unsigned i = 0; i < (512u << 8) * sizeof(sibs); i++) {
            uint8_t code[24] = {0};
            size_t at = prefixes[p][0];
            memcpy(code, prefixes[p] + 1, at);
            if (i & 256)
                code[at++] = 0x0f;
            code[at++] = (uint8_t)i;
            code[at++] = (uint8_t)(i >> 9);
            code[at++] = sibs[i >> 17];
            for (uint8_t fill = 0x81; at < sizeof(code); at++)
                code[at] = fill++;
            known += compare(code, sizeof(code));
            all++;
        }
    }
    cr_assert_gt(known, all / 3);
}

Test(x86_decode, the_rest_goes_to_the_library)
{
    static const uint8_t locked[] = {0xf0, 0x48, 0x0f, 0xb1, 0x0d, 1, 2, 3, 4}; /* lock cmpxchg %rcx, 0x4030201(%rip) */
    struct instruction in;
    cr_assert_not(decode_quick(locked, sizeof(locked), &in));
    cr_assert(decode(locked, sizeof(locked), &in));
    cr_assert_eq(in.length, sizeof(locked));
    cr_assert(in.rip && in.wide && in.disp_size == 4 && in.disp_offset == 5 && in.disp == 0x4030201);
}
