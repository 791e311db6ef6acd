/* What tells that two things are of two objects (apart.c). */
#include "object/x86_64/apart.h"
#include "object/x86_64/kin.h"
#include "object/x86_64/units.h"
#include "test_x86_fixture.h"

#define STRINGS   (RODATA + 0x1000)
#define FUNCTIONS 4

static struct {
    uint32_t text, rodata;
    struct restore restore;
    struct ends ends;
} apart;

/* A module of four global functions, one every 0x20 bytes, of which nothing is known. */
static void start(void)
{
    static uint8_t code[FUNCTIONS * 0x20];
    memset(code, 0x90, sizeof(code));
    fixture_start();
    apart.text = fixture_text(code, sizeof(code));
    apart.rodata = fixture_section(".rodata", RODATA, 0, code, sizeof(code));
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        fixture_symbol((const char *[]){"a", "b", "c", "d"}[i], apart.text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    cr_assert(ends_init(&apart.ends, FUNCTIONS));
}

static void forget(void)
{
    ends_free(&apart.ends);
    fixture_stop();
}

TestSuite(x86_apart, .init = start, .fini = forget);

/* Places that the functions refer to, in their order; 0 where one refers to none. */
static void tell(const uint64_t addresses[FUNCTIONS])
{
    struct restore *r = &apart.restore;
    cr_assert(restore_init(r, &fixture.context, &fixture.draft));
    r->units = units_new(r);
    cr_assert(r->units);
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        if (addresses[i])
            units_reference(r->units, apart.text, i * 0x20, addresses[i]);
    units_settle(r->units);
    struct ties *ties = kin_ties(r, apart.text, FUNCTIONS);
    cr_assert(ties);
    cr_assert(apart_tell(r, ties, &apart.ends));
    ends_index(&apart.ends);
    ties_free(ties);
    restore_free(r);
}

static void add_variable(const char *name, uint32_t place)
{
    fixture_symbol(name, apart.rodata, place * 8, 8, STB_LOCAL, STT_OBJECT);
}

static const uint64_t first_and_last[FUNCTIONS] = {RODATA, 0, 0, RODATA + 8};

/* Behind the first function an object ends up to gap `last`; FUNCTIONS says that nothing is known. */
static void expect_end(uint32_t last, const char *what)
{
    cr_expect_eq(apart.ends.next_by[1], last, "%s: up to %u", what, apart.ends.next_by[1]);
}

Test(x86_apart, object_has_a_name_only_once)
{
    add_variable("same", 0);
    add_variable("same", 1);
    tell(first_and_last);
    expect_end(3, "two of one name");
    cr_assert_not(apart.ends.does[1] || apart.ends.does[2] || apart.ends.does[3]);
}

Test(x86_apart, one_gap_that_can_be_is_the_end)
{
    add_variable("same", 0);
    add_variable("same", 1);
    apart.ends.can[1] = apart.ends.can[3] = false;
    tell(first_and_last);
    cr_assert(apart.ends.does[2]);
}

Test(x86_apart, compiler_counts_variables_of_functions_in_an_object)
{
    static const struct {
        const char *names[2];
        uint32_t last;
        int type;
    } cases[] = {
        {{"__func__.3", "__key.3"}, 3, STT_OBJECT},
        {{"__func__.3", "__key.4"}, FUNCTIONS, STT_OBJECT},
        {{"__func__.3", "__key.13"}, FUNCTIONS, STT_OBJECT},
        {{"__func__.3", "CSWTCH.3"}, FUNCTIONS, STT_OBJECT}, /* counted by itself */
        {{"__compound_literal.3", "__key.3"}, FUNCTIONS, STT_OBJECT},
        {{"f.part.3", "g.part.3"}, FUNCTIONS, STT_FUNC}, /* each counted by its function */
        {{"a.b", "c.b"}, FUNCTIONS, STT_OBJECT},
        {{"a.", "c."}, FUNCTIONS, STT_OBJECT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (uint32_t k = 0; k < 2; k++)
            fixture_symbol(cases[i].names[k], apart.rodata, k * 8, 8, STB_LOCAL, cases[i].type);
        tell(first_and_last);
        expect_end(cases[i].last, cases[i].names[1]);
        forget();
        start();
    }
}

Test(x86_apart, globals_and_symbols_of_one_object_tell_nothing)
{
    add_variable("same", 0);
    add_variable("same", 1);
    const uint64_t one_object[FUNCTIONS] = {RODATA + 8, 0, 0, RODATA}; /* in another order than the symbols */
    tell(one_object);
    expect_end(FUNCTIONS, "what is known to be of one object");
    forget();
    start();
    fixture_symbol("same", apart.rodata, 0, 8, STB_GLOBAL, STT_OBJECT);
    add_variable("same", 1);
    tell(first_and_last);
    expect_end(FUNCTIONS, "a global of that name");
}

Test(x86_apart, object_has_a_string_only_once)
{
    static const struct {
        const char bytes[9];
        uint32_t last;
    } cases[] = {
        {"one\0one\0", 3},
        {"one\0two\0", FUNCTIONS},
        {"one\0ones", FUNCTIONS},        /* no NUL behind the last */
        {"\0\0\0\0\0\0\0\0", FUNCTIONS}, /* padding */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint32_t index = fixture_section(".rodata.str1.1", STRINGS, SHF_MERGE | SHF_STRINGS, cases[i].bytes, 8);
        for (uint32_t k = 0; k < 2; k++)
            draft_add_relocation(&fixture.draft, apart.text, k * 0x60 + 3, R_X86_64_32S,
                                 (struct draft_target){DRAFT_TARGET_SECTION, index, (int64_t)k * 4},
                                 LKMFS_FROM_RESTORED);
        tell((const uint64_t[FUNCTIONS]){0});
        expect_end(cases[i].last, cases[i].bytes);
        forget();
        start();
    }
}
