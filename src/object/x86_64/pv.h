/*
 * pv.h - calls through pv_ops, which the kernel turns into direct calls or the native instructions (paravirt.c).
 */
#ifndef LKMFS_OBJECT_X86_64_PV_H
#define LKMFS_OBJECT_X86_64_PV_H

#include "object/x86_64/restore.h"

/* Whether the `length` bytes at the site are what the kernel can have made of a call through word `slot` of pv_ops. */
bool pv_is_known(const struct restore *r, const struct site *site, size_t length, size_t slot);

/*
 * Whether they are what the kernel makes of a call through word `slot`, and of no word that holds another function: for
 * sites whose word no table names [6.8+].
 */
bool pv_makes(const struct restore *r, const struct site *site, size_t length, size_t slot);

/* Notes that the site of 6 bytes may have held `call *pv_ops+8*slot`. */
void pv_add_reading(struct restore *r, const struct site *site, size_t slot);

/* Writes `call *pv_ops+8*slot` of 6 (rip-relative) or 7 (absolute) bytes. */
void pv_write_call(struct restore *r, const struct site *site, size_t length, size_t slot);

#endif
