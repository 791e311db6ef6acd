/* Which code is of one object, by what it refers to (units.c). */
#include "object/x86_64/units.h"
#include "test_x86_fixture.h"

TestSuite(x86_units, .init = fixture_start, .fini = fixture_stop);

static struct {
    uint32_t text;
    struct restore restore;
} module;

/* Four functions; an array of two structs of 16 bytes, and right behind its end 8 bytes and a variable. */
static struct units *start_units(void)
{
    uint8_t code[0x80], bytes[0x40] = {0};
    memset(code, 0x90, sizeof(code));
    module.text = fixture_text(code, sizeof(code));
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, bytes, sizeof(bytes));
    for (uint32_t i = 0; i < 4; i++)
        fixture_symbol((const char *[]){"a", "b", "c", "d"}[i], module.text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("array", data, 0, 0x20, STB_LOCAL, STT_OBJECT);
    fixture_symbol("variable", data, 0x28, 8, STB_LOCAL, STT_OBJECT);
    cr_assert(restore_init(&module.restore, &fixture.context, &fixture.draft));
    module.restore.units = units_new(&module.restore);
    cr_assert(module.restore.units);
    return module.restore.units;
}

static enum kinship first_and_last(void)
{
    units_settle(module.restore.units);
    enum kinship kinship = units_compare(module.restore.units, module.text, 0, 0x60);
    restore_free(&module.restore);
    fixture_stop();
    fixture_start();
    return kinship;
}

Test(x86_units, end_of_a_loop_over_a_member_is_no_reference_to_what_lies_there)
{
    for (int inside = 0; inside < 2; inside++) {
        struct units *units = start_units();
        units_address(units, module.text, 0, DATA + (inside ? 8 : 9)); /* the second member of the first struct */
        units_reference(units, module.text, 0, DATA + 0x28);           /* that of what would be the third */
        units_reference(units, module.text, 0x60, DATA + 0x28);
        cr_assert_eq(first_and_last(), inside ? KIN_UNKNOWN : KIN_SAME, "%d", inside);
    }
}

Test(x86_units, function_is_called_by_branches_from_others_to_its_start)
{
    struct units *units = start_units();
    units_branch(units, module.text, 0, 0x20);
    units_branch(units, module.text, 0, 0x44);    /* into its middle */
    units_branch(units, module.text, 0x68, 0x60); /* a loop */
    units_join(units, module.text, 0x20, 0x40);   /* no branch */
    cr_assert(units_is_called(units, module.text, 1));
    cr_assert_not(units_is_called(units, module.text, 2));
    cr_assert_not(units_is_called(units, module.text, 3));
    cr_assert_eq(first_and_last(), KIN_UNKNOWN);
}
