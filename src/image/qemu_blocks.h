/*
 * qemu_blocks.h - which of QEMU's blocks of memory are the machine's RAM.
 */
#ifndef LKMFS_IMAGE_QEMU_BLOCKS_H
#define LKMFS_IMAGE_QEMU_BLOCKS_H

#include "image/qemu_stream.h"

/*
 * Says of each block where it lies in the RAM: the largest is RAM, and so are those that are called like it but for the
 * number (ram-node0, ram-node1, ...). False when the RAM's size is absurd.
 */
bool qemu_blocks_settle(struct qemu_ram *ram);

#endif
