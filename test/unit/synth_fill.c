/* A module's code, tables of sites and symbols, as far as rebuilding looks at them. */
#include <elf.h>
#include <string.h>

#include "synth_sample.h"

#define FUNC  ELF64_ST_INFO(STB_LOCAL, STT_FUNC)
#define OBJ   ELF64_ST_INFO(STB_LOCAL, STT_OBJECT)
#define GFUNC ELF64_ST_INFO(STB_GLOBAL, STT_FUNC)

static void put_rel32(const struct synth_kernel *k, uint64_t at, uint64_t target)
{
    synth_set(k, at, target - (at + 4), 4);
}

/* A table of places, each relative to itself. */
static uint64_t site_table(struct synth_module *m, const char *name, const uint64_t *sites, size_t count)
{
    uint64_t table = synth_module_section(m, name, SYNTH_RODATA, count * 4, 4);
    for (size_t i = 0; i < count; i++)
        synth_set(m->kernel, table + i * 4, sites[i] - (table + i * 4), 4);
    return table;
}

/* Code with a call of ftrace, of another function, of the kernel, a return, an indirect call and a static branch. */
static void put_code(struct synth_module *m, uint64_t text, uint64_t data)
{
    struct synth_kernel *k = m->kernel;
    static const uint8_t nop5[] = {0x0f, 0x1f, 0x44, 0x00, 0x00};
    static const uint8_t ret[] = {0xc3, 0xcc, 0xcc, 0xcc, 0xcc};
    for (unsigned f = 0; f < 4; f++) {
        uint64_t at = text + f * 0x40;
        memset(synth_at(k, at), 0xcc, 0x40);
        memcpy(synth_at(k, at), nop5, 5);
        synth_set(k, at + 5, 0xe8, 1); /* call */
        put_rel32(k, at + 6, f % 2 ? text : synth_symbol(k, "printk"));
        memcpy(synth_at(k, at + 10), nop5, 5);
        synth_set(k, at + 15, 0x8b48, 2); /* mov data(%rip),%rax */
        synth_set(k, at + 17, 0x05, 1);
        put_rel32(k, at + 18, data + 8 * f);
        synth_set(k, at + 22, 0xc7c748, 3); /* mov $text,%rdi */
        synth_set(k, at + 25, data, 4);
        synth_set(k, at + 29, 0xd0ff, 2); /* call *%rax */
        memcpy(synth_at(k, at + 31), "\x0f\x1f\x00", 3);
        synth_set(k, at + 34, 0xe8, 1);
        put_rel32(k, at + 35, synth_symbol(k, "kmalloc"));
        memcpy(synth_at(k, at + 39), ret, 5);
    }
}

static void put_sites(struct synth_module *m, uint64_t text)
{
    uint64_t returns[4], branches[4], calls[4];
    for (unsigned f = 0; f < 4; f++) {
        returns[f] = text + f * 0x40 + 39;
        branches[f] = text + f * 0x40 + 29;
        calls[f] = text + f * 0x40 + 5;
    }
    (void)site_table(m, ".return_sites", returns, 4);
    (void)site_table(m, ".retpoline_sites", branches, 4);
    (void)site_table(m, ".call_sites", calls, 4);
    (void)site_table(m, ".smp_locks", branches, 2);
    (void)site_table(m, ".ibt_endbr_seal", calls, 1);
    uint64_t mcount = synth_module_section(m, "__mcount_loc", SYNTH_RODATA, 4 * 8, 8);
    for (unsigned f = 0; f < 4; f++)
        synth_set(m->kernel, mcount + f * 8, text + f * 0x40, 8);
    synth_module_set(m, "ftrace_callsites", mcount);
    synth_module_set(m, "num_ftrace_callsites", 4);
}

static void put_orc(struct synth_module *m, uint64_t text)
{
    uint64_t ips[4];
    for (unsigned f = 0; f < 4; f++)
        ips[f] = text + f * 0x40;
    uint64_t orc = synth_module_section(m, ".orc_unwind", SYNTH_RODATA, 4 * 6, 2);
    memset(synth_at(m->kernel, orc), 5, 24);
    synth_module_set(m, "arch.orc_unwind_ip", site_table(m, ".orc_unwind_ip", ips, 4));
    synth_module_set(m, "arch.orc_unwind", orc);
    synth_module_set(m, "arch.num_orcs", 4);
}

static void put_jumps(struct synth_module *m, uint64_t text, uint64_t key)
{
    struct synth_kernel *k = m->kernel;
    uint64_t table = synth_module_section(m, "__jump_table", SYNTH_RO_AFTER_INIT, 3 * 16, 8);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t at = table + i * 16;
        synth_set(k, at, text + i * 0x40 + 10 - at, 4);
        synth_set(k, at + 4, text + i * 0x40 + 29 - (at + 4), 4);
        synth_set(k, at + 8, (key - (at + 8)) | (i & 1), 8);
    }
    synth_module_set(m, "jump_entries", table);
    synth_module_set(m, "num_jump_entries", 3);
    table = synth_module_section(m, ".static_call_sites", SYNTH_DATA, 2 * 8, 4);
    for (unsigned i = 0; i < 2; i++) {
        synth_set(k, table + i * 8, text + i * 0x40 + 34 - (table + i * 8), 4);
        synth_set(k, table + i * 8 + 4, key - (table + i * 8 + 4), 4);
    }
    synth_module_set(m, "static_call_sites", table);
    synth_module_set(m, "num_static_call_sites", 2);
}

static void put_bugs(struct synth_module *m, uint64_t text, uint64_t strings)
{
    struct synth_kernel *k = m->kernel;
    uint64_t table = synth_module_section(m, "__bug_table", SYNTH_DATA, 2 * 12, 4);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t at = table + i * 12;
        synth_set(k, at, text + i * 0x40 + 20 - at, 4);
        synth_set(k, at + 4, strings - (at + 4), 4);
        synth_set(k, at + 8, 100 + i, 2);
        synth_set(k, at + 10, 0x907, 2);
    }
    synth_module_set(m, "bug_table", table);
    synth_module_set(m, "num_bugs", 2);
    table = synth_module_section(m, "__ex_table", SYNTH_RODATA, 12, 4);
    synth_set(k, table, text + 15 - table, 4);
    synth_set(k, table + 4, text + 22 - (table + 4), 4);
    synth_module_set(m, "extable", table);
    synth_module_set(m, "num_exentries", 1);
}

/* A test of a feature (jump always, nothing with the feature), stac, and a call. */
static void put_alternatives(struct synth_module *m, uint64_t text)
{
    struct synth_kernel *k = m->kernel;
    static const struct {
        uint16_t site, replacement, feature;
        uint8_t length, size;
    } entries[] = {{0x0a, 0, 3 * 32 + 21, 5, 5},
                   {0x0a, 5, 8 * 32 + 7, 5, 0},
                   {0x5f, 5, 9 * 32 + 20, 3, 3},
                   {0x8a, 8, 4 * 32, 5, 5}};
    uint64_t code = synth_module_section(m, ".altinstr_replacement", SYNTH_TEXT, 13, 1);
    memcpy(synth_at(k, code), "\xe9\0\0\0\0\x0f\x01\xcb\xe8\0\0\0\0", 13);
    put_rel32(k, code + 1, text + 0x40);
    put_rel32(k, code + 9, synth_symbol(k, "kmalloc"));
    uint64_t table = synth_module_section(m, ".altinstructions", SYNTH_RODATA, 14 * 4, 8);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t at = table + i * 14;
        synth_set(k, at, text + entries[i].site - at, 4);
        synth_set(k, at + 4, code + entries[i].replacement - (at + 4), 4);
        synth_set(k, at + 8, entries[i].feature, 2);
        synth_set(k, at + 12, entries[i].length, 1);
        synth_set(k, at + 13, entries[i].size, 1);
    }
}

/* A list of which only a part is in use, a buffer. */
static void put_structured_parameters(struct synth_module *m, uint64_t data)
{
    struct synth_kernel *k = m->kernel;
    uint64_t array = synth_heap(k, synth_sizeof(&k->types, "kparam_array"));
    synth_set_field(k, "kparam_array", array, "ops", synth_symbol(k, "param_ops_uint"));
    synth_set_field(k, "kparam_array", array, "max", 4);
    synth_set_field(k, "kparam_array", array, "elemsize", 4);
    synth_set_field(k, "kparam_array", array, "elem", data);
    synth_set_field(k, "kparam_array", array, "num", data + 24);
    uint64_t string = synth_heap(k, synth_sizeof(&k->types, "kparam_string"));
    synth_set_field(k, "kparam_string", string, "maxlen", 16);
    synth_set_field(k, "kparam_string", string, "string", synth_string(k, "in place"));
    synth_module_parameter(m, "list", "param_array_ops", array, 0);
    synth_module_parameter(m, "buffer", "param_ops_string", string, 0);
}

static void put_parameters(struct synth_module *m, uint64_t data)
{
    synth_module_parameter(m, "debug", "param_ops_int", data + 16, 0644);
    synth_module_parameter(m, "enable", "param_ops_bool", data + 24, 0444);
    synth_module_parameter(m, "name", "param_ops_charp", data + 32, 0);
    synth_set(m->kernel, data + 16, (uint64_t)-5, 4);
    synth_set(m->kernel, data + 24, 1, 1);
    synth_set(m->kernel, data + 32, synth_string(m->kernel, "a value"), 8);
}

static void put_symbols(struct synth_module *m)
{
    static const char *const functions[] = {"alpha_open", "alpha_read", "alpha_write", "alpha_close"};
    for (unsigned f = 0; f < 4; f++)
        synth_module_symbol(m, functions[f], ".text", f * 0x40, 0x2c, FUNC, 't');
    synth_module_symbol(m, "alpha_state", ".data", 0, 8, OBJ, 'd');
    synth_module_symbol(m, "__SCK__alpha_call", ".data", 0x40, 16, OBJ, 'd');
    synth_module_symbol(m, "alpha_debug", ".data", 16, 4, OBJ, 'd');
    synth_module_symbol(m, "alpha_ops", ".rodata", 0, 32, OBJ, 'r');
    synth_module_symbol(m, "alpha_buffer", ".bss", 0, 64, OBJ, 'b');
    synth_module_symbol(m, "__this_module", ".gnu.linkonce.this_module", 0, synth_sizeof(&m->kernel->types, "module"),
                        ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 'd');
    synth_module_symbol(m, "cleanup_module", ".exit.text", 0, 0x10, GFUNC, 't');
}

static void put_notes(struct synth_module *m)
{
    uint8_t note[36] = {4, 0, 0, 0, 20, 0, 0, 0, 3, 0, 0, 0, 'G', 'N', 'U', 0};
    for (unsigned i = 0; i < 20; i++)
        note[16 + i] = (uint8_t)(0xa0 + i);
    (void)synth_module_note(m, ".note.gnu.build-id", note, sizeof(note));
    if (synth_has(&m->kernel->types, "module", "build_id"))
        memcpy(synth_at(m->kernel, m->address + synth_offset(&m->kernel->types, "module", "build_id")), note + 16, 20);
    static const uint8_t linux_note[] = {6,   0,   0,   0,   4,   0, 0, 0, 0, 1, 0, 0,
                                         'L', 'i', 'n', 'u', 'x', 0, 0, 0, 1, 0, 0, 0};
    (void)synth_module_note(m, ".note.Linux", linux_note, sizeof(linux_note));
}

void synth_fill_module(struct synth_module *m)
{
    struct synth_kernel *k = m->kernel;
    uint64_t text = m->region[SYNTH_TEXT];
    uint64_t exit_text = synth_module_section(m, ".exit.text", SYNTH_TEXT, 0x10, 1);
    uint64_t data = synth_module_section(m, ".data", SYNTH_DATA, 0x80, 32);
    uint64_t strings = synth_module_section(m, ".rodata.str1.1", SYNTH_RODATA, 32, 1);
    uint64_t rodata = synth_module_section(m, ".rodata", SYNTH_RODATA, 0x40, 32);
    (void)synth_module_section(m, ".bss", SYNTH_DATA, 64, 32);
    strcpy((char *)synth_at(k, strings), "drivers/alpha.c");
    for (unsigned i = 0; i < 4; i++)
        synth_set(k, rodata + i * 8, text + i * 0x40, 8);
    synth_set(k, data, rodata, 8);
    put_code(m, text, data);
    put_sites(m, text);
    put_orc(m, text);
    put_jumps(m, text, data + 0x40);
    put_bugs(m, text, strings);
    put_alternatives(m, text);
    put_parameters(m, data);
    put_structured_parameters(m, data);
    put_notes(m);
    put_symbols(m);
    synth_module_stale_section(m, ".init.text", UINT64_C(0xffffffffc0f00000));
    synth_module_stale_section(m, ".symtab", UINT64_C(0xffffffffc0f01000));
    synth_module_stale_section(m, ".strtab", UINT64_C(0xffffffffc0f02000));
    synth_module_set(m, "version", synth_string(k, "1.2.3"));
    synth_module_set(m, "srcversion", synth_string(k, "ABCDEF0123456789"));
    synth_module_set(m, "args", synth_string(k, "debug=-5 name=\"a value\""));
    synth_module_set(m, "taints", UINT64_C(1) << 12);
    synth_module_set(m, "init", UINT64_C(0xffffffffc0f00000));
    synth_module_set(m, "exit", exit_text);
    synth_module_set(m, "percpu", 0x28000);
    synth_module_set(m, "percpu_size", 64);
    if (k->options.release > SYNTH_4_18)
        (void)synth_module_btf(m, "\x9f\xeb\1\0alpha's own", 16);
}
