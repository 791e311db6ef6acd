/*
 * elf_notes.h - what the notes of an ELF core say of the machine: QEMU's registers, the kernel's VMCOREINFO.
 */
#ifndef LKMFS_IMAGE_ELF_NOTES_H
#define LKMFS_IMAGE_ELF_NOTES_H

#include <stdbool.h>
#include <stdint.h>

#include "image/file.h"
#include "lkmfs/error.h"
#include "lkmfs/image.h"

/*
 * Adds to *hints what the note segment at `offset` of `file` says. Damaged notes are a doubt in the log; only running
 * out of memory is a failure.
 */
bool elf_notes_read(struct image_file *file, uint64_t offset, uint64_t size, struct lkmfs_hints *hints,
                    struct lkmfs_log *log);

#endif
