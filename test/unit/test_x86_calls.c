/* Static calls, jump labels, paravirt calls and alternatives. */
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

/* ---- alternatives ---- */

#define REPLACEMENTS (TEXT + 0x1000)

struct entry {
    uint16_t feature, flags;
    uint8_t length, size, at; /* `at` in the replacements */
};

static uint32_t restore_alternative(const uint8_t *code, size_t size, const struct entry *entries, size_t count,
                                    const uint8_t *replacements, size_t replacements_size)
{
    uint8_t bytes[64] = {0};
    fixture.context.shapes.alternative = 14;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = bytes + i * 14;
        put_le32(at, (uint32_t)(TEXT - TABLE - i * 14));
        put_le32(at + 4, (uint32_t)(REPLACEMENTS + entries[i].at - TABLE - i * 14 - 4));
        put_le16(at + 8, entries[i].feature);
        put_le16(at + 10, entries[i].flags);
        at[12] = entries[i].length;
        at[13] = entries[i].size;
    }
    uint32_t text = fixture_text(code, size);
    fixture_section(".altinstr_replacement", REPLACEMENTS, SHF_EXECINSTR, replacements, replacements_size);
    fixture_section(".altinstructions", TABLE, 0, bytes, count * 14);
    fixture_restore();
    return text;
}

Test(x86_calls, alternative_of_nothing)
{
    const uint8_t code[] = {0x0f, 0x01, 0xcb, 0xc3}, stac[] = {0x0f, 0x01, 0xcb}, was[] = {0x90, 0x90, 0x90};
    const struct entry entry = {.length = 3, .size = 3};
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, stac, sizeof(stac));
    expect_bytes(text, 0, was, sizeof(was));
    expect_no_doubt();
}

Test(x86_calls, alternative_to_a_call)
{
    const uint8_t popcnt[] = {0xf3, 0x48, 0x0f, 0xb8, 0xc7}, was[] = {0xe8, 0, 0, 0, 0};
    const struct entry entry = {.length = 5, .size = 5};
    uint32_t text = restore_alternative(popcnt, sizeof(popcnt), &entry, 1, popcnt, sizeof(popcnt));
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 1, R_X86_64_PLT32, "__sw_hweight64", -4);
    expect_no_doubt();
}

Test(x86_calls, feature_test)
{
    /* The kernel shortens the jump and fills up with int3. */
    const uint8_t code[] = {0xeb, 0x0b, 0xcc, 0xcc, 0xcc, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    uint8_t jump[5] = {0xe9};
    const uint8_t aux[] = {0xf6, 0x04, 0x25, 0, 0, 0, 0, 1, 0x75, 0, 0xeb, 0}, was[] = {0xe9, 0, 0, 0, 0};
    const struct entry entries[] = {{3 * 32 + 21, 0, 5, 5, 0}, {1, 0, 5, 0, 5}};
    put_le32(jump + 1, (uint32_t)(TEXT + 13 - REPLACEMENTS - 5));
    uint32_t snippet = fixture_section(".altinstr_aux", TEXT + 0x2000, SHF_EXECINSTR, aux, sizeof(aux));
    uint32_t text = restore_alternative(code, sizeof(code), entries, 2, jump, sizeof(jump));
    expect_bytes(text, 0, was, sizeof(was));
    expect_section(text, 1, R_X86_64_PC32, snippet, -4);
    expect_no_doubt();
}

/* The replacement is the original on other hardware. */
Test(x86_calls, alternative_of_the_same_operand)
{
    static const struct {
        uint8_t size, replacement[6], was[6];
    } cases[] = {
        {3, {0x0f, 0x0d, 0x0a}, {0x0f, 0x18, 0x0a}},                                     /* prefetchw (%rdx) */
        {5, {0x41, 0x0f, 0x0d, 0x4d, 0x40}, {0x41, 0x0f, 0x18, 0x4d, 0x40}},             /* prefetchw 0x40(%r13) */
        {3, {0x0f, 0x18, 0x00}, {0x0f, 0x18, 0x08}},                                     /* prefetchnta (%rax) */
        {5, {0x66, 0x0f, 0xae, 0x7e, 0xff}, {0x3e, 0x0f, 0xae, 0x7e, 0xff}},             /* clflushopt -1(%rsi) */
        {6, {0x66, 0x41, 0x0f, 0xae, 0x7c, 0x24}, {0x90, 0x90, 0x90, 0x90, 0x90, 0x90}}, /* cut short: no such thing */
    };
    for (size_t i = 0; i + 1 < sizeof(cases) / sizeof(*cases); i++) {
        const struct entry entry = {.length = cases[i].size, .size = cases[i].size};
        uint32_t text =
            restore_alternative(cases[i].replacement, cases[i].size, &entry, 1, cases[i].replacement, cases[i].size);
        expect_bytes(text, 0, cases[i].was, cases[i].size);
        expect_no_doubt();
        fixture_stop();
        fixture_start();
    }
    const struct entry entry = {.length = 6, .size = 6};
    restore_alternative(cases[4].replacement, 6, &entry, 1, cases[4].replacement, 6);
    expect_doubt("no macro is known");
}

/* A call of a thunk in place of the indirect call [-5.12]. */
Test(x86_calls, alternative_of_an_indirect_call)
{
    uint8_t code[5], replacement[5];
    const uint8_t was[] = {0x41, 0xff, 0xd3, 0x90, 0x90};
    const struct entry entry = {.length = 5, .size = 5};
    put_le32(replacement + 1, (uint32_t)(EXPORT_R11 - REPLACEMENTS - 5));
    replacement[0] = 0xe8;
    call_to(code, 0xe8, EXPORT_R11);
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, replacement, sizeof(replacement));
    expect_bytes(text, 0, was, sizeof(was));
    cr_assert_null(fixture_relocation(text, 1));
    expect_no_doubt();
}

Test(x86_calls, alternative_direct_call)
{
    uint8_t code[8] = {0};
    const uint8_t call[] = {0xe8, 0, 0, 0, 0};
    const struct entry entry = {3 * 32 + 21, 2, 6, 5, 0};
    fixture.context.pv = (struct pv_slots){EXPORT_PV, pv_words, 3};
    call_to(code, 0xe8, KERNEL_FUNCTION);
    code[5] = 0x90;
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, call, sizeof(call));
    expect_import(text, 2, R_X86_64_PC32, "pv_ops", -4);
}

Test(x86_calls, alternative_direct_call_that_could_be_several)
{
    uint8_t code[8] = {0};
    const uint8_t call[] = {0xe8, 0, 0, 0, 0};
    const struct entry entry = {3 * 32 + 21, 2, 6, 5, 0};
    fixture.context.pv = (struct pv_slots){EXPORT_PV, pv_words, 3};
    call_to(code, 0xe8, EXPORT_KFREE);
    code[5] = 0x90;
    restore_alternative(code, sizeof(code), &entry, 1, call, sizeof(call));
    expect_doubt("which paravirt operation");
    cr_assert_eq(fixture.draft.reading_count, 2);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t was[6] = {0xff, 0x15}; /* call *pv_ops+8 or +16 */
        put_le32(was + 2, (uint32_t)(EXPORT_PV + 8 + 8 * i - (TEXT + 6)));
        cr_expect_eq(fixture.draft.readings[i].address, TEXT);
        cr_expect_eq(fixture.draft.readings[i].size, sizeof(was));
        cr_expect_arr_eq(fixture.draft.readings[i].bytes, was, sizeof(was));
    }
}

Test(x86_calls, alternative_direct_call_that_could_be_none)
{
    uint8_t code[8] = {0};
    const uint8_t call[] = {0xe8, 0, 0, 0, 0};
    const struct entry entry = {3 * 32 + 21, 2, 6, 5, 0};
    fixture.context.pv = (struct pv_slots){EXPORT_PV, pv_words, 3};
    call_to(code, 0xe8, EXPORT_HWEIGHT);
    code[5] = 0x90;
    restore_alternative(code, sizeof(code), &entry, 1, call, sizeof(call));
    expect_doubt("which paravirt operation");
    cr_expect_eq(fixture.draft.reading_count, 0);
}

/* Restores a call by pv_ops of which `code` is left; it can be told by the names of what the words hold. */
static uint32_t restore_operation(const uint8_t code[6])
{
    static uint64_t words[] = {KERNEL_STI, KERNEL_NOTHING, EXPORT_KFREE};
    uint8_t call[5] = {0xe8};
    const struct entry entry = {3 * 32 + 21, 2, 6, 5, 0};
    fixture.context.pv = (struct pv_slots){EXPORT_PV, words, 3};
    put_le32(call + 1, (uint32_t)(EXPORT_KFREE - REPLACEMENTS - 5));
    return restore_alternative(code, 6, &entry, 1, call, sizeof(call));
}

Test(x86_calls, alternative_direct_call_made_native)
{
    static const uint8_t native[] = {0xfb, 0x0f, 0x1f, 0x44, 0, 0}, nothing[] = {0x66, 0x0f, 0x1f, 0x44, 0, 0},
                         over[] = {0xeb, 4, 0xcc, 0xcc, 0xcc, 0xcc};
    expect_import(restore_operation(native), 2, R_X86_64_PC32, "pv_ops", -4);
    expect_no_doubt();
    fixture_stop();
    fixture_start();
    expect_import(restore_operation(nothing), 2, R_X86_64_PC32, "pv_ops", 8 - 4);
    fixture_stop();
    fixture_start();
    expect_import(restore_operation(over), 2, R_X86_64_PC32, "pv_ops", 8 - 4);
}

Test(x86_calls, alternative_direct_call_not_patched)
{
    uint8_t indirect[6] = {0xff, 0x15};
    put_le32(indirect + 2, (uint32_t)(EXPORT_PV + 16 - TEXT - 6));
    expect_import(restore_operation(indirect), 2, R_X86_64_PC32, "pv_ops", 16 - 4);
    expect_no_doubt();
}

Test(x86_calls, alternative_direct_call_of_no_operation)
{
    static const uint8_t cli[] = {0xfa, 0x0f, 0x1f, 0x44, 0, 0}, over[] = {0xeb, 4, 0xcc, 0x11, 0xcc, 0xcc},
                         other[] = {0x0f, 0x30, 0x0f, 0x1f, 0x40, 0};
    const uint8_t *const codes[] = {cli, over, other};
    for (size_t i = 0; i < 3; i++) {
        uint32_t text = restore_operation(codes[i]);
        expect_bytes(text, 0, codes[i], 6);
        expect_doubt("which paravirt operation");
        fixture_stop();
        fixture_start();
    }
}

/* Lengths in the table after a site of nothing with two alternatives was patched. */
static void expect_lengths(uint8_t first_size, uint8_t second_size, uint8_t first, uint8_t second)
{
    const uint8_t code[16] = {[0 ... 14] = 0x90, [15] = 0xc3}, replacements[32] = {[0 ... 31] = 0x90};
    const struct entry entries[] = {{.feature = 1, .length = 15, .size = first_size},
                                    {.feature = 2, .length = 15, .size = second_size, .at = 16}};
    restore_alternative(code, sizeof(code), entries, 2, replacements, sizeof(replacements));
    const uint8_t *table = fixture.draft.sections[2].data;
    cr_expect_eq(table[12], first);
    cr_expect_eq(table[14 + 12], second);
}

Test(x86_calls, alternative_inside_an_alternative_has_its_own_length)
{
    expect_lengths(5, 15, 5, 15);
}

Test(x86_calls, alternatives_of_an_original_that_is_longer_keep_their_length)
{
    expect_lengths(5, 12, 15, 15);
}

Test(x86_calls, alternative_damaged)
{
    const uint8_t code[] = {0x0f, 0x01, 0xca, 0xc3}, stac[] = {0x0f, 0x01, 0xcb};
    const struct entry entry = {.length = 3, .size = 3};
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, stac, sizeof(stac));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("neither original nor a replacement");
}

Test(x86_calls, alternative_of_no_known_macro)
{
    const uint8_t code[] = {0x90, 0x90, 0x90, 0x90, 0xc3}, other[] = {0x0f, 0xae, 0xe8, 0x90};
    const struct entry entry = {.length = 4, .size = 4};
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, other, sizeof(other));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("no macro");
}
