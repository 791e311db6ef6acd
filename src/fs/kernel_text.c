#include "fs/kernel_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/escape.h"

static bool print_symbol(FILE *out, uint64_t address, char letter, const char *name, const char *module)
{
    char *escaped = escape_text(name);
    if (!escaped)
        return false;
    (void)fprintf(out, "%016" PRIx64 " %c %s", address, letter > ' ' && letter < 0x7f ? letter : '?', escaped);
    if (module)
        (void)fprintf(out, "\t[%s]", module);
    (void)fputc('\n', out);
    free(escaped);
    return true;
}

/*
 * The letter as /proc/kallsyms shows it: in upper case when mod->syms names the symbol (module_get_kallsym()). GPL-only
 * exports were in a table of their own until 7.1.
 */
static char shown_letter(const struct lkmfs_exports *exports, bool one_table, size_t module,
                         const struct lkmfs_module_symbol *symbol)
{
    const struct lkmfs_export *export = lkmfs_exports_find(exports, symbol->name);
    bool named = export && export->module == module && export->address == symbol->value && (one_table || !export->gpl);
    return named && symbol->letter >= 'a' && symbol->letter <= 'z' ? (char)(symbol->letter - 'a' + 'A')
                                                                   : symbol->letter;
}

static bool print_module_symbols(FILE *out, const struct lkmfs_modules *modules, const struct lkmfs_exports *exports,
                                 size_t index)
{
    const struct lkmfs_module *module = lkmfs_modules_at(modules, index);
    struct lkmfs_field gpl;
    bool one_table = !lkmfs_types_field(lkmfs_kernel_types(lkmfs_modules_kernel(modules)), "module", "gpl_syms", &gpl);
    if (!lkmfs_module_load(modules, module, NULL))
        return false;
    for (size_t n = 1; n < module->symbol_count; n++) {
        const struct lkmfs_module_symbol *symbol = &module->symbols[n];
        if (symbol->shndx != 0 && *symbol->name &&
            !print_symbol(out, symbol->value, shown_letter(exports, one_table, index, symbol), symbol->name,
                          module->file))
            return false;
    }
    return true;
}

static bool print_symbols(FILE *out, const struct lkmfs_modules *modules)
{
    const struct lkmfs_symbols *symbols = lkmfs_kernel_symbols(lkmfs_modules_kernel(modules));
    for (size_t i = 0; i < lkmfs_symbols_count(symbols); i++) {
        struct lkmfs_symbol symbol = lkmfs_symbols_at(symbols, i);
        if (!print_symbol(out, symbol.address, symbol.type, symbol.name, NULL))
            return false;
    }
    struct lkmfs_exports *exports;
    if (!lkmfs_exports_open(modules, NULL, &exports, NULL))
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < lkmfs_modules_count(modules); i++)
        ok = print_module_symbols(out, modules, exports, i);
    lkmfs_exports_close(exports);
    return ok;
}

char *kallsyms_text(const struct lkmfs_modules *modules, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    bool ok = print_symbols(out, modules) && !ferror(out);
    if (fclose(out) != 0 || !ok) {
        free(text);
        return NULL;
    }
    return text;
}

char *version_text(const struct lkmfs_kernel *kernel, size_t *size)
{
    char *banner = escape_text(lkmfs_kernel_facts(kernel)->banner), *text = NULL;
    int length = banner ? asprintf(&text, "%s\n", banner) : -1;
    free(banner);
    if (length < 0)
        return NULL;
    *size = (size_t)length;
    return text;
}
