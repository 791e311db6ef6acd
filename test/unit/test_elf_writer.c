#include <criterion/criterion.h>

#include "object/elf_writer.h"
#include "object/loadable.h"
#include "object/output.h"
#include "test_object_fake.h"

/* Section header `index` of an ELF64 file, copied out. */
static Elf64_Shdr section_header(const uint8_t *file, unsigned index)
{
    Elf64_Ehdr header;
    Elf64_Shdr section;
    memcpy(&header, file, sizeof(header));
    cr_assert_lt(index, header.e_shnum);
    memcpy(&section, file + header.e_shoff + index * sizeof(section), sizeof(section));
    return section;
}

static const char *section_name(const uint8_t *file, unsigned index)
{
    Elf64_Ehdr header;
    memcpy(&header, file, sizeof(header));
    Elf64_Shdr names = section_header(file, header.e_shstrndx);
    return (const char *)file + names.sh_offset + section_header(file, index).sh_name;
}

Test(elf_writer, both_classes)
{
    static const uint8_t data[] = {1, 2, 3, 4, 5};
    struct elf_section sections[] = {
        {.name = ".data", .type = SHT_PROGBITS, .size = 5, .align = 64, .data = data, .segment = -1},
        {.name = ".bss", .type = SHT_NOBITS, .size = UINT32_MAX, .align = 1, .segment = -1}};
    for (unsigned word = 4; word <= 8; word += 4) {
        struct elf_file file = {
            .word = word, .type = ET_REL, .machine = EM_X86_64, .sections = sections, .section_count = 2};
        uint8_t *bytes;
        size_t size;
        cr_assert(elf_write(&file, &bytes, &size, NULL));
        cr_expect_arr_eq(bytes, ELFMAG, SELFMAG);
        cr_expect_eq(bytes[EI_CLASS], word == 8 ? ELFCLASS64 : ELFCLASS32);
        cr_expect_eq(le16(bytes + 16), ET_REL);
        if (word == 8) {
            cr_expect_str_eq(section_name(bytes, 1), ".data");
            cr_expect_str_eq(section_name(bytes, 3), ".shstrtab");
            cr_expect_eq(section_header(bytes, 1).sh_offset % 64, 0);
            cr_expect_arr_eq(bytes + section_header(bytes, 1).sh_offset, data, 5);
            cr_expect_lt(size, 4096);
        } else {
            Elf32_Ehdr header;
            Elf32_Shdr section;
            memcpy(&header, bytes, sizeof(header));
            cr_expect_eq(header.e_shnum, 4);
            memcpy(&section, bytes + header.e_shoff + sizeof(section), sizeof(section));
            cr_expect_arr_eq(bytes + section.sh_offset, data, 5);
        }
        free(bytes);
    }
}

Test(elf_writer, entries_of_both_classes)
{
    const struct elf_symbol symbol = {.name = 7, .info = 0x12, .other = 2, .section = 5, .value = 0x1234, .size = 0x56};
    const struct elf_rela rela = {.offset = 0x78, .symbol = 9, .type = R_X86_64_PC32, .addend = -4};
    Elf64_Sym symbol64;
    Elf32_Sym symbol32;
    Elf64_Rela rela64;
    Elf32_Rela rela32;
    cr_assert_eq(elf_symbol_size(8), sizeof(symbol64));
    cr_assert_eq(elf_symbol_size(4), sizeof(symbol32));
    cr_assert_eq(elf_rela_size(8), sizeof(rela64));
    cr_assert_eq(elf_rela_size(4), sizeof(rela32));
    elf_put_symbol(8, (uint8_t *)&symbol64, &symbol);
    elf_put_symbol(4, (uint8_t *)&symbol32, &symbol);
    elf_put_rela(8, (uint8_t *)&rela64, &rela);
    elf_put_rela(4, (uint8_t *)&rela32, &rela);
    cr_expect(symbol64.st_name == 7 && symbol64.st_info == 0x12 && symbol64.st_other == 2 && symbol64.st_shndx == 5 &&
              symbol64.st_value == 0x1234 && symbol64.st_size == 0x56);
    cr_expect(symbol32.st_name == 7 && symbol32.st_info == 0x12 && symbol32.st_other == 2 && symbol32.st_shndx == 5 &&
              symbol32.st_value == 0x1234 && symbol32.st_size == 0x56);
    cr_expect(rela64.r_offset == 0x78 && rela64.r_info == ELF64_R_INFO(9, R_X86_64_PC32) && rela64.r_addend == -4);
    cr_expect(rela32.r_offset == 0x78 && rela32.r_info == ELF32_R_INFO(9, R_X86_64_PC32) && rela32.r_addend == -4);
}

Test(elf_writer, refuses_what_is_too_large)
{
    static const uint8_t byte = 0;
    struct elf_section sections[] = {
        {.name = "a", .type = SHT_PROGBITS, .size = UINT64_MAX - 100, .align = 1, .data = &byte, .segment = -1}};
    struct elf_file file = {.word = 8, .type = ET_REL, .sections = sections, .section_count = 1};
    struct lkmfs_error err = {0};
    uint8_t *bytes;
    size_t size;
    cr_expect_not(elf_write(&file, &bytes, &size, &err));
    cr_expect_eq(err.code, LKMFS_ERROR_DAMAGED);
    cr_expect_null(bytes);
}

/* .text with two symbols, .data, __mcount_loc of two entries (the second in init), .init.text. */
static struct fake_module *small_module(void)
{
    struct fake_module *fake = fake_module_new();
    fake_section(fake, ".text", FAKE_TEXT, 0);
    fake_init_section(fake, ".init.text", 0);
    fake_section(fake, "__mcount_loc", FAKE_RODATA, 0);
    fake_section(fake, ".data", FAKE_DATA, 0);
    fake_table(fake, "__mcount_loc", FAKE_RODATA, 0, 2, 8);
    fake_fill(fake, FAKE_RODATA, 0, 16);
    fake_fill(fake, FAKE_TEXT, 0, 0x20);
    fake_fill(fake, FAKE_DATA, 0, 16);
    fake_symbol(fake, "local", fake_address(FAKE_TEXT, 0), 0x10, 1, ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    fake_symbol(fake, "global", fake_address(FAKE_TEXT, 0x10), 0x10, 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    cr_assert(fake_layout(fake));
    symtab_draft(&fake->layout);
    return fake;
}

static void relocate(struct fake_module *fake, const char *section, uint64_t offset, enum draft_target_kind kind,
                     uint32_t index)
{
    struct draft_target target = {.kind = kind, .index = index, .addend = -4};
    draft_add_relocation(&fake->draft, draft_find_section(&fake->draft, section), offset, R_X86_64_PLT32, target,
                         LKMFS_FROM_RESTORED);
}

static unsigned find_header(const uint8_t *file, const char *name)
{
    Elf64_Ehdr header;
    memcpy(&header, file, sizeof(header));
    for (unsigned i = 1; i < header.e_shnum; i++) {
        if (strcmp(section_name(file, i), name) == 0)
            return i;
    }
    return 0;
}

static struct output write_relocatable(struct fake_module *fake)
{
    struct output output = {0};
    uint32_t *order;
    cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
    size_t count = 0;
    for (size_t i = 0; i < fake->draft.section_count; i++) {
        if (!fake->draft.sections[order[i]].left_out)
            order[count++] = order[i];
    }
    cr_assert(output_relocatable(&fake->draft, order, count, EM_X86_64, &output, NULL));
    free(order);
    return output;
}

Test(elf_writer, relocatable_files_are_complete)
{
    struct fake_module *fake = small_module();
    relocate(fake, ".text", 0x18, DRAFT_TARGET_IMPORT, draft_import(&fake->draft, "printk"));
    relocate(fake, ".text", 0x08, DRAFT_TARGET_SYMBOL, 1);
    relocate(fake, ".text", 0x04, DRAFT_TARGET_SECTION, draft_find_section(&fake->draft, ".data"));
    relocate(fake, ".text", 0x4000, DRAFT_TARGET_SYMBOL, 1); /* outside: left out */
    relocate(fake, ".text", 0x10, DRAFT_TARGET_SYMBOL, 77);  /* of nothing: left out */
    struct output output = write_relocatable(fake);

    unsigned rela = find_header(output.bytes, ".rela.text"), symtab = find_header(output.bytes, ".symtab");
    cr_assert_eq(rela, find_header(output.bytes, ".text") + 1);
    Elf64_Shdr table = section_header(output.bytes, rela), symbols = section_header(output.bytes, symtab);
    cr_expect_eq(table.sh_info, find_header(output.bytes, ".text"));
    cr_expect_eq(table.sh_link, symtab);
    cr_expect_eq(table.sh_flags, SHF_INFO_LINK);
    cr_assert_eq(table.sh_size, 3 * sizeof(Elf64_Rela));
    Elf64_Rela entries[3];
    memcpy(entries, output.bytes + table.sh_offset, sizeof(entries));
    cr_expect_eq(entries[0].r_offset, 4, "sorted");
    cr_expect_eq(entries[2].r_offset, 0x18);
    /* null, section symbol of .data, local, global, printk */
    cr_assert_eq(symbols.sh_size, 5 * sizeof(Elf64_Sym));
    cr_expect_eq(symbols.sh_info, 3);
    cr_expect_eq(symbols.sh_link, symtab + 1);
    cr_expect_eq(ELF64_R_SYM(entries[0].r_info), 1);
    cr_expect_eq(ELF64_R_SYM(entries[1].r_info), 3);
    cr_expect_eq(ELF64_R_SYM(entries[2].r_info), 4);
    Elf64_Sym undefined;
    memcpy(&undefined, output.bytes + symbols.sh_offset + 4 * sizeof(undefined), sizeof(undefined));
    cr_expect_eq(undefined.st_shndx, SHN_UNDEF);
    cr_expect_eq(undefined.st_info, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE));
    cr_expect_eq(section_header(output.bytes, find_header(output.bytes, ".text")).sh_addr, 0);
    cr_expect_eq(section_header(output.bytes, find_header(output.bytes, ".init.text")).sh_type, SHT_NOBITS);
    cr_expect_eq(fake->draft.doubt_count, 1);
    free(output.bytes);
    free(output.indexes);
    fake_module_free(fake);
}

Test(elf_writer, loaded_files_show_memory)
{
    struct fake_module *fake = small_module();
    struct output output = {0};
    uint32_t *order;
    cr_assert(numbers_find(&fake->draft, &fake->evidence, &order));
    cr_assert(output_loaded(&fake->draft, order, EM_X86_64, &output, NULL));
    Elf64_Ehdr header;
    Elf64_Phdr segments[FAKE_REGIONS];
    memcpy(&header, output.bytes, sizeof(header));
    cr_expect_eq(header.e_type, ET_EXEC);
    cr_assert_eq(header.e_phnum, FAKE_REGIONS);
    memcpy(segments, output.bytes + header.e_phoff, sizeof(segments));
    for (unsigned i = 0; i < FAKE_REGIONS; i++) {
        cr_expect_eq(segments[i].p_vaddr, fake_address(i, 0));
        cr_expect_eq(segments[i].p_filesz, FAKE_PAGE);
        cr_expect_arr_eq(output.bytes + segments[i].p_offset, fake->bytes[i], FAKE_PAGE);
    }
    Elf64_Shdr data = section_header(output.bytes, find_header(output.bytes, ".data"));
    cr_expect_eq(data.sh_addr, fake_address(FAKE_DATA, 0));
    cr_expect_eq(data.sh_offset, segments[FAKE_DATA].p_offset);
    cr_expect_eq(find_header(output.bytes, ".init.text"), 0);
    cr_expect_eq(find_header(output.bytes, ".rela.text"), 0);
    free(order);
    free(output.bytes);
    free(output.indexes);
    fake_module_free(fake);
}

Test(elf_writer, loadable_files_forget_init)
{
    struct fake_module *fake = small_module();
    uint32_t table = draft_find_section(&fake->draft, "__mcount_loc");
    uint32_t init = draft_find_section(&fake->draft, ".init.text");
    fake->draft.sections[table].entry = 8;
    relocate(fake, "__mcount_loc", 0, DRAFT_TARGET_SECTION, init);
    relocate(fake, "__mcount_loc", 8, DRAFT_TARGET_SYMBOL, 1);
    relocate(fake, ".data", 0, DRAFT_TARGET_SECTION, init);
    relocate(fake, ".text", 4, DRAFT_TARGET_IMPORT, draft_import(&fake->draft, "used"));
    relocate(fake, ".init.text", 4, DRAFT_TARGET_IMPORT, draft_import(&fake->draft, "used_by_init"));
    loadable_trim(&fake->draft);
    const struct draft_section *kept = &fake->draft.sections[table];
    cr_expect_eq(kept->size, 8);
    cr_assert_eq(kept->relocation_count, 1);
    cr_expect_eq(kept->relocations[0].offset, 0);
    cr_expect_eq(fake_find(fake, ".data")->relocation_count, 0);
    cr_assert_eq(fake->draft.import_count, 1);
    cr_expect_str_eq(fake->draft.imports[0].name, "used");
    cr_expect_eq(draft_import(&fake->draft, "used"), 0);
    cr_expect_eq(fake->draft.doubt_count, 1);
    struct output output = write_relocatable(fake);
    cr_expect_eq(find_header(output.bytes, ".init.text"), 0);
    free(output.bytes);
    free(output.indexes);
    fake_module_free(fake);
}

Test(elf_writer, loadable_files_forget_a_last_entry_that_is_cut)
{
    struct fake_module *fake = small_module();
    uint32_t index = draft_find_section(&fake->draft, "__mcount_loc");
    struct draft_section *table = &fake->draft.sections[index];
    table->entry = (uint32_t)table->size - 4;
    relocate(fake, "__mcount_loc", 0, DRAFT_TARGET_SYMBOL, 1);
    relocate(fake, "__mcount_loc", table->entry, DRAFT_TARGET_SECTION, draft_find_section(&fake->draft, ".init.text"));
    loadable_trim(&fake->draft);
    cr_expect_eq(table->size, table->entry);
    cr_expect_eq(table->relocation_count, 1);
    fake_module_free(fake);
}

Test(elf_writer, loadable_files_keep_the_absolute_symbols_that_are_named)
{
    struct fake_module *fake = small_module();
    struct draft_symbol symbol = {.name = "__crc_f", .section = DRAFT_NONE, .value = 0x12345678};
    uint32_t named = (uint32_t)fake->draft.symbol_count;
    draft_add_symbol(&fake->draft, &symbol);
    symbol.name = "stray";
    draft_add_symbol(&fake->draft, &symbol);
    relocate(fake, ".data", 0, DRAFT_TARGET_SYMBOL, named);
    loadable_trim(&fake->draft);
    const struct draft_section *data = fake_find(fake, ".data");
    cr_assert_eq(data->relocation_count, 1);
    cr_expect_str_eq(fake->draft.symbols[data->relocations[0].target.index].name, "__crc_f");
    for (size_t i = 0; i < fake->draft.symbol_count; i++)
        cr_expect_str_neq(fake->draft.symbols[i].name, "stray");
    fake_module_free(fake);
}

Test(elf_writer, loadable_files_follow_entries_that_move)
{
    struct fake_module *fake = small_module();
    uint32_t table = draft_find_section(&fake->draft, "__mcount_loc");
    fake->draft.sections[table].entry = 8;
    relocate(fake, "__mcount_loc", 0, DRAFT_TARGET_SECTION, draft_find_section(&fake->draft, ".init.text"));
    relocate(fake, "__mcount_loc", 8, DRAFT_TARGET_SYMBOL, 1);
    relocate(fake, ".text", 4, DRAFT_TARGET_SECTION, table);
    relocate(fake, ".data", 0, DRAFT_TARGET_SECTION, table);
    struct draft_symbol entries[] = {{.name = "first", .section = table, .value = 0, .size = 8},
                                     {.name = "second", .section = table, .value = 8, .size = 8}};
    draft_add_symbol(&fake->draft, &entries[0]);
    draft_add_symbol(&fake->draft, &entries[1]);
    struct draft_section *text = &fake->draft.sections[draft_find_section(&fake->draft, ".text")];
    struct draft_section *data = &fake->draft.sections[draft_find_section(&fake->draft, ".data")];
    text->relocations[0].target.addend = 8 - 4;
    data->relocations[0].target.addend = 8;
    loadable_trim(&fake->draft);
    cr_expect_eq(text->relocations[0].target.addend, -4);
    cr_expect_eq(data->relocations[0].target.addend, 0);
    const struct draft_symbol *last = &fake->draft.symbols[fake->draft.symbol_count - 1];
    cr_expect_str_eq(last->name, "second");
    cr_expect_eq(last->value, 0);
    for (size_t i = 0; i < fake->draft.symbol_count; i++)
        cr_expect_str_neq(fake->draft.symbols[i].name, "first");
    fake_module_free(fake);
}

Test(elf_writer, loadable_files_say_what_is_missing_of_what_they_keep)
{
    static const struct {
        struct lkmfs_byte_range before, after; /* of two entries, the first of which is dropped */
    } cases[] = {
        {{0, 16}, {0, 8}}, {{8, 8}, {0, 8}}, {{12, 4}, {4, 4}}, {{4, 6}, {0, 2}}, {{0, 8}, {0, 0}}, {{2, 3}, {0, 0}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fake_module *fake = small_module();
        uint32_t index = draft_find_section(&fake->draft, "__mcount_loc");
        struct draft_section *table = &fake->draft.sections[index];
        table->entry = 8;
        cr_assert_eq(table->size, 16);
        free(table->missing);
        table->missing = malloc(sizeof(*table->missing));
        table->missing[0] = cases[i].before;
        table->missing_count = 1;
        relocate(fake, "__mcount_loc", 0, DRAFT_TARGET_SECTION, draft_find_section(&fake->draft, ".init.text"));
        relocate(fake, "__mcount_loc", 8, DRAFT_TARGET_SYMBOL, 1);
        loadable_trim(&fake->draft);
        cr_assert_eq(table->missing_count, cases[i].after.size > 0, "%zu", i);
        cr_expect(!table->missing_count || (table->missing[0].offset == cases[i].after.offset &&
                                            table->missing[0].size == cases[i].after.size),
                  "%zu: %llu bytes at %llu", i, (unsigned long long)table->missing[0].size,
                  (unsigned long long)table->missing[0].offset);
        fake_module_free(fake);
    }
}
