/*
 * pv.h - calls through pv_ops, which the kernel turns into direct calls or the native instructions (paravirt.c).
 */
#ifndef LKMFS_OBJECT_X86_64_PV_H
#define LKMFS_OBJECT_X86_64_PV_H

#include "object/x86_64/restore.h"

/* Whether the `length` bytes at the site are what the kernel can have made of a call through word `slot` of pv_ops. */
bool pv_is_known(const struct restore *r, const struct site *site, size_t length, size_t slot);

/* The word of pv_ops that the site of `length` bytes called by what stands there now, SIZE_MAX if it does not tell. */
size_t pv_find_slot(const struct restore *r, const struct site *site, size_t length);

/* Writes `call *pv_ops+8*slot` of 6 (rip-relative) or 7 (absolute) bytes. */
void pv_write_call(struct restore *r, const struct site *site, size_t length, size_t slot);

#endif
