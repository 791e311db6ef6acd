/* struct module of several kernels, and what lies in it (KERNEL.md A.1 to A.4, A.7). */
#include "synth_types.h"

static void begin(struct synth_types *t, const char *name)
{
    synth_struct_begin(t, name, false);
}

static void add_memory(struct synth_types *t, enum synth_release r)
{
    if (r < SYNTH_6_12) {
        begin(t, "module_layout");
        synth_field(t, "base", "*", 0);
        synth_field(t, "size", "u32", 0);
        synth_field(t, "text_size", "u32", 0);
        synth_field(t, "ro_size", "u32", 0);
        synth_field(t, "ro_after_init_size", "u32", 0);
        synth_field(t, "mtn", "mod_tree_node", 0);
    } else {
        begin(t, "module_memory");
        synth_field(t, "base", "*", 0);
        if (r == SYNTH_6_13 || r == SYNTH_6_14)
            synth_field(t, "rw_copy", "*", 0);
        if (r >= SYNTH_6_13)
            synth_field(t, "is_rox", "bool", 0);
        synth_field(t, "size", "u32", 0);
        synth_field(t, "mtn", "mod_tree_node", 0);
    }
    synth_struct_end(t, 0);
    begin(t, "mod_kallsyms");
    synth_field(t, "symtab", "*", 0);
    synth_field(t, "num_symtab", "u32", 0);
    synth_field(t, "strtab", "*", 0);
    if (r > SYNTH_4_18)
        synth_field(t, "typetab", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "mod_arch_specific");
    synth_field(t, "num_orcs", "u32", 0);
    synth_field(t, "orc_unwind_ip", "*s32", 0);
    synth_field(t, "orc_unwind", "*orc_entry", 0);
    synth_struct_end(t, 0);
    begin(t, "kobject");
    synth_field(t, "name", "*char", 0);
    synth_field(t, "entry", "list_head", 0);
    synth_field(t, "others", "u64", 5);
    synth_struct_end(t, 0);
    begin(t, "module_kobject");
    synth_field(t, "kobj", "kobject", 0);
    synth_field(t, "mod", "*", 0);
    synth_field(t, "others", "*", 3);
    synth_struct_end(t, 0);
}

static void add_module_head(struct synth_types *t, enum synth_release r)
{
    begin(t, "module");
    synth_field(t, "state", "u32", 0);
    synth_field(t, "list", "list_head", 0);
    synth_field(t, "name", "char", 56);
    if (r >= SYNTH_6_1)
        synth_field(t, "build_id", "u8", 20);
    synth_field(t, "mkobj", "module_kobject", 0);
    synth_field(t, "modinfo_attrs", "*", 0);
    synth_field(t, "version", "*char", 0);
    synth_field(t, "srcversion", "*char", 0);
    if (r >= SYNTH_7_2)
        synth_field(t, "imported_namespaces", "*char", 0);
    synth_field(t, "holders_dir", "*", 0);
    synth_field(t, "syms", "*kernel_symbol", 0);
    synth_field(t, "crcs", "*u32", 0);
    if (r >= SYNTH_7_2)
        synth_field(t, "flagstab", "*u8", 0);
    synth_field(t, "num_syms", "u32", 0);
    synth_field(t, "kp", "*kernel_param", 0);
    synth_field(t, "num_kp", "u32", 0);
    if (r < SYNTH_7_2) {
        synth_field(t, "num_gpl_syms", "u32", 0);
        synth_field(t, "gpl_syms", "*kernel_symbol", 0);
        synth_field(t, "gpl_crcs", "*u32", 0);
    }
    synth_field(t, "num_exentries", "u32", 0);
    synth_field(t, "extable", "*exception_table_entry", 0);
    synth_field(t, "init", "*", 0);
}

static void add_module_rest(struct synth_types *t, enum synth_release r)
{
    if (r < SYNTH_6_12) {
        synth_field(t, "core_layout", "module_layout", 0);
        synth_field(t, "init_layout", "module_layout", 0);
    } else {
        synth_field(t, "mem", "module_memory", 7);
    }
    synth_field(t, "arch", "mod_arch_specific", 0);
    synth_field(t, "taints", "u64", 0);
    synth_field(t, "num_bugs", "u32", 0);
    synth_field(t, "bug_list", "list_head", 0);
    synth_field(t, "bug_table", "*bug_entry", 0);
    synth_field(t, "kallsyms", "*mod_kallsyms", 0);
    synth_field(t, "core_kallsyms", "mod_kallsyms", 0);
    synth_field(t, "sect_attrs", "*", 0);
    synth_field(t, "notes_attrs", "*", 0);
    synth_field(t, "args", "*char", 0);
    synth_field(t, "percpu", "*", 0);
    synth_field(t, "percpu_size", "u32", 0);
    if (r > SYNTH_4_18) {
        synth_field(t, "noinstr_text_start", "*", 0);
        synth_field(t, "noinstr_text_size", "u32", 0);
        synth_field(t, "btf_data_size", "u32", 0);
        synth_field(t, "btf_data", "*", 0);
    }
    synth_field(t, "jump_entries", "*jump_entry", 0);
    synth_field(t, "num_jump_entries", "u32", 0);
    synth_field(t, "num_ftrace_callsites", "u32", 0);
    synth_field(t, "ftrace_callsites", "*u64", 0);
    synth_field(t, "num_static_call_sites", "s32", 0);
    synth_field(t, "static_call_sites", "*static_call_site", 0);
    synth_field(t, "source_list", "list_head", 0);
    synth_field(t, "target_list", "list_head", 0);
    synth_field(t, "exit", "*", 0);
    synth_field(t, "refcnt", "atomic_t", 0);
    synth_struct_end(t, 64); /* ____cacheline_aligned */
}

void synth_add_module(struct synth_types *types, enum synth_release release)
{
    add_memory(types, release);
    add_module_head(types, release);
    add_module_rest(types, release);
}
