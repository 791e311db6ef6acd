#include <criterion/criterion.h>

#include "test_object_fake.h"

static uint64_t size_of(const struct fake_module *fake, const char *name)
{
    const struct draft_section *section = fake_find(fake, name);
    cr_assert(section, "no section %s", name);
    return section->size;
}

Test(object_sizes, counted_tables_are_exact)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, "__bug_table", FAKE_DATA, 0);
    fake_section(fake, ".data", FAKE_DATA, 0x20);
    fake_table(fake, "__bug_table", FAKE_DATA, 0, 2, 12);
    fake_fill(fake, FAKE_DATA, 0x20, 64);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, "__bug_table"), 24);
    cr_expect_eq(fake_find(fake, "__bug_table")->size_from, LKMFS_FROM_RESTORED);
    fake_module_free(fake);
}

Test(object_sizes, a_count_that_does_not_fit_is_not_believed)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, "__bug_table", FAKE_DATA, 0);
    fake_section(fake, ".data", FAKE_DATA, 0x20);
    fake_table(fake, "__bug_table", FAKE_DATA, 0, UINT64_MAX / 8, 12);
    fake_fill(fake, FAKE_DATA, 0, 12);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, "__bug_table"), 12);
    fake_module_free(fake);
}

Test(object_sizes, notes_and_struct_module)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".note.Linux", FAKE_RODATA, 0);
    fake_section(fake, ".rodata", FAKE_RODATA, 0x40);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_section(fake, ".bss", FAKE_DATA, 0x240);
    fake->notes[fake->module.note_count++] =
        (struct lkmfs_note_entry){".note.Linux", fake_address(FAKE_RODATA, 0), 0x18};
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".note.Linux"), 0x18);
    cr_expect_eq(size_of(fake, ".gnu.linkonce.this_module"), 0x200);
    const struct draft_section *structure = fake_find(fake, ".gnu.linkonce.this_module");
    cr_expect_str_eq((const char *)structure->data + 24, "fake");
    cr_expect_eq(structure->data[0], 0);
    fake_module_free(fake);
}

Test(object_sizes, a_neighbour_without_alignment_bounds_exactly)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".rodata", FAKE_RODATA, 0);
    fake_section(fake, ".rodata.str1.1", FAKE_RODATA, 0x23);
    fake_fill(fake, FAKE_RODATA, 0, 0x10);
    memcpy(fake->bytes[FAKE_RODATA] + 0x23, "text", 5);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".rodata"), 0x23);
    cr_expect_eq(size_of(fake, ".rodata.str1.1"), 5);
    fake_module_free(fake);
}

Test(object_sizes, code_ends_with_its_last_function)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".exit.text", FAKE_TEXT, 0x40);
    fake_symbol(fake, "first", fake_address(FAKE_TEXT, 0), 0x13, 1, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    fake_symbol(fake, "second", fake_address(FAKE_TEXT, 0x20), 0x18, 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    fake_symbol(fake, "leave", fake_address(FAKE_TEXT, 0x40), 0x21, 3, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".text"), 0x38);
    cr_expect_eq(size_of(fake, ".exit.text"), 0x21);
    cr_expect_eq(fake_find(fake, ".exit.text")->original_index, 3);
    fake_module_free(fake);
}

Test(object_sizes, export_strings_keep_their_last_empty_name_space)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, "__ksymtab", FAKE_RODATA, 0);
    fake_section(fake, "__ksymtab_strings", FAKE_RODATA, 12);
    fake_section(fake, ".rodata", FAKE_RODATA, 0x40);
    fake_table(fake, "__ksymtab", FAKE_RODATA, 0, 1, 12);
    fake_relative(fake, FAKE_RODATA, 0, fake_address(FAKE_TEXT, 0));
    fake_relative(fake, FAKE_RODATA, 4, fake_address(FAKE_RODATA, 12));
    fake_relative(fake, FAKE_RODATA, 8, fake_address(FAKE_RODATA, 17));
    memcpy(fake->bytes[FAKE_RODATA] + 12, "name", 5);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, "__ksymtab_strings"), 6);
    fake_module_free(fake);
}

Test(object_sizes, zeroed_data_ends_with_its_last_object)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".bss", FAKE_DATA, 0x40);
    fake_symbol(fake, "object", fake_address(FAKE_DATA, 0), 4, 1, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 'd');
    fake_symbol(fake, "zeroed", fake_address(FAKE_DATA, 0x48), 0x22, 2, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 'b');
    fake_fill(fake, FAKE_DATA, 0, 4);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".bss"), 0x2a);
    cr_expect_eq(fake_find(fake, ".bss")->type, SHT_NOBITS);
    cr_expect_null(fake_find(fake, ".bss")->data);
    fake_module_free(fake);
}

/* Size of .rodata with `filled` bytes and a label at `label`, before a section at 0x28. */
static uint64_t labelled_size(const char *name, uint64_t label, uint64_t filled)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".rodata", FAKE_RODATA, 0);
    fake_section(fake, ".note.gnu.property", FAKE_RODATA, 0x28);
    fake_symbol(fake, name, fake_address(FAKE_RODATA, label), 0, 1, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 'r');
    fake_fill(fake, FAKE_RODATA, 0, filled);
    cr_assert(fake_layout(fake));
    uint64_t size = size_of(fake, ".rodata");
    fake_module_free(fake);
    return size;
}

Test(object_sizes, constants_of_two_bytes_come_last)
{
    cr_expect_eq(labelled_size(".LC4", 0x24, 0x25), 0x26);
    cr_expect_eq(labelled_size(".LC4", 0x24, 0x20), 0x26, "a zero");
    cr_expect_eq(labelled_size(".LC4", 0x21, 0x22), 0x24, "not aligned: no such constant");
    cr_expect_eq(labelled_size(".LC4", 0x14, 0x22), 0x24, "more follows");
    cr_expect_eq(labelled_size("mask", 0x24, 0x25), 0x28);
}

Test(object_sizes, zeros_before_a_label_belong_to_its_section)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_symbol(fake, "stop", fake_address(FAKE_DATA, 4), 0, 1, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 'd');
    fake_symbol(fake, "__this_module", fake_address(FAKE_DATA, 0x40), 0x200, 2, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                'd');
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".data"), 4);
    fake_module_free(fake);
}

Test(object_sizes, freed_init_code_is_as_long_as_its_unwind_table_says)
{
    struct fake_module *fake = fake_module_new();
    fake_init_section(fake, ".init.text", 0);
    fake_section(fake, ".orc_unwind_ip", FAKE_RODATA, 0);
    fake_init_section(fake, ".init.data", 0x1000);
    fake_init_section(fake, ".symtab", 0x1018);
    fake_table(fake, ".orc_unwind_ip", FAKE_RODATA, 0, 3, 4);
    fake_relative(fake, FAKE_RODATA, 0, fake_address(FAKE_TEXT, 0));
    fake_relative(fake, FAKE_RODATA, 4, FAKE_INIT + 4);
    fake_relative(fake, FAKE_RODATA, 8, FAKE_INIT + 0x123);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".init.text"), 0x123);
    cr_expect_eq(fake_find(fake, ".init.text")->type, SHT_NOBITS);
    cr_expect_null(fake_find(fake, ".init.text")->data);
    cr_expect_eq(size_of(fake, ".init.data"), 0x18);
    cr_expect_null(fake_find(fake, ".symtab"));
    fake_module_free(fake);
}

Test(object_sizes, replacements_end_where_the_table_says)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".altinstr_replacement", FAKE_TEXT, 0x20);
    fake_section(fake, ".altinstructions", FAKE_RODATA, 0);
    fake_relative(fake, FAKE_RODATA, 0, fake_address(FAKE_TEXT, 2));
    fake_relative(fake, FAKE_RODATA, 4, fake_address(FAKE_TEXT, 0x20));
    fake->bytes[FAKE_RODATA][12] = 7;
    fake->bytes[FAKE_RODATA][13] = 6;
    fake_fill(fake, FAKE_TEXT, 0x20, 3);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".altinstr_replacement"), 6);
    cr_expect_eq(size_of(fake, ".altinstructions"), 14);
    fake_module_free(fake);
}

Test(object_sizes, labelled_constants_may_be_zero)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".rodata.cst16", FAKE_RODATA, 0x40);
    fake_section(fake, ".rodata", FAKE_RODATA, 0x80);
    fake_symbol(fake, "zero", fake_address(FAKE_RODATA, 0x60), 0, 1, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 'r');
    fake_symbol(fake, "object", fake_address(FAKE_RODATA, 0x80), 32, 2, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 'r');
    fake_fill(fake, FAKE_RODATA, 0x40, 4);
    fake_fill(fake, FAKE_RODATA, 0x80, 32);
    cr_assert(fake_layout(fake));
    cr_expect_eq(size_of(fake, ".rodata.cst16"), 0x30);
    fake_module_free(fake);
}

/* Size of a section of code whose bytes are these, before zeros. */
static uint64_t code_size(const char *name, const void *code, size_t size)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, name, FAKE_TEXT, 0x40);
    fake_fill(fake, FAKE_TEXT, 0, 0x20);
    memcpy(fake->bytes[FAKE_TEXT] + 0x40, code, size);
    cr_assert(fake_layout(fake));
    uint64_t ret = size_of(fake, name);
    fake_module_free(fake);
    return ret;
}

Test(object_sizes, the_last_jump_of_a_feature_test_may_end_in_zeros)
{
    /* test, jnz and jmp in their long forms, in their short ones, and a jump to the next instruction */
    static const uint8_t snippets[] = {0xf6, 0x05, 1,    2,    3,    4,    1,    0x0f, 0x85, 1,    2, 3,   4,    0xe9,
                                       1,    2,    3,    4,    0xf6, 0x04, 0x25, 1,    2,    3,    4, 1,   0x75, 5,
                                       0xeb, 6,    0xf6, 0x05, 1,    2,    3,    4,    1,    0x75, 5, 0xe9},
                         other[] = {0xf6, 0x05, 1, 2, 3, 4, 1, 0x55, 0x75, 5};
    cr_expect_eq(code_size(".altinstr_aux", snippets, sizeof(snippets)), sizeof(snippets) + 4);
    cr_expect_eq(code_size(".altinstr_aux", other, sizeof(other)), sizeof(other), "no such snippet");
}

Test(object_sizes, traps_behind_code_are_the_loaders)
{
    static const uint8_t code[] = {0x55, 0x5d, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
    cr_expect_eq(code_size(".exit.text", code, sizeof(code)), 3);
}

Test(object_sizes, the_last_entry_of_paravirt_sites_is_cut)
{
    for (int cut = 0; cut < 2; cut++) {
        struct fake_module *fake = fake_module_new();
        fake_section(fake, ".parainstructions", FAKE_RODATA, 0);
        fake_section(fake, ".rodata", FAKE_RODATA, 0x40);
        fake_fill(fake, FAKE_RODATA, 0, 10);
        fake_fill(fake, FAKE_RODATA, 16, 10);
        fake_fill(fake, FAKE_RODATA, 0x40, 8);
        fake->evidence.parainstructions_cut = cut;
        cr_assert(fake_layout(fake));
        cr_expect_eq(size_of(fake, ".parainstructions"), cut ? 28 : 32);
        fake_module_free(fake);
    }
}

/* Size of a .data that is filled up to `filled`, with a label without size at 0x20. */
static uint64_t unnamed_size(uint64_t filled, const char *text)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_symbol(fake, "constant", fake_address(FAKE_DATA, 0x20), 0, 1, ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE), 'd');
    fake_fill(fake, FAKE_DATA, 0, filled);
    memcpy(fake->bytes[FAKE_DATA] + filled, text, strlen(text));
    cr_assert(fake_layout(fake));
    uint64_t size = size_of(fake, ".data");
    fake_module_free(fake);
    return size;
}

Test(object_sizes, beyond_the_last_object_the_bytes_tell)
{
    cr_expect_eq(unnamed_size(0x25, ""), 0x30, "a constant of 16 bytes heads a label");
    cr_expect_eq(unnamed_size(0x33, "text"), 0x38, "a string and its end");
    cr_expect_eq(unnamed_size(0x35, ""), 0x38, "numbers");
}

Test(object_sizes, a_per_cpu_area_that_no_kernel_has_is_left_out)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake->module.percpu = 0x2a000;
    fake->module.percpu_size = UINT64_C(1) << 40;
    cr_assert(fake_layout(fake));
    cr_expect_null(fake_find(fake, ".data..percpu"));
    cr_expect_eq(fake->draft.doubt_count, 1);
    fake_module_free(fake);
}
