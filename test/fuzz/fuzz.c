#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "synth.h"

uint64_t input_take(struct input *input, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width && input->size; i++, input->bytes++, input->size--)
        value |= (uint64_t)*input->bytes << (8 * i);
    return value;
}

const char *fuzz_file(const uint8_t *bytes, size_t size)
{
    static int fd = -1;
    static char path[32];
    if (fd < 0) {
        fd = memfd_create("lkmfs-fuzz", MFD_CLOEXEC);
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, size, 0) != (ssize_t)size)
        synth_die("no file of %zu bytes", size);
    return path;
}

void fuzz_fail(const char *promise)
{
    (void)fprintf(stderr, "promise broken: %s\n", promise);
    abort();
}

void fuzz_check_message(const char *message)
{
    FUZZ_CHECK(message[0] != 0);
    for (const char *c = message; *c; c++)
        FUZZ_CHECK((unsigned char)*c >= 0x20 && *c != 0x7f);
}
