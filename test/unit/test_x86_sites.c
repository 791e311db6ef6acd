/* One site a rule: what the kernel wrote goes back to what the file held; what it cannot have written stays. */
#include "test_x86_fixture.h"

TestSuite(x86_sites, .init = fixture_start, .fini = fixture_stop);

/* Restores one site listed in a self-relative table and returns the section of the code. */
static uint32_t restore_site(const char *table, const uint8_t *code, size_t size)
{
    const uint64_t places[] = {TEXT};
    uint32_t text = fixture_text(code, size);
    fixture_relative_table(table, places, 1);
    fixture_restore();
    return text;
}

static void branch_to(uint8_t *code, size_t length, uint64_t target)
{
    put_le32(code + length - 4, (uint32_t)(target - TEXT - length));
}

static void check_ftrace(const uint8_t code[8], bool known)
{
    uint8_t table[8];
    const uint8_t call[] = {0xe8, 0, 0, 0, 0};
    uint32_t text = fixture_text(code, 8);
    put_le64(table, TEXT);
    uint32_t index = fixture_section("__mcount_loc", TABLE, 0, table, sizeof(table));
    fixture_restore();
    expect_section(index, 0, R_X86_64_64, text, 0);
    if (!known) {
        expect_bytes(text, 0, code, 5);
        expect_doubt("ftrace site");
        return;
    }
    expect_bytes(text, 0, call, sizeof(call));
    expect_import(text, 1, R_X86_64_PLT32, "__fentry__", -4);
    expect_no_doubt();
    cr_assert_eq(fixture.draft.sections[text].restored_sites, 1);
    cr_assert_gt(fixture.draft.sections[text].restored_bytes, 0);
}

Test(x86_sites, ftrace_nop)
{
    const uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 0, 0xc3};
    check_ftrace(code, true);
}

Test(x86_sites, ftrace_nop_of_older_cpus)
{
    const uint8_t code[8] = {0x66, 0x66, 0x66, 0x66, 0x90, 0xc3};
    check_ftrace(code, true);
}

Test(x86_sites, ftrace_traced)
{
    uint8_t code[8] = {0xe8, 0, 0, 0, 0, 0xc3};
    branch_to(code, 5, KERNEL_TRACER);
    check_ftrace(code, true);
}

Test(x86_sites, ftrace_calls_something_else)
{
    uint8_t code[8] = {0xe8, 0, 0, 0, 0, 0xc3};
    const uint8_t call[] = {0xe8, 0, 0, 0, 0};
    uint8_t table[8];
    branch_to(code, 5, EXPORT_KFREE);
    uint32_t text = fixture_text(code, sizeof(code));
    put_le64(table, TEXT);
    fixture_section("__mcount_loc", TABLE, 0, table, sizeof(table));
    fixture_restore();
    expect_doubt("ftrace site");
    expect_bytes(text, 0, call, sizeof(call)); /* an ordinary call then */
    expect_import(text, 1, R_X86_64_PLT32, "kfree", -4);
}

Test(x86_sites, ftrace_damaged)
{
    const uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 1, 0xc3};
    check_ftrace(code, false);
}

Test(x86_sites, ftrace_table_points_outside)
{
    const uint8_t code[8] = {0x0f, 0x1f, 0x44, 0, 0, 0xc3};
    uint8_t table[16];
    uint32_t text = fixture_text(code, sizeof(code));
    put_le64(table, HEAP);
    put_le64(table + 8, TEXT + 6); /* runs over the end */
    uint32_t index = fixture_section("__mcount_loc", TABLE, 0, table, sizeof(table));
    fixture_restore();
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("outside of the module's code");
    cr_assert_null(fixture_relocation(index, 0));
}

Test(x86_sites, return )
{
    const uint8_t code[] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc}, jump[] = {0xe9, 0, 0, 0, 0};
    uint32_t text = restore_site(".return_sites", code, sizeof(code));
    expect_bytes(text, 0, jump, sizeof(jump));
    expect_import(text, 1, R_X86_64_PLT32, "__x86_return_thunk", -4);
    expect_no_doubt();
}

Test(x86_sites, return_by_a_mitigation)
{
    uint8_t code[] = {0xe9, 0, 0, 0, 0};
    branch_to(code, 5, KERNEL_SRSO);
    uint32_t text = restore_site(".return_sites", code, sizeof(code));
    expect_import(text, 1, R_X86_64_PLT32, "__x86_return_thunk", -4);
    expect_no_doubt();
}

Test(x86_sites, return_damaged)
{
    const uint8_t code[] = {0xc3, 0xcc, 0xcc, 0xcd, 0xcc};
    uint32_t text = restore_site(".return_sites", code, sizeof(code));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("return site");
}

static void check_retpoline(const uint8_t *code, size_t size, const uint8_t *was, size_t was_size, const char *name)
{
    uint32_t text = restore_site(".retpoline_sites", code, size);
    expect_bytes(text, 0, was, was_size);
    expect_import(text, was_size - 4, R_X86_64_PLT32, name, -4);
    expect_no_doubt();
}

Test(x86_sites, retpoline_call)
{
    const uint8_t code[] = {0xff, 0xd0, 0x0f, 0x1f, 0x00, 0xc3}, was[] = {0xe8, 0, 0, 0, 0};
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_rax");
}

Test(x86_sites, retpoline_call_of_high_register)
{
    const uint8_t code[] = {0x41, 0xff, 0xd3, 0x0f, 0x1f, 0x00, 0xc3}, was[] = {0x2e, 0xe8, 0, 0, 0, 0};
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_r11");
}

Test(x86_sites, retpoline_call_of_high_register_without_prefix)
{
    const uint8_t code[] = {0x41, 0xff, 0xd3, 0x66, 0x90, 0xc3}, was[] = {0xe8, 0, 0, 0, 0};
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_r11");
}

Test(x86_sites, retpoline_jump_with_int3)
{
    const uint8_t code[] = {0xff, 0xe0, 0xcc, 0x66, 0x90, 0xc3}, was[] = {0xe9, 0, 0, 0, 0};
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_rax");
}

Test(x86_sites, retpoline_lfence)
{
    const uint8_t code[] = {0x0f, 0xae, 0xe8, 0xff, 0xd0, 0xc3}, was[] = {0xe8, 0, 0, 0, 0};
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_rax");
}

Test(x86_sites, retpoline_conditional)
{
    const uint8_t code[] = {0x75, 0x04, 0xff, 0xe0, 0xcc, 0x90, 0xc3}, was[] = {0x0f, 0x84, 0, 0, 0, 0};
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_rax");
}

Test(x86_sites, retpoline_thunk_in_use)
{
    uint8_t code[] = {0x2e, 0xe8, 0, 0, 0, 0, 0xc3};
    const uint8_t was[] = {0x2e, 0xe8, 0, 0, 0, 0};
    branch_to(code, 6, EXPORT_R11);
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_r11");
}

Test(x86_sites, retpoline_its_thunk_in_a_page_of_its_own)
{
    uint8_t code[] = {0xe8, 0, 0, 0, 0, 0xc3};
    const uint8_t was[] = {0xe8, 0, 0, 0, 0};
    uint64_t page = INIT + 0x10000;
    fixture_word(page, 0xcccccccccccce0ff);
    branch_to(code, 5, page);
    check_retpoline(code, sizeof(code), was, sizeof(was), "__x86_indirect_thunk_rax");
}

Test(x86_sites, retpoline_damaged)
{
    const uint8_t code[] = {0xff, 0xd0, 0x0f, 0x1f, 0x01, 0xc3};
    uint32_t text = restore_site(".retpoline_sites", code, sizeof(code));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("retpoline site");
}

Test(x86_sites, retpoline_that_its_section_cuts)
{
    static const uint8_t opcodes[][2] = {{0x2e, 0xe8}, {0x0f, 0x84}};
    const uint64_t site = TEXT;
    for (size_t i = 0; i < 2; i++) {
        uint8_t code[6] = {opcodes[i][0], opcodes[i][1]};
        branch_to(code, 6, EXPORT_R11);
        uint32_t text = fixture_text(code, 5);
        fixture.draft.sections[text].data[5] = code[5]; /* what happens to lie behind it */
        fixture_relative_table(".retpoline_sites", &site, 1);
        fixture_restore();
        expect_bytes(text, 0, code, 5);
        cr_assert_eq(fixture.draft.sections[text].relocation_count, 0);
        expect_doubt("neither a thunk call nor an indirect branch");
        fixture_stop();
        fixture_start();
    }
}

Test(x86_sites, sealed_endbr)
{
    const uint8_t codes[][4] = {{0x66, 0x0f, 0x1f, 0x00}, {0x0f, 0x1f, 0x40, 0xd6}}, was[] = {0xf3, 0x0f, 0x1e, 0xfa};
    for (size_t i = 0; i < 2; i++) {
        uint32_t text = restore_site(".ibt_endbr_seal", codes[i], 4);
        expect_bytes(text, 0, was, sizeof(was));
        expect_no_doubt();
        fixture_stop();
        fixture_start();
    }
}

Test(x86_sites, sealed_endbr_damaged)
{
    const uint8_t code[] = {0x66, 0x0f, 0x1f, 0x40};
    uint32_t text = restore_site(".ibt_endbr_seal", code, sizeof(code));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("sealed endbr");
}

Test(x86_sites, lock_prefix)
{
    uint8_t code[] = {0x3e, 0xff, 0x05, 0, 0, 0, 0}; /* ds incl data(%rip) */
    const uint8_t was[] = {0xf0, 0xff, 0x05, 0, 0, 0, 0}, data[8] = {0};
    put_le32(code + 3, (uint32_t)(DATA - TEXT - 7));
    uint32_t variable = fixture_section(".data", DATA, SHF_WRITE, data, sizeof(data));
    uint32_t text = restore_site(".smp_locks", code, sizeof(code));
    expect_bytes(text, 0, was, sizeof(was));
    expect_section(text, 3, R_X86_64_PC32, variable, -4); /* and the instruction is still decoded */
    expect_no_doubt();
}

Test(x86_sites, lock_prefix_damaged)
{
    const uint8_t code[] = {0x26, 0xff, 0x00};
    uint32_t text = restore_site(".smp_locks", code, sizeof(code));
    expect_bytes(text, 0, code, sizeof(code));
    expect_doubt("lock prefix");
}

Test(x86_sites, call_thunk)
{
    const uint8_t accounting[16] = {0x65, 0x48, 0xc1, 0x3c, 0x25, 1, 2, 3, 4, 0x05};
    uint8_t code[64], nops[10];
    memset(code, 0x90, sizeof(code));
    memset(nops, 0x90, sizeof(nops));
    fixture.context.padding = (struct call_padding){
        10, {0x65, 0x48, 0xc1, 0x3c, 0x25, 0, 0, 0, 0, 0x05}, {0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff}};
    code[0] = 0xe8;
    branch_to(code, 5, TEXT + 22); /* ten bytes before the function at 32 */
    memcpy(code + 22, accounting, 10);
    uint32_t text = restore_site(".call_sites", code, sizeof(code));
    expect_bytes(text, 22, nops, sizeof(nops));
    cr_assert_eq(le32(fixture.draft.sections[text].data + 1), 27);
    expect_no_doubt();
}

/* A call that was written by hand, or of what needs no accounting. */
Test(x86_sites, call_thunk_not_in_use)
{
    uint8_t code[64];
    memset(code, 0x90, sizeof(code));
    fixture.context.padding = (struct call_padding){10, {0x65}, {0xff}};
    code[0] = 0xe8;
    branch_to(code, 5, KERNEL_FUNCTION);
    fixture_word(KERNEL_FUNCTION, 0x66); /* no accounting there */
    fixture_word(KERNEL_FUNCTION + 8, 0);
    uint32_t text = restore_site(".call_sites", code, sizeof(code));
    cr_assert_eq(fixture.draft.sections[text].restored_sites, 0);
    expect_bytes(text, 0, code, sizeof(code));
}
