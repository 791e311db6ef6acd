/*
 * elf_header.h - the header of an ELF core of a machine, read with tolerance for what its writers get wrong.
 */
#ifndef LKMFS_IMAGE_ELF_HEADER_H
#define LKMFS_IMAGE_ELF_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "image/file.h"
#include "lkmfs/error.h"

#define ELF_PHDR_SIZE 56

struct elf_header {
    uint16_t machine; /* EM_* */
    uint64_t phoff;   /* file offset of the program headers */
    uint64_t phnum;   /* how many the header says there are */
    uint64_t phheld;  /* how many of them the file has room for; at least 1 */
};

/*
 * Reads the header of `file`, whose magic is known to be ELF's. Errors: FORMAT, when this is no little-endian ELF64
 * core, or has no program header.
 */
bool elf_header_read(struct image_file *file, struct elf_header *ret, struct lkmfs_error *err);

#endif
