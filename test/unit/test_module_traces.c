/* test_module_traces.c - each trace of a module alone, all together, cut, looped, and hidden modules. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "synth_open.h"
#include "synth_sample.h"

#define ALL (LKMFS_TRACE_LIST | LKMFS_TRACE_SCAN | LKMFS_TRACE_LATCH)

static const enum synth_release generations[] = {SYNTH_6_1, SYNTH_6_12, SYNTH_7_2};
#define GENERATIONS (sizeof(generations) / sizeof(generations[0]))

static unsigned traces_of(const struct synth_kernel *k, uint64_t address)
{
    struct synth_opened opened = synth_open_modules(k);
    const struct lkmfs_module *m = synth_find_module(&opened, address);
    unsigned traces = m ? m->traces : 0;
    synth_close(&opened);
    return traces;
}

static uint64_t list_of(const struct synth_module *m)
{
    return m->address + synth_offset(&m->kernel->types, "module", "list");
}

/* Makes the scan of the module area blind to a module. */
static void break_self_pointer(const struct synth_module *m)
{
    synth_module_set(m, "mkobj.mod", m->address + 8);
}

Test(module_traces, each_alone)
{
    for (size_t g = 0; g < GENERATIONS; g++)
        for (unsigned keep = 0; keep < 8; keep++) {
            struct synth_kernel *k = synth_kernel_new(&(struct synth_kernel_options){.release = generations[g]});
            struct synth_module *m = synth_module_new(k, "lonely");
            m->unlisted = !(keep & LKMFS_TRACE_LIST);
            m->unlatched = !(keep & LKMFS_TRACE_LATCH);
            if (!(keep & LKMFS_TRACE_SCAN))
                break_self_pointer(m);
            synth_module_finish(m);
            synth_kernel_finish(k);
            cr_assert_eq(traces_of(k, m->address), keep, "traces %u of %s", keep, synth_release_name(generations[g]));
            synth_module_free(m);
            synth_kernel_free(k);
        }
}

/* Without KALLSYMS_ALL neither `modules` nor `mod_tree` has a name: the scan finds all the same. */
Test(module_traces, without_names_of_data)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12, .text_only = true});
    for (size_t i = 0; i < SYNTH_SAMPLES; i++)
        cr_assert_eq(traces_of(s.kernel, s.modules[i]->address), LKMFS_TRACE_SCAN);
    struct synth_opened opened = synth_open_modules(s.kernel);
    cr_assert(synth_log_has(&opened, "does not name `modules`"));
    cr_assert_null(lkmfs_modules_vermagic(opened.modules));
    synth_close(&opened);
    synth_sample_free(&s);
}

/* What Diamorphine, Reptile and Singularity do (KERNEL.md G), all at once. */
Test(module_traces, hidden_module)
{
    for (size_t g = 0; g < GENERATIONS; g++) {
        struct synth_sample s;
        synth_sample_init(&s, &(struct synth_kernel_options){.release = generations[g]});
        struct synth_module *alpha = s.modules[SYNTH_ALPHA];
        synth_module_unlink(alpha);
        synth_module_set(alpha, "state", LKMFS_MODULE_UNFORMED);
        synth_module_set(alpha, "sect_attrs", 0);
        synth_module_set(alpha, "core_kallsyms.num_symtab", 0);
        struct synth_opened opened = synth_open_modules(s.kernel);
        const struct lkmfs_module *m = synth_load_module(&opened, alpha->address);

        cr_assert_eq(lkmfs_modules_count(opened.modules), SYNTH_SAMPLES);
        cr_assert_eq(m->traces, LKMFS_TRACE_SCAN | LKMFS_TRACE_LATCH);
        cr_assert_eq(m->state, LKMFS_MODULE_UNFORMED);
        cr_assert_eq(m->section_count, 0);
        cr_assert_eq(m->symbol_count, alpha->symbol_count); /* counted again from the tables' places */
        cr_assert_str_eq(m->symbols[1].name, "alpha_open");
        cr_assert_geq(m->doubt_count, 2);
        synth_close(&opened);
        synth_sample_free(&s);
    }
}

Test(module_traces, hidden_from_list_and_tree_with_its_name_wiped)
{
    struct synth_kernel *k = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_module *m = synth_module_new(k, "rootkit");
    m->unlisted = m->unlatched = true;
    synth_module_finish(m);
    synth_kernel_finish(k);
    memset(synth_at(k, m->address + synth_offset(&k->types, "module", "name")), 0, 56);
    synth_module_set(m, "state", 77);
    /* its memory still fits: the struct lies in its own data region */
    cr_assert_eq(traces_of(k, m->address), LKMFS_TRACE_SCAN);
    synth_module_free(m);
    synth_kernel_free(k);
}

Test(module_traces, looped_list, .timeout = 20)
{
    for (unsigned to = 0; to < SYNTH_SAMPLES; to++) {
        struct synth_sample s;
        synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
        synth_set(s.kernel, list_of(s.modules[SYNTH_GAMMA]), list_of(s.modules[to]), 8); /* never back to the head */
        struct synth_opened opened = synth_open_modules(s.kernel);
        cr_assert_eq(lkmfs_modules_count(opened.modules), SYNTH_SAMPLES);
        cr_assert(synth_log_has(&opened, "the module list breaks off"));
        synth_close(&opened);
        synth_sample_free(&s);
    }
}

Test(module_traces, list_into_nowhere)
{
    static const uint64_t nowhere[] = {0,
                                       1,
                                       8,
                                       0xdead000000000100,
                                       0x00007fffffffffff,
                                       0x0000800000000000,
                                       UINT64_MAX,
                                       UINT64_MAX - 7,
                                       0xffffffffc0000ffc,
                                       0xffffffff80000000};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        struct synth_sample s;
        synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_1});
        synth_set(s.kernel, list_of(s.modules[SYNTH_ALPHA]), nowhere[i], 8);
        /* the two behind it are off the list, but found by other traces */
        cr_assert_eq(traces_of(s.kernel, s.modules[SYNTH_ALPHA]->address), ALL);
        cr_assert_eq(traces_of(s.kernel, s.modules[SYNTH_BETA]->address), LKMFS_TRACE_SCAN | LKMFS_TRACE_LATCH);
        struct synth_opened opened = synth_open_modules(s.kernel);
        cr_assert(synth_log_has(&opened, "the module list breaks off"));
        synth_close(&opened);
        synth_sample_free(&s);
    }
}

Test(module_traces, head_of_the_list)
{
    static const uint64_t heads[] = {0, UINT64_MAX, 0xdead000000000100};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct synth_sample s;
        synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
        synth_set(s.kernel, s.kernel->at.modules, heads[i], 8);
        struct synth_opened opened = synth_open_modules(s.kernel);
        cr_assert_eq(lkmfs_modules_count(opened.modules), SYNTH_SAMPLES);
        synth_close(&opened);
        synth_sample_free(&s);
    }
}

/* The list leads into memory that is no module: what is found there is shown, safely. */
Test(module_traces, list_through_something_else)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    uint64_t fake = synth_heap(s.kernel, 8192);
    memset(synth_at(s.kernel, fake), 0xff, 8192);
    uint64_t link = fake + 2048;
    synth_set(s.kernel, list_of(s.modules[SYNTH_GAMMA]), link, 8);
    synth_set(s.kernel, link, s.kernel->at.modules, 8);
    struct synth_opened opened = synth_open_modules(s.kernel);
    uint64_t address = link - synth_offset(&s.kernel->types, "module", "list");
    const struct lkmfs_module *m = synth_load_module(&opened, address);

    cr_assert_eq(lkmfs_modules_count(opened.modules), SYNTH_SAMPLES + 1);
    cr_assert_eq(m->traces, LKMFS_TRACE_LIST);
    cr_assert_eq(strlen(m->file), 56);
    cr_assert_eq(m->region_count, 0);
    synth_close(&opened);
    synth_sample_free(&s);
}

static uint64_t node_of(const struct synth_module *m, unsigned region)
{
    const struct synth_types *t = &m->kernel->types;
    return m->address + synth_offset(t, "module", "mem") + region * synth_sizeof(t, "module_memory") +
           synth_offset(t, "module_memory", "mtn");
}

Test(module_traces, looped_tree, .timeout = 20)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    const struct synth_types *t = &s.kernel->types;
    uint64_t node = node_of(s.modules[SYNTH_ALPHA], 0) + synth_offset(t, "mod_tree_node", "node");
    synth_set(s.kernel, node + synth_offset(t, "rb_node", "rb_left"), node, 8);
    synth_set(s.kernel, node + synth_offset(t, "rb_node", "rb_right"), node, 8);
    struct synth_opened opened = synth_open_modules(s.kernel);
    cr_assert_eq(lkmfs_modules_count(opened.modules), SYNTH_SAMPLES);
    cr_assert(synth_log_has(&opened, "mod_tree"));
    synth_close(&opened);
    synth_sample_free(&s);
}

Test(module_traces, tree_into_nowhere)
{
    static const uint64_t nowhere[] = {8, UINT64_MAX, 0xdead000000000100, 0x0000800000000000};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        struct synth_sample s;
        synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
        uint64_t root = s.kernel->at.mod_tree + synth_offset(&s.kernel->types, "mod_tree_root", "root.tree");
        synth_set(s.kernel, root, nowhere[i], 8);
        cr_assert_eq(traces_of(s.kernel, s.modules[SYNTH_BETA]->address), LKMFS_TRACE_LIST | LKMFS_TRACE_SCAN);
        synth_sample_free(&s);
    }
}

/* A node names what is no module, or memory that is not there. */
Test(module_traces, tree_names_something_else)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    uint64_t empty = synth_heap(s.kernel, 4096);
    synth_set_field(s.kernel, "mod_tree_node", node_of(s.modules[SYNTH_ALPHA], 0), "mod", empty);
    synth_set_field(s.kernel, "mod_tree_node", node_of(s.modules[SYNTH_BETA], 0), "mod", 0x1234);
    struct synth_opened opened = synth_open_modules(s.kernel);
    cr_assert_not_null(synth_find_module(&opened, empty));
    cr_assert_null(synth_find_module(&opened, 0x1234));
    cr_assert(synth_log_has(&opened, "not in the image"));
    synth_close(&opened);
    synth_sample_free(&s);
}

/* Pages of a module are missing: what is left of it is shown. */
Test(module_traces, missing_pages)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_module *alpha = s.modules[SYNTH_ALPHA];
    for (unsigned region = 0; region < SYNTH_REGIONS; region++)
        for (uint64_t page = 0; page < SYNTH_REGION_SIZE; page += SYNTH_PAGE) {
            uint64_t entry = synth_entry(&s.kernel->tables, alpha->region[region] + page, 1);
            uint64_t old = synth_get64(&s.kernel->memory, entry);
            synth_put64(&s.kernel->memory, entry, 0);
            struct synth_opened opened = synth_open_modules(s.kernel);
            const struct lkmfs_module *m = synth_find_module(&opened, alpha->address);
            if (region == SYNTH_DATA && page == 0) {
                cr_assert_null(m); /* struct module itself, and with it its link to the rest of the list */
            } else {
                cr_assert_not_null(m);
                (void)synth_load_module(&opened, alpha->address);
                cr_assert_str_eq(m->name, "alpha");
            }
            synth_close(&opened);
            synth_put64(&s.kernel->memory, entry, old);
        }
    synth_sample_free(&s);
}

/* A huge page of text that several modules share (execmem's ROX cache, 6.18+). */
Test(module_traces, text_in_a_huge_page)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_7_2});
    uint64_t rox = UINT64_C(0xffffffffd0000000);
    synth_map(&s.kernel->tables, rox, s.kernel->text_phys, SYNTH_2M, 0);
    for (unsigned i = 0; i < SYNTH_SAMPLES; i++) {
        uint64_t mem = s.modules[i]->address + synth_offset(&s.kernel->types, "module", "mem");
        synth_set_field(s.kernel, "module_memory", mem, "base", rox + i * 0x10000);
        synth_set_field(s.kernel, "module_memory", mem, "is_rox", 1);
    }
    struct synth_opened opened = synth_open_modules(s.kernel);
    cr_assert_eq(lkmfs_modules_count(opened.modules), SYNTH_SAMPLES);
    for (unsigned i = 0; i < SYNTH_SAMPLES; i++)
        cr_assert_eq(synth_find_module(&opened, s.modules[i]->address)->base, rox + i * 0x10000);
    cr_assert_eq(lkmfs_modules_around(opened.modules, rox + 0x10001),
                 synth_find_module(&opened, s.modules[1]->address));
    synth_close(&opened);
    synth_sample_free(&s);
}
