/* fuzz_btf.c - a kernel's BTF with pokes: every question that lkmfs asks of types gets some answer. */
#include <stdlib.h>
#include <string.h>

#include "kernel/types.h"
#include "pokes.h"
#include "synth_types.h"

#define ADDRESS UINT64_C(0xffffffff82000000)

struct section {
    struct synth_bytes bytes;
    uint64_t *addresses; /* of the types */
    size_t count;
    struct synth_types types;
    struct pokes pokes;
};

static struct section *section_of(unsigned release)
{
    static struct section sections[SYNTH_RELEASES];
    struct section *s = &sections[release];
    if (s->bytes.size)
        return s;
    synth_types_of(&s->types, (enum synth_release)release);
    enum synth_btf_header header = release >= SYNTH_7_2 ? SYNTH_BTF_LAYOUT : SYNTH_BTF_PLAIN;
    synth_btf(&s->bytes, &s->types, header);
    s->addresses = synth_btf_index(&s->types, header, ADDRESS, &s->count);
    pokes_add_area(&s->pokes, s->bytes.bytes, 64);
    pokes_add_area(&s->pokes, s->bytes.bytes, 0x1800); /* the types that matter; pointers fill the rest */
    pokes_add_area(&s->pokes, s->bytes.bytes, s->bytes.size);
    pokes_add_area(&s->pokes, s->bytes.bytes + s->bytes.size - 0x800, 0x800);
    pokes_add_area(&s->pokes, (uint8_t *)s->addresses, s->count * sizeof(*s->addresses));
    static const uint64_t values[] = {0, 1, 0xffff, 0x10000, 0x7fffffff, 0xffffffff, 0x04000001, 0x84000001};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        pokes_add_value(&s->pokes, values[i]);
    for (size_t i = 0; i < s->types.count && i < VALUES_MAX - 8; i++)
        pokes_add_value(&s->pokes, (uint64_t)s->types.structs[i].id);
    return s;
}

static void ask(const struct lkmfs_types *types, const struct synth_types *in)
{
    struct lkmfs_field field;
    uint64_t size;
    for (size_t i = 0; i < in->count; i++) {
        const struct synth_struct *s = &in->structs[i];
        (void)lkmfs_types_size(types, s->name, &size);
        for (size_t j = 0; j < s->count; j++)
            (void)lkmfs_types_field(types, s->name, s->members[j].name, &field);
    }
    static const char *const paths[] = {"mkobj.mod",      "mkobj.kobj.name", "core_kallsyms.symtab", "list.next",
                                        "refcnt.counter", "arch.orc_unwind", "core_layout.base"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        (void)lkmfs_types_field(types, "module", paths[i], &field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    struct section *s = section_of((unsigned)input_take(&input, 1) % SYNTH_RELEASES);
    struct lkmfs_types *types;
    struct lkmfs_error err = {0};
    pokes_apply(&s->pokes, &input);
    uint8_t *copy = malloc(s->bytes.size); /* of its exact size */
    if (copy) {
        memcpy(copy, s->bytes.bytes, s->bytes.size);
        struct segment segment = {.address = ADDRESS, .bytes = copy, .size = s->bytes.size};
        struct btf_index index = {s->addresses, s->count};
        if (types_find_btf(&segment, 0, &types, &err) || types_from_btf(&segment, 0, &index, &types, &err)) {
            ask(types, &s->types);
            types_free(types);
        } else {
            fuzz_check_message(err.message);
        }
    }
    free(copy);
    pokes_undo(&s->pokes);
    return 0;
}
