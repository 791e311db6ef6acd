/*
 * State files are groups of tagged items: a name, up to three indices and a value, or a block of bytes (crash's
 * vmware_vmss.c, Volatility's vmware.py).
 */
#include "image/vmware_state.h"

#include <inttypes.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/advice.h"

#define HEADER_SIZE 12
#define GROUP_SIZE  80
#define NAME_SIZE   64
#define GROUPS_MAX  1024
#define PAGE_SHIFT  12

#define BLOCK_PLAIN  0x3f
#define BLOCK_PACKED 0x3e
#define BLOCK_HEADER 18

/* No group has nearly as many; a made-up one ends here. */
#define ITEMS_MAX 1000000

#define CR_COUNT_MIN 4 /* control registers in a CR64 block: up to CR3 at least */

struct item {
    char name[256];
    uint32_t indices[3];
    unsigned index_count;
    bool block;
    bool packed;
    uint64_t value;  /* when it is no block */
    uint64_t offset; /* of a block's bytes ... */
    uint64_t size;   /* ... and how many */
    uint64_t next;   /* offset of the next item */
};

bool vmware_is_state(const uint8_t *head, size_t size)
{
    static const uint32_t magics[] = {0xbed0bed0, 0xbed2bed2, 0xbed3bed3, 0xbad1bad1, 0xbad2bad2};
    for (size_t i = 0; size >= 4 && i < sizeof(magics) / sizeof(magics[0]); i++)
        if (le32(head) == magics[i])
            return true;
    return false;
}

/* Reads the item at `offset`. False at the end of its group, or of what can be read. */
static bool item_read(struct image_file *file, uint64_t offset, struct item *item)
{
    uint8_t bytes[2 + 255 + 3 * 4 + 0x3f];
    struct cursor cursor = cursor_over(bytes, image_file_read(file, offset, bytes, sizeof(bytes)));
    uint16_t tag = cursor_u16(&cursor);
    size_t name_size = tag >> 8;
    size_t value_size = tag & 0x3f;

    *item = (struct item){.index_count = tag >> 6 & 3};
    const uint8_t *name = cursor_bytes(&cursor, name_size);
    for (unsigned i = 0; i < item->index_count; i++)
        item->indices[i] = cursor_u32(&cursor);
    if (tag == 0 || cursor.overrun)
        return false;
    memcpy(item->name, name, name_size);

    item->block = value_size == BLOCK_PLAIN || value_size == BLOCK_PACKED;
    if (!item->block) {
        const uint8_t *value = cursor_bytes(&cursor, value_size);
        for (size_t i = 0; value && i < value_size && i < 8; i++)
            item->value |= (uint64_t)value[i] << (8 * i);
        item->next = offset + cursor.pos;
        return !cursor.overrun;
    }
    item->packed = value_size == BLOCK_PACKED;
    item->size = cursor_u64(&cursor);
    cursor_skip(&cursor, 8); /* size in memory */
    item->offset = offset + cursor.pos + 2;
    item->offset += cursor_u16(&cursor); /* padding */
    return !cursor.overrun && add_u64(item->offset, item->size, &item->next);
}

static void read_memory_item(const struct item *item, struct vmware_state *state)
{
    if (item->block) {
        if (strcmp(item->name, "Memory") == 0) {
            state->memory_offset = item->offset;
            state->memory_size = item->size;
            state->packed = item->packed;
        }
        return;
    }
    if (strcmp(item->name, "regionsCount") == 0) {
        state->region_count = (size_t)item->value;
        return;
    }
    if (item->index_count != 1 || item->indices[0] >= VMWARE_REGIONS_MAX || item->value >> (64 - PAGE_SHIFT))
        return;
    struct vmware_region *region = &state->regions[item->indices[0]];
    if (strcmp(item->name, "regionPageNum") == 0)
        region->offset = item->value << PAGE_SHIFT;
    else if (strcmp(item->name, "regionPPN") == 0)
        region->phys = item->value << PAGE_SHIFT;
    else if (strcmp(item->name, "regionSize") == 0)
        region->size = item->value << PAGE_SHIFT;
}

static void read_cpu_item(struct image_file *file, const struct item *item, struct lkmfs_hints *hints)
{
    uint64_t cr3 = 0;
    uint8_t registers[CR_COUNT_MIN * 8];
    if (strcmp(item->name, "CR64") != 0)
        return;
    if (item->block && item->size >= sizeof(registers) &&
        image_file_read(file, item->offset, registers, sizeof(registers)) == sizeof(registers))
        cr3 = le64(registers + (size_t)3 * 8);
    else if (!item->block && item->index_count == 2 && item->indices[1] == 3)
        cr3 = item->value;
    if (cr3 && !(cr3 >> 52) && hints->cr3_count < sizeof(hints->cr3) / sizeof(hints->cr3[0]))
        hints->cr3[hints->cr3_count++] = cr3;
}

static void read_group(struct image_file *file, const uint8_t *group, struct vmware_state *state,
                       struct lkmfs_hints *hints, struct lkmfs_log *log)
{
    const char *name = (const char *)group;
    uint64_t at = le64(group + NAME_SIZE);
    bool memory = strncmp(name, "memory", NAME_SIZE) == 0;
    struct item item;
    if (!memory && strncmp(name, "cpu", NAME_SIZE) != 0)
        return;
    for (unsigned count = 0; at < file->size && item_read(file, at, &item); count++) {
        if (count == ITEMS_MAX) {
            lkmfs_log_add(log, LKMFS_LOG_DOUBT, "vmware: too many items in a group; the rest is ignored");
            return;
        }
        if (memory)
            read_memory_item(&item, state);
        else
            read_cpu_item(file, &item, hints);
        at = item.next;
    }
}

bool vmware_state_read(struct image_file *file, struct vmware_state *ret, struct lkmfs_hints *hints,
                       struct lkmfs_log *log, struct lkmfs_error *err)
{
    uint8_t header[HEADER_SIZE] = {0};
    size_t got = image_file_read(file, 0, header, sizeof(header));
    uint32_t count = le32(header + 8);
    *ret = (struct vmware_state){0};

    if (le32(header) == 0xbed0bed0 && vmware_is_state(header, got))
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a state file of an old 32-bit VMware, which is not supported; give the .vmem file "
                          "alone, renamed, as a raw image",
                          image_advice_name(file->path));
    if (got < sizeof(header) || !vmware_is_state(header, got) || count == 0 || count > GROUPS_MAX)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is a VMware state file with damaged headers (%" PRIu32 " groups); copy it again",
                          image_advice_name(file->path), count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t group[GROUP_SIZE];
        if (image_file_read(file, HEADER_SIZE + (uint64_t)i * GROUP_SIZE, group, sizeof(group)) < sizeof(group)) {
            lkmfs_log_add(log, LKMFS_LOG_DOUBT, "vmware: the state file is cut within its list of groups");
            break;
        }
        read_group(file, group, ret, hints, log);
    }
    if (ret->region_count > VMWARE_REGIONS_MAX) {
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "vmware: %zu regions of memory; only %d are used", ret->region_count,
                      VMWARE_REGIONS_MAX);
        ret->region_count = VMWARE_REGIONS_MAX;
    }
    return true;
}
