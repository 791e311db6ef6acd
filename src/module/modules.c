#include "module/modules.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module/traces.h"

#define DOUBTS_MAX   64
#define VERSION_MAX  512
#define ARGS_MAX     4096
#define VERMAGIC_MAX 512
#define LEAVES_MAX   ((size_t)1 << 20)
#define USES_MAX     65536 /* some hundred in real kernels */
#define REGIONS_MAX  8     /* of a module, that are fetched ahead */

uint64_t field_at(const struct lkmfs_modules *modules, uint64_t address, const struct lkmfs_field *field)
{
    uint8_t bytes[8] = {0};
    struct lkmfs_field local = {.offset = 0, .size = field->size};
    if (!address || field->size > sizeof(bytes) ||
        !lkmfs_space_read_exact(modules->space, address + field->offset, bytes, field->size))
        return 0;
    return lkmfs_field_value(&local, bytes, sizeof(bytes));
}

const char *string_at(const struct lkmfs_modules *modules, struct arena *arena, uint64_t address, size_t limit)
{
    char text[ARGS_MAX];
    if (!address || !lkmfs_space_string(modules->space, address, text, limit < sizeof(text) ? limit : sizeof(text)))
        return NULL;
    return arena_string(arena, text);
}

size_t module_index(const struct lkmfs_modules *modules, uint64_t address)
{
    for (size_t i = 0; i < modules->count; i++)
        if (modules->entries[i].module.address == address)
            return i;
    return SIZE_MAX;
}

void module_doubt(struct module_entry *entry, struct arena *arena, const char *format, ...)
{
    struct lkmfs_module *module = &entry->module;
    if (!module->doubts)
        module->doubts = arena_array(arena, DOUBTS_MAX, sizeof(*module->doubts));
    if (!module->doubts || module->doubt_count == DOUBTS_MAX)
        return;
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    const char *line = arena_string(arena, text);
    if (line)
        ((const char **)module->doubts)[module->doubt_count++] = line;
}

static const char *name_of(const struct lkmfs_modules *modules, const struct lkmfs_module *module, struct arena *arena)
{
    const struct lkmfs_field *field = &modules->layout.name;
    const char *start = (const char *)module->bytes + field->offset;
    return arena_copy(arena, start, strnlen(start, field->size));
}

/* Reads struct module and its name. False when it is not in the image. */
static bool read_struct(struct lkmfs_modules *modules, struct module_entry *entry, uint64_t address, unsigned traces)
{
    const struct module_layout *layout = &modules->layout;
    struct lkmfs_module *module = &entry->module;
    uint8_t *bytes = arena_alloc(&modules->arena, layout->size);
    if (!bytes)
        return false;
    uint64_t missing = lkmfs_space_read_sparse(modules->space, address, bytes, layout->size, NULL, NULL);
    if (missing == layout->size)
        return false;
    module->address = address;
    module->traces = traces;
    module->bytes = bytes;
    module->bytes_size = layout->size;
    if (missing)
        module_doubt(entry, &modules->arena, "%" PRIu64 " bytes of struct module are missing from the image", missing);
    module->name = name_of(modules, module, &modules->arena);
    return module->name != NULL;
}

/* What each struct module points to and read_module() follows lies scattered, so it is fetched at once. */
static void prefetch_pointed(const struct lkmfs_modules *modules)
{
    const struct module_layout *l = &modules->layout;
    const struct lkmfs_field *fields[] = {&l->version, &l->srcversion, &l->args, &l->source_list, &l->target_list};
    enum { FIELDS = sizeof(fields) / sizeof(fields[0]), NEAR = 64 };
    struct lkmfs_range *ranges = calloc(modules->count * FIELDS + 1, sizeof(*ranges));
    size_t count = 0;
    for (size_t i = 0; ranges && i < modules->count * FIELDS; i++) {
        const struct lkmfs_field pointer = {.offset = fields[i % FIELDS]->offset, .size = sizeof(uint64_t)};
        uint64_t address = module_field(&modules->entries[i / FIELDS].module, &pointer);
        if (fields[i % FIELDS]->size && address)
            ranges[count++] = (struct lkmfs_range){address, NEAR};
    }
    lkmfs_space_prefetch(modules->space, ranges, count, false);
    free(ranges);
}

/* Takes from struct module what it says directly. */
static void read_module(struct lkmfs_modules *modules, struct module_entry *entry)
{
    const struct module_layout *layout = &modules->layout;
    struct lkmfs_module *module = &entry->module;
    module->state = (unsigned)module_field(module, &layout->state);
    module->taints = module_field(module, &layout->taints);
    /* MODULE_REF_BASE: a loaded module's own reference, 0 once GOING */
    int64_t references = (int32_t)module_field(module, &layout->refcnt);
    module->refcount = layout->refcnt.size ? (references > 0 ? references - 1 : 0) : -1;
    module->init = module_field(module, &layout->init);
    module->exit = module_field(module, &layout->exit);
    module->percpu = module_field(module, &layout->percpu);
    module->percpu_size = module_field(module, &layout->percpu_size);
    module->btf_size = module_field(module, &layout->btf_data_size);
    module->version = string_at(modules, &modules->arena, module_field(module, &layout->version), VERSION_MAX);
    module->srcversion = string_at(modules, &modules->arena, module_field(module, &layout->srcversion), VERSION_MAX);
    module->args = string_at(modules, &modules->arena, module_field(module, &layout->args), ARGS_MAX);
    module_read_regions(modules, entry, &modules->arena);
}

static int by_base(const void *a, const void *b)
{
    const struct lkmfs_module *one = &((const struct module_entry *)a)->module;
    const struct lkmfs_module *other = &((const struct module_entry *)b)->module;
    if (one->base != other->base)
        return one->base < other->base ? -1 : 1;
    return one->address < other->address ? -1 : one->address > other->address;
}

static void follow_traces(struct lkmfs_modules *modules, struct trace_set *set)
{
    /* struct module and the links to it lie in writable data, all of which the scan looks at. */
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(modules->kernel);
    const struct lkmfs_range area = {facts->module_start, facts->module_end - facts->module_start};
    lkmfs_space_prefetch(modules->space, &area, 1, true);
    trace_list(modules, set);
    size_t listed = set->count;
    trace_scan(modules, set);
    trace_latch_tree(modules, set);
    lkmfs_log_add(modules->log, LKMFS_LOG_NOTE, "modules: %zu on the list, %zu by all traces together", listed,
                  set->count);
}

static bool read_all(struct lkmfs_modules *modules, const struct trace_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        struct module_entry *entry = &modules->entries[modules->count];
        if (read_struct(modules, entry, set->found[i].address, set->found[i].traces))
            modules->count++;
        else
            lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT,
                          "a trace leads to a struct module at 0x%" PRIx64 " that is not in the image",
                          set->found[i].address);
    }
    prefetch_pointed(modules);
    for (size_t i = 0; i < modules->count; i++)
        read_module(modules, &modules->entries[i]);
    if (modules->count)
        qsort(modules->entries, modules->count, sizeof(*modules->entries), by_base);
    for (size_t i = 0; i < modules->count; i++) {
        (void)pthread_mutex_init(&modules->entries[i].lock, NULL);
        module_clip_regions(modules, &modules->entries[i]);
        module_read_usage(modules, &modules->entries[i]);
    }
    return module_index_regions(modules) && module_tables_init(modules) && module_share_memory(modules);
}

/* The string that load_module() compares with every .modinfo: static const char vermagic[] in kernel/module. */
static void read_vermagic(struct lkmfs_modules *modules)
{
    uint64_t address;
    const char *release = lkmfs_kernel_facts(modules->kernel)->release;
    char text[VERMAGIC_MAX];
    if (lkmfs_symbols_find(lkmfs_kernel_symbols(modules->kernel), "vermagic", &address) &&
        lkmfs_space_string(modules->space, address, text, sizeof(text)) && strncmp(text, release, strlen(release)) == 0)
        modules->vermagic = arena_string(&modules->arena, text);
    else
        lkmfs_log_add(modules->log, LKMFS_LOG_DOUBT, "the kernel's vermagic string was not found");
}

bool lkmfs_modules_open(const struct lkmfs_kernel *kernel, struct lkmfs_log *log, struct lkmfs_modules **ret,
                        struct lkmfs_error *err)
{
    struct lkmfs_modules *modules = calloc(1, sizeof(*modules));
    if (!modules)
        return lkmfs_fail_memory(err);
    modules->kernel = kernel;
    modules->space = lkmfs_kernel_space(kernel);
    modules->types = lkmfs_kernel_types(kernel);
    modules->log = log;
    modules->uses_left = USES_MAX;
    modules->leaves_left = LEAVES_MAX;
    (void)pthread_mutex_init(&modules->btf_lock, NULL);
    if (!module_layout_init(modules->types, &modules->layout, err)) {
        lkmfs_modules_close(modules);
        return false;
    }
    const struct lkmfs_image *image = lkmfs_space_image(modules->space);
    uint64_t failures = lkmfs_image_failures();
    struct trace_set set = {0};
    follow_traces(modules, &set);
    modules->entries = calloc(set.count + 1, sizeof(*modules->entries));
    bool read = modules->entries && !set.out_of_memory && read_all(modules, &set);
    free(set.found);
    read_vermagic(modules);
    if (!read || !module_name_files(modules) || modules->arena.failed) {
        lkmfs_modules_close(modules);
        return lkmfs_fail_memory(err);
    }
    if (!lkmfs_image_intact(image, failures, err)) {
        lkmfs_modules_close(modules);
        return false;
    }
    *ret = modules;
    return true;
}

void lkmfs_modules_close(struct lkmfs_modules *modules)
{
    if (!modules)
        return;
    for (size_t i = 0; modules->entries && i < modules->count; i++) {
        arena_release(&modules->entries[i].arena);
        (void)pthread_mutex_destroy(&modules->entries[i].lock);
    }
    (void)pthread_mutex_destroy(&modules->btf_lock);
    free(modules->btf);
    free(modules->entries);
    arena_release(&modules->arena);
    free(modules);
}

/* The contents of `entry` as they were in `before`; the other members are read by other threads and stay untouched. */
static void forget_contents(struct module_entry *entry, const struct lkmfs_module *before)
{
    size_t from = offsetof(struct lkmfs_module, build_id);
    memcpy((char *)&entry->module + from, (const char *)before + from, sizeof(*before) - from);
    entry->symbols_refused = entry->btf_refused = false;
    arena_release(&entry->arena);
}

/* Under the lock. What came of a host in trouble is not kept: the next call tries again. */
static bool load(const struct lkmfs_modules *modules, struct module_entry *entry, struct lkmfs_error *err)
{
    const struct lkmfs_module before = entry->module;
    uint64_t failures = lkmfs_image_failures();
    module_read_sections(modules, entry);
    module_read_notes(modules, entry);
    module_read_tables(modules, entry);
    module_read_symbols(modules, entry);
    module_read_parameters(modules, entry);
    module_read_btf(modules, entry);
    bool intact = lkmfs_image_intact(lkmfs_space_image(modules->space), failures, err);
    if (intact && !entry->arena.failed)
        return true;
    forget_contents(entry, &before);
    return intact ? lkmfs_fail_memory(err) : false;
}

void lkmfs_modules_prefetch(const struct lkmfs_modules *modules, size_t first, size_t count)
{
    struct lkmfs_range *ranges = calloc(count, REGIONS_MAX * sizeof(*ranges));
    size_t used = 0;
    for (size_t i = first; ranges && i < modules->count && i - first < count; i++) {
        const struct lkmfs_module *module = &modules->entries[i].module;
        for (size_t k = 0; k < module->region_count && k < REGIONS_MAX; k++)
            ranges[used++] = (struct lkmfs_range){module->regions[k].address, module->regions[k].size};
    }
    lkmfs_space_prefetch(modules->space, ranges, used, false);
    free(ranges);
}

bool lkmfs_module_load(const struct lkmfs_modules *modules, const struct lkmfs_module *module, struct lkmfs_error *err)
{
    struct module_entry *entry = (struct module_entry *)module; /* contents appear once, behind the lock */
    (void)pthread_mutex_lock(&entry->lock);
    if (!entry->loaded)
        entry->loaded = load(modules, entry, err);
    bool loaded = entry->loaded;
    (void)pthread_mutex_unlock(&entry->lock);
    return loaded;
}

const struct lkmfs_kernel *lkmfs_modules_kernel(const struct lkmfs_modules *modules)
{
    return modules->kernel;
}

size_t lkmfs_modules_count(const struct lkmfs_modules *modules)
{
    return modules->count;
}

const struct lkmfs_module *lkmfs_modules_at(const struct lkmfs_modules *modules, size_t index)
{
    return &modules->entries[index].module;
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if (*a != *b && !((*a == '-' || *a == '_') && (*b == '-' || *b == '_')))
            return false;
    return *a == *b;
}

const struct lkmfs_module *lkmfs_modules_find(const struct lkmfs_modules *modules, const char *name)
{
    for (size_t i = 0; i < modules->count; i++)
        if (same_name(modules->entries[i].module.file, name))
            return &modules->entries[i].module;
    return NULL;
}

const char *lkmfs_modules_vermagic(const struct lkmfs_modules *modules)
{
    return modules->vermagic;
}
