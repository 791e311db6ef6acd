#include "image/elf_header.h"

#include <elf.h>

#include "base/cursor.h"
#include "base/overflow.h"

/* Offset of sh_info in a section header. */
#define SHDR_INFO_OFFSET 44

static bool elf_fail_type(const struct image_file *file, uint16_t type, struct lkmfs_error *err)
{
    switch (type) {
    case ET_REL:
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a relocatable ELF object such as a kernel module (.ko), not a memory image; give the "
                          "image first (lkmfs diff IMAGE NAME FILE.ko)",
                          file->path);
    case ET_EXEC:
    case ET_DYN:
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is an ELF program or a kernel (vmlinux), not a memory image; give a vmlinux as "
                          "symbols=PATH beside the image",
                          file->path);
    default:
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is an ELF file but no core (type %u); give the memory image itself", file->path,
                          (unsigned)type);
    }
}

/* What all ELF files have in common comes first, so that a file of another kind is named for what it is. */
static bool elf_check_kind(const struct image_file *file, const uint8_t *ident, uint16_t type, struct lkmfs_error *err)
{
    if (ident[EI_DATA] == ELFDATA2MSB)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a big-endian ELF file; only images of little-endian machines are supported",
                          file->path);
    if (type != ET_CORE)
        return elf_fail_type(file, type, err);
    if (ident[EI_CLASS] == ELFCLASS32)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a 32-bit ELF core, which is not supported yet; save the memory as it is instead "
                          "(QEMU: pmemsave 0 SIZE FILE)",
                          file->path);
    if (ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != ELFDATA2LSB)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is an ELF core with a damaged header; copy it again",
                          file->path);
    return true;
}

/* With 0xffff segments or more, the first section header's sh_info has their number (QEMU with paging=true). */
static uint64_t elf_count_extended(struct image_file *file, uint64_t shoff)
{
    uint8_t info[4];
    uint64_t at;
    if (shoff == 0 || !add_u64(shoff, SHDR_INFO_OFFSET, &at) ||
        image_file_read(file, at, info, sizeof(info)) < sizeof(info) || le32(info) == 0)
        return PN_XNUM;
    return le32(info);
}

bool elf_header_read(struct image_file *file, struct elf_header *ret, struct lkmfs_error *err)
{
    uint8_t bytes[sizeof(Elf64_Ehdr)] = {0};
    size_t got = image_file_read(file, 0, bytes, sizeof(bytes));
    if (got < sizeof(bytes))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is an ELF file cut within its header; copy it again",
                          file->path);
    if (!elf_check_kind(file, bytes, le16(bytes + EI_NIDENT), err))
        return false;

    /* e_version (0 by VirtualBox) and e_ehsize (8 by QEMU 7.2) are wrong too often to be worth a look. */
    struct cursor cursor = cursor_over(bytes, sizeof(bytes));
    cursor_seek(&cursor, EI_NIDENT + 2);
    ret->machine = cursor_u16(&cursor);
    cursor_skip(&cursor, 4 + 8);
    ret->phoff = cursor_u64(&cursor);
    uint64_t shoff = cursor_u64(&cursor);
    cursor_skip(&cursor, 4 + 2);
    uint16_t phentsize = cursor_u16(&cursor);
    ret->phnum = cursor_u16(&cursor);
    cursor_skip(&cursor, 2);

    if (ret->phnum == PN_XNUM)
        ret->phnum = elf_count_extended(file, shoff);
    ret->phheld = ret->phoff < file->size ? min_u64(ret->phnum, (file->size - ret->phoff) / ELF_PHDR_SIZE) : 0;
    if (ret->phheld == 0 || phentsize != ELF_PHDR_SIZE)
        return lkmfs_fail(
            err, LKMFS_ERROR_FORMAT, ret->phoff,
            "%s is an ELF core whose program headers are missing or damaged; it was cut short, so copy or "
            "acquire it again",
            file->path);
    return true;
}
