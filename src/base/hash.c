#include "base/hash.h"

#include <sys/random.h>
#include <time.h>

uint64_t hash_seed(void)
{
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == (ssize_t)sizeof(seed))
        return seed;
    /* Early in boot, or in a sandbox: the place of the stack and the time are hard enough to guess. */
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)(uintptr_t)&seed ^ ((uint64_t)now.tv_nsec << 32) ^ (uint64_t)now.tv_sec;
}
