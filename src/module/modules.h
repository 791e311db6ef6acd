/*
 * modules.h - what the files of src/module share.
 */
#ifndef LKMFS_MODULE_MODULES_H
#define LKMFS_MODULE_MODULES_H

#include <pthread.h>

#include "base/arena.h"
#include "lkmfs/module.h"
#include "module/layout.h"

/* A module with what only this folder needs. */
struct module_entry {
    struct lkmfs_module module; /* first, so that a public pointer finds its entry */
    struct arena arena;         /* contents */
    pthread_mutex_t lock;       /* guards loading */
    bool loaded;
    bool symbols_refused, btf_refused; /* all modules together would take more memory than any kernel's do */
};

/* Where struct module keeps one of the tables that it counts; sizes are 0 on kernels without it. */
struct module_table_fields {
    struct lkmfs_field pointer, count;
};

/* A region of a module: [start, end). */
struct module_span {
    uint64_t start, end;
    uint64_t highest; /* end of this and of all before it */
    size_t module;
};

/* An entry of the kernel's list of BTF copies: addresses of struct module and of the copy's bytes. */
struct module_btf {
    uint64_t module, data;
};

struct lkmfs_modules {
    const struct lkmfs_kernel *kernel;
    const struct lkmfs_space *space;
    const struct lkmfs_types *types;
    struct lkmfs_log *log;
    struct module_layout layout;
    struct arena arena; /* what is there from the start */
    struct module_entry *entries;
    size_t count;
    size_t leaves_left; /* pages that may still be looked at to see how large regions are */
    size_t uses_left;   /* list entries that may still be followed, for all modules together */
    size_t table_share; /* bytes that a table of one module may take; symbols and BTF have rules of their own */
    char *vermagic;     /* in the arena, or NULL */
    const struct module_table_fields *table_fields; /* one for each rule of tables.c */
    struct module_span *spans;                      /* of all modules, ascending by start */
    size_t span_count;
    pthread_mutex_t btf_lock; /* guards the rest: read when it is first asked for */
    bool btf_known;
    struct module_btf *btf; /* in the kernel's order */
    size_t btf_count;
};

/* Value of a field of a module's struct. */
static inline uint64_t module_field(const struct lkmfs_module *module, const struct lkmfs_field *field)
{
    return lkmfs_field_value(field, module->bytes, module->bytes_size);
}

/* Value of a field of a struct elsewhere in kernel memory; 0 when it is unreadable. */
uint64_t field_at(const struct lkmfs_modules *modules, uint64_t address, const struct lkmfs_field *field);

/* The string at `address` in `arena`, at most `limit` bytes; NULL when there is none. */
const char *string_at(const struct lkmfs_modules *modules, struct arena *arena, uint64_t address, size_t limit);

/* Index of the module whose struct lies at `address`; SIZE_MAX if none. */
size_t module_index(const struct lkmfs_modules *modules, uint64_t address);

/* Adds a line to the doubts of a module that is being opened or loaded. */
void module_doubt(struct module_entry *entry, struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* regions.c: fills regions, base and size. */
void module_read_regions(const struct lkmfs_modules *modules, struct module_entry *entry, struct arena *arena);
/* Cuts regions that claim more memory than is mapped, or than any module has. */
void module_clip_regions(struct lkmfs_modules *modules, struct module_entry *entry);
/* Index of the region around `address`, -1 if none. */
int module_region_around(const struct lkmfs_module *module, uint64_t address);

/* around.c: prepares lkmfs_modules_around(). False without memory. */
bool module_index_regions(struct lkmfs_modules *modules);

/* tables.c: asks the types where the tables are. False without memory. */
bool module_tables_init(struct lkmfs_modules *modules);

/* names.c: gives every module its safe, unique `file` name. False without memory. */
bool module_name_files(struct lkmfs_modules *modules);

/* usage.c: fills users and uses. */
void module_read_usage(struct lkmfs_modules *modules, struct module_entry *entry);

/* budget.c: settles how much memory the contents of each module may take. False without memory. */
bool module_share_memory(struct lkmfs_modules *modules);

/* module_symbols.c: bytes that the symbols will take, as the module itself says. */
uint64_t module_symbols_need(const struct lkmfs_modules *modules, const struct lkmfs_module *module);

/* budget.c: true, with a doubt, when `what`, whose reading began at `start` bytes of the arena, took its share. */
bool module_share_used(const struct lkmfs_modules *modules, struct module_entry *entry, size_t start, const char *what);

/* The parts of lkmfs_module_load(). */
void module_read_sections(const struct lkmfs_modules *modules, struct module_entry *entry);
void module_read_notes(const struct lkmfs_modules *modules, struct module_entry *entry);
void module_read_tables(const struct lkmfs_modules *modules, struct module_entry *entry);
void module_read_symbols(const struct lkmfs_modules *modules, struct module_entry *entry);
void module_read_parameters(const struct lkmfs_modules *modules, struct module_entry *entry);
void module_read_btf(const struct lkmfs_modules *modules, struct module_entry *entry);

#endif
