/*
 * code_align.h - the alignment of code, told by the padding inside it.
 */
#ifndef LKMFS_OBJECT_CODE_ALIGN_H
#define LKMFS_OBJECT_CODE_ALIGN_H

#include "object/layout.h"

/* 16, 32 or 64: what the padding in section `index` shows. */
uint64_t code_align(const struct layout *layout, uint32_t index);

#endif
