/*
 * heap.h - the C library's heap, set up for what lkmfs does: tens of megabytes for a second, on which most of the time
 * would go into page faults.
 */
#ifndef LKMFS_CLI_HEAP_H
#define LKMFS_CLI_HEAP_H

/*
 * To be called once, before any thread is made. From then on memory that is freed is used again instead of being given
 * back, by all threads, and comes in huge pages where the system has them. Address space is set aside, no memory.
 */
void heap_prepare(void);

#endif
