#include "fs/nodes.h"

#define MODULE_FIRST 0x1000
#define MODULE_BLOCK 8 /* numbers a module */

const struct fixed fixed_nodes[] = {
    {NODE_ROOT, NODE_ROOT, LKMFS_NODE_FOLDER, ""},
    {NODE_MODULES, NODE_ROOT, LKMFS_NODE_FOLDER, "modules"},
    {NODE_LOADED, NODE_ROOT, LKMFS_NODE_FOLDER, "loaded"},
    {NODE_HIDDEN, NODE_ROOT, LKMFS_NODE_FOLDER, "hidden"},
    {NODE_INFO, NODE_ROOT, LKMFS_NODE_FOLDER, "info"},
    {NODE_KERNEL, NODE_ROOT, LKMFS_NODE_FOLDER, "kernel"},
    {NODE_MODULES_JSON, NODE_ROOT, LKMFS_NODE_FILE, "modules.json"},
    {NODE_MODULES_TEXT, NODE_ROOT, LKMFS_NODE_FILE, "modules.txt"},
    {NODE_REPORT, NODE_ROOT, LKMFS_NODE_FILE, "report.html"},
    {NODE_LOG, NODE_ROOT, LKMFS_NODE_FILE, "log.txt"},
    {NODE_VERSION, NODE_KERNEL, LKMFS_NODE_FILE, "version"},
    {NODE_VMCOREINFO, NODE_KERNEL, LKMFS_NODE_FILE, "vmcoreinfo"},
    {NODE_KALLSYMS, NODE_KERNEL, LKMFS_NODE_FILE, "kallsyms"},
    {NODE_BTF, NODE_KERNEL, LKMFS_NODE_FILE, "btf"},
};
const size_t fixed_node_count = sizeof(fixed_nodes) / sizeof(*fixed_nodes);

const struct fixed *fixed_find(lkmfs_node node)
{
    for (size_t i = 0; i < fixed_node_count; i++)
        if (fixed_nodes[i].node == node)
            return &fixed_nodes[i];
    return NULL;
}

lkmfs_node node_of_module(size_t module, enum module_file file)
{
    return MODULE_FIRST + (lkmfs_node)module * MODULE_BLOCK + (lkmfs_node)file;
}

bool node_to_module(lkmfs_node node, size_t *module, enum module_file *file)
{
    if (node < MODULE_FIRST || (node - MODULE_FIRST) % MODULE_BLOCK > MODULE_HIDDEN)
        return false;
    *module = (size_t)((node - MODULE_FIRST) / MODULE_BLOCK);
    *file = (enum module_file)((node - MODULE_FIRST) % MODULE_BLOCK);
    return true;
}

bool node_folder_files(lkmfs_node folder, enum module_file *file)
{
    switch (folder) {
    case NODE_MODULES:
        *file = MODULE_KO;
        return true;
    case NODE_LOADED:
        *file = MODULE_LOADED;
        return true;
    case NODE_INFO:
        *file = MODULE_INFO;
        return true;
    case NODE_HIDDEN:
        *file = MODULE_HIDDEN;
        return true;
    default:
        return false;
    }
}

const char *module_file_suffix(enum module_file file)
{
    switch (file) {
    case MODULE_LOADED:
        return ".elf";
    case MODULE_INFO:
        return ".json";
    default:
        return ".ko";
    }
}
