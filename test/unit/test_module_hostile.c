/* test_module_hostile.c - absurd values in every pointer, count and length that lkmfs follows. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "lkmfs/object.h"
#include "synth_open.h"
#include "synth_sample.h"

static const uint64_t absurd[] = {
    0,
    1,
    0x7fffffff,
    0xffffffff,
    0x80000000,
    0x0000800000000000, /* not canonical */
    0xdead000000000100,
    0xffff888000000000, /* the direct map's first byte: readable, and full of something else */
    0xffffffff8f000000, /* kernel text */
    0xffffffffc0000ff9, /* a word that crosses a page end */
    0xffffffffffffffff,
    0xfffffffffffffff8,
};
#define ABSURD_COUNT (sizeof(absurd) / sizeof(absurd[0]))

/* Loads everything of every module; returns how many modules there were. */
static size_t load_all(const struct synth_kernel *k)
{
    struct synth_opened opened = synth_open_modules(k);
    struct lkmfs_exports *exports;
    size_t count = lkmfs_modules_count(opened.modules);
    for (size_t i = 0; i < count; i++) {
        const struct lkmfs_module *m = lkmfs_modules_at(opened.modules, i);
        cr_assert(lkmfs_module_load(opened.modules, m, &opened.err), "%s", opened.err.message);
        cr_assert_not_null(m->name);
        cr_assert_neq(m->file[0], 0);
        cr_assert_leq(m->doubt_count, 64);
        for (size_t j = 0; j < m->symbol_count; j++)
            cr_assert_lt(strlen(m->symbols[j].name), 64U << 20);
        for (size_t j = 0; j < m->section_count; j++)
            cr_assert_lt(m->sections[j].region, (int)m->region_count);
    }
    cr_assert(lkmfs_exports_open(opened.modules, opened.log, &exports, &opened.err), "%s", opened.err.message);
    for (size_t i = 0; i < lkmfs_exports_count(exports); i++)
        cr_assert_neq(lkmfs_exports_at(exports, i)->name[0], 0);
    lkmfs_exports_close(exports);
    synth_close(&opened);
    return count;
}

static const char *const fields[] = {
    "state",
    "list.next",
    "list.prev",
    "mkobj.mod",
    "mkobj.kobj.name",
    "version",
    "srcversion",
    "syms",
    "crcs",
    "num_syms",
    "kp",
    "num_kp",
    "num_gpl_syms",
    "gpl_syms",
    "gpl_crcs",
    "num_exentries",
    "extable",
    "init",
    "core_layout.base",
    "core_layout.size",
    "core_layout.text_size",
    "core_layout.ro_size",
    "core_layout.ro_after_init_size",
    "init_layout.base",
    "init_layout.size",
    "init_layout.text_size",
    "init_layout.ro_size",
    "flagstab",
    "arch.num_orcs",
    "arch.orc_unwind_ip",
    "taints",
    "num_bugs",
    "bug_table",
    "kallsyms",
    "core_kallsyms.symtab",
    "core_kallsyms.num_symtab",
    "core_kallsyms.strtab",
    "core_kallsyms.typetab",
    "sect_attrs",
    "notes_attrs",
    "args",
    "percpu",
    "percpu_size",
    "noinstr_text_start",
    "noinstr_text_size",
    "btf_data_size",
    "jump_entries",
    "num_jump_entries",
    "num_ftrace_callsites",
    "ftrace_callsites",
    "num_static_call_sites",
    "static_call_sites",
    "source_list.next",
    "source_list.prev",
    "target_list.next",
    "exit",
    "refcnt.counter",
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

ParameterizedTestParameters(module_hostile, every_field)
{
    static int releases[] = {SYNTH_4_18, SYNTH_6_1, SYNTH_6_12, SYNTH_6_14, SYNTH_7_2};
    return cr_make_param_array(int, releases, sizeof(releases) / sizeof(releases[0]));
}

ParameterizedTest(const int *release, module_hostile, every_field)
{
    struct synth_sample s;
    synth_sample_init(&s,
                      &(struct synth_kernel_options){.release = (enum synth_release) * release, .text_phys = 0x200000});
    const struct synth_module *alpha = s.modules[SYNTH_ALPHA];
    size_t tried = 0;
    for (size_t f = 0; f < FIELD_COUNT; f++) {
        if (!synth_has(&s.kernel->types, "module", fields[f]))
            continue;
        uint64_t old = synth_module_get(alpha, fields[f]);
        /* a third of the values for each field and release, another third for the next */
        for (size_t i = (f + (size_t)*release) % 3; i < ABSURD_COUNT; i += 3, tried++) {
            synth_module_set(alpha, fields[f], absurd[i]);
            /* alpha itself may be lost with list and self pointer, the others never */
            cr_assert_geq(load_all(s.kernel), SYNTH_SAMPLES - 1, "%s", fields[f]);
        }
        synth_module_set(alpha, fields[f], old);
    }
    cr_assert_gt(tried, 150);
    cr_assert_eq(load_all(s.kernel), SYNTH_SAMPLES);
    synth_sample_free(&s);
}

/* The same for each of the seven kinds of memory. */
Test(module_hostile, every_kind_of_memory)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_13, .text_phys = 0x200000});
    const struct synth_types *t = &s.kernel->types;
    static const char *const parts[] = {"base", "size", "mtn.mod"};
    for (unsigned kind = 0; kind < 7; kind++) {
        uint64_t mem = s.modules[SYNTH_ALPHA]->address + synth_offset(t, "module", "mem") +
                       kind * synth_sizeof(t, "module_memory");
        for (size_t p = 0; p < 3; p++) {
            uint64_t old = synth_get_field(s.kernel, "module_memory", mem, parts[p]);
            for (size_t i = p; i < ABSURD_COUNT; i += 3) {
                synth_set_field(s.kernel, "module_memory", mem, parts[p], absurd[i]);
                cr_assert_geq(load_all(s.kernel), SYNTH_SAMPLES);
            }
            synth_set_field(s.kernel, "module_memory", mem, parts[p], old);
        }
    }
    synth_sample_free(&s);
}

/* Every word of the attribute tables, of parameters and of uses. */
Test(module_hostile, every_word_of_what_hangs_on_a_module)
{
    static const enum synth_release releases[] = {SYNTH_6_1, SYNTH_7_2};
    for (size_t r = 0; r < 2; r++) {
        struct synth_sample s;
        synth_sample_init(&s, &(struct synth_kernel_options){.release = releases[r], .text_phys = 0x200000});
        const struct synth_module *alpha = s.modules[SYNTH_ALPHA];
        const uint64_t starts[] = {alpha->sect_attrs,
                                   alpha->notes_attrs,
                                   synth_module_get(alpha, "kp"),
                                   synth_module_get(alpha, "target_list.next") - 16,
                                   synth_module_get(s.modules[SYNTH_BETA], "syms"),
                                   synth_module_get(alpha, "core_kallsyms.symtab") + 24};
        for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
            for (uint64_t at = starts[i]; at < starts[i] + 160; at += 8) {
                uint64_t old = synth_get(s.kernel, at, 8);
                synth_set(s.kernel, at, absurd[(7 * i + at / 8) % ABSURD_COUNT], 8);
                cr_assert_geq(load_all(s.kernel), SYNTH_SAMPLES);
                synth_set(s.kernel, at, old, 8);
            }
        synth_sample_free(&s);
    }
}

/* A region that claims all memory, so that lengths taken from it are huge. */
Test(module_hostile, region_of_all_memory)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    const struct synth_module *alpha = s.modules[SYNTH_ALPHA];
    uint64_t mem = alpha->address + synth_offset(&s.kernel->types, "module", "mem") +
                   synth_sizeof(&s.kernel->types, "module_memory"); /* MOD_DATA */
    synth_set_field(s.kernel, "module_memory", mem, "size", 0x1fffffff);
    synth_module_set(alpha, "core_kallsyms.typetab", 0); /* names run to the region's end */
    cr_assert_eq(load_all(s.kernel), SYNTH_SAMPLES);
    synth_sample_free(&s);
}

static void expect_doubt(const struct synth_sample *s, const char *text)
{
    struct synth_opened opened = synth_open_modules(s->kernel);
    const struct lkmfs_module *m = synth_load_module(&opened, s->modules[SYNTH_ALPHA]->address);
    bool found = false;
    for (size_t i = 0; i < m->doubt_count; i++)
        found |= strstr(m->doubts[i], text) != NULL;
    cr_assert(found, "no doubt '%s'", text);
    synth_close(&opened);
}

/* What is left out or corrected is said. */
Test(module_hostile, losses_are_doubts)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    const struct synth_module *alpha = s.modules[SYNTH_ALPHA];
    static const struct {
        const char *field;
        uint64_t value;
        const char *doubt;
    } losses[] = {
        {"num_kp", 0x40000000, "parameters are absurd"}, {"kp", 0x1000, "no readable name"},
        {"core_kallsyms.num_symtab", 5, "symbol count"}, {"core_kallsyms.symtab", 0x1000, "missing"},
        {"sect_attrs", 0, "no section table"},           {"sect_attrs", 0x1000, "no section table"},
        {"target_list.next", 0x1000, "breaks off"},
    };
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++) {
        uint64_t old = synth_module_get(alpha, losses[i].field);
        synth_module_set(alpha, losses[i].field, losses[i].value);
        expect_doubt(&s, losses[i].doubt);
        synth_module_set(alpha, losses[i].field, old);
    }
    uint64_t mem = alpha->address + synth_offset(&s.kernel->types, "module", "mem");
    synth_set_field(s.kernel, "module_memory", mem, "size", 0xf0000000);
    expect_doubt(&s, "absurd");
    synth_sample_free(&s);
}

/* A use that leads to itself, one that names its own module, and a ring that misses the head. */
Test(module_hostile, looped_uses)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    uint64_t first = synth_module_get(s.modules[SYNTH_BETA], "source_list.next");
    uint64_t second = synth_get(s.kernel, first, 8);
    for (unsigned i = 0; i < 2; i++) {
        synth_set(s.kernel, second, i ? first : second, 8);
        struct synth_opened opened = synth_open_modules(s.kernel);
        const struct lkmfs_module *beta = lkmfs_modules_find(opened.modules, "beta");
        cr_assert_leq(beta->user_count, SYNTH_SAMPLES);
        cr_assert_geq(beta->doubt_count, 1);
        synth_close(&opened);
    }
    synth_sample_free(&s);
}

/* Made-up symbol tables of 256 MiB are left out and said; the others get theirs. */
Test(module_hostile, giants_take_nothing_from_others)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    uint64_t memory = s.kernel->direct;
    for (unsigned i = SYNTH_BETA; i < SYNTH_SAMPLES; i++) {
        synth_module_set(s.modules[i], "core_kallsyms.symtab", memory);
        synth_module_set(s.modules[i], "core_kallsyms.strtab", memory + UINT64_C(24) * 0x80000);
        synth_module_set(s.modules[i], "core_kallsyms.typetab", memory + 0x20000000);
        synth_module_set(s.modules[i], "btf_data_size", 0xffffffff);
    }
    struct synth_opened opened = synth_open_modules(s.kernel);
    cr_assert_gt(synth_load_module(&opened, s.modules[SYNTH_ALPHA]->address)->symbol_count, 10);
    cr_assert_not_null(synth_load_module(&opened, s.modules[SYNTH_ALPHA]->address)->btf);
    for (unsigned i = SYNTH_BETA; i < SYNTH_SAMPLES; i++) {
        const struct lkmfs_module *m = synth_load_module(&opened, s.modules[i]->address);
        cr_assert_eq(m->symbol_count, 0);
        cr_assert_geq(m->doubt_count, 2);
        cr_assert_not_null(strstr(m->doubts[0], "left out"), "%s", m->doubts[0]);
    }
    synth_close(&opened);
    synth_sample_free(&s);
}

static uint64_t memory_of(const struct synth_module *m, unsigned kind)
{
    const struct synth_types *t = &m->kernel->types;
    return m->address + synth_offset(t, "module", "mem") + kind * synth_sizeof(t, "module_memory");
}

/* A size that is far too large is cut to what is mapped, and does not take the true region with it. */
Test(module_hostile, huge_regions_are_cut)
{
    static const uint32_t sizes[] = {0x01000000, 0x10000000, 0x20000001, 0x80002000, 0xffffffff};
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    const struct synth_module *last = s.modules[SYNTH_GAMMA]; /* nothing is mapped behind its data */
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        synth_set_field(s.kernel, "module_memory", memory_of(last, 1), "size", sizes[i]);
        struct synth_opened opened = synth_open_modules(s.kernel);
        const struct lkmfs_module *m = synth_find_module(&opened, last->address);
        cr_assert_eq(m->region_count, SYNTH_REGIONS);
        for (size_t r = 0; r < m->region_count; r++)
            cr_assert_eq(m->regions[r].size, SYNTH_REGION_SIZE);
        cr_assert_eq(m->size, SYNTH_REGIONS * SYNTH_REGION_SIZE);
        cr_assert_geq(m->doubt_count, 1);
        synth_close(&opened);
    }
    synth_sample_free(&s);
}

/* Page tables that map without end: a module has 128 MiB at most, whatever it claims. */
Test(module_hostile, regions_have_a_limit)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    uint64_t endless = UINT64_C(0xffffffffd0000000);
    synth_map_range(&s.kernel->tables, endless, 0, 64 * SYNTH_2M, SYNTH_2M, 0);
    synth_map_range(&s.kernel->tables, endless + 64 * SYNTH_2M, 0, 64 * SYNTH_2M, SYNTH_2M, 0);
    const struct {
        uint64_t base, size;
        size_t count;
    } cases[] = {
        {endless, 128 << 20, 1},
        {s.kernel->direct, 8 << 20, 7}, /* no place for a module; 8 MiB of it are looked at all the same */
    };
    for (size_t c = 0; c < 2; c++) {
        for (unsigned kind = 0; kind < 7; kind++) {
            uint64_t memory = memory_of(s.modules[SYNTH_ALPHA], kind);
            synth_set_field(s.kernel, "module_memory", memory, "base", cases[c].base);
            synth_set_field(s.kernel, "module_memory", memory, "size", 0x1fffffff);
        }
        struct synth_opened opened = synth_open_modules(s.kernel);
        const struct lkmfs_module *m = synth_find_module(&opened, s.modules[SYNTH_ALPHA]->address);
        cr_assert_eq(m->region_count, cases[c].count);
        for (size_t r = 0; r < m->region_count; r++)
            cr_assert_eq(m->regions[r].size, cases[c].size);
        synth_close(&opened);
    }
    synth_sample_free(&s);
}

static void build_all(const struct synth_kernel *k)
{
    struct synth_opened opened = synth_open_modules(k);
    struct lkmfs_builder *builder;
    cr_assert(lkmfs_builder_new(opened.modules, NULL, &builder, &opened.err), "%s", opened.err.message);
    for (size_t i = 0; i < lkmfs_modules_count(opened.modules); i++)
        for (int kind = LKMFS_OBJECT_RELOCATABLE; kind <= LKMFS_OBJECT_LOADED; kind++) {
            struct lkmfs_object *object;
            const struct lkmfs_module *m = lkmfs_modules_at(opened.modules, i);
            if (!lkmfs_object_build(builder, m, (enum lkmfs_object_kind)kind, &object, &opened.err))
                cr_assert_eq(opened.err.code, LKMFS_ERROR_DAMAGED, "%s", opened.err.message);
            else
                lkmfs_object_free(object);
        }
    lkmfs_builder_free(builder);
    synth_close(&opened);
}

/* Found by fuzz_object and fuzz_kernel: the null symbol claims a section that no other symbol comes near. */
Test(module_hostile, null_symbol_with_a_section)
{
    struct synth_sample s;
    synth_sample_init(&s, &(struct synth_kernel_options){.release = SYNTH_6_12});
    for (uint16_t shndx = 1; shndx < 0xff00; shndx = (uint16_t)(shndx * 3 + 1)) {
        for (size_t i = 0; i < SYNTH_SAMPLES; i++)
            synth_set(s.kernel, synth_module_get(s.modules[i], "core_kallsyms.symtab") + 6, shndx, 2);
        build_all(s.kernel);
        if (shndx > 0x5000)
            break;
    }
    synth_sample_free(&s);
}
