/* Relocations of data, and what it was before the module ran. */
#include "test_x86_fixture.h"

TestSuite(x86_data, .init = fixture_start, .fini = fixture_stop);

static const uint8_t zeros[64];

static uint32_t restore_words(const char *name, uint64_t flags, const uint64_t *words, size_t count)
{
    uint8_t bytes[256];
    for (size_t i = 0; i < count; i++)
        put_le64(bytes + i * 8, words[i]);
    fixture_section(".text", TEXT, SHF_EXECINSTR, zeros, sizeof(zeros));
    uint32_t index = fixture_section(name, DATA, flags, bytes, count * 8);
    return index;
}

Test(x86_data, pointers_in_data)
{
    const uint64_t words[] = {TEXT + 8, EXPORT_KFREE, EXPORT_STRUCTS + 24, 0x1234, KERNEL_SECRET + 8};
    uint32_t data = restore_words(".rodata", 0, words, 5);
    fixture_restore();
    expect_section(data, 0, R_X86_64_64, 0, 8);
    expect_import(data, 8, R_X86_64_64, "kfree", 0);
    expect_import(data, 16, R_X86_64_64, "kvm_caps", 24);
    cr_assert_eq(fixture_relocation(data, 16)->from, LKMFS_FROM_INFERRED);
    cr_assert_null(fixture_relocation(data, 24));
    cr_assert_null(fixture_relocation(data, 32), "a symbol lies between: no member of the export before");
}

/* What is compared with the end of an array is no string, though one lies there. */
Test(x86_data, end_of_an_array_before_strings)
{
    uint8_t code[] = {
        0x48, 0x81, 0xfb, 0, 0, 0, 0, /* cmp $end, %rbx */
        0x48, 0xc7, 0xc7, 0, 0, 0, 0, /* mov $string, %rdi */
    };
    static const char strings[] = "a string";
    put_le32(code + 3, (uint32_t)(RODATA + sizeof(zeros)));
    put_le32(code + 10, (uint32_t)(RODATA + sizeof(zeros)));
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t rodata = fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    uint32_t text_strings = fixture_section(".rodata.str1.1", RODATA + sizeof(zeros), 0, strings, sizeof(strings));
    fixture_restore();
    expect_section(text, 3, R_X86_64_32S, rodata, sizeof(zeros));
    expect_section(text, 10, R_X86_64_32S, text_strings, 0);
}

Test(x86_data, end_of_an_array_before_notes)
{
    uint8_t code[] = {0x48, 0xc7, 0xc7, 0, 0, 0, 0}; /* mov $end, %rdi */
    put_le32(code + 3, (uint32_t)(RODATA + sizeof(zeros)));
    uint32_t text = fixture_text(code, sizeof(code));
    uint32_t rodata = fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    fixture_section(".note.gnu.build-id", RODATA + sizeof(zeros), 0, zeros, sizeof(zeros));
    fixture_restore();
    expect_section(text, 3, R_X86_64_32S, rodata, sizeof(zeros));
}

Test(x86_data, per_cpu_variables_in_data)
{
    static const size_t used = 0;
    const uint64_t words[] = {EXPORT_OF_USED, EXPORT_OF_USED + 8, EXPORT_PERCPU};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 3);
    fixture.module.uses = &used;
    fixture.module.use_count = 1;
    fixture_restore();
    expect_import(data, 0, R_X86_64_64, "dccp_orphan_count", 0);
    cr_expect_null(fixture_relocation(data, 8));
    cr_expect_null(fixture_relocation(data, 16), "the kernel's own are no more than small numbers");
}

Test(x86_data, pointers_in_packed_structs_lead_to_strings)
{
    static const char strings[] = "zero\0one";
    uint8_t bytes[40] = {0};
    put_le64(bytes + 3, RODATA + 5);  /* "one" */
    put_le64(bytes + 13, RODATA + 6); /* inside it */
    put_le64(bytes + 21, TEXT + 8);   /* code */
    put_le64(bytes + 29, EXPORT_KFREE);
    uint32_t data = fixture_section(".rodata.packed", DATA, 0, bytes, sizeof(bytes));
    fixture_text(zeros, sizeof(zeros));
    uint32_t rodata = fixture_section(".rodata.str1.1", RODATA, 0, strings, sizeof(strings));
    fixture_restore();
    expect_section(data, 3, R_X86_64_64, rodata, 5);
    cr_expect_eq(fixture_relocation(data, 3)->from, LKMFS_FROM_INFERRED);
    cr_expect_eq(fixture.draft.sections[data].relocation_count, 1);
}

Test(x86_data, numbers_of_events_are_of_the_running_kernel)
{
    uint8_t calls[64] = {0};
    put_le32(calls + 8, 1234);
    put_le32(calls + 32 + 8, 5678);
    fixture.context.shapes.event = 32;
    fixture.context.shapes.event_type = 8;
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, calls, sizeof(calls));
    fixture_symbol("event_open", data, 0, 32, STB_LOCAL, STT_OBJECT);
    fixture_symbol("eventful", data, 32, 32, STB_LOCAL, STT_OBJECT);
    fixture_symbol("event_beyond", data, 48, 32, STB_LOCAL, STT_OBJECT);
    fixture_symbol("event_far", data, 1000, 32, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    cr_expect_eq(le32(fixture.draft.sections[data].data + 8), 0);
    cr_expect_eq(le32(fixture.draft.sections[data].data + 40), 5678);
    cr_expect_eq(fixture.draft.sections[data].restored_sites, 1);
}

Test(x86_data, number_of_an_event_that_is_not_in_it_is_no_number)
{
    static const unsigned offsets[] = {0, 29, 32, UINT32_MAX - 3, UINT32_MAX}; /* by types that are damaged */
    uint8_t call[32];
    memset(call, 1, sizeof(call));
    for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
        fixture.context.shapes.event = sizeof(call);
        fixture.context.shapes.event_type = offsets[i];
        uint32_t data = fixture_section(".data", DATA, SHF_WRITE, call, sizeof(call));
        fixture_symbol("event_open", data, 0, sizeof(call), STB_LOCAL, STT_OBJECT);
        fixture_restore();
        expect_bytes(data, 0, call, sizeof(call));
        fixture_stop();
        fixture_start();
    }
}

Test(x86_data, run_time_values_in_writable_data)
{
    /* A pointer into the heap, a non-exported kernel address, a static key's entries, an empty list head. */
    uint8_t jumps[16] = {0};
    const uint64_t words[] = {HEAP, KERNEL_FUNCTION, 1, TABLE | 1, DATA + 32, DATA + 32};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 6);
    fixture_section("__jump_table", TABLE, SHF_WRITE, jumps, sizeof(jumps));
    fixture_restore();
    const uint8_t *bytes = fixture.draft.sections[data].data;
    cr_assert_eq(le64(bytes), 0);
    cr_assert_eq(le64(bytes + 8), 0);
    cr_assert_eq(le64(bytes + 24), 1, "the key's type stays");
    cr_assert_null(fixture_relocation(data, 24));
    expect_section(data, 32, R_X86_64_64, data, 32);
    expect_section(data, 40, R_X86_64_64, data, 32);
}

static uint32_t linked_head(void)
{
    const uint64_t words[] = {HEAP, HEAP + 64};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 2);
    fixture_word(HEAP + 8, DATA);  /* next->prev */
    fixture_word(HEAP + 64, DATA); /* prev->next */
    return data;
}

Test(x86_data, list_head_in_use)
{
    uint32_t data = linked_head();
    fixture_symbol("head", data, 0, 16, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    expect_section(data, 0, R_X86_64_64, data, 0);
    expect_section(data, 8, R_X86_64_64, data, 0);
}

Test(x86_data, list_heads_of_a_hash_table_were_made_at_run_time)
{
    uint64_t words[32] = {0};
    for (size_t i = 0; i < 8; i++) /* a lock and a head each */
        words[i * 4 + 1] = words[i * 4 + 2] = DATA + i * 32 + 8;
    uint32_t data = restore_words(".data", SHF_WRITE, words, 32);
    fixture_symbol("table", data, 0, 256, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    cr_assert_eq(fixture.draft.sections[data].relocation_count, 0);
    expect_bytes(data, 0, zeros, sizeof(zeros));
}

Test(x86_data, list_node)
{
    uint32_t data = linked_head();
    fixture_symbol("object", data, 0, 48, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    cr_assert_eq(fixture.draft.sections[data].relocation_count, 0);
    expect_bytes(data, 0, zeros, 16);
}

/* struct device_driver, and behind it the head of the list of IDs that registration made. */
/* struct hlist_node: the next one, and where the one before keeps its pointer to this. */
Test(x86_data, node_of_a_list_that_is_no_ring)
{
    static const struct {
        uint64_t next, back; /* what the next one's pointer back is */
        bool is_node;
    } cases[] = {{0, 0, true}, {HEAP, DATA, true}, {HEAP, DATA + 8, false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const uint64_t words[] = {cases[i].next, DATA + 32, 0, 0, DATA};
        uint32_t data = restore_words(".data", SHF_WRITE, words, 5);
        fixture_word(HEAP + 8, cases[i].back);
        fixture_restore();
        expect_bytes(data, 0, zeros, 16);
        cr_expect_eq(fixture_relocation(data, 8) == NULL, cases[i].is_node, "%zu", i);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_data, list_head_in_a_registered_driver)
{
    const uint64_t words[] = {RODATA, EXPORT_BUS, TABLE, 0, DATA + 32, DATA + 32, DATA + 48, DATA + 48};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 8);
    fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    fixture_section(".gnu.linkonce.this_module", TABLE, SHF_WRITE, zeros, sizeof(zeros));
    fixture.module.address = TABLE;
    fixture_word(DATA + 8, EXPORT_BUS); /* memory as it was before these are restored */
    fixture_word(DATA + 16, TABLE);
    fixture_symbol("driver", data, 0, 48, STB_LOCAL, STT_OBJECT);
    fixture_symbol("head", data, 48, 16, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    cr_expect_null(fixture_relocation(data, 32));
    cr_expect_null(fixture_relocation(data, 40));
    expect_section(data, 48, R_X86_64_64, data, 48);
}

/* A node and two heads that are empty; only the one behind the node was made when the object was added to a list. */
Test(x86_data, list_head_behind_a_node)
{
    const uint64_t words[] = {HEAP, HEAP + 64, DATA + 16, DATA + 16, 5, DATA + 40, DATA + 40};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 7);
    fixture_word(DATA, HEAP); /* memory as it was before the node is restored */
    fixture_word(DATA + 8, HEAP + 64);
    fixture_word(HEAP + 8, DATA);
    fixture_word(HEAP + 64, DATA);
    fixture_symbol("algorithm", data, 0, 56, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    cr_assert_eq(fixture.draft.sections[data].relocation_count, 2);
    expect_bytes(data, 0, zeros, 32);
    expect_section(data, 40, R_X86_64_64, data, 40);
    expect_section(data, 48, R_X86_64_64, data, 40);
}

/* Of two objects the second may well be a head. */
Test(x86_data, list_head_behind_the_node_of_another_object)
{
    const uint64_t words[] = {HEAP, HEAP + 64, DATA + 16, DATA + 16};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 4);
    fixture_word(DATA, HEAP); /* memory as it was before the node is restored */
    fixture_word(DATA + 8, HEAP + 64);
    fixture_word(HEAP + 8, DATA);
    fixture_word(HEAP + 64, DATA);
    fixture_symbol("object", data, 0, 16, STB_LOCAL, STT_OBJECT);
    fixture_symbol("head", data, 16, 16, STB_LOCAL, STT_OBJECT);
    fixture_restore();
    expect_section(data, 16, R_X86_64_64, data, 16);
}

Test(x86_data, registered_driver)
{
    /* The driver's own name, then struct device_driver: a copy of it, the bus and the module. */
    const uint64_t words[] = {RODATA, 7, RODATA, EXPORT_BUS, TABLE, RODATA + 8};
    uint32_t data = restore_words(".data", SHF_WRITE, words, 6);
    uint32_t rodata = fixture_section(".rodata", RODATA, 0, zeros, sizeof(zeros));
    fixture_section(".gnu.linkonce.this_module", TABLE, SHF_WRITE, zeros, sizeof(zeros));
    fixture.module.address = TABLE;
    fixture_word(DATA, RODATA); /* memory itself stays as it is while the draft changes */
    fixture_restore();
    expect_section(data, 0, R_X86_64_64, rodata, 0);
    expect_section(data, 40, R_X86_64_64, rodata, 8);
    cr_assert_eq(fixture.draft.sections[data].relocation_count, 2);
    expect_bytes(data, 16, zeros, 24);
}

Test(x86_data, registration_was_told_what_the_module_is_called)
{
    static const struct {
        const char *string, *module;
        bool was_there;
    } cases[] = {
        {"snd_hda", "snd_hda", false}, {"snd-hda", "snd_hda", true}, {"snd_hd", "snd_hda", true},
        {"snd_hdab", "snd_hda", true}, {"Sound", "snd_hda", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const uint64_t words[] = {RODATA + 16, EXPORT_BUS, TABLE, RODATA};
        char bytes[32] = "";
        strcpy(bytes, cases[i].string);
        uint32_t data = restore_words(".data", SHF_WRITE, words, 4);
        fixture_section(".rodata.str1.1", RODATA, 0, bytes, sizeof(bytes));
        fixture_section(".gnu.linkonce.this_module", TABLE, SHF_WRITE, zeros, sizeof(zeros));
        fixture.module.address = TABLE;
        fixture.module.name = cases[i].module;
        fixture_restore();
        cr_expect_eq(fixture_relocation(data, 24) != NULL, cases[i].was_there, "%s in %s", cases[i].string,
                     cases[i].module);
        fixture_stop();
        fixture_start();
    }
}

Test(x86_data, boundary_goes_to_the_section_of_the_symbol_there)
{
    const uint64_t words[] = {DATA + 16};
    const uint8_t code[] = {0x48, 0xc7, 0xc7, 0x10, 0x00, 0x12, 0xc0}; /* mov $DATA+16, %rdi */
    uint32_t text = fixture_text(code, sizeof(code));
    fixture_section(".data", DATA, SHF_WRITE, words, 8);
    fixture.draft.sections[1].size = 8;
    struct draft_section *bss = draft_add_section(&fixture.draft, ".bss");
    *bss = (struct draft_section){
        .name = ".bss", .address = DATA + 16, .type = SHT_NOBITS, .flags = SHF_ALLOC | SHF_WRITE};
    uint32_t index = (uint32_t)(fixture.draft.section_count - 1);
    fixture_symbol("key", index, 0, 0, STB_LOCAL, STT_OBJECT); /* empty, and so is its section */
    fixture_restore();
    expect_section(text, 3, R_X86_64_32S, index, 0);
}
