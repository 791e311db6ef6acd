#include "fuzz_sample.h"

#include <string.h>

static void add_values(struct fuzz_sample *s)
{
    const struct synth_kernel *k = s->sample.kernel;
    static const uint64_t absurd[] = {0,
                                      1,
                                      8,
                                      0x7f,
                                      0xff,
                                      0xfff,
                                      0x1000,
                                      0x7fff,
                                      0x8000,
                                      0xffff,
                                      0x10000,
                                      0x7fffffff,
                                      0x80000000,
                                      0xffffffff,
                                      0x100000000,
                                      0x0000800000000000,
                                      0xdead000000000100,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      0xffffffffffffffff};
    for (size_t i = 0; i < sizeof(absurd) / sizeof(absurd[0]); i++)
        pokes_add_value(&s->pokes, absurd[i]);
    const uint64_t places[] = {k->text,        k->rodata,         k->data, k->end,       k->direct,     k->at.modules,
                               k->at.mod_tree, k->kallsyms_start, k->btf,  k->heap_next, k->module_next};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        pokes_add_value(&s->pokes, places[i]);
    for (size_t i = 0; i < SYNTH_SAMPLES; i++) {
        const struct synth_module *m = s->sample.modules[i];
        pokes_add_value(&s->pokes, m->address);
        pokes_add_value(&s->pokes, m->address + synth_offset(&k->types, "module", "list"));
        pokes_add_value(&s->pokes, m->sect_attrs);
        for (unsigned r = 0; r < SYNTH_REGIONS; r++)
            pokes_add_value(&s->pokes, m->region[r] + (r & 1) * SYNTH_REGION_SIZE);
    }
}

static void add_module_areas(struct fuzz_sample *s)
{
    const struct synth_kernel *k = s->sample.kernel;
    uint64_t size = synth_sizeof(&k->types, "module");
    for (size_t i = 0; i < SYNTH_SAMPLES; i++) {
        const struct synth_module *m = s->sample.modules[i];
        /* struct module is what most depends on: it comes twice, once alone */
        pokes_add_area(&s->pokes, synth_at(k, m->address), size);
        for (unsigned r = 0; r < SYNTH_REGIONS; r++)
            pokes_add_area(&s->pokes, synth_at(k, m->region[r]), m->next[r] - m->region[r] + 64);
    }
    uint64_t heap = k->direct + synth_phys_of(k, k->end - 1) + 1;
    pokes_add_area(&s->pokes, synth_at(k, heap), k->heap_next - heap);
    pokes_add_area(&s->pokes, synth_at(k, k->at.modules), k->data_next - k->at.modules);
}

static void make(struct fuzz_sample *s, unsigned which)
{
    static const struct synth_kernel_options options[FUZZ_SAMPLES] = {
        {.release = SYNTH_6_12, .text_phys = 0x200000},
        {.release = SYNTH_6_1, .text_phys = 0x200000, .trampoline = SYNTH_TRAMPOLINE_SPARSE},
        {.release = SYNTH_7_2, .text_phys = 0x200000, .levels = 5},
        {.release = SYNTH_6_14, .text_phys = 0x200000, .pti = true, .trampoline = SYNTH_TRAMPOLINE_NONE},
        {.release = SYNTH_4_18, .text_phys = 0x200000, .trampoline = SYNTH_TRAMPOLINE_SPARSE},
        {.release = SYNTH_5_10, .text_phys = 0x200000, .text_only = true},
    };
    synth_sample_init(&s->sample, &options[which]);
    add_values(s);
    add_module_areas(s);
}

struct fuzz_sample *fuzz_sample(unsigned which)
{
    static struct fuzz_sample samples[FUZZ_SAMPLES];
    struct fuzz_sample *s = &samples[which % FUZZ_SAMPLES];
    if (!s->sample.kernel)
        make(s, which % FUZZ_SAMPLES);
    return s;
}

struct fuzz_sample *fuzz_sample_open(unsigned which)
{
    struct fuzz_sample *s = fuzz_sample(which);
    if (!s->opened.kernel) {
        s->opened = synth_open_kernel(s->sample.kernel, NULL);
        if (!s->opened.kernel)
            synth_die("%s", s->opened.err.message);
    }
    return s;
}

void fuzz_sample_add_kernel(struct fuzz_sample *s)
{
    const struct synth_kernel *k = s->sample.kernel;
    uint64_t tables = k->tables.root - k->text_phys + k->text;
    uint64_t tokens = k->kallsyms_start + k->kallsyms.token_table;
    pokes_add_area(&s->pokes, synth_at(k, tables), k->tables.next - k->tables.root);
    pokes_add_area(&s->pokes, synth_at(k, k->kallsyms_start), k->kallsyms.end);
    pokes_add_area(&s->pokes, synth_at(k, tokens), 1024 + 512);
    pokes_add_area(&s->pokes, synth_at(k, k->kallsyms_start + k->kallsyms.num_syms), 64);
    pokes_add_area(&s->pokes, synth_at(k, k->btf), 0x1800);
    pokes_add_area(&s->pokes, synth_at(k, k->btf), k->btf_size);
    pokes_add_area(&s->pokes, synth_at(k, k->at.banner), 512);
    pokes_add_area(&s->pokes, synth_at(k, k->rodata), 0x2000);
    if (k->trampoline)
        pokes_add_area(&s->pokes, synth_phys(&k->memory, k->trampoline, SYNTH_PAGE), SYNTH_PAGE);
}

static void check_module(const struct lkmfs_modules *modules, const struct lkmfs_module *m)
{
    FUZZ_CHECK(m->name && m->file && m->file[0] && m->file[0] != '.' && !strchr(m->file, '/'));
    FUZZ_CHECK(m->region_count <= 8 && m->doubt_count <= 64);
    for (size_t i = 0; i < m->doubt_count; i++)
        FUZZ_CHECK(m->doubts[i][0]);
    for (size_t i = 0; i < m->user_count; i++)
        FUZZ_CHECK(m->users[i] < lkmfs_modules_count(modules));
    for (size_t i = 0; i < m->use_count; i++)
        FUZZ_CHECK(m->uses[i] < lkmfs_modules_count(modules));
    for (size_t i = 0; i < m->section_count; i++)
        FUZZ_CHECK(m->sections[i].name[0] && m->sections[i].region < (int)m->region_count);
    for (size_t i = 0; i < m->symbol_count; i++)
        FUZZ_CHECK(strlen(m->symbols[i].name) < (1 << 20));
    for (size_t i = 0; i < m->parameter_count; i++)
        FUZZ_CHECK(m->parameters[i].name && m->parameters[i].type);
    FUZZ_CHECK(lkmfs_modules_find(modules, m->file));
}

void fuzz_load_modules(const struct lkmfs_modules *modules)
{
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++) {
        const struct lkmfs_module *m = lkmfs_modules_at(modules, i);
        struct lkmfs_error err = {0};
        FUZZ_CHECK(lkmfs_module_load(modules, m, &err));
        check_module(modules, m);
    }
}
