/*
 * modinfo.c - .modinfo: NUL-terminated `tag=value` strings. The loader frees them; what modinfo(8) and insmod need is
 * known elsewhere. Author, description and aliases are gone.
 */
#include <elf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "object/metadata.h"

/* Documentation/admin-guide/tainted-kernels.rst; the module's own flags, not the kernel's. */
#define TAINT_PROPRIETARY (UINT64_C(1) << 0)
#define TAINT_OUT_OF_TREE (UINT64_C(1) << 12)

/* Appends `tag=` and the formatted value, with its NUL. */
__attribute__((format(printf, 3, 4))) static void put(FILE *out, const char *tag, const char *format, ...)
{
    va_list args;
    fprintf(out, "%s=", tag);
    va_start(args, format);
    vfprintf(out, format, args);
    va_end(args);
    fputc(0, out);
}

static void put_parameters(FILE *out, const struct lkmfs_module *module)
{
    for (size_t i = 0; i < module->parameter_count; i++) {
        const struct lkmfs_parameter *parameter = &module->parameters[i];
        if (parameter->name && parameter->type && parameter->type[0])
            put(out, "parmtype", "%s:%s", parameter->name, parameter->type);
    }
}

static void put_depends(FILE *out, const struct lkmfs_module *module, const struct lkmfs_modules *modules)
{
    fputs("depends=", out);
    for (size_t i = 0; modules && i < module->use_count; i++) {
        if (module->uses[i] < lkmfs_modules_count(modules))
            fprintf(out, "%s%s", i ? "," : "", lkmfs_modules_at(modules, module->uses[i])->name);
    }
    fputc(0, out);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/*
 * Name spaces that are a list of modules need no import, and modules that name one are refused [6.16+]
 * (verify_module_namespace(), kernel/module/main.c).
 */
static bool may_be_named(const char *name_space)
{
    return name_space && name_space[0] && strncmp(name_space, "module:", 7) != 0;
}

/* MODULE_IMPORT_NS(): without it the loader refuses the symbols of that name space. */
static void put_name_spaces(FILE *out, struct draft *draft, const struct lkmfs_exports *exports)
{
    const char **names = calloc(draft->import_count + 1, sizeof(*names));
    size_t count = 0;
    if (!names) {
        draft->out_of_memory = true;
        return;
    }
    for (size_t i = 0; exports && i < draft->import_count; i++) {
        const struct lkmfs_export *export = lkmfs_exports_find(exports, draft->imports[i].name);
        if (export && may_be_named(export->name_space))
            names[count++] = export->name_space;
    }
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
            put(out, "import_ns", "%s", names[i]);
    }
    free(names);
}

/* In the order of a .ko: what the source says, then what modpost adds. */
static void put_all(FILE *out, struct draft *draft, const struct lkmfs_modules *modules,
                    const struct lkmfs_exports *exports)
{
    const struct lkmfs_module *module = draft->module;
    const char *vermagic = modules ? lkmfs_modules_vermagic(modules) : NULL;

    if (module->version)
        put(out, "version", "%s", module->version);
    put_name_spaces(out, draft, exports);
    put(out, "license", "%s", module->taints & TAINT_PROPRIETARY ? "Proprietary" : "GPL");
    put_parameters(out, module);
    if (module->srcversion)
        put(out, "srcversion", "%s", module->srcversion);
    put_depends(out, module, modules);
    put(out, "retpoline", "Y");
    if (!(module->taints & TAINT_OUT_OF_TREE))
        put(out, "intree", "Y");
    put(out, "name", "%s", module->name);
    if (vermagic)
        put(out, "vermagic", "%s", vermagic);
    else
        draft_doubt(draft, ".modinfo has no vermagic: the kernel's was not found");
}

void modinfo_draft(struct draft *draft, const struct lkmfs_modules *modules, const struct lkmfs_exports *exports)
{
    char *data = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&data, &size);
    if (!out) {
        draft->out_of_memory = true;
        return;
    }
    put_all(out, draft, modules, exports);
    if (fclose(out) != 0) {
        free(data);
        draft->out_of_memory = true;
        return;
    }
    struct draft_section *section = metadata_add(draft, ".modinfo", (uint8_t *)data, size, LKMFS_FROM_INFERRED,
                                                 "rebuilt from struct module and the kernel's vermagic");
    if (section)
        section->flags = SHF_ALLOC;
}
