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

void synth_types_of(struct synth_types *types, enum synth_release release)
{
    synth_types_init(types);
    types->release = release;
    add_basics(types);
    add_attributes(types, release);
    add_sections(types, release);
    add_tables(types, release);
    synth_add_module(types, release);
}
