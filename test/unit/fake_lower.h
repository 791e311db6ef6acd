/*
 * fake_lower.h - the lower layers as the tests of src/fs want them: a made-up image with made-up modules; and src/fs
 * upon them.
 *
 * Include it in one file of a test program, first. Every function defined here has a line in fake_names.h.
 */
#ifndef LKMFS_TEST_FAKE_LOWER_H
#define LKMFS_TEST_FAKE_LOWER_H

#include "test/unit/fake_names.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/find_kernel.h"
#include "lkmfs/tree.h"

#define FAKE_MODULES 6

/* What the tests turn. Modules: 0 plain, 1 uses 0, 2 hidden, 3 hostile name, 4 damaged, 5 big. */
static struct {
    atomic_size_t builds;       /* calls of lkmfs_object_build() */
    atomic_size_t loads;        /* calls of lkmfs_module_load() */
    enum lkmfs_error_code fail; /* builds fail with that, if not NONE */
    size_t growth;              /* bytes that objects are larger than they should be */
    const char *vmcoreinfo;
    bool no_btf;
} fake;

static const size_t fake_users[] = {1}, fake_uses[] = {0};
static const char *const fake_doubts[] = {"the list's pointer is \x1b[31mred"};
static const struct lkmfs_region fake_regions[] = {
    {LKMFS_REGION_TEXT, 0xffffffffc0000000, 0x1000},
    {LKMFS_REGION_DATA, 0xffffffffc0001000, 0x1000},
};
static const struct lkmfs_parameter fake_parameters[] = {
    {"debug", "int", "7", 0644},
    {"path", "charp", "/tmp/\xff<b>", 0},
    {"odd", "", NULL, 0400},
};
static const struct lkmfs_module_symbol fake_symbols[] = {
    {.name = ""},
    {.name = "fake_init", .value = 0xffffffffc0000010, .shndx = 1, .letter = 't'},
    {.name = "imported", .shndx = 0, .letter = 'U'},
};

static const struct lkmfs_module fake_modules[FAKE_MODULES] = {
    {.name = "alpha",
     .file = "alpha",
     .base = 0xffffffffc0000000,
     .size = 0x2000,
     .traces = 7,
     .refcount = 1,
     .version = "1.0",
     .srcversion = "ABC",
     .build_id = "00ff",
     .args = "debug=7",
     .taints = 1 << 12 | 1 << 13,
     .regions = fake_regions,
     .region_count = 2,
     .parameters = fake_parameters,
     .parameter_count = 3,
     .users = fake_users,
     .user_count = 1,
     .symbols = fake_symbols,
     .symbol_count = 3,
     .percpu = 0x20,
     .percpu_size = 8},
    {.name = "beta_gamma",
     .file = "beta_gamma",
     .base = 0xffffffffc0002000,
     .size = 0x1000,
     .traces = 7,
     .uses = fake_uses,
     .use_count = 1},
    {.name = "rootkit",
     .file = "rootkit",
     .base = 0xffffffffc0003000,
     .size = 0x1000,
     .traces = LKMFS_TRACE_SCAN,
     .refcount = -1},
    {.name = "../../etc/\x01\xff\"<x>",
     .file = "___etc____x_.c0004000",
     .base = 0xffffffffc0004000,
     .size = 0x1000,
     .traces = 3,
     .state = 77,
     .taints = 1ull << 40,
     .doubts = fake_doubts,
     .doubt_count = 1},
    {.name = "damaged", .file = "damaged", .base = 0xffffffffc0005000, .size = 0x1000, .traces = 1, .state = 2},
    {.name = "big", .file = "big", .base = 0xffffffffc0006000, .size = 0x100000, .traces = 7},
};

/* ---- image ---- */

struct lkmfs_image {
    int unused;
};

bool lkmfs_image_open(const char *path, struct lkmfs_log *log, struct lkmfs_image **ret, struct lkmfs_error *err)
{
    if (strcmp(path, "missing") == 0)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "missing: no such file");
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "image: fake");
    *ret = calloc(1, sizeof(**ret));
    return *ret || lkmfs_fail_memory(err);
}

void lkmfs_image_close(struct lkmfs_image *image)
{
    free(image);
}

const char *lkmfs_image_path(const struct lkmfs_image *image)
{
    (void)image;
    return "/evidence/<fake>.raw";
}

const char *lkmfs_image_format(const struct lkmfs_image *image)
{
    (void)image;
    return "fake";
}

uint64_t lkmfs_image_file_size(const struct lkmfs_image *image)
{
    (void)image;
    return 1 << 20;
}

time_t lkmfs_image_mtime(const struct lkmfs_image *image)
{
    (void)image;
    return 1234567890;
}

const struct lkmfs_range *lkmfs_image_ranges(const struct lkmfs_image *image, size_t *count)
{
    static const struct lkmfs_range range = {0x1000, 0x100000};
    (void)image;
    *count = 1;
    return &range;
}

uint64_t lkmfs_image_bytes_read(const struct lkmfs_image *image)
{
    (void)image;
    return 4096;
}

/* ---- memory ---- */

enum lkmfs_paging lkmfs_space_paging(const struct lkmfs_space *space)
{
    (void)space;
    return LKMFS_PAGING_X86_64_4LEVEL;
}

const char *lkmfs_paging_name(enum lkmfs_paging paging)
{
    (void)paging;
    return "fake paging";
}

uint64_t lkmfs_space_root(const struct lkmfs_space *space)
{
    (void)space;
    return 0x2a10000;
}

/* ---- kernel ---- */

struct lkmfs_kernel {
    struct lkmfs_kernel_facts facts;
};

bool find_kernel(struct lkmfs_image *image, const struct lkmfs_session_options *options, struct lkmfs_log *log,
                 struct lkmfs_kernel **ret, struct lkmfs_error *err)
{
    (void)image;
    (void)options;
    lkmfs_log_add(log, LKMFS_LOG_DOUBT, "kernel: fake");
    *ret = calloc(1, sizeof(**ret));
    if (!*ret)
        return lkmfs_fail_memory(err);
    (*ret)->facts = (struct lkmfs_kernel_facts){.banner = "Linux version 6.1 <\x1b>",
                                                .release = "6.1",
                                                .root_source = "made up",
                                                .vmcoreinfo = fake.vmcoreinfo,
                                                .text_start = 0xffffffff81000000};
    return true;
}

void lkmfs_kernel_close(struct lkmfs_kernel *kernel)
{
    free(kernel);
}

const struct lkmfs_kernel_facts *lkmfs_kernel_facts(const struct lkmfs_kernel *kernel)
{
    return &kernel->facts;
}

const struct lkmfs_space *lkmfs_kernel_space(const struct lkmfs_kernel *kernel)
{
    (void)kernel;
    return NULL;
}

const struct lkmfs_symbols *lkmfs_kernel_symbols(const struct lkmfs_kernel *kernel)
{
    (void)kernel;
    return NULL;
}

const struct lkmfs_types *lkmfs_kernel_types(const struct lkmfs_kernel *kernel)
{
    (void)kernel;
    return NULL;
}

size_t lkmfs_symbols_count(const struct lkmfs_symbols *symbols)
{
    (void)symbols;
    return 2;
}

struct lkmfs_symbol lkmfs_symbols_at(const struct lkmfs_symbols *symbols, size_t index)
{
    (void)symbols;
    return (struct lkmfs_symbol){0xffffffff81000000 + index, index ? "start_\nkernel" : "_text", 'T'};
}

const char *lkmfs_types_source(const struct lkmfs_types *types)
{
    (void)types;
    return "made up";
}

const uint8_t *lkmfs_types_btf(const struct lkmfs_types *types, size_t *size)
{
    (void)types;
    *size = fake.no_btf ? 0 : 4;
    return fake.no_btf ? NULL : (const uint8_t *)"\x9f\xeb\x01\x00";
}

/* ---- modules ---- */

struct lkmfs_modules {
    const struct lkmfs_kernel *kernel;
};

bool lkmfs_modules_open(const struct lkmfs_kernel *kernel, struct lkmfs_log *log, struct lkmfs_modules **ret,
                        struct lkmfs_error *err)
{
    (void)log;
    *ret = calloc(1, sizeof(**ret));
    if (!*ret)
        return lkmfs_fail_memory(err);
    (*ret)->kernel = kernel;
    return true;
}

void lkmfs_modules_close(struct lkmfs_modules *modules)
{
    free(modules);
}

const struct lkmfs_kernel *lkmfs_modules_kernel(const struct lkmfs_modules *modules)
{
    return modules->kernel;
}

size_t lkmfs_modules_count(const struct lkmfs_modules *modules)
{
    (void)modules;
    return FAKE_MODULES;
}

const struct lkmfs_module *lkmfs_modules_at(const struct lkmfs_modules *modules, size_t index)
{
    (void)modules;
    return &fake_modules[index];
}

bool lkmfs_module_load(const struct lkmfs_modules *modules, const struct lkmfs_module *module, struct lkmfs_error *err)
{
    (void)modules;
    (void)module;
    (void)err;
    atomic_fetch_add(&fake.loads, 1);
    return true;
}

const char *lkmfs_modules_vermagic(const struct lkmfs_modules *modules)
{
    (void)modules;
    return "6.1 SMP ";
}

/* ---- objects ---- */

struct lkmfs_builder {
    int unused;
};

struct lkmfs_object {
    uint8_t *bytes;
    size_t size;
};

bool lkmfs_builder_new(const struct lkmfs_modules *modules, struct lkmfs_log *log, struct lkmfs_builder **ret,
                       struct lkmfs_error *err)
{
    (void)modules;
    (void)log;
    *ret = calloc(1, sizeof(**ret));
    return *ret || lkmfs_fail_memory(err);
}

void lkmfs_builder_free(struct lkmfs_builder *builder)
{
    free(builder);
}

/* Size and contents of the object of module `index`: what a test expects to read. */
static size_t fake_size(size_t index, enum lkmfs_object_kind kind)
{
    return index == 5 ? 300000 : 1000 + 777 * index + 11 * (size_t)kind;
}

static uint8_t fake_byte(size_t index, enum lkmfs_object_kind kind, size_t offset)
{
    return (uint8_t)(offset * 31 + (offset >> 8) * 17 + index * 7 + (size_t)kind);
}

bool lkmfs_object_build(const struct lkmfs_builder *builder, const struct lkmfs_module *module,
                        enum lkmfs_object_kind kind, struct lkmfs_object **ret, struct lkmfs_error *err)
{
    (void)builder;
    size_t index = (size_t)(module - fake_modules);
    atomic_fetch_add(&fake.builds, 1);
    if (fake.fail != LKMFS_ERROR_NONE)
        return lkmfs_fail(err, fake.fail, 0, "as the test wants it");
    if (index == 4)
        return lkmfs_fail(err, LKMFS_ERROR_DAMAGED, 0, "nothing is left");
    struct lkmfs_object *object = calloc(1, sizeof(*object));
    size_t size = fake_size(index, kind) + fake.growth;
    if (!object || !(object->bytes = malloc(size))) {
        free(object);
        return lkmfs_fail_memory(err);
    }
    object->size = size;
    for (size_t i = 0; i < size; i++)
        object->bytes[i] = fake_byte(index, kind, i);
    *ret = object;
    return true;
}

void lkmfs_object_free(struct lkmfs_object *object)
{
    if (object)
        free(object->bytes);
    free(object);
}

const uint8_t *lkmfs_object_bytes(const struct lkmfs_object *object, size_t *size)
{
    *size = object->size;
    return object->bytes;
}

uint8_t *lkmfs_object_take(struct lkmfs_object *object, size_t *size)
{
    uint8_t *bytes = object->bytes;
    *size = object->size;
    object->bytes = NULL;
    return bytes;
}

const struct lkmfs_section_report *lkmfs_object_sections(const struct lkmfs_object *object, size_t *count)
{
    static const struct lkmfs_byte_range missing[] = {{0x1000, 0x1000}, {0x3000, 0x800}};
    static const struct lkmfs_section_report sections[] = {
        {.name = ".text",
         .address = 0xffffffffc0000000,
         .size = 0x4000,
         .index = 1,
         .size_rule = "the region's end",
         .size_from = LKMFS_FROM_RESTORED,
         .relocations = 12,
         .relocations_inferred = 3,
         .restored_bytes = 20,
         .restored_sites = 4,
         .missing = missing,
         .missing_count = 2,
         .data_from = LKMFS_FROM_MISSING},
        {.name = ".modinfo", .size = 10, .index = 2, .size_rule = "made up", .data_from = LKMFS_FROM_INFERRED},
    };
    (void)object;
    *count = 2;
    return sections;
}

const char *const *lkmfs_object_doubts(const struct lkmfs_object *object, size_t *count)
{
    static const char *const doubts[] = {".text: a page is gone"};
    (void)object;
    *count = 1;
    return doubts;
}

void lkmfs_object_symbol_counts(const struct lkmfs_object *object, size_t counts[LKMFS_PROVENANCE_COUNT])
{
    (void)object;
    for (size_t i = 0; i < LKMFS_PROVENANCE_COUNT; i++)
        counts[i] = 10 * i;
}

const char *lkmfs_provenance_name(enum lkmfs_provenance provenance)
{
    static const char *const names[] = {"memory", "restored", "inferred", "missing"};
    return names[provenance];
}

bool lkmfs_exports_open(const struct lkmfs_modules *modules, struct lkmfs_log *log, struct lkmfs_exports **ret,
                        struct lkmfs_error *err)
{
    (void)modules;
    (void)log;
    (void)err;
    *ret = NULL;
    return true;
}

void lkmfs_exports_close(struct lkmfs_exports *exports)
{
    (void)exports;
}

const struct lkmfs_export *lkmfs_exports_find(const struct lkmfs_exports *exports, const char *name)
{
    (void)exports;
    static const struct lkmfs_export other = {.name = "fake_init", .module = 99, .address = 0xffffffffc0000010};
    return strcmp(name, other.name) == 0 ? &other : NULL;
}

bool lkmfs_types_field(const struct lkmfs_types *types, const char *name, const char *path, struct lkmfs_field *ret)
{
    (void)types;
    (void)name;
    (void)path;
    *ret = (struct lkmfs_field){0};
    return false;
}

/* ---- what is tested ---- */

#include "src/fs/cache.c"
#include "src/fs/content.c"
#include "src/fs/escape.c"
#include "src/fs/info_json.c"
#include "src/fs/json.c"
#include "src/fs/kernel_text.c"
#include "src/fs/module_json.c"
#include "src/fs/modules_text.c"
#include "src/fs/nodes.c"
#include "src/fs/object_json.c"
#include "src/fs/report_html.c"
#include "src/fs/session.c"
#include "src/fs/session_json.c"
#include "src/fs/tree.c"
#include "src/fs/tree_data.c"
#include "src/fs/words.c"

#endif
