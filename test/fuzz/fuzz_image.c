/* fuzz_image.c - a container format: probe, headers, ranges, reads. FUZZ_MAGIC holds the input's first bytes. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_images.h"

#define INPUT_MAX ((size_t)1 << 20)

/* Puts the format's magic, given in hexadecimal, over the input's first bytes. */
static void put_magic(uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef", magic[] = FUZZ_MAGIC;
    for (size_t i = 0; i + 1 < sizeof(magic) && i / 2 < size; i += 2)
        bytes[i / 2] = (uint8_t)((strchr(digits, magic[i]) - digits) << 4 | (strchr(digits, magic[i + 1]) - digits));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > INPUT_MAX)
        return -1;
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    put_magic(bytes, size);
    fuzz_open_image(fuzz_file(bytes, size));
    free(bytes);
    return 0;
}
