/* test_exports.c - exported symbols of the kernel and of modules: names, addresses, checksums, name spaces. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "synth_open.h"
#include "synth_sample.h"

struct fixture {
    struct synth_sample sample;
    struct synth_opened opened;
    struct lkmfs_exports *exports;
};

static void reopen(struct fixture *f)
{
    lkmfs_exports_close(f->exports);
    synth_close(&f->opened);
    f->opened = synth_open_modules(f->sample.kernel);
    cr_assert(lkmfs_exports_open(f->opened.modules, f->opened.log, &f->exports, &f->opened.err), "%s",
              f->opened.err.message);
}

static void begin(struct fixture *f, int release)
{
    *f = (struct fixture){0};
    synth_sample_init(&f->sample, &(struct synth_kernel_options){.release = (enum synth_release)release});
    reopen(f);
}

static void end(struct fixture *f)
{
    lkmfs_exports_close(f->exports);
    synth_close(&f->opened);
    synth_sample_free(&f->sample);
}

static const struct lkmfs_export *find(const struct fixture *f, const char *name)
{
    const struct lkmfs_export *item = lkmfs_exports_find(f->exports, name);
    cr_assert_not_null(item, "no export %s", name);
    cr_assert_str_eq(item->name, name);
    return item;
}

ParameterizedTestParameters(exports, every_release)
{
    static int releases[] = {SYNTH_4_18, SYNTH_5_10, SYNTH_6_12, SYNTH_7_2};
    return cr_make_param_array(int, releases, sizeof(releases) / sizeof(releases[0]));
}

ParameterizedTest(const int *release, exports, every_release)
{
    struct fixture f;
    begin(&f, *release);
    cr_assert_eq(lkmfs_exports_count(f.exports), 7);

    const struct lkmfs_export *printk = find(&f, "printk"), *work = find(&f, "queue_work");
    cr_assert_eq(printk->address, synth_symbol(f.sample.kernel, "printk"));
    cr_assert_eq(printk->module, SIZE_MAX);
    cr_assert(printk->has_crc);
    cr_assert_eq(printk->crc, 0x22222222);
    cr_assert_not(printk->gpl);
    cr_assert_str_eq(printk->name_space, "");
    cr_assert(work->gpl);
    cr_assert_eq(work->crc, 0x33333333);
    cr_assert_str_eq(work->name_space, *release == SYNTH_4_18 ? "" : "SCHED"); /* since 5.4 */

    const struct lkmfs_export *open = find(&f, "beta_open"), *data = find(&f, "beta_data");
    const struct synth_module *beta = f.sample.modules[SYNTH_BETA];
    cr_assert_eq(lkmfs_modules_at(f.opened.modules, open->module)->address, beta->address);
    cr_assert_eq(open->address, beta->region[SYNTH_TEXT] + 0x10);
    cr_assert_eq(open->crc, 0xb0b0b0b0);
    cr_assert_not(open->gpl);
    cr_assert(find(&f, "beta_close")->gpl);
    cr_assert(data->gpl);
    cr_assert_eq(data->address, beta->region[SYNTH_DATA] + 0x1800);
    end(&f);
}

Test(exports, ascending_and_nearest)
{
    struct fixture f;
    begin(&f, SYNTH_6_12);
    size_t count = lkmfs_exports_count(f.exports);
    for (size_t i = 0; i < count; i++) {
        uint64_t address = lkmfs_exports_at(f.exports, i)->address;
        if (i)
            cr_assert_lt(lkmfs_exports_at(f.exports, i - 1)->address, address);
        cr_assert_eq(lkmfs_exports_nearest(f.exports, address), i);
        cr_assert_eq(lkmfs_exports_nearest(f.exports, address - 1), i ? i - 1 : SIZE_MAX);
    }
    cr_assert_eq(lkmfs_exports_nearest(f.exports, UINT64_MAX), count - 1);
    cr_assert_eq(lkmfs_exports_nearest(f.exports, 0), SIZE_MAX);
    cr_assert_null(lkmfs_exports_find(f.exports, "no_such_export"));
    cr_assert_null(lkmfs_exports_find(f.exports, ""));
    end(&f);
}

/* Kernels without KALLSYMS_ALL don't name the tables: modules' exports are there all the same. */
Test(exports, kernel_tables_without_names)
{
    struct fixture f = {0};
    synth_sample_init(&f.sample, &(struct synth_kernel_options){.release = SYNTH_6_12, .text_only = true});
    reopen(&f);
    cr_assert_eq(lkmfs_exports_count(f.exports), 3);
    cr_assert_not_null(find(&f, "beta_open"));
    cr_assert_null(lkmfs_exports_find(f.exports, "printk"));
    cr_assert(synth_log_has(&f.opened, "not named by kallsyms"));
    end(&f);
}

Test(exports, without_checksums)
{
    struct fixture f;
    begin(&f, SYNTH_6_12);
    synth_module_set(f.sample.modules[SYNTH_BETA], "crcs", 0);
    reopen(&f);
    cr_assert_not(find(&f, "beta_open")->has_crc);
    synth_module_set(f.sample.modules[SYNTH_BETA], "crcs", 0x1000);
    reopen(&f);
    cr_assert_not(find(&f, "beta_open")->has_crc);
    end(&f);
}

static uint64_t entry_of(const struct fixture *f, size_t i)
{
    return synth_module_get(f->sample.modules[SYNTH_BETA], "gpl_syms") +
           i * synth_sizeof(&f->sample.kernel->types, "kernel_symbol");
}

/* An entry whose name is gone, far away, endless or empty is left out; its neighbours are not. */
Test(exports, names_damaged)
{
    struct fixture f;
    begin(&f, SYNTH_6_12);
    const struct synth_kernel *k = f.sample.kernel;
    uint64_t at = entry_of(&f, 0);
    uint64_t old = synth_get(k, at + 4, 4);
    /* a heap of x without a NUL, empty text, a hole, 2 GiB away */
    uint64_t pages = synth_module_pages(f.sample.kernel, 2 * SYNTH_PAGE, 0);
    memset(synth_at(k, pages), 'x', SYNTH_PAGE);
    const uint64_t names[] = {pages, pages + SYNTH_PAGE, pages + 16 * SYNTH_PAGE, at + 4 + 0x7fffffff};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        synth_set(k, at + 4, names[i] - (at + 4), 4);
        reopen(&f);
        cr_assert_eq(lkmfs_exports_count(f.exports), 6, "name %zu", i);
        cr_assert_null(lkmfs_exports_find(f.exports, "beta_close"));
        cr_assert_not_null(find(&f, "beta_data"));
    }
    synth_set(k, at + 4, old, 4);
    reopen(&f);
    cr_assert_not_null(find(&f, "beta_close"));
    end(&f);
}

Test(exports, counts_absurd)
{
    static const uint32_t counts[] = {0, 4, 0x10000, 0x40000, 0x40001, 0x7fffffff, 0xffffffff};
    struct fixture f;
    begin(&f, SYNTH_6_12);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        synth_module_set(f.sample.modules[SYNTH_BETA], "num_syms", counts[i]);
        reopen(&f);
        cr_assert_not_null(find(&f, "printk"));
        cr_assert_not_null(find(&f, "beta_data"));
    }
    end(&f);
}

/* All modules claim a table of the most entries there can be: memory stays bounded. */
Test(exports, counts_absurd_everywhere, .timeout = 30)
{
    struct fixture f;
    begin(&f, SYNTH_6_12);
    uint64_t memory = f.sample.kernel->direct;
    for (size_t i = 0; i < SYNTH_SAMPLES; i++) {
        synth_module_set(f.sample.modules[i], "num_syms", 0x3ffff);
        synth_module_set(f.sample.modules[i], "syms", memory);
        synth_module_set(f.sample.modules[i], "num_gpl_syms", 0x3ffff);
        synth_module_set(f.sample.modules[i], "gpl_syms", memory + 0x1000);
    }
    reopen(&f);
    cr_assert_leq(lkmfs_exports_count(f.exports), 1 << 19);
    cr_assert_not_null(find(&f, "printk"));
    end(&f);
}

/* Two export one name: the one at the lower address is found, both are listed. */
Test(exports, same_name_twice)
{
    struct fixture f;
    begin(&f, SYNTH_6_12);
    const struct synth_kernel *k = f.sample.kernel;
    uint64_t close = entry_of(&f, 0), data = entry_of(&f, 1);
    uint64_t name = data + 4 + (uint64_t)(int64_t)(int32_t)synth_get(k, data + 4, 4);
    synth_set(k, close + 4, name - (close + 4), 4);
    reopen(&f);
    cr_assert_eq(lkmfs_exports_count(f.exports), 7);
    cr_assert_eq(find(&f, "beta_data")->address, f.sample.modules[SYNTH_BETA]->region[SYNTH_TEXT] + 0x20);
    end(&f);
}

/* Types of a kernel_symbol that its entries would not fit into. */
Test(exports, entry_size_absurd)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_types t = {0};
    struct synth_bytes bytes = {0};
    for (size_t i = 0; i < s.kernel->types.count; i++)
        if (strcmp(s.kernel->types.structs[i].name, "kernel_symbol") == 0)
            s.kernel->types.structs[i].size = 8; /* with three fields of 4 */
    synth_types_of(&t, SYNTH_6_12);
    synth_btf(&bytes, &t, SYNTH_BTF_PLAIN);
    /* the size of the struct in BTF is the word behind name and info; it is the only struct of 12 bytes and 3 members
     */
    size_t changed = 0;
    for (size_t at = 24; at + 12 < bytes.size && !changed; at += 4) {
        uint8_t *b = synth_at(s.kernel, s.kernel->btf + at);
        if (b[4] == 3 && b[5] == 0 && b[7] == 4 && b[8] == 12 && b[9] == 0 && b[10] == 0) {
            b[8] = 8;
            changed++;
        }
    }
    cr_assert_eq(changed, 1);
    struct synth_opened opened = synth_open_modules(s.kernel);
    struct lkmfs_exports *exports;
    cr_assert(lkmfs_exports_open(opened.modules, opened.log, &exports, &opened.err));
    lkmfs_exports_close(exports);
    synth_close(&opened);
    synth_bytes_free(&bytes);
    synth_types_free(&t);
    synth_sample_free(&s);
}

Test(exports, close_accepts_null)
{
    lkmfs_exports_close(NULL);
}
