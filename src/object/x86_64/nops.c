#include "object/x86_64/nops.h"

#include <string.h>

const uint8_t nop5[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
static const uint8_t nop5_k8[5] = {0x66, 0x66, 0x66, 0x66, 0x90}; /* older AMD and unknown CPUs, [-5.12] */

bool is_nop5(const uint8_t *bytes)
{
    return memcmp(bytes, nop5, 5) == 0 || memcmp(bytes, nop5_k8, 5) == 0;
}

/* P6_NOPn after their 66 and 2e prefixes. */
static const struct {
    uint8_t size;
    uint8_t bytes[8];
} cores[] = {
    {1, {0x90}},
    {3, {0x0f, 0x1f, 0x00}},
    {4, {0x0f, 0x1f, 0x40, 0x00}},
    {5, {0x0f, 0x1f, 0x44, 0x00, 0x00}},
    {7, {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00}},
    {8, {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00}},
};

/* Length of the NOP at `bytes`, 0 if there is none. */
static size_t nop_length(const uint8_t *bytes, size_t size)
{
    size_t prefixes = 0;
    while (prefixes < size && prefixes < 4 && (bytes[prefixes] == 0x66 || bytes[prefixes] == 0x2e))
        prefixes++;
    for (size_t i = 0; i < sizeof(cores) / sizeof(*cores); i++)
        if (cores[i].size <= size - prefixes && memcmp(bytes + prefixes, cores[i].bytes, cores[i].size) == 0)
            return prefixes + cores[i].size;
    return 0;
}

static bool is_jump_over(const uint8_t *bytes, size_t size)
{
    if (size < 2 || bytes[0] != 0xeb || bytes[1] != size - 2)
        return false;
    for (size_t i = 2; i < size; i++)
        if (bytes[i] != 0xcc && bytes[i] != 0x90)
            return false;
    return true;
}

bool is_nops(const uint8_t *bytes, size_t size)
{
    if (is_jump_over(bytes, size))
        return true;
    for (size_t done = 0, length; done < size; done += length) {
        length = nop_length(bytes + done, size - done);
        if (length == 0)
            return false;
    }
    return true;
}
