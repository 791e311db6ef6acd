/*
 * vmware_state.h - what a VMware state file (.vmss, .vmsn) says of the guest's memory.
 */
#ifndef LKMFS_IMAGE_VMWARE_STATE_H
#define LKMFS_IMAGE_VMWARE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/file.h"
#include "lkmfs/image.h"

/* Machines have two or three. */
#define VMWARE_REGIONS_MAX 256

struct vmware_region {
    uint64_t phys, offset, size; /* bytes; the offset counts from the start of the memory's file or block */
};

struct vmware_state {
    struct vmware_region regions[VMWARE_REGIONS_MAX];
    size_t region_count;    /* 0: memory lies as in a raw image */
    bool packed;            /* the block is compressed */
    uint64_t memory_offset; /* of the block of memory in the state file ... */
    uint64_t memory_size;   /* ... and its size, 0 when it is in a .vmem file */
};

/* True when a file that begins with these bytes is a state file, perhaps of a kind that vmware_state_read() refuses. */
bool vmware_is_state(const uint8_t *head, size_t size);

/*
 * Reads the state file and adds the CPUs' CR3 to *hints. Damage within is a doubt in the log. Errors: FORMAT (no state
 * file, one of a version that is not supported, one cut within its headers).
 */
bool vmware_state_read(struct image_file *file, struct vmware_state *ret, struct lkmfs_hints *hints,
                       struct lkmfs_log *log, struct lkmfs_error *err);

#endif
