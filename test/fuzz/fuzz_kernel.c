/* fuzz_kernel.c - a whole image with pokes anywhere, from opening it to the files of its modules. */
#include "fuzz_objects.h"
#include "fuzz_sample.h"

static struct fuzz_sample *whole_sample(unsigned which)
{
    static bool whole[FUZZ_SAMPLES];
    struct fuzz_sample *s = fuzz_sample(which);
    if (!whole[which % FUZZ_SAMPLES])
        fuzz_sample_add_kernel(s);
    whole[which % FUZZ_SAMPLES] = true;
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    unsigned which = (unsigned)input_take(&input, 1);
    struct fuzz_sample *s = whole_sample(which);
    struct lkmfs_kernel_options given = {.root = s->sample.kernel->tables.root};
    pokes_apply(&s->pokes, &input);
    struct synth_opened opened = synth_open_kernel(s->sample.kernel, which / FUZZ_SAMPLES % 2 ? &given : NULL);
    if (!opened.kernel) {
        fuzz_check_message(opened.err.message);
    } else if (lkmfs_modules_open(opened.kernel, opened.log, &opened.modules, &opened.err)) {
        fuzz_load_modules(opened.modules);
        fuzz_build_objects(opened.modules, 1, FUZZ_ALL_KINDS);
    } else {
        opened.modules = NULL;
        fuzz_check_message(opened.err.message);
    }
    synth_close(&opened);
    pokes_undo(&s->pokes);
    return 0;
}
