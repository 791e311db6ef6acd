/*
 * nops.h - the NOPs that the kernel patches into code (arch/x86/include/asm/nops.h).
 */
#ifndef LKMFS_OBJECT_X86_64_NOPS_H
#define LKMFS_OBJECT_X86_64_NOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NOP of five bytes, as toolchain and kernel sources write it. */
extern const uint8_t nop5[5];

/* Whether the five bytes are a NOP that the kernel writes in one piece. */
bool is_nop5(const uint8_t *bytes);

/* Whether all `size` bytes are NOPs, or one jump over int3 filling. */
bool is_nops(const uint8_t *bytes, size_t size);

#endif
