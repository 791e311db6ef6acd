/* How a module hangs together with its kernel and with other modules. */
#include <string.h>

#include "synth_module.h"

#define POISON1 UINT64_C(0xdead000000000100)
#define POISON2 UINT64_C(0xdead000000000122)

/* Puts a node into the latch tree's first copy, ordered by address as the kernel's is by base; unbalanced. */
static void add_node(const struct synth_module *m, uint64_t node)
{
    const struct synth_kernel *k = m->kernel;
    uint64_t entry = node + synth_offset(&k->types, "mod_tree_node", "node");
    uint64_t link = k->at.mod_tree + synth_offset(&k->types, "mod_tree_root", "root.tree");
    synth_set_field(k, "mod_tree_node", node, "mod", m->address);
    for (uint64_t at; (at = synth_get(k, link, 8)) != 0;)
        link = at + synth_offset(&k->types, "rb_node", entry < at ? "rb_left" : "rb_right");
    synth_set(k, link, entry, 8);
}

void synth_module_latch(const struct synth_module *m)
{
    const struct synth_types *t = &m->kernel->types;
    if (m->kernel->options.release < SYNTH_6_12) {
        add_node(m, m->address + synth_offset(t, "module", "core_layout.mtn"));
        return;
    }
    for (unsigned i = 0; i < SYNTH_REGIONS; i++)
        add_node(m, m->address + synth_offset(t, "module", "mem") + i * synth_sizeof(t, "module_memory") +
                        synth_offset(t, "module_memory", "mtn"));
}

void synth_module_use(struct synth_module *user, struct synth_module *used)
{
    struct synth_kernel *k = user->kernel;
    uint64_t use = synth_heap(k, synth_sizeof(&k->types, "module_use"));
    synth_set_field(k, "module_use", use, "source", user->address);
    synth_set_field(k, "module_use", use, "target", used->address);
    synth_list_add(k, used->address + synth_offset(&k->types, "module", "source_list"),
                   use + synth_offset(&k->types, "module_use", "source_list"));
    synth_list_add(k, user->address + synth_offset(&k->types, "module", "target_list"),
                   use + synth_offset(&k->types, "module_use", "target_list"));
    synth_module_set(used, "refcnt.counter", synth_module_get(used, "refcnt.counter") + 1);
}

void synth_module_unlink(const struct synth_module *m)
{
    uint64_t next = synth_module_get(m, "list.next"), prev = synth_module_get(m, "list.prev");
    synth_set(m->kernel, prev, next, 8);
    synth_set(m->kernel, next + 8, prev, 8);
    synth_module_set(m, "list.next", POISON1);
    synth_module_set(m, "list.prev", POISON2);
}

uint64_t synth_module_btf(struct synth_module *m, const void *bytes, size_t size)
{
    struct synth_kernel *k = m->kernel;
    uint64_t entry = synth_heap(k, synth_sizeof(&k->types, "btf_module"));
    uint64_t btf = synth_heap(k, synth_sizeof(&k->types, "btf")), data = synth_heap(k, size);
    memcpy(synth_at(k, data), bytes, size);
    synth_set_field(k, "btf", btf, "data", data);
    synth_set_field(k, "btf_module", entry, "module", m->address);
    synth_set_field(k, "btf_module", entry, "btf", btf);
    synth_list_add(k, k->at.btf_modules, entry);
    synth_module_set(m, "btf_data_size", size);
    return data;
}
