/*
 * synth_kernel.h - a whole small Linux kernel in synthetic memory: page tables, trampoline, banner, kallsyms, BTF.
 *
 * Physical memory: low memory, then from text_phys on 2 MiB of text, read-only data, data (the page tables among it), a
 * heap that is reached through the direct map, and the pages of modules.
 */
#ifndef LKMFS_TEST_SYNTH_KERNEL_H
#define LKMFS_TEST_SYNTH_KERNEL_H

#include <stdbool.h>

#include "lkmfs/kernel.h"
#include "synth_kallsyms.h"
#include "synth_paging.h"
#include "synth_types.h"

enum synth_trampoline {
    SYNTH_TRAMPOLINE_FULL,   /* the whole kernel half: 5.17+ */
    SYNTH_TRAMPOLINE_SPARSE, /* entries 0 and 511 only */
    SYNTH_TRAMPOLINE_NONE,
};

struct synth_kernel_options {
    enum synth_release release;
    const struct synth_kallsyms_format *kallsyms; /* NULL: the one of the release */
    unsigned levels;                              /* 0: 4 */
    enum synth_trampoline trampoline;
    bool pti;           /* the root is one of a pair, user half behind it */
    bool no_btf;        /* no types at all */
    bool text_only;     /* no KALLSYMS_ALL: data symbols have no names */
    unsigned torn_btf;  /* damaged copies of BTF before the right one */
    uint64_t text_phys; /* 0: 20 MiB; a multiple of 2 MiB */
    uint64_t slide;     /* of virtual addresses; 0: 0xe000000 */
    const char *banner; /* NULL: one of the release; "" for none */
};

#define SYNTH_SYMBOLS_MAX 2048
#define SYNTH_MODULE_AREA UINT64_C(0xffffffffc0000000)

struct synth_kernel {
    struct synth_kernel_options options;
    struct synth_memory memory;
    struct synth_tables tables;
    struct synth_types types;
    uint64_t text, text_phys;   /* _text */
    uint64_t rodata, data, end; /* virtual */
    uint64_t direct;            /* start of the direct map */
    uint64_t rodata_next, data_next, heap_next, module_next, module_phys_next;
    uint64_t module_phys; /* of the first byte of the module area */
    uint64_t trampoline;  /* physical address of the table; 0 if none */
    uint64_t btf;         /* virtual address of the right section */
    uint64_t btf_size;
    struct synth_kallsyms_places kallsyms; /* offsets from kallsyms_start */
    uint64_t kallsyms_start;
    struct synth_symbol symbols[SYNTH_SYMBOLS_MAX];
    size_t symbol_count;
    char *names; /* of symbols made up here */
    struct {     /* addresses of variables */
        uint64_t modules, mod_tree, vmcoreinfo_data, btf_modules, banner, vermagic;
    } at;
};

/* Lays out everything but kallsyms and BTF; symbols and modules can be added until synth_kernel_finish(). */
struct synth_kernel *synth_kernel_new(const struct synth_kernel_options *options);
/* Writes kallsyms and BTF. Modules can still be added. */
void synth_kernel_finish(struct synth_kernel *kernel);
void synth_kernel_free(struct synth_kernel *kernel);

/* Names `address` in kallsyms; `name` must last. With text_only, symbols of data are left out at the end. */
void synth_symbol_add(struct synth_kernel *kernel, const char *name, uint64_t address, char type);

/* Virtual address of `size` fresh zeroed bytes in read-only data, data, or the heap; 16-byte aligned. */
uint64_t synth_rodata(struct synth_kernel *kernel, uint64_t size);
uint64_t synth_data(struct synth_kernel *kernel, uint64_t size);
uint64_t synth_heap(struct synth_kernel *kernel, uint64_t size);
/* The same for a NUL-terminated string in the heap. */
uint64_t synth_string(struct synth_kernel *kernel, const char *text);
/* Maps `size` bytes (whole pages) of fresh memory in the module area, a guard page behind them. */
uint64_t synth_module_pages(struct synth_kernel *kernel, uint64_t size, uint64_t flags);

/* The bytes at a virtual address of any of these. */
uint8_t *synth_at(const struct synth_kernel *kernel, uint64_t virt);
uint64_t synth_phys_of(const struct synth_kernel *kernel, uint64_t virt);
void synth_set(const struct synth_kernel *kernel, uint64_t virt, uint64_t value, unsigned width);
uint64_t synth_get(const struct synth_kernel *kernel, uint64_t virt, unsigned width);
/* Writes a field of the struct `name` at `virt`, in its own width. */
void synth_set_field(const struct synth_kernel *kernel, const char *name, uint64_t virt, const char *path,
                     uint64_t value);
uint64_t synth_get_field(const struct synth_kernel *kernel, const char *name, uint64_t virt, const char *path);

/* Puts the list_head at `node` at the end of the list whose head is at `head`. An all-zero head is an empty list. */
void synth_list_add(const struct synth_kernel *kernel, uint64_t head, uint64_t node);

#endif
