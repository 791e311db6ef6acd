/* test_image_qemu.c - QEMU's migration streams and the files of virsh save. */
#include <criterion/criterion.h>
#include <malloc.h>
#include <string.h>

#include "base/cursor.h"
#include "image/qemu_blocks.h"
#include "image_builder.h"

TestSuite(image_qemu, .init = scratch_begin, .fini = scratch_end);

#define PAGE QEMU_PAGE

static void put_be32(struct builder *builder, uint32_t value)
{
    builder_put32(builder, __builtin_bswap32(value));
}

static void put_be64(struct builder *builder, uint64_t value)
{
    builder_put64(builder, __builtin_bswap64(value));
}

static void put_name(struct builder *builder, const char *name)
{
    uint8_t size = (uint8_t)strlen(name);
    builder_put(builder, &size, 1);
    builder_put(builder, name, size);
}

/* The start of a stream: its machine, and RAM of `size` bytes called `name`. */
static void put_start(struct builder *builder, const char *machine, const char *name, uint64_t size)
{
    builder_put(builder, "QEVM\0\0\0\3\7", 9);
    put_be32(builder, (uint32_t)strlen(machine));
    builder_put(builder, machine, strlen(machine));
    builder_put(builder, "\1", 1);
    put_be32(builder, 5);
    put_name(builder, "ram");
    builder_zeros(builder, 8);
    put_be64(builder, (size + PAGE) | 4);
    put_name(builder, name);
    put_be64(builder, size);
    put_name(builder, "vga.vram");
    put_be64(builder, PAGE);
}

static void put_filled(struct builder *builder, const char *name, uint64_t address, uint8_t byte)
{
    put_be64(builder, address | 2 | (name ? 0 : 0x20));
    if (name)
        put_name(builder, name);
    builder_put(builder, &byte, 1);
}

static void put_stored(struct builder *builder, const char *name, uint64_t address, uint64_t memory)
{
    put_be64(builder, address | 8 | (name ? 0 : 0x20));
    if (name)
        put_name(builder, name);
    builder_memory(builder, memory, PAGE);
}

static void put_section_end(struct builder *builder)
{
    put_be64(builder, 16);
    builder_put(builder, "\x7e\0\0\0\5", 5);
}

/* Four pages: 0 and 1 are stored, 1 twice; 2 is filled; 3 was never sent. */
static struct builder make(const char *machine)
{
    struct builder stream = {0};
    put_start(&stream, machine, "pc.ram", 4 * PAGE);
    put_section_end(&stream);
    builder_put(&stream, "\2\0\0\0\5", 5);
    put_stored(&stream, "pc.ram", 0, 0);
    put_stored(&stream, NULL, PAGE, 77 * PAGE);
    put_filled(&stream, NULL, 2 * PAGE, 0xab);
    put_section_end(&stream);
    builder_put(&stream, "\3\0\0\0\5", 5);
    put_filled(&stream, "vga.vram", 0, 1);
    put_stored(&stream, "pc.ram", PAGE, PAGE);
    put_section_end(&stream);
    builder_put(&stream, "\4whatever", 9);
    return stream;
}

static void expect_pages(const struct lkmfs_image *image)
{
    uint8_t bytes[PAGE];
    expect_ranges(image, 1);
    expect_range(image, 0, 0, 3 * PAGE);
    expect_memory(image, 0, 2 * PAGE, 2 * PAGE);
    expect_memory(image, PAGE - 3, 7, 7);
    cr_assert_eq(lkmfs_image_read(image, 2 * PAGE + 5, bytes, PAGE), PAGE - 5);
    cr_assert(bytes[0] == 0xab && bytes[PAGE - 6] == 0xab);
    expect_memory(image, 3 * PAGE, 1, 0);
    expect_memory(image, UINT64_MAX - 1, 2, 0);
}

static void expect_stream_refused(struct builder *stream, const char *text)
{
    expect_refused(builder_save(stream, "vm.sav"), LKMFS_ERROR_FORMAT, text);
    builder_free(stream);
}

Test(image_qemu, pages)
{
    struct builder stream = make("pc-q35-7.2");
    struct opened opened = open_expecting(builder_save(&stream, "vm.sav"), "QEMU savevm");
    expect_pages(opened.image);
    cr_assert_eq(lkmfs_log_doubts(opened.log), 0);
    opened_close(&opened);
    builder_free(&stream);
}

Test(image_qemu, hole_option_and_machines)
{
    struct builder stream = make("virt-7.2");
    struct opened opened = open_expecting(builder_save(&stream, "vm.sav"), "QEMU savevm");
    const struct lkmfs_hole hole = {PAGE, 8 * PAGE};
    expect_range(opened.image, 0, 0x40000000, 3 * PAGE);
    cr_assert(lkmfs_image_set_hole(opened.image, &hole, NULL));
    expect_ranges(opened.image, 2);
    expect_range(opened.image, 1, 8 * PAGE, 2 * PAGE);
    expect_memory(opened.image, PAGE - 4, 8, 4);
    opened_close(&opened);
    builder_free(&stream);
}

Test(image_qemu, cut_keeps_what_is_whole)
{
    struct builder stream = make("pc-q35-7.2");
    for (size_t size = stream.size - 9 - 13 - 100; size > 0; size -= size > 5000 ? 997 : 1) {
        struct opened opened = open_path(builder_save_part(&stream, "vm.sav", size));
        if (opened.image)
            cr_assert(opened_log_has(&opened, "cut short"));
        opened_close(&opened);
    }
    builder_free(&stream);
}

/* What is held grows with the pages that are there, not with the RAM that a hostile stream claims. */
Test(image_qemu, claims_cost_nothing)
{
    struct builder stream = {0};
    uint64_t last = ((uint64_t)1 << 40) - PAGE;
    put_start(&stream, "virt-7.2", "ram", last + PAGE);
    put_filled(&stream, "ram", last, 7);
    put_section_end(&stream);
    builder_put(&stream, "\3\0\0\0\5", 5);
    put_section_end(&stream);
    const char *path = builder_save(&stream, "vm.sav");
    struct mallinfo2 before = mallinfo2();
    struct opened opened = open_expecting(path, "QEMU savevm");
    struct mallinfo2 after = mallinfo2();
    cr_assert_lt(after.hblkhd + after.uordblks, before.hblkhd + before.uordblks + ((size_t)64 << 20));
    uint8_t byte = 0;
    expect_ranges(opened.image, 1);
    expect_range(opened.image, 0, 0x40000000 + last, PAGE);
    cr_assert_eq(lkmfs_image_read(opened.image, 0x40000000 + last, &byte, 1), 1);
    cr_assert_eq(byte, 7);
    opened_close(&opened);
    builder_free(&stream);
}

Test(image_qemu, absurd_sizes)
{
    struct builder stream = {0};
    put_start(&stream, "pc", "pc.ram", (uint64_t)1 << 50);
    expect_stream_refused(&stream, "absurd sizes");
    put_start(&stream, "pc", "pc.ram", 100);
    expect_stream_refused(&stream, "absurd sizes");
    put_start(&stream, "pc", "pc.ram", (uint64_t)1 << 40);
    put_filled(&stream, "pc.ram", (uint64_t)1 << 40, 0);
    expect_stream_refused(&stream, "outside of all RAM");
    put_start(&stream, "pc", "pc.ram", PAGE);
    put_filled(&stream, "pc.rom", 0, 0);
    expect_stream_refused(&stream, "did not announce");
    put_start(&stream, "pc", "pc.ram", PAGE);
    put_filled(&stream, NULL, 0, 0);
    expect_stream_refused(&stream, "outside of all RAM");
}

Test(image_qemu, what_is_not_supported_is_named)
{
    struct builder stream = {0};
    put_start(&stream, "pc", "pc.ram", PAGE);
    put_be64(&stream, 0x40);
    expect_stream_refused(&stream, "XBZRLE");
    put_start(&stream, "pc", "pc.ram", PAGE);
    put_be64(&stream, 0x800);
    expect_stream_refused(&stream, "unknown kind in its RAM");
    builder_put(&stream, "QEVM\0\0\0\3\x55", 9);
    expect_stream_refused(&stream, "section of an unknown kind");
    builder_put(&stream, "QEVM\0\0\0\4", 8);
    expect_stream_refused(&stream, "version 4");
    builder_put(&stream, "QEVM\0\0\0\3\7\xff\xff\xff\xff", 13);
    expect_stream_refused(&stream, "name that is too long");
    put_start(&stream, "pc", "pc.ram", PAGE);
    expect_stream_refused(&stream, "without RAM");
}

static void put_libvirt(struct builder *builder, uint32_t xml, uint32_t compressed)
{
    builder_put(builder, "LibvirtQemudSave", 16);
    const uint32_t words[] = {2, xml, 1, compressed, 0};
    for (size_t i = 0; i < 5; i++)
        builder_put32(builder, words[i]);
    builder_zeros(builder, 56);
}

Test(image_qemu, libvirt)
{
    struct builder stream = make("pc-i440fx-7.2"), file = {0};
    put_libvirt(&file, 1000, 0);
    builder_zeros(&file, 1000);
    builder_put(&file, stream.bytes, stream.size);
    struct opened opened = open_expecting(builder_save(&file, "vm.save"), "libvirt save");
    expect_pages(opened.image);
    opened_close(&opened);

    put_le32(file.bytes + 28, 5);
    expect_refused(builder_save(&file, "vm.save"), LKMFS_ERROR_FORMAT, "tail -c +1093 /tmp/");
    put_le32(file.bytes + 28, 6);
    expect_refused(builder_save(&file, "vm.save"), LKMFS_ERROR_FORMAT, "sparse");
    put_le32(file.bytes + 20, UINT32_MAX);
    expect_refused(builder_save(&file, "vm.save"), LKMFS_ERROR_FORMAT, "cut within its headers");
    builder_free(&stream);
    builder_free(&file);
}

Test(image_qemu, numbered_blocks_are_ram_in_order)
{
    struct qemu_block blocks[] = {{"ram-node10", 2 * PAGE, 0}, {"vga", PAGE, 0}, {"ram-node9", 8 * PAGE, 0}};
    struct qemu_ram ram = {.blocks = blocks, .block_count = 3};
    cr_assert(qemu_blocks_settle(&ram));
    cr_assert_eq(ram.size, 10 * PAGE);
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(blocks[i].start, strcmp(blocks[i].name, "vga") == 0         ? UINT64_MAX
                                      : strcmp(blocks[i].name, "ram-node9") == 0 ? 0
                                                                                 : 8 * PAGE);
}
