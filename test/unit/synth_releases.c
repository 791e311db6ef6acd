/* The structs of several kernels that lkmfs asks for. Only members that matter are here, in the kernel's order. */
#include "synth_types.h"

const char *synth_release_name(enum synth_release release)
{
    static const char *const names[] = {"4.18.0", "5.10.0", "6.1.0", "6.12.0", "6.13.0", "6.14.0", "7.2.0"};
    return names[release];
}

static void begin(struct synth_types *t, const char *name)
{
    synth_struct_begin(t, name, false);
}

static void add_basics(struct synth_types *t)
{
    begin(t, "list_head");
    synth_field(t, "next", "*", 0);
    synth_field(t, "prev", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "rb_node");
    synth_field(t, "__rb_parent_color", "u64", 0);
    synth_field(t, "rb_right", "*", 0);
    synth_field(t, "rb_left", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "latch_tree_node");
    synth_field(t, "node", "rb_node", 2);
    synth_struct_end(t, 0);
    begin(t, "mod_tree_node");
    synth_field(t, "mod", "*", 0);
    synth_field(t, "node", "latch_tree_node", 0);
    synth_struct_end(t, 0);
    begin(t, "rb_root");
    synth_field(t, "rb_node", "*rb_node", 0);
    synth_struct_end(t, 0);
    begin(t, "latch_tree_root");
    synth_field(t, "seq", "u32", 0);
    synth_field(t, "tree", "rb_root", 2);
    synth_struct_end(t, 0);
    begin(t, "mod_tree_root");
    synth_field(t, "root", "latch_tree_root", 0);
    synth_field(t, "addr_min", "u64", 0);
    synth_field(t, "addr_max", "u64", 0);
    synth_struct_end(t, 0);
    begin(t, "atomic_t");
    synth_field(t, "counter", "s32", 0);
    synth_struct_end(t, 0);
    begin(t, "module_use");
    synth_field(t, "source_list", "list_head", 0);
    synth_field(t, "target_list", "list_head", 0);
    synth_field(t, "source", "*", 0);
    synth_field(t, "target", "*", 0);
    synth_struct_end(t, 0);
}

static void add_attributes(struct synth_types *t, enum synth_release r)
{
    begin(t, "attribute");
    synth_field(t, "name", "*char", 0);
    synth_field(t, "mode", "u16", 0);
    synth_struct_end(t, 0);
    if (r >= SYNTH_6_14) {
        synth_struct_begin(t, "~group_lists", true);
        synth_field(t, "bin_attrs", "*", 0);
        synth_field(t, "bin_attrs_new", "*", 0);
        synth_struct_end(t, 0);
    }
    begin(t, "attribute_group");
    synth_field(t, "name", "*char", 0);
    synth_field(t, "is_visible", "*", 0);
    synth_field(t, "is_bin_visible", "*", 0);
    if (r >= SYNTH_6_13)
        synth_field(t, "bin_size", "*", 0);
    synth_field(t, "attrs", "*", 0);
    if (r >= SYNTH_6_14)
        synth_field(t, "", "~group_lists", 0);
    else
        synth_field(t, "bin_attrs", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "bin_attribute");
    synth_field(t, "attr", "attribute", 0);
    synth_field(t, "size", "u64", 0);
    synth_field(t, "private", "*", 0);
    /* read, write, mmap; f_mapping since 5.12; llseek since 6.8; read_new, write_new [6.13, 6.14] */
    static const uint32_t functions[] = {3, 3, 4, 5, 7, 7, 5};
    synth_field(t, "functions", "*", functions[r]);
    synth_struct_end(t, 0);
}

static void add_sections(struct synth_types *t, enum synth_release r)
{
    if (r <= SYNTH_4_18) {
        begin(t, "module_attribute");
        synth_field(t, "attr", "attribute", 0);
        synth_field(t, "functions", "*", 5);
        synth_struct_end(t, 0);
        begin(t, "module_sect_attr");
        synth_field(t, "mattr", "module_attribute", 0);
        synth_field(t, "name", "*char", 0);
        synth_field(t, "address", "u64", 0);
        synth_struct_end(t, 0);
    } else if (r < SYNTH_6_14) {
        begin(t, "module_sect_attr");
        synth_field(t, "battr", "bin_attribute", 0);
        synth_field(t, "address", "u64", 0);
        synth_struct_end(t, 0);
    }
    begin(t, "module_sect_attrs");
    synth_field(t, "grp", "attribute_group", 0);
    if (r < SYNTH_6_14)
        synth_field(t, "nsections", "u32", 0);
    synth_field(t, "attrs", r < SYNTH_6_14 ? "module_sect_attr" : "bin_attribute", SYNTH_FLEXIBLE);
    synth_struct_end(t, 0);
    begin(t, "module_notes_attrs");
    if (r < SYNTH_6_14) {
        synth_field(t, "dir", "*", 0);
        synth_field(t, "notes", "u32", 0);
    } else {
        synth_field(t, "grp", "attribute_group", 0);
    }
    synth_field(t, "attrs", "bin_attribute", SYNTH_FLEXIBLE);
    synth_struct_end(t, 0);
}

static void add_tables(struct synth_types *t, enum synth_release r)
{
    begin(t, "kernel_symbol");
    if (r <= SYNTH_4_18) {
        synth_field(t, "value", "u64", 0);
        synth_field(t, "name", "*char", 0);
    } else {
        synth_field(t, "value_offset", "s32", 0);
        synth_field(t, "name_offset", "s32", 0);
        synth_field(t, "namespace_offset", "s32", 0);
    }
    synth_struct_end(t, 0);
    synth_struct_begin(t, "~param_arg", true);
    synth_field(t, "arg", "*", 0);
    synth_field(t, "str", "*", 0);
    synth_field(t, "arr", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "kernel_param");
    synth_field(t, "name", "*char", 0);
    synth_field(t, "mod", "*", 0);
    synth_field(t, "ops", "*", 0);
    synth_field(t, "perm", "u16", 0);
    synth_field(t, "level", "s8", 0);
    synth_field(t, "flags", "u8", 0);
    synth_field(t, "", "~param_arg", 0);
    synth_struct_end(t, 0);
    begin(t, "kparam_array");
    synth_field(t, "max", "u32", 0);
    synth_field(t, "elemsize", "u32", 0);
    synth_field(t, "num", "*u32", 0);
    synth_field(t, "ops", "*", 0);
    synth_field(t, "elem", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "kparam_string");
    synth_field(t, "maxlen", "u32", 0);
    synth_field(t, "string", "*char", 0);
    synth_struct_end(t, 0);
    begin(t, "bug_entry");
    synth_field(t, "bug_addr_disp", "s32", 0);
    synth_field(t, "file_disp", "s32", 0);
    synth_field(t, "line", "u16", 0);
    synth_field(t, "flags", "u16", 0);
    synth_struct_end(t, 0);
    begin(t, "jump_entry");
    synth_field(t, "code", "s32", 0);
    synth_field(t, "target", "s32", 0);
    synth_field(t, "key", "s64", 0);
    synth_struct_end(t, 0);
    begin(t, "static_call_site");
    synth_field(t, "addr", "s32", 0);
    synth_field(t, "key", "s32", 0);
    synth_struct_end(t, 0);
    begin(t, "exception_table_entry");
    synth_field(t, "insn", "s32", 0);
    synth_field(t, "fixup", "s32", 0);
    synth_field(t, "data", "s32", 0);
    synth_struct_end(t, 0);
    begin(t, "orc_entry");
    synth_field(t, "bytes", "u8", 6);
    synth_struct_end(t, 0);
    begin(t, "btf");
    synth_field(t, "data", "*", 0);
    synth_field(t, "types", "*", 0);
    synth_struct_end(t, 0);
    begin(t, "btf_module");
    synth_field(t, "list", "list_head", 0);
    synth_field(t, "module", "*", 0);
    synth_field(t, "btf", "*btf", 0);
    synth_struct_end(t, 0);
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

void synth_types_of(struct synth_types *types, enum synth_release release)
{
    synth_types_init(types);
    types->release = release;
    add_basics(types);
    add_attributes(types, release);
    add_sections(types, release);
    add_tables(types, release);
    add_memory(types, release);
    add_module_head(types, release);
    add_module_rest(types, release);
}
