#include "synth_sample.h"

#include <elf.h>
#include <string.h>

static const struct synth_export kernel_exports[] = {
    {"kmalloc", NULL, 0, 0x11111111, false},
    {"printk", NULL, 0, 0x22222222, false},
    {"queue_work", "SCHED", 0, 0x33333333, true},
    {"__x86_return_thunk", NULL, 0, 0x44444444, false},
};

static void export_kernel(struct synth_kernel *k)
{
    struct synth_export items[sizeof(kernel_exports) / sizeof(kernel_exports[0])];
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        items[i] = kernel_exports[i];
        items[i].value = k->text + 0x10000 + i * 0x100;
        synth_symbol_add(k, items[i].name, items[i].value, 'T');
    }
    synth_kernel_export(k, items, sizeof(items) / sizeof(items[0]));
}

static void use_beta(struct synth_sample *sample)
{
    struct synth_module *beta = sample->modules[SYNTH_BETA];
    uint64_t text = beta->region[SYNTH_TEXT];
    synth_module_export(beta, &(struct synth_export){"beta_open", NULL, text + 0x10, 0xb0b0b0b0, false});
    synth_module_export(beta, &(struct synth_export){"beta_close", "BETA", text + 0x20, 0xb1b1b1b1, true});
    synth_module_export(beta, &(struct synth_export){"beta_data", NULL, beta->region[SYNTH_DATA] + 0x1800, 0, true});
    synth_module_symbol(beta, "beta_open", ".text", 0x10, 0x10, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    synth_module_symbol(beta, "beta_close", ".text", 0x20, 0x10, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 't');
    synth_module_use(sample->modules[SYNTH_ALPHA], beta);
    synth_module_use(sample->modules[SYNTH_GAMMA], beta);
}

void synth_sample_init(struct synth_sample *sample, const struct synth_kernel_options *options)
{
    struct synth_kernel *k = synth_kernel_new(options);
    sample->kernel = k;
    export_kernel(k);
    sample->modules[SYNTH_ALPHA] = synth_module_new(k, "alpha");
    sample->modules[SYNTH_BETA] = synth_module_new(k, "beta");
    sample->modules[SYNTH_GAMMA] = synth_module_new(k, "gamma");
    synth_fill_module(sample->modules[SYNTH_ALPHA]);
    use_beta(sample);
    for (size_t i = 0; i < SYNTH_SAMPLES; i++)
        synth_module_finish(sample->modules[i]);
    synth_kernel_finish(k);
}

void synth_sample_free(struct synth_sample *sample)
{
    for (size_t i = 0; i < SYNTH_SAMPLES; i++)
        synth_module_free(sample->modules[i]);
    synth_kernel_free(sample->kernel);
}
