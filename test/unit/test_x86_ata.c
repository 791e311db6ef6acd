/* Tables of ATA operations before libata filled in what they inherit (ata.c). */
#include "test_x86_fixture.h"

#define SLOTS 16
#define LAST  (SLOTS - 1)

/* The kernel's tables: what all inherit from in the end, and two that inherit from it. */
static void start(void)
{
    fixture_start();
    fixture.context.ata_ops = EXPORT_SATA;
    const uint64_t tables[][SLOTS] = {
        {[1] = EXPORT_KFREE, [2] = EXPORT_RETURN, [3] = EXPORT_RAX, [7] = EXPORT_PV},
        {[4] = EXPORT_R11, [LAST] = KERNEL_ATA_BASE},
        {[5] = EXPORT_HWEIGHT, [6] = EXPORT_R11, [LAST] = KERNEL_ATA_BASE},
    };
    const uint64_t addresses[] = {KERNEL_ATA_BASE, EXPORT_SATA, EXPORT_SFF};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < SLOTS; k++)
            fixture_word(addresses[i] + k * 8, tables[i][k]);
    fixture_text("12345678", 8);
}

TestSuite(x86_ata, .init = start, .fini = fixture_stop);

/* What libata made of a table that has a function of its own, another instead of an inherited one, and one not at all.
 */
static const uint64_t filled[SLOTS] = {
    [0] = TEXT, [1] = EXPORT_KFREE, [2] = TEXT + 1, [4] = EXPORT_R11, [7] = EXPORT_PV};

/* Tables of the module, one behind the other. */
static uint32_t restore_tables_of(const uint64_t (*words)[SLOTS], size_t count)
{
    uint8_t bytes[4 * SLOTS * 8];
    for (size_t i = 0; i < count * SLOTS; i++)
        put_le64(bytes + i * 8, words[i / SLOTS][i % SLOTS]);
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, bytes, count * SLOTS * 8);
    for (size_t i = 0; i < count; i++)
        fixture_symbol((const char *[]){"a_ops", "b_ops", "c_ops", "d_ops"}[i], data, i * SLOTS * 8, SLOTS * 8,
                       STB_LOCAL, STT_OBJECT);
    fixture_restore();
    return data;
}

static uint64_t slot(uint32_t data, size_t index)
{
    return le64(fixture.draft.sections[data].data + index * 8);
}

Test(x86_ata, inherited_functions_were_not_there)
{
    uint32_t data = restore_tables_of(&filled, 1);
    expect_section(data, 0, R_X86_64_64, 0, 0);
    cr_assert(!fixture_relocation(data, 8) && slot(data, 1) == 0, "inherited");
    expect_section(data, 16, R_X86_64_64, 0, 1);
    cr_assert_eq(slot(data, 3), UINT64_C(-2), "ATA_OP_NULL");
    cr_assert(!fixture_relocation(data, 32) && slot(data, 4) == 0, "inherited");
    expect_import(data, LAST * 8, R_X86_64_64, "sata_port_ops", 0);
    cr_assert_eq(fixture.draft.sections[data].relocation_count, 3);
}

Test(x86_ata, table_that_still_says_what_it_inherits_from_is_as_it_was)
{
    const uint64_t words[SLOTS] = {[1] = EXPORT_KFREE, [4] = EXPORT_R11, [LAST] = EXPORT_SFF};
    uint32_t data = restore_tables_of(&words, 1);
    expect_import(data, 8, R_X86_64_64, "kfree", 0);
    expect_import(data, LAST * 8, R_X86_64_64, "ata_sff_port_ops", 0);
    cr_assert_eq(slot(data, 3), 0);
}

Test(x86_ata, other_tables_of_functions_are_left_alone)
{
    static const uint64_t cases[][SLOTS] = {
        {[0] = TEXT, [9] = EXPORT_KFREE, [8] = EXPORT_RETURN},                 /* elsewhere */
        {[0] = TEXT, [1] = EXPORT_KFREE},                                      /* one alone may be chance */
        {[1] = EXPORT_KFREE, [2] = EXPORT_RETURN, [4] = EXPORT_R11, [5] = 77}, /* not of pointers */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t data = restore_tables_of(&cases[i], 1);
        for (size_t k = 0; k < SLOTS; k++)
            cr_expect_eq(fixture_relocation(data, k * 8) != NULL, is_kernel_map(cases[i][k]), "%zu of case %zu", k, i);
        fixture_stop();
        start();
    }
}

Test(x86_ata, table_that_may_inherit_from_one_of_the_module_is_left_alone)
{
    uint64_t words[2][SLOTS];
    memcpy(words[0], filled, sizeof(filled));
    memcpy(words[1], filled, sizeof(filled));
    words[1][0] = TEXT + 2; /* all else is of the other, or the other's of it */
    uint32_t data = restore_tables_of(words, 2);
    expect_import(data, 8, R_X86_64_64, "kfree", 0);
    expect_import(data, (SLOTS + 1) * 8, R_X86_64_64, "kfree", 0);
    cr_assert(!fixture_relocation(data, LAST * 8));
}

Test(x86_ata, table_that_another_one_inherits_from_is_restored)
{
    uint64_t words[2][SLOTS] = {{0}, {[0] = TEXT + 2, [LAST] = DATA}};
    memcpy(words[0], filled, sizeof(filled));
    uint32_t data = restore_tables_of(words, 2);
    expect_import(data, LAST * 8, R_X86_64_64, "sata_port_ops", 0);
    expect_section(data, (SLOTS + LAST) * 8, R_X86_64_64, data, 0);
}

Test(x86_ata, tables_in_a_circle_end)
{
    for (size_t i = 0; i < fixture.word_count; i++)
        if (fixture.words[i].address == KERNEL_ATA_BASE + LAST * 8)
            fixture.words[i].value = EXPORT_SATA;
    uint32_t data = restore_tables_of(&filled, 1);
    expect_import(data, 8, R_X86_64_64, "kfree", 0);
}

Test(x86_ata, symbols_beyond_their_section_are_left_alone)
{
    uint8_t bytes[SLOTS * 8] = {0};
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, bytes, sizeof(bytes));
    fixture_symbol("a_ops", data, 8, SLOTS * 8, STB_LOCAL, STT_OBJECT);
    fixture_symbol("b_ops", data, UINT64_MAX - 7, SLOTS * 8, STB_LOCAL, STT_OBJECT);
    fixture_symbol("c_ops", data, 0, UINT64_MAX - 7, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    expect_bytes(data, 0, bytes, sizeof(bytes));
}
