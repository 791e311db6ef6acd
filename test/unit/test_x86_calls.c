/* Static calls, jump labels and paravirt calls. */
#include "test_x86_fixture.h"

TestSuite(x86_calls, .init = fixture_start, .fini = fixture_stop);

#define FUNCTION (TEXT + 0x20)

/* ---- static calls ---- */

static uint32_t static_call_table(uint64_t key, bool tail)
{
    uint8_t bytes[8];
    put_le32(bytes, (uint32_t)(TEXT - TABLE));
    put_le32(bytes + 4, (uint32_t)((key | tail) - TABLE - 4));
    return fixture_section(".static_call_sites", TABLE, SHF_WRITE, bytes, sizeof(bytes));
}

static void check_static_call(const uint8_t code[8], bool tail, bool known)
{
    const uint8_t was[] = {tail ? 0xe9 : 0xe8, 0, 0, 0, 0};
    uint32_t text = fixture_text(code, 5), table = static_call_table(EXPORT_KEY, tail);
    fixture_word(EXPORT_KEY, KERNEL_FUNCTION);
    fixture_restore();
    expect_section(table, 0, R_X86_64_PC32, text, 0);
    expect_import(table, 4, R_X86_64_PC32, "__SCK__cond_resched", tail);
    if (!known) {
        expect_doubt("static call");
        return;
    }
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 1, R_X86_64_PLT32, "__SCT__cond_resched", -4);
    expect_no_doubt();
}

static void call_to(uint8_t *code, uint8_t opcode, uint64_t target)
{
    code[0] = opcode;
    put_le32(code + 1, (uint32_t)(target - TEXT - 5));
}

Test(x86_calls, static_call_made_direct)
{
    uint8_t code[8] = {0};
    call_to(code, 0xe8, KERNEL_FUNCTION);
    check_static_call(code, false, true);
}

Test(x86_calls, static_call_of_nothing)
{
    const uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 0};
    check_static_call(code, false, true);
}

Test(x86_calls, static_call_that_returns_zero)
{
    const uint8_t code[8] = {0x2e, 0x2e, 0x2e, 0x31, 0xc0};
    check_static_call(code, false, true);
}

Test(x86_calls, static_call_that_traps)
{
    const uint8_t code[8] = {0x67, 0x48, 0x0f, 0xb9, 0x3a};
    check_static_call(code, false, true);
}

Test(x86_calls, static_tail_call)
{
    uint8_t code[8] = {0};
    call_to(code, 0xe9, KERNEL_FUNCTION);
    check_static_call(code, true, true);
}

Test(x86_calls, static_tail_call_of_nothing)
{
    const uint8_t code[8] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
    check_static_call(code, true, true);
}

Test(x86_calls, static_tail_call_of_nothing_with_a_return_thunk)
{
    uint8_t code[8] = {0};
    call_to(code, 0xe9, KERNEL_SRSO);
    check_static_call(code, true, true);
}

Test(x86_calls, static_call_that_leads_elsewhere)
{
    uint8_t code[8] = {0};
    call_to(code, 0xe8, KERNEL_FUNCTION + 1);
    check_static_call(code, false, false);
}

Test(x86_calls, static_call_with_unknown_key)
{
    const uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 0};
    uint32_t text = fixture_text(code, sizeof(code));
    static_call_table(EXPORT_KEY + 0x40, false);
    fixture_restore();
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("its key has no name");
}

/* A call by a trampoline of the module's own, in .static_call.text, to what its key holds. */
static uint32_t own_static_call(const char *trampoline, uint64_t target)
{
    static const uint8_t keys[24], trampolines[8] = {0xe9, 0, 0, 0, 0, 0x90, 0x90, 0x90};
    uint8_t code[8] = {0};
    call_to(code, 0xe8, target);
    uint32_t text = fixture_text(code, 5);
    uint32_t calls = fixture_section(".static_call.text", TEXT + 0x1000, SHF_EXECINSTR, trampolines, 8);
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, keys, sizeof(keys));
    put_le64(fixture.draft.sections[data].data + 8, KERNEL_FUNCTION);
    fixture_symbol("__SCK__call", data, 8, 16, STB_LOCAL, STT_OBJECT);
    fixture_symbol(trampoline, calls, 0, 8, STB_LOCAL, STT_FUNC);
    static_call_table(DATA + 8, false);
    fixture_restore();
    return text;
}

Test(x86_calls, static_call_by_an_own_trampoline)
{
    static const uint8_t was[] = {0xe8, 0, 0, 0, 0};
    static const uint64_t targets[] = {KERNEL_FUNCTION, TEXT + 0x1000};
    for (size_t i = 0; i < 2; i++) {
        uint32_t text = own_static_call("__SCT__call", targets[i]);
        expect_bytes(text, 0, was, sizeof(was));
        expect_section(text, 1, R_X86_64_PLT32, 1, -4);
        cr_expect_eq(le64(fixture.draft.sections[2].data + 16), 1, "the key's type");
        expect_no_doubt();
        fixture_stop();
        fixture_start();
    }
}

Test(x86_calls, static_call_whose_trampoline_is_gone)
{
    uint32_t text = own_static_call("__SCT__other", KERNEL_FUNCTION);
    cr_expect_eq(fixture.draft.sections[text].data[0], 0xe8);
    expect_doubt("its trampoline is not in the module");
}

Test(x86_calls, static_call_whose_key_is_unreadable)
{
    static const uint8_t was[] = {0xe8, 0, 0, 0, 0};
    uint8_t code[8] = {0};
    call_to(code, 0xe8, KERNEL_FUNCTION);
    uint32_t text = fixture_text(code, 5);
    static_call_table(EXPORT_KEY, false); /* no word there */
    fixture_restore();
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 1, R_X86_64_PLT32, "__SCT__cond_resched", -4);
}

/* ---- jump labels ---- */

static uint32_t jump_table(uint64_t target, uint64_t key, bool branch)
{
    uint8_t bytes[16];
    put_le32(bytes, (uint32_t)(TEXT - TABLE));
    put_le32(bytes + 4, (uint32_t)(target - TABLE - 4));
    put_le64(bytes + 8, (key | branch | 2) - TABLE - 8); /* bit 1 is the loader's */
    return fixture_section("__jump_table", TABLE, SHF_WRITE, bytes, sizeof(bytes));
}

/* A key of the kernel: its type says whether it was true at first. */
static void check_jump_label(const uint8_t code[8], bool key, bool branch, const uint8_t *was, size_t size)
{
    uint32_t text = fixture_text(code, 8), table = jump_table(TEXT + 7, EXPORT_NET, branch);
    fixture_word(EXPORT_NET + 8, 0xffff888000000000 | key);
    fixture_restore();
    expect_bytes(text, 0, was, size);
    expect_section(table, 0, R_X86_64_PC32, text, 0);
    expect_section(table, 4, R_X86_64_PC32, text, 7);
    expect_import(table, 8, R_X86_64_PC64, "init_net", branch + (key == branch ? 2 : 0));
    expect_no_doubt();
}

static const uint8_t short_nop[] = {0x66, 0x90}, short_jump[] = {0xeb, 5};
static const uint8_t long_nop[] = {0x0f, 0x1f, 0x44, 0, 0}, long_jump[] = {0xe9, 2, 0, 0, 0};

Test(x86_calls, jump_label_was_a_nop)
{
    const uint8_t code[8] = {0xeb, 5, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    check_jump_label(code, false, false, short_nop, sizeof(short_nop));
}

Test(x86_calls, jump_label_was_a_jump)
{
    const uint8_t code[8] = {0x66, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    check_jump_label(code, false, true, short_jump, sizeof(short_jump));
}

Test(x86_calls, jump_label_of_five_bytes)
{
    const uint8_t code[8] = {0x66, 0x66, 0x66, 0x66, 0x90, 0x90, 0x90, 0xc3};
    check_jump_label(code, true, true, long_nop, sizeof(long_nop));
}

Test(x86_calls, jump_label_of_five_bytes_was_a_jump)
{
    const uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 0, 0x90, 0x90, 0xc3};
    check_jump_label(code, true, false, long_jump, sizeof(long_jump));
}

Test(x86_calls, jump_label_damaged)
{
    const uint8_t code[8] = {0xeb, 6, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    uint32_t text = fixture_text(code, sizeof(code));
    jump_table(TEXT + 7, EXPORT_NET, false);
    fixture_word(EXPORT_NET + 8, 0);
    fixture_restore();
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("jump label");
}

Test(x86_calls, jump_label_whose_key_is_unreadable)
{
    const uint8_t code[8] = {0xeb, 5, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    uint32_t text = fixture_text(code, sizeof(code)), table = jump_table(TEXT + 7, EXPORT_NET, true);
    fixture_restore();
    expect_bytes(text, 0, code, sizeof(code));
    expect_import(table, 8, R_X86_64_PC64, "init_net", 1 + 2);
    cr_assert_eq(fixture_relocation(table, 8)->from, LKMFS_FROM_INFERRED, "the mark of a NOP is not certain");
    cr_assert_eq(fixture_relocation(table, 0)->from, LKMFS_FROM_RESTORED);
    expect_doubt("its key is not readable");
}

/* A jump of five bytes to another section was left to the linker. */
Test(x86_calls, jump_label_that_leaves_the_section)
{
    static const uint64_t targets[] = {TEXT + 0x1008, TEXT - 0x10000}; /* the latter is nowhere */
    static const uint8_t was[] = {0xe9, 0, 0, 0, 0}, nops[16] = {[0 ... 15] = 0x90};
    for (int is_jump = 0; is_jump < 2; is_jump++) {
        for (size_t i = 0; i < 2; i++) {
            uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 0, 0x90, 0x90, 0xc3};
            uint32_t text = fixture_text(code, 8);
            uint32_t cold = fixture_section(".text.unlikely", TEXT + 0x1000, SHF_EXECINSTR, nops, sizeof(nops));
            jump_table(targets[i], EXPORT_NET, is_jump);
            fixture_word(EXPORT_NET + 8, 0);
            fixture.context.shapes.objtool_per_object = true;
            fixture_restore();
            if (is_jump && i == 0) {
                expect_bytes(text, 0, was, sizeof(was));
                expect_section(text, 1, R_X86_64_PC32, cold, 8 - 4);
            } else {
                expect_bytes(text, 0, code, sizeof(code));
            }
            if (!is_jump && i == 0) /* of the jump that objtool made a NOP the relocation is left */
                expect_section(text, 1, R_X86_64_NONE, cold, 8 - 4);
            if (is_jump && i == 1)
                expect_doubt("it jumps out of the module");
            fixture_stop();
            fixture_start();
        }
    }
}

/* ---- paravirt ---- */

static uint64_t pv_words[] = {KERNEL_FUNCTION, EXPORT_KFREE, EXPORT_KFREE};

static uint32_t restore_paravirt_site(const uint8_t *code, size_t size, uint8_t slot, uint8_t length)
{
    uint8_t bytes[16] = {0};
    fixture.context.pv = (struct pv_slots){EXPORT_PV, pv_words, 3};
    put_le64(bytes, TEXT);
    bytes[8] = slot;
    bytes[9] = length;
    uint32_t text = fixture_text(code, size);
    fixture_section(".parainstructions", TABLE, 0, bytes, sizeof(bytes));
    fixture_restore();
    return text;
}

Test(x86_calls, paravirt_direct_call)
{
    uint8_t code[8] = {0};
    const uint8_t was[] = {0xff, 0x15, 0, 0, 0, 0};
    call_to(code, 0xe8, EXPORT_KFREE);
    code[5] = 0x90;
    uint32_t text = restore_paravirt_site(code, 6, 1, 6);
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 2, R_X86_64_PC32, "pv_ops", 8 - 4);
    expect_no_doubt();
}

Test(x86_calls, paravirt_native_absolute)
{
    const uint8_t code[8] = {0xfb, 0x66, 0x0f, 0x1f, 0x44, 0, 0}, was[] = {0xff, 0x14, 0x25, 0, 0, 0, 0};
    uint32_t text = restore_paravirt_site(code, 7, 2, 7);
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 3, R_X86_64_32S, "pv_ops", 16);
    expect_no_doubt();
}

Test(x86_calls, paravirt_damaged)
{
    uint8_t code[8] = {0};
    call_to(code, 0xe8, EXPORT_RETURN); /* not what its word holds */
    code[5] = 0x90;
    restore_paravirt_site(code, 6, 1, 6);
    expect_doubt("paravirt call");
}

Test(x86_calls, paravirt_of_nothing_or_not_patched)
{
    static const uint8_t was[] = {0xff, 0x15, 0, 0, 0, 0}, nothing[] = {0x66, 0x0f, 0x1f, 0x44, 0, 0};
    uint8_t indirect[6] = {0xff, 0x15};
    put_le32(indirect + 2, (uint32_t)(EXPORT_PV + 8 - TEXT - 6));
    const uint8_t *const codes[] = {nothing, indirect};
    for (size_t i = 0; i < 2; i++) {
        uint32_t text = restore_paravirt_site(codes[i], 6, 1, 6);
        expect_bytes(text, 0, was, sizeof(was));
        expect_import(text, 2, R_X86_64_PC32, "pv_ops", 8 - 4);
        expect_no_doubt();
        fixture_stop();
        fixture_start();
    }
}

Test(x86_calls, paravirt_absolute_not_patched)
{
    static const uint8_t was[] = {0xff, 0x14, 0x25, 0, 0, 0, 0};
    uint8_t code[7] = {0xff, 0x14, 0x25};
    put_le32(code + 3, (uint32_t)(EXPORT_PV + 16));
    uint32_t text = restore_paravirt_site(code, 7, 2, 7);
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 3, R_X86_64_32S, "pv_ops", 16);
    fixture_stop();
    fixture_start();
    text = restore_paravirt_site(code, 7, 1, 7); /* the table names another word than the code */
    expect_import(text, 3, R_X86_64_32S, "pv_ops", 16);
    expect_doubt("paravirt call");
}

Test(x86_calls, paravirt_beyond_its_section_or_its_table)
{
    static const uint8_t code[] = {0xfb, 0x66, 0x0f, 0x1f, 0x44, 0};
    uint32_t text = restore_paravirt_site(code, 4, 1, 6);
    expect_bytes(text, 0, code, 4);
    expect_doubt("paravirt call");
    fixture_stop();
    fixture_start();
    text = restore_paravirt_site(code, 6, 3, 6); /* of three words, 0 to 2 */
    expect_bytes(text, 0, code, 6);
    expect_doubt("paravirt call");
}
