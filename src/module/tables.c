/* Tables that struct module points to and counts; each is exactly one section (KERNEL.md A.8). */
#include "module/modules.h"

struct table_rule {
    const char *section;
    const char *pointer, *count; /* fields of struct module */
    unsigned entry;              /* bytes of an entry, 0: size of what the pointer points to */
};

static const struct table_rule rules[] = {
    {"__param", "kp", "num_kp", 0},
    {"__ksymtab", "syms", "num_syms", 0},
    {"__kcrctab", "crcs", "num_syms", 0},
    {"__kflagstab", "flagstab", "num_syms", 0},
    {"__ksymtab_gpl", "gpl_syms", "num_gpl_syms", 0},
    {"__kcrctab_gpl", "gpl_crcs", "num_gpl_syms", 0},
    {"__ex_table", "extable", "num_exentries", 0},
    {"__bug_table", "bug_table", "num_bugs", 0},
    {"__tracepoints_ptrs", "tracepoints_ptrs", "num_tracepoints", 0},
    {"___srcu_struct_ptrs", "srcu_struct_ptrs", "num_srcu_structs", 0},
    {"__bpf_raw_tp_map", "bpf_raw_events", "num_bpf_raw_events", 0},
    {"__jump_table", "jump_entries", "num_jump_entries", 0},
    {"__trace_printk_fmt", "trace_bprintk_fmt_start", "num_trace_bprintk_fmt", 0},
    {"_ftrace_events", "trace_events", "num_trace_events", 0},
    {"_ftrace_eval_map", "trace_evals", "num_trace_evals", 0},
    {"__mcount_loc", "ftrace_callsites", "num_ftrace_callsites", 0},
    {".static_call_sites", "static_call_sites", "num_static_call_sites", 0},
    {"_error_injection_whitelist", "ei_funcs", "num_ei_funcs", 0},
    {".noinstr.text", "noinstr_text_start", "noinstr_text_size", 1},
    {".kprobes.text", "kprobes_text_start", "kprobes_text_size", 1},
    {"_kprobe_blacklist", "kprobe_blacklist", "num_kprobe_blacklist", 0},
    {".printk_index", "printk_index_start", "printk_index_size", 0},
    {".kunit_test_suites", "kunit_suites", "num_kunit_suites", 0},
    {".ctors", "ctors", "num_ctors", 0},
    {".orc_unwind_ip", "arch.orc_unwind_ip", "arch.num_orcs", 0},
    {".orc_unwind", "arch.orc_unwind", "arch.num_orcs", 0},
    {"__dyndbg", "dyndbg_info.descs", "dyndbg_info.num_descs", 0},
    {"__dyndbg_classes", "dyndbg_info.classes", "dyndbg_info.num_classes", 0},
};

#define RULE_COUNT (sizeof(rules) / sizeof(rules[0]))

bool module_tables_init(struct lkmfs_modules *modules)
{
    struct module_table_fields *fields = arena_array(&modules->arena, RULE_COUNT, sizeof(*fields));
    if (!fields)
        return false;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        (void)lkmfs_types_field(modules->types, "module", rules[i].pointer, &fields[i].pointer);
        (void)lkmfs_types_field(modules->types, "module", rules[i].count, &fields[i].count);
    }
    modules->table_fields = fields;
    return true;
}

void module_read_tables(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    struct lkmfs_module *module = &entry->module;
    struct lkmfs_table_entry *tables = arena_array(&entry->arena, RULE_COUNT, sizeof(*tables));
    if (!tables)
        return;
    module->tables = tables;
    for (size_t i = 0; i < RULE_COUNT; i++) {
        const struct module_table_fields *fields = &modules->table_fields[i];
        if (!fields->pointer.size || !fields->count.size)
            continue;
        uint64_t address = module_field(module, &fields->pointer), number = module_field(module, &fields->count);
        uint64_t size = rules[i].entry ? rules[i].entry : fields->pointer.element;
        if (address && number && size)
            tables[module->table_count++] = (struct lkmfs_table_entry){rules[i].section, address, number, size};
    }
}
