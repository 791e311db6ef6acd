/* test_module.c - what is read of a module, on every release whose layouts differ. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <elf.h>
#include <string.h>

#include "synth_open.h"
#include "synth_sample.h"

static int releases[] = {SYNTH_4_18, SYNTH_5_10, SYNTH_6_1, SYNTH_6_12, SYNTH_6_13, SYNTH_6_14, SYNTH_7_2};
#define RELEASES cr_make_param_array(int, releases, sizeof(releases) / sizeof(releases[0]))

struct fixture {
    struct synth_sample sample;
    struct synth_opened opened;
};

static void begin(struct fixture *f, int release)
{
    synth_sample_init(&f->sample, &(struct synth_kernel_options){.release = (enum synth_release)release});
    f->opened = synth_open_modules(f->sample.kernel);
}

static void end(struct fixture *f)
{
    synth_close(&f->opened);
    synth_sample_free(&f->sample);
}

static const struct lkmfs_module *load(const struct fixture *f, unsigned which)
{
    return synth_load_module(&f->opened, f->sample.modules[which]->address);
}

ParameterizedTestParameters(module, facts)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, facts)
{
    struct fixture f;
    begin(&f, *release);
    cr_assert_eq(lkmfs_modules_count(f.opened.modules), SYNTH_SAMPLES);
    const struct lkmfs_module *m = synth_find_module(&f.opened, f.sample.modules[SYNTH_ALPHA]->address);

    cr_assert_str_eq(m->name, "alpha");
    cr_assert_str_eq(m->file, "alpha");
    cr_assert_eq(m->traces, LKMFS_TRACE_LIST | LKMFS_TRACE_SCAN | LKMFS_TRACE_LATCH);
    cr_assert_eq(m->state, LKMFS_MODULE_LIVE);
    cr_assert_eq(m->taints, UINT64_C(1) << 12);
    cr_assert_eq(m->refcount, 0);
    cr_assert_str_eq(m->version, "1.2.3");
    cr_assert_str_eq(m->srcversion, "ABCDEF0123456789");
    cr_assert_str_eq(m->args, "debug=-5 name=\"a value\"");
    cr_assert_eq(m->base, f.sample.modules[SYNTH_ALPHA]->region[SYNTH_TEXT]);
    cr_assert_eq(m->size, 4 * SYNTH_REGION_SIZE);
    cr_assert_eq(m->bytes_size, synth_sizeof(&f.sample.kernel->types, "module"));
    cr_assert_eq(memcmp(m->bytes, synth_at(f.sample.kernel, m->address), m->bytes_size), 0);
    cr_assert_eq(m->init, UINT64_C(0xffffffffc0f00000));
    cr_assert_eq(m->percpu, 0x28000);
    cr_assert_eq(m->percpu_size, 64);
    cr_assert_eq(lkmfs_modules_find(f.opened.modules, "alpha"), m);
    cr_assert_null(lkmfs_modules_find(f.opened.modules, "alph"));
    cr_assert_eq(lkmfs_modules_around(f.opened.modules, m->base + 5), m);
    cr_assert_null(lkmfs_modules_around(f.opened.modules, 0x1000));
    cr_assert_eq(
        strncmp(lkmfs_modules_vermagic(f.opened.modules), synth_release_name((enum synth_release) * release), 4), 0);
    end(&f);
}

ParameterizedTestParameters(module, regions)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, regions)
{
    static const enum lkmfs_region_kind kinds[SYNTH_REGIONS] = {LKMFS_REGION_TEXT, LKMFS_REGION_RODATA,
                                                                LKMFS_REGION_RO_AFTER_INIT, LKMFS_REGION_DATA};
    struct fixture f;
    begin(&f, *release);
    for (unsigned i = 0; i < SYNTH_SAMPLES; i++) {
        const struct lkmfs_module *m = synth_find_module(&f.opened, f.sample.modules[i]->address);
        cr_assert_eq(m->region_count, SYNTH_REGIONS);
        for (unsigned r = 0; r < SYNTH_REGIONS; r++) {
            bool found = false;
            for (size_t j = 0; j < m->region_count; j++)
                found |= m->regions[j].kind == kinds[r] && m->regions[j].address == f.sample.modules[i]->region[r] &&
                         m->regions[j].size == SYNTH_REGION_SIZE;
            cr_assert(found, "region %u of %s", r, m->name);
        }
    }
    end(&f);
}

ParameterizedTestParameters(module, sections_and_notes)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, sections_and_notes)
{
    struct fixture f;
    begin(&f, *release);
    const struct synth_module *in = f.sample.modules[SYNTH_ALPHA];
    const struct lkmfs_module *m = load(&f, SYNTH_ALPHA);
    cr_assert_eq(m->section_count, in->section_count);
    for (size_t i = 0; i < in->section_count; i++) {
        cr_assert_str_eq(m->sections[i].name, in->sections[i].name);
        cr_assert_eq(m->sections[i].address, in->sections[i].address);
        bool stale = in->sections[i].address >= UINT64_C(0xffffffffc0f00000);
        cr_assert_eq(m->sections[i].region < 0, stale, "%s", m->sections[i].name);
    }
    cr_assert_eq(m->note_count, in->note_count);
    for (size_t i = 0; i < in->note_count; i++) {
        cr_assert_str_eq(m->notes[i].name, in->notes[i].name);
        cr_assert_eq(m->notes[i].address, in->notes[i].address);
        cr_assert_eq(m->notes[i].size, in->notes[i].size);
    }
    cr_assert_str_eq(m->build_id, "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3");
    cr_assert_eq(m->doubt_count, 0, "%s", m->doubts ? m->doubts[0] : "");

    m = load(&f, SYNTH_GAMMA); /* without notes there is no table of them */
    cr_assert_eq(m->section_count, f.sample.modules[SYNTH_GAMMA]->section_count);
    cr_assert_eq(m->note_count, 0);
    cr_assert_null(m->build_id);
    end(&f);
}

ParameterizedTestParameters(module, sections_of_one_name)
{
    return RELEASES;
}

/* `ld -r` leaves two where flags differ, and sysfs refuses the second; the kernel's own table has both. */
ParameterizedTest(const int *release, module, sections_of_one_name)
{
    struct synth_sample sample;
    synth_sample_init(&sample, &(struct synth_kernel_options){.release = (enum synth_release) * release});
    struct synth_module *alpha = sample.modules[SYNTH_ALPHA];
    const size_t before = alpha->section_count;
    const uint64_t twins[] = {synth_module_section(alpha, ".data.twin", SYNTH_DATA, 16, 8),
                              synth_module_section(alpha, ".data.twin", SYNTH_DATA, 16, 8)};
    synth_module_put_sections(alpha);
    struct synth_opened opened = synth_open_modules(sample.kernel);
    const struct lkmfs_module *m = synth_load_module(&opened, alpha->address);
    cr_assert_eq(m->section_count, before + 2);
    for (size_t i = 0; i < 2; i++) {
        cr_expect_str_eq(m->sections[before + i].name, ".data.twin");
        cr_expect_eq(m->sections[before + i].address, twins[i], "each has its own place");
        cr_expect_eq(m->sections[before + i].region, m->sections[before].region);
    }
    cr_expect_eq(m->doubt_count, 0);
    synth_close(&opened);
    synth_sample_free(&sample);
}

ParameterizedTestParameters(module, symbols)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, symbols)
{
    struct fixture f;
    begin(&f, *release);
    const struct synth_module *in = f.sample.modules[SYNTH_ALPHA];
    const struct lkmfs_module *m = load(&f, SYNTH_ALPHA);
    cr_assert_eq(m->symbol_count, in->symbol_count);
    cr_assert_str_eq(m->symbols[0].name, "");
    cr_assert_str_eq(m->symbols[1].name, "alpha_open");
    cr_assert_eq(m->symbols[1].value, in->sections[0].address);
    cr_assert_eq(m->symbols[1].size, 0x2c);
    cr_assert_eq(m->symbols[1].shndx, 1);
    cr_assert_eq(m->symbols[1].letter, 't');
    cr_assert_eq(ELF64_ST_TYPE(m->symbols[1].info), STT_FUNC);
    cr_assert_eq(ELF64_ST_BIND(m->symbols[1].info), STB_LOCAL);
    const struct lkmfs_module_symbol *last = &m->symbols[m->symbol_count - 1];
    cr_assert_str_eq(last->name, "cleanup_module");
    cr_assert_eq(last->shndx, synth_module_shndx(in, ".exit.text"));
    if (*release != SYNTH_4_18) /* there the letter took the place of the binding */
        cr_assert_eq(ELF64_ST_BIND(last->info), STB_GLOBAL);
    cr_assert_eq(m->symtab_address, synth_module_get(in, "core_kallsyms.symtab"));
    cr_assert_eq(m->strtab_address, synth_module_get(in, "core_kallsyms.strtab"));
    end(&f);
}

static const struct lkmfs_table_entry *find_table(const struct lkmfs_module *m, const char *section)
{
    for (size_t i = 0; i < m->table_count; i++)
        if (strcmp(m->tables[i].section, section) == 0)
            return &m->tables[i];
    synth_die("no table %s", section);
}

ParameterizedTestParameters(module, tables)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, tables)
{
    static const struct {
        const char *name;
        uint64_t count, entry;
    } tables[] = {
        {"__param", 5, 40},    {"__bug_table", 2, 12},       {"__jump_table", 3, 16}, {"__mcount_loc", 4, 8},
        {"__ex_table", 1, 12}, {".static_call_sites", 2, 8}, {".orc_unwind", 4, 6},   {".orc_unwind_ip", 4, 4},
    };
    struct fixture f;
    begin(&f, *release);
    const struct synth_module *in = f.sample.modules[SYNTH_ALPHA];
    const struct lkmfs_module *m = load(&f, SYNTH_ALPHA);
    cr_assert_eq(m->table_count, sizeof(tables) / sizeof(tables[0]));
    for (size_t i = 0; i < m->table_count; i++) {
        const struct lkmfs_table_entry *table = find_table(m, tables[i].name);
        cr_assert_eq(table->count, tables[i].count, "%s", tables[i].name);
        cr_assert_eq(table->entry, tables[i].entry, "%s", tables[i].name);
        size_t section = synth_module_shndx(in, tables[i].name) / 2;
        cr_assert_eq(table->address, in->sections[section].address, "%s", tables[i].name);
    }
    m = load(&f, SYNTH_GAMMA);
    cr_assert_eq(m->table_count, 0);
    end(&f);
}

ParameterizedTestParameters(module, usage)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, usage)
{
    struct fixture f;
    begin(&f, *release);
    const struct lkmfs_module *alpha = lkmfs_modules_find(f.opened.modules, "alpha");
    const struct lkmfs_module *beta = lkmfs_modules_find(f.opened.modules, "beta");
    const struct lkmfs_module *gamma = lkmfs_modules_find(f.opened.modules, "gamma");
    cr_assert_eq(beta->refcount, 2);
    cr_assert_eq(beta->user_count, 2);
    cr_assert_eq(lkmfs_modules_at(f.opened.modules, beta->users[0]), alpha);
    cr_assert_eq(lkmfs_modules_at(f.opened.modules, beta->users[1]), gamma);
    cr_assert_eq(beta->use_count, 0);
    cr_assert_eq(alpha->use_count, 1);
    cr_assert_eq(lkmfs_modules_at(f.opened.modules, alpha->uses[0]), beta);
    cr_assert_eq(alpha->user_count, 0);
    end(&f);
}

ParameterizedTestParameters(module, own_btf)
{
    return RELEASES;
}

ParameterizedTest(const int *release, module, own_btf)
{
    struct fixture f;
    begin(&f, *release);
    const struct lkmfs_module *m = load(&f, SYNTH_ALPHA);
    if (*release == SYNTH_4_18) {
        cr_assert_eq(m->btf_size, 0);
        cr_assert_null(m->btf);
    } else {
        cr_assert_eq(m->btf_size, 16);
        cr_assert_eq(memcmp(m->btf, "\x9f\xeb\1\0alpha's own", 16), 0);
    }
    cr_assert_null(load(&f, SYNTH_BETA)->btf);
    end(&f);
}

/* While a module is COMING its init memory is there, and names of init sections lie in it. */
Test(module, coming)
{
    struct fixture f;
    synth_sample_init(&f.sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_module *in = f.sample.modules[SYNTH_GAMMA];
    struct synth_kernel *k = f.sample.kernel;
    uint64_t init = synth_module_pages(k, SYNTH_PAGE, 0);
    uint64_t mem = in->address + synth_offset(&k->types, "module", "mem") +
                   4 * synth_sizeof(&k->types, "module_memory"); /* MOD_INIT_TEXT */
    synth_set_field(k, "module_memory", mem, "base", init);
    synth_set_field(k, "module_memory", mem, "size", SYNTH_PAGE);
    synth_module_set(in, "state", LKMFS_MODULE_COMING);
    synth_module_stale_section(in, ".init.text", init + 0x10);
    synth_module_put_sections(in);
    f.opened = synth_open_modules(k);
    const struct lkmfs_module *m = load(&f, SYNTH_GAMMA);

    cr_assert_eq(m->state, LKMFS_MODULE_COMING);
    cr_assert_eq(m->region_count, SYNTH_REGIONS + 1);
    cr_assert_eq(m->size, 4 * SYNTH_REGION_SIZE); /* /proc/modules counts no init memory */
    const struct lkmfs_section_entry *section = &m->sections[m->section_count - 1];
    cr_assert_str_eq(section->name, ".init.text");
    cr_assert_geq(section->region, 0);
    cr_assert_eq(m->regions[section->region].kind, LKMFS_REGION_INIT_TEXT);
    end(&f);
}

/* A stale address of a freed init section may lie in what is the module's now. */
Test(module, stale_init_address_inside_a_live_region)
{
    struct fixture f;
    synth_sample_init(&f.sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    struct synth_module *in = f.sample.modules[SYNTH_GAMMA];
    synth_module_stale_section(in, ".init.data", in->region[SYNTH_DATA] + 0x100);
    synth_module_stale_section(in, ".symtab", in->region[SYNTH_DATA] + 0x200);
    synth_module_put_sections(in);
    f.opened = synth_open_modules(f.sample.kernel);
    const struct lkmfs_module *m = load(&f, SYNTH_GAMMA);
    for (size_t i = m->section_count - 2; i < m->section_count; i++)
        cr_assert_eq(m->sections[i].region, -1, "%s", m->sections[i].name);
    end(&f);
}

Test(module, going_and_unformed_are_shown)
{
    struct fixture f;
    synth_sample_init(&f.sample, &(struct synth_kernel_options){.release = SYNTH_6_1});
    synth_module_set(f.sample.modules[SYNTH_ALPHA], "state", LKMFS_MODULE_GOING);
    synth_module_set(f.sample.modules[SYNTH_ALPHA], "refcnt.counter", 0);
    synth_module_set(f.sample.modules[SYNTH_BETA], "state", LKMFS_MODULE_UNFORMED);
    synth_module_set(f.sample.modules[SYNTH_GAMMA], "state", 0x12345678);
    f.opened = synth_open_modules(f.sample.kernel);
    cr_assert_eq(lkmfs_modules_count(f.opened.modules), 3);
    cr_assert_eq(lkmfs_modules_find(f.opened.modules, "alpha")->state, LKMFS_MODULE_GOING);
    cr_assert_eq(lkmfs_modules_find(f.opened.modules, "alpha")->refcount, 0);
    cr_assert_eq(lkmfs_modules_find(f.opened.modules, "beta")->state, LKMFS_MODULE_UNFORMED);
    cr_assert_eq(lkmfs_modules_find(f.opened.modules, "gamma")->state, 0x12345678);
    end(&f);
}

Test(module, no_modules_is_no_error)
{
    struct synth_kernel *k = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12});
    synth_kernel_finish(k);
    struct synth_opened opened = synth_open_modules(k);
    cr_assert_eq(lkmfs_modules_count(opened.modules), 0);
    cr_assert_null(lkmfs_modules_find(opened.modules, "x"));
    cr_assert_eq(lkmfs_modules_kernel(opened.modules), opened.kernel);
    synth_close(&opened);
    synth_kernel_free(k);
    lkmfs_modules_close(NULL);
}

/* Types that lack what lkmfs can't do without: a clear error, no half-read modules. */
Test(module, types_without_a_field_it_needs)
{
    struct synth_kernel *k = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12});
    synth_types_free(&k->types);
    synth_types_init(&k->types);
    synth_struct_begin(&k->types, "module", false);
    synth_field(&k->types, "state", "u32", 0);
    synth_struct_end(&k->types, 0);
    synth_kernel_finish(k);
    struct synth_opened opened = synth_open_kernel(k, NULL);
    struct lkmfs_modules *modules = NULL;
    cr_assert_not_null(opened.kernel, "%s", opened.err.message);
    cr_assert_not(lkmfs_modules_open(opened.kernel, opened.log, &modules, &opened.err));
    cr_assert_null(modules);
    cr_assert_eq(opened.err.code, LKMFS_ERROR_NOT_FOUND);
    cr_assert_not_null(strstr(opened.err.message, "list.next"), "%s", opened.err.message);
    synth_close(&opened);
    synth_kernel_free(k);
}

/* The list of modules' BTF: a loop, an entry that is gone, a copy that is gone. */
Test(module, own_btf_damaged, .timeout = 20)
{
    struct fixture f;
    synth_sample_init(&f.sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    const struct synth_kernel *k = f.sample.kernel;
    struct synth_module *alpha = f.sample.modules[SYNTH_ALPHA];
    uint64_t entry = synth_get(k, k->at.btf_modules, 8);
    uint64_t btf = synth_get_field(k, "btf_module", entry, "btf");
    const uint64_t damage[][2] = {
        /* place, value */
        {entry + synth_offset(&k->types, "btf_module", "module"), 0x1234},
        {entry + synth_offset(&k->types, "btf_module", "btf"), 0},
        {entry + synth_offset(&k->types, "btf_module", "btf"), 0xdead000000000000},
        {btf, 0},
        {btf, 0xdead000000000000},
        {k->at.btf_modules, 0xdead000000000000},
        {k->at.btf_modules, 0},
    };
    synth_set(k, entry, entry, 8); /* leads to itself from now on */
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        uint64_t old = synth_get(k, damage[i][0], 8);
        synth_set(k, damage[i][0], damage[i][1], 8);
        f.opened = synth_open_modules(k);
        cr_assert_null(synth_load_module(&f.opened, alpha->address)->btf, "damage %zu", i);
        synth_close(&f.opened);
        synth_set(k, damage[i][0], old, 8);
    }
    f.opened = synth_open_modules(k);
    cr_assert_not_null(synth_load_module(&f.opened, alpha->address)->btf);
    end(&f);
}

/* Letters of old kernels' symbols, from which type and binding have to be told. */
Test(module, symbols_of_letters_only)
{
    static const struct {
        char letter;
        unsigned char type, bind;
    } letters[] = {
        {'t', STT_FUNC, STB_LOCAL},   {'T', STT_FUNC, STB_GLOBAL},  {'w', STT_NOTYPE, STB_WEAK},
        {'v', STT_OBJECT, STB_WEAK},  {'d', STT_OBJECT, STB_LOCAL}, {'r', STT_OBJECT, STB_LOCAL},
        {'b', STT_OBJECT, STB_LOCAL}, {'a', STT_NOTYPE, STB_LOCAL},
    };
    struct synth_kernel *k = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_4_18});
    struct synth_module *in = synth_module_new(k, "old");
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        synth_module_symbol(in, "name", ".text", i, 1, 0, letters[i].letter);
    synth_module_finish(in);
    synth_kernel_finish(k);
    struct synth_opened opened = synth_open_modules(k);
    const struct lkmfs_module *m = synth_load_module(&opened, in->address);
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        cr_assert_eq(m->symbols[i + 1].letter, letters[i].letter);
        cr_assert_eq(ELF64_ST_TYPE(m->symbols[i + 1].info), letters[i].type, "%c", letters[i].letter);
        cr_assert_eq(ELF64_ST_BIND(m->symbols[i + 1].info), letters[i].bind, "%c", letters[i].letter);
    }
    synth_close(&opened);
    synth_module_free(in);
    synth_kernel_free(k);
}
