/*
 * object.h - a module rebuilt as an ELF file, with the provenance of every part.
 */
#ifndef LKMFS_OBJECT_H
#define LKMFS_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"
#include "lkmfs/module.h"

enum lkmfs_object_kind {
    LKMFS_OBJECT_RELOCATABLE, /* /modules/<name>.ko: ET_REL, as close to the file that was loaded as the image allows */
    LKMFS_OBJECT_LOADED,      /* /loaded/<name>.elf: ET_EXEC, bytes as in memory at run-time addresses */
    LKMFS_OBJECT_LOADABLE,    /* a .ko that the same kernel's insmod takes: nothing points into the freed init part */
};

/* Where a part of the file came from (DESIGN.md section 4). */
enum lkmfs_provenance {
    LKMFS_FROM_MEMORY,   /* as read */
    LKMFS_FROM_RESTORED, /* a run-time change undone by a rule that a table in memory proves, or a fact the kernel kept
                          */
    LKMFS_FROM_INFERRED, /* best evidence */
    LKMFS_FROM_MISSING,  /* gone: zero-filled or left out */
};
#define LKMFS_PROVENANCE_COUNT 4

/* "memory", "restored", "inferred" or "missing". */
const char *lkmfs_provenance_name(enum lkmfs_provenance provenance);

struct lkmfs_byte_range {
    uint64_t offset; /* from the start of the section */
    uint64_t size;
};

/* What is known of one section of the rebuilt file; fields of the header each with their own provenance. */
struct lkmfs_section_report {
    const char *name;
    uint64_t address; /* run-time address; 0 for sections made up from other facts */
    uint64_t size;
    uint32_t index; /* in the rebuilt file */
    enum lkmfs_provenance size_from, header_from, index_from, data_from;
    const char *size_rule; /* the rule that gave the size, in words */
    size_t relocations;    /* entries in its .rela section */
    size_t relocations_inferred;
    uint64_t restored_bytes; /* bytes that a patch rule changed */
    size_t restored_sites;
    const struct lkmfs_byte_range *missing; /* zero-filled runs */
    size_t missing_count;
};

/*
 * An instruction that a place may have held on disk, one of several that the kernel turns into what is there now: which
 * of them it was leaves no trace.
 */
struct lkmfs_reading {
    uint64_t address; /* run-time address */
    uint8_t size;
    uint8_t bytes[7]; /* as linked there */
};

struct lkmfs_object;

/* Everything that building an object needs besides the module; immutable, shared by all builds and threads. */
struct lkmfs_builder;

/* The builder reads tables of the kernel that all modules share. `modules` must outlive it. Errors: NO_MEMORY. */
bool lkmfs_builder_new(const struct lkmfs_modules *modules, struct lkmfs_log *log, struct lkmfs_builder **ret,
                       struct lkmfs_error *err);
void lkmfs_builder_free(struct lkmfs_builder *builder);
const struct lkmfs_exports *lkmfs_builder_exports(const struct lkmfs_builder *builder);

/*
 * Builds module `module`. The same module and kind always give the same bytes. Missing memory is no error: it is
 * zero-filled and reported. *ret is owned by the caller. Errors: NO_MEMORY, READ, DAMAGED (nothing at all is left of
 * it).
 */
bool lkmfs_object_build(const struct lkmfs_builder *builder, const struct lkmfs_module *module,
                        enum lkmfs_object_kind kind, struct lkmfs_object **ret, struct lkmfs_error *err);
void lkmfs_object_free(struct lkmfs_object *object);

/* The finished ELF file. Owned by the object. */
const uint8_t *lkmfs_object_bytes(const struct lkmfs_object *object, size_t *size);

/* The same, owned by the caller from now on (free()); the object has no bytes any more. */
uint8_t *lkmfs_object_take(struct lkmfs_object *object, size_t *size);

/* The report, in file order. Owned by the object. */
const struct lkmfs_section_report *lkmfs_object_sections(const struct lkmfs_object *object, size_t *count);
/* Doubts about this object, one line each. */
const char *const *lkmfs_object_doubts(const struct lkmfs_object *object, size_t *count);
/* Readings of places that are left as in memory, all of one place together. Owned by the object. */
const struct lkmfs_reading *lkmfs_object_readings(const struct lkmfs_object *object, size_t *count);
/* Symbols in the file by provenance. */
void lkmfs_object_symbol_counts(const struct lkmfs_object *object, size_t counts[LKMFS_PROVENANCE_COUNT]);

#endif
