/*
 * layout.h - where the fields of struct module and its friends lie in this kernel, asked of the types once.
 *
 * A field that this kernel does not have has size 0. KERNEL.md A.2 lists which releases have what.
 */
#ifndef LKMFS_MODULE_LAYOUT_H
#define LKMFS_MODULE_LAYOUT_H

#include "lkmfs/kernel.h"

struct module_layout {
    uint64_t size;                                   /* sizeof(struct module) */
    struct lkmfs_field state, list_next, name, self; /* self: mkobj.mod */
    struct lkmfs_field version, srcversion, args, taints, refcnt, init, exit, percpu, percpu_size;
    struct lkmfs_field kp, num_kp, build_id, btf_data_size;
    struct lkmfs_field source_list, target_list;
    struct lkmfs_field sect_attrs, notes_attrs;
    struct lkmfs_field symtab, num_symtab, strtab, typetab; /* of core_kallsyms */

    /* regions: mem[] since 6.4, core_layout and init_layout [4.5-6.3] */
    struct lkmfs_field mem, mem_base, mem_size, mem_node_mod;
    struct lkmfs_field core_base, core_size, core_text, core_ro, core_roai, init_base, init_size, init_text, init_ro;

    /* struct module_sect_attrs and its entries */
    struct lkmfs_field sect_count, sect_first, sect_list, sect_name, sect_address; /* sect_list: grp.bin_attrs */
    uint64_t sect_stride;
    /* struct module_notes_attrs; entries are struct bin_attribute */
    struct lkmfs_field notes_count, notes_first, notes_list, bin_name, bin_size, bin_private;
    uint64_t bin_stride;

    struct lkmfs_field use_source_list, use_target_list, use_source, use_target; /* struct module_use */
};

/* Fills `ret`. Errors: NOT_FOUND for a field that lkmfs can't do without. */
bool module_layout_init(const struct lkmfs_types *types, struct module_layout *ret, struct lkmfs_error *err);

#endif
