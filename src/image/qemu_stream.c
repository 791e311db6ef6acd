/* The stream of migration/savevm.c and migration/ram.c of QEMU, big-endian throughout. */
#include "image/qemu_stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cursor.h"
#include "base/overflow.h"
#include "image/progress.h"
#include "image/qemu_blocks.h"

#define STREAM_VERSION 3
#define BLOCKS_MAX     1024

/* Read at a time: a page that fills itself takes 9 bytes, one that is stored 8 and the page, which is skipped. */
#define WINDOW 512

enum section {
    SECTION_EOF = 0x00,
    SECTION_START = 0x01,
    SECTION_PART = 0x02,
    SECTION_END = 0x03,
    SECTION_FULL = 0x04,
    SECTION_CONFIGURATION = 0x07,
    SECTION_COMMAND = 0x08,
    SECTION_FOOTER = 0x7e,
};

enum page_flag {
    PAGE_FILLED = 0x02,
    PAGE_SIZES = 0x04,
    PAGE_STORED = 0x08,
    PAGE_EOS = 0x10,
    PAGE_CONTINUE = 0x20,
    PAGE_XBZRLE = 0x40,
    PAGE_HOOK = 0x80,
    PAGE_COMPRESSED = 0x100,
    PAGE_FLUSH = 0x200,
};

struct stream {
    struct image_file *file;
    struct qemu_ram *ram;
    const struct qemu_block *block; /* of the last page */
    uint64_t offset;                /* of what is read next */
    uint64_t window_start;
    size_t window_size;
    uint8_t window[WINDOW];
    bool ended; /* the file did */
    bool no_memory;
    const char *problem; /* what can't be read, NULL if nothing */
    struct image_progress progress;
};

static void stream_bytes(struct stream *stream, void *bytes, size_t size)
{
    uint64_t skip = stream->offset - stream->window_start;
    if (stream->offset < stream->window_start || !range_fits(skip, size, stream->window_size)) {
        stream->window_start = stream->offset;
        stream->window_size = image_file_read(stream->file, stream->offset, stream->window, sizeof(stream->window));
        skip = 0;
    }
    if (size > stream->window_size - skip) {
        memset(bytes, 0, size);
        stream->ended = true;
        return;
    }
    memcpy(bytes, stream->window + skip, size);
    stream->offset += size;
}

static uint8_t stream_u8(struct stream *stream)
{
    uint8_t byte;
    stream_bytes(stream, &byte, 1);
    return byte;
}

static uint32_t stream_u32(struct stream *stream)
{
    uint8_t bytes[4];
    stream_bytes(stream, bytes, sizeof(bytes));
    return __builtin_bswap32(le32(bytes));
}

static uint64_t stream_u64(struct stream *stream)
{
    uint8_t bytes[8];
    stream_bytes(stream, bytes, sizeof(bytes));
    return __builtin_bswap64(le64(bytes));
}

static void stream_skip(struct stream *stream, uint64_t size)
{
    if (!range_fits(stream->offset, size, stream->file->size))
        stream->ended = true;
    else
        stream->offset += size;
}

/* A name with its length before it. */
static void stream_name(struct stream *stream, char name[256])
{
    uint8_t size = stream_u8(stream);
    stream_bytes(stream, name, size);
    name[size] = '\0';
}

/* True when reading can go on. */
static bool stream_ok(const struct stream *stream)
{
    return !stream->ended && !stream->problem && !stream->no_memory;
}

/* The blocks that the RAM is made of; comes first. */
static void read_sizes(struct stream *stream, uint64_t total)
{
    struct qemu_ram *ram = stream->ram;
    size_t capacity = 0;
    if (ram->places) {
        stream->problem = "says twice how much RAM there is";
        return;
    }
    while (total > 0 && stream_ok(stream)) {
        struct qemu_block block = {0};
        stream_name(stream, block.name);
        block.size = stream_u64(stream);
        if (stream->ended)
            return;
        if (block.size > total || ram->block_count == BLOCKS_MAX)
            stream->problem = "has absurd sizes of RAM";
        else if (!ARRAY_RESERVE(&ram->blocks, &capacity, ram->block_count))
            stream->no_memory = true;
        else
            ram->blocks[ram->block_count++] = block;
        total -= min_u64(total, block.size);
    }
    if (!stream_ok(stream))
        return;
    if (!qemu_blocks_settle(ram)) {
        stream->problem = "has absurd sizes of RAM";
        return;
    }
    ram->places = calloc(align_up(ram->size, QEMU_LEAF) / QEMU_LEAF, sizeof(*ram->places));
    stream->no_memory = !ram->places;
}

static void find_block(struct stream *stream)
{
    char name[256];
    stream_name(stream, name);
    stream->block = NULL;
    for (size_t i = 0; i < stream->ram->block_count; i++)
        if (strcmp(stream->ram->blocks[i].name, name) == 0)
            stream->block = &stream->ram->blocks[i];
    if (!stream->block && !stream->ended)
        stream->problem = "has pages of a block that it did not announce";
}

static bool set_place(struct qemu_ram *ram, uint64_t at, uint64_t place)
{
    uint64_t **leaf = &ram->places[at / QEMU_LEAF];
    if (!*leaf)
        *leaf = calloc(QEMU_LEAF / QEMU_PAGE, sizeof(**leaf));
    if (!*leaf)
        return false;
    (*leaf)[at % QEMU_LEAF / QEMU_PAGE] = place;
    ram->seen++;
    return true;
}

/* Notes where a page is; one that was sent again replaces the older. */
static void read_page(struct stream *stream, uint64_t address, uint64_t flags)
{
    if (!(flags & PAGE_CONTINUE))
        find_block(stream);
    if (!stream_ok(stream))
        return;
    if (!stream->block || address >= stream->block->size) {
        stream->problem = "has a page outside of all RAM";
        return;
    }
    uint64_t place = flags & PAGE_FILLED ? qemu_page_filled(stream_u8(stream)) : qemu_page_at(stream->offset);
    if (flags & PAGE_STORED)
        stream_skip(stream, QEMU_PAGE);
    if (stream->ended || stream->block->start == UINT64_MAX)
        return;
    stream->no_memory = !set_place(stream->ram, stream->block->start + address, place);
}

/* What a "ram" section holds. */
static void read_ram(struct stream *stream)
{
    while (stream_ok(stream)) {
        uint64_t word = stream_u64(stream);
        uint64_t flags = word & (QEMU_PAGE - 1);
        if (flags & PAGE_EOS || stream->ended)
            return;
        if (flags & PAGE_SIZES)
            read_sizes(stream, word - flags);
        else if (flags & (PAGE_XBZRLE | PAGE_COMPRESSED))
            stream->problem = "has compressed pages (XBZRLE or zlib), which are not supported";
        else if (flags & (PAGE_FILLED | PAGE_STORED))
            read_page(stream, word - flags, flags);
        else if (!(flags & (PAGE_HOOK | PAGE_FLUSH)))
            stream->problem = "has records of an unknown kind in its RAM";
        image_progress_show(&stream->progress, stream->offset);
    }
}

/* The header of a section that begins; true when it is RAM's. */
static bool read_section_start(struct stream *stream, uint32_t *id)
{
    char name[256];
    *id = stream_u32(stream);
    stream_name(stream, name);
    stream_skip(stream, 8); /* instance, version */
    return strcmp(name, "ram") == 0;
}

static void read_configuration(struct stream *stream)
{
    uint32_t size = stream_u32(stream);
    if (size >= sizeof(stream->ram->machine)) {
        stream->problem = "has a machine's name that is too long";
        return;
    }
    stream_bytes(stream, stream->ram->machine, size);
}

static void read_command(struct stream *stream)
{
    uint32_t word = stream_u32(stream); /* command, size */
    stream_skip(stream, word & 0xffff);
}

/* Reads sections until RAM ends; what follows is the state of the devices, whose length nothing says. */
static void read_sections(struct stream *stream)
{
    uint32_t ram_id = 0;
    while (stream_ok(stream)) {
        uint32_t id;
        uint8_t type = stream_u8(stream);
        switch (type) {
        case SECTION_CONFIGURATION:
            read_configuration(stream);
            break;
        case SECTION_COMMAND:
            read_command(stream);
            break;
        case SECTION_FOOTER:
            stream_skip(stream, 4);
            break;
        case SECTION_START:
        case SECTION_FULL:
            if (!read_section_start(stream, &ram_id))
                stream->problem = "has state of other kinds before its RAM";
            else
                read_ram(stream);
            break;
        case SECTION_PART:
        case SECTION_END:
            id = stream_u32(stream);
            if (id != ram_id)
                stream->problem = "has state of other kinds within its RAM";
            else
                read_ram(stream);
            if (type == SECTION_END)
                return;
            break;
        default:
            stream->problem = "has a section of an unknown kind before its RAM ends";
        }
    }
}

bool qemu_stream_read(struct image_file *file, uint64_t offset, struct qemu_ram *ret, struct lkmfs_log *log,
                      struct lkmfs_error *err)
{
    struct stream stream = {.file = file, .ram = ret, .offset = offset, .progress = image_progress_begin(file->size)};
    uint32_t magic = stream_u32(&stream);
    uint32_t version = stream_u32(&stream);
    if (magic != 0x5145564d || version != STREAM_VERSION)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, offset,
                          "%s is a QEMU stream of version %" PRIu32
                          ", of which only 3 is known, or a damaged one; dump it with dump-guest-memory instead",
                          file->path, version);
    read_sections(&stream);
    image_progress_end(&stream.progress);
    if (stream.no_memory)
        return lkmfs_fail_memory(err);
    if (stream.problem)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, stream.offset,
                          "%s is a QEMU stream that %s (at offset 0x%" PRIx64
                          "); dump the guest with dump-guest-memory or virsh dump --memory-only instead",
                          file->path, stream.problem, stream.offset);
    if (ret->seen == 0)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, stream.offset,
                          "%s is a QEMU stream without RAM in it; it was cut short, so copy or save it again",
                          file->path);
    if (stream.ended)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "qemu: the stream is cut short; pages are missing, or older than others");
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "qemu: machine %s, its index took one pass over %" PRIu64 " pages",
                  ret->machine[0] ? ret->machine : "unknown", ret->seen);
    return true;
}

void qemu_ram_free(struct qemu_ram *ram)
{
    for (uint64_t at = 0; ram->places && at < ram->size; at += QEMU_LEAF)
        free(ram->places[at / QEMU_LEAF]);
    free(ram->places);
    free(ram->blocks);
    *ram = (struct qemu_ram){0};
}
