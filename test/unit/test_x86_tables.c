/* Relocations of tables, and their order before the loader sorted them. */
#include "test_x86_fixture.h"

TestSuite(x86_tables, .init = fixture_start, .fini = fixture_stop);

static const uint8_t zeros[64];

Test(x86_tables, bug_table_of_both_sizes)
{
    for (unsigned entry = 12; entry <= 16; entry += 4) {
        uint8_t bytes[16] = {0};
        put_le32(bytes, (uint32_t)(TEXT + 2 - TABLE));
        put_le32(bytes + 4, (uint32_t)(RODATA - TABLE - 4));
        if (entry == 16)
            put_le32(bytes + 8, (uint32_t)(RODATA + 8 - TABLE - 8));
        put_le16(bytes + entry - 4, 77);
        put_le16(bytes + entry - 2, 0x905); /* BUGFLAG_DONE among others */
        fixture.context.shapes.bug = entry;
        uint32_t text = fixture_text(zeros, 16), rodata = fixture_section(".rodata", RODATA, 0, zeros, 32);
        uint32_t table = fixture_section("__bug_table", TABLE, SHF_WRITE, bytes, entry);
        fixture_restore();
        expect_section(table, 0, R_X86_64_PC32, text, 2);
        expect_section(table, 4, R_X86_64_PC32, rodata, 0);
        if (entry == 16)
            expect_section(table, 8, R_X86_64_PC32, rodata, 8);
        cr_assert_eq(le16(fixture.draft.sections[table].data + entry - 4), 77);
        cr_assert_eq(le16(fixture.draft.sections[table].data + entry - 2), 0x901);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_tables, bug_table_of_a_size_that_no_kernel_has_is_taken_for_one_of_the_usual)
{
    /* By types or a count that are damaged. */
    static const uint64_t sizes[][2] = {{1, 0}, {7, 0}, {17, 0}, {UINT32_MAX, 0}, {0, 0}, {0, 1}, {0, 17}};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint8_t bytes[24] = {0};
        for (size_t k = 0; k < 2; k++) {
            put_le32(bytes + k * 12, (uint32_t)(TEXT + 2 - TABLE - k * 12));
            put_le16(bytes + k * 12 + 10, 0x905);
        }
        struct lkmfs_table_entry counted = {.section = "__bug_table", .address = TABLE, .entry = sizes[i][1]};
        fixture.module.tables = &counted;
        fixture.module.table_count = 1;
        fixture.context.shapes.bug = (unsigned)sizes[i][0];
        uint32_t text = fixture_text(zeros, 16);
        uint32_t table = fixture_section("__bug_table", TABLE, SHF_WRITE, bytes, sizeof(bytes));
        fixture_restore();
        for (uint64_t at = 0; at < 24; at += 12) {
            expect_section(table, at, R_X86_64_PC32, text, 2);
            cr_expect_eq(le16(fixture.draft.sections[table].data + at + 10), 0x901);
        }
        fixture_stop();
        fixture_start();
    }
}

/* struct exception_table_entry: where, where to, and an exported handler or, in newer kernels, a number. */
Test(x86_tables, handler_of_an_exception)
{
    for (int is_exported = 0; is_exported < 2; is_exported++) {
        uint8_t bytes[12];
        put_le32(bytes, (uint32_t)(TEXT + 2 - TABLE));
        put_le32(bytes + 4, (uint32_t)(TEXT + 8 - TABLE - 4));
        put_le32(bytes + 8, is_exported ? (uint32_t)(EXPORT_KFREE - TABLE - 8) : 3);
        uint32_t text = fixture_text(zeros, 16);
        uint32_t table = fixture_section("__ex_table", TABLE, 0, bytes, sizeof(bytes));
        fixture_restore();
        expect_section(table, 0, R_X86_64_PC32, text, 2);
        expect_section(table, 4, R_X86_64_PC32, text, 8);
        if (is_exported)
            expect_import(table, 8, R_X86_64_PC32, "kfree", 0);
        else
            cr_expect(!fixture_relocation(table, 8) && le32(fixture.draft.sections[table].data + 8) == 3);
        expect_no_doubt();
        fixture_stop();
        fixture_start();
    }
}

/* A table of calls as the loader sorted it: of "a" and "c" in .text, of .exit.text, and of the freed init function. */
static uint32_t make_calls(uint32_t *ret_text)
{
    static const uint64_t calls[] = {TEXT, TEXT + 32, TEXT + 64, INIT};
    uint8_t code[96], table[32];
    memset(code, 0x90, sizeof(code));
    for (size_t i = 0; i < 3; i++)
        memcpy(code + i * 32, (const uint8_t[]){0x0f, 0x1f, 0x44, 0, 0}, 5);
    for (size_t i = 0; i < 4; i++)
        put_le64(table + i * 8, calls[i]);
    *ret_text = fixture_text(code, 64);
    uint32_t exit_text = fixture_section(".exit.text", TEXT + 64, SHF_EXECINSTR, code + 64, 32);
    fixture_section(".init.text", INIT, SHF_EXECINSTR, code, 32);
    fixture_symbol("a", *ret_text, 0, 32, STB_LOCAL, STT_FUNC);
    fixture_symbol("b", exit_text, 0, 32, STB_LOCAL, STT_FUNC);
    fixture_symbol("c", *ret_text, 32, 32, STB_LOCAL, STT_FUNC);
    return fixture_section("__mcount_loc", TABLE, 0, table, sizeof(table));
}

Test(x86_tables, sorted_table_goes_back_to_the_order_of_the_compiler)
{
    const uint64_t order[] = {INIT, TEXT, TEXT + 32, TEXT + 64}; /* not sorted by the loader */
    uint8_t patchable[32];
    uint32_t text, index = make_calls(&text);
    for (size_t i = 0; i < 4; i++)
        put_le64(patchable + i * 8, order[i]);
    fixture_section("__patchable_function_entries", DATA, SHF_WRITE, patchable, sizeof(patchable));
    fixture_restore();
    expect_section(index, 0, R_X86_64_64, text + 2, 0);
    expect_section(index, 8, R_X86_64_64, text, 0);
    expect_section(index, 16, R_X86_64_64, text, 32);
    expect_section(index, 24, R_X86_64_64, text + 1, 0);
    expect_no_doubt();
}

Test(x86_tables, table_that_was_linked_by_section_tells_nothing)
{
    const struct lkmfs_module_symbol inner = {
        .name = "inner", .value = TEXT, .info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)};
    static const struct {
        uint64_t order[4];
        bool is_linked, is_told;
    } cases[] = {
        {{TEXT + 64, TEXT, TEXT + 32, INIT}, true, false},
        {{TEXT + 64, TEXT, TEXT + 32, INIT}, false, true}, /* one object */
        {{TEXT, TEXT + 64, TEXT + 32, INIT}, true, true},  /* not by section, so of one object */
    };
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        uint8_t patchable[32];
        uint32_t text, index = make_calls(&text);
        for (size_t i = 0; i < 4; i++)
            put_le64(patchable + i * 8, cases[k].order[i]);
        fixture_section("__patchable_function_entries", DATA, SHF_WRITE, patchable, sizeof(patchable));
        fixture.context.shapes.entries_by_section = true;
        fixture.module.symbols = &inner;
        fixture.module.symbol_count = cases[k].is_linked;
        fixture_restore();
        uint64_t first = cases[k].order[0] == TEXT || !cases[k].is_told ? TEXT : TEXT + 64;
        expect_section(index, 0, R_X86_64_64, first == TEXT ? text : text + 1, 0);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_tables, local_symbols_tell_where_functions_of_other_sections_were_written)
{
    uint32_t text, index = make_calls(&text);
    fixture.module.exit = TEXT + 64;
    fixture.module.init = INIT;
    fixture_restore();
    expect_section(index, 0, R_X86_64_64, text, 0);
    expect_section(index, 8, R_X86_64_64, text + 2, 0); /* along with the exit function, nothing else being known */
    expect_section(index, 16, R_X86_64_64, text + 1, 0);
    expect_section(index, 24, R_X86_64_64, text, 32);
}

Test(x86_tables, jumps_of_what_was_split_off_follow_those_of_the_rest)
{
    const uint64_t jumps[] = {TEXT, TEXT + 32, RODATA};
    uint8_t code[64], table[48] = {0};
    memset(code, 0x90, sizeof(code));
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t cold = fixture_section(".text.unlikely", RODATA, SHF_EXECINSTR, code, 32);
    for (size_t i = 0; i < 3; i++)
        put_le32(table + i * 16, (uint32_t)(jumps[i] - TABLE - i * 16));
    uint32_t index = fixture_section("__jump_table", TABLE, 0, table, sizeof(table));
    fixture_symbol("a", text, 0, 32, STB_LOCAL, STT_FUNC);
    fixture_symbol("a.cold", cold, 0, 32, STB_LOCAL, STT_FUNC);
    fixture_symbol("b", text, 32, 32, STB_LOCAL, STT_FUNC);
    fixture_restore();
    expect_section(index, 0, R_X86_64_PC32, text, 0);
    expect_section(index, 16, R_X86_64_PC32, cold, 0);
    expect_section(index, 32, R_X86_64_PC32, text, 32);
}

Test(x86_tables, static_calls_that_are_jumps_come_first)
{
    static const bool is_jump[] = {false, true, false};
    uint8_t code[0x60], bytes[24];
    memset(code, 0x90, sizeof(code));
    for (size_t i = 0; i < 3; i++) { /* as the loader sorted them: all are of one key */
        code[i * 0x20] = is_jump[i] ? 0xe9 : 0xe8;
        put_le32(code + i * 0x20 + 1, (uint32_t)(KERNEL_FUNCTION - TEXT - i * 0x20 - 5));
        put_le32(bytes + i * 8, (uint32_t)(TEXT + i * 0x20 - TABLE - i * 8));
        put_le32(bytes + i * 8 + 4, (uint32_t)((EXPORT_KEY | is_jump[i]) - TABLE - i * 8 - 4));
    }
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t table = fixture_section(".static_call_sites", TABLE, SHF_WRITE, bytes, sizeof(bytes));
    fixture_word(EXPORT_KEY, KERNEL_FUNCTION);
    fixture_restore();
    expect_section(table, 0, R_X86_64_PC32, text, 0x20);
    expect_section(table, 8, R_X86_64_PC32, text, 0);
    expect_section(table, 16, R_X86_64_PC32, text, 0x40);
}

Test(x86_tables, unwind_entry_of_an_end_belongs_to_what_ends)
{
    const uint64_t places[] = {TEXT + 32};
    uint32_t text = fixture_text(zeros, 32);
    fixture_section(".exit.text", TEXT + 32, SHF_EXECINSTR, zeros, 32);
    uint32_t table = fixture_relative_table(".orc_unwind_ip", places, 1);
    fixture_section(".orc_unwind", RODATA, 0, zeros, 6);
    fixture_restore();
    expect_section(table, 0, R_X86_64_PC32, text, 32);
}

Test(x86_tables, entries_of_freed_code_keep_their_section)
{
    const uint64_t places[] = {INIT + 16};
    fixture_text(zeros, 32);
    struct draft_section *init = draft_add_section(&fixture.draft, ".init.text");
    *init = (struct draft_section){
        .name = ".init.text", .address = INIT, .size = 64, .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_EXECINSTR};
    uint32_t index = (uint32_t)(fixture.draft.section_count - 1);
    uint32_t table = fixture_relative_table(".return_sites", places, 1);
    fixture_restore();
    expect_section(table, 0, R_X86_64_PC32, index, 16);
    expect_no_doubt();
}
