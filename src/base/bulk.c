#include "base/bulk.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

void *bulk_alloc(size_t size)
{
    if (size < HUGE_PAGE || size > SIZE_MAX - HUGE_PAGE)
        return malloc(size);
    size_t whole = (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    void *bytes = aligned_alloc(HUGE_PAGE, whole);
    /* Only hints; MADV_POPULATE_WRITE is there since 5.14. */
    if (bytes) {
        (void)madvise(bytes, whole, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
        (void)madvise(bytes, (size + 4095) & ~(size_t)4095, MADV_POPULATE_WRITE);
#endif
    }
    return bytes;
}
