/* Relocations of code, and what its operands mean. */
#include <time.h>

#include "test_x86_fixture.h"

TestSuite(x86_code, .init = fixture_start, .fini = fixture_stop);

static const uint8_t zeros[64];

static void relative_to(uint8_t *code, size_t at, size_t end, uint64_t target)
{
    put_le32(code + at, (uint32_t)(target - TEXT - end));
}

Test(x86_code, calls_and_jumps)
{
    uint8_t code[64];
    const uint8_t empty[] = {0xe8, 0, 0, 0, 0};
    memset(code, 0x90, sizeof(code));
    code[0] = code[5] = code[10] = 0xe8;
    relative_to(code, 1, 5, EXPORT_KFREE);
    relative_to(code, 6, 10, TEXT + 32);  /* a local function */
    relative_to(code, 11, 15, TEXT + 48); /* a global one */
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("local", text, 32, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("global", text, 48, 16, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    expect_import(text, 1, R_X86_64_PLT32, "kfree", -4);
    expect_bytes(text, 0, empty, sizeof(empty));
    cr_assert_null(fixture_relocation(text, 6));
    expect_bytes(text, 5, code + 5, 5);
    const struct draft_relocation *call = fixture_relocation(text, 11);
    cr_assert(call && call->type == R_X86_64_PLT32 && call->target.kind == DRAFT_TARGET_SYMBOL);
    cr_assert_eq(call->target.addend, -4);
    expect_no_doubt();
}

Test(x86_code, jump_to_a_far_global_without_proof_is_inferred)
{
    static uint8_t code[0x2000];
    memset(code, 0x90, sizeof(code));
    code[0] = 0xe9;
    relative_to(code, 1, 5, TEXT + 0x1000);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("first", text, 0, 16, STB_GLOBAL, STT_FUNC);
    fixture_symbol("far", text, 0x1000, 16, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    const struct draft_relocation *jump = fixture_relocation(text, 1);
    cr_assert(jump && jump->type == R_X86_64_PLT32 && jump->from == LKMFS_FROM_INFERRED);
}

Test(x86_code, no_compiler_jumps_conditionally_to_another_object)
{
    static uint8_t code[0x2000];
    memset(code, 0x90, sizeof(code));
    code[0] = 0x0f;
    code[1] = 0x85;
    relative_to(code, 2, 6, TEXT + 0x1000);
    code[6] = 0xe9;
    relative_to(code, 7, 11, TEXT + 0x1000);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("first", text, 0, 16, STB_GLOBAL, STT_FUNC);
    fixture_symbol("far", text, 0x1000, 16, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    cr_assert_null(fixture_relocation(text, 2));
    cr_assert_null(fixture_relocation(text, 7), "so both functions are of one");
    expect_bytes(text, 0, code, 11);
}

Test(x86_code, short_jump_is_of_one_object)
{
    uint8_t code[0x60];
    memset(code, 0x90, sizeof(code));
    code[0] = 0xeb;
    code[1] = 0x40 - 2;
    code[0x20] = 0xe9;
    relative_to(code, 0x21, 0x25, TEXT + 0x40);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("a", text, 0, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("b", text, 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("c", text, 0x40, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    cr_assert_null(fixture_relocation(text, 0x21), "as what lies between a and c is");
}

Test(x86_code, jump_to_a_global_of_the_same_object_has_none)
{
    static uint8_t code[0x2000];
    memset(code, 0x90, sizeof(code));
    code[0x10] = 0xe9;
    put_le32(code + 0x11, 0x1000 - 0x15);
    code[0x1000] = 0xe8; /* a call back to a local function without relocation: one object */
    put_le32(code + 0x1001, (uint32_t)(0x10 - 0x1005));
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("local", text, 0x10, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("far", text, 0x1000, 16, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    cr_assert_null(fixture_relocation(text, 0x11));
    expect_bytes(text, 0x10, code + 0x10, 5);
    expect_no_doubt();
}

Test(x86_code, jump_into_what_was_another_section_keeps_its_relocation)
{
    uint8_t code[64];
    memset(code, 0x90, sizeof(code));
    code[0] = 0x0f; /* je to the cold part, which the linker merged into .text */
    code[1] = 0x84;
    put_le32(code + 2, 48 - 6);
    fixture.context.shapes.text_merged = true;
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("hot", text, 0, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("hot.cold", text, 48, 16, STB_LOCAL, STT_FUNC);
    fixture_restore();
    expect_section(text, 2, R_X86_64_PC32, text, 48 - 4);
}

/*
 * A jump from a hot function to `rare` before the split-off part of another: `rare` stands before or behind the many
 * hot functions in the table of symbols.
 */
static const struct draft_relocation *jump_to_rare(unsigned hot, bool behind)
{
    static uint8_t code[0x400];
    memset(code, 0x90, sizeof(code));
    code[0x10] = 0xe9;
    put_le32(code + 0x11, 0x300 - 0x15);
    fixture.context.shapes.text_merged = true;
    uint32_t text = fixture_text(code, sizeof(code));
    if (!behind)
        fixture_symbol("rare", text, 0x300, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("split.cold", text, 0x320, 16, STB_LOCAL, STT_FUNC);
    for (unsigned i = 0; i < hot; i++)
        fixture_symbol("hot", text, 0x10 + i * 0x10, 16, STB_LOCAL, STT_FUNC);
    if (behind)
        fixture_symbol("rare", text, 0x300, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("start", text, 0, 16, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    return fixture_relocation(text, 0x11);
}

Test(x86_code, functions_that_are_cold_as_a_whole_were_of_another_section)
{
    cr_expect_not_null(jump_to_rare(20, false));
    fixture_stop();
    fixture_start();
    cr_expect_null(jump_to_rare(20, true), "it stands among the hot ones");
    fixture_stop();
    fixture_start();
    cr_expect_null(jump_to_rare(10, false), "too few to tell");
}

Test(x86_code, operands)
{
    uint8_t code[] = {
        0x48, 0x8b, 0x05, 0,    0,    0,    0,             /* mov data+8(%rip), %rax */
        0x48, 0xc7, 0xc7, 0,    0,    0,    0,             /* mov $rodata+4, %rdi */
        0x65, 0x48, 0x8b, 0x04, 0x25, 0,    0,    0, 0,    /* mov %gs:pcpu_hot, %rax */
        0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0,    0, 0,    /* mov %gs:0x28, %rax */
        0x48, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff,          /* mov $-1, %rax */
        0x80, 0x3d, 0,    0,    0,    0,    0,             /* cmpb $0, data(%rip) */
        0x48, 0xb8, 0,    0,    0,    0,    0,    0, 0, 0, /* movabs $kfree, %rax */
        0x48, 0xc7, 0xc1, 0,    0,    0,    0,             /* mov $pcpu_hot+8, %rcx */
    };
    relative_to(code, 3, 7, DATA + 8);
    put_le32(code + 10, (uint32_t)(RODATA + 4));
    put_le32(code + 19, (uint32_t)EXPORT_PERCPU);
    relative_to(code, 41, 46, DATA);
    put_le64(code + 48, EXPORT_KFREE);
    put_le32(code + 59, (uint32_t)EXPORT_PERCPU + 8);
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, zeros, sizeof(zeros));
    uint32_t rodata = fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    fixture_restore();
    expect_section(text, 3, R_X86_64_PC32, data, 8 - 4);
    expect_section(text, 10, R_X86_64_32S, rodata, 4);
    expect_import(text, 19, R_X86_64_32S, "const_pcpu_hot", 0);
    cr_assert_null(fixture_relocation(text, 28));
    cr_assert_null(fixture_relocation(text, 35));
    expect_section(text, 41, R_X86_64_PC32, data, -5); /* an immediate follows the field */
    expect_import(text, 48, R_X86_64_64, "kfree", 0);
    expect_import(text, 59, R_X86_64_32S, "pcpu_hot", 8);
    expect_no_doubt();
}

Test(x86_code, operands_of_the_same_section)
{
    uint8_t code[64];
    memset(code, 0x90, sizeof(code));
    memcpy(code, (const uint8_t[]){0x48, 0x8d, 0x05}, 3); /* lea local(%rip), %rax: the assembler resolved it */
    relative_to(code, 3, 7, TEXT + 32);
    memcpy(code + 7, (const uint8_t[]){0x48, 0x8d, 0x05}, 3); /* lea global(%rip), %rax */
    relative_to(code, 10, 14, TEXT + 48);
    memcpy(code + 14, (const uint8_t[]){0x8b, 0x04, 0x25}, 3); /* mov this_cpu_off, %eax: as per_cpu_ptr() of no CPU */
    put_le32(code + 17, (uint32_t)EXPORT_CPU_OFF);
    memcpy(code + 21, (const uint8_t[]){0x8b, 0x04, 0x25}, 3); /* mov this_cpu_off+1, %eax: a constant */
    put_le32(code + 24, (uint32_t)EXPORT_CPU_OFF + 1);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("local", text, 32, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("global", text, 48, 16, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    cr_assert_null(fixture_relocation(text, 3));
    expect_bytes(text, 0, code, 7);
    const struct draft_relocation *global = fixture_relocation(text, 10);
    cr_assert(global && global->type == R_X86_64_PC32 && global->target.kind == DRAFT_TARGET_SYMBOL);
    expect_import(text, 17, R_X86_64_32S, "this_cpu_off", 0);
    cr_assert_null(fixture_relocation(text, 24));
    expect_no_doubt();
}

Test(x86_code, variables_of_a_cpu_by_its_offset)
{
    uint8_t code[] = {
        0x48, 0x8d, 0xb8, 0,    0,    0, 0,       /* lea pcpu_hot(%rax), %rdi: no CPU's offset yet */
        0x65, 0x4c, 0x8b, 0x04, 0x25, 0, 0, 0, 0, /* mov %gs:this_cpu_off, %r8 */
        0x41, 0x80, 0xb8, 0,    0,    0, 0, 3,    /* cmpb $3, pcpu_hot+0x7c(%r8) */
        0x48, 0x8d, 0xb8, 0,    0,    0, 0,       /* lea pcpu_hot(%rax), %rdi: another register */
        0x49, 0x81, 0xc0, 0,    0,    0, 0,       /* add $pcpu_hot+8, %r8 */
        0x4d, 0x8d, 0x80, 0,    0,    0, 0,       /* lea pcpu_hot(%r8), %r8 */
        0x41, 0x80, 0xb8, 0,    0,    0, 0, 3,    /* cmpb $3, 0x1f000(%r8): a member of what it points to */
    };
    put_le32(code + 3, (uint32_t)EXPORT_PERCPU);
    put_le32(code + 12, (uint32_t)EXPORT_CPU_OFF);
    put_le32(code + 19, (uint32_t)EXPORT_PERCPU + 0x7c);
    put_le32(code + 27, (uint32_t)EXPORT_PERCPU);
    put_le32(code + 34, (uint32_t)EXPORT_PERCPU + 8);
    put_le32(code + 41, (uint32_t)EXPORT_PERCPU);
    put_le32(code + 48, (uint32_t)EXPORT_PERCPU);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_restore();
    cr_expect_null(fixture_relocation(text, 3));
    expect_import(text, 12, R_X86_64_32S, "this_cpu_off", 0);
    expect_import(text, 19, R_X86_64_32S, "pcpu_hot", 0x7c);
    cr_expect_null(fixture_relocation(text, 27));
    expect_import(text, 34, R_X86_64_32S, "pcpu_hot", 8);
    expect_import(text, 41, R_X86_64_32S, "const_pcpu_hot", 0);
    cr_expect_null(fixture_relocation(text, 48));
    expect_no_doubt();
}

/* movabs $object - 8: the object is the one that follows, whatever holds the address itself. */
Test(x86_code, constant_subtracted_from_an_object)
{
    uint8_t code[] = {
        0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, /* movabs $table - 8, %rsi */
        0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, /* movabs $named - 4, %rsi */
        0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, /* movabs $table, %rsi */
        0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, /* movabs $.rodata - 8, %rsi */
    };
    put_le64(code + 2, RODATA + 24);
    put_le64(code + 12, RODATA + 44);
    put_le64(code + 22, RODATA + 32);
    put_le64(code + 32, RODATA - 8);
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t rodata = fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    fixture_symbol("before", rodata, 0, 32, STB_GLOBAL, STT_OBJECT);
    fixture_symbol("table", rodata, 32, 16, STB_LOCAL, STT_OBJECT);
    fixture_symbol("named", rodata, 48, 16, STB_GLOBAL, STT_OBJECT);
    fixture_restore();
    expect_section(text, 2, R_X86_64_64, rodata, 24);
    const struct draft_relocation *named = fixture_relocation(text, 12);
    cr_assert(named && named->target.kind == DRAFT_TARGET_SYMBOL && named->target.addend == -4);
    expect_section(text, 22, R_X86_64_64, rodata, 32);
    const struct draft_relocation *first = fixture_relocation(text, 32);
    cr_assert(first && first->target.kind == DRAFT_TARGET_SYMBOL && first->target.addend == -8);
    expect_no_doubt();
}

/* "one" and "": what the last NUL ends is among zeros, but something points to it. */
Test(x86_code, string_of_nothing_at_the_end_is_found_by_who_points_to_it)
{
    uint8_t code[] = {0x48, 0xc7, 0xc7, 0, 0, 0, 0};
    put_le32(code + 3, (uint32_t)(RODATA + 4));
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t strings = fixture_section(".rodata.str1.1", RODATA, SHF_MERGE | SHF_STRINGS, "one", 4);
    fixture.draft.sections[strings].size_from = LKMFS_FROM_INFERRED;
    fixture_restore();
    expect_section(text, 3, R_X86_64_32S, strings, 4);
    cr_assert_eq(fixture.draft.sections[strings].size, 5);
    expect_bytes(strings, 0, "one\0", 5);
}

Test(x86_code, end_of_strings_that_is_known_is_no_string)
{
    uint8_t code[] = {0x48, 0xc7, 0xc7, 0, 0, 0, 0};
    put_le32(code + 3, (uint32_t)(RODATA + 4));
    fixture_text(code, sizeof(code));
    uint32_t strings = fixture_section(".rodata.str1.1", RODATA, SHF_MERGE | SHF_STRINGS, "one", 4);
    fixture.draft.sections[strings].size_from = LKMFS_FROM_RESTORED;
    fixture_restore();
    cr_assert_eq(fixture.draft.sections[strings].size, 4);
}

/* The trampoline of a tracepoint with one probe leads to the probe; in the file it leads to what calls all of them. */
Test(x86_code, trampoline_of_a_tracepoint)
{
    uint8_t code[64], trampoline[8] = {0xe9, 0, 0, 0, 0, 0x0f, 0xb9, 0xcc};
    memset(code, 0x90, sizeof(code));
    put_le32(trampoline + 1, (uint32_t)(TEXT + 32 - TEXT - 0x1000 - 5));
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t calls = fixture_section(".static_call.text", TEXT + 0x1000, SHF_EXECINSTR, trampoline, sizeof(trampoline));
    fixture_symbol("probe", text, 32, 16, STB_LOCAL, STT_FUNC);
    fixture_symbol("__traceiter_event", text, 48, 16, STB_GLOBAL, STT_FUNC);
    fixture_symbol("__SCT__tp_func_event", calls, 0, 0, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    const struct draft_relocation *jump = fixture_relocation(calls, 1);
    cr_assert(jump && jump->type == R_X86_64_PC32 && jump->target.kind == DRAFT_TARGET_SYMBOL);
    cr_assert_str_eq(fixture.draft.symbols[jump->target.index].name, "__traceiter_event");
}

/* Loops end where an array does, and what happens to lie there is not meant when nobody names it. */
Test(x86_code, end_of_an_array_is_not_what_follows)
{
    uint8_t code[] = {
        0x48, 0x81, 0xfb, 0, 0, 0, 0, /* cmp $array end, %rbx */
        0x48, 0xc7, 0xc7, 0, 0, 0, 0, /* mov $named, %rdi */
        0x48, 0x81, 0xfb, 0, 0, 0, 0, /* cmp $beyond the last section, %rbx */
        0x48, 0x8b, 0x05, 0, 0, 0, 0, /* mov constant(%rip), %rax */
        0x48, 0xc7, 0xc7, 0, 0, 0, 0, /* mov $end of the array before the constants, %rdi */
        0x48, 0x81, 0xfb, 0, 0, 0, 0, /* cmp $end of an export, %rbx */
    };
    put_le32(code + 3, (uint32_t)(DATA + 64));
    put_le32(code + 10, (uint32_t)(DATA + 0x100));
    put_le32(code + 17, (uint32_t)(DATA + 0x148));
    relative_to(code, 24, 28, RODATA + 64);
    put_le32(code + 31, (uint32_t)(RODATA + 64));
    put_le32(code + 38, (uint32_t)KERNEL_SECRET);
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t rodata = fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    uint32_t constants = fixture_section(".rodata.cst8", RODATA + 64, SHF_MERGE, zeros, 8);
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, zeros, sizeof(zeros));
    uint32_t map = fixture_section("__bpf_raw_tp_map", DATA + 64, SHF_WRITE, zeros, 32);
    uint32_t more = fixture_section(".data.more", DATA + 0x100, SHF_WRITE, zeros, sizeof(zeros));
    fixture_symbol("__bpf_trace_tp_map_event", map, 0, 32, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    expect_section(text, 3, R_X86_64_32S, data, 64);
    expect_section(text, 10, R_X86_64_32S, more, 0);
    expect_section(text, 17, R_X86_64_32S, more, 0x48);
    expect_section(text, 24, R_X86_64_PC32, constants, -4);
    expect_section(text, 31, R_X86_64_32S, rodata, 64);
    expect_import(text, 38, R_X86_64_32S, "kvm_caps", KERNEL_SECRET - EXPORT_STRUCTS);
}

Test(x86_code, jump_to_a_global_of_the_exit_code_keeps_its_relocation)
{
    const uint8_t code[32] = {0xe9, 0x0b, 0,    0,    0,    0x90, 0x90, 0x90, 0x90,
                              0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
    fixture_text(zeros, 0);
    uint32_t leave = fixture_section(".exit.text", TEXT + 0x1000, SHF_EXECINSTR, code, sizeof(code));
    fixture_symbol("cleanup_module", leave, 0, 5, STB_GLOBAL, STT_FUNC);
    fixture_symbol("part_exit", leave, 16, 1, STB_GLOBAL, STT_FUNC);
    fixture_restore();
    const struct draft_relocation *jump = fixture_relocation(leave, 1);
    cr_assert(jump && jump->type == R_X86_64_PLT32 && jump->from == LKMFS_FROM_INFERRED);
}

Test(x86_code, undecodable_bytes_are_left_and_told)
{
    uint8_t code[] = {0x06, 0x06, 0xe8, 0, 0, 0, 0};
    relative_to(code, 3, 7, EXPORT_KFREE);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_symbol("function", text, 2, 5, STB_LOCAL, STT_FUNC);
    fixture_restore();
    expect_doubt("no instruction");
    expect_import(text, 3, R_X86_64_PLT32, "kfree", -4); /* in step again */
}

Test(x86_code, loaded_view_is_left_alone)
{
    uint8_t code[] = {0xe8, 0, 0, 0, 0};
    relative_to(code, 1, 5, EXPORT_KFREE);
    uint32_t text = fixture_text(code, sizeof(code));
    fixture.draft.kind = LKMFS_OBJECT_LOADED;
    fixture_restore();
    expect_bytes(text, 0, code, sizeof(code));
    cr_assert_eq(fixture.draft.sections[text].relocation_count, 0);
}

/* ---- hostile bytes ---- */

Test(x86_code, any_bytes_give_sound_relocations)
{
    static const char *const tables[] = {"__mcount_loc",     ".return_sites",
                                         ".retpoline_sites", ".static_call_sites",
                                         "__jump_table",     ".ibt_endbr_seal",
                                         ".smp_locks",       ".call_sites",
                                         ".altinstructions", ".parainstructions",
                                         "__bug_table",      "__ex_table",
                                         "__ksymtab",        "__kcrctab",
                                         ".orc_unwind_ip",   ".data",
                                         ".rodata",          "__patchable_function_entries"};
    unsigned seed = 1;
    for (size_t round = 0; round < 400; round++) {
        uint8_t code[128], bytes[96];
        for (size_t i = 0; i < sizeof(code); i++)
            code[i] = (uint8_t)rand_r(&seed);
        for (size_t i = 0; i < sizeof(bytes); i += 4) /* often near the code */
            put_le32(bytes + i, rand_r(&seed) % 3 ? (uint32_t)(TEXT - TABLE) + (uint32_t)rand_r(&seed) % 140
                                                  : (uint32_t)rand_r(&seed) * 3u);
        uint32_t text = fixture_text(code, sizeof(code));
        fixture_section(".altinstr_replacement", TEXT + 128, SHF_EXECINSTR, code, 40);
        fixture_section(".orc_unwind", RODATA, 0, bytes, 30);
        fixture_section(tables[round % (sizeof(tables) / sizeof(*tables))], TABLE, SHF_WRITE, bytes, 1 + round % 96);
        fixture_symbol("a", text, 3, 16, STB_GLOBAL, STT_FUNC);
        fixture_symbol("b", text, UINT64_MAX - 3, 16, STB_LOCAL, STT_FUNC);
        fixture_symbol("c", 77, 3, UINT64_MAX, STB_LOCAL, STT_OBJECT);
        fixture_restore();
        for (size_t i = 0; i < fixture.draft.section_count; i++) {
            const struct draft_section *section = &fixture.draft.sections[i];
            for (size_t k = 0; k < section->relocation_count; k++)
                cr_assert_leq(section->relocations[k].offset + 4, section->size);
        }
        fixture_stop();
        fixture_start();
    }
}

Test(x86_code, many_symbols_at_one_address_are_not_all_asked)
{
    static uint8_t code[0x40000]; /* a call for each of many sites */
    for (size_t i = 0; i + 16 <= sizeof(code); i += 16) {
        memset(code + i, 0x90, 16);
        memcpy(code + i, (const uint8_t[]){0x48, 0xc7, 0xc7}, 3);
        put_le32(code + i + 3, (uint32_t)DATA);
    }
    uint32_t text = fixture_text(code, sizeof(code)), data = fixture_section(".data", DATA, SHF_WRITE, zeros, 8);
    for (size_t i = 0; i < 100000; i++)
        fixture_symbol("x", data, 0, 0, STB_LOCAL, STT_OBJECT);
    fixture_symbol("f", text, 0, sizeof(code), STB_GLOBAL, STT_FUNC);
    clock_t start = clock();
    fixture_restore();
    cr_assert_lt(clock() - start, 5 * CLOCKS_PER_SEC);
    expect_section(text, 3, R_X86_64_32S, data, 0);
    expect_doubt("more than 1024 symbols");
}
