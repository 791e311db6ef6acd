/* What sysfs keeps of a module's sections: sect_attrs and notes_attrs (KERNEL.md A.5, A.6). */
#include "synth_attrs.h"

#include <string.h>

/* bin_attrs: a NULL-terminated array of pointers to the entries; since 6.14 the only count there is. */
static void put_list(struct synth_kernel *k, uint64_t group, uint64_t first, uint64_t stride, size_t count)
{
    uint64_t list = synth_heap(k, (count + 1) * 8);
    for (size_t i = 0; i < count; i++)
        synth_set(k, list + i * 8, first + i * stride, 8);
    synth_set_field(k, "attribute_group", group, "bin_attrs", list);
}

static void put_sect_entry(struct synth_kernel *k, uint64_t at, const struct synth_section *section)
{
    uint64_t name = synth_string(k, section->name);
    if (k->options.release >= SYNTH_6_14) {
        synth_set_field(k, "bin_attribute", at, "attr.name", name);
        synth_set_field(k, "bin_attribute", at, "attr.mode", 0400);
        synth_set_field(k, "bin_attribute", at, "private", section->address);
        synth_set_field(k, "bin_attribute", at, "size", 19); /* MODULE_SECT_READ_SIZE */
        return;
    }
    bool binary = k->options.release > SYNTH_4_18;
    synth_set_field(k, "module_sect_attr", at, binary ? "battr.attr.name" : "name", name);
    synth_set_field(k, "module_sect_attr", at, "address", section->address);
    if (!binary)
        synth_set_field(k, "module_sect_attr", at, "mattr.attr.name", name);
}

uint64_t synth_sect_attrs(struct synth_kernel *k, const struct synth_section *sections, size_t count)
{
    bool counted = k->options.release < SYNTH_6_14;
    uint64_t stride = synth_sizeof(&k->types, counted ? "module_sect_attr" : "bin_attribute");
    uint64_t first = synth_offset(&k->types, "module_sect_attrs", "attrs");
    uint64_t at = synth_heap(k, first + count * stride);
    for (size_t i = 0; i < count; i++)
        put_sect_entry(k, at + first + i * stride, &sections[i]);
    if (counted)
        synth_set_field(k, "module_sect_attrs", at, "nsections", count);
    put_list(k, at + synth_offset(&k->types, "module_sect_attrs", "grp"), at + first, stride, count);
    return at;
}

uint64_t synth_notes_attrs(struct synth_kernel *k, const struct synth_section *notes, size_t count)
{
    if (!count)
        return 0;
    uint64_t stride = synth_sizeof(&k->types, "bin_attribute");
    uint64_t first = synth_offset(&k->types, "module_notes_attrs", "attrs");
    uint64_t at = synth_heap(k, first + count * stride);
    for (size_t i = 0; i < count; i++) {
        uint64_t entry = at + first + i * stride;
        synth_set_field(k, "bin_attribute", entry, "attr.name", synth_string(k, notes[i].name));
        synth_set_field(k, "bin_attribute", entry, "size", notes[i].size);
        synth_set_field(k, "bin_attribute", entry, "private", notes[i].address);
    }
    if (k->options.release < SYNTH_6_14)
        synth_set_field(k, "module_notes_attrs", at, "notes", count);
    else
        put_list(k, at + synth_offset(&k->types, "module_notes_attrs", "grp"), at + first, stride, count);
    return at;
}
