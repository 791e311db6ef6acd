/*
 * xen.c - Xen's dump-core of a guest: an ELF core without segments, whose sections have the pages and their numbers
 * (docs/misc/dump-core-format.txt of Xen).
 */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/format.h"

#define PAGE 4096

#define SHDR_SIZE     64
#define SECTIONS_MAX  64
#define NAMES_MAX     4096
#define NUMBERS_ONCE  512
#define EHDR_SHOFF    40
#define EHDR_PHNUM    56
#define EHDR_SHNUM    60
#define EHDR_SHSTRNDX 62

struct xen_section {
    uint64_t offset, size;
};

struct xen_sections {
    struct xen_section pages; /* .xen_pages */
    struct xen_section pfn;   /* .xen_pfn: their numbers, of a guest with page tables of its own */
    struct xen_section p2m;   /* .xen_p2m: pairs of numbers, of a paravirtual guest */
};

static bool xen_probe(const struct image_head *head)
{
    return head->size >= sizeof(Elf64_Ehdr) && memcmp(head->bytes, ELFMAG, SELFMAG) == 0 &&
           head->bytes[EI_CLASS] == ELFCLASS64 && head->bytes[EI_DATA] == ELFDATA2LSB &&
           le16(head->bytes + EI_NIDENT) == ET_CORE && le16(head->bytes + EHDR_PHNUM) == 0 &&
           le16(head->bytes + EHDR_SHNUM) != 0;
}

/* The name at `at` of the table of names; "" if there's none. */
static const char *section_name(const char *names, size_t size, uint32_t at)
{
    return at < size && memchr(names + at, '\0', size - at) ? names + at : "";
}

static void xen_sort_section(struct xen_sections *sections, const char *name, const struct xen_section *section)
{
    if (strcmp(name, ".xen_pages") == 0)
        sections->pages = *section;
    else if (strcmp(name, ".xen_pfn") == 0)
        sections->pfn = *section;
    else if (strcmp(name, ".xen_p2m") == 0)
        sections->p2m = *section;
}

static bool xen_read_sections(struct image_file *file, struct xen_sections *sections)
{
    uint8_t header[sizeof(Elf64_Ehdr)];
    uint8_t table[SECTIONS_MAX * SHDR_SIZE];
    char names[NAMES_MAX];
    if (image_file_read(file, 0, header, sizeof(header)) < sizeof(header))
        return false;
    size_t count = (size_t)min_u64(le16(header + EHDR_SHNUM), SECTIONS_MAX);
    size_t name_section = le16(header + EHDR_SHSTRNDX);
    if (name_section >= count ||
        image_file_read(file, le64(header + EHDR_SHOFF), table, count * SHDR_SIZE) < count * SHDR_SIZE)
        return false;

    const uint8_t *of_names = table + name_section * SHDR_SIZE;
    size_t size = image_file_read(file, le64(of_names + 24), names, (size_t)min_u64(le64(of_names + 32), NAMES_MAX));
    for (size_t i = 0; i < count; i++) {
        const uint8_t *entry = table + i * SHDR_SIZE;
        struct xen_section section = {.offset = le64(entry + 24), .size = le64(entry + 32)};
        xen_sort_section(sections, section_name(names, size, le32(entry)), &section);
    }
    return true;
}

/* Adds the pages whose numbers are these, the first of which is page `index` of the section; false without memory. */
static bool xen_add_pages(struct lkmfs_image *image, const struct xen_section *pages, const uint8_t *numbers,
                          size_t count, uint64_t index)
{
    for (size_t i = 0, next; i < count; i = next) {
        uint64_t first = le64(numbers + i * 8);
        next = i + 1;
        if (first >= IMAGE_PHYSICAL_LIMIT / PAGE) /* none: all bits set */
            continue;
        while (next < count && le64(numbers + next * 8) == first + (next - i))
            next++;
        if (!image_extents_add(&image->extents, first * PAGE, pages->offset + (index + i) * PAGE, (next - i) * PAGE))
            return false;
    }
    return true;
}

static bool xen_read_numbers(struct lkmfs_image *image, const struct xen_sections *sections, struct lkmfs_log *log)
{
    uint64_t count = min_u64(sections->pages.size / PAGE, sections->pfn.size / 8);
    uint8_t numbers[NUMBERS_ONCE * 8];
    for (uint64_t done = 0; done < count;) {
        size_t part = (size_t)min_u64(count - done, NUMBERS_ONCE);
        size_t got = image_file_read(image->file, sections->pfn.offset + done * 8, numbers, part * 8) / 8;
        if (!xen_add_pages(image, &sections->pages, numbers, got, done))
            return false;
        if (got < part) {
            lkmfs_log_add(log, LKMFS_LOG_DOUBT, "xen: the list of page numbers is cut short after %" PRIu64 " of them",
                          done + got);
            return true;
        }
        done += part;
    }
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "xen: its index took one pass over %" PRIu64 " page numbers", count);
    return true;
}

static bool xen_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct xen_sections sections = {0};
    if (!xen_read_sections(image->file, &sections) || sections.pages.size == 0 ||
        (sections.pfn.size == 0 && sections.p2m.size == 0))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is an ELF core with sections but no segments, as Xen's dump-core writes it, but without "
                          "pages and their numbers; it was cut short, so copy or acquire it again",
                          image->file->path);
    if (sections.pfn.size == 0)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, sections.p2m.offset,
                          "%s is a Xen core of a paravirtual guest, which is not supported; acquire the memory inside "
                          "the guest with avml or LiME",
                          image->file->path);
    if (!range_fits(sections.pages.offset, sections.pages.size, INT64_MAX) ||
        !range_fits(sections.pfn.offset, sections.pfn.size, INT64_MAX))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is a Xen core with damaged section headers; copy it again",
                          image->file->path);
    return xen_read_numbers(image, &sections, log) || lkmfs_fail_memory(err);
}

const struct image_format image_format_xen = {
    .name = "Xen core",
    .probe = xen_probe,
    .open = xen_open,
    .overlap_kind = LKMFS_LOG_DOUBT,
};
