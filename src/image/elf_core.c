/*
 * elf_core.c - ELF64 cores of a machine: QEMU's dump-guest-memory, virsh dump --memory-only, VirtualBox's dumpvmcore,
 * /proc/vmcore, /proc/kcore and makedumpfile -E. A segment's p_paddr says where it lies in physical memory.
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "base/cursor.h"
#include "image/elf_header.h"
#include "image/elf_notes.h"
#include "image/format.h"

#define PHDRS_AT_ONCE 64

/* A core has one PT_NOTE; more than a few are made up. */
#define NOTE_SEGMENTS_MAX 16

struct elf_segment {
    uint32_t type;
    uint64_t offset;
    uint64_t phys;
    uint64_t file_size; /* bytes that the file holds */
    uint64_t size;      /* bytes of memory that it stands for */
};

/* /proc/kcore says so of vmalloc and module space, whose pages are in its other segments as well. */
#define PHYS_NOWHERE UINT64_MAX

/* What is known of the segments once all have been seen. */
struct elf_tally {
    size_t loads;
    size_t loads_above_zero; /* whose physical address is not 0 */
    size_t notes;
    size_t nowhere;          /* segments of virtual memory whose place in physical memory is not told */
    uint64_t filtered;       /* segments with more memory than file... */
    uint64_t filtered_bytes; /* ...and by how much; wraps on a made-up file */
};

static bool elf_probe(const struct image_head *head)
{
    return head->size >= SELFMAG && memcmp(head->bytes, ELFMAG, SELFMAG) == 0;
}

static struct elf_segment elf_segment_parse(struct cursor *cursor)
{
    struct elf_segment segment;
    segment.type = cursor_u32(cursor);
    cursor_skip(cursor, 4);
    segment.offset = cursor_u64(cursor);
    cursor_skip(cursor, 8);
    segment.phys = cursor_u64(cursor);
    segment.file_size = cursor_u64(cursor);
    segment.size = cursor_u64(cursor);
    cursor_skip(cursor, 8);
    return segment;
}

static bool elf_add_segment(struct lkmfs_image *image, const struct elf_segment *segment, struct elf_tally *tally,
                            struct lkmfs_log *log)
{
    if (segment->type == PT_NOTE && tally->notes++ < NOTE_SEGMENTS_MAX)
        return elf_notes_read(image->file, segment->offset, segment->file_size, &image->hints, log);
    if (segment->type != PT_LOAD)
        return true;
    if (segment->phys == PHYS_NOWHERE) {
        tally->nowhere++;
        return true;
    }

    /* makedumpfile leaves out pages at the end of a segment, of whatever kind it was told to: not there, not zeros. */
    if (segment->size > segment->file_size) {
        tally->filtered++;
        tally->filtered_bytes += segment->size - segment->file_size;
    }
    if (segment->file_size == 0)
        return true;
    tally->loads++;
    tally->loads_above_zero += segment->phys != 0;
    return image_extents_add(&image->extents, segment->phys, segment->offset, segment->file_size);
}

static bool elf_read_segments(struct lkmfs_image *image, const struct elf_header *header, struct elf_tally *tally,
                              struct lkmfs_log *log, struct lkmfs_error *err)
{
    uint8_t bytes[PHDRS_AT_ONCE * ELF_PHDR_SIZE];
    uint64_t limit = header->phheld < IMAGE_EXTENTS_MAX ? header->phheld : IMAGE_EXTENTS_MAX;
    uint64_t done = 0;

    while (done < limit) {
        uint64_t part = limit - done < PHDRS_AT_ONCE ? limit - done : PHDRS_AT_ONCE;
        size_t got = image_file_read(image->file, header->phoff + done * ELF_PHDR_SIZE, bytes, part * ELF_PHDR_SIZE);
        struct cursor cursor = cursor_over(bytes, got);
        for (uint64_t i = 0; i < got / ELF_PHDR_SIZE; i++) {
            struct elf_segment segment = elf_segment_parse(&cursor);
            if (!elf_add_segment(image, &segment, tally, log))
                return lkmfs_fail_memory(err);
        }
        done += got / ELF_PHDR_SIZE;
        if (got < part * ELF_PHDR_SIZE)
            break;
    }
    if (done < header->phnum)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "elf: only %" PRIu64 " of %" PRIu64 " program headers could be read", done,
                      header->phnum);
    return true;
}

static bool elf_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct elf_header header = {0};
    struct elf_tally tally = {0};

    if (!elf_header_read(image->file, &header, err) || !elf_read_segments(image, &header, &tally, log, err))
        return false;
    /* The kernel and gcore leave p_paddr 0 throughout; no machine has several segments at 0. */
    if (tally.loads > 1 && tally.loads_above_zero == 0)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is the core of a process, not of a machine; acquire the whole memory, for example with "
                          "avml or LiME",
                          image->file->path);
    if (tally.nowhere)
        lkmfs_log_add(log, LKMFS_LOG_NOTE,
                      "elf: %zu segments of virtual memory only, as in /proc/kcore: a live system changes under the "
                      "reader",
                      tally.nowhere);
    if (tally.filtered)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "elf: %" PRIu64 " segments leave out %" PRIu64
                      " bytes of memory (filtered by makedumpfile?); they are taken as missing",
                      tally.filtered, tally.filtered_bytes);
    return true;
}

const struct image_format image_format_elf_core = {
    .name = "ELF core",
    .probe = elf_probe,
    .open = elf_open,
    /* /proc/vmcore has the kernel's text twice, QEMU's paging=true a segment for each virtual mapping. */
    .overlap_kind = LKMFS_LOG_NOTE,
};
