#include <criterion/criterion.h>

#include "test_object_fake.h"

#define LOCAL_OBJECT ELF64_ST_INFO(STB_LOCAL, STT_OBJECT)

static const struct draft_symbol *symbol_called(const struct fake_module *fake, const char *name)
{
    for (size_t i = 0; i < fake->draft.symbol_count; i++) {
        if (strcmp(fake->draft.symbols[i].name, name) == 0)
            return &fake->draft.symbols[i];
    }
    cr_assert_fail("no symbol %s", name);
    return NULL;
}

static const char *section_of(const struct fake_module *fake, const char *name)
{
    uint32_t section = symbol_called(fake, name)->section;
    return section == DRAFT_NONE ? "none" : fake->draft.sections[section].name;
}

Test(object_symbols, values_are_relative_to_the_section_of_their_number)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".data..read_mostly", FAKE_DATA, 0x40);
    fake_symbol(fake, "global", fake_address(FAKE_TEXT, 8), 4, 3, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    fake_symbol(fake, "local", fake_address(FAKE_DATA, 0x50), 8, 9, LOCAL_OBJECT, 'd');
    fake_symbol(fake, "start", fake_address(FAKE_DATA, 0x40), 16, 9, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_assert_eq(fake->draft.symbol_count, 3);
    cr_expect_str_eq(fake->draft.symbols[0].name, "local", "locals come first");
    cr_expect_str_eq(fake->draft.symbols[2].name, "global");
    cr_expect_str_eq(section_of(fake, "local"), ".data..read_mostly");
    cr_expect_eq(symbol_called(fake, "local")->value, 0x10);
    cr_expect_eq(symbol_called(fake, "global")->value, 8);
    fake_module_free(fake);
}

Test(object_symbols, labels_of_an_empty_section_are_not_its_neighbours)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_section(fake, "__dyndbg", FAKE_DATA, 0x240);
    fake_symbol(fake, "object", fake_address(FAKE_DATA, 0), 4, 5, LOCAL_OBJECT, 'd');
    fake_symbol(fake, "__key.1", fake_address(FAKE_DATA, 0x240), 0, 9, LOCAL_OBJECT, 'b');
    fake_symbol(fake, "descriptor", fake_address(FAKE_DATA, 0x240), 56, 11, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_expect_str_eq(section_of(fake, "__key.1"), ".bss");
    cr_expect_eq(symbol_called(fake, "__key.1")->value, 0);
    cr_expect_str_eq(section_of(fake, "descriptor"), "__dyndbg");
    cr_expect_eq(fake_find(fake, ".bss")->size, 0);
    cr_expect_eq(fake_find(fake, ".bss")->original_index, 9);
    fake_module_free(fake);
}

Test(object_symbols, per_cpu_variables_are_found_by_their_cookie)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake->module.percpu = 0x2a000;
    fake->module.percpu_size = 0x30;
    fake_symbol(fake, "counter", 0x2a010, 8, 21, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_expect_str_eq(section_of(fake, "counter"), ".data..percpu");
    cr_expect_eq(symbol_called(fake, "counter")->value, 0x10);
    cr_expect_eq(fake_find(fake, ".data..percpu")->size, 0x30);
    fake_module_free(fake);
}

Test(object_symbols, a_symbol_that_lies_nowhere_keeps_its_address)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_symbol(fake, "lost", UINT64_C(0x123456789), 8, 0xfe00, LOCAL_OBJECT, 'd');
    fake_symbol(fake, "absolute", 0x10, 0, SHN_ABS, LOCAL_OBJECT, 'a');
    fake_symbol(fake, "wrapping", UINT64_MAX - 3, UINT64_MAX, 7, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_expect_str_eq(section_of(fake, "lost"), "none");
    cr_expect_eq(symbol_called(fake, "lost")->value, UINT64_C(0x123456789));
    cr_expect_eq(symbol_called(fake, "lost")->from, LKMFS_FROM_INFERRED);
    cr_expect_str_eq(section_of(fake, "absolute"), "none");
    cr_expect_gt(fake->draft.doubt_count, 0);
    fake_module_free(fake);
}

Test(object_symbols, kernels_that_keep_code_symbols_only_get_those_of_the_tables)
{
    static const struct lkmfs_parameter parameters[] = {{"first", "int", "1", 0444}, {"second", "bool", "Y", 0644}};
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".exit.text", FAKE_TEXT, 0);
    fake_section(fake, "__param", FAKE_RODATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0);
    fake_table(fake, "__param", FAKE_RODATA, 0, 2, 40);
    fake_fill(fake, FAKE_TEXT, 0, 0x20);
    fake->module.parameters = parameters;
    fake->module.parameter_count = 2;
    fake->module.address = fake_address(FAKE_DATA, 0);
    fake->module.exit = fake_address(FAKE_TEXT, 0x10);
    fake->evidence.kallsyms_all = false;
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    symtab_add_named(&fake->layout, NULL, 0);
    cr_expect_eq(symbol_called(fake, "__param_second")->value, 40);
    cr_expect_eq(symbol_called(fake, "__this_module")->size, 0x200);
    cr_expect_eq(symbol_called(fake, "cleanup_module")->value, 0x10);
    cr_expect_eq(symbol_called(fake, "cleanup_module")->from, LKMFS_FROM_INFERRED);
    fake_module_free(fake);
}

Test(object_symbols, a_module_without_a_section_list_is_told_by_tables_and_symbols)
{
    struct fake_module *fake = fake_module_new();
    fake->module.exit = fake_address(FAKE_TEXT, 0x40);
    fake->module.address = fake_address(FAKE_DATA, 0x40);
    fake_table(fake, "__param", FAKE_RODATA, 0x80, 1, 40);
    fake_fill(fake, FAKE_TEXT, 0, 0x60);
    fake_symbol(fake, "code", fake_address(FAKE_TEXT, 0), 0x20, 1, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    fake_symbol(fake, "leave", fake_address(FAKE_TEXT, 0x40), 0x10, 5, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    fake_symbol(fake, "object", fake_address(FAKE_DATA, 0), 8, 11, LOCAL_OBJECT, 'd');
    fake_symbol(fake, "zeroed", fake_address(FAKE_DATA, 0x240), 8, 15, LOCAL_OBJECT, 'b');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_expect_str_eq(section_of(fake, "code"), ".text");
    cr_expect_str_eq(section_of(fake, "leave"), ".exit.text");
    cr_expect_str_eq(section_of(fake, "object"), ".data");
    cr_expect_str_eq(section_of(fake, "zeroed"), ".bss");
    cr_expect_eq(fake_find(fake, "__param")->size, 40);
    cr_expect_eq(fake_find(fake, ".gnu.linkonce.this_module")->size, 0x200);
    cr_expect_eq(fake_find(fake, ".exit.text")->original_index, 5);
    fake_module_free(fake);
}

/* Found by corrupting real images: only the other symbols' numbers bound the table of sections by number. */
Test(object_symbols, a_null_symbol_with_a_number_is_no_way_out_of_the_table)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_symbol(fake, "function", fake_address(FAKE_TEXT, 8), 4, 3, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    fake->symbols[0].shndx = SHN_LORESERVE - 1;
    cr_assert(fake_layout(fake));
    cr_expect_eq(fake->layout.symbol_sections[0], DRAFT_NONE);
    cr_expect_eq(fake->layout.symbol_sections[1], 0);
    fake_module_free(fake);
}

Test(object_symbols, a_lost_section_list_is_made_up_for_by_notes_strings_and_regions)
{
    struct fake_module *fake = fake_module_new();
    fake->notes[fake->module.note_count++] =
        (struct lkmfs_note_entry){".note.Linux", fake_address(FAKE_RODATA, 0x10), 0x18};
    fake->regions[FAKE_RO_AFTER_INIT].kind = LKMFS_REGION_INIT_TEXT; /* of a module that is COMING */
    fake->regions[FAKE_TEXT].kind = LKMFS_REGION_INIT_RODATA;
    fake_fill(fake, FAKE_RODATA, 0, 0x60);
    fake_symbol(fake, "__kstrtab_open", fake_address(FAKE_RODATA, 0x40), 0, 9, LOCAL_OBJECT, 'r');
    fake_symbol(fake, "elsewhere", UINT64_C(0x123456789), 8, 11, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_expect_eq(fake_find(fake, ".note.Linux")->size, 0x18);
    cr_expect_str_eq(section_of(fake, "__kstrtab_open"), "__ksymtab_strings");
    cr_expect_eq(fake_find(fake, ".init.text")->address, fake_address(FAKE_RO_AFTER_INIT, 0));
    cr_expect_eq(fake_find(fake, ".init.rodata")->address, fake_address(FAKE_TEXT, 0));
    cr_expect_str_eq(section_of(fake, "elsewhere"), "none");
    fake_module_free(fake);
}

Test(object_symbols, undefined_ones_that_the_kernel_kept_are_imports)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_symbol(fake, "strong", 0, 0, SHN_UNDEF, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 'U');
    fake_symbol(fake, "weak", 0, 0, SHN_UNDEF, ELF64_ST_INFO(STB_WEAK, STT_NOTYPE), 'w');
    fake_symbol(fake, "", 0, 0, SHN_UNDEF, 0, 'U');
    fake_symbol(fake, NULL, 0, 0, SHN_UNDEF, 0, 'U');
    fake_symbol(fake, "code", fake_address(FAKE_TEXT, 0), 4, 1, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    cr_expect_eq(fake->draft.symbol_count, 1);
    cr_assert_eq(fake->draft.import_count, 2);
    cr_expect_str_eq(fake->draft.imports[0].name, "strong");
    cr_expect_not(fake->draft.imports[0].weak);
    cr_expect_str_eq(fake->draft.imports[1].name, "weak");
    cr_expect(fake->draft.imports[1].weak);
    fake_module_free(fake);
}

Test(object_symbols, what_a_module_exports_has_a_name)
{
    struct lkmfs_export items[] = {{.name = "known", .address = fake_address(FAKE_TEXT, 0), .module = 3},
                                   {.name = "unknown", .address = fake_address(FAKE_TEXT, 0x10), .module = 3},
                                   {.name = "foreign", .address = fake_address(FAKE_TEXT, 0x18), .module = 4},
                                   {.name = "nowhere", .address = 0x1000, .module = 3}};
    struct fake_exports exports;
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_symbol(fake, "known", fake_address(FAKE_TEXT, 0), 0x20, 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    fake->evidence.kallsyms_all = false;
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    symtab_add_named(&fake->layout, fake_exports(&exports, items, 4), 3);
    cr_assert_eq(fake->draft.symbol_count, 2);
    cr_expect_eq(symbol_called(fake, "known")->size, 0x20, "as it was");
    cr_expect_eq(symbol_called(fake, "unknown")->value, 0x10);
    cr_expect_eq(symbol_called(fake, "unknown")->info, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE));
    fake_module_free(fake);
}
