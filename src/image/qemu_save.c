/*
 * qemu_save.c - QEMU's savevm and migration streams, alone or in the file that virsh save writes. RAM in them has no
 * holes; the kind of machine says where its hole is.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/advice.h"
#include "image/format.h"
#include "image/qemu_stream.h"
#include "image/ranges.h"

#define FOUR_GIB ((uint64_t)1 << 32)

/* struct _virQEMUSaveHeader (src/qemu/qemu_saveimage.h of libvirt), little-endian */
#define LIBVIRT_MAGIC       "LibvirtQemudSave"
#define LIBVIRT_MAGIC_SIZE  16
#define LIBVIRT_XML_SIZE    20
#define LIBVIRT_COMPRESSED  28
#define LIBVIRT_HEADER_SIZE 92

struct qemu_save {
    struct qemu_ram ram;
    struct lkmfs_hole hole; /* start is UINT64_MAX without one */
};

static bool qemu_probe(const struct image_head *head)
{
    return head->size >= 4 && memcmp(head->bytes, "QEVM", 4) == 0;
}

static bool libvirt_probe(const struct image_head *head)
{
    return head->size >= LIBVIRT_MAGIC_SIZE && memcmp(head->bytes, LIBVIRT_MAGIC, LIBVIRT_MAGIC_SIZE) == 0;
}

/* hw/i386/pc_piix.c, pc_q35.c, microvm.c; hw/arm/virt.c */
static struct lkmfs_hole machine_hole(const char *machine, uint64_t size)
{
    if (strncmp(machine, "virt", 4) == 0)
        return (struct lkmfs_hole){.start = 0, .end = 0x40000000};
    bool q35 = strstr(machine, "q35") != NULL;
    bool large = size >= (q35 ? 0xb0000000 : 0xe0000000);
    if (!large)
        return (struct lkmfs_hole){.start = UINT64_MAX};
    return (struct lkmfs_hole){.start = q35 ? 0x80000000 : 0xc0000000, .end = FOUR_GIB};
}

static bool save_list_ranges(const struct qemu_save *save, struct image_ranges *ranges)
{
    for (uint64_t at = 0; at < save->ram.size; at += QEMU_PAGE) {
        uint64_t phys = at < save->hole.start ? at : at - save->hole.start + save->hole.end;
        if (qemu_page_place(&save->ram, at) && !image_ranges_add(ranges, phys, QEMU_PAGE))
            return false;
    }
    return true;
}

static bool qemu_set_hole(struct lkmfs_image *image, const struct lkmfs_hole *hole)
{
    struct qemu_save *save = image->state;
    struct image_ranges ranges = {0};

    save->hole = hole ? *hole : machine_hole(save->ram.machine, save->ram.size);
    bool listed = save_list_ranges(save, &ranges);
    image->ranges = ranges.items;
    image->range_count = ranges.count;
    return listed;
}

static bool save_open(struct lkmfs_image *image, uint64_t offset, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct qemu_save *save = calloc(1, sizeof(*save));
    if (!save)
        return lkmfs_fail_memory(err);
    image->state = save;
    if (!qemu_stream_read(image->file, offset, &save->ram, log, err))
        return false;
    return qemu_set_hole(image, NULL) || lkmfs_fail_memory(err);
}

static bool qemu_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    return save_open(image, 0, log, err);
}

static bool libvirt_fail_compressed(const struct image_file *file, uint32_t kind, uint64_t offset,
                                    struct lkmfs_error *err)
{
    static const char *const commands[] = {NULL, "gzip -dc", "bzip2 -dc", "xz -dc", "lzop -dc", "zstd -dc"};
    if (kind >= sizeof(commands) / sizeof(commands[0]))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, LIBVIRT_COMPRESSED,
                          "%s is a libvirt save file of a kind that is not supported (%" PRIu32
                          ": sparse?); dump the guest with virsh dump --memory-only instead",
                          image_advice_name(file->path), kind);
    char text[80];
    char command[300];
    (void)snprintf(text, sizeof(text), "tail -c +%" PRIu64 " %%I | %s > %%O", offset + 1, commands[kind]);
    image_advice_expand(command, sizeof(command), text, file->path, NULL);
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, LIBVIRT_COMPRESSED,
                      "%s is a compressed libvirt save file; unpack it first: %s", image_advice_name(file->path),
                      command);
}

static bool libvirt_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    uint8_t bytes[LIBVIRT_HEADER_SIZE] = {0};
    (void)image_file_read(image->file, 0, bytes, sizeof(bytes));
    uint64_t offset = LIBVIRT_HEADER_SIZE + (uint64_t)le32(bytes + LIBVIRT_XML_SIZE);
    uint32_t kind = le32(bytes + LIBVIRT_COMPRESSED);

    if (offset >= image->file->size)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, LIBVIRT_XML_SIZE,
                          "%s is a libvirt save file cut within its headers; copy or save it again",
                          image_advice_name(image->file->path));
    if (kind != 0)
        return libvirt_fail_compressed(image->file, kind, offset, err);
    return save_open(image, offset, log, err);
}

/* Reads from one page of RAM. */
static size_t save_read_page(const struct lkmfs_image *image, uint64_t at, void *buffer, size_t size)
{
    const struct qemu_save *save = image->state;
    uint64_t place = at < save->ram.size ? qemu_page_place(&save->ram, at) : 0;

    if (place == 0)
        return 0;
    if (!(place & 1))
        return image_file_read(image->file, (place >> 1) + at % QEMU_PAGE, buffer, size);
    memset(buffer, (uint8_t)(place >> 1), size);
    return size;
}

static size_t qemu_pread(const struct lkmfs_image *image, uint64_t phys, void *buffer, size_t size)
{
    const struct lkmfs_hole *hole = &((const struct qemu_save *)image->state)->hole;
    size_t done = 0;

    while (done < size && phys < IMAGE_PHYSICAL_LIMIT) {
        uint64_t at = phys + done;
        size_t want = (size_t)min_u64(size - done, QEMU_PAGE - at % QEMU_PAGE);
        if (at >= hole->start && at < hole->end)
            break;
        if (at >= hole->start)
            at -= hole->end - hole->start;
        size_t got = save_read_page(image, at, (uint8_t *)buffer + done, want);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

static void qemu_close(struct lkmfs_image *image)
{
    struct qemu_save *save = image->state;
    if (!save)
        return;
    qemu_ram_free(&save->ram);
    free(save);
}

const struct image_format image_format_qemu = {
    .name = "QEMU savevm",
    .probe = qemu_probe,
    .open = qemu_open,
    .pread = qemu_pread,
    .set_hole = qemu_set_hole,
    .close = qemu_close,
};

const struct image_format image_format_libvirt = {
    .name = "libvirt save",
    .probe = libvirt_probe,
    .open = libvirt_open,
    .pread = qemu_pread,
    .set_hole = qemu_set_hole,
    .close = qemu_close,
};
