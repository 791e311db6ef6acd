/* The object under construction: what it holds stays what it was, however much is added. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

#include "object/draft.h"

#define READINGS_MAX 4096 /* that are kept */

static struct draft draft;

static void forget(void)
{
    draft_clear(&draft);
}

TestSuite(object_draft, .fini = forget);

Test(object_draft, imports_keep_their_numbers_however_many_there_are)
{
    enum { COUNT = 3000 };
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            const char *name = draft_string(&draft, "import_%u", i);
            cr_assert_eq(draft_import(&draft, name), i, "%s", name);
        }
        cr_assert_eq(draft.import_count, COUNT);
    }
    for (uint32_t i = 0; i < COUNT; i += 7) {
        char name[32];
        (void)snprintf(name, sizeof(name), "import_%u", i);
        cr_assert_str_eq(draft.imports[i].name, name);
        cr_assert_eq(draft_import(&draft, name), i);
    }
    cr_assert_not(draft.out_of_memory);
}

Test(object_draft, readings_are_kept_up_to_a_limit)
{
    for (uint64_t i = 0; i < READINGS_MAX + 2; i++)
        draft_add_reading(&draft, &(struct lkmfs_reading){.address = i, .size = 1});
    cr_assert_eq(draft.reading_count, READINGS_MAX);
    cr_assert_eq(draft.readings[READINGS_MAX - 1].address, READINGS_MAX - 1);
    cr_assert_not(draft.out_of_memory);
}

Test(object_draft, relocation_of_no_section_is_none)
{
    const struct draft_target target = {DRAFT_TARGET_SECTION, 0, 0};
    cr_assert(draft_add_section(&draft, ".text"));
    draft_add_relocation(&draft, DRAFT_NONE, 0, R_X86_64_64, target, LKMFS_FROM_RESTORED);
    draft_add_relocation(&draft, 1, 0, R_X86_64_64, target, LKMFS_FROM_RESTORED);
    cr_assert_eq(draft.sections[0].relocation_count, 0);
    draft_add_relocation(&draft, 0, 8, R_X86_64_64, target, LKMFS_FROM_RESTORED);
    cr_assert_eq(draft.sections[0].relocation_count, 1);
    cr_assert_eq(draft.sections[0].relocations[0].offset, 8);
}

/* Of two symbols and two imports each, and a section that is left out, the first goes. */
Test(object_draft, references_to_what_is_removed_go_too)
{
    static const bool kept[] = {false, true};
    static const enum draft_target_kind kinds[] = {DRAFT_TARGET_SECTION, DRAFT_TARGET_SYMBOL, DRAFT_TARGET_IMPORT};
    cr_assert(draft_add_section(&draft, ".gone") && draft_add_section(&draft, ".text"));
    draft.sections[0].left_out = true;
    for (uint32_t i = 0; i < 2; i++) {
        draft_add_symbol(&draft, &(struct draft_symbol){.name = i ? "b" : "a", .section = 1});
        cr_assert_eq(draft_import(&draft, i ? "d" : "c"), i);
        for (uint32_t kind = 0; kind < 3; kind++)
            draft_add_relocation(&draft, 1, i * 24 + kind * 8, R_X86_64_64, (struct draft_target){kinds[kind], i, 0},
                                 LKMFS_FROM_RESTORED);
    }
    draft_keep(&draft, kept, kept);
    cr_assert_eq(draft.symbol_count, 1);
    cr_assert_str_eq(draft.symbols[0].name, "b");
    cr_assert_eq(draft.import_count, 1);
    cr_assert_str_eq(draft.imports[0].name, "d");
    cr_assert_eq(draft.sections[1].relocation_count, 3);
    for (uint32_t kind = 0; kind < 3; kind++) {
        const struct draft_relocation *relocation = &draft.sections[1].relocations[kind];
        cr_expect_eq(relocation->offset, 24 + kind * 8);
        cr_expect_eq(relocation->target.kind, kinds[kind]);
        cr_expect_eq(relocation->target.index, kind == 0 ? 1 : 0);
    }
}
