/*
 * memory.h - a virtual address space: page tables of one machine over the physical memory of an image.
 */
#ifndef LKMFS_MEMORY_H
#define LKMFS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"
#include "lkmfs/image.h"

struct lkmfs_space;

enum lkmfs_paging {
    LKMFS_PAGING_X86_64_4LEVEL, /* Intel SDM vol. 3, 4.5: 48-bit addresses */
    LKMFS_PAGING_X86_64_5LEVEL, /* same, CR4.LA57: 57-bit addresses */
};

/* One leaf of the page tables, or the part of it that was asked for. */
struct lkmfs_mapping {
    uint64_t virt; /* virtual address of the first byte */
    uint64_t phys; /* physical address of the first byte */
    uint64_t size; /* bytes from there to the end of the leaf */
    uint64_t page; /* size of the whole leaf: 4 KiB, 2 MiB or 1 GiB */
    bool writable;
    bool executable;
    bool user;
};

/*
 * An address space whose top-level table lies at physical address `root`. The image must outlive it. NULL without
 * memory. Nothing is read or proven here: a wrong root gives a space in which nothing is mapped.
 */
struct lkmfs_space *lkmfs_space_new(const struct lkmfs_image *image, enum lkmfs_paging paging, uint64_t root);
void lkmfs_space_free(struct lkmfs_space *space);

enum lkmfs_paging lkmfs_space_paging(const struct lkmfs_space *space);
const char *lkmfs_paging_name(enum lkmfs_paging paging);
uint64_t lkmfs_space_root(const struct lkmfs_space *space);
const struct lkmfs_image *lkmfs_space_image(const struct lkmfs_space *space);

/* Finds the leaf that maps `virt`; the mapping returned starts at `virt` itself. False when nothing maps it. */
bool lkmfs_space_translate(const struct lkmfs_space *space, uint64_t virt, struct lkmfs_mapping *ret);

/*
 * Finds the first mapped leaf at or above `virt` and below `end`, clipped to [virt, end). False when there is none.
 * Bounded: absent tables are skipped whole. Walk a range by calling it again from ret->virt + ret->size.
 */
bool lkmfs_space_next(const struct lkmfs_space *space, uint64_t virt, uint64_t end, struct lkmfs_mapping *ret);

/*
 * Copies up to `size` bytes from virtual address `virt` and returns how many leading bytes were readable (mapped and in
 * the image). Safe from several threads, as all functions here are.
 */
size_t lkmfs_space_read(const struct lkmfs_space *space, uint64_t virt, void *buffer, size_t size);

/* lkmfs_space_read() of exactly `size` bytes: false, with the buffer zeroed, when one of them is missing. */
bool lkmfs_space_read_exact(const struct lkmfs_space *space, uint64_t virt, void *buffer, size_t size);

/* Called for every maximal run of bytes that was not readable. */
typedef void lkmfs_missing_fn(void *context, uint64_t virt, uint64_t size);

/*
 * Copies `size` bytes with unreadable pages as zeros and returns how many bytes were missing; `missing` (may be NULL)
 * is called for each run of them, in ascending order.
 */
uint64_t lkmfs_space_read_sparse(const struct lkmfs_space *space, uint64_t virt, void *buffer, size_t size,
                                 lkmfs_missing_fn *missing, void *context);

/*
 * Fetches what is mapped at these ranges of virtual addresses, and the page tables on the way, at once: for an image
 * that is far away (lkmfs_image_prefetch()), nothing else. With `writable`, only what is mapped so.
 */
void lkmfs_space_prefetch(const struct lkmfs_space *space, const struct lkmfs_range *ranges, size_t count,
                          bool writable);

/* Little-endian words at `virt`; false (and 0) when unreadable. */
bool lkmfs_space_u64(const struct lkmfs_space *space, uint64_t virt, uint64_t *ret);
bool lkmfs_space_u32(const struct lkmfs_space *space, uint64_t virt, uint32_t *ret);

/*
 * Copies the NUL-terminated string at `virt` into `buffer` of `size` bytes. False, with an empty string, when it is
 * unreadable or has no NUL within `size` bytes.
 */
bool lkmfs_space_string(const struct lkmfs_space *space, uint64_t virt, char *buffer, size_t size);

#endif
