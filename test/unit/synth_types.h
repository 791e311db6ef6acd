/*
 * synth_types.h - struct layouts, both as BTF (through libbpf) and for the test to ask: what lkmfs says of a layout can
 * be compared with what was put in.
 */
#ifndef LKMFS_TEST_SYNTH_TYPES_H
#define LKMFS_TEST_SYNTH_TYPES_H

#include <stdbool.h>

#include "synth.h"

struct btf;

/* Kernels whose struct module and friends differ (KERNEL.md A.2, A.3, A.5). */
enum synth_release {
    SYNTH_4_18, /* export entries are pointers; letters overwrite st_info; section names without bin_attribute */
    SYNTH_5_10, /* core_layout; module_sect_attr with a bin_attribute */
    SYNTH_6_1,  /* build_id; 4.5 to 6.3 differ in nothing else that matters here */
    SYNTH_6_12, /* mem[] */
    SYNTH_6_13, /* rw_copy in mem[]; the last with nsections */
    SYNTH_6_14, /* no nsections: grp.bin_attrs is counted, in an anonymous union */
    SYNTH_7_2,  /* flagstab instead of gpl_syms; BTF with a 32-byte header */
    SYNTH_RELEASES,
};

const char *synth_release_name(enum synth_release release);

#define SYNTH_MEMBERS_MAX 80
#define SYNTH_STRUCTS_MAX 64
#define SYNTH_FLEXIBLE    UINT32_MAX /* count of a flexible array member */

struct synth_member {
    char name[32];
    char type[32];  /* u8 ... u64, s8, s32, s64, char, "*" for void *, "*T" for a pointer to T, or a struct */
    uint32_t count; /* elements of an array; 0 if it is none */
    uint64_t offset, size, element;
    int id;
};

struct synth_struct {
    char name[32]; /* begins with ~ when it is anonymous in BTF */
    bool is_union;
    uint64_t size, align;
    int id;
    size_t count;
    struct synth_member members[SYNTH_MEMBERS_MAX];
};

struct synth_types {
    enum synth_release release;
    struct btf *btf;
    struct synth_struct *structs;
    size_t count;
};

/* An empty set of types, to be filled by hand. */
void synth_types_init(struct synth_types *types);
void synth_types_free(struct synth_types *types);

void synth_struct_begin(struct synth_types *types, const char *name, bool is_union);
void synth_field(struct synth_types *types, const char *name, const char *type, uint32_t count);
/* Ends the struct; its size becomes a multiple of `align`, or of its members' alignment when that is 0. */
void synth_struct_end(struct synth_types *types, uint64_t align);

/* Adds struct module and its parts; what they point to must be there. */
void synth_add_module(struct synth_types *types, enum synth_release release);
/* All that lkmfs asks of the kernel `release`. */
void synth_types_of(struct synth_types *types, enum synth_release release);

/* Offset of "a.b.c" in a struct; anonymous members are looked through. Dies when there is none. */
uint64_t synth_offset(const struct synth_types *types, const char *name, const char *path);
bool synth_has(const struct synth_types *types, const char *name, const char *path);
/* Bytes of that field. */
uint64_t synth_width(const struct synth_types *types, const char *name, const char *path);
uint64_t synth_sizeof(const struct synth_types *types, const char *name);

enum synth_btf_header {
    SYNTH_BTF_PLAIN,  /* 24 bytes */
    SYNTH_BTF_LAYOUT, /* 32 bytes, and a layout table behind the types: 7.2 */
};

/* Appends the section; with filler types, for a kernel's is never small. */
void synth_btf(struct synth_bytes *ret, const struct synth_types *types, enum synth_btf_header header);

/*
 * btf_vmlinux->types as a kernel has it once that section lies at `address`: that of void, then of each type. To be
 * freed; *count entries.
 */
uint64_t *synth_btf_index(const struct synth_types *types, enum synth_btf_header header, uint64_t address,
                          size_t *count);

#endif
