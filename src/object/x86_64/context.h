/*
 * context.h - what the rules know of the kernel and of the other modules: gathered once, shared by all modules.
 *
 * The rules see the rest of the image only through this struct, so that a test can make one by hand.
 */
#ifndef LKMFS_OBJECT_X86_64_CONTEXT_H
#define LKMFS_OBJECT_X86_64_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/module.h"

/* An address that modules can import, with the names to import it by. */
struct import_name {
    uint64_t address;
    const char *name;   /* for address + n */
    const char *direct; /* for the address itself: const_pcpu_hot, where pcpu_hot is used for its members */
    size_t module;      /* index of the module that exports it, SIZE_MAX for the kernel itself */
};

/* The image outside of the module at hand. */
struct image_view {
    const void *handle;
    bool (*read)(const void *handle, uint64_t address, void *buffer, size_t size);
    /* The last symbol of the kernel or any module at or below `address`. */
    bool (*symbol)(const void *handle, uint64_t address, struct lkmfs_symbol *ret);
    /* A live region of some module is around `address`. */
    bool (*in_module)(const void *handle, uint64_t address);
};

/* Shapes that changed over time (KERNEL.md A.8, C.1). Numbers are 0 where the kernel's types do not say. */
struct entry_shapes {
    unsigned alternative;              /* struct alt_instr: 12, 13 or 14 */
    unsigned bug;                      /* struct bug_entry: 8, 12 or 16 */
    unsigned event, event_type;        /* struct trace_event_call, offset of its run-time number */
    unsigned module_init, module_exit; /* offsets in struct module */
    bool init_together;                /* all freed sections lay in one area, [-6.3] */
    bool text_merged;                  /* .text of a module holds what was .text.unlikely in its objects, [7.x] */
    bool entries_by_section;           /* linking objects lists __patchable_function_entries section by section */
    bool jump_nop_mark;                /* jump labels: bit 1 of the key asked objtool for a NOP [5.14+] */
    bool objtool_per_object;           /* objtool ran on each object before they were linked to a module, [-6.3] */
};

/* Paravirt operations: the table that indirect calls of the .ko go through. */
struct pv_slots {
    uint64_t address; /* of pv_ops, 0 if the kernel has none */
    uint64_t *words;  /* its run-time contents */
    size_t count;
};

/* Accounting code that the kernel puts before functions when it tracks call depth: bytes from its start to the
 * function. */
struct call_padding {
    unsigned size; /* 0: not in use */
    uint8_t bytes[16], mask[16];
};

struct machine_context {
    const struct lkmfs_modules *modules; /* NULL in tests */
    const struct lkmfs_exports *exports;
    struct image_view view;
    struct import_name *names; /* ascending by address, one an address */
    size_t name_count;
    uint64_t kernel_half; /* kernel addresses start here: more of them with 5-level page tables */
    uint64_t percpu_end;  /* zero-based per-CPU addresses end here (to 6.14), 0 if there are none */
    struct entry_shapes shapes;
    struct pv_slots pv;
    struct call_padding padding;
    uint64_t return0; /* __static_call_return0, 0 if the kernel has none */
    uint64_t ata_ops; /* sata_port_ops or, without SATA, ata_sff_port_ops; 0 where there is no libata */
};

/* First byte of the part of the address space that holds the kernel image and the modules, and the byte after it. */
#define KERNEL_MAP_START 0xffffffff80000000u
#define KERNEL_MAP_END   0xffffffffff000000u

static inline bool is_kernel_map(uint64_t address)
{
    return address >= KERNEL_MAP_START && address < KERNEL_MAP_END;
}

/* Index of the last import name at or below `address`, SIZE_MAX if none. */
size_t context_name(const struct machine_context *context, uint64_t address);

/* The name to import exactly `address` by, NULL if it is not exported. */
const char *context_exact(const struct machine_context *context, uint64_t address);

/* Name of the kernel's or a module's symbol that lies exactly at `address`, NULL if there is none. */
const char *context_symbol(const struct machine_context *context, uint64_t address);

bool context_read(const struct machine_context *context, uint64_t address, void *buffer, size_t size);

/*
 * Whether the module was linked of several objects: it has a global function that it neither exports nor begins or ends
 * with. Where there is one object, such functions are static.
 */
bool context_is_joined(const struct machine_context *context, const struct lkmfs_module *module);

/* Whether `name` (NULL: no) starts with `prefix`. */
bool has_prefix(const char *name, const char *prefix);

/* Whether `bytes` hold the code that counts calls. */
bool padding_matches(const struct call_padding *padding, const uint8_t *bytes);

/* Fills names from all exports: one entry an address, the name chosen among aliases. False without memory. */
bool context_gather_names(struct machine_context *context);
/* Fills shapes, pv, padding and the like from kernel and modules. False without memory. */
bool context_gather_facts(struct machine_context *context);

#endif
