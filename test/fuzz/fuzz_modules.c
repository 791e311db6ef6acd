/* fuzz_modules.c - modules of a sound kernel with pokes in all that is theirs: found, loaded, exports read. */
#include "fuzz_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct fuzz_sample *s = fuzz_sample_open((unsigned)input_take(&input, 1));
    struct lkmfs_modules *modules;
    struct lkmfs_exports *exports;
    struct lkmfs_error err = {0};
    pokes_apply(&s->pokes, &input);
    FUZZ_CHECK(lkmfs_modules_open(s->opened.kernel, NULL, &modules, &err));
    fuzz_load_modules(modules);
    FUZZ_CHECK(lkmfs_exports_open(modules, NULL, &exports, &err));
    for (size_t i = 0; i < lkmfs_exports_count(exports); i++) {
        const struct lkmfs_export *item = lkmfs_exports_at(exports, i);
        FUZZ_CHECK(item->name[0] && lkmfs_exports_find(exports, item->name));
    }
    lkmfs_exports_close(exports);
    lkmfs_modules_close(modules);
    pokes_undo(&s->pokes);
    return 0;
}
