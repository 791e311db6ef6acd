/*
 * image.h - a memory image as sparse physical memory, whatever file format holds it.
 *
 * The image is opened read-only and never written. All addresses are physical byte addresses of the imaged machine.
 */
#ifndef LKMFS_IMAGE_H
#define LKMFS_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lkmfs/error.h"

struct lkmfs_image;

struct lkmfs_range {
    uint64_t start; /* physical address of the first byte */
    uint64_t size;  /* bytes, never 0; start + size does not overflow */
};

/* What a container says of the machine besides its memory; every item is only a first guess for whoever uses it. */
struct lkmfs_hints {
    uint64_t cr3[64]; /* control register 3 of each CPU (QEMU note, VMware CR64), low bits included */
    size_t cr3_count;
    char *vmcoreinfo; /* text of a VMCOREINFO note, NUL-terminated, owned by the image; NULL if none */
};

/*
 * Opens the image at `path`; the format is found by content. On success *ret is owned by the caller
 * (lkmfs_image_close()). A loss that leaves a smaller image (a cut last range, ...) goes to `log` as a doubt. Errors:
 * NO_MEMORY, IO, READ, FORMAT; the message names the likely cause and the way out.
 */
bool lkmfs_image_open(const char *path, struct lkmfs_log *log, struct lkmfs_image **ret, struct lkmfs_error *err);
void lkmfs_image_close(struct lkmfs_image *image);

const char *lkmfs_image_path(const struct lkmfs_image *image);
/* Format in words: "raw", "LiME", "ELF core". */
const char *lkmfs_image_format(const struct lkmfs_image *image);
uint64_t lkmfs_image_file_size(const struct lkmfs_image *image);
time_t lkmfs_image_mtime(const struct lkmfs_image *image);

/* Ranges of physical memory that the image holds: ascending, not overlapping, adjacent ones merged. Owned by the image.
 */
const struct lkmfs_range *lkmfs_image_ranges(const struct lkmfs_image *image, size_t *count);
const struct lkmfs_hints *lkmfs_image_hints(const struct lkmfs_image *image);

/*
 * Addresses that no memory has, between two parts of it that lie side by side in the file: the files that hypervisors
 * keep a guest's RAM in often have no room for the PCI hole below 4 GiB.
 */
struct lkmfs_hole {
    uint64_t start, end; /* multiples of 4 KiB, start < end */
};

/*
 * Holes that the machine may have had though the file shows none, the likeliest first; none where the format says
 * what lies where. It takes a kernel to tell: see lkmfs_image_set_hole().
 */
const struct lkmfs_hole *lkmfs_image_holes(const struct lkmfs_image *image, size_t *count);

/*
 * Gives memory from hole->start on the addresses from hole->end on; NULL takes that back. To be called before anything
 * is made of the image: ranges change. Errors: USAGE (the format says what lies where; a hole outside of the memory),
 * NO_MEMORY.
 */
bool lkmfs_image_set_hole(struct lkmfs_image *image, const struct lkmfs_hole *hole, struct lkmfs_error *err);

/*
 * Copies up to `size` bytes of physical memory from `phys` to `buffer` and returns how many leading bytes could be
 * read: fewer than `size` when a hole, the end of the image or a read error follows. Safe from several threads.
 */
size_t lkmfs_image_read(const struct lkmfs_image *image, uint64_t phys, void *buffer, size_t size);

/*
 * To lkmfs_image_read() and all that is built on it, bytes that the host can't read (a bad disk, a file that was cut
 * since it was opened, a server that is gone, no memory to unpack them) are missing as those in a hole are. Such
 * failures are counted for each thread: whoever makes something of an image asks for the count before, and afterwards
 * drops what he made unless lkmfs_image_intact(). The functions of this library that can fail do so.
 */
uint64_t lkmfs_image_failures(void);

/*
 * True when the calling thread had no failure since lkmfs_image_failures() returned `before`. Errors: READ (the last
 * failure: its offset in the file of `image`, its cause and the way out), NO_MEMORY.
 */
bool lkmfs_image_intact(const struct lkmfs_image *image, uint64_t before, struct lkmfs_error *err);

/*
 * True when the image is far away, so that many small reads cost more for their number than for their bytes, and
 * lkmfs_image_prefetch() helps.
 */
bool lkmfs_image_prefetches(const struct lkmfs_image *image);

/*
 * Fetches ranges of physical memory that will be read soon, many at once instead of one after the other; does nothing
 * where lkmfs_image_prefetches() is false. Only a hint: what can't be had, or is more than can be kept, is left for
 * lkmfs_image_read() to find out.
 */
void lkmfs_image_prefetch(const struct lkmfs_image *image, const struct lkmfs_range *ranges, size_t count);

/* Compressed blocks that turned out to be damaged since the image was opened; their memory can't be read. */
uint64_t lkmfs_image_damaged(const struct lkmfs_image *image);

/* Bytes read from the image file since it was opened, for `lkmfs info` and the benchmarks. */
uint64_t lkmfs_image_bytes_read(const struct lkmfs_image *image);

#endif
