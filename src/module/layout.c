#include "module/layout.h"

struct request {
    struct lkmfs_field *ret;
    const char *type, *path;
};

static void ask(const struct lkmfs_types *types, const struct request *requests, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)lkmfs_types_field(types, requests[i].type, requests[i].path, requests[i].ret);
}

#define ASK(types, ...)                                                                                                \
    do {                                                                                                               \
        const struct request requests[] = {__VA_ARGS__};                                                               \
        ask((types), requests, sizeof(requests) / sizeof(requests[0]));                                                \
    } while (0)

static void ask_module(const struct lkmfs_types *types, struct module_layout *l)
{
    ASK(types, {&l->version, "module", "version"}, {&l->srcversion, "module", "srcversion"},
        {&l->args, "module", "args"}, {&l->taints, "module", "taints"}, {&l->refcnt, "module", "refcnt.counter"},
        {&l->init, "module", "init"}, {&l->exit, "module", "exit"}, {&l->percpu, "module", "percpu"},
        {&l->percpu_size, "module", "percpu_size"}, {&l->kp, "module", "kp"}, {&l->num_kp, "module", "num_kp"},
        {&l->build_id, "module", "build_id"}, {&l->btf_data_size, "module", "btf_data_size"},
        {&l->source_list, "module", "source_list"}, {&l->target_list, "module", "target_list"},
        {&l->sect_attrs, "module", "sect_attrs"}, {&l->notes_attrs, "module", "notes_attrs"},
        {&l->symtab, "module", "core_kallsyms.symtab"}, {&l->num_symtab, "module", "core_kallsyms.num_symtab"},
        {&l->strtab, "module", "core_kallsyms.strtab"}, {&l->typetab, "module", "core_kallsyms.typetab"});
}

static void ask_regions(const struct lkmfs_types *types, struct module_layout *l)
{
    ASK(types, {&l->mem, "module", "mem"}, {&l->mem_base, "module_memory", "base"},
        {&l->mem_size, "module_memory", "size"}, {&l->mem_node_mod, "mod_tree_node", "mod"},
        {&l->core_base, "module", "core_layout.base"}, {&l->core_size, "module", "core_layout.size"},
        {&l->core_text, "module", "core_layout.text_size"}, {&l->core_ro, "module", "core_layout.ro_size"},
        {&l->core_roai, "module", "core_layout.ro_after_init_size"}, {&l->init_base, "module", "init_layout.base"},
        {&l->init_size, "module", "init_layout.size"}, {&l->init_text, "module", "init_layout.text_size"},
        {&l->init_ro, "module", "init_layout.ro_size"});
}

static void ask_attributes(const struct lkmfs_types *types, struct module_layout *l)
{
    ASK(types, {&l->sect_count, "module_sect_attrs", "nsections"}, {&l->sect_first, "module_sect_attrs", "attrs"},
        {&l->sect_list, "module_sect_attrs", "grp.bin_attrs"}, {&l->notes_count, "module_notes_attrs", "notes"},
        {&l->notes_first, "module_notes_attrs", "attrs"}, {&l->notes_list, "module_notes_attrs", "grp.bin_attrs"},
        {&l->bin_name, "bin_attribute", "attr.name"}, {&l->bin_size, "bin_attribute", "size"},
        {&l->bin_private, "bin_attribute", "private"});
    (void)lkmfs_types_size(types, "bin_attribute", &l->bin_stride);
    /* [4.x-6.13] struct module_sect_attr, with a bin_attribute since 5.8; since 6.14 a bare bin_attribute. */
    if (lkmfs_types_size(types, "module_sect_attr", &l->sect_stride)) {
        if (!lkmfs_types_field(types, "module_sect_attr", "battr.attr.name", &l->sect_name))
            (void)lkmfs_types_field(types, "module_sect_attr", "name", &l->sect_name);
        (void)lkmfs_types_field(types, "module_sect_attr", "address", &l->sect_address);
    } else {
        l->sect_stride = l->bin_stride;
        l->sect_name = l->bin_name;
        l->sect_address = l->bin_private;
    }
    ASK(types, {&l->use_source_list, "module_use", "source_list"}, {&l->use_target_list, "module_use", "target_list"},
        {&l->use_source, "module_use", "source"}, {&l->use_target, "module_use", "target"});
}

bool module_layout_init(const struct lkmfs_types *types, struct module_layout *ret, struct lkmfs_error *err)
{
    *ret = (struct module_layout){0};
    if (!lkmfs_types_size(types, "module", &ret->size) || ret->size > 16384)
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, 0, "this kernel's types (%s) have no usable struct module",
                          lkmfs_types_source(types));
    if (!lkmfs_types_require(types, "module", "state", &ret->state, err) ||
        !lkmfs_types_require(types, "module", "list.next", &ret->list_next, err) ||
        !lkmfs_types_require(types, "module", "name", &ret->name, err) ||
        !lkmfs_types_require(types, "module", "mkobj.mod", &ret->self, err))
        return false;
    ask_module(types, ret);
    ask_regions(types, ret);
    ask_attributes(types, ret);
    if (!ret->mem.size && !ret->core_base.size)
        return lkmfs_fail(
            err, LKMFS_ERROR_NOT_FOUND, 0,
            "struct module of this kernel has neither mem[] (6.4+) nor core_layout (4.5-6.3): kernels before "
            "4.5 are not supported yet");
    return true;
}
