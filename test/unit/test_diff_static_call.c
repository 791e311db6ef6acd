/* When a trampoline that leads elsewhere than in the file is the kernel's doing. */
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "diff/static_call.h"

#define TEXT     UINT64_C(0xffffffffc0001000)
#define CALLS    UINT64_C(0xffffffffc0002000)
#define DATA     UINT64_C(0xffffffffc0003000)
#define FUNCTION (TEXT + 0x20)
#define MIDDLE   (TEXT + 0x24)

enum { SECTION_TEXT = 1, SECTION_CALLS, SECTION_DATA };

static bool follows(uint64_t jump, uint64_t key, const char *key_name)
{
    static uint8_t trampoline[8] = {0xe9}, data[16], code[64];
    const struct elf_section sections[] = {
        {.name = ""},
        {.name = ".text", .flags = SHF_EXECINSTR, .size = sizeof(code), .data = code},
        {.name = ".static_call.text", .flags = SHF_EXECINSTR, .size = sizeof(trampoline), .data = trampoline},
        {.name = ".data", .flags = SHF_WRITE, .size = sizeof(data), .data = data},
    };
    const struct elf_symbol symbols[] = {
        {.name = ""},
        {.name = "other", .value = 0x20, .size = 16, .shndx = SECTION_TEXT, .info = STT_FUNC},
        {.name = "__SCT__call", .shndx = SECTION_CALLS, .info = STT_FUNC},
        {.name = key_name, .value = 8, .size = 8, .shndx = SECTION_DATA, .info = STT_OBJECT},
    };
    const struct elf_file file = {sections, 4, symbols, 4};
    const struct lkmfs_section_report places[] = {{.name = ".text", .address = TEXT},
                                                  {.name = ".static_call.text", .address = CALLS},
                                                  {.name = ".data", .address = DATA}};
    const struct link_map map = {.sections = places, .section_count = 3};
    put_le32(trampoline + 1, (uint32_t)(jump - CALLS - 5));
    put_le64(data + 8, key);
    return static_call_follows_key(&file, &map, SECTION_CALLS, &symbols[2], trampoline);
}

Test(diff_static_call, updated_by_the_kernel)
{
    cr_expect(follows(FUNCTION, FUNCTION, "__SCK__call"));
}

Test(diff_static_call, anything_else_is_a_difference)
{
    cr_expect_not(follows(FUNCTION, MIDDLE, "__SCK__call"), "the key says otherwise");
    cr_expect_not(follows(MIDDLE, MIDDLE, "__SCK__call"), "no function begins there");
    cr_expect_not(follows(DATA, DATA, "__SCK__call"), "it is not even code");
    cr_expect_not(follows(FUNCTION, FUNCTION, "__SCK__another"), "it has no key");
}
