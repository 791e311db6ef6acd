/* fuzz_object.c - files rebuilt from modules with pokes: always sound ELF, whatever memory held. */
#include "fuzz_objects.h"
#include "fuzz_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned which = (unsigned)input_take(&input, 1);
    struct fuzz_sample *s = fuzz_sample_open(which);
    struct lkmfs_modules *modules;
    struct lkmfs_error err = {0};
    pokes_apply(&s->pokes, &input);
    FUZZ_CHECK(lkmfs_modules_open(s->opened.kernel, NULL, &modules, &err));
    fuzz_build_objects(modules, SYNTH_SAMPLES, 1U << which / FUZZ_SAMPLES % 3);
    lkmfs_modules_close(modules);
    pokes_undo(&s->pokes);
    return 0;
}
