#include "lkmfs/image.h"

#include <inttypes.h>
#include <stdlib.h>

#include "image/file_flat.h"
#include "image/format.h"
#include "image/refuse.h"
#include "image/vmware.h"

#define FOUR_GIB ((uint64_t)1 << 32)

static const struct image_format *const formats[] = {
    &image_format_lime,     &image_format_avml,  &image_format_xen, /* an ELF core, too */
    &image_format_elf_core, &image_format_kdump, &image_format_qemu, &image_format_libvirt, &image_format_vmware,
};

static const struct image_format *format_find(const struct image_head *head)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i]->probe(head))
            return formats[i];
    }
    return NULL;
}

/* Settles extents into ranges and accounts for what got lost. */
static bool image_settle(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    if (image->format->pread)
        return true;
    image_extents_settle(&image->extents, image->file->size);
    image_extents_log(&image->extents, image->format->overlap_kind, log);
    if (!image_extents_ranges(&image->extents, &image->ranges, &image->range_count))
        return lkmfs_fail_memory(err);
    return true;
}

static bool image_read_head(const struct lkmfs_image *image, struct image_head *head, struct lkmfs_error *err)
{
    head->size = image_file_read(image->file, 0, head->bytes, sizeof(head->bytes));
    if (head->size)
        return true;
    return lkmfs_fail(err, LKMFS_ERROR_READ, 0, "%s: its first bytes cannot be read", image->file->path);
}

/* Puts in place of a flattened file what it is the flattened form of, and reads that one's head. */
static bool image_unflatten(struct lkmfs_image *image, struct image_head *head, struct lkmfs_log *log,
                            struct lkmfs_error *err)
{
    struct image_file *inner = image->file;
    image->file = NULL; /* its owner is the other now, whatever happens */
    return image_file_open_flat(inner, log, &image->file, err) && image_read_head(image, head, err);
}

static bool image_open_format(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct image_head head = {0};
    if (!image_read_head(image, &head, err))
        return false;
    bool flat = image_file_is_flat(head.bytes, head.size);
    if (flat && !image_unflatten(image, &head, log, err))
        return false;

    image->format = format_find(&head);
    if (flat && !image->format)
        return lkmfs_fail(
            err, LKMFS_ERROR_FORMAT, 0,
            "%s is a flattened makedumpfile dump of neither kdump nor ELF, or a damaged one; copy or save "
            "it again",
            image->file->path);
    if (!image->format) {
        if (!image_refuse(image->file, &head, err))
            return false;
        struct image_file *state = vmware_open_state(image->file->path);
        image->format = state ? &image_format_vmem : &image_format_raw;
        image_file_close(state);
    }
    if (!image->format->open(image, log, err) || !image_settle(image, log, err))
        return false;
    if (image->range_count == 0)
        return lkmfs_fail(
            err, LKMFS_ERROR_FORMAT, 0,
            "%s has the headers of the format %s but holds no memory; it was cut short or damaged, so copy "
            "or acquire it again",
            image->file->path, image->format->name);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "image: %s: %s, %zu ranges, %" PRIu64 " bytes of file", image->file->path,
                  image->format->name, image->range_count, image->file->size);
    return true;
}

/* Where the hole of a machine with much memory begins; it ends at 4 GiB. */
static const struct lkmfs_hole known_holes[] = {
    {0xc0000000, FOUR_GIB}, /* QEMU i440fx, VMware, Hyper-V */
    {0x80000000, FOUR_GIB}, /* QEMU q35 */
    {0xe0000000, FOUR_GIB}, /* VirtualBox; QEMU i440fx with max-ram-below-4g */
    {0xf0000000, FOUR_GIB}, /* Xen */
    {0xb0000000, FOUR_GIB}, /* QEMU q35 without gigabyte alignment */
};

const struct lkmfs_hole *lkmfs_image_holes(const struct lkmfs_image *image, size_t *count)
{
    /* A machine with less has no memory above the hole, so it doesn't matter. */
    bool matters = image->format->hole_unknown && image->file->size > known_holes[1].start;
    *count = matters ? sizeof(known_holes) / sizeof(known_holes[0]) : 0;
    return known_holes;
}

bool lkmfs_image_set_hole(struct lkmfs_image *image, const struct lkmfs_hole *hole, struct lkmfs_error *err)
{
    if (!image->format->set_hole)
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0,
                          "option 'hole' is for raw images; this one (%s) says itself where its memory lies",
                          image->format->name);
    free(image->ranges);
    image->ranges = NULL;
    image->range_count = 0;
    if (!image->format->set_hole(image, hole))
        return lkmfs_fail_memory(err);
    return image_settle(image, NULL, err);
}

bool lkmfs_image_open(const char *path, struct lkmfs_log *log, struct lkmfs_image **ret, struct lkmfs_error *err)
{
    struct lkmfs_image *image = calloc(1, sizeof(*image));
    if (!image)
        return lkmfs_fail_memory(err);
    uint64_t failures = lkmfs_image_failures();
    bool ok = image_file_open(path, log, &image->file, err) && image_open_format(image, log, err);
    /* A header that could not be read makes for another message than one that makes no sense. */
    if (image->file)
        ok = lkmfs_image_intact(image, failures, err) && ok;
    if (ok)
        *ret = image;
    else
        lkmfs_image_close(image);
    return ok;
}

void lkmfs_image_close(struct lkmfs_image *image)
{
    if (!image)
        return;
    if (image->format && image->format->close)
        image->format->close(image);
    image_extents_destroy(&image->extents);
    free(image->ranges);
    free(image->hints.vmcoreinfo);
    image_file_close(image->file);
    free(image);
}

const char *lkmfs_image_path(const struct lkmfs_image *image)
{
    return image->file->path;
}

const char *lkmfs_image_format(const struct lkmfs_image *image)
{
    return image->format->name;
}

uint64_t lkmfs_image_file_size(const struct lkmfs_image *image)
{
    return image->file->size;
}

time_t lkmfs_image_mtime(const struct lkmfs_image *image)
{
    return image->file->mtime;
}

const struct lkmfs_range *lkmfs_image_ranges(const struct lkmfs_image *image, size_t *count)
{
    *count = image->range_count;
    return image->ranges;
}

const struct lkmfs_hints *lkmfs_image_hints(const struct lkmfs_image *image)
{
    return &image->hints;
}

size_t lkmfs_image_read(const struct lkmfs_image *image, uint64_t phys, void *buffer, size_t size)
{
    if (image->format->pread)
        return image->format->pread(image, phys, buffer, size);
    return image_extents_read(&image->extents, image->file, phys, buffer, size);
}

bool lkmfs_image_prefetches(const struct lkmfs_image *image)
{
    return !image->format->pread && image_file_prefetches(image->file);
}

void lkmfs_image_prefetch(const struct lkmfs_image *image, const struct lkmfs_range *ranges, size_t count)
{
    if (lkmfs_image_prefetches(image))
        image_extents_prefetch(&image->extents, image->file, ranges, count);
}

uint64_t lkmfs_image_damaged(const struct lkmfs_image *image)
{
    return atomic_load_explicit(&image->file->damaged, memory_order_relaxed);
}

uint64_t lkmfs_image_bytes_read(const struct lkmfs_image *image)
{
    return atomic_load_explicit(&image->file->bytes_read, memory_order_relaxed);
}
