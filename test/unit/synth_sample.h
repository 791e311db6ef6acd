/*
 * synth_sample.h - a kernel with three modules that between them have everything lkmfs reads.
 */
#ifndef LKMFS_TEST_SYNTH_SAMPLE_H
#define LKMFS_TEST_SYNTH_SAMPLE_H

#include "synth_module.h"

enum { SYNTH_ALPHA, SYNTH_BETA, SYNTH_GAMMA, SYNTH_SAMPLES };

struct synth_sample {
    struct synth_kernel *kernel;
    /* alpha has every kind of section and table and uses beta; beta exports; gamma has next to nothing */
    struct synth_module *modules[SYNTH_SAMPLES];
};

void synth_sample_init(struct synth_sample *sample, const struct synth_kernel_options *options);
void synth_sample_free(struct synth_sample *sample);

/* Gives a module code, tables of sites and symbols: all that rebuilding looks at. */
void synth_fill_module(struct synth_module *module);

#endif
