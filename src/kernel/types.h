/*
 * types.h - struct layouts by name, whatever source they came from.
 */
#ifndef LKMFS_KERNEL_TYPES_H
#define LKMFS_KERNEL_TYPES_H

#include "kernel/btf_salvage.h"
#include "kernel/symbols.h"
#include "lkmfs/kernel.h"

/* A source of types. `self` is the source's own data. */
struct type_source {
    bool (*size)(const void *self, const char *name, uint64_t *ret);
    bool (*field)(const void *self, const char *name, const char *path, struct lkmfs_field *ret);
    void (*free)(void *self);
};

struct lkmfs_types {
    const struct type_source *source;
    void *self;
    char description[96];
    const uint8_t *btf; /* the section as it is in the image; NULL unless BTF is the source */
    size_t btf_size;
    uint8_t *btf_copy; /* owned; NULL where the source holds the section */
    size_t lost;       /* types that were on pages that are missing or torn */
    bool names_lost;   /* some names were on such pages: of what has them nothing is known */
};

/*
 * Reads the BTF that lies at `offset` in `segment`; with `index`, what is left of one that is torn (btf_salvage.h),
 * else NULL. *ret is owned by the caller (types_free()). Errors: NOT_FOUND when no BTF with struct module lies there,
 * NO_MEMORY.
 */
bool types_from_btf(const struct segment *segment, size_t offset, const struct btf_index *index,
                    struct lkmfs_types **ret, struct lkmfs_error *err);

/* Looks for a whole BTF in all of `segment`, starting where `hint` (an offset, SIZE_MAX if none) says. Errors as above.
 */
bool types_find_btf(const struct segment *segment, size_t hint, struct lkmfs_types **ret, struct lkmfs_error *err);

void types_free(struct lkmfs_types *types);

#endif
