/*
 * test_x86_fixture.h - a module drafted by hand and a kernel around it, for the tests of src/object/x86_64/.
 *
 * Every test file is a program of its own; it sees only what it uses of this.
 */
#ifndef LKMFS_TEST_X86_FIXTURE_H
#define LKMFS_TEST_X86_FIXTURE_H

#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "object/patches.h"
#include "object/x86_64/context.h"

#define TEXT   UINT64_C(0xffffffffc0100000)
#define TABLE  UINT64_C(0xffffffffc0110000) /* one table under test */
#define DATA   UINT64_C(0xffffffffc0120000)
#define RODATA UINT64_C(0xffffffffc0130000)
#define INIT   UINT64_C(0xffffffffc0140000)
#define PERCPU UINT64_C(0x30000)

/* Exports of the kernel, ascending: the name space of imports. */
#define EXPORT_CPU_OFF  UINT64_C(0x1e000)
#define EXPORT_PERCPU   UINT64_C(0x1f000)
#define EXPORT_OF_USED  UINT64_C(0x38000) /* a per-CPU variable of module 0 */
#define EXPORT_KFREE    UINT64_C(0xffffffff81001000)
#define EXPORT_RETURN   UINT64_C(0xffffffff81002000)
#define EXPORT_RAX      UINT64_C(0xffffffff81003000)
#define EXPORT_R11      UINT64_C(0xffffffff81003020)
#define EXPORT_HWEIGHT  UINT64_C(0xffffffff81004000)
#define EXPORT_NET      UINT64_C(0xffffffff82000000)
#define EXPORT_KEY      UINT64_C(0xffffffff82002000)
#define EXPORT_PV       UINT64_C(0xffffffff82003000)
#define EXPORT_STRUCTS  UINT64_C(0xffffffff82004000)
#define EXPORT_BUS      UINT64_C(0xffffffff82005000)
#define EXPORT_SFF      UINT64_C(0xffffffff82006000)
#define EXPORT_SATA     UINT64_C(0xffffffff82006200)
#define KERNEL_ATA_BASE UINT64_C(0xffffffff82006400)
#define KERNEL_FUNCTION UINT64_C(0xffffffff81005000) /* has a symbol, is not exported */
#define KERNEL_SECRET   UINT64_C(0xffffffff82004100) /* a symbol behind EXPORT_STRUCTS */
#define KERNEL_TRACER   UINT64_C(0xffffffff81006000) /* ftrace_caller */
#define KERNEL_SRSO     UINT64_C(0xffffffff81007000) /* srso_return_thunk */
#define KERNEL_STI      UINT64_C(0xffffffff81008000) /* native_irq_enable */
#define KERNEL_NOTHING  UINT64_C(0xffffffff81009000) /* nop_func */
#define HEAP            UINT64_C(0xffff888003400000)

__attribute__((unused)) static struct import_name fixture_names[] = {
    {EXPORT_CPU_OFF, "this_cpu_off", "this_cpu_off", SIZE_MAX},
    {EXPORT_PERCPU, "pcpu_hot", "const_pcpu_hot", SIZE_MAX},
    {EXPORT_OF_USED, "dccp_orphan_count", "dccp_orphan_count", 0},
    {EXPORT_KFREE, "kfree", "kfree", SIZE_MAX},
    {EXPORT_RETURN, "__x86_return_thunk", "__x86_return_thunk", SIZE_MAX},
    {EXPORT_RAX, "__x86_indirect_thunk_rax", "__x86_indirect_thunk_rax", SIZE_MAX},
    {EXPORT_R11, "__x86_indirect_thunk_r11", "__x86_indirect_thunk_r11", SIZE_MAX},
    {EXPORT_HWEIGHT, "__sw_hweight64", "__sw_hweight64", SIZE_MAX},
    {EXPORT_NET, "init_net", "init_net", SIZE_MAX},
    {EXPORT_KEY, "__SCK__cond_resched", "__SCK__cond_resched", SIZE_MAX},
    {EXPORT_PV, "pv_ops", "pv_ops", SIZE_MAX},
    {EXPORT_STRUCTS, "kvm_caps", "kvm_caps", SIZE_MAX},
    {EXPORT_BUS, "pci_bus_type", "pci_bus_type", SIZE_MAX},
    {EXPORT_SFF, "ata_sff_port_ops", "ata_sff_port_ops", SIZE_MAX},
    {EXPORT_SATA, "sata_port_ops", "sata_port_ops", SIZE_MAX},
};

__attribute__((unused)) static const struct lkmfs_symbol fixture_symbols[] = {
    {KERNEL_FUNCTION, "native_queued_spin_lock_slowpath", 't'},
    {KERNEL_SECRET, "secret", 'd'},
    {KERNEL_TRACER, "ftrace_caller", 'T'},
    {KERNEL_SRSO, "srso_return_thunk", 'T'},
    {KERNEL_STI, "native_irq_enable", 't'},
    {KERNEL_NOTHING, "nop_func", 't'},
    {KERNEL_ATA_BASE, "ata_base_port_ops", 'R'},
};

/* Memory outside of the module: words that rules look up. */
struct fixture_word {
    uint64_t address, value;
};

struct fixture {
    struct machine_context context;
    struct lkmfs_module module;
    struct draft draft;
    struct fixture_word words[64];
    size_t word_count;
};

/* The fixture that the image view reads from; tests are processes of their own. */
static struct fixture fixture;

static bool fixture_read_byte(uint64_t address, uint8_t *ret)
{
    for (size_t i = 0; i < fixture.word_count; i++) {
        if (address - fixture.words[i].address < 8) {
            *ret = (uint8_t)(fixture.words[i].value >> (address - fixture.words[i].address) * 8);
            return true;
        }
    }
    for (size_t i = 0; i < fixture.draft.section_count; i++) {
        const struct draft_section *section = &fixture.draft.sections[i];
        if (section->data && address - section->address < section->size) {
            *ret = section->data[address - section->address];
            return true;
        }
    }
    return false;
}

static bool fixture_read(const void *handle, uint64_t address, void *buffer, size_t size)
{
    (void)handle;
    for (size_t i = 0; i < size; i++)
        if (!fixture_read_byte(address + i, (uint8_t *)buffer + i))
            return false;
    return true;
}

static bool fixture_symbol_at(const void *handle, uint64_t address, struct lkmfs_symbol *ret)
{
    (void)handle;
    *ret = (struct lkmfs_symbol){0};
    for (size_t i = 0; i < sizeof(fixture_names) / sizeof(*fixture_names); i++)
        if (fixture_names[i].address <= address && fixture_names[i].address >= ret->address)
            *ret = (struct lkmfs_symbol){fixture_names[i].address, fixture_names[i].name, 'T'};
    for (size_t i = 0; i < sizeof(fixture_symbols) / sizeof(*fixture_symbols); i++)
        if (fixture_symbols[i].address <= address && fixture_symbols[i].address >= ret->address)
            *ret = fixture_symbols[i];
    return ret->name != NULL;
}

static bool fixture_in_module(const void *handle, uint64_t address)
{
    (void)handle;
    return address >= TEXT && address < INIT;
}

__attribute__((unused)) static void fixture_start(void)
{
    memset(&fixture, 0, sizeof(fixture));
    fixture.module.name = "test";
    fixture.draft.module = &fixture.module;
    fixture.draft.kind = LKMFS_OBJECT_RELOCATABLE;
    fixture.context.view = (struct image_view){NULL, fixture_read, fixture_symbol_at, fixture_in_module};
    fixture.context.names = fixture_names;
    fixture.context.name_count = sizeof(fixture_names) / sizeof(*fixture_names);
    fixture.context.percpu_end = 0x2e000;
    fixture.context.kernel_half = UINT64_C(0xffff800000000000);
    fixture.context.shapes.jump_nop_mark = true;
}

__attribute__((unused)) static void fixture_stop(void)
{
    draft_clear(&fixture.draft);
}

__attribute__((unused)) static void fixture_word(uint64_t address, uint64_t value)
{
    fixture.words[fixture.word_count++] = (struct fixture_word){address, value};
}

__attribute__((unused)) static uint32_t fixture_section(const char *name, uint64_t address, uint64_t flags,
                                                        const void *bytes, size_t size)
{
    struct draft_section *section = draft_add_section(&fixture.draft, name);
    section->address = address;
    section->flags = flags | SHF_ALLOC;
    section->type = SHT_PROGBITS;
    section->size = size;
    section->in_memory = true;
    section->data = malloc(size + 1);
    memcpy(section->data, bytes, size);
    return (uint32_t)(fixture.draft.section_count - 1);
}

__attribute__((unused)) static uint32_t fixture_text(const void *bytes, size_t size)
{
    return fixture_section(".text", TEXT, SHF_EXECINSTR, bytes, size);
}

__attribute__((unused)) static void fixture_symbol(const char *name, uint32_t section, uint64_t value, uint64_t size,
                                                   int bind, int type)
{
    struct draft_symbol symbol = {
        .name = name, .section = section, .value = value, .size = size, .info = (uint8_t)ELF64_ST_INFO(bind, type)};
    draft_add_symbol(&fixture.draft, &symbol);
}

/* A table of one self-relative entry that names `place`, with up to three words behind it. */
__attribute__((unused)) static uint32_t fixture_relative_table(const char *name, const uint64_t *places, size_t count)
{
    uint8_t bytes[256] = {0};
    for (size_t i = 0; i < count; i++)
        put_le32(bytes + i * 4, (uint32_t)(places[i] - TABLE - i * 4));
    return fixture_section(name, TABLE, 0, bytes, count * 4);
}

__attribute__((unused)) static void fixture_restore(void)
{
    machine_x86_64.restore(&fixture.context, &fixture.draft);
    cr_assert_not(fixture.draft.out_of_memory);
}

__attribute__((unused)) static const struct draft_relocation *fixture_relocation(uint32_t section, uint64_t offset)
{
    const struct draft_section *at = &fixture.draft.sections[section];
    for (size_t i = 0; i < at->relocation_count; i++)
        if (at->relocations[i].offset == offset)
            return &at->relocations[i];
    return NULL;
}

__attribute__((unused)) static void expect_bytes(uint32_t section, uint64_t offset, const void *bytes, size_t size)
{
    cr_assert_arr_eq(fixture.draft.sections[section].data + offset, bytes, size);
}

__attribute__((unused)) static void expect_import(uint32_t section, uint64_t offset, uint32_t type, const char *name,
                                                  int64_t addend)
{
    const struct draft_relocation *relocation = fixture_relocation(section, offset);
    cr_assert(relocation, "no relocation at 0x%llx", (unsigned long long)offset);
    cr_assert_eq(relocation->type, type);
    cr_assert_eq(relocation->target.kind, DRAFT_TARGET_IMPORT);
    cr_assert_str_eq(fixture.draft.imports[relocation->target.index].name, name);
    cr_assert_eq(relocation->target.addend, addend);
}

__attribute__((unused)) static void expect_section(uint32_t section, uint64_t offset, uint32_t type, uint32_t target,
                                                   int64_t addend)
{
    const struct draft_relocation *relocation = fixture_relocation(section, offset);
    cr_assert(relocation, "no relocation at 0x%llx", (unsigned long long)offset);
    cr_assert_eq(relocation->type, type);
    cr_assert_eq(relocation->target.kind, DRAFT_TARGET_SECTION);
    cr_assert_eq(relocation->target.index, target);
    cr_assert_eq(relocation->target.addend, addend);
}

__attribute__((unused)) static void expect_doubt(const char *words)
{
    for (size_t i = 0; i < fixture.draft.doubt_count; i++)
        if (strstr(fixture.draft.doubts[i], words))
            return;
    cr_assert_fail("no doubt says \"%s\"", words);
}

__attribute__((unused)) static void expect_no_doubt(void)
{
    cr_assert_eq(fixture.draft.doubt_count, 0, "%s", fixture.draft.doubt_count ? fixture.draft.doubts[0] : "");
}

#endif
