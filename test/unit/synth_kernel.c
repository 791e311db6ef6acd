#include "synth_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB             UINT64_C(0x100000)
#define TEXT_SIZE       (2 * MIB)
#define RODATA_SIZE     (MIB / 2)
#define DATA_SIZE       (MIB / 2)
#define HEAP_SIZE       (MIB / 2)
#define MODULES_SIZE    MIB
#define IMAGE_SIZE      (TEXT_SIZE + RODATA_SIZE + DATA_SIZE)
#define TABLES_SIZE     (DATA_SIZE / 2) /* the first half of data */
#define LINK_TEXT       UINT64_C(0xffffffff81000000)
#define TRAMPOLINE_PHYS 0x9d000
#define FILLERS         900 /* kallsyms is not recognised with fewer than four markers of 256 symbols */
#define FILLER_NAME     24

static const char *const param_ops[] = {
    "param_ops_byte", "param_ops_short",   "param_ops_ushort", "param_ops_int",    "param_ops_uint",
    "param_ops_long", "param_ops_ulong",   "param_ops_ullong", "param_ops_hexint", "param_ops_bool",
    "param_ops_bint", "param_ops_invbool", "param_ops_charp",  "param_ops_string", "param_array_ops",
};

static const struct synth_kallsyms_format *default_kallsyms(enum synth_release release)
{
    /* indexes into synth_kallsyms_formats */
    static const unsigned formats[] = {0, 3, 6, 12, 12, 12, 15};
    return &synth_kallsyms_formats[formats[release]];
}

static void map_kernel(struct synth_kernel *k)
{
    uint64_t phys = k->text_phys;
    synth_map(&k->tables, k->text, phys, SYNTH_2M, 0);
    synth_map_range(&k->tables, k->rodata, phys + TEXT_SIZE, RODATA_SIZE, SYNTH_4K, SYNTH_NX);
    synth_map_range(&k->tables, k->data, phys + TEXT_SIZE + RODATA_SIZE, DATA_SIZE, SYNTH_4K, SYNTH_NX | SYNTH_WRITE);
    synth_map(&k->tables, k->direct, 0, SYNTH_1G, SYNTH_NX | SYNTH_WRITE);
    /* level3_kernel_pgt has a second entry, for modules and the fixmap, from the start */
    (void)synth_entry(&k->tables, SYNTH_MODULE_AREA, 1);
}

/* The user half of a pair has the entry for the CPU entry area, and for the kernel only a table of its own. */
static void fill_user_half(struct synth_kernel *k)
{
    struct synth_tables user = k->tables;
    user.root = k->tables.root + SYNTH_PAGE;
    synth_map(&user, k->text, k->text_phys, SYNTH_4K, 0);
    k->tables.next = user.next;
}

static void make_tables(struct synth_kernel *k)
{
    uint64_t start = k->text_phys + TEXT_SIZE + RODATA_SIZE;
    synth_tables_init(&k->tables, &k->memory, k->options.levels, start, start + TABLES_SIZE);
    k->tables.next += k->options.pti ? SYNTH_PAGE : 0;
    map_kernel(k);
    if (k->options.pti)
        fill_user_half(k);
}

static void make_trampoline(struct synth_kernel *k)
{
    if (k->options.trampoline == SYNTH_TRAMPOLINE_NONE)
        return;
    k->trampoline = TRAMPOLINE_PHYS;
    for (unsigned i = 256; i < 512; i++)
        if (i == 511 || k->options.trampoline == SYNTH_TRAMPOLINE_FULL)
            synth_put64(&k->memory, k->trampoline + i * 8, synth_get64(&k->memory, k->tables.root + i * 8));
    uint64_t direct_slot = (k->direct >> (k->options.levels == 5 ? 48 : 39)) & 511;
    synth_put64(&k->memory, k->trampoline, synth_get64(&k->memory, k->tables.root + direct_slot * 8));
}

static uint64_t take(uint64_t *next, uint64_t size, uint64_t end, const char *what)
{
    uint64_t at = (*next + 15) & ~UINT64_C(15);
    if (at + size > end)
        synth_die("no room for %llu bytes of %s", (unsigned long long)size, what);
    *next = at + size;
    return at;
}

uint64_t synth_rodata(struct synth_kernel *k, uint64_t size)
{
    return take(&k->rodata_next, size, k->data, "read-only data");
}

uint64_t synth_data(struct synth_kernel *k, uint64_t size)
{
    return take(&k->data_next, size, k->end, "data");
}

uint64_t synth_heap(struct synth_kernel *k, uint64_t size)
{
    return take(&k->heap_next, size, k->direct + k->text_phys + IMAGE_SIZE + HEAP_SIZE, "heap");
}

uint64_t synth_module_pages(struct synth_kernel *k, uint64_t size, uint64_t flags)
{
    uint64_t at = k->module_next, phys = k->module_phys_next;
    (void)synth_phys(&k->memory, phys, size);
    synth_map_range(&k->tables, at, phys, size, SYNTH_4K, flags);
    /* Physical and virtual addresses advance together, so that synth_at() stays simple. */
    k->module_next += size + SYNTH_PAGE;
    k->module_phys_next += size + SYNTH_PAGE;
    return at;
}

void synth_symbol_add(struct synth_kernel *k, const char *name, uint64_t address, char type)
{
    if (k->symbol_count == SYNTH_SYMBOLS_MAX)
        synth_die("too many symbols");
    k->symbols[k->symbol_count++] = (struct synth_symbol){name, address, type};
}

static void add_fillers(struct synth_kernel *k)
{
    k->names = calloc(FILLERS, FILLER_NAME);
    if (!k->names)
        synth_die("out of memory");
    for (unsigned i = 0; i < FILLERS; i++) {
        char *name = k->names + (size_t)i * FILLER_NAME;
        (void)snprintf(name, FILLER_NAME, "%s_fn_%u", i % 2 ? "synth" : "__do", i * 7919);
        synth_symbol_add(k, name, k->text + 0x1000 + i * 0x40, i % 3 ? 't' : 'T');
    }
}

static void make_banner(struct synth_kernel *k)
{
    char text[256];
    const char *release = synth_release_name(k->options.release);
    (void)snprintf(text, sizeof(text), "Linux version %s-synth (lkmfs@test) (gcc) #1 SMP\n", release);
    const char *banner = k->options.banner ? k->options.banner : text;
    k->at.banner = synth_rodata(k, 512);
    strcpy((char *)synth_at(k, k->at.banner), banner);
    k->at.vermagic = synth_rodata(k, 256);
    (void)snprintf((char *)synth_at(k, k->at.vermagic), 256, "%s-synth SMP mod_unload modversions ", release);
    synth_symbol_add(k, "linux_banner", k->at.banner, 'R');
    synth_symbol_add(k, "vermagic", k->at.vermagic, 'r');
}

static void make_variables(struct synth_kernel *k)
{
    k->at.modules = synth_data(k, 16);
    synth_set(k, k->at.modules, k->at.modules, 8);
    synth_set(k, k->at.modules + 8, k->at.modules, 8);
    k->at.mod_tree = synth_data(k, synth_sizeof(&k->types, "mod_tree_root"));
    k->at.btf_modules = synth_data(k, 16);
    synth_set(k, k->at.btf_modules, k->at.btf_modules, 8);
    synth_set(k, k->at.btf_modules + 8, k->at.btf_modules, 8);
    k->at.vmcoreinfo_data = synth_data(k, 8);
    uint64_t page = synth_heap(k, SYNTH_PAGE);
    strcpy((char *)synth_at(k, page), "OSRELEASE=synth\nPAGESIZE=4096\n");
    synth_set(k, k->at.vmcoreinfo_data, page, 8);
    synth_symbol_add(k, "modules", k->at.modules, 'd');
    synth_symbol_add(k, "mod_tree", k->at.mod_tree, 'd');
    synth_symbol_add(k, "btf_modules", k->at.btf_modules, 'd');
    synth_symbol_add(k, "vmcoreinfo_data", k->at.vmcoreinfo_data, 'D');
    synth_symbol_add(k, "init_top_pgt", k->tables.root - k->text_phys + k->text, 'D');
    synth_symbol_add(k, "_text", k->text, 'T');
    for (size_t i = 0; i < sizeof(param_ops) / sizeof(param_ops[0]); i++)
        synth_symbol_add(k, param_ops[i], synth_rodata(k, 32), 'R');
    synth_symbol_add(k, "_end", k->end - 8, 'B');
}

struct synth_kernel *synth_kernel_new(const struct synth_kernel_options *options)
{
    struct synth_kernel *k = calloc(1, sizeof(*k));
    if (!k)
        synth_die("out of memory");
    k->options = *options;
    k->options.levels = options->levels ? options->levels : 4;
    k->options.kallsyms = options->kallsyms ? options->kallsyms : default_kallsyms(options->release);
    k->text_phys = options->text_phys ? options->text_phys : 20 * MIB;
    k->text = LINK_TEXT + (options->slide ? options->slide : 0xe000000);
    k->rodata = k->text + TEXT_SIZE;
    k->data = k->rodata + RODATA_SIZE;
    k->end = k->data + DATA_SIZE;
    k->direct = k->options.levels == 5 ? UINT64_C(0xff11000000000000) : UINT64_C(0xffff888000000000);
    k->rodata_next = k->rodata;
    k->data_next = k->data + TABLES_SIZE;
    k->heap_next = k->direct + k->text_phys + IMAGE_SIZE;
    k->module_next = SYNTH_MODULE_AREA;
    k->module_phys = k->module_phys_next = k->text_phys + IMAGE_SIZE + HEAP_SIZE;
    synth_memory_init(&k->memory, k->text_phys + IMAGE_SIZE + HEAP_SIZE + MODULES_SIZE);
    synth_types_of(&k->types, options->release);
    memset(synth_at(k, k->text), 0x90, 0x10000);
    make_tables(k);
    make_trampoline(k);
    make_banner(k);
    make_variables(k);
    add_fillers(k);
    return k;
}

static int by_address(const void *a, const void *b)
{
    const struct synth_symbol *one = a, *other = b;
    if (one->address != other->address)
        return one->address < other->address ? -1 : 1;
    return strcmp(one->name, other->name);
}

static void keep_text(struct synth_kernel *k)
{
    size_t kept = 0;
    for (size_t i = 0; i < k->symbol_count; i++)
        if (k->symbols[i].type == 'T' || k->symbols[i].type == 't')
            k->symbols[kept++] = k->symbols[i];
    k->symbol_count = kept;
}

static void place_btf(struct synth_kernel *k)
{
    bool long_header = k->options.release >= SYNTH_7_2;
    struct synth_bytes bytes = {0};
    synth_btf(&bytes, &k->types, long_header ? SYNTH_BTF_LAYOUT : SYNTH_BTF_PLAIN);
    for (unsigned i = 0; i <= k->options.torn_btf; i++) {
        k->btf = synth_rodata(k, bytes.size);
        memcpy(synth_at(k, k->btf), bytes.bytes, bytes.size);
        if (i < k->options.torn_btf) /* the page in its middle is another time's */
            memset(synth_at(k, k->btf + bytes.size / 2), 0xa5, 4096);
    }
    k->btf_size = bytes.size;
    synth_bytes_free(&bytes);
}

/* What a running kernel makes of its BTF: struct btf, whose first fields are `data` and `types`. */
static void place_btf_index(struct synth_kernel *k)
{
    size_t count;
    bool long_header = k->options.release >= SYNTH_7_2;
    uint64_t *index = synth_btf_index(&k->types, long_header ? SYNTH_BTF_LAYOUT : SYNTH_BTF_PLAIN, k->btf, &count);
    uint64_t variable = synth_data(k, 8), btf = synth_heap(k, 16), types = synth_heap(k, count * 8);
    for (size_t i = 0; i < count; i++)
        synth_le(synth_at(k, types + i * 8), index[i], 8);
    synth_le(synth_at(k, btf), k->btf, 8);
    synth_le(synth_at(k, btf + 8), types, 8);
    synth_le(synth_at(k, variable), btf, 8);
    synth_symbol_add(k, "btf_vmlinux", variable, 'B');
    free(index);
}

void synth_kernel_finish(struct synth_kernel *k)
{
    enum synth_encoding encoding = k->options.kallsyms->encoding;
    if (encoding == SYNTH_RELATIVE_PERCPU || encoding == SYNTH_ABSOLUTE) {
        synth_symbol_add(k, "fixed_percpu_data", 0, 'A');
        synth_symbol_add(k, "cpu_tss_rw", 0x6000, 'A');
    }
    if (!k->options.no_btf)
        place_btf(k);
    if (!k->options.no_btf && !k->options.torn_btf) {
        synth_symbol_add(k, "__start_BTF", k->btf, 'R');
        place_btf_index(k);
    }
    if (k->options.text_only)
        keep_text(k);
    qsort(k->symbols, k->symbol_count, sizeof(k->symbols[0]), by_address);
    k->kallsyms_start = synth_rodata(k, 0);
    struct synth_bytes bytes = {0};
    k->kallsyms = synth_kallsyms(&bytes, k->kallsyms_start, k->options.kallsyms, k->symbols, k->symbol_count);
    (void)synth_rodata(k, bytes.size);
    memcpy(synth_at(k, k->kallsyms_start), bytes.bytes, bytes.size);
    synth_bytes_free(&bytes);
}

void synth_kernel_free(struct synth_kernel *k)
{
    if (!k)
        return;
    synth_types_free(&k->types);
    synth_memory_free(&k->memory);
    free(k->names);
    free(k);
}
