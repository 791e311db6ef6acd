#include <criterion/criterion.h>

#include "object/metadata.h"
#include "test_object_fake.h"

#define LOCAL_OBJECT ELF64_ST_INFO(STB_LOCAL, STT_OBJECT)
#define LOCAL_CODE   ELF64_ST_INFO(STB_LOCAL, STT_FUNC)

Test(object_headers, conventions)
{
    struct evidence evidence = {.entry_text_align = 1, .ksymtab_align = 4, .alt_instr_size = 14, .word = 8};
    struct convention it = convention_for(&evidence, ".rodata.str1.8", LKMFS_REGION_RODATA);
    cr_expect_eq(it.flags, SHF_ALLOC | SHF_MERGE | SHF_STRINGS);
    cr_expect_eq(it.align, 8);
    cr_expect_eq(it.entsize, 1);
    it = convention_for(&evidence, ".rodata.cst16.mask", LKMFS_REGION_RODATA);
    cr_expect_eq(it.flags, SHF_ALLOC | SHF_MERGE);
    cr_expect_eq(it.entsize, 16);
    it = convention_for(&evidence, ".rodata.cst99999999999999999999", LKMFS_REGION_RODATA);
    cr_expect_eq(it.flags, SHF_ALLOC);
    it = convention_for(&evidence, ".exit.text", LKMFS_REGION_TEXT);
    cr_expect_eq(it.align, 1);
    cr_expect_eq(it.flags, SHF_ALLOC | SHF_EXECINSTR);
    it = convention_for(&evidence, "__ksymtab_gpl", LKMFS_REGION_RODATA);
    cr_expect_eq(it.align, 4);
    it = convention_for(&evidence, "__patchable_function_entries", LKMFS_REGION_DATA);
    cr_expect_eq(it.flags, SHF_ALLOC | SHF_WRITE | SHF_LINK_ORDER);
    it = convention_for(&evidence, ".altinstructions", LKMFS_REGION_RODATA);
    cr_expect_eq(it.entsize, 0);
    evidence.tables_merge = true;
    it = convention_for(&evidence, ".altinstructions", LKMFS_REGION_RODATA);
    cr_expect_eq(it.entsize, 14);
    cr_expect_eq(it.flags, SHF_ALLOC | SHF_MERGE);
    it = convention_for(&evidence, "anything", LKMFS_REGION_RO_AFTER_INIT);
    cr_expect_eq(it.flags, SHF_ALLOC | SHF_WRITE);
    cr_expect_not(it.known);
}

Test(object_headers, evidence_comes_from_addresses_and_tables)
{
    struct fake_module *fake = fake_module_new();
    const struct lkmfs_module *modules[] = {&fake->module};
    struct evidence found;
    fake_section(fake, ".exit.text", FAKE_TEXT, 0x13);
    fake_section(fake, "__ksymtab", FAKE_RODATA, 0x14);
    fake_section(fake, ".rodata.str1.1", FAKE_RODATA, 0x40);
    fake_symbol(fake, "object", fake_address(FAKE_DATA, 0), 4, 5, LOCAL_OBJECT, 'd');
    evidence_gather(modules, 1, NULL, "6.1.0 SMP mod_unload modversions ", NULL, 8, &found);
    cr_expect_eq(found.entry_text_align, 1);
    cr_expect_eq(found.ksymtab_align, 4);
    cr_expect_not(found.strings_in_rodata);
    cr_expect(found.versions_in_file);
    cr_expect(found.kallsyms_all);
    cr_expect_not(found.tables_merge);
    cr_expect_not(found.entsize_kept);
    fake_module_free(fake);
}

static bool entsize_kept(const char *banner)
{
    struct evidence found;
    evidence_gather(NULL, 0, NULL, NULL, banner, 8, &found);
    return convention_for(&found, ".orc_unwind", LKMFS_REGION_RODATA).entsize == 6;
}

Test(object_headers, linkers_of_late_keep_entry_sizes)
{
    cr_expect(
        entsize_kept("Linux version 7.2 (a@b) (gcc-16, GNU ld (GNU Binutils for Debian) 2.47.50.20261021) #1 SMP"));
    cr_expect_not(entsize_kept("Linux version 7.3 (a@b) (gcc-14, GNU ld (GNU Binutils for Debian) 2.44) #1 SMP"));
    cr_expect(entsize_kept("Linux version 8.0 (a@b) (gcc-18, GNU ld (GNU Binutils) 3.0) #1 SMP"));
    cr_expect_not(entsize_kept("Linux version 6.6 (a@b) (clang 18, LLD 18.1.3) #1 SMP"));
    cr_expect_not(entsize_kept("Linux version 6.6 (a@b) (gcc, GNU ld (GNU Binutils"));
    cr_expect_not(entsize_kept(NULL));
}

/* Alignment of .text.unlikely behind code that ends at 0x15, with one symbol in it. */
static uint64_t unlikely_align(const char *symbol, uint64_t offset)
{
    struct fake_module *fake = fake_module_new();
    const struct lkmfs_module *modules[] = {&fake->module};
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".text.unlikely", FAKE_TEXT, offset & ~UINT64_C(15));
    fake_section(fake, ".exit.text", FAKE_TEXT, 0x80);
    fake_symbol(fake, "function", fake_address(FAKE_TEXT, 0), 0x15, 1, LOCAL_CODE, 't');
    fake_symbol(fake, symbol, fake_address(FAKE_TEXT, offset), 8, 3, LOCAL_CODE, 't');
    evidence_gather(modules, 1, NULL, NULL, NULL, 8, &fake->evidence);
    fake->evidence.area = (struct lkmfs_range){FAKE_BASE, 0x10000000};
    cr_assert(fake_layout(fake));
    uint64_t align = fake_find(fake, ".text.unlikely")->align;
    cr_expect_eq(fake_find(fake, ".text")->size, align == 16 ? 0x15 : 0x20);
    fake_module_free(fake);
    return align;
}

Test(object_headers, whole_functions_align_the_unlikely_text_where_all_of_them_are_aligned)
{
    cr_expect_eq(unlikely_align("rare", 0x20), 16);
    cr_expect_eq(unlikely_align("rare", 0x24), 1, "older compilers");
    cr_expect_eq(unlikely_align("function.cold", 0x20), 1);
    cr_expect_eq(unlikely_align("function.constprop.0.cold", 0x20), 1);
}

Test(object_headers, alignment_shows_in_symbols_and_gaps)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, "__bug_table", FAKE_DATA, 0);
    fake_section(fake, ".data..read_mostly", FAKE_DATA, 0x40);
    fake_section(fake, ".bss", FAKE_DATA, 0x60);
    fake_table(fake, "__bug_table", FAKE_DATA, 0, 1, 12);
    fake_symbol(fake, "word", fake_address(FAKE_DATA, 0x40), 4, 5, LOCAL_OBJECT, 'd');
    fake_symbol(fake, "zeroed", fake_address(FAKE_DATA, 0x60), 16, 7, LOCAL_OBJECT, 'b');
    cr_assert(fake_layout(fake));
    cr_expect_eq(fake_find(fake, ".data..read_mostly")->align, 64, "52 bytes of gap");
    cr_expect_eq(fake_find(fake, ".bss")->align, 16);
    fake_module_free(fake);
}

Test(object_headers, padding_before_a_loop_shows_its_alignment)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_symbol(fake, "function", fake_address(FAKE_TEXT, 0), 0x100, 1, LOCAL_CODE, 't');
    fake_fill(fake, FAKE_TEXT, 0, 0x100);
    /* Longest NOP of GNU as, twice: 22 bytes up to 0x80. */
    static const uint8_t nop[] = {0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
    memcpy(fake->bytes[FAKE_TEXT] + 0x80 - 22, nop, 11);
    memcpy(fake->bytes[FAKE_TEXT] + 0x80 - 11, nop, 11);
    cr_assert(fake_layout(fake));
    cr_expect_eq(fake_find(fake, ".text")->align, 32);
    fake_module_free(fake);
}

/* Alignment of code with `size` bytes at 0x80 behind `padding` bytes of NOPs. */
static uint64_t padded_align(const void *code, size_t size, size_t padding, bool patched)
{
    static const struct {
        uint8_t size, bytes[8];
    } nops[] = {{8, {0x0f, 0x1f, 0x84}}, {7, {0x0f, 0x1f, 0x80}}, {4, {0x0f, 0x1f, 0x40}}, {3, {0x0f, 0x1f, 0x00}}};
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".altinstructions", FAKE_RODATA, 0);
    fake_symbol(fake, "function", fake_address(FAKE_TEXT, 0), 0x100, 1, LOCAL_CODE, 't');
    fake_fill(fake, FAKE_TEXT, 0, 0x100);
    for (size_t left = padding, i = 0; left; i += left < nops[i].size)
        if (left >= nops[i].size) {
            memcpy(fake->bytes[FAKE_TEXT] + 0x80 - left, nops[i].bytes, nops[i].size);
            left -= nops[i].size;
        }
    memcpy(fake->bytes[FAKE_TEXT] + 0x80, code, size);
    /* an alternative whose site is the padding, or lies far before it */
    fake_relative(fake, FAKE_RODATA, 0, fake_address(FAKE_TEXT, patched ? 0x80 - padding : 0x10));
    fake->bytes[FAKE_RODATA][12] = (uint8_t)padding;
    cr_assert(fake_layout(fake));
    uint64_t align = fake_find(fake, ".text")->align;
    fake_module_free(fake);
    return align;
}

Test(object_headers, padding_before_a_loop_says_how_much)
{
    static const uint8_t plain[1] = {0x11}, large[40] = {[0 ... 37] = 0x11, [38] = 0x75, [39] = (uint8_t)-40},
                         small[24] = {[0 ... 21] = 0x11, [22] = 0xeb, [23] = (uint8_t)-24},
                         back[24] = {[0 ... 21] = 0x11, [22] = 0xeb, [23] = (uint8_t)-23};
    cr_expect_eq(padded_align(plain, 1, 39, false), 64);
    cr_expect_eq(padded_align(plain, 1, 19, false), 32);
    cr_expect_eq(padded_align(plain, 1, 11, false), 16);
    cr_expect_eq(padded_align(plain, 1, 19, true), 16, "these NOPs are the kernel's");
    cr_expect_eq(padded_align(large, sizeof(large), 11, false), 64, "a loop of 40 bytes");
    cr_expect_eq(padded_align(small, sizeof(small), 11, false), 32, "a loop of 24");
    cr_expect_eq(padded_align(back, sizeof(back), 11, false), 16, "no loop from there");
    cr_expect_eq(padded_align(small, sizeof(small), 4, false), 32);
}

/* What a kernel with merged strings has for a .rodata of `size` bytes. */
static struct draft_section rodata_of(const void *bytes, size_t size, bool is_object)
{
    struct fake_module *fake = fake_module_new();
    fake->evidence.strings_in_rodata = true;
    fake_section(fake, ".rodata", FAKE_RODATA, 0x40);
    memcpy(fake->bytes[FAKE_RODATA] + 0x40, bytes, size);
    if (is_object)
        fake_symbol(fake, "object", fake_address(FAKE_RODATA, 0x40), size, 1, LOCAL_OBJECT, 'r');
    cr_assert(fake_layout(fake));
    struct draft_section section = *fake_find(fake, ".rodata");
    fake_module_free(fake);
    return section;
}

Test(object_headers, merged_strings_alone_keep_their_flags)
{
    static const char texts[] = "short\0\1"
                                "4%s: neither is this too long\n",
                      literal[] = "seven..\0a literal of thirty-one characters and more", number[] = "text\0\x80\xff";
    struct draft_section section = rodata_of(texts, sizeof(texts), false);
    cr_expect_eq(section.flags, SHF_ALLOC | SHF_MERGE | SHF_STRINGS);
    cr_expect_eq(section.entsize, 1);
    cr_expect_eq(section.align, 1);
    cr_expect_eq(section.size, sizeof(texts));
    cr_expect_eq(rodata_of(literal, sizeof(literal), false).align, 8, "compilers align long ones");
    section = rodata_of(number, sizeof(number), false);
    cr_expect_eq(section.flags, SHF_ALLOC, "no text");
    cr_expect_eq(section.entsize, 0);
    section = rodata_of(literal, sizeof(literal), true);
    cr_expect_eq(section.flags, SHF_ALLOC, "an object");
    cr_expect_geq(section.align, 8);
}

/* Header index of a section, by name. */
static uint32_t number_of(const struct fake_module *fake, const char *name)
{
    return fake_find(fake, name)->original_index;
}

Test(object_headers, numbers_fill_the_distance_between_proven_ones)
{
    struct fake_module *fake = fake_module_new();
    uint32_t *order;
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".smp_locks", FAKE_RODATA, 0);
    fake_section(fake, ".rodata.str1.1", FAKE_RODATA, 8);
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_fill(fake, FAKE_RODATA, 0, 12);
    fake_symbol(fake, "code", fake_address(FAKE_TEXT, 0), 4, 1, LOCAL_CODE, 't');
    fake_symbol(fake, "object", fake_address(FAKE_DATA, 0), 4, 7, LOCAL_OBJECT, 'd');
    fake_symbol(fake, "__this_module", fake_address(FAKE_DATA, 0x40), 0x200, 8, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    metadata_add(&fake->draft, ".modinfo", calloc(1, 8), 8, LKMFS_FROM_INFERRED, "made up");
    cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
    /* .text .rela.text .smp_locks .rela.smp_locks .rodata.str1.1 .modinfo .data this_module */
    cr_expect_eq(number_of(fake, ".smp_locks"), 3);
    cr_expect_eq(number_of(fake, ".rodata.str1.1"), 5);
    cr_expect_eq(number_of(fake, ".modinfo"), 6);
    cr_expect_eq(number_of(fake, ".data"), 7);
    cr_expect_eq(fake_find(fake, ".smp_locks")->index_from, LKMFS_FROM_RESTORED);
    cr_expect_eq(fake_find(fake, ".data")->index_from, LKMFS_FROM_MEMORY);
    cr_expect_eq(number_of(fake, ".bss"), 9, "behind this_module");
    free(order);
    fake_module_free(fake);
}

/* Pointers that were stored at run time look like relocated ones; a section with relocations has two headers. */
Test(object_headers, indexes_of_headers_prove_what_has_relocations)
{
    for (uint16_t this_module = 3; this_module <= 5; this_module++) {
        struct fake_module *fake = fake_module_new();
        uint32_t *order;
        fake_section(fake, ".text", FAKE_TEXT, 0);
        fake_section(fake, ".data", FAKE_DATA, 0);
        fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
        fake_fill(fake, FAKE_DATA, 0, 8);
        fake_symbol(fake, "code", fake_address(FAKE_TEXT, 0), 4, 1, LOCAL_CODE, 't');
        fake_symbol(fake, "__this_module", fake_address(FAKE_DATA, 0x40), 0x200, this_module, LOCAL_OBJECT, 'd');
        cr_assert(fake_layout(fake));
        draft_add_relocation(&fake->draft, draft_find_section(&fake->draft, ".data"), 0, R_X86_64_64,
                             (struct draft_target){DRAFT_TARGET_SECTION, 0, 0}, LKMFS_FROM_INFERRED);
        cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
        /* .text .rela.text .data .rela.data this_module; where there is no room for .data at all nothing is proven. */
        bool has_rela = this_module != 4;
        cr_expect(this_module == 3 || number_of(fake, ".data") == 3);
        cr_expect_eq(fake_find(fake, ".data")->relocation_count, has_rela);
        cr_expect_eq(fake_find(fake, ".data")->has_rela, has_rela);
        cr_expect_eq(fake->draft.doubt_count, !has_rela);
        cr_expect(has_rela || strstr(fake->draft.doubts[0], "1 pointers in .data were stored at run time"));
        free(order);
        fake_module_free(fake);
    }
}

Test(object_headers, merged_strings_move_the_sections_around)
{
    struct fake_module *fake = fake_module_new();
    uint32_t *order;
    fake->evidence.strings_in_rodata = true;
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".rodata", FAKE_RODATA, 0);
    fake_section(fake, "__param", FAKE_RODATA, 0x40);
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_fill(fake, FAKE_RODATA, 0, 0x60);
    fake_fill(fake, FAKE_DATA, 0, 8);
    cr_assert(fake_layout(fake));
    metadata_add(&fake->draft, ".modinfo", calloc(1, 8), 8, LKMFS_FROM_INFERRED, "made up");
    cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
    cr_expect_lt(number_of(fake, ".text"), number_of(fake, ".bss"));
    cr_expect_lt(number_of(fake, ".bss"), number_of(fake, ".rodata"), "behind .text, not behind this_module");
    cr_expect_lt(number_of(fake, ".rodata"), number_of(fake, ".modinfo"));
    cr_expect_lt(number_of(fake, ".modinfo"), number_of(fake, "__param"));
    free(order);
    fake_module_free(fake);
}

Test(object_headers, a_number_that_symbols_prove_wins_over_convention)
{
    struct fake_module *fake = fake_module_new();
    uint32_t *order;
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".rodata", FAKE_RODATA, 0);
    fake_section(fake, ".exit.data", FAKE_DATA, 0);
    fake_section(fake, ".gnu.linkonce.this_module", FAKE_DATA, 0x40);
    fake_fill(fake, FAKE_RODATA, 0, 8);
    fake_symbol(fake, "code", fake_address(FAKE_TEXT, 0), 4, 1, LOCAL_CODE, 't');
    fake_symbol(fake, "label", fake_address(FAKE_DATA, 0x240), 0, 2, LOCAL_OBJECT, 'b'); /* of an empty .bss */
    fake_symbol(fake, "constant", fake_address(FAKE_RODATA, 0), 4, 3, LOCAL_OBJECT, 'r');
    fake_symbol(fake, "__this_module", fake_address(FAKE_DATA, 0x40), 0x200, 8, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
    cr_expect_eq(number_of(fake, ".text"), 1);
    cr_expect_eq(number_of(fake, ".bss"), 2);
    cr_expect_eq(number_of(fake, ".rodata"), 3);
    cr_expect_eq(number_of(fake, ".gnu.linkonce.this_module"), 8);
    free(order);
    fake_module_free(fake);
}

Test(object_headers, tables_of_places_name_the_section_that_they_start_in)
{
    static const struct {
        uint64_t first;
        const char *linked;
    } cases[] = {{FAKE_BASE + 0x10, ".text"},
                 {FAKE_BASE + 0x60, ".exit.text"},
                 {FAKE_INIT + 8, ".init.text"}, /* freed */
                 {0, ".text"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fake_module *fake = fake_module_new();
        fake_section(fake, ".text", FAKE_TEXT, 0);
        fake_section(fake, ".exit.text", FAKE_TEXT, 0x60);
        fake_init_section(fake, ".init.text", 0);
        fake_section(fake, "__patchable_function_entries", FAKE_DATA, 0);
        fake_fill(fake, FAKE_TEXT, 0, 0x80);
        put_le64(fake->bytes[FAKE_DATA], cases[i].first);
        cr_assert(fake_layout(fake));
        const struct draft_section *table = fake_find(fake, "__patchable_function_entries");
        cr_expect(table->flags & SHF_LINK_ORDER);
        cr_expect_str_eq(fake->draft.sections[table->link].name, cases[i].linked);
        fake_module_free(fake);
    }
}

Test(object_headers, every_section_is_numbered_once_whatever_the_image_says)
{
    struct fake_module *fake = fake_module_new();
    uint32_t *order;
    bool seen[32] = {false};
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_section(fake, ".modinfo", FAKE_RODATA, 0);
    fake_section(fake, ".data", FAKE_DATA, 0x80);
    fake_symbol(fake, "code", fake_address(FAKE_TEXT, 4), 4, 0xfeff, LOCAL_CODE, 't');
    fake_symbol(fake, "object", fake_address(FAKE_DATA, 0x80), 4, 1, LOCAL_OBJECT, 'd');
    cr_assert(fake_layout(fake));
    metadata_add(&fake->draft, ".modinfo", calloc(1, 8), 8, LKMFS_FROM_INFERRED, "made up");
    cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
    for (size_t i = 0; i < fake->draft.section_count; i++) {
        cr_assert_lt(order[i], fake->draft.section_count);
        cr_expect_not(seen[order[i]]);
        seen[order[i]] = true;
    }
    free(order);
    fake_module_free(fake);
}

Test(object_headers, modinfo_says_what_struct_module_knows)
{
    static const struct lkmfs_parameter parameters[] = {{"debug", "int", "0", 0644}};
    struct fake_module *fake = fake_module_new();
    fake->module.parameters = parameters;
    fake->module.parameter_count = 1;
    fake->module.srcversion = "0123456789ABCDEF";
    fake->module.taints = 1 << 12;
    fake->draft = (struct draft){.module = &fake->module, .word = 8};
    modinfo_draft(&fake->draft, NULL, NULL);
    const struct draft_section *section = fake_find(fake, ".modinfo");
    cr_assert(section);
    static const char want[] = "license=GPL\0parmtype=debug:int\0srcversion=0123456789ABCDEF\0depends=\0retpoline=Y\0"
                               "name=fake";
    cr_assert_eq(section->size, sizeof(want));
    cr_expect_arr_eq(section->data, want, sizeof(want));
    fake_module_free(fake);
}

Test(object_headers, modinfo_imports_name_spaces_but_lists_of_modules)
{
    struct lkmfs_export items[] = {{.name = "buffer", .name_space = "DMA_BUF"},
                                   {.name = "secret", .name_space = "module:fake"},
                                   {.name = "cryptic", .name_space = "CRYPTO"}};
    struct fake_exports exports;
    struct fake_module *fake = fake_module_new();
    fake->draft = (struct draft){.module = &fake->module, .word = 8};
    for (unsigned i = 0; i < 3; i++)
        draft_import(&fake->draft, items[i].name);
    modinfo_draft(&fake->draft, NULL, fake_exports(&exports, items, 3));
    const struct draft_section *section = fake_find(fake, ".modinfo");
    static const char want[] =
        "import_ns=CRYPTO\0import_ns=DMA_BUF\0license=GPL\0depends=\0retpoline=Y\0intree=Y\0name=fake";
    cr_assert_eq(section->size, sizeof(want));
    cr_expect_arr_eq(section->data, want, sizeof(want));
    fake_module_free(fake);
}
