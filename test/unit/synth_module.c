#include "synth_module.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "synth_attrs.h"

#define NAME 56

static const uint64_t region_flags[SYNTH_REGIONS] = {
    [SYNTH_TEXT] = 0,
    [SYNTH_RODATA] = SYNTH_NX,
    [SYNTH_RO_AFTER_INIT] = SYNTH_NX,
    [SYNTH_DATA] = SYNTH_NX | SYNTH_WRITE,
};

static bool has_mem(const struct synth_kernel *k)
{
    return k->options.release >= SYNTH_6_12;
}

/* One run of pages to 6.3; since 6.4 each kind of memory is its own allocation. */
static void make_regions(struct synth_module *m)
{
    struct synth_kernel *k = m->kernel;
    uint64_t start = has_mem(k) ? 0 : synth_module_pages(k, SYNTH_REGIONS * SYNTH_REGION_SIZE, SYNTH_NX);
    for (unsigned i = 0; i < SYNTH_REGIONS; i++) {
        uint64_t at = start + i * SYNTH_REGION_SIZE;
        if (has_mem(k))
            at = synth_module_pages(k, SYNTH_REGION_SIZE, region_flags[i]);
        else
            synth_map_range(&k->tables, at, synth_phys_of(k, at), SYNTH_REGION_SIZE, SYNTH_4K, region_flags[i]);
        m->region[i] = m->next[i] = at;
    }
}

static void write_memory(const struct synth_module *m)
{
    static const unsigned types[SYNTH_REGIONS] = {0, 2, 3, 1}; /* enum mod_mem_type */
    const struct synth_types *t = &m->kernel->types;
    if (!has_mem(m->kernel)) {
        synth_module_set(m, "core_layout.base", m->region[SYNTH_TEXT]);
        synth_module_set(m, "core_layout.size", 4 * SYNTH_REGION_SIZE);
        synth_module_set(m, "core_layout.text_size", SYNTH_REGION_SIZE);
        synth_module_set(m, "core_layout.ro_size", 2 * SYNTH_REGION_SIZE);
        synth_module_set(m, "core_layout.ro_after_init_size", 3 * SYNTH_REGION_SIZE);
        return;
    }
    for (unsigned i = 0; i < SYNTH_REGIONS; i++) {
        uint64_t at = m->address + synth_offset(t, "module", "mem") + types[i] * synth_sizeof(t, "module_memory");
        synth_set_field(m->kernel, "module_memory", at, "base", m->region[i]);
        synth_set_field(m->kernel, "module_memory", at, "size", SYNTH_REGION_SIZE);
    }
}

struct synth_module *synth_module_new(struct synth_kernel *kernel, const char *name)
{
    struct synth_module *m = calloc(1, sizeof(*m));
    if (!m)
        synth_die("out of memory");
    m->kernel = kernel;
    make_regions(m);
    (void)synth_module_section(m, ".text", SYNTH_TEXT, 0x400, 16);
    m->address =
        synth_module_section(m, ".gnu.linkonce.this_module", SYNTH_DATA, synth_sizeof(&kernel->types, "module"), 64);
    memset(synth_at(kernel, m->region[SYNTH_TEXT]), 0x90, 0x400);
    memcpy(synth_at(kernel, m->address + synth_offset(&kernel->types, "module", "name")), name, strnlen(name, NAME));
    write_memory(m);
    synth_module_set(m, "mkobj.mod", m->address);
    synth_module_set(m, "mkobj.kobj.name", synth_string(kernel, name));
    synth_module_set(m, "refcnt.counter", 1);
    synth_module_set(m, "kallsyms", m->address + synth_offset(&kernel->types, "module", "core_kallsyms"));
    static const char *const lists[] = {"source_list", "target_list", "bug_list"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        uint64_t head = m->address + synth_offset(&kernel->types, "module", lists[i]);
        synth_set(kernel, head, head, 8);
        synth_set(kernel, head + 8, head, 8);
    }
    synth_module_symbol(m, "", NULL, 0, 0, 0, 'U');
    return m;
}

void synth_module_set(const struct synth_module *m, const char *path, uint64_t value)
{
    synth_set_field(m->kernel, "module", m->address, path, value);
}

uint64_t synth_module_get(const struct synth_module *m, const char *path)
{
    return synth_get_field(m->kernel, "module", m->address, path);
}

static void add_section(struct synth_module *m, const char *name, uint64_t address)
{
    if (m->section_count == SYNTH_SECTIONS_MAX)
        synth_die("too many sections");
    m->sections[m->section_count++] = (struct synth_section){.name = name, .address = address};
}

static uint64_t region_room(struct synth_module *m, enum synth_region region, uint64_t size, uint64_t align)
{
    uint64_t at = (m->next[region] + align - 1) / align * align;
    if (at + size > m->region[region] + SYNTH_REGION_SIZE)
        synth_die("no room in region %d for %llu bytes", (int)region, (unsigned long long)size);
    m->next[region] = at + size;
    return at;
}

uint64_t synth_module_section(struct synth_module *m, const char *name, enum synth_region region, uint64_t size,
                              uint64_t align)
{
    uint64_t at = region_room(m, region, size, align);
    add_section(m, name, at);
    return at;
}

void synth_module_stale_section(struct synth_module *m, const char *name, uint64_t address)
{
    add_section(m, name, address);
}

uint64_t synth_module_note(struct synth_module *m, const char *name, const void *bytes, size_t size)
{
    uint64_t at = synth_module_section(m, name, SYNTH_RODATA, size, 4);
    memcpy(synth_at(m->kernel, at), bytes, size);
    m->notes[m->note_count++] = (struct synth_section){name, at, size};
    return at;
}

static const struct synth_section *find_section(const struct synth_module *m, const char *name)
{
    for (size_t i = 0; i < m->section_count; i++)
        if (strcmp(m->sections[i].name, name) == 0)
            return &m->sections[i];
    synth_die("no section %s", name);
}

uint16_t synth_module_shndx(const struct synth_module *m, const char *section)
{
    return (uint16_t)(2 * (find_section(m, section) - m->sections) + 1);
}

void synth_module_symbol(struct synth_module *m, const char *name, const char *section, uint64_t offset, uint64_t size,
                         uint8_t info, char letter)
{
    bool old = m->kernel->options.release <= SYNTH_4_18; /* the letter overwrites st_info */
    synth_bytes_le(&m->symtab, m->strtab.size, 4);
    synth_bytes_le(&m->symtab, old ? (uint8_t)letter : info, 1);
    synth_bytes_le(&m->symtab, 0, 1);
    synth_bytes_le(&m->symtab, section ? synth_module_shndx(m, section) : SHN_UNDEF, 2);
    synth_bytes_le(&m->symtab, section ? find_section(m, section)->address + offset : 0, 8);
    synth_bytes_le(&m->symtab, size, 8);
    memcpy(synth_bytes_add(&m->strtab, strlen(name) + 1), name, strlen(name) + 1);
    synth_bytes_le(&m->typetab, (uint8_t)letter, 1);
    m->symbol_count++;
}

void synth_module_parameter(struct synth_module *m, const char *name, const char *ops, uint64_t arg, uint16_t mode)
{
    m->parameters[m->parameter_count++] = (struct synth_parameter){name, ops, arg, mode};
}

void synth_module_export(struct synth_module *m, const struct synth_export *item)
{
    m->exports[m->export_count++] = *item;
}

uint64_t synth_symbol(const struct synth_kernel *k, const char *name)
{
    for (size_t i = 0; i < k->symbol_count; i++)
        if (strcmp(k->symbols[i].name, name) == 0)
            return k->symbols[i].address;
    synth_die("no symbol %s", name);
}

static void write_parameters(struct synth_module *m)
{
    struct synth_kernel *k = m->kernel;
    uint64_t size = synth_sizeof(&k->types, "kernel_param");
    if (!m->parameter_count)
        return;
    uint64_t table = synth_module_section(m, "__param", SYNTH_RODATA, m->parameter_count * size, 8);
    for (size_t i = 0; i < m->parameter_count; i++) {
        const struct synth_parameter *p = &m->parameters[i];
        uint64_t at = table + i * size;
        synth_set_field(k, "kernel_param", at, "name", synth_string(k, p->name));
        synth_set_field(k, "kernel_param", at, "ops", p->ops ? synth_symbol(k, p->ops) : 0);
        synth_set_field(k, "kernel_param", at, "perm", p->mode);
        synth_set_field(k, "kernel_param", at, "arg", p->arg);
    }
    synth_module_set(m, "kp", table);
    synth_module_set(m, "num_kp", m->parameter_count);
}

static uint64_t room_in_module(void *context, uint64_t size)
{
    return region_room(context, SYNTH_RODATA, size, 4);
}

static void write_exports(struct synth_module *m)
{
    struct synth_export_table table =
        synth_export_table(m->kernel, room_in_module, m, m->exports, m->export_count, false);
    if (table.count) {
        add_section(m, "__ksymtab", table.symbols);
        add_section(m, "__kcrctab", table.crcs);
        synth_module_set(m, "syms", table.symbols);
        synth_module_set(m, "crcs", table.crcs);
        synth_module_set(m, "num_syms", table.count);
    }
    if (m->kernel->options.release >= SYNTH_7_2) {
        synth_module_set(m, "flagstab", table.flags);
        return;
    }
    table = synth_export_table(m->kernel, room_in_module, m, m->exports, m->export_count, true);
    if (table.count) {
        add_section(m, "__ksymtab_gpl", table.symbols);
        add_section(m, "__kcrctab_gpl", table.crcs);
        synth_module_set(m, "gpl_syms", table.symbols);
        synth_module_set(m, "gpl_crcs", table.crcs);
        synth_module_set(m, "num_gpl_syms", table.count);
    }
}

/* [symtab][strtab][typetab] at the end of data (KERNEL.md A.7). */
static void write_symbols(struct synth_module *m)
{
    struct synth_kernel *k = m->kernel;
    uint64_t symtab = region_room(m, SYNTH_DATA, m->symtab.size, 8);
    uint64_t strtab = region_room(m, SYNTH_DATA, m->strtab.size, 1);
    memcpy(synth_at(k, symtab), m->symtab.bytes, m->symtab.size);
    memcpy(synth_at(k, strtab), m->strtab.bytes, m->strtab.size);
    synth_module_set(m, "core_kallsyms.symtab", symtab);
    synth_module_set(m, "core_kallsyms.strtab", strtab);
    synth_module_set(m, "core_kallsyms.num_symtab", m->symbol_count);
    if (k->options.release <= SYNTH_4_18)
        return;
    uint64_t typetab = region_room(m, SYNTH_DATA, m->typetab.size, 1);
    memcpy(synth_at(k, typetab), m->typetab.bytes, m->typetab.size);
    synth_module_set(m, "core_kallsyms.typetab", typetab);
}

void synth_module_put_sections(struct synth_module *m)
{
    m->sect_attrs = synth_sect_attrs(m->kernel, m->sections, m->section_count);
    m->notes_attrs = synth_notes_attrs(m->kernel, m->notes, m->note_count);
    synth_module_set(m, "sect_attrs", m->sect_attrs);
    synth_module_set(m, "notes_attrs", m->notes_attrs);
}

void synth_module_finish(struct synth_module *m)
{
    struct synth_kernel *k = m->kernel;
    write_parameters(m);
    write_exports(m);
    write_symbols(m);
    synth_module_put_sections(m);
    if (!m->unlisted)
        synth_list_add(k, k->at.modules, m->address + synth_offset(&k->types, "module", "list"));
    if (!m->unlatched)
        synth_module_latch(m);
}

void synth_module_free(struct synth_module *m)
{
    synth_bytes_free(&m->symtab);
    synth_bytes_free(&m->strtab);
    synth_bytes_free(&m->typetab);
    free(m);
}
