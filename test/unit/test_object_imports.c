/* What is told of imports: the table of their CRCs, and those that only freed code used. */
#include <criterion/criterion.h>

#include "object/counterparts.h"
#include "object/metadata.h"
#include "test_object_fake.h"

#define ENTRY     ((size_t)64) /* struct modversion_info */
#define LONG_NAME "a_name_of_fifty_six_characters_which_no_entry_has_room_for"

static struct lkmfs_export with_crc[] = {{.name = "module_layout", .crc = 0x11223344, .has_crc = true},
                                         {.name = "kfree", .crc = 0x55667788, .has_crc = true},
                                         {.name = "printk", .crc = 0x99aabbcc, .has_crc = true},
                                         {.name = "no_crc"},
                                         {.name = LONG_NAME, .crc = 1, .has_crc = true}};

/* A draft with two imports, and the versions of it; NULL if there are none. */
static const struct draft_section *versions(struct draft *draft, const char *import, size_t first_export)
{
    struct fake_exports exports;
    *draft = (struct draft){.word = 8};
    draft_import(draft, "kfree");
    draft_import(draft, import);
    versions_draft(
        draft, fake_exports(&exports, with_crc + first_export, sizeof(with_crc) / sizeof(*with_crc) - first_export));
    uint32_t index = draft_find_section(draft, "__versions");
    return index == DRAFT_NONE ? NULL : &draft->sections[index];
}

Test(object_imports, versions_have_the_crc_of_the_layout_and_of_each_import)
{
    static const char *const names[] = {"module_layout", "kfree", "printk"};
    struct draft draft;
    const struct draft_section *section = versions(&draft, "printk", 0);
    cr_assert_not_null(section);
    cr_assert_eq(section->size, 3 * ENTRY);
    cr_expect_eq(section->flags, SHF_ALLOC);
    cr_expect_eq(section->align, 32);
    cr_expect_eq(section->data_from, LKMFS_FROM_INFERRED);
    for (size_t i = 0; i < 3; i++) {
        const uint8_t *entry = section->data + i * ENTRY;
        cr_expect_eq(le64(entry), with_crc[i].crc);
        cr_expect_str_eq((const char *)entry + 8, names[i]);
    }
    draft_clear(&draft);
}

/* Asserts that there are no versions, for want of the CRC of `name`. */
static void expect_no_versions(const char *import, size_t first_export, const char *name)
{
    struct draft draft;
    cr_expect_null(versions(&draft, import, first_export));
    cr_assert_eq(draft.doubt_count, 1);
    cr_expect_not_null(strstr(draft.doubts[0], name), "%s", draft.doubts[0]);
    draft_clear(&draft);
}

Test(object_imports, versions_are_whole_or_left_out)
{
    expect_no_versions("no_crc", 0, "no_crc");
    expect_no_versions("unheard_of", 0, "unheard_of");
    expect_no_versions("printk", 1, "module_layout");
    expect_no_versions(LONG_NAME, 0, LONG_NAME);
}

Test(object_imports, without_exports_nothing_is_said_of_versions)
{
    struct draft draft = {.word = 8};
    versions_draft(&draft, NULL);
    cr_expect_eq(draft.section_count, 0);
    cr_expect_eq(draft.doubt_count, 0);
    draft_clear(&draft);
}

/* ---- counterparts ---- */

static struct lkmfs_export functions[] = {{.name = "register_filesystem"}, {.name = "__register_chrdev"},
                                          {.name = "kmem_cache_create"},   {.name = "misc_register"},
                                          {.name = "usb_register_driver"}, {.name = "__platform_driver_register"}};

/* A draft whose exit code calls `undo` of the kernel. */
static void undo(struct draft *draft, const char *name, bool has_init)
{
    struct fake_exports exports;
    *draft = (struct draft){.word = 8};
    draft_add_section(draft, ".text");
    draft_add_section(draft, ".exit.text");
    if (has_init)
        draft_add_section(draft, ".init.text");
    struct draft_target own = {DRAFT_TARGET_SECTION, 0, 0},
                        import = {DRAFT_TARGET_IMPORT, draft_import(draft, name), -4};
    draft_add_relocation(draft, 1, 1, R_X86_64_PLT32, own, LKMFS_FROM_RESTORED);
    draft_add_relocation(draft, 1, 6, R_X86_64_PLT32, import, LKMFS_FROM_RESTORED);
    counterparts_draft(draft, fake_exports(&exports, functions, sizeof(functions) / sizeof(*functions)));
}

Test(object_imports, what_is_undone_was_done)
{
    static const char *const pairs[][2] = {{"unregister_filesystem", "register_filesystem"},
                                           {"__unregister_chrdev", "__register_chrdev"},
                                           {"unregister_chrdev", "__register_chrdev"},
                                           {"kmem_cache_destroy", "kmem_cache_create"},
                                           {"misc_deregister", "misc_register"},
                                           {"usb_deregister", "usb_register_driver"},
                                           {"platform_driver_unregister", "__platform_driver_register"}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct draft draft;
        undo(&draft, pairs[i][0], true);
        cr_assert_eq(draft.import_count, 2, "%s", pairs[i][0]);
        cr_expect_str_eq(draft.imports[1].name, pairs[i][1]);
        cr_expect(draft.imports[1].inferred);
        cr_expect_not(draft.imports[0].inferred);
        cr_expect_eq(draft.doubt_count, 1);
        draft_clear(&draft);
    }
}

Test(object_imports, nothing_is_inferred_without_need_or_reason)
{
    static const struct {
        const char *name;
        bool has_init;
    } cases[] = {{"kfree", true},                  /* undoes nothing that has a counterpart */
                 {"unregister_netdevice", true},   /* its counterpart is no export */
                 {"unregister_filesystem", false}, /* no init code that could have done it */
                 {"register_filesystem", true}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct draft draft;
        undo(&draft, cases[i].name, cases[i].has_init);
        cr_expect_eq(draft.import_count, 1, "%s", cases[i].name);
        cr_expect_eq(draft.doubt_count, 0);
        draft_clear(&draft);
    }
}

Test(object_imports, what_kept_code_imports_is_not_inferred)
{
    struct draft draft;
    struct fake_exports exports;
    undo(&draft, "unregister_filesystem", true);
    draft.imports[1].inferred = false;
    counterparts_draft(&draft, fake_exports(&exports, functions, sizeof(functions) / sizeof(*functions)));
    cr_expect_eq(draft.import_count, 2);
    cr_expect_not(draft.imports[1].inferred);
    draft_clear(&draft);
}
