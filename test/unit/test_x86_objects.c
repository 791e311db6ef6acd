/* Which code is of one object, and the order of objects in the unwind table, where objtool ran per object. */
#include "test_x86_fixture.h"

TestSuite(x86_objects, .init = fixture_start, .fini = fixture_stop);

/* ---- the unwind table ---- */

#define UNLIKELY    (TEXT + 0x200)
#define ENTRIES_MAX 32

/* Of the unwind table: what starts at `address`; a mark of 0 is an entry for nothing. */
struct entry {
    uint64_t address;
    uint8_t mark;
};

/* The table, as in memory: by address. */
static void add_unwind(const struct entry *entries, size_t count)
{
    uint8_t unwind[ENTRIES_MAX * 6] = {0};
    uint64_t places[ENTRIES_MAX];
    for (size_t i = 0; i < count; i++) {
        places[i] = entries[i].address;
        unwind[i * 6] = entries[i].mark;
    }
    fixture_relative_table(".orc_unwind_ip", places, count);
    fixture_section(".orc_unwind", RODATA, 0, unwind, count * 6);
    fixture.context.shapes.objtool_per_object = true;
}

/* The marks in the order on disk. */
static void expect_order(const char *marks)
{
    uint32_t index = draft_find_section(&fixture.draft, ".orc_unwind");
    const struct draft_section *unwind = &fixture.draft.sections[index];
    char found[ENTRIES_MAX + 1] = "";
    for (size_t i = 0; i < unwind->size / 6; i++)
        found[i] = (char)('0' + unwind->data[i * 6]);
    cr_assert_str_eq(found, marks);
}

/*
 * Three functions in .text, "a" to "c", and two pieces of .text.unlikely. The two entries at one address prove that the
 * pieces are of two objects.
 */
static uint32_t make_module(void)
{
    static const struct entry entries[] = {
        {TEXT, 1},     {TEXT + 0x20, 2},     {TEXT + 0x40, 3},     {TEXT + 0x60, 0},
        {UNLIKELY, 4}, {UNLIKELY + 0x10, 0}, {UNLIKELY + 0x10, 5}, {UNLIKELY + 0x20, 0}};
    uint8_t code[0x60];
    memset(code, 0x90, sizeof(code));
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_section(".text.unlikely", UNLIKELY, SHF_EXECINSTR, code, 0x20);
    add_unwind(entries, sizeof(entries) / sizeof(*entries));
    fixture_symbol("a", text, 0, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("b", text, 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("c", text, 0x40, 0x20, STB_GLOBAL, STT_FUNC);
    return text;
}

#define STRINGS (RODATA + 0x1000)

static void add_strings(void)
{
    static const char strings[] = "one\0two";
    fixture_section(".rodata.str1.1", STRINGS, 0, strings, sizeof(strings));
}

/* mov $string, %rdi */
static void use_string(uint32_t section, uint64_t offset, uint64_t string)
{
    uint8_t *code = fixture.draft.sections[section].data + offset;
    memcpy(code, (const uint8_t[]){0x48, 0xc7, 0xc7}, 3);
    put_le32(code + 3, (uint32_t)(STRINGS + string));
}

static void jump(uint32_t section, uint32_t from, uint32_t to)
{
    uint8_t *code = fixture.draft.sections[section].data + from;
    code[0] = 0xe9;
    put_le32(code + 1, to - from - 5);
}

/* A table of returns, as objtool wrote it: object by object, .text first. */
static void add_returns(const uint64_t *places, size_t count)
{
    uint8_t bytes[64];
    for (size_t i = 0; i < count; i++)
        put_le32(bytes + i * 4, (uint32_t)(places[i] - DATA - i * 4));
    fixture_section(".return_sites", DATA, 0, bytes, count * 4);
}

Test(x86_objects, returns_tell_after_which_function_a_piece_comes)
{
    const uint64_t returns[] = {TEXT + 1, UNLIKELY + 1, TEXT + 0x21, TEXT + 0x41, UNLIKELY + 0x11};
    make_module();
    add_returns(returns, 5);
    fixture_restore();
    expect_order("14023050");
}

Test(x86_objects, other_tables_follow_the_same_order)
{
    const uint64_t returns[] = {TEXT + 1, UNLIKELY + 1, TEXT + 0x21, TEXT + 0x41, UNLIKELY + 0x11};
    const uint64_t calls[] = {TEXT, TEXT + 0x40, UNLIKELY, UNLIKELY + 0x10}; /* as the loader sorted them */
    uint8_t bytes[32];
    uint32_t text = make_module();
    add_returns(returns, 5);
    for (size_t i = 0; i < 4; i++)
        put_le64(bytes + i * 8, calls[i]);
    uint32_t table = fixture_section("__mcount_loc", STRINGS, 0, bytes, sizeof(bytes));
    fixture_restore();
    expect_section(table, 0, R_X86_64_64, text, 0);
    expect_section(table, 8, R_X86_64_64, text + 1, 0);
    expect_section(table, 16, R_X86_64_64, text, 0x40);
    expect_section(table, 24, R_X86_64_64, text + 1, 0x10);
}

/* Of each object, jumps first, and of these and those .text first. */
Test(x86_objects, static_calls_are_listed_object_by_object)
{
    const uint64_t returns[] = {TEXT + 1, UNLIKELY + 1, TEXT + 0x21, TEXT + 0x41, UNLIKELY + 0x11};
    static const struct {
        uint64_t address;
        bool is_jump;
    } calls[] = {{TEXT, 0}, {TEXT + 0x20, 0}, {TEXT + 0x40, 1}, {UNLIKELY, 0}, {UNLIKELY + 0x10, 1}};
    uint8_t bytes[sizeof(calls) / sizeof(*calls) * 8];
    uint32_t text = make_module();
    add_returns(returns, 5);
    for (size_t i = 0; i < sizeof(bytes) / 8; i++) {
        put_le32(bytes + i * 8, (uint32_t)(calls[i].address - STRINGS - i * 8));
        put_le32(bytes + i * 8 + 4, (uint32_t)((EXPORT_KEY | calls[i].is_jump) - STRINGS - i * 8 - 4));
    }
    uint32_t table = fixture_section(".static_call_sites", STRINGS, SHF_WRITE, bytes, sizeof(bytes));
    fixture_restore();
    expect_section(table, 0, R_X86_64_PC32, text, 0);
    expect_section(table, 8, R_X86_64_PC32, text + 1, 0);
    expect_section(table, 16, R_X86_64_PC32, text, 0x40);
    expect_section(table, 24, R_X86_64_PC32, text + 1, 0x10);
    expect_section(table, 32, R_X86_64_PC32, text, 0x20);
}

Test(x86_objects, strings_tell_it_too)
{
    uint32_t text = make_module();
    add_strings();
    use_string(text, 0x20, 0);
    use_string(text, 0x40, 4);
    use_string(text + 1, 0, 0);
    use_string(text + 1, 0x10, 4);
    fixture_restore();
    expect_order("12403050");
    expect_no_doubt();
}

Test(x86_objects, module_ends_in_the_object_that_it_begins_in)
{
    const struct entry entries[] = {{TEXT, 1},     {TEXT + 0x20, 2},     {TEXT + 0x40, 3}, {TEXT + 0x60, 0},
                                    {UNLIKELY, 4}, {UNLIKELY + 0x10, 0}, {INIT, 5},        {INIT + 0x10, 0}};
    const uint64_t returns[] = {TEXT + 1, UNLIKELY + 1, TEXT + 0x21};
    uint8_t code[0x60];
    memset(code, 0x90, sizeof(code));
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_section(".exit.text", UNLIKELY, SHF_EXECINSTR, code, 0x10);
    uint32_t init = fixture_section(".init.text", INIT, SHF_EXECINSTR, code, 0x10);
    free(fixture.draft.sections[init].data);
    fixture.draft.sections[init].data = NULL;
    fixture.draft.sections[init].in_memory = false;
    add_unwind(entries, sizeof(entries) / sizeof(*entries));
    add_returns(returns, 3);
    for (uint32_t i = 0; i < 3; i++)
        fixture_symbol((const char *[]){"a", "b", "c"}[i], text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture.module.exit = UNLIKELY;
    fixture.module.init = INIT;
    fixture_restore();
    expect_order("14050230");
}

/* Two objects: the function `names[0]`, which the exit function calls; and two others. An init function is gone. */
static void make_module_that_calls_in_exit(const char *const names[3])
{
    static const struct entry entries[] = {{TEXT, 1},        {TEXT + 0x20, 0}, {TEXT + 0x20, 2},     {TEXT + 0x40, 3},
                                           {TEXT + 0x60, 0}, {UNLIKELY, 4},    {UNLIKELY + 0x10, 0}, {INIT, 5},
                                           {INIT + 0x10, 0}};
    const uint64_t returns[] = {TEXT + 1, TEXT + 0x41, UNLIKELY + 1};
    uint8_t code[0x60];
    memset(code, 0x90, sizeof(code));
    uint32_t text = fixture_text(code, sizeof(code));
    code[0] = 0xe8;
    put_le32(code + 1, (uint32_t)(TEXT - UNLIKELY - 5));
    uint32_t exit_text = fixture_section(".exit.text", UNLIKELY, SHF_EXECINSTR, code, 0x10);
    fixture_symbol("cleanup_module", exit_text, 0, 0x10, STB_GLOBAL, STT_FUNC);
    add_unwind(entries, sizeof(entries) / sizeof(*entries));
    add_returns(returns, 3);
    for (uint32_t i = 0; i < 3; i++)
        fixture_symbol(names[i], text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    uint32_t init = fixture_section(".init.text", INIT, SHF_EXECINSTR, code, 0x10);
    free(fixture.draft.sections[init].data);
    fixture.draft.sections[init].data = NULL;
    fixture.draft.sections[init].in_memory = false;
    fixture.module.exit = UNLIKELY;
    fixture_restore();
}

Test(x86_objects, init_function_is_of_the_object_that_exit_undoes)
{
    make_module_that_calls_in_exit((const char *const[]){"foo_exit", "b", "c"});
    expect_order("105023040");
    expect_doubt("likely, not proven, for 1 of 2");
}

Test(x86_objects, what_a_kept_function_did_tells_nothing_of_init)
{
    make_module_that_calls_in_exit((const char *const[]){"foo_exit", "b", "foo_init"});
    expect_order("102304050");
}

Test(x86_objects, what_exit_calls_for_other_reasons_tells_nothing_of_init)
{
    make_module_that_calls_in_exit((const char *const[]){"foo", "b", "c"});
    expect_order("102304050");
}

Test(x86_objects, calls_of_freed_functions_follow_what_exit_undoes_where_the_linker_merged_code)
{
    const uint64_t calls[] = {TEXT, TEXT + 0x20, TEXT + 0x40, INIT}; /* as the loader sorted them */
    uint8_t code[0x60], table[32];
    memset(code, 0x90, sizeof(code));
    uint32_t text = fixture_text(code, sizeof(code));
    code[0] = 0xe8;
    put_le32(code + 1, (uint32_t)(TEXT - UNLIKELY - 5));
    uint32_t exit_text = fixture_section(".exit.text", UNLIKELY, SHF_EXECINSTR, code, 0x10);
    uint32_t init = fixture_section(".init.text", INIT, SHF_EXECINSTR, code, 0x10);
    free(fixture.draft.sections[init].data);
    fixture.draft.sections[init].data = NULL;
    fixture.draft.sections[init].in_memory = false;
    for (size_t i = 0; i < 4; i++)
        put_le64(table + i * 8, calls[i]);
    uint32_t index = fixture_section("__mcount_loc", STRINGS, 0, table, sizeof(table));
    fixture_symbol("cleanup_module", exit_text, 0, 0x10, STB_GLOBAL, STT_FUNC);
    for (uint32_t i = 0; i < 3; i++)
        fixture_symbol((const char *[]){"foo_exit", "b", "c"}[i], text, (uint64_t)i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture.module.exit = UNLIKELY;
    fixture.context.shapes.text_merged = true;
    fixture_restore();
    expect_section(index, 0, R_X86_64_64, text, 0);
    expect_section(index, 8, R_X86_64_64, init, 0);
    expect_section(index, 16, R_X86_64_64, text, 0x20);
    expect_section(index, 24, R_X86_64_64, text, 0x40);
    expect_doubt("likely, not proven");
}

Test(x86_objects, freed_function_begins_before_it_calls_the_tracer)
{
    /* Two freed functions; with the second one the module begins, and with c it ends. */
    const uint64_t calls[] = {TEXT + 4, TEXT + 0x24, TEXT + 0x44, INIT + 4, INIT + 0x24};
    uint8_t code[0x60], table[sizeof(calls)];
    memset(code, 0x90, sizeof(code));
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t init = fixture_section(".init.text", INIT, SHF_EXECINSTR, code, 0x40);
    free(fixture.draft.sections[init].data);
    fixture.draft.sections[init].data = NULL;
    fixture.draft.sections[init].in_memory = false;
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        put_le64(table + i * 8, calls[i]);
    uint32_t index = fixture_section("__mcount_loc", STRINGS, 0, table, sizeof(table));
    for (uint32_t i = 0; i < 3; i++)
        fixture_symbol((const char *[]){"a", "b", "c"}[i], text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture.module.init = INIT + 0x20;
    fixture.module.exit = TEXT + 0x40;
    fixture.context.shapes.text_merged = true;
    fixture_restore();
    expect_section(index, 16, R_X86_64_64, init, 4); /* of some object, not of the last one */
    expect_section(index, 24, R_X86_64_64, init, 0x24);
    expect_section(index, 32, R_X86_64_64, text, 0x44);
}

Test(x86_objects, large_block_of_its_own_is_an_object_of_its_own)
{
    /* After "a", tied to the piece, come "b", tied to nothing, and eight functions that are of one object. */
    struct entry entries[16] = {{TEXT, 1}, {TEXT + 0x10, 2}};
    uint8_t code[0xb0];
    size_t count = 2;
    memset(code, 0x90, sizeof(code));
    code[0x20] = 0xe9; /* from the first of the eight to the last, which is local */
    put_le32(code + 0x21, 0x90 - 0x25);
    uint32_t text = fixture_text(code, sizeof(code));
    for (uint32_t i = 0; i < 8; i++)
        entries[count++] = (struct entry){TEXT + 0x20 + i * 0x10, 3};
    entries[count++] = (struct entry){TEXT + 0xa0, 0};
    entries[count++] = (struct entry){TEXT + 0xa0, 4}; /* another object for certain */
    entries[count++] = (struct entry){TEXT + 0xb0, 0};
    entries[count++] = (struct entry){UNLIKELY, 5};
    entries[count++] = (struct entry){UNLIKELY + 0x10, 0};
    uint32_t cold = fixture_section(".text.unlikely", UNLIKELY, SHF_EXECINSTR, code + 0x50, 0x10);
    add_unwind(entries, count);
    add_strings();
    use_string(text, 0, 0);
    use_string(cold, 0, 0);
    for (uint32_t i = 0; i < 11; i++)
        fixture_symbol((const char *[]){"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}[i], text, i * 0x10, 0x10,
                       i == 9 ? STB_LOCAL : STB_GLOBAL, STT_FUNC);
    fixture_restore();
    expect_order("125033333333040");
    expect_doubt("likely, not proven, for 1 of 1");
}

Test(x86_objects, where_nothing_decides_it_is_said)
{
    make_module();
    fixture_restore();
    expect_doubt("likely, not proven");
}

Test(x86_objects, newer_objtool_wrote_section_by_section)
{
    const uint64_t returns[] = {TEXT + 1, UNLIKELY + 1, TEXT + 0x21, TEXT + 0x41, UNLIKELY + 0x11};
    make_module();
    add_returns(returns, 5);
    fixture.context.shapes.objtool_per_object = false;
    fixture_restore();
    expect_order("12304050");
}

Test(x86_objects, newest_linker_merged_what_objtool_saw_apart)
{
    const struct entry entries[] = {{TEXT, 1},        {TEXT + 0x20, 0}, {TEXT + 0x40, 2},
                                    {TEXT + 0x60, 0}, {UNLIKELY, 3},    {UNLIKELY + 0x10, 0}};
    const uint64_t returns[][3] = {{TEXT + 1, TEXT + 0x41, UNLIKELY + 1}, {TEXT + 1, UNLIKELY + 1, TEXT + 0x41}};
    const char *const orders[] = {"102030", "103020"};
    for (int last = 0; last < 2; last++) {
        uint8_t code[0x60];
        memset(code, 0x90, sizeof(code));
        uint32_t text = fixture_text(code, sizeof(code));
        fixture_section(".exit.text", UNLIKELY, SHF_EXECINSTR, code, 0x10);
        add_unwind(entries, sizeof(entries) / sizeof(*entries));
        add_returns(returns[last], 3);
        fixture_symbol("a.cold", text, 0x40, 0x20, STB_LOCAL, STT_FUNC);
        fixture_symbol("a", text, 0, 0x20, STB_GLOBAL, STT_FUNC);
        fixture.context.shapes.objtool_per_object = false;
        fixture.context.shapes.text_merged = true;
        fixture_restore();
        expect_order(orders[last]);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_objects, jump_over_what_the_linker_filled_keeps_its_relocation)
{
    /* An assembler fills 11 bytes at a time, the linker 10. */
    static const uint8_t longest[] = {0x66, 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
    for (int linked = 0; linked < 2; linked++) {
        uint8_t code[0x60];
        memset(code, 0x90, sizeof(code));
        memcpy(code + 0x12, longest, sizeof(longest));
        memcpy(code + 0x32, longest, sizeof(longest));
        if (linked) { /* between the second and the third function */
            memcpy(code + 0x32, longest + 1, sizeof(longest) - 1);
            memset(code + 0x32 + sizeof(longest) - 1, 0x90, 1);
        }
        code[0x20] = 0xe9;
        put_le32(code + 0x21, 0x40 - 0x25);
        uint32_t text = fixture_text(code, sizeof(code));
        fixture_symbol("a", text, 0, 0x12, STB_GLOBAL, STT_FUNC);
        fixture_symbol("b", text, 0x20, 0x12, STB_GLOBAL, STT_FUNC);
        fixture_symbol("c", text, 0x40, 0x20, STB_GLOBAL, STT_FUNC);
        fixture_restore();
        cr_assert_eq(fixture_relocation(text, 0x21) != NULL, linked, "%d", linked);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_objects, jumps_between_objects_keep_their_relocations)
{
    static const struct {
        uint32_t from, to;
        bool is_left; /* to the linker */
    } jumps[] = {{0x30, 0x40, true}, {0x50, 0, true}, {0x10, 0x20, false}};
    for (int is_known = 0; is_known < 2; is_known++) {
        uint32_t text = make_module();
        add_strings();
        use_string(text, 0x20, 0); /* an object ends between "b" and "c" */
        use_string(text, 0x40, 4);
        use_string(text + 1, 0, 0);
        use_string(text + 1, 0x10, 4);
        for (size_t i = 0; i < 3; i++)
            jump(text, jumps[i].from, jumps[i].to);
        fixture.context.shapes.objtool_per_object = is_known;
        fixture_restore();
        for (size_t i = 0; i < 3; i++)
            cr_expect_eq(fixture_relocation(text, jumps[i].from + 1) != NULL, is_known && jumps[i].is_left, "%x",
                         jumps[i].from);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_objects, long_jump_inside_an_object_has_no_relocation)
{
    const uint32_t far = 0x900;
    const uint64_t end = TEXT + far + 0x20, cold = end + 0x100;
    const struct entry entries[] = {{TEXT, 1}, {TEXT + far, 2}, {end, 0}, {cold, 3}, {cold + 0x10, 0}};
    for (int is_tied = 0; is_tied < 2; is_tied++) {
        uint8_t code[0x920];
        memset(code, 0x90, sizeof(code));
        uint32_t text = fixture_text(code, sizeof(code));
        fixture_section(".text.unlikely", cold, SHF_EXECINSTR, code, 0x10);
        add_unwind(entries, sizeof(entries) / sizeof(*entries));
        add_strings();
        fixture_symbol("a", text, 0, far, STB_GLOBAL, STT_FUNC);
        fixture_symbol("b", text, far, 0x20, STB_GLOBAL, STT_FUNC);
        use_string(text, 0, 0);
        use_string(text, far, is_tied ? 0 : 4);
        jump(text, 0x10, far);
        fixture_restore();
        cr_expect_eq(fixture_relocation(text, 0x11) == NULL, is_tied);
        fixture_stop();
        fixture_start();
    }
}

/* A word of a table: mostly the distance to some code, where the table's entries count from. */
static uint32_t random_word(unsigned *seed, uint64_t table)
{
    uint64_t near = (rand_r(seed) % 2 ? TEXT : UNLIKELY) + (uint64_t)rand_r(seed) % 140;
    return rand_r(seed) % 8 ? (uint32_t)(near - table) : (uint32_t)rand_r(seed) * 3u;
}

Test(x86_objects, any_tables_keep_their_entries)
{
    unsigned seed = 1;
    for (size_t round = 0; round < 400; round++) {
        uint8_t code[128], ip[96], unwind[144], returns[64], seen[24] = {0};
        for (size_t i = 0; i < sizeof(code); i++)
            code[i] = (uint8_t)(rand_r(&seed) % 4 ? 0x90 : rand_r(&seed));
        for (size_t i = 0; i < sizeof(ip); i += 4)
            put_le32(ip + i, random_word(&seed, TABLE + i));
        for (size_t i = 0; i < sizeof(returns); i += 4)
            put_le32(returns + i, random_word(&seed, DATA + i));
        memset(unwind, 0, sizeof(unwind));
        for (size_t i = 0; i < 24; i++)
            put_le32(unwind + i * 6 + 2,
                     (uint32_t)i << 24 | ((uint32_t)rand_r(&seed) % 2)); /* half of them for nothing */
        uint32_t text = fixture_text(code, sizeof(code));
        fixture_section(".text.unlikely", UNLIKELY, SHF_EXECINSTR, code, sizeof(code));
        fixture_section(".orc_unwind_ip", TABLE, 0, ip, sizeof(ip));
        uint32_t table = fixture_section(".orc_unwind", RODATA, 0, unwind, sizeof(unwind));
        fixture_section(".return_sites", DATA, 0, returns, sizeof(returns));
        add_strings();
        for (uint32_t i = 0; i < 8; i++) {
            use_string(text, i * 16, (uint64_t)rand_r(&seed) % 9);
            fixture_symbol("f", text + (uint32_t)rand_r(&seed) % 2, (uint64_t)rand_r(&seed) % 140,
                           (uint64_t)rand_r(&seed) % 40, rand_r(&seed) % 2, STT_FUNC);
        }
        fixture_symbol("g", text, UINT64_MAX - 3, UINT64_MAX, STB_LOCAL, STT_FUNC);
        fixture.context.shapes.objtool_per_object = true;
        fixture.module.init = TEXT + (uint64_t)rand_r(&seed) % 140;
        fixture.module.exit = UNLIKELY + (uint64_t)rand_r(&seed) % 140;
        fixture_restore();
        for (size_t i = 0; i < 24; i++)
            seen[fixture.draft.sections[table].data[i * 6 + 5]]++;
        for (size_t i = 0; i < 24; i++)
            cr_assert_eq(seen[i], 1);
        fixture_stop();
        fixture_start();
    }
}
