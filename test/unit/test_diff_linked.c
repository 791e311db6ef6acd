/* Sections of a file as they would be once loaded. */
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "diff/linked.h"
#include "test_object_fake.h"

#define TEXT     UINT64_C(0xffffffffc0001000)
#define DATA     UINT64_C(0xffffffffc0003000)
#define KFREE    UINT64_C(0xffffffff81234560)
#define UNLISTED 9 /* a section number that the file has not */

enum { SYMBOL_NULL, SYMBOL_OWN, SYMBOL_IMPORT, SYMBOL_UNKNOWN, SYMBOL_BEYOND, SYMBOL_LOST };

static struct arena arena;
static struct lkmfs_export kernel[] = {{.name = "kfree", .address = KFREE}};

/* .text of 64 bytes with one relocation, as linked. */
static const uint8_t *linked(uint32_t type, uint32_t symbol, uint64_t offset, bool absolute)
{
    static uint8_t text[64];
    static Elf64_Rela rela;
    static struct fake_exports exports;
    static const struct elf_symbol symbols[] = {{.name = ""},
                                                {.name = "own", .value = 0x28, .shndx = 2},
                                                {.name = "kfree", .shndx = SHN_UNDEF},
                                                {.name = "unknown", .shndx = SHN_UNDEF},
                                                {.name = "beyond", .value = 0x123456789, .shndx = UNLISTED},
                                                {.name = "lost", .value = 8, .shndx = 4}};
    static const struct lkmfs_section_report places[] = {{.name = ".text", .address = TEXT},
                                                         {.name = ".data", .address = DATA}};
    const struct elf_section sections[] = {
        {.name = ""},
        {.name = ".text", .type = SHT_PROGBITS, .size = sizeof(text), .data = text},
        {.name = ".data", .type = SHT_NOBITS, .size = 64},
        {.name = ".rela.text", .type = SHT_RELA, .info = 1, .size = sizeof(rela), .data = (const uint8_t *)&rela},
        {.name = ".init.data", .type = SHT_NOBITS, .size = 64},
    };
    const struct elf_file file = {sections, 5, symbols, sizeof(symbols) / sizeof(*symbols)};
    const struct link_map map = {places, 2, fake_exports(&exports, kernel, 1)};
    rela = (Elf64_Rela){offset, ELF64_R_INFO((uint64_t)symbol, type), -4};
    memset(text, 0x11, sizeof(text));
    cr_assert_null(linked_section(&file, 2, &map, absolute, &arena), "no bytes");
    const uint8_t *ret = linked_section(&file, 1, &map, absolute, &arena);
    cr_assert_not_null(ret);
    cr_expect_neq((uintptr_t)ret, (uintptr_t)text, "the file stays as it is");
    return ret;
}

static void release(void)
{
    arena_release(&arena);
}

TestSuite(diff_linked, .fini = release);

Test(diff_linked, fields_hold_what_the_loader_writes)
{
    cr_expect_eq(le64(linked(R_X86_64_64, SYMBOL_OWN, 8, false) + 8), DATA + 0x28 - 4);
    cr_expect_eq(le64(linked(R_X86_64_PC64, SYMBOL_OWN, 8, false) + 8), DATA + 0x28 - 4 - (TEXT + 8));
    cr_expect_eq(le32(linked(R_X86_64_32S, SYMBOL_OWN, 8, false) + 8), (uint32_t)(DATA + 0x28 - 4));
    cr_expect_eq(le32(linked(R_X86_64_32, SYMBOL_IMPORT, 8, false) + 8), (uint32_t)(KFREE - 4));
    cr_expect_eq(le32(linked(R_X86_64_PC32, SYMBOL_OWN, 8, false) + 8), (uint32_t)(DATA + 0x28 - 4 - (TEXT + 8)));
    const uint8_t *call = linked(R_X86_64_PLT32, SYMBOL_IMPORT, 8, false);
    cr_expect_eq(le32(call + 8), (uint32_t)(KFREE - 4 - (TEXT + 8)));
    cr_expect_eq(le32(call + 12), 0x11111111, "no more than the field");
    cr_expect_eq(le32(call + 4), 0x11111111);
}

Test(diff_linked, absolute_fields_mean_the_same_wherever_they_stand)
{
    cr_expect_eq(le32(linked(R_X86_64_PC32, SYMBOL_OWN, 8, true) + 8), (uint32_t)(DATA + 0x28 - 4));
    cr_expect_eq(le32(linked(R_X86_64_PLT32, SYMBOL_OWN, 16, true) + 16), (uint32_t)(DATA + 0x28 - 4));
    cr_expect_eq(le64(linked(R_X86_64_PC64, SYMBOL_OWN, 32, true) + 32), DATA + 0x28 - 4);
}

Test(diff_linked, what_has_no_address_gets_one_of_its_name)
{
    uint64_t unknown = le64(linked(R_X86_64_64, SYMBOL_UNKNOWN, 0, false));
    uint64_t lost = le64(linked(R_X86_64_64, SYMBOL_LOST, 0, false));
    cr_expect_eq(unknown, le64(linked(R_X86_64_64, SYMBOL_UNKNOWN, 16, false) + 16), "always the same");
    cr_expect_neq(unknown, lost);
    const struct link_map nothing = {0};
    cr_expect_eq(linked_address(&nothing, "unknown"), unknown + 4);
    cr_expect_eq(linked_address(&nothing, ".init.data") + 8, lost + 4);
    cr_expect_eq(le64(linked(R_X86_64_64, SYMBOL_BEYOND, 0, false)), 0x123456789 - 4, "an absolute value");
}

Test(diff_linked, what_does_not_fit_is_left)
{
    static const uint8_t untouched[64] = {[0 ... 63] = 0x11};
    cr_expect_arr_eq(linked(R_X86_64_64, SYMBOL_OWN, 57, false), untouched, 64);
    cr_expect_arr_eq(linked(R_X86_64_32, SYMBOL_OWN, 61, false), untouched, 64);
    cr_expect_arr_eq(linked(R_X86_64_32, SYMBOL_OWN, UINT64_MAX, false), untouched, 64);
    cr_expect_arr_eq(linked(R_X86_64_GOTPCREL, SYMBOL_OWN, 8, false), untouched, 64, "no relocation of modules");
}
