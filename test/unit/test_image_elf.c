/* test_image_elf.c - ELF cores with the quirks of the programs that write them. */
#include <criterion/criterion.h>
#include <elf.h>
#include <string.h>

#include "base/cursor.h"
#include "image_builder.h"

TestSuite(image_elf, .init = scratch_begin, .fini = scratch_end);

/* Offsets of fields in the header, for spoiling them. */
#define EI_CLASS_AT    4
#define EI_DATA_AT     5
#define E_TYPE_AT      16
#define E_VERSION_AT   20
#define E_PHOFF_AT     32
#define E_SHOFF_AT     40
#define E_EHSIZE_AT    52
#define E_PHENTSIZE_AT 54
#define E_PHNUM_AT     56
#define E_SHNUM_AT     60

#define DATA_AT(segments) (BUILDER_EHDR_SIZE + (segments)*BUILDER_PHDR_SIZE)

/* A core of two segments, 0x1000 bytes at 0 and 0x800 at 0x100000. */
static void build_core(struct builder *builder)
{
    builder_elf_header(builder, 2);
    builder_elf_segment(builder, &(struct builder_segment){PT_LOAD, DATA_AT(2), 0, 0x1000, 0x1000});
    builder_elf_segment(builder, &(struct builder_segment){PT_LOAD, DATA_AT(2) + 0x1000, 0x100000, 0x800, 0x800});
    builder_memory(builder, 0, 0x1000);
    builder_memory(builder, 0x100000, 0x800);
}

static struct opened open_elf(struct builder *builder)
{
    struct opened opened = open_expecting(builder_save(builder, "image.elf"), "ELF core");
    builder_free(builder);
    return opened;
}

static void expect_core(struct opened *opened)
{
    expect_ranges(opened->image, 2);
    expect_range(opened->image, 0, 0, 0x1000);
    expect_range(opened->image, 1, 0x100000, 0x800);
    expect_memory(opened->image, 0, 0x2000, 0x1000);
    expect_memory(opened->image, 0x100700, 0x200, 0x100);
    cr_assert_eq(lkmfs_log_doubts(opened->log), 0);
    opened_close(opened);
}

Test(image_elf, plain)
{
    struct builder builder = {0};
    build_core(&builder);
    struct opened opened = open_elf(&builder);
    expect_core(&opened);
}

Test(image_elf, header_size_8_and_version_0)
{
    struct builder builder = {0};
    build_core(&builder);
    put_le16(builder.bytes + E_EHSIZE_AT, 8);
    put_le32(builder.bytes + E_VERSION_AT, 0);
    builder.bytes[EI_VERSION] = 0;
    struct opened opened = open_elf(&builder);
    expect_core(&opened);
}

Test(image_elf, program_headers_after_section_headers)
{
    struct builder builder = {0};
    uint64_t data = BUILDER_EHDR_SIZE + 128 + BUILDER_PHDR_SIZE;
    builder_elf_header(&builder, 1);
    builder_zeros(&builder, 128);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data, 0x5000, 0x100, 0x100});
    builder_memory(&builder, 0x5000, 0x100);
    put_le64(builder.bytes + E_SHOFF_AT, BUILDER_EHDR_SIZE);
    put_le16(builder.bytes + E_SHNUM_AT, 2);
    put_le64(builder.bytes + E_PHOFF_AT, BUILDER_EHDR_SIZE + 128);
    struct opened opened = open_elf(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0x5000, 0x100, 0x100);
    opened_close(&opened);
}

#define SEGMENTS UINT64_C(66000)

Test(image_elf, more_segments_than_the_header_can_count, .timeout = 30)
{
    struct builder builder = {0};
    uint64_t data = BUILDER_EHDR_SIZE + 64 + SEGMENTS * BUILDER_PHDR_SIZE;
    builder_elf_header(&builder, PN_XNUM);
    builder_zeros(&builder, 44); /* the first section header, up to sh_info */
    builder_put32(&builder, (uint32_t)SEGMENTS);
    builder_zeros(&builder, 16);
    for (uint64_t i = 0; i < SEGMENTS; i++)
        builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data + i * 16, i * 0x1000, 16, 16});
    for (uint64_t i = 0; i < SEGMENTS; i++)
        builder_memory(&builder, i * 0x1000, 16);
    put_le64(builder.bytes + E_SHOFF_AT, BUILDER_EHDR_SIZE);
    put_le64(builder.bytes + E_PHOFF_AT, BUILDER_EHDR_SIZE + 64);
    struct opened opened = open_elf(&builder);

    expect_ranges(opened.image, SEGMENTS);
    expect_memory(opened.image, (SEGMENTS - 1) * 0x1000, 32, 16);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

Test(image_elf, virtual_segments_over_the_same_bytes)
{
    struct builder builder = {0};
    uint64_t data = DATA_AT(4);
    builder_elf_header(&builder, 4);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data + 0x800, 0x1800, 0x800, 0x800});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data, 0x1000, 0x1000, 0x1000});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data + 0x400, 0x1400, 0x1000, 0x1000});
    /* A mapping of device memory, which QEMU doesn't save. */
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, UINT64_MAX, 0xfee00000, 0, 0});
    builder_memory(&builder, 0x1000, 0x1400);
    struct opened opened = open_elf(&builder);

    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0x1000, 0x1400);
    uint64_t before = lkmfs_image_bytes_read(opened.image);
    expect_memory(opened.image, 0x1000, 0x1400, 0x1400);
    cr_assert_eq(lkmfs_image_bytes_read(opened.image), before + 0x1400);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    cr_assert_not(opened_log_has(&opened, "overlap"));
    opened_close(&opened);
}

Test(image_elf, kernel_text_held_twice_is_only_a_note)
{
    struct builder builder = {0};
    uint64_t data = DATA_AT(2);
    builder_elf_header(&builder, 2);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data, 0x1400, 0x400, 0x400});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, data + 0x400, 0x1000, 0x1000, 0x1000});
    builder_memory(&builder, 0x1400, 0x400);
    builder_memory(&builder, 0x1000, 0x1000);
    struct opened opened = open_elf(&builder);

    expect_range(opened.image, 0, 0x1000, 0x1000);
    expect_memory(opened.image, 0x1000, 0x1000, 0x1000);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    cr_assert(opened_log_has(&opened, "overlap"));
    opened_close(&opened);
}

Test(image_elf, excluded_tail_is_missing)
{
    struct builder builder = {0};
    builder_elf_header(&builder, 2);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(2), 0x1000, 0x800, 0x1000});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, 0, 0x2000, 0, 0x1000});
    builder_memory(&builder, 0x1000, 0x800);
    struct opened opened = open_elf(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0x1000, 0x1000, 0x800);
    cr_assert(opened_log_has(&opened, "2 segments leave out 6144 bytes"));
    cr_assert_eq(lkmfs_log_doubts(opened.log), 1);
    opened_close(&opened);
}

Test(image_elf, segments_above_physical_memory_are_left_out)
{
    struct builder builder = {0};
    builder_elf_header(&builder, 3);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(3), UINT64_MAX - 1, 0x100, 0x100});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(3), 0x1000, 0x100, 0x100});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, UINT64_MAX - 8, 0x3000, 0x100, UINT64_MAX});
    builder_memory(&builder, 0x1000, 0x100);
    struct opened opened = open_elf(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0x1000, 0x200, 0x100);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 3);
    opened_close(&opened);
}

Test(image_elf, virtual_segments_of_a_live_system_are_no_loss)
{
    struct builder builder = {0};
    builder_elf_header(&builder, 2);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, (uint64_t)1 << 46, UINT64_MAX, 1 << 30, 1 << 30});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(2), 0x1000, 0x100, 0x100});
    builder_memory(&builder, 0x1000, 0x100);
    struct opened opened = open_elf(&builder);

    expect_ranges(opened.image, 1);
    expect_memory(opened.image, 0x1000, 0x200, 0x100);
    cr_assert(opened_log_has(&opened, "live"));
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

/* QEMU's note of one CPU. */
static void put_cpu(struct builder *notes, uint32_t version, uint64_t cr0, uint64_t cr3)
{
    uint8_t state[440] = {0};
    put_le32(state, version);
    put_le32(state + 4, sizeof(state));
    put_le64(state + 392, cr0);
    put_le64(state + 416, cr3);
    builder_note(notes, "QEMU", state, sizeof(state));
}

static struct opened open_with_notes(struct builder *notes, uint64_t size)
{
    struct builder builder = {0};
    builder_elf_header(&builder, 2);
    builder_elf_segment(&builder, &(struct builder_segment){PT_NOTE, DATA_AT(2), 0, size, size});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(2) + notes->size, 0x1000, 0x1000, 0x1000});
    builder_put(&builder, notes->bytes, notes->size);
    builder_memory(&builder, 0x1000, 0x1000);
    builder_free(notes);
    struct opened opened = open_elf(&builder);
    expect_memory(opened.image, 0x1000, 0x1000, 0x1000);
    return opened;
}

#define CR0_PAGING 0x80050033

Test(image_elf, cr3_of_each_cpu)
{
    struct builder notes = {0};
    builder_note(&notes, "CORE", "registers", 9);
    put_cpu(&notes, 1, CR0_PAGING, 0x259e000);
    put_cpu(&notes, 1, CR0_PAGING, 0x1feb2006);
    put_cpu(&notes, 1, CR0_PAGING, 0x3000 | (uint64_t)1 << 61); /* linear address masking */
    put_cpu(&notes, 1, 0x60000010, 0x1000);                     /* never started */
    put_cpu(&notes, 1, CR0_PAGING, 0);
    put_cpu(&notes, 1, CR0_PAGING, UINT64_MAX);
    put_cpu(&notes, 2, CR0_PAGING, 0x5000);
    builder_note(&notes, "QEMU", "short", 5);
    struct opened opened = open_with_notes(&notes, notes.size);

    const struct lkmfs_hints *hints = lkmfs_image_hints(opened.image);
    cr_assert_eq(hints->cr3_count, 3);
    cr_assert_eq(hints->cr3[0], 0x259e000);
    cr_assert_eq(hints->cr3[1], 0x1feb2006);
    cr_assert_eq(hints->cr3[2], 0x3000);
    cr_assert_null(hints->vmcoreinfo);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

Test(image_elf, more_cpus_than_hints)
{
    struct builder notes = {0};
    for (uint64_t i = 1; i <= 100; i++)
        put_cpu(&notes, 1, CR0_PAGING, i << 12);
    struct opened opened = open_with_notes(&notes, notes.size);
    cr_assert_eq(lkmfs_image_hints(opened.image)->cr3_count, 64);
    opened_close(&opened);
}

Test(image_elf, vmcoreinfo)
{
    static const char text[] = "OSRELEASE=6.1.0\nKERNELOFFSET=1a000000\n";
    struct builder notes = {0};
    builder_note(&notes, "VMCOREINFO", text, strlen(text));
    builder_note(&notes, "VMCOREINFO", "second", 6);
    struct opened opened = open_with_notes(&notes, notes.size);
    cr_assert_str_eq(lkmfs_image_hints(opened.image)->vmcoreinfo, text);
    opened_close(&opened);
}

Test(image_elf, note_that_ends_without_padding)
{
    struct builder notes = {0};
    builder_note(&notes, "VMCOREINFO", "A=1\nB", 5);
    struct opened opened = open_with_notes(&notes, notes.size - 3);
    cr_assert_str_eq(lkmfs_image_hints(opened.image)->vmcoreinfo, "A=1\nB");
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
}

Test(image_elf, notes_with_absurd_sizes)
{
    for (size_t field = 0; field < 2; field++) {
        struct builder notes = {0};
        put_cpu(&notes, 1, CR0_PAGING, 0x1000);
        size_t second = notes.size;
        put_cpu(&notes, 1, CR0_PAGING, 0x2000);
        put_le32(notes.bytes + second + field * 4, UINT32_MAX);
        struct opened opened = open_with_notes(&notes, notes.size);
        cr_assert_eq(lkmfs_image_hints(opened.image)->cr3_count, 1);
        cr_assert_eq(lkmfs_log_doubts(opened.log), 1);
        opened_close(&opened);
    }
    struct builder notes = {0};
    put_cpu(&notes, 1, CR0_PAGING, 0x1000);
    struct opened opened = open_with_notes(&notes, UINT64_MAX);
    cr_assert_eq(lkmfs_image_hints(opened.image)->cr3_count, 1);
    opened_close(&opened);
}

static void expect_spoiled(size_t at, uint16_t value, const char *text)
{
    struct builder builder = {0};
    build_core(&builder);
    put_le16(builder.bytes + at, value);
    expect_refused(builder_save(&builder, "image.elf"), LKMFS_ERROR_FORMAT, text);
    builder_free(&builder);
}

Test(image_elf, not_a_core)
{
    expect_spoiled(E_TYPE_AT, ET_REL, "kernel module (.ko)");
    expect_spoiled(E_TYPE_AT, ET_EXEC, "vmlinux");
    expect_spoiled(E_TYPE_AT, ET_DYN, "vmlinux");
    expect_spoiled(E_TYPE_AT, 0, "no core (type 0)");
}

Test(image_elf, class_and_byte_order)
{
    expect_spoiled(EI_CLASS_AT, ELFCLASS32 | ELFDATA2LSB << 8, "32-bit ELF core, which is not supported yet");
    expect_spoiled(EI_CLASS_AT, ELFCLASS64 | ELFDATA2MSB << 8, "big-endian");
    expect_spoiled(EI_CLASS_AT, 7 | ELFDATA2LSB << 8, "damaged header");
    expect_spoiled(EI_DATA_AT, 0, "damaged header");
}

Test(image_elf, header_without_segments)
{
    expect_spoiled(E_PHNUM_AT, 0, "program headers are missing");
    expect_spoiled(E_PHENTSIZE_AT, 0, "program headers are missing");
    expect_spoiled(E_PHENTSIZE_AT, 0xffff, "program headers are missing");
    expect_spoiled(E_PHOFF_AT, 0xffff, "program headers are missing");
    expect_spoiled(E_PHOFF_AT + 6, 0xffff, "program headers are missing");
}

Test(image_elf, xen_core)
{
    struct builder builder = {0};
    build_core(&builder);
    put_le16(builder.bytes + E_PHNUM_AT, 0);
    put_le16(builder.bytes + E_SHNUM_AT, 5);
    expect_refused(builder_save(&builder, "image.elf"), LKMFS_ERROR_FORMAT, "Xen");
    builder_free(&builder);
}

Test(image_elf, core_of_a_process)
{
    struct builder builder = {0};
    builder_elf_header(&builder, 2);
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(2), 0, 0x100, 0x100});
    builder_elf_segment(&builder, &(struct builder_segment){PT_LOAD, DATA_AT(2), 0, 0x100, 0x100});
    builder_zeros(&builder, 0x100);
    expect_refused(builder_save(&builder, "core"), LKMFS_ERROR_FORMAT, "core of a process");
    builder_free(&builder);
}

Test(image_elf, hostile_counts_cost_nothing, .timeout = 10)
{
    struct builder builder = {0};
    build_core(&builder);
    put_le16(builder.bytes + E_PHNUM_AT, PN_XNUM);
    put_le64(builder.bytes + E_SHOFF_AT, builder.size);
    builder_zeros(&builder, 44);
    builder_put32(&builder, UINT32_MAX);
    builder_zeros(&builder, 16);
    struct opened opened = open_elf(&builder);
    cr_assert(opened_log_has(&opened, "of 4294967295 program headers"));
    opened_close(&opened);
}

Test(image_elf, section_header_of_the_count_out_of_reach)
{
    static const uint64_t offsets[] = {0, 0x100000, UINT64_MAX, UINT64_MAX - 40};
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct builder builder = {0};
        build_core(&builder);
        put_le16(builder.bytes + E_PHNUM_AT, PN_XNUM);
        put_le64(builder.bytes + E_SHOFF_AT, offsets[i]);
        struct opened opened = open_elf(&builder);
        expect_memory(opened.image, 0x100000, 0x100, 0x100);
        opened_close(&opened);
    }
}

Test(image_elf, cut_anywhere, .timeout = 60)
{
    struct builder builder = {0};
    build_core(&builder);

    for (size_t size = 1; size <= builder.size; size++) {
        struct opened opened = open_path(builder_save_part(&builder, "image.elf", size));
        cr_assert_eq(opened.image != NULL, size > DATA_AT(2), "%zu bytes: %s", size, opened.err.message);
        if (opened.image) {
            size_t held = size - DATA_AT(2);
            expect_memory(opened.image, 0, 0x1000, held < 0x1000 ? held : 0x1000);
            cr_assert_eq(lkmfs_log_doubts(opened.log) == 0, size == builder.size);
        } else {
            cr_assert_eq(opened.err.code, LKMFS_ERROR_FORMAT);
        }
        opened_close(&opened);
    }
    builder_free(&builder);
}

Test(image_elf, every_header_byte_spoiled, .timeout = 60)
{
    struct builder builder = {0};
    build_core(&builder);

    for (size_t at = 0; at < DATA_AT(2); at++) {
        static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
        uint8_t sound = builder.bytes[at];
        for (size_t i = 0; i < sizeof(values); i++) {
            builder.bytes[at] = values[i];
            struct opened opened = open_path(builder_save(&builder, "image.elf"));
            uint8_t bytes[64];
            if (opened.image)
                (void)lkmfs_image_read(opened.image, 0xff0, bytes, sizeof(bytes));
            else
                cr_assert_neq(opened.err.message[0], '\0');
            opened_close(&opened);
        }
        builder.bytes[at] = sound;
    }
    builder_free(&builder);
}
