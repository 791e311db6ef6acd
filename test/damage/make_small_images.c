/*
 * make_small_images.c - writes raw images of small synthetic kernels, each with three modules, for test/damage/run.
 *
 * Usage: make_small_images FOLDER
 */
#include <stdio.h>
#include <sys/stat.h>

#include "synth_sample.h"

#define MIB UINT64_C(0x100000)

struct small_image {
    const char *name;
    struct synth_kernel_options options;
};

/* The last lies where the others leave room for it: two of them in one image are both whole. */
static const struct small_image images[] = {
    {"small-4.18", {.release = SYNTH_4_18, .text_phys = 2 * MIB, .trampoline = SYNTH_TRAMPOLINE_SPARSE}},
    {"small-5.10", {.release = SYNTH_5_10, .text_phys = 2 * MIB, .trampoline = SYNTH_TRAMPOLINE_SPARSE, .pti = true}},
    {"small-6.1", {.release = SYNTH_6_1, .text_phys = 2 * MIB}},
    {"small-6.12", {.release = SYNTH_6_12, .text_phys = 2 * MIB}},
    {"small-6.13", {.release = SYNTH_6_13, .text_phys = 2 * MIB, .trampoline = SYNTH_TRAMPOLINE_NONE}},
    {"small-6.14", {.release = SYNTH_6_14, .text_phys = 2 * MIB, .pti = true}},
    {"small-7.2", {.release = SYNTH_7_2, .text_phys = 2 * MIB, .levels = 5}},
    {"small-far", {.release = SYNTH_6_12, .text_phys = 20 * MIB, .slide = 0x4000000}},
};

static void save(const char *folder, const char *name, const struct synth_memory *memory)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof(path), "%s/%s/image.raw", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(memory->bytes, 1, memory->size, file) != memory->size || fclose(file) != 0)
        synth_die("%s can't be written", path);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        synth_die("usage: make_small_images FOLDER");
    (void)mkdir(argv[1], 0755);
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        struct synth_sample sample;
        synth_sample_init(&sample, &images[i].options);
        save(argv[1], images[i].name, &sample.kernel->memory);
        synth_sample_free(&sample);
    }
    return 0;
}
