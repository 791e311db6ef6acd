/* The objects of init functions that are gone, by what these left (leftovers.c). */
#include "object/x86_64/kin.h"
#include "object/x86_64/leftovers.h"
#include "object/x86_64/units.h"
#include "test_x86_fixture.h"

#define BSS       (DATA + 0x1000)
#define FUNCTIONS 3
#define SECOND    0x20 /* offset of the second function */

/* The local things that each test is about. */
enum { VARIABLE = FUNCTIONS, BEHIND, CONSTANT };

static struct {
    uint32_t text, bss, data, rodata;
    struct inits *found;
} left;

static void start(void)
{
    uint8_t code[0x80], bytes[32] = {0};
    memset(code, 0x90, sizeof(code));
    put_le64(bytes + 8, EXPORT_KFREE);
    fixture_start();
    left.text = fixture_text(code, sizeof(code));
    left.rodata = fixture_section(".rodata", RODATA, 0, bytes, sizeof(bytes));
    memset(bytes, 0, sizeof(bytes));
    left.data = fixture_section(".data", DATA, SHF_WRITE, bytes, sizeof(bytes));
    struct draft_section *bss = draft_add_section(&fixture.draft, ".bss");
    *bss = (struct draft_section){
        .name = ".bss", .address = BSS, .size = 16, .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_WRITE};
    left.bss = (uint32_t)(fixture.draft.section_count - 1);
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        fixture_symbol((const char *[]){"a", "b", "c"}[i], left.text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("variable", left.bss, 0, 8, STB_LOCAL, STT_OBJECT);
    fixture_symbol("behind", left.bss, 8, 8, STB_LOCAL, STT_OBJECT);
    fixture_symbol("constant", left.rodata, 0, 16, STB_LOCAL, STT_OBJECT);
    fixture_symbol("callback", left.text, 0x60, 0x20, STB_LOCAL, STT_FUNC);
    left.found = calloc(1, sizeof(*left.found));
}

static void forget(void)
{
    free(left.found);
    fixture_stop();
}

TestSuite(x86_leftovers, .init = start, .fini = forget);

static void again(void)
{
    forget();
    start();
}

/* The second function has the instruction `code`, whose field at `field` leads to `offset` of section `index`. */
static void use(const uint8_t *code, size_t size, unsigned field, uint32_t type, uint32_t index, uint64_t offset)
{
    int64_t behind = type == R_X86_64_PC32 ? (int64_t)size - field : 0;
    memcpy(fixture.draft.sections[left.text].data + SECOND, code, size);
    draft_add_relocation(&fixture.draft, left.text, SECOND + field, type,
                         (struct draft_target){DRAFT_TARGET_SECTION, index, (int64_t)offset - behind},
                         LKMFS_FROM_RESTORED);
}

/* Finds, and expects `count` objects. */
static void expect_found(size_t count, const char *what)
{
    struct restore r;
    struct ends ends;
    struct pieces pieces = {0};
    cr_assert(restore_init(&r, &fixture.context, &fixture.draft));
    r.units = units_new(&r);
    cr_assert(r.units && ends_init(&ends, FUNCTIONS + 1));
    for (size_t i = 0; i < fixture.draft.sections[left.text].relocation_count; i++) {
        const struct draft_target *target = &fixture.draft.sections[left.text].relocations[i].target;
        units_reference(r.units, left.text, SECOND, fixture.draft.sections[target->index].address);
    }
    units_reference(r.units, left.text, 0, BSS + 8); /* so what comes behind is of the first object or a later one */
    units_settle(r.units);
    ends_index(&ends);
    struct ties *ties = kin_ties(&r, left.text, FUNCTIONS + 1);
    cr_assert(ties);
    *left.found = (struct inits){.r = &r, .text = left.text, .ends = &ends, .ties = ties, .pieces = &pieces};
    cr_assert(leftovers_find(left.found));
    cr_expect_eq(left.found->count, count, "%s: %zu", what, left.found->count);
    ties_free(ties);
    ends_free(&ends);
    restore_free(&r);
}

/* constant holds a pointer, and nothing names it: it is there in all tests that do not use it. */
static void use_constant(void)
{
    fixture.draft.symbols[CONSTANT].info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
}

static const uint8_t xor_from[] = {0x48, 0x33, 0x05, 0, 0, 0, 0};        /* xor variable(%rip), %rax */
static const uint8_t add_to[] = {0x83, 0x05, 0, 0, 0, 0, 1};             /* addl $1, variable(%rip) */
static const uint8_t move_to[] = {0x48, 0x89, 0x05, 0, 0, 0, 0};         /* mov %rax, variable(%rip) */
static const uint8_t load_of[] = {0x48, 0x8d, 0x05, 0, 0, 0, 0};         /* lea variable(%rip), %rax */
static const uint8_t move_address[] = {0x48, 0xc7, 0xc7, 0, 0, 0, 0};    /* mov $variable, %rdi */
static const uint8_t compare_with[] = {0x48, 0x83, 0x3d, 0, 0, 0, 0, 1}; /* cmpq $1, variable(%rip) */

Test(x86_leftovers, variable_that_is_set_but_only_read_was_set_by_init)
{
    static const struct {
        const uint8_t *code;
        size_t size, count;
        uint32_t type;
        uint64_t value;
        const char *what;
    } cases[] = {
        {xor_from, sizeof(xor_from), 1, R_X86_64_PC32, 77, "read"},
        {compare_with, sizeof(compare_with), 1, R_X86_64_PC32, 77, "compared"},
        {xor_from, sizeof(xor_from), 0, R_X86_64_PC32, 0, "never set"},
        {add_to, sizeof(add_to), 0, R_X86_64_PC32, 77, "read and written"},
        {move_to, sizeof(move_to), 0, R_X86_64_PC32, 77, "written"},
        {load_of, sizeof(load_of), 0, R_X86_64_PC32, 77, "its address taken"},
        {move_address, sizeof(move_address), 0, R_X86_64_32S, 77, "its address moved"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        unsigned field = cases[i].code == add_to ? 2 : 3;
        use_constant();
        use(cases[i].code, cases[i].size, field, cases[i].type, left.bss, 0);
        fixture_word(BSS, cases[i].value);
        fixture_word(BSS + 8, 0);
        expect_found(cases[i].count, cases[i].what);
        if (cases[i].count) {
            cr_expect_eq(left.found->found[0].low, 2, "the object of the function that reads it");
            cr_expect(left.found->found[0].is_member);
        }
        again();
    }
}

Test(x86_leftovers, memory_operand_counts_from_the_end_of_its_instruction)
{
    use_constant();
    use(add_to, sizeof(add_to), 2, R_X86_64_PC32, left.bss, 8); /* 4 bytes less would be the variable before */
    fixture_word(BSS, 77);
    fixture_word(BSS + 8, 77);
    expect_found(1, "the variable before, which nothing reads");
}

Test(x86_leftovers, variable_that_data_names_may_be_written)
{
    use_constant();
    use(xor_from, sizeof(xor_from), 3, R_X86_64_PC32, left.bss, 0);
    fixture_word(BSS, 77);
    fixture_word(BSS + 8, 0);
    put_le64(fixture.draft.sections[left.data].data + 12, BSS); /* in a packed struct */
    expect_found(0, "a variable that something points to");
}

Test(x86_leftovers, function_in_bss_that_nothing_refers_to_was_stored_by_init)
{
    use_constant();
    fixture_word(BSS, TEXT + 0x60);
    fixture_word(BSS + 8, 0);
    fixture.draft.symbols[VARIABLE].info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
    expect_found(1, "a callback");
    cr_assert_eq(left.found->found[0].low, 4, "behind the callback");
    use(move_address, sizeof(move_address), 3, R_X86_64_32S, left.text, 0x60);
    expect_found(0, "a callback that code takes the address of");
    again();
    use_constant();
    fixture.draft.symbols[VARIABLE].info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
    expect_found(0, "a function that lies nowhere");
}

Test(x86_leftovers, constant_that_nothing_refers_to_was_used_by_init)
{
    fixture_word(BSS, 0);
    fixture_word(BSS + 8, 0);
    expect_found(1, "a struct with a pointer");
    put_le64(fixture.draft.sections[left.rodata].data + 8, 77);
    expect_found(0, "plain numbers, of which the compiler made constants");
    put_le64(fixture.draft.sections[left.rodata].data + 8, EXPORT_KFREE);
    use(xor_from, sizeof(xor_from), 3, R_X86_64_PC32, left.rodata, 0);
    expect_found(0, "one that code reads");
}

Test(x86_leftovers, constant_of_any_object_tells_nothing)
{
    fixture_word(BSS, 0);
    fixture_word(BSS + 8, 0);
    fixture.draft.symbols[BEHIND].info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT);
    expect_found(0, "a constant of which nothing is known");
}

Test(x86_leftovers, constant_outside_of_its_section_is_none)
{
    fixture_word(BSS, 0);
    fixture_word(BSS + 8, 0);
    for (int64_t offset = -16; offset <= 32; offset += 4) {
        fixture.draft.symbols[CONSTANT].value = (uint64_t)offset;
        fixture.draft.symbols[CONSTANT].size = offset < 0 ? 4 : UINT64_MAX;
        expect_found(offset >= 0 && offset <= 8 && offset % 8 == 0, "a struct that may be cut off");
    }
}
