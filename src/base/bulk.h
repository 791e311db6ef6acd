/*
 * bulk.h - memory by the megabyte that is filled at once.
 *
 * The system hands memory out page by page when it is first touched, which takes longer than to fill it. Huge pages
 * are one fault in place of 512, and a range can be asked for whole.
 */
#ifndef LKMFS_BASE_BULK_H
#define LKMFS_BASE_BULK_H

#include <stddef.h>

/* Like malloc(size), and for free(); all of it is taken from the system now. NULL without memory. */
void *bulk_alloc(size_t size);

#endif
