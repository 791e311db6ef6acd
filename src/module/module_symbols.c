/* A module's core kallsyms: the symbols that add_kallsyms() kept (KERNEL.md A.7). */
#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "module/modules.h"

#define SYMBOL_SIZE  24 /* sizeof(Elf64_Sym) */
#define SYMBOLS_MAX  ((uint64_t)1 << 20)
#define NAME_LEN_MAX 512 /* KSYM_NAME_LEN since 6.1 */
#define PRINTABLE(c) ((c) > 0x20 && (c) < 0x7f)

struct tables {
    uint64_t symtab, strtab, typetab;
    uint64_t claimed, count; /* symbols as counted by the module, and as there is room for */
    uint64_t strings_size;
};

/* Bytes from the first name to what follows the names, as far as that can be told. */
static uint64_t strings_size(const struct lkmfs_module *module, const struct tables *t)
{
    uint64_t size = 0;
    if (t->typetab > t->strtab) {
        size = t->typetab - t->strtab;
    } else {
        int region = module_region_around(module, t->strtab);
        if (region >= 0)
            size = module->regions[region].address + module->regions[region].size - t->strtab;
    }
    return min_u64(size, (t->count + 1) * NAME_LEN_MAX);
}

static struct tables find_tables(const struct lkmfs_modules *modules, const struct lkmfs_module *module)
{
    const struct module_layout *l = &modules->layout;
    struct tables t = {.symtab = module_field(module, &l->symtab),
                       .strtab = module_field(module, &l->strtab),
                       .typetab = l->typetab.size ? module_field(module, &l->typetab) : 0,
                       .claimed = module_field(module, &l->num_symtab)};
    /* layout_symtab() puts symtab, strtab and typetab in a row, so the next one's place gives the true size. */
    uint64_t room = t.strtab > t.symtab ? (t.strtab - t.symtab) / SYMBOL_SIZE : 0;
    t.count = room && room <= SYMBOLS_MAX ? room : t.claimed;
    if (t.count > SYMBOLS_MAX)
        t.count = 0;
    t.strings_size = strings_size(module, &t);
    return t;
}

uint64_t module_symbols_need(const struct lkmfs_modules *modules, const struct lkmfs_module *module)
{
    struct tables t = find_tables(modules, module);
    return t.count * (sizeof(struct lkmfs_module_symbol) + 1) + t.strings_size;
}

static void doubt_count(struct module_entry *entry, const struct tables *t)
{
    if (t->count == t->claimed)
        return;
    if (t->count)
        module_doubt(entry, &entry->arena, "the symbol count (%" PRIu64 ") is wrong: the table holds %" PRIu64,
                     t->claimed, t->count);
    else
        module_doubt(entry, &entry->arena, "a symbol count of %" PRIu64 " is absurd; symbols left out", t->claimed);
}

/*
 * Before 5.0 the letter overwrote st_info, in [5.0-5.1] st_size; from it only type and a likely binding can be told.
 */
static uint8_t info_of_letter(char letter)
{
    switch (letter) {
    case 'w':
        return ELF64_ST_INFO(STB_WEAK, STT_NOTYPE);
    case 'v':
        return ELF64_ST_INFO(STB_WEAK, STT_OBJECT);
    case 't':
        return ELF64_ST_INFO(STB_LOCAL, STT_FUNC);
    case 'T':
        return ELF64_ST_INFO(STB_GLOBAL, STT_FUNC);
    case 'd':
    case 'r':
    case 'b':
        return ELF64_ST_INFO(STB_LOCAL, STT_OBJECT);
    default:
        return ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE);
    }
}

/* Whether st_info holds letters: every one but the null symbol's is printable, which no real st_info of a FUNC is. */
static bool info_is_letter(const uint8_t *raw, size_t count)
{
    if (count < 2)
        return false;
    for (size_t i = 1; i < count; i++) {
        uint8_t info = raw[i * SYMBOL_SIZE + 4];
        if (info < 'A' || info > 'z')
            return false;
    }
    return true;
}

static struct lkmfs_module_symbol decode(const uint8_t *raw, const char *strings, uint64_t strings_size)
{
    struct cursor cursor = cursor_over(raw, SYMBOL_SIZE);
    struct lkmfs_module_symbol symbol = {0};
    uint32_t name = cursor_u32(&cursor);
    symbol.name = name < strings_size ? strings + name : "";
    symbol.info = cursor_u8(&cursor);
    symbol.other = cursor_u8(&cursor);
    symbol.shndx = cursor_u16(&cursor);
    symbol.value = cursor_u64(&cursor);
    symbol.size = cursor_u64(&cursor);
    return symbol;
}

void module_read_symbols(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    struct lkmfs_module *module = &entry->module;
    struct tables t = find_tables(modules, module);
    module->symtab_address = t.symtab;
    module->strtab_address = t.strtab;
    doubt_count(entry, &t);
    if (!t.count || entry->symbols_refused)
        return;
    size_t count = (size_t)t.count;
    uint8_t *raw = malloc(count * SYMBOL_SIZE);
    char *letters = arena_alloc(&entry->arena, count + 1);
    char *strings = arena_alloc(&entry->arena, t.strings_size + 1);
    struct lkmfs_module_symbol *symbols = arena_array(&entry->arena, count, sizeof(*symbols));
    if (!raw || !letters || !strings || !symbols) {
        entry->arena.failed = true;
        free(raw);
        return;
    }
    uint64_t missing = lkmfs_space_read_sparse(modules->space, t.symtab, raw, count * SYMBOL_SIZE, NULL, NULL);
    uint64_t lost = lkmfs_space_read_sparse(modules->space, t.strtab, strings, t.strings_size, NULL, NULL);
    if (t.typetab)
        (void)lkmfs_space_read_sparse(modules->space, t.typetab, letters, count, NULL, NULL);
    if (missing || lost)
        module_doubt(entry, &entry->arena,
                     "%" PRIu64 " bytes of the symbol table and %" PRIu64 " of its names are missing", missing, lost);
    bool in_info = !t.typetab && info_is_letter(raw, count);
    for (size_t i = 0; i < count; i++) {
        symbols[i] = decode(raw + i * SYMBOL_SIZE, strings, t.strings_size);
        symbols[i].letter = in_info ? (char)symbols[i].info : PRINTABLE(letters[i]) ? letters[i] : 0;
        if (in_info && i)
            symbols[i].info = info_of_letter(symbols[i].letter);
    }
    free(raw);
    module->symbols = symbols;
    module->symbol_count = count;
}
