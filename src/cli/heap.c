#include "cli/heap.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)
/* Opening and building the largest modules takes less; what does not fit still works. */
#define ROOM         (64 << 20)
#define ROOM_DEFAULT (128 << 10) /* mallopt(3), M_TOP_PAD */
#define LARGEST      (32 << 20)  /* glibc's highest M_MMAP_THRESHOLD: larger blocks are mapped by themselves */
#define KEPT         (128 << 20) /* at the end of the heap; all above goes back to the system */

void heap_prepare(void)
{
    /* All hints: other C libraries, and sanitizers, have heaps of their own. */
    (void)mallopt(M_ARENA_MAX, 1);
    (void)mallopt(M_MMAP_THRESHOLD, LARGEST);
    (void)mallopt(M_TRIM_THRESHOLD, KEPT);
    (void)mallopt(M_TOP_PAD, ROOM);
    void *first = malloc(HUGE_PAGE);
    (void)mallopt(M_TOP_PAD, ROOM_DEFAULT);
    uintptr_t start = ((uintptr_t)first + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1),
              end = (uintptr_t)sbrk(0) & ~(HUGE_PAGE - 1);
    if (first && start < end && end - start <= ROOM + HUGE_PAGE)
        (void)madvise((void *)start, end - start,
                      MADV_HUGEPAGE); /* glibc.malloc.hugetlb=1, which only an exec can set */
    free(first);
}
