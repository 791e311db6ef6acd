/* What stood where the kernel has put an alternative (alternatives.c, macros.c). */
#include "test_x86_fixture.h"

TestSuite(x86_alternatives, .init = fixture_start, .fini = fixture_stop);

static void call_to(uint8_t *code, uint8_t opcode, uint64_t target)
{
    code[0] = opcode;
    put_le32(code + 1, (uint32_t)(target - TEXT - 5));
}

static uint64_t pv_words[] = {KERNEL_FUNCTION, EXPORT_KFREE, EXPORT_KFREE};

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

Test(x86_alternatives, alternative_of_nothing)
{
    const uint8_t code[] = {0x0f, 0x01, 0xcb, 0xc3}, stac[] = {0x0f, 0x01, 0xcb}, was[] = {0x90, 0x90, 0x90};
    const struct entry entry = {.length = 3, .size = 3};
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, stac, sizeof(stac));
    expect_bytes(text, 0, was, sizeof(was));
    expect_no_doubt();
}

Test(x86_alternatives, alternative_to_a_call)
{
    const uint8_t popcnt[] = {0xf3, 0x48, 0x0f, 0xb8, 0xc7}, was[] = {0xe8, 0, 0, 0, 0};
    const struct entry entry = {.length = 5, .size = 5};
    uint32_t text = restore_alternative(popcnt, sizeof(popcnt), &entry, 1, popcnt, sizeof(popcnt));
    expect_bytes(text, 0, was, sizeof(was));
    expect_import(text, 1, R_X86_64_PLT32, "__sw_hweight64", -4);
    expect_no_doubt();
}

Test(x86_alternatives, feature_test)
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
Test(x86_alternatives, alternative_of_the_same_operand)
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
Test(x86_alternatives, alternative_of_an_indirect_call)
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

Test(x86_alternatives, alternative_direct_call)
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

Test(x86_alternatives, alternative_direct_call_that_could_be_several)
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

Test(x86_alternatives, alternative_direct_call_that_could_be_none)
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

Test(x86_alternatives, alternative_direct_call_made_native)
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

Test(x86_alternatives, alternative_direct_call_not_patched)
{
    uint8_t indirect[6] = {0xff, 0x15};
    put_le32(indirect + 2, (uint32_t)(EXPORT_PV + 16 - TEXT - 6));
    expect_import(restore_operation(indirect), 2, R_X86_64_PC32, "pv_ops", 16 - 4);
    expect_no_doubt();
}

Test(x86_alternatives, alternative_direct_call_of_no_operation)
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

Test(x86_alternatives, alternative_inside_an_alternative_has_its_own_length)
{
    expect_lengths(5, 15, 5, 15);
}

Test(x86_alternatives, alternatives_of_an_original_that_is_longer_keep_their_length)
{
    expect_lengths(5, 12, 15, 15);
}

Test(x86_alternatives, alternative_damaged)
{
    const uint8_t code[] = {0x0f, 0x01, 0xca, 0xc3}, stac[] = {0x0f, 0x01, 0xcb};
    const struct entry entry = {.length = 3, .size = 3};
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, stac, sizeof(stac));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("neither original nor a replacement");
}

Test(x86_alternatives, alternative_of_no_known_macro)
{
    const uint8_t code[] = {0x90, 0x90, 0x90, 0x90, 0xc3}, other[] = {0x0f, 0xae, 0xe8, 0x90};
    const struct entry entry = {.length = 4, .size = 4};
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, other, sizeof(other));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("no macro");
}

Test(x86_alternatives, filling_of_the_return_stack_was_jumped_over)
{
    for (uint8_t length = 31; length <= 43; length += 12) {
        uint8_t code[43], was[43];
        memset(code, 0x90, sizeof(code));
        memset(was, 0x90, sizeof(was));
        was[0] = 0xeb;
        was[1] = (uint8_t)(length - 2);
        const struct entry entry = {.length = length, .size = length};
        uint32_t text = restore_alternative(code, length, &entry, 1, code, length);
        expect_bytes(text, 0, was, length);
        expect_no_doubt();
        fixture_stop();
        fixture_start();
    }
}

Test(x86_alternatives, end_of_user_space_is_that_of_four_levels)
{
    const uint8_t five[] = {0x48, 0xbb, 0x00, 0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00};
    const uint8_t four[] = {0x48, 0xbb, 0x00, 0xf0, 0xff, 0xff, 0xff, 0x7f, 0x00, 0x00};
    const struct entry entry = {.length = 10, .size = 10};
    uint32_t text = restore_alternative(five, sizeof(five), &entry, 1, five, sizeof(five));
    expect_bytes(text, 0, four, sizeof(four));
    expect_no_doubt();
}

Test(x86_alternatives, operand_relative_to_the_next_instruction_was_relative_to_the_site)
{
    uint8_t code[7] = {0x0f, 0x0d, 0x0d}, replacement[7] = {0x0f, 0x0d, 0x0d}; /* prefetchw DATA+4(%rip) */
    const uint8_t was[7] = {0x0f, 0x18, 0x0d};
    const struct entry entry = {.length = 7, .size = 7};
    put_le32(code + 3, (uint32_t)(DATA + 4 - TEXT - 7));
    put_le32(replacement + 3, (uint32_t)(DATA + 4 - REPLACEMENTS - 7));
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, "12345678", 8);
    uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, replacement, sizeof(replacement));
    expect_bytes(text, 0, was, sizeof(was));
    expect_section(text, 3, R_X86_64_PC32, data, 0);
    expect_no_doubt();
}

Test(x86_alternatives, site_that_was_not_patched_is_told_by_where_it_leads)
{
    const uint8_t popcnt[] = {0xf3, 0x48, 0x0f, 0xb8, 0xc7}, was[] = {0xe8, 0, 0, 0, 0};
    const struct entry entry = {.length = 5, .size = 5};
    const uint64_t targets[] = {EXPORT_HWEIGHT, EXPORT_KFREE, EXPORT_HWEIGHT + 1, EXPORT_HWEIGHT};
    for (size_t i = 0; i < 4; i++) {
        uint8_t code[5];
        call_to(code, i == 3 ? 0xe9 : 0xe8, targets[i]);
        uint32_t text = restore_alternative(code, sizeof(code), &entry, 1, popcnt, sizeof(popcnt));
        if (i == 0) {
            expect_bytes(text, 0, was, sizeof(was));
            expect_import(text, 1, R_X86_64_PLT32, "__sw_hweight64", -4);
            expect_no_doubt();
        } else {
            expect_doubt("neither original nor a replacement");
        }
        fixture_stop();
        fixture_start();
    }
}

/* A feature test whose site holds `code`; the replacement leads 13 bytes behind its start. */
static uint32_t restore_feature_test(const uint8_t *code, size_t size)
{
    uint8_t jump[5] = {0xe9};
    const uint8_t aux[] = {0xf6, 0x04, 0x25, 0, 0, 0, 0, 1, 0x75, 0, 0xeb, 0};
    const struct entry entries[] = {{3 * 32 + 21, 0, 5, 5, 0}, {1, 0, 5, 0, 5}};
    put_le32(jump + 1, (uint32_t)(TEXT + 13 - REPLACEMENTS - 5));
    fixture_section(".altinstr_aux", TEXT + 0x2000, SHF_EXECINSTR, aux, sizeof(aux));
    return restore_alternative(code, size, entries, 2, jump, sizeof(jump));
}

Test(x86_alternatives, feature_test_that_was_not_patched)
{
    for (int is_original = 0; is_original < 2; is_original++) {
        uint8_t code[14];
        memset(code, 0x90, sizeof(code));
        code[0] = 0xe9;
        put_le32(code + 1, 0x2000 - 5 + !is_original);
        uint32_t text = restore_feature_test(code, sizeof(code));
        expect_section(text, 1, R_X86_64_PC32, 0, is_original ? -4 : -3);
        if (is_original)
            expect_no_doubt();
        else
            expect_doubt("neither original nor a replacement");
        fixture_stop();
        fixture_start();
    }
}

Test(x86_alternatives, site_beyond_its_section_is_left)
{
    const uint8_t nop[] = {0x66, 0x66, 0x66, 0x90}; /* goes on as a NOP in what lies behind */
    for (size_t size = 1; size <= sizeof(nop); size++) {
        uint32_t text = restore_feature_test(nop + sizeof(nop) - size, size);
        expect_bytes(text, 0, nop + sizeof(nop) - size, size);
        cr_assert_eq(fixture.draft.sections[text].relocation_count, 0);
        expect_doubt("longer than its section");
        fixture_stop();
        fixture_start();
    }
}

Test(x86_alternatives, call_needs_room)
{
    const uint8_t popcnt[] = {0xf3, 0x0f, 0xb8, 0xc7};
    const struct entry entry = {.length = 4, .size = 4};
    uint32_t text = restore_alternative(popcnt, sizeof(popcnt), &entry, 1, popcnt, sizeof(popcnt));
    expect_bytes(text, 0, popcnt, sizeof(popcnt));
    cr_assert_eq(fixture.draft.sections[text].relocation_count, 0);
    expect_doubt("no macro");
}

Test(x86_alternatives, entries_of_an_unknown_size_are_left)
{
    uint8_t bytes[42];
    memset(bytes, 0xff, sizeof(bytes));
    fixture_text("\xc3", 1);
    uint32_t table = fixture_section(".altinstructions", TABLE, 0, bytes, sizeof(bytes));
    fixture_restore();
    expect_bytes(table, 0, bytes, sizeof(bytes));
    expect_doubt("no known size of its entries fits");
}

Test(x86_alternatives, padding_of_the_table_is_no_entry)
{
    const uint8_t nothing[3] = {0x90, 0x90, 0x90}, stac[] = {0x0f, 0x01, 0xcb};
    uint8_t bytes[42] = {0};
    put_le32(bytes, (uint32_t)(TEXT - TABLE));
    put_le32(bytes + 4, (uint32_t)(REPLACEMENTS - TABLE - 4));
    bytes[12] = bytes[13] = 3; /* two entries of zeros follow */
    fixture.context.shapes.alternative = 14;
    uint32_t text = fixture_text(stac, sizeof(stac));
    fixture_section(".altinstr_replacement", REPLACEMENTS, SHF_EXECINSTR, stac, sizeof(stac));
    fixture_section(".altinstructions", TABLE, 0, bytes, sizeof(bytes));
    fixture_restore();
    expect_bytes(text, 0, nothing, sizeof(nothing));
    expect_no_doubt();
}
