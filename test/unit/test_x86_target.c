/* From a run-time address back to what the linker knew of it (target.c), asked address by address. */
#include "object/x86_64/restore.h"
#include "test_x86_fixture.h"

static struct restore restore;

static void forget(void)
{
    restore_free(&restore);
    fixture_stop();
}

static void start(void)
{
    fixture_start();
    memset(&restore, 0, sizeof(restore));
    restore.draft = &fixture.draft; /* which restore_free() looks at */
}

TestSuite(x86_target, .init = start, .fini = forget);

static const uint8_t zeros[64];

static void begin(void)
{
    cr_assert(restore_init(&restore, &fixture.context, &fixture.draft));
}

static void expect_target(const struct target *target, enum draft_target_kind kind, uint32_t index, int64_t addend,
                          enum lkmfs_provenance from)
{
    cr_expect_eq(target->draft.kind, kind);
    cr_expect_eq(target->draft.index, index);
    cr_expect_eq(target->draft.addend, addend, "0x%llx", (unsigned long long)target->draft.addend);
    cr_expect_eq(target->from, from);
}

static void expect_named(const struct target *target, const char *name, int64_t addend, enum lkmfs_provenance from)
{
    cr_assert_eq(target->draft.kind, DRAFT_TARGET_IMPORT);
    cr_expect_str_eq(fixture.draft.imports[target->draft.index].name, name);
    cr_expect_eq(target->draft.addend, addend);
    cr_expect_eq(target->from, from);
    cr_expect_eq(target->section, DRAFT_NONE);
}

Test(x86_target, own_variables_of_each_cpu_lie_where_the_loader_put_them)
{
    struct target target;
    uint32_t section = fixture_section(".data..percpu", DATA, SHF_WRITE, zeros, 32);
    fixture.module.percpu = PERCPU;
    fixture.module.percpu_size = 32;
    begin();
    cr_assert(target_find(&restore, PERCPU + 16, -4, 0, &target));
    expect_target(&target, DRAFT_TARGET_SECTION, section, 16 - 4, LKMFS_FROM_RESTORED);
    cr_assert_eq(target.section, section);
    cr_assert_eq(target.offset, 16);
    cr_assert_not(target_find(&restore, PERCPU - 1, 0, 0, &target));
    cr_assert_not(target_find(&restore, PERCPU + 32, 0, 0, &target));
}

Test(x86_target, exported_variables_of_each_cpu_reach_so_far)
{
    struct target target;
    begin();
    cr_assert(target_percpu(&restore, EXPORT_PERCPU + 0x1fff, -4, &target));
    expect_named(&target, "pcpu_hot", 0x1fff - 4, LKMFS_FROM_INFERRED);
    cr_assert_not(target_percpu(&restore, EXPORT_PERCPU + 0x2000, 0, &target));
    cr_assert_not(target_percpu(&restore, EXPORT_CPU_OFF - 1, 0, &target), "nothing is exported below");
    fixture.context.percpu_end = EXPORT_PERCPU + 8;
    cr_assert(target_percpu(&restore, EXPORT_PERCPU + 7, 0, &target));
    cr_assert_not(target_percpu(&restore, EXPORT_PERCPU + 8, 0, &target));
}

Test(x86_target, exports_of_modules_that_are_not_used_are_no_imports)
{
    const size_t other = 1, of = 0;
    struct target target;
    begin();
    fixture.module.uses = &other;
    fixture.module.use_count = 1;
    cr_assert_not(target_import(&restore, EXPORT_OF_USED, 0, &target));
    fixture.module.uses = &of;
    cr_assert(target_import(&restore, EXPORT_OF_USED, -4, &target));
    expect_named(&target, "dccp_orphan_count", -4, LKMFS_FROM_RESTORED);
    cr_assert_not(target_import(&restore, EXPORT_OF_USED + 8, 0, &target), "not the export itself");
}

/* No module names a table that the loader finds: what is next to it is meant. */
Test(x86_target, address_in_a_table_is_beside_the_nearest_array)
{
    struct target target;
    uint32_t before = fixture_section(".data", DATA, SHF_WRITE, zeros, 32);
    uint32_t table = fixture_section("__mcount_loc", DATA + 32, 0, zeros, 32);
    uint32_t after = fixture_section(".bss.1", DATA + 64, SHF_WRITE, zeros, 32);
    begin();
    cr_assert(target_find(&restore, DATA + 47, 0, 0, &target));
    expect_target(&target, DRAFT_TARGET_SECTION, before, 47, LKMFS_FROM_INFERRED);
    cr_assert(target_find(&restore, DATA + 49, 0, 0, &target));
    expect_target(&target, DRAFT_TARGET_SECTION, after, 49 - 64, LKMFS_FROM_INFERRED);
    cr_assert(target_find(&restore, DATA + 49, 0, TARGET_TABLE, &target));
    expect_target(&target, DRAFT_TARGET_SECTION, table, 17, LKMFS_FROM_RESTORED);
}

Test(x86_target, member_of_an_exported_struct_has_no_symbol_before_it)
{
    struct target target;
    begin();
    cr_assert(target_find(&restore, KERNEL_SECRET - 8, -4, 0, &target));
    expect_named(&target, "kvm_caps", 0x100 - 8 - 4, LKMFS_FROM_INFERRED);
    cr_assert_not(target_find(&restore, KERNEL_SECRET - 8, 0, TARGET_EXACT, &target));
    cr_assert_not(target_find(&restore, KERNEL_SECRET, 0, 0, &target), "another begins there");
    cr_assert_not(target_find(&restore, KERNEL_SECRET + 8, 0, TARGET_VALUE, &target), "a member of that");
    cr_assert(target_find(&restore, KERNEL_SECRET, 0, TARGET_VALUE, &target), "the end of the export");
    expect_named(&target, "kvm_caps", 0x100, LKMFS_FROM_INFERRED);
    cr_assert_not(target_find(&restore, EXPORT_BUS + 0x8000, 0, 0, &target), "too far");
}

static bool no_symbol(const void *handle, uint64_t address, struct lkmfs_symbol *ret)
{
    (void)handle;
    (void)address;
    *ret = (struct lkmfs_symbol){EXPORT_STRUCTS, "kvm_caps", 'D'};
    return false;
}

/* Knows the symbol at KERNEL_SECRET, and none before it. */
static bool one_symbol(const void *handle, uint64_t address, struct lkmfs_symbol *ret)
{
    (void)handle;
    *ret = (struct lkmfs_symbol){KERNEL_SECRET, "secret", 'd'};
    return address >= KERNEL_SECRET;
}

Test(x86_target, without_symbols_nobody_knows_what_lies_between)
{
    struct target target;
    fixture.context.view.symbol = no_symbol;
    begin();
    cr_assert_not(target_find(&restore, EXPORT_STRUCTS + 24, 0, 0, &target));
    cr_assert(target_find(&restore, EXPORT_STRUCTS, 0, 0, &target), "the export itself");
    fixture.context.view.symbol = one_symbol;
    cr_assert_not(target_find(&restore, KERNEL_SECRET, 0, TARGET_VALUE, &target));
}

Test(x86_target, constant_is_subtracted_from_data_only)
{
    struct target target;
    uint32_t text = fixture_text(zeros, sizeof(zeros));
    uint32_t data = fixture_section(".data", DATA, SHF_WRITE, zeros, 32);
    uint32_t init = fixture_section(".init.data", INIT, SHF_WRITE, zeros, 32);
    fixture_symbol("function", text, 0, 16, STB_GLOBAL, STT_FUNC);
    fixture_symbol("object", data, 0, 8, STB_LOCAL, STT_OBJECT);
    fixture_symbol("global", data, 8, 8, STB_GLOBAL, STT_OBJECT);
    fixture_symbol("gone", init, 0, 8, STB_LOCAL, STT_OBJECT);
    begin();
    cr_assert(target_before(&restore, DATA - 0xfff, &target));
    expect_target(&target, DRAFT_TARGET_SECTION, data, -0xfff, LKMFS_FROM_INFERRED);
    cr_assert(target_before(&restore, DATA + 4, &target));
    expect_target(&target, DRAFT_TARGET_SYMBOL, 2, -4, LKMFS_FROM_INFERRED);
    cr_assert_not(target_before(&restore, DATA - 0x1000, &target), "too far");
    cr_assert_not(target_before(&restore, DATA, &target), "the object itself");
    cr_assert_not(target_before(&restore, TEXT - 8, &target), "a function");
    cr_assert_not(target_before(&restore, INIT - 8, &target), "what is gone");
    cr_assert_not(target_before(&restore, INIT + 8, &target), "nothing follows");
}
