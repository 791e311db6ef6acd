/* What the rules know of a kernel, out of its own image. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "lkmfs/object.h"
#include "object/patches.h"
#include "object/x86_64/context.h"
#include "synth_open.h"
#include "synth_sample.h"

#define FUNCTIONS   12
#define DISTANCE    UINT64_C(0x100)
#define PV_SLOTS    4
#define PERCPU_END  0x2e000
#define PERCPU_NAME 0x1e000

enum padding { PADDING_NONE, PADDING_ABSOLUTE, PADDING_RELATIVE };

/* How a module's __patchable_function_entries are listed. */
enum listing { LISTING_NONE, LISTING_BY_SECTION, LISTING_BY_OBJECT };

/* A kernel with what a test wants it to have. */
struct wanted {
    enum padding padding;
    uint8_t jump_site; /* first byte of what its jump label lies at; 0: no table */
    bool short_jump;   /* its module has a jump label of two bytes */
    enum listing listing;
    bool is_joined;    /* its module has a global function that it does not export */
    bool percpu_end;   /* named by kallsyms */
    unsigned pv_slots; /* that its types have; 0: as many as it has */
};

struct fixture {
    struct synth_kernel *kernel;
    struct synth_module *module;
    struct synth_opened opened;
    struct lkmfs_exports *exports;
    struct machine_context *context;
    uint64_t text; /* of the first function */
    char names[FUNCTIONS][16];
};

static void put_functions(struct fixture *f, enum padding padding)
{
    static const uint8_t forms[][10] = {[PADDING_ABSOLUTE] = {0x65, 0x48, 0xc1, 0x3c, 0x25, 1, 2, 3, 4, 0x05},
                                        [PADDING_RELATIVE] = {0x65, 0x48, 0xc1, 0x3d, 1, 2, 3, 4, 0x05}};
    for (unsigned i = 0; i < FUNCTIONS && padding != PADDING_NONE; i++) {
        size_t size = padding == PADDING_ABSOLUTE ? 10 : 9;
        memcpy(synth_at(f->kernel, f->text + i * DISTANCE - size), forms[padding], size);
    }
}

/* Paravirt operations; a pair of names of one variable, one of functions; a variable of each CPU. */
static void put_exports(struct fixture *f, uint64_t pv_ops)
{
    struct synth_export items[FUNCTIONS + 6];
    uint64_t hot = synth_data(f->kernel, 8);
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        (void)snprintf(f->names[i], sizeof(f->names[i]), "function_%02u", i);
        items[i] = (struct synth_export){f->names[i], NULL, f->text + i * DISTANCE, 0, false};
    }
    items[FUNCTIONS] = (struct synth_export){"pv_ops", NULL, pv_ops, 0, true};
    items[FUNCTIONS + 1] = (struct synth_export){"pcpu_hot", NULL, hot, 0, false};
    items[FUNCTIONS + 2] = (struct synth_export){"const_pcpu_hot", NULL, hot, 0, false};
    items[FUNCTIONS + 3] = (struct synth_export){"__function", NULL, f->text, 0, false};
    items[FUNCTIONS + 4] = (struct synth_export){"function", NULL, f->text, 0, false};
    items[FUNCTIONS + 5] = (struct synth_export){"cpu_number", NULL, PERCPU_NAME, 0, false};
    synth_kernel_export(f->kernel, items, sizeof(items) / sizeof(*items));
}

static void put_jump_table(struct fixture *f, uint8_t first_byte)
{
    uint64_t table = synth_rodata(f->kernel, 16), site = f->text + 8;
    synth_set(f->kernel, site, 0x9090909090, 5);
    synth_set(f->kernel, site, first_byte, 1);
    synth_set(f->kernel, table, site - table, 4);
    synth_symbol_add(f->kernel, "__start___jump_table", table, 'R');
    synth_symbol_add(f->kernel, "__stop___jump_table", table + 16, 'R');
}

/* Two functions of .text, and two that are not. */
static void put_listing(struct fixture *f, enum listing listing)
{
    uint64_t table = synth_module_section(f->module, "__patchable_function_entries", SYNTH_DATA, 32, 8);
    uint64_t text = f->module->region[SYNTH_TEXT];
    const uint64_t entries[][4] = {[LISTING_BY_SECTION] = {text, text + 2, f->text, f->text + 16},
                                   [LISTING_BY_OBJECT] = {f->text, text, f->text + 16, text + 2}};
    for (size_t i = 0; i < 4; i++)
        synth_set(f->kernel, table + i * 8, entries[listing][i], 8);
}

static void begin(struct fixture *f, const struct wanted *wanted)
{
    struct lkmfs_error err;
    *f = (struct fixture){.kernel = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12})};
    f->text = f->kernel->text + 0x11000;
    synth_struct_begin(&f->kernel->types, "paravirt_patch_template", false);
    synth_field(&f->kernel->types, "words", "u64", wanted->pv_slots ? wanted->pv_slots : PV_SLOTS);
    synth_struct_end(&f->kernel->types, 0);
    uint64_t pv_ops = synth_data(f->kernel, PV_SLOTS * 8ULL);
    for (unsigned i = 0; i < PV_SLOTS; i++)
        synth_set(f->kernel, pv_ops + i * 8ULL, f->text + i * DISTANCE, 8);
    put_functions(f, wanted->padding);
    put_exports(f, pv_ops);
    if (wanted->jump_site)
        put_jump_table(f, wanted->jump_site);
    if (wanted->percpu_end)
        synth_symbol_add(f->kernel, "__per_cpu_end", PERCPU_END, 'A');
    synth_symbol_add(f->kernel, "printk", f->text, 'T');
    synth_symbol_add(f->kernel, "kmalloc", f->text + DISTANCE, 'T');
    f->module = synth_module_new(f->kernel, "alpha");
    synth_fill_module(f->module);
    if (wanted->short_jump)
        synth_set(f->kernel, f->module->region[SYNTH_TEXT] + 10, 0x9066, 2);
    if (wanted->listing != LISTING_NONE)
        put_listing(f, wanted->listing);
    synth_module_symbol(f->module, "inner", ".text", 0, 2,
                        (uint8_t)ELF64_ST_INFO(wanted->is_joined ? STB_GLOBAL : STB_LOCAL, STT_FUNC),
                        wanted->is_joined ? 'T' : 't');
    synth_module_finish(f->module);
    synth_kernel_finish(f->kernel);
    f->opened = synth_open_modules(f->kernel);
    (void)synth_load_module(&f->opened, f->module->address);
    cr_assert(lkmfs_exports_open(f->opened.modules, NULL, &f->exports, &err), "%s", err.message);
    f->context = machine_x86_64.context_new(f->opened.modules, f->exports, f->opened.log);
    cr_assert_not_null(f->context);
}

static void end(struct fixture *f)
{
    machine_x86_64.context_free(f->context);
    lkmfs_exports_close(f->exports);
    synth_close(&f->opened);
    synth_module_free(f->module);
    synth_kernel_free(f->kernel);
}

Test(x86_facts, paravirt_operations)
{
    struct fixture f;
    begin(&f, &(struct wanted){0});
    cr_assert_eq(f.context->pv.count, PV_SLOTS);
    for (unsigned i = 0; i < PV_SLOTS; i++)
        cr_expect_eq(f.context->pv.words[i], f.text + i * DISTANCE);
    cr_expect_str_eq(context_exact(f.context, f.context->pv.address), "pv_ops");
    end(&f);
}

Test(x86_facts, more_paravirt_operations_than_any_kernel_has)
{
    for (unsigned slots = 512; slots <= 513; slots++) {
        struct fixture f;
        begin(&f, &(struct wanted){.pv_slots = slots});
        cr_expect_eq(f.context->pv.count, slots == 512 ? 512 : 0);
        cr_expect_eq(f.context->pv.words != NULL, slots == 512);
        end(&f);
    }
}

Test(x86_facts, one_name_of_several)
{
    struct fixture f;
    begin(&f, &(struct wanted){0});
    cr_expect_str_eq(context_exact(f.context, f.text), "function", "shorter, and not hidden");
    size_t hot = context_name(f.context, lkmfs_exports_find(f.exports, "pcpu_hot")->address);
    cr_expect_str_eq(f.context->names[hot].name, "pcpu_hot", "for its members");
    cr_expect_str_eq(f.context->names[hot].direct, "const_pcpu_hot", "for itself");
    cr_expect_eq(f.context->name_count, lkmfs_exports_count(f.exports) - 3, "one an address");
    end(&f);
}

static unsigned padding_of(enum padding padding)
{
    struct fixture f;
    begin(&f, &(struct wanted){.padding = padding});
    unsigned size = f.context->padding.size;
    cr_expect_eq(synth_log_has(&f.opened, "call depth tracking in use"), size > 0);
    end(&f);
    return size;
}

Test(x86_facts, calls_are_counted_when_code_stands_before_functions)
{
    cr_expect_eq(padding_of(PADDING_NONE), 0);
    cr_expect_eq(padding_of(PADDING_ABSOLUTE), 10);
    cr_expect_eq(padding_of(PADDING_RELATIVE), 9);
}

static bool jump_nop_mark_of(uint8_t jump_site, bool short_jump)
{
    struct fixture f;
    begin(&f, &(struct wanted){.jump_site = jump_site, .short_jump = short_jump});
    bool mark = f.context->shapes.jump_nop_mark;
    end(&f);
    return mark;
}

Test(x86_facts, jump_labels_of_two_bytes_are_objtools)
{
    cr_expect(jump_nop_mark_of(0x66, false), "a NOP of two bytes");
    cr_expect(jump_nop_mark_of(0xeb, false));
    cr_expect_not(jump_nop_mark_of(0xe9, false));
    cr_expect_not(jump_nop_mark_of(0, false));
    cr_expect(jump_nop_mark_of(0, true), "a module's count where the kernel's have no name");
}

Test(x86_facts, per_cpu_addresses_end)
{
    for (int named = 0; named < 2; named++) {
        struct fixture f;
        begin(&f, &(struct wanted){.percpu_end = named});
        cr_expect_eq(f.context->percpu_end, named ? PERCPU_END : PERCPU_NAME + 0x1000);
        end(&f);
    }
}

static bool entries_by_section_of(enum listing listing, bool is_joined)
{
    struct fixture f;
    begin(&f, &(struct wanted){.listing = listing, .is_joined = is_joined});
    bool by_section = f.context->shapes.entries_by_section;
    end(&f);
    return by_section;
}

Test(x86_facts, entries_by_section_are_told_by_modules_of_several_objects)
{
    cr_expect(entries_by_section_of(LISTING_BY_SECTION, true));
    cr_expect_not(entries_by_section_of(LISTING_BY_OBJECT, true));
    cr_expect_not(entries_by_section_of(LISTING_BY_SECTION, false), "the order of one object says nothing of linking");
    cr_expect_not(entries_by_section_of(LISTING_NONE, true));
}
