/*
 * fuzz.h - what the fuzz targets share.
 */
#ifndef LKMFS_FUZZ_H
#define LKMFS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What libFuzzer (and AFL++'s driver for it) calls with each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a stream of numbers; past its end all are 0. */
struct input {
    const uint8_t *bytes;
    size_t size;
};

uint64_t input_take(struct input *input, unsigned width);

/* A file in memory that holds `size` bytes; its path is good until the next call. */
const char *fuzz_file(const uint8_t *bytes, size_t size);

/* Aborts: what lkmfs promises did not hold. */
_Noreturn void fuzz_fail(const char *promise);

#define FUZZ_CHECK(promise)                                                                                            \
    do {                                                                                                               \
        if (!(promise))                                                                                                \
            fuzz_fail(#promise);                                                                                       \
    } while (0)

/* A message is one printable line. */
void fuzz_check_message(const char *message);

#endif
