#include "kernel/btf_section.h"

#include <string.h>

#include "base/bulk.h"
#include "base/cursor.h"
#include "base/overflow.h"
#include "base/zeros.h"

#define MAGIC       0xeb9f
#define SECTION_MIN 0x10000
#define SECTION_MAX ((uint64_t)64 << 20)
#define PAGE        4096
/* At the section's ends, where it has but a part of a page; in between nothing has more than 16 zeros in a row. */
#define ZEROS_MIN 64

bool btf_section_at(const struct segment *segment, size_t offset, struct btf_section *ret)
{
    struct cursor cursor = cursor_over(segment->bytes, segment->size);
    cursor_seek(&cursor, offset);
    bool magic = cursor_u16(&cursor) == MAGIC;
    uint8_t version = cursor_u8(&cursor), flags = cursor_u8(&cursor);
    uint32_t header = cursor_u32(&cursor), type_off = cursor_u32(&cursor), type_len = cursor_u32(&cursor);
    uint32_t str_off = cursor_u32(&cursor), str_len = cursor_u32(&cursor);
    if (cursor.overrun || !magic || version != 1 || flags != 0 || header < BTF_HEADER_SIZE || header > 256)
        return false;
    uint64_t strings_end = (uint64_t)str_off + str_len;
    if (type_off != 0 || type_len < SECTION_MIN || str_off < type_len || strings_end > SECTION_MAX ||
        !range_fits(offset, header + strings_end, segment->size))
        return false;
    const uint8_t *bytes = segment->bytes + offset;
    *ret = (struct btf_section){
        .address = segment->address + offset,
        .bytes = bytes,
        .types = bytes + header,
        .strings = bytes + header + str_off,
        .header = header,
        .size = header + (uint32_t)strings_end,
        .types_size = type_len,
        .strings_size = str_len,
    };
    return true;
}

bool btf_section_is_plain(const struct btf_section *section)
{
    return section->header == BTF_HEADER_SIZE && section->strings == section->types + section->types_size;
}

uint8_t *btf_section_plain(const struct btf_section *section, const uint8_t *types, uint32_t types_size, uint32_t *size)
{
    *size = BTF_HEADER_SIZE + types_size + section->strings_size;
    uint8_t *plain = bulk_alloc(*size);
    if (!plain)
        return NULL;
    memcpy(plain, section->bytes, 4);
    put_le32(plain + 4, BTF_HEADER_SIZE);
    put_le32(plain + 8, 0);
    put_le32(plain + 12, types_size);
    put_le32(plain + 16, types_size);
    put_le32(plain + 20, section->strings_size);
    memcpy(plain + BTF_HEADER_SIZE, types, types_size);
    memcpy(plain + BTF_HEADER_SIZE + types_size, section->strings, section->strings_size);
    return plain;
}

bool btf_section_misses(const struct btf_section *section, const uint8_t *bytes, uint32_t size)
{
    uint64_t end = section->address + section->size, at = section->address + (uint64_t)(bytes - section->bytes);
    for (uint64_t page = at & ~(uint64_t)(PAGE - 1); page < at + size; page += PAGE) {
        uint64_t from = max_u64(page, section->address), to = min_u64(page + PAGE, end);
        if (to - from >= ZEROS_MIN && is_all_zero(section->bytes + (from - section->address), to - from))
            return true;
    }
    return false;
}
