/* test_kernel.c - finding a kernel: every release, paging mode and way to its page tables. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "synth_open.h"

static struct synth_kernel *make(const struct synth_kernel_options *options)
{
    struct synth_kernel *k = synth_kernel_new(options);
    synth_kernel_finish(k);
    return k;
}

static struct synth_opened open_found(const struct synth_kernel *k, const struct lkmfs_kernel_options *options)
{
    struct synth_opened opened = synth_open_kernel(k, options);
    cr_assert_not_null(opened.kernel, "%s", opened.err.message);
    return opened;
}

static void expect_facts(const struct synth_kernel *k, const struct synth_opened *opened)
{
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(opened->kernel);
    const char *release = synth_release_name(k->options.release);
    cr_assert_eq(strncmp(facts->banner, "Linux version ", 14), 0);
    cr_assert_null(strchr(facts->banner, '\n'));
    cr_assert_eq(strncmp(facts->release, release, strlen(release)), 0, "release %s", facts->release);
    cr_assert_str_eq(facts->release + strlen(release), "-synth");
    cr_assert_eq(facts->text_start, k->text);
    cr_assert_eq(facts->text_phys, k->text_phys);
    cr_assert_eq(facts->image_start, k->text);
    cr_assert_eq(facts->image_end, k->end);
    cr_assert_eq(facts->virtual_slide, k->text - UINT64_C(0xffffffff81000000));
    cr_assert_eq(facts->physical_slide, k->text_phys - 0x1000000);
    cr_assert_leq(facts->module_start, UINT64_C(0xffffffffc0000000));
    cr_assert_eq(facts->module_end, UINT64_C(0xffffffffff000000));
    cr_assert_eq(lkmfs_kernel_word(opened->kernel), 8);
    cr_assert_eq(lkmfs_space_paging(lkmfs_kernel_space(opened->kernel)),
                 k->options.levels == 5 ? LKMFS_PAGING_X86_64_5LEVEL : LKMFS_PAGING_X86_64_4LEVEL);
    cr_assert_eq(lkmfs_symbols_count(lkmfs_kernel_symbols(opened->kernel)), k->symbol_count);
}

static void expect_source(const struct synth_opened *opened, const char *text)
{
    const char *source = lkmfs_kernel_facts(opened->kernel)->root_source;
    cr_assert_not_null(strstr(source, text), "found by %s, not %s", source, text);
}

static void expect_opens(const struct synth_kernel_options *options, const char *source)
{
    struct synth_kernel *k = make(options);
    struct synth_opened opened = open_found(k, NULL);
    expect_facts(k, &opened);
    expect_source(&opened, source);
    synth_close(&opened);
    synth_kernel_free(k);
}

struct way {
    unsigned levels;
    enum synth_trampoline trampoline;
    int pti;
    enum synth_release release;
};

ParameterizedTestParameters(kernel, every_way_to_the_tables)
{
    static struct way ways[2 * 3 * 2 * SYNTH_RELEASES];
    size_t n = 0;
    for (unsigned levels = 4; levels <= 5; levels++)
        for (int trampoline = 0; trampoline < 3; trampoline++)
            for (int pti = 0; pti < 2; pti++)
                for (int release = 0; release < SYNTH_RELEASES; release++)
                    ways[n++] =
                        (struct way){levels, (enum synth_trampoline)trampoline, pti, (enum synth_release)release};
    return cr_make_param_array(struct way, ways, n);
}

ParameterizedTest(const struct way *way, kernel, every_way_to_the_tables)
{
    struct synth_kernel_options options = {.release = way->release,
                                           .levels = way->levels,
                                           .trampoline = way->trampoline,
                                           .pti = way->pti,
                                           .text_phys = 0x200000};
    expect_opens(&options, way->trampoline == SYNTH_TRAMPOLINE_NONE ? "full scan" : "trampoline");
}

Test(kernel, prefers_its_own_table_over_the_copy)
{
    struct synth_kernel_options options = {.release = SYNTH_6_1, .trampoline = SYNTH_TRAMPOLINE_SPARSE};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = open_found(k, NULL);
    const struct lkmfs_space *space = lkmfs_kernel_space(opened.kernel);
    uint8_t byte;

    cr_assert_eq(lkmfs_space_root(space), k->tables.root);
    /* the direct map is only in the kernel's own table */
    cr_assert_eq(lkmfs_space_read(space, k->direct + 0x300000, &byte, 1), 1);
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, first_mib_zeroed)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .text_phys = 0x400000};
    struct synth_kernel *k = make(&options);
    memset(synth_phys(&k->memory, 0, 0x100000), 0, 0x100000);
    struct synth_opened opened = open_found(k, NULL);

    expect_facts(k, &opened);
    expect_source(&opened, "full scan");
    cr_assert(synth_log_has(&opened, "scanning the whole image"));
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, low_memory_full_of_decoys)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .text_phys = 0x400000};
    struct synth_kernel *k = make(&options);
    /* a last entry that looks right: to nowhere, to itself, to text */
    for (uint64_t page = 0; page < 0x9d000; page += 4096)
        synth_put64(&k->memory, page + 511 * 8,
                    (page % 3 == 0   ? UINT64_C(0x7fffff000)
                     : page % 3 == 1 ? page
                                     : 0x400000) |
                        3);
    struct synth_opened opened = open_found(k, NULL);

    expect_facts(k, &opened);
    expect_source(&opened, "trampoline");
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, no_slide_at_all)
{
    /* nokaslr: slide 0 is the default of the options, so a byte of it is as good as none */
    struct synth_kernel_options options = {.release = SYNTH_6_1, .text_phys = 0x1000000, .slide = 0x200000};
    expect_opens(&options, "trampoline");
}

Test(kernel, symbols_without_data)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .text_only = true};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = open_found(k, NULL);
    uint64_t address;

    expect_facts(k, &opened);
    cr_assert_not(lkmfs_symbols_find(lkmfs_kernel_symbols(opened.kernel), "modules", &address));
    cr_assert_not_null(lkmfs_kernel_types(opened.kernel));
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, torn_btf_before_the_right_one)
{
    struct synth_kernel_options options = {.release = SYNTH_6_1, .torn_btf = 2};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = open_found(k, NULL);
    size_t size;
    const uint8_t *btf = lkmfs_types_btf(lkmfs_kernel_types(opened.kernel), &size);

    cr_assert_eq(size, k->btf_size);
    cr_assert_eq(memcmp(btf, synth_at(k, k->btf), size), 0);
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, vmcoreinfo_text)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = open_found(k, NULL);

    cr_assert_str_eq(lkmfs_kernel_facts(opened.kernel)->vmcoreinfo, "OSRELEASE=synth\nPAGESIZE=4096\n");
    synth_close(&opened);

    /* a variable that points nowhere, or to something else */
    synth_set(k, k->at.vmcoreinfo_data, 0xdead000000000100, 8);
    opened = open_found(k, NULL);
    cr_assert_null(lkmfs_kernel_facts(opened.kernel)->vmcoreinfo);
    synth_close(&opened);
    synth_set(k, k->at.vmcoreinfo_data, k->at.banner, 8);
    opened = open_found(k, NULL);
    cr_assert_null(lkmfs_kernel_facts(opened.kernel)->vmcoreinfo);
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, vmcoreinfo_without_an_end)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = synth_kernel_new(&options);
    uint64_t text = synth_heap(k, 8192);
    memset(synth_at(k, text), 'x', 8192);
    memcpy(synth_at(k, text), "OSRELEASE=", 10);
    synth_set(k, k->at.vmcoreinfo_data, text, 8);
    synth_kernel_finish(k);
    struct synth_opened opened = open_found(k, NULL);

    cr_assert_eq(strlen(lkmfs_kernel_facts(opened.kernel)->vmcoreinfo), 4096);
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, dtb_given)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .trampoline = SYNTH_TRAMPOLINE_NONE, .levels = 5};
    struct synth_kernel *k = make(&options);
    struct lkmfs_kernel_options right = {.has_root = true, .root = k->tables.root};
    struct synth_opened opened = open_found(k, &right);

    expect_facts(k, &opened);
    expect_source(&opened, "dtb=");
    synth_close(&opened);
    synth_kernel_free(k);
}

Test(kernel, dtb_wrong)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = make(&options);
    static const uint64_t roots[] = {0, 0x3000, UINT64_MAX, UINT64_C(1) << 51, 0x1400000};
    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        struct lkmfs_kernel_options wrong = {.has_root = true, .root = roots[i]};
        struct synth_opened opened = synth_open_kernel(k, &wrong);
        cr_assert_null(opened.kernel);
        cr_assert_eq(opened.err.code, LKMFS_ERROR_NOT_FOUND);
        cr_assert_not_null(strstr(opened.err.message, "dtb="), "%s", opened.err.message);
        synth_close(&opened);
    }
    synth_kernel_free(k);
}

Test(kernel, close_accepts_null)
{
    lkmfs_kernel_close(NULL);
}

/* Pages of BTF that are missing cost the types that lay on them, and are spoken of. */
Test(kernel, pages_of_types_are_missing)
{
    for (int release = 0; release < SYNTH_RELEASES; release += 2) {
        const struct synth_kernel_options options = {.release = (enum synth_release)release};
        struct synth_kernel *k = make(&options);
        uint64_t types = (k->btf + k->btf_size / 2) & ~UINT64_C(0xfff);
        memset(synth_at(k, types), 0, 4096);
        struct synth_opened opened = open_found(k, NULL);
        char *log = lkmfs_log_text(opened.log);
        cr_assert_not_null(log);
        cr_assert_not_null(strstr(log, "doubt: types:"), "%s", log);
        cr_assert_null(strstr(log, "doubt: kallsyms:"), "%s", log);
        free(log);
        synth_close(&opened);
        synth_kernel_free(k);
    }
}
