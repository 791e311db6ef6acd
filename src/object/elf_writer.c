#include "object/elf_writer.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

#define PAGE 4096

/* Where everything lies in the file. */
struct plan {
    const struct elf_file *file;
    struct elf_strings names;
    uint32_t *name_offsets;    /* of each section and, last, of .shstrtab */
    uint64_t *offsets;         /* the same: file offsets */
    uint64_t *segment_offsets; /* file offsets of the segments */
    uint64_t headers;          /* offset of the section headers */
    uint64_t end;              /* bytes placed so far; at last the file's size */
};

static size_t header_size(unsigned word)
{
    return word == 8 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
}

static size_t segment_header_size(unsigned word)
{
    return word == 8 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
}

static size_t section_header_size(unsigned word)
{
    return word == 8 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
}

/* Reserves `size` bytes at the next multiple of `align`; false when the file gets too large. */
static bool place(struct plan *plan, uint64_t size, uint64_t align, uint64_t *ret)
{
    uint64_t end;
    *ret = align_up(plan->end, max_u64(align, 1));
    if (*ret > ELF_FILE_LIMIT || !add_u64(*ret, size, &end) || end > ELF_FILE_LIMIT)
        return false;
    plan->end = end;
    return true;
}

/* A file offset that is congruent to the address modulo a page, as loaders and debuggers want it. */
static bool place_segments(struct plan *plan)
{
    for (size_t i = 0; i < plan->file->segment_count; i++) {
        const struct elf_segment *segment = &plan->file->segments[i];
        uint64_t start;
        if (!place(plan, 0, PAGE, &start))
            return false;
        plan->end += segment->address % PAGE;
        if (!place(plan, segment->size, 1, &plan->segment_offsets[i]))
            return false;
    }
    return true;
}

/* Alignments above a page would only blow up the file: nothing maps it. */
static uint64_t file_align(const struct elf_section *section)
{
    return section->align && (section->align & (section->align - 1)) == 0 ? min_u64(section->align, PAGE) : 1;
}

static bool place_sections(struct plan *plan, bool late)
{
    for (size_t i = 0; i < plan->file->section_count; i++) {
        const struct elf_section *section = &plan->file->sections[i];
        if (section->late != late)
            continue;
        if (section->segment >= 0) {
            plan->offsets[i] = plan->segment_offsets[section->segment] + section->segment_offset;
            continue;
        }
        uint64_t size = section->type == SHT_NOBITS ? 0 : section->size;
        if (!place(plan, size, file_align(section), &plan->offsets[i]))
            return false;
    }
    return true;
}

static bool place_all(struct plan *plan)
{
    const struct elf_file *file = plan->file;
    uint64_t ignored, last = file->section_count;
    plan->end = header_size(file->word);
    return place(plan, file->segment_count * segment_header_size(file->word), 8, &ignored) && place_segments(plan) &&
           place_sections(plan, false) && place_sections(plan, true) &&
           place(plan, plan->names.size, 1, &plan->offsets[last]) &&
           place(plan, (file->section_count + 2) * section_header_size(file->word), 8, &plan->headers);
}

static bool collect_names(struct plan *plan)
{
    const struct elf_file *file = plan->file;
    for (size_t i = 0; i < file->section_count; i++) {
        if (!elf_strings_add(&plan->names, file->sections[i].name, &plan->name_offsets[i]))
            return false;
    }
    return elf_strings_add(&plan->names, ".shstrtab", &plan->name_offsets[file->section_count]);
}

/* Writes a word of the class and returns where the next field goes. */
static uint8_t *put_word(unsigned word, uint8_t *at, uint64_t value)
{
    if (word == 8)
        put_le64(at, value);
    else
        put_le32(at, (uint32_t)value);
    return at + word;
}

static void put_header(const struct plan *plan, uint8_t *at)
{
    const struct elf_file *file = plan->file;
    static const uint8_t magic[] = {0x7f, 'E', 'L', 'F'};
    memcpy(at, magic, sizeof(magic));
    at[EI_CLASS] = file->word == 8 ? ELFCLASS64 : ELFCLASS32;
    at[EI_DATA] = ELFDATA2LSB;
    at[EI_VERSION] = EV_CURRENT;
    put_le16(at + 16, file->type);
    put_le16(at + 18, file->machine);
    put_le32(at + 20, EV_CURRENT);
    uint8_t *next = put_word(file->word, at + 24, file->entry);
    next = put_word(file->word, next, file->segment_count ? align_up(header_size(file->word), 8) : 0);
    next = put_word(file->word, next, plan->headers);
    next += 4; /* e_flags */
    put_le16(next, (uint16_t)header_size(file->word));
    put_le16(next + 2, (uint16_t)(file->segment_count ? segment_header_size(file->word) : 0));
    put_le16(next + 4, (uint16_t)file->segment_count);
    put_le16(next + 6, (uint16_t)section_header_size(file->word));
    put_le16(next + 8, (uint16_t)(file->section_count + 2));
    put_le16(next + 10, (uint16_t)(file->section_count + 1));
}

static void put_segment_header(const struct plan *plan, uint8_t *at, size_t index)
{
    const struct elf_segment *segment = &plan->file->segments[index];
    unsigned word = plan->file->word;
    put_le32(at, PT_LOAD);
    uint8_t *next = at + 4;
    if (word == 8) {
        put_le32(next, segment->flags);
        next += 4;
    }
    next = put_word(word, next, plan->segment_offsets[index]);
    next = put_word(word, next, segment->address);
    next = put_word(word, next, segment->address);
    next = put_word(word, next, segment->size);
    next = put_word(word, next, segment->size);
    if (word == 4) {
        put_le32(next, segment->flags);
        next += 4;
    }
    put_word(word, next, PAGE);
}

static void put_section_header(const struct plan *plan, uint8_t *at, size_t index, const struct elf_section *section)
{
    unsigned word = plan->file->word;
    put_le32(at, plan->name_offsets[index]);
    put_le32(at + 4, section->type);
    uint8_t *next = put_word(word, at + 8, section->flags);
    next = put_word(word, next, section->address);
    next = put_word(word, next, plan->offsets[index]);
    next = put_word(word, next, section->size);
    put_le32(next, section->link);
    put_le32(next + 4, section->info);
    next = put_word(word, next + 8, section->align);
    put_word(word, next, section->entsize);
}

static void put_section_headers(const struct plan *plan, uint8_t *bytes)
{
    const struct elf_file *file = plan->file;
    size_t step = section_header_size(file->word);
    uint8_t *at = bytes + plan->headers + step;
    for (size_t i = 0; i < file->section_count; i++, at += step)
        put_section_header(plan, at, i, &file->sections[i]);
    struct elf_section names = {.type = SHT_STRTAB, .size = plan->names.size, .align = 1};
    put_section_header(plan, at, file->section_count, &names);
}

static void put_contents(const struct plan *plan, uint8_t *bytes)
{
    const struct elf_file *file = plan->file;
    for (size_t i = 0; i < file->segment_count; i++) {
        uint64_t header = align_up(header_size(file->word), 8) + i * segment_header_size(file->word);
        put_segment_header(plan, bytes + header, i);
        if (file->segments[i].size)
            memcpy(bytes + plan->segment_offsets[i], file->segments[i].data, file->segments[i].size);
    }
    for (size_t i = 0; i < file->section_count; i++) {
        const struct elf_section *section = &file->sections[i];
        if (section->type != SHT_NOBITS && section->segment < 0 && section->size)
            memcpy(bytes + plan->offsets[i], section->data, section->size);
    }
    memcpy(bytes + plan->offsets[file->section_count], plan->names.bytes, plan->names.size);
}

bool elf_write(const struct elf_file *file, uint8_t **ret, size_t *ret_size, struct lkmfs_error *err)
{
    struct plan plan = {.file = file};
    bool ok = false;
    uint8_t *bytes = NULL;

    *ret = NULL;
    *ret_size = 0;
    if (file->section_count + 2 >= SHN_LORESERVE || file->segment_count >= PN_XNUM)
        return lkmfs_fail(err, LKMFS_ERROR_DAMAGED, 0, "%zu sections are more than an ELF file can number",
                          file->section_count);
    plan.name_offsets = calloc(file->section_count + 1, sizeof(*plan.name_offsets));
    plan.offsets = calloc(file->section_count + 1, sizeof(*plan.offsets));
    plan.segment_offsets = calloc(file->segment_count + 1, sizeof(*plan.segment_offsets));
    if (!plan.name_offsets || !plan.offsets || !plan.segment_offsets || !collect_names(&plan)) {
        lkmfs_fail_memory(err);
        goto out;
    }
    if (!place_all(&plan)) {
        lkmfs_fail(err, LKMFS_ERROR_DAMAGED, 0, "the rebuilt file would exceed %llu MiB",
                   (unsigned long long)(ELF_FILE_LIMIT >> 20));
        goto out;
    }
    bytes = calloc(1, plan.end);
    if (!bytes) {
        lkmfs_fail_memory(err);
        goto out;
    }
    put_header(&plan, bytes);
    put_contents(&plan, bytes);
    put_section_headers(&plan, bytes);
    *ret = bytes;
    *ret_size = plan.end;
    ok = true;
out:
    elf_strings_free(&plan.names);
    free(plan.name_offsets);
    free(plan.offsets);
    free(plan.segment_offsets);
    return ok;
}
