/* What tells that code, strings and data are of one object (kin.c), asked for piece by piece. */
#include "object/x86_64/kin.h"
#include "object/x86_64/units.h"
#include "test_x86_fixture.h"

#define UNLIKELY  (TEXT + 0x200)
#define STRINGS   (RODATA + 0x1000)
#define FUNCTIONS 4

/* The functions of .text, one every 0x20 bytes; and those of .text.unlikely, one every 0x10. */
enum { A, B, C, D };
enum { P, Q };
#define OF_TEXT(function, offset)     (TEXT + (uint64_t)(function)*0x20 + (offset))
#define OF_UNLIKELY(function, offset) (UNLIKELY + (uint64_t)(function)*0x10 + (offset))

static struct {
    uint32_t text, unlikely, strings;
    struct restore restore;
    struct ties *ties;
} kin;

static void forget(void)
{
    if (kin.ties)
        restore_free(&kin.restore);
    ties_free(kin.ties);
    kin.ties = NULL;
    fixture_stop();
}

/* A module in which nothing tells anything yet: its functions are global, and nothing names them. */
static void start(void)
{
    uint8_t code[0x80];
    static const char strings[] = "one\0two";
    memset(code, 0x90, sizeof(code));
    fixture_start();
    kin.text = fixture_text(code, sizeof(code));
    kin.unlikely = fixture_section(".text.unlikely", UNLIKELY, SHF_EXECINSTR, code, 0x20);
    kin.strings = fixture_section(".rodata.str1.1", STRINGS, SHF_MERGE | SHF_STRINGS, strings, sizeof(strings));
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        fixture_symbol((const char *[]){"a", "b", "c", "d"}[i], kin.text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    for (uint32_t i = 0; i < 2; i++)
        fixture_symbol((const char *[]){"p", "q"}[i], kin.unlikely, i * 0x10, 0x10, STB_GLOBAL, STT_FUNC);
}

TestSuite(x86_kin, .init = start, .fini = forget);

static void again(void)
{
    forget();
    start();
}

static void gather(void)
{
    cr_assert(restore_init(&kin.restore, &fixture.context, &fixture.draft));
    kin.restore.units = units_new(&kin.restore);
    cr_assert(kin.restore.units);
    units_settle(kin.restore.units);
    kin.ties = kin_ties(&kin.restore, kin.text, FUNCTIONS);
    cr_assert(kin.ties);
    cr_assert_not(kin.restore.out_of_memory);
}

/* Functions of .text below `low` are of no later object than what lies there, those from `high` on of no earlier one.
 */
static void expect_bounds(uint32_t section, uint64_t offset, uint32_t low, uint32_t high, const char *what)
{
    struct bounds bounds = ties_bounds(kin.ties, units_end(kin.restore.units, section, offset));
    cr_expect(bounds.low == low && bounds.high == high, "%s: %u and %u, not %u and %u", what, bounds.low, bounds.high,
              low, high);
}

static void expect_of(uint32_t section, uint64_t offset, uint32_t function, const char *what)
{
    expect_bounds(section, offset, function + 1, function, what);
}

static void expect_untied(uint32_t section, uint64_t offset, const char *what)
{
    expect_bounds(section, offset, 0, FUNCTIONS, what);
}

/* The code at `offset` refers to something. */
static void refer(uint32_t section, uint64_t offset, uint32_t type, enum draft_target_kind kind, uint32_t index,
                  int64_t addend)
{
    draft_add_relocation(&fixture.draft, section, offset, type, (struct draft_target){kind, index, addend},
                         LKMFS_FROM_RESTORED);
}

/* ---- tables ---- */

/* A table of self-relative words; where there is a 0 it holds one. */
static uint32_t add_labels(const char *name, const uint64_t *places, size_t count)
{
    uint8_t bytes[64] = {0};
    for (size_t i = 0; i < count; i++)
        put_le32(bytes + i * 4, places[i] ? (uint32_t)(places[i] - TABLE - i * 4) : 0);
    return fixture_section(name, TABLE, 0, bytes, count * 4);
}

static uint32_t add_addresses(const char *name, const uint64_t *addresses, size_t count, size_t size)
{
    uint8_t bytes[64] = {0};
    for (size_t i = 0; i < count; i++)
        put_le64(bytes + i * 8, addresses[i]);
    return fixture_section(name, TABLE, 0, bytes, size);
}

Test(x86_kin, entry_of_a_table_is_of_one_object_with_all_that_it_names)
{
    /* struct bug_entry: where, in which file, and what is no address in entries of this size. */
    const uint64_t bugs[] = {OF_TEXT(B, 2), STRINGS, 0, OF_UNLIKELY(P, 4), STRINGS, OF_TEXT(A, 0)};
    fixture.context.shapes.bug = 12;
    uint32_t table = add_labels("__bug_table", bugs, 6);
    gather();
    expect_of(kin.unlikely, 0, B, "code whose bug is in the same file");
    expect_of(kin.strings, 0, B, "the file's name");
    expect_of(table, 12, B, "the entry");
    expect_bounds(kin.unlikely, 0x10, B + 1, FUNCTIONS, "code behind it");
}

Test(x86_kin, entry_with_a_text_names_that_too)
{
    const uint64_t bugs[] = {OF_TEXT(B, 2), STRINGS, STRINGS + 4, 0, OF_UNLIKELY(P, 4), 0, STRINGS + 4, 0};
    fixture.context.shapes.bug = 16; /* [7.x] */
    add_labels("__bug_table", bugs, 8);
    gather();
    expect_of(kin.unlikely, 0, B, "code whose bug has the same text");
}

Test(x86_kin, entry_tells_nothing_of_what_the_linker_merged_out_of_order)
{
    const uint64_t bugs[] = {OF_TEXT(B, 2), DATA, 0, OF_UNLIKELY(P, 4), DATA, 0};
    for (int is_merged = 0; is_merged < 2; is_merged++) {
        fixture.context.shapes.bug = 12;
        fixture.context.shapes.text_merged = is_merged;
        fixture_section(".rodata", DATA, 0, "12345678", 8);
        add_labels("__bug_table", bugs, 6);
        gather();
        expect_bounds(kin.unlikely, 0, B + 1, is_merged ? FUNCTIONS : B, "code that names the same constant");
        again();
    }
}

Test(x86_kin, tables_that_the_loader_leaves_alone_come_in_the_order_of_objects)
{
    static const struct {
        const char *name;
        bool is_merged, is_by_object;
    } cases[] = {{"__patchable_function_entries", false, true},
                 {"__patchable_function_entries", true, false}, /* the linker sorted it by section then */
                 {"_ftrace_events", true, true},
                 {"__mcount_loc", false, false}}; /* sorted by the loader */
    const uint64_t addresses[] = {OF_TEXT(B, 0), 0, OF_UNLIKELY(P, 0), EXPORT_KFREE, OF_UNLIKELY(Q, 0), OF_TEXT(C, 0)};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture.context.shapes.text_merged = cases[i].is_merged;
        add_addresses(cases[i].name, addresses, 6, 48);
        gather();
        for (uint64_t offset = 0; offset <= 0x10; offset += 0x10)
            if (cases[i].is_by_object)
                expect_bounds(kin.unlikely, offset, B + 1, C, cases[i].name);
            else
                expect_untied(kin.unlikely, offset, cases[i].name);
        again();
    }
}

Test(x86_kin, rest_of_a_table_that_is_no_entry_tells_nothing)
{
    const uint64_t addresses[] = {OF_TEXT(B, 0), OF_UNLIKELY(P, 0)};
    add_addresses("__patchable_function_entries", addresses, 2, 15);
    gather();
    expect_untied(kin.unlikely, 0, "what is named by half an entry");
}

Test(x86_kin, names_of_a_table_are_not_of_its_object)
{
    const uint64_t pointers[] = {OF_TEXT(B, 0), OF_UNLIKELY(P, 0), OF_TEXT(C, 0)};
    add_labels("__tracepoints_ptrs", pointers, 3); /* by symbols, whose sections say nothing */
    gather();
    expect_untied(kin.unlikely, 0, "a symbol");
}

Test(x86_kin, tables_of_objtool_come_in_the_order_of_objects_where_it_ran_on_each)
{
    static const char *const names[] = {".return_sites", ".retpoline_sites", ".call_sites", ".cfi_sites",
                                        ".ibt_endbr_seal"};
    const uint64_t sites[] = {OF_TEXT(B, 1), OF_UNLIKELY(P, 1), OF_TEXT(C, 1)};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        for (int per_object = 0; per_object < 2; per_object++) {
            fixture.context.shapes.objtool_per_object = per_object;
            add_labels(names[i], sites, 3);
            gather();
            if (!per_object)
                expect_untied(kin.unlikely, 0, names[i]);
            else if (i > 0)
                expect_bounds(kin.unlikely, 0, B + 1, C, names[i]);
            again();
        }
    }
}

Test(x86_kin, returns_are_of_one_object_with_the_last_of_text_before_them)
{
    /* Two before the first of .text; behind what points to nothing the last of .text stays so. */
    const uint64_t returns[] = {OF_UNLIKELY(P, 1), DATA,         OF_TEXT(A, 1), OF_TEXT(B, 1), TEXT - 0x10000,
                                OF_UNLIKELY(Q, 1), OF_TEXT(D, 1)};
    for (int per_object = 0; per_object < 2; per_object++) {
        fixture.context.shapes.objtool_per_object = per_object;
        uint32_t other = fixture_section(".exit.text", DATA, SHF_EXECINSTR, "\xc3", 1);
        refer(kin.text, 3, R_X86_64_32S, DRAFT_TARGET_SECTION, kin.strings, 0); /* so both are of one object */
        refer(other, 0, R_X86_64_32S, DRAFT_TARGET_SECTION, kin.strings, 0);
        add_labels(".return_sites", returns, 7);
        gather();
        if (per_object) {
            expect_bounds(kin.unlikely, 0, 0, A, "a return with none of .text before it");
            expect_of(kin.unlikely, 0x10, B, "a return of another section");
        } else {
            expect_untied(kin.unlikely, 0, "the first where objtool ran on the module");
            expect_untied(kin.unlikely, 0x10, "another where objtool ran on the module");
        }
        again();
    }
}

/* ---- the functions that a module begins and ends with ---- */

Test(x86_kin, module_begins_and_ends_in_one_object)
{
    static const struct {
        uint64_t init, exit;
        bool is_tied;
    } cases[] = {{OF_TEXT(C, 0), OF_UNLIKELY(P, 0), true},
                 {OF_TEXT(C, 0), 0, false},
                 {0, OF_UNLIKELY(P, 0), false},
                 {EXPORT_KFREE, OF_UNLIKELY(P, 0), false}, /* not of this module: damaged */
                 {OF_TEXT(C, 0), TEXT - 0x10000, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture.module.init = cases[i].init;
        fixture.module.exit = cases[i].exit;
        gather();
        if (cases[i].is_tied)
            expect_of(kin.unlikely, 0, C, "the exit function");
        else
            expect_untied(kin.unlikely, 0, "a hook without another");
        again();
    }
}

/* ---- code ---- */

Test(x86_kin, strings_are_not_shared_between_objects)
{
    refer(kin.text, 0x23, R_X86_64_32S, DRAFT_TARGET_SECTION, kin.strings, 4);
    refer(kin.unlikely, 3, R_X86_64_32S, DRAFT_TARGET_SECTION, kin.strings, 4);
    refer(kin.unlikely, 0x13, R_X86_64_PC32, DRAFT_TARGET_SECTION, kin.strings, 0); /* the same one */
    gather();
    expect_of(kin.unlikely, 0, B, "code with the same string");
    expect_of(kin.unlikely, 0x10, B, "code that refers to it in another way");
    expect_bounds(kin.strings, 3, 0, B, "the string before");
}

Test(x86_kin, what_code_refers_to_without_a_name_is_of_its_object)
{
    const uint32_t data = kin.strings + 1;
    const struct {
        uint32_t type, kind, index;
        int64_t addend;
        bool is_tied;
        const char *what;
    } cases[] = {
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, kin.text, 0x40 - 4, true, "code of another section"},
        {R_X86_64_32S, DRAFT_TARGET_SECTION, kin.text, 0x5e, true, "its address"},
        {R_X86_64_PLT32, DRAFT_TARGET_SECTION, kin.text, 0x40 - 4, false, "a call that names a global"},
        {R_X86_64_64, DRAFT_TARGET_SECTION, kin.text, 0x40, false, "a pointer"},
        {R_X86_64_PC32, DRAFT_TARGET_SYMBOL, C, -4, false, "a global"},
        {R_X86_64_PC32, DRAFT_TARGET_IMPORT, 0, -4, false, "another module's"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, kin.text, -8, false, "what lies before the section"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, data, 0, false, "variables"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, kin.unlikely, 0x10 - 4, false, "the same section"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture_section(".data", DATA, SHF_WRITE, "12345678", 8);
        refer(data, 0, R_X86_64_PC32, DRAFT_TARGET_SECTION, kin.text, 0); /* not of code */
        refer(kin.text, 0x61, R_X86_64_PC32, DRAFT_TARGET_SECTION, data, 0);
        refer(kin.unlikely, 4, cases[i].type, cases[i].kind, cases[i].index, cases[i].addend);
        gather();
        if (cases[i].is_tied)
            expect_of(kin.unlikely, 0, C, cases[i].what);
        else
            expect_untied(kin.unlikely, 0, cases[i].what);
        expect_bounds(kin.unlikely, 0x10, cases[i].is_tied ? C + 1 : 0, FUNCTIONS, cases[i].what);
        expect_untied(data, 0, "variables themselves");
        again();
    }
}

Test(x86_kin, part_of_a_function_is_of_the_object_that_it_goes_back_to)
{
    fixture.context.shapes.text_merged = true; /* so .text.unlikely of the objects lies in .text */
    fixture_symbol("b.cold", kin.text, 0x70, 0x10, STB_LOCAL, STT_FUNC);
    refer(kin.text, 0x71, R_X86_64_PC32, DRAFT_TARGET_SECTION, kin.text, 0x28 - 4);
    gather();
    expect_of(kin.text, 0x70, B, "the part");
    expect_bounds(kin.text, 0x40, C + 1, C, "another function");
}

Test(x86_kin, trampoline_is_of_one_object_with_the_function_that_it_leads_to)
{
    for (int is_absolute = 0; is_absolute < 2; is_absolute++) {
        const struct draft_symbol absolute = {.name = "absolute", .section = DRAFT_NONE, .value = 0x40};
        uint32_t trampolines = fixture_section(".static_call.text", DATA, SHF_EXECINSTR, "\xe9\0\0\0\0\xcc\xcc\xcc", 8);
        draft_add_symbol(&fixture.draft, &absolute);
        refer(trampolines, 1, R_X86_64_PC32, DRAFT_TARGET_SYMBOL,
              is_absolute ? (uint32_t)fixture.draft.symbol_count - 1 : C, -4);
        gather();
        if (is_absolute)
            expect_untied(trampolines, 1, "a trampoline that leads to no section");
        else
            expect_of(trampolines, 1, C, "a trampoline");
        again();
    }
}

/* ---- data ---- */

/* The section `name` holds a pointer, 4 bytes of something and, in a case, half a pointer. */
static uint32_t add_pointer(const char *name, uint64_t flags, uint64_t pointer)
{
    uint8_t bytes[12] = {0};
    put_le64(bytes, pointer);
    put_le32(bytes + 8, (uint32_t)OF_TEXT(A, 0));
    return fixture_section(name, RODATA, flags, bytes, sizeof(bytes));
}

Test(x86_kin, constant_that_points_to_a_local_function_is_of_its_object)
{
    static const struct {
        const char *name;
        uint64_t flags, offset; /* of what is pointed to */
        bool is_merged, is_tied;
        const char *what;
    } cases[] = {
        {".rodata", 0, 0x40, false, true, "a local function"},
        {".rodata", 0, 0x20, false, false, "a global one"},
        {".rodata", 0, 0x50, false, false, "the middle of a function"},
        {".rodata", 0, 0x60, false, false, "a function with two names"},
        {".rodata", 0, 0x68, false, false, "what is no function"},
        {".rodata", 0, 0x218, false, false, "what lies behind the last symbol"},
        {".data..read_mostly", SHF_WRITE, 0x40, false, false, "a pointer that may have been stored at run time"},
        {".data", SHF_WRITE, 0x40, false, true, "a function whose address no code takes"},
        {".rodata", 0, 0x40, true, false, "what the linker merged out of order"},
        {".rodata.other", 0, 0x40, true, true, "what it did not"},
        {".text.other", SHF_EXECINSTR, 0x40, false, false, "code that looks like a pointer"},
        {"__mcount_loc", 0, 0x40, false, false, "a table that the loader sorted"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fixture.draft.symbols[C].info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
        fixture.draft.symbols[D].info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
        fixture_symbol("alias", kin.text, 0x60, 0x20, STB_LOCAL, STT_FUNC);
        fixture_symbol("label", kin.text, 0x68, 0, STB_LOCAL, STT_NOTYPE);
        fixture.context.shapes.text_merged = cases[i].is_merged;
        uint32_t section = add_pointer(cases[i].name, cases[i].flags, TEXT + cases[i].offset);
        gather();
        if (cases[i].is_tied)
            expect_of(section, 0, C, cases[i].what);
        else
            expect_untied(section, 0, cases[i].what);
        again();
    }
}

Test(x86_kin, pointer_that_code_may_have_stored_tells_nothing)
{
    fixture.draft.symbols[C].info = ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
    draft_add_relocation(&fixture.draft, kin.text, 3, R_X86_64_32S,
                         (struct draft_target){DRAFT_TARGET_SECTION, kin.text, 0x40}, LKMFS_FROM_RESTORED);
    uint32_t section = add_pointer(".data", SHF_WRITE, TEXT + 0x40);
    gather();
    expect_untied(section, 0, "a function whose address a function takes");
}

Test(x86_kin, string_in_writable_data_tells_nothing)
{
    const uint64_t bugs[] = {OF_TEXT(B, 2), STRINGS + 4, 0};
    uint32_t section = add_pointer(".data", SHF_WRITE, STRINGS + 4);
    fixture.context.shapes.bug = 12;
    add_labels("__bug_table", bugs, 3);
    gather();
    expect_untied(section, 0, "a string that some init function may have stored");
}

Test(x86_kin, constant_that_points_to_a_string_is_of_its_object)
{
    for (int is_string = 0; is_string < 2; is_string++) {
        const uint64_t pointed = (is_string ? STRINGS : DATA) + 4, bugs[] = {OF_TEXT(B, 2), pointed, 0};
        fixture_section(".rodata.other", DATA, 0, "12345678", 8);
        uint32_t section = add_pointer(".rodata", 0, pointed);
        fixture.context.shapes.bug = 12;
        add_labels("__bug_table", bugs, 3); /* so what is pointed to is of B's object */
        gather();
        if (is_string)
            expect_of(section, 0, B, "a pointer to a string");
        else
            expect_untied(section, 0, "a pointer to what has a name as a rule");
        again();
    }
}

/* ---- names ---- */

/* An event in writable data, where nothing else would tie it. */
static uint32_t add_event(const char *name, const char *section, uint64_t address)
{
    uint32_t index = fixture_section(section, address, SHF_WRITE, "12345678", 8);
    fixture_symbol(name, index, 0, 8, STB_LOCAL, STT_OBJECT);
    return index;
}

Test(x86_kin, tracepoint_and_its_event_are_of_one_object)
{
    uint32_t open = add_event("event_open", ".data.1", DATA), close = add_event("event_close", ".data.2", DATA + 0x100);
    uint32_t other = add_event("event_closed", ".data.3", DATA + 0x200);
    const struct draft_symbol lost[] = {{.name = "event_lost", .section = DRAFT_NONE},
                                        {.name = "event_gone", .section = DRAFT_NONE}};
    draft_add_symbol(&fixture.draft, &lost[0]);
    draft_add_symbol(&fixture.draft, &lost[1]);
    fixture.draft.symbols[A].name = "__traceiter_lost";
    fixture.draft.symbols[B].name = "__traceiter_open";
    fixture.draft.symbols[C].name = "__traceiter_close";
    fixture.draft.symbols[D].name = "__traceiter_gone";
    /* The order of local symbols would bound them by each other. */
    for (size_t i = 0; i < fixture.draft.symbol_count; i++)
        fixture.draft.symbols[i].info = ELF64_ST_INFO(STB_GLOBAL, ELF64_ST_TYPE(fixture.draft.symbols[i].info));
    gather();
    expect_of(open, 0, B, "an event");
    expect_of(close, 0, C, "another");
    expect_untied(other, 0, "an event without such a function");
}
