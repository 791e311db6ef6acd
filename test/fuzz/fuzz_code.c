/* fuzz_code.c - machine code of a sound module: decoded, its patches undone, its relocations told. */
#include <string.h>

#include "fuzz_objects.h"
#include "fuzz_sample.h"

#define TEXT_SIZE 512 /* of .text and what lies behind it, as synth_fill_module() makes it */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fuzz_sample *s = fuzz_sample_open((unsigned)input_take(&input, 1));
    const struct synth_module *m = s->sample.modules[SYNTH_ALPHA];
    uint8_t *text = synth_at(m->kernel, m->region[SYNTH_TEXT]), before[TEXT_SIZE];
    uint64_t at = input_take(&input, 1) * 2;
    size_t count = input.size < TEXT_SIZE - at ? input.size : TEXT_SIZE - at;
    struct lkmfs_modules *modules;
    struct lkmfs_error err = {0};
    memcpy(before, text, TEXT_SIZE);
    memcpy(text + at, input.bytes, count);
    FUZZ_CHECK(lkmfs_modules_open(s->opened.kernel, NULL, &modules, &err));
    fuzz_build_objects(modules, 1, 1U << LKMFS_OBJECT_RELOCATABLE);
    lkmfs_modules_close(modules);
    memcpy(text, before, TEXT_SIZE);
    return 0;
}
