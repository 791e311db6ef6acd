#include "image/elf_notes.h"

#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"

/* QEMU writes about 1 KiB a CPU, the kernel some 10 KiB of VMCOREINFO: this is room for 4,000 CPUs. */
#define NOTES_MAX ((size_t)4 << 20)

/* struct QEMUCPUState (target/i386/arch_dump.c), version 1; kernel_gs_base was added at its end later. */
#define QEMU_STATE_VERSION 1
#define QEMU_STATE_CR0     392
#define QEMU_STATE_CR3     (QEMU_STATE_CR0 + 3 * 8)
#define QEMU_STATE_MIN     432

#define CR0_PE ((uint64_t)1 << 0)
#define CR0_PG ((uint64_t)1 << 31)

/* Linear address masking (Linux 6.4) sets bits 61 and 62; with others above the address it is no CR3. */
#define CR3_LAM     ((uint64_t)3 << 61)
#define CR3_INVALID (~(((uint64_t)1 << 52) - 1))

struct elf_note {
    const uint8_t *name; /* with its NUL, if it has one */
    size_t name_size;
    const uint8_t *desc;
    size_t desc_size;
};

static bool note_is_named(const struct elf_note *note, const char *name)
{
    return note->name_size == strlen(name) + 1 && memcmp(note->name, name, note->name_size) == 0;
}

/* Takes the next note; false at the end or when it reaches past it (which sets cursor->overrun). */
static bool note_next(struct cursor *cursor, struct elf_note *note)
{
    if (cursor->pos == cursor->size)
        return false;
    note->name_size = cursor_u32(cursor);
    note->desc_size = cursor_u32(cursor);
    cursor_skip(cursor, 4); /* the type: QEMU and VMCOREINFO both use 0 */
    note->name = cursor_bytes(cursor, note->name_size);
    cursor_skip(cursor, -note->name_size & 3);
    note->desc = cursor_bytes(cursor, note->desc_size);
    if (cursor->overrun)
        return false;
    /* The last note of a segment may lack its padding. */
    cursor_skip(cursor, min_u64(-note->desc_size & 3, cursor->size - cursor->pos));
    return true;
}

static void hints_add_qemu(const struct elf_note *note, struct lkmfs_hints *hints)
{
    if (note->desc_size < QEMU_STATE_MIN || le32(note->desc) != QEMU_STATE_VERSION ||
        le32(note->desc + 4) < QEMU_STATE_MIN)
        return;
    uint64_t cr0 = le64(note->desc + QEMU_STATE_CR0);
    uint64_t cr3 = le64(note->desc + QEMU_STATE_CR3) & ~CR3_LAM;
    /* A CPU that was never started, or is still in the firmware, has no page tables. */
    if (!(cr0 & CR0_PE) || !(cr0 & CR0_PG) || cr3 == 0 || (cr3 & CR3_INVALID))
        return;
    if (hints->cr3_count < sizeof(hints->cr3) / sizeof(hints->cr3[0]))
        hints->cr3[hints->cr3_count++] = cr3;
}

static bool hints_add_vmcoreinfo(const struct elf_note *note, struct lkmfs_hints *hints)
{
    if (hints->vmcoreinfo || note->desc_size == 0)
        return true;
    hints->vmcoreinfo = strndup((const char *)note->desc, note->desc_size);
    return hints->vmcoreinfo != NULL;
}

static bool notes_parse(struct cursor *cursor, struct lkmfs_hints *hints)
{
    struct elf_note note;
    while (note_next(cursor, &note)) {
        if (note_is_named(&note, "QEMU"))
            hints_add_qemu(&note, hints);
        else if (note_is_named(&note, "VMCOREINFO") && !hints_add_vmcoreinfo(&note, hints))
            return false;
    }
    return true;
}

bool elf_notes_read(struct image_file *file, uint64_t offset, uint64_t size, struct lkmfs_hints *hints,
                    struct lkmfs_log *log)
{
    /* The file bounds what is allocated: a made-up size costs nothing. */
    uint64_t held = offset < file->size ? min_u64(size, file->size - offset) : 0;
    size_t want = (size_t)min_u64(held, NOTES_MAX);
    uint8_t *bytes = malloc(want ? want : 1);
    if (!bytes)
        return false;

    struct cursor cursor = cursor_over(bytes, image_file_read(file, offset, bytes, want));
    bool parsed = notes_parse(&cursor, hints);
    if (cursor.overrun || cursor.size < size)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "elf: the notes are cut short or damaged; some may have been missed");
    free(bytes);
    return parsed;
}
