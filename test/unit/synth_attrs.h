/*
 * synth_attrs.h - the attribute arrays that hold a module's section names and addresses.
 */
#ifndef LKMFS_TEST_SYNTH_ATTRS_H
#define LKMFS_TEST_SYNTH_ATTRS_H

#include "synth_module.h"

/* Each writes a table for these sections to the heap and returns its address; without notes there is none (0). */
uint64_t synth_sect_attrs(struct synth_kernel *kernel, const struct synth_section *sections, size_t count);
uint64_t synth_notes_attrs(struct synth_kernel *kernel, const struct synth_section *notes, size_t count);

#endif
