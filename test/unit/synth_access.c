/* Reading and writing a synthetic kernel's memory by virtual address. */
#include <string.h>

#include "synth_kernel.h"

uint64_t synth_phys_of(const struct synth_kernel *k, uint64_t virt)
{
    if (virt >= k->direct && virt - k->direct < k->memory.size)
        return virt - k->direct;
    if (virt >= k->text && virt < k->end)
        return virt - k->text + k->text_phys;
    if (virt >= SYNTH_MODULE_AREA && virt < k->module_next)
        return virt - SYNTH_MODULE_AREA + k->module_phys;
    synth_die("0x%llx is no address of this kernel", (unsigned long long)virt);
}

uint8_t *synth_at(const struct synth_kernel *k, uint64_t virt)
{
    return synth_phys(&k->memory, synth_phys_of(k, virt), 1);
}

void synth_set(const struct synth_kernel *k, uint64_t virt, uint64_t value, unsigned width)
{
    synth_le(synth_at(k, virt), value, width);
}

uint64_t synth_get(const struct synth_kernel *k, uint64_t virt, unsigned width)
{
    uint64_t value = 0;
    memcpy(&value, synth_at(k, virt), width); /* the host is little-endian, as the image is */
    return value;
}

void synth_set_field(const struct synth_kernel *k, const char *name, uint64_t virt, const char *path, uint64_t value)
{
    synth_set(k, virt + synth_offset(&k->types, name, path), value, (unsigned)synth_width(&k->types, name, path));
}

uint64_t synth_get_field(const struct synth_kernel *k, const char *name, uint64_t virt, const char *path)
{
    return synth_get(k, virt + synth_offset(&k->types, name, path), (unsigned)synth_width(&k->types, name, path));
}

void synth_list_add(const struct synth_kernel *k, uint64_t head, uint64_t node)
{
    uint64_t last = synth_get(k, head + 8, 8);
    if (!last)
        last = head;
    synth_set(k, last, node, 8);
    synth_set(k, node, head, 8);
    synth_set(k, node + 8, last, 8);
    synth_set(k, head + 8, node, 8);
}

uint64_t synth_string(struct synth_kernel *k, const char *text)
{
    uint64_t at = synth_heap(k, strlen(text) + 1);
    strcpy((char *)synth_at(k, at), text);
    return at;
}
