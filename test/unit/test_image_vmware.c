/* test_image_vmware.c - VMware's state files with the memory beside them or inside; Xen's cores. */
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "image_builder.h"

TestSuite(image_vmware, .init = scratch_begin, .fini = scratch_end);

#define HALF 0x10000

static void put_number(struct builder *builder, const char *name, int index, uint32_t value)
{
    builder_put16(builder, (uint16_t)(strlen(name) << 8 | (index >= 0 ? 1 << 6 : 0) | 4));
    builder_put(builder, name, strlen(name));
    if (index >= 0)
        builder_put32(builder, (uint32_t)index);
    builder_put32(builder, value);
}

static void put_block(struct builder *builder, const char *name, unsigned kind, uint64_t size)
{
    builder_put16(builder, (uint16_t)(strlen(name) << 8 | 1 << 6 | kind));
    builder_put(builder, name, strlen(name));
    builder_put32(builder, 0);
    builder_put64(builder, size);
    builder_put64(builder, size);
    builder_put16(builder, 3);
    builder_zeros(builder, 3);
}

/* Two halves of memory that lie in the file the other way round. */
static struct builder make_state(uint32_t magic)
{
    struct builder state = {0};
    const uint32_t header[] = {magic, 8, 2};
    for (size_t i = 0; i < 3; i++)
        builder_put32(&state, header[i]);
    builder_put(&state, "cpu", 3);
    builder_zeros(&state, 61);
    builder_put64(&state, 172);
    builder_zeros(&state, 8);
    builder_put(&state, "memory", 6);
    builder_zeros(&state, 58);
    builder_put64(&state, 172 + 33 + 72 + 2);
    builder_zeros(&state, 8);
    cr_assert_eq(state.size, 172);
    put_block(&state, "CR64", 0x3f, 72);
    for (uint64_t i = 0; i < 9; i++)
        builder_put64(&state, i == 3 ? 0x12345000 : i);
    builder_zeros(&state, 172 + 33 + 72 + 2 - state.size);
    put_number(&state, "regionsCount", -1, 2);
    for (int i = 0; i < 2; i++) {
        put_number(&state, "regionPageNum", i, i ? 0 : HALF >> 12);
        put_number(&state, "regionPPN", i, i ? 0x100000 : 0);
        put_number(&state, "regionSize", i, HALF >> 12);
    }
    return state;
}

static void put_halves(struct builder *builder)
{
    builder_memory(builder, 0x100000000, HALF);
    builder_memory(builder, 0, HALF);
}

static void expect_halves(struct opened *opened)
{
    expect_ranges(opened->image, 2);
    expect_range(opened->image, 0, 0, HALF);
    expect_range(opened->image, 1, 0x100000000, HALF);
    expect_memory(opened->image, 0, HALF, HALF);
    expect_memory(opened->image, 0x100000000, HALF, HALF);
    cr_assert_eq(lkmfs_image_hints(opened->image)->cr3_count, 1);
    cr_assert_eq(lkmfs_image_hints(opened->image)->cr3[0], 0x12345000);
    opened_close(opened);
}

Test(image_vmware, memory_beside_the_state)
{
    struct builder state = make_state(0xbed2bed2), memory = {0};
    builder_zeros(&state, 2);
    put_halves(&memory);
    (void)builder_save(&state, "vm.vmss");
    (void)builder_save(&memory, "vm.vmem");
    struct opened opened = open_expecting(scratch_path("vm.vmem"), "VMware vmem");
    expect_halves(&opened);
    opened = open_expecting(scratch_path("vm.vmss"), "VMware");
    expect_halves(&opened);

    (void)builder_save_part(&state, "vm.vmss", 20);
    opened = open_expecting(scratch_path("vm.vmem"), "raw");
    opened_close(&opened);
    cr_assert_eq(unlink(scratch_path("vm.vmem")), 0);
    (void)builder_save(&state, "vm.vmss");
    expect_refused(scratch_path("vm.vmss"), LKMFS_ERROR_FORMAT, "not beside it");
    builder_free(&state);
    builder_free(&memory);
}

Test(image_vmware, memory_inside)
{
    struct builder state = make_state(0xbad2bad2);
    put_block(&state, "Memory", 0x3f, 2 * HALF);
    put_halves(&state);
    struct opened opened = open_expecting(builder_save(&state, "vm.vmsn"), "VMware");
    expect_halves(&opened);

    opened = open_expecting(builder_save_part(&state, "vm.vmsn", state.size - 0x800), "VMware");
    cr_assert(opened_log_has(&opened, "cut short"));
    opened_close(&opened);
    builder_free(&state);
}

Test(image_vmware, bad_states)
{
    struct builder state = make_state(0xbed0bed0);
    expect_refused(builder_save(&state, "vm.vmss"), LKMFS_ERROR_FORMAT, "32-bit");
    put_le32(state.bytes, 0xbed3bed3);
    put_block(&state, "Memory", 0x3e, 100);
    expect_refused(builder_save(&state, "vm.vmss"), LKMFS_ERROR_FORMAT, "compressed");
    put_le32(state.bytes + 8, UINT32_MAX);
    expect_refused(builder_save(&state, "vm.vmss"), LKMFS_ERROR_FORMAT, "damaged headers");
    builder_free(&state);

    state = make_state(0xbed2bed2);
    put_number(&state, "regionSize", 0, UINT32_MAX);
    put_number(&state, "regionSize", 70000, 1);
    put_number(&state, "regionsCount", -1, UINT32_MAX);
    put_block(&state, "Memory", 0x3f, UINT64_MAX - 7);
    put_halves(&state);
    struct opened opened = open_path(builder_save(&state, "vm.vmss"));
    opened_close(&opened);
    builder_free(&state);
}

#define XEN_PAGES 20
#define XEN_NAMES "\0.shstrtab\0.xen_pfn\0.xen_pages"

static void put_section(struct builder *builder, uint32_t name, uint64_t offset, uint64_t size)
{
    builder_put32(builder, name);
    builder_zeros(builder, 20);
    builder_put64(builder, offset);
    builder_put64(builder, size);
    builder_zeros(builder, 24);
}

/* Pages 7 to 26, but for the fifth, which is none. */
static struct builder make_xen(void)
{
    struct builder file = {0};
    builder_elf_header(&file, 0);
    put_le64(file.bytes + 40, 64);
    put_le16(file.bytes + 60, 4);
    put_le16(file.bytes + 62, 1);
    put_section(&file, 0, 0, 0);
    put_section(&file, 1, 512, sizeof(XEN_NAMES));
    put_section(&file, 11, 1024, XEN_PAGES * 8);
    put_section(&file, 20, 4096, XEN_PAGES * 4096);
    builder_zeros(&file, 512 - file.size);
    builder_put(&file, XEN_NAMES, sizeof(XEN_NAMES));
    builder_zeros(&file, 1024 - file.size);
    for (uint64_t i = 0; i < XEN_PAGES; i++)
        builder_put64(&file, i == 5 ? UINT64_MAX : i + 7);
    builder_zeros(&file, 4096 - file.size);
    builder_memory(&file, (uint64_t)7 * 4096, (size_t)XEN_PAGES * 4096);
    return file;
}

Test(image_vmware, xen_pages)
{
    struct builder file = make_xen();
    struct opened opened = open_expecting(builder_save(&file, "core"), "Xen core");
    expect_ranges(opened.image, 2);
    expect_range(opened.image, 0, 0x7000, 0x5000);
    expect_range(opened.image, 1, 0xd000, 0xe000);
    expect_memory(opened.image, 0xd000, 0xe000, 0xe000);
    opened_close(&opened);
    builder_free(&file);
}

Test(image_vmware, xen_damage)
{
    struct builder file = make_xen();
    put_le64(file.bytes + 64 + 3 * 64 + 24, UINT64_MAX - 5);
    expect_refused(builder_save(&file, "core"), LKMFS_ERROR_FORMAT, "damaged section headers");
    put_le64(file.bytes + 64 + 3 * 64 + 24, (uint64_t)1 << 60);
    expect_refused(builder_save(&file, "core"), LKMFS_ERROR_FORMAT, "holds no memory");
    memcpy(file.bytes + 512 + 11, ".xen_p2m", 8);
    expect_refused(builder_save(&file, "core"), LKMFS_ERROR_FORMAT, "paravirtual");
    put_le16(file.bytes + 62, 60000);
    expect_refused(builder_save(&file, "core"), LKMFS_ERROR_FORMAT, "Xen");
    builder_free(&file);
}
