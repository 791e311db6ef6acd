/*
 * fuzz_sample.h - sound kernels with modules, made once, for pokes to spoil.
 */
#ifndef LKMFS_FUZZ_SAMPLE_H
#define LKMFS_FUZZ_SAMPLE_H

#include "pokes.h"
#include "synth_open.h"
#include "synth_sample.h"

#define FUZZ_SAMPLES 6

struct fuzz_sample {
    struct synth_sample sample;
    struct pokes pokes; /* areas: what belongs to modules, but no page tables, kallsyms or BTF */
    struct synth_opened opened;
};

/* Sample `which` (of FUZZ_SAMPLES), a kernel of some release; made at its first use. */
struct fuzz_sample *fuzz_sample(unsigned which);
/* The same with its kernel open, which stays so: module memory may change under it. */
struct fuzz_sample *fuzz_sample_open(unsigned which);
/* Adds page tables, symbols, types and all else of the kernel to what is poked. */
void fuzz_sample_add_kernel(struct fuzz_sample *sample);

/* Loads everything of every module, and checks what module.h promises. */
void fuzz_load_modules(const struct lkmfs_modules *modules);

#endif
