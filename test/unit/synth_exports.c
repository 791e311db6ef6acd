/* __ksymtab, __kcrctab and __kflagstab (include/linux/export-internal.h), of the kernel and of modules. */
#include <string.h>

#include "synth_module.h"

static uint64_t put_string(struct synth_kernel *k, uint64_t *next, const char *text)
{
    uint64_t at = *next;
    strcpy((char *)synth_at(k, at), text);
    *next += strlen(text) + 1;
    return at;
}

static void put_entry(struct synth_kernel *k, uint64_t at, const struct synth_export *item, uint64_t *strings)
{
    uint64_t name = put_string(k, strings, item->name);
    if (k->options.release <= SYNTH_4_18) {
        synth_set(k, at, item->value, 8);
        synth_set(k, at + 8, name, 8);
        return;
    }
    synth_set(k, at, item->value - at, 4);
    synth_set(k, at + 4, name - (at + 4), 4);
    if (item->name_space)
        synth_set(k, at + 8, put_string(k, strings, item->name_space) - (at + 8), 4);
}

struct synth_export_table synth_export_table(struct synth_kernel *k, uint64_t (*room)(void *context, uint64_t size),
                                             void *context, const struct synth_export *items, size_t count, bool gpl)
{
    bool flags = k->options.release >= SYNTH_7_2;
    uint64_t size = synth_sizeof(&k->types, "kernel_symbol"), strings_size = 1;
    struct synth_export_table ret = {0};
    for (size_t i = 0; i < count; i++) {
        ret.count += flags || items[i].gpl == gpl;
        strings_size += strlen(items[i].name) + 1 + (items[i].name_space ? strlen(items[i].name_space) + 1 : 0);
    }
    if (!ret.count)
        return ret;
    ret.symbols = room(context, ret.count * size);
    ret.crcs = room(context, ret.count * 4);
    ret.flags = flags ? room(context, ret.count) : 0;
    uint64_t strings = room(context, strings_size), done = 0;
    for (size_t i = 0; i < count; i++) {
        if (!flags && items[i].gpl != gpl)
            continue;
        put_entry(k, ret.symbols + done * size, &items[i], &strings);
        synth_set(k, ret.crcs + done * 4, items[i].crc, 4);
        if (flags)
            synth_set(k, ret.flags + done, items[i].gpl, 1);
        done++;
    }
    return ret;
}

static uint64_t room_in_rodata(void *context, uint64_t size)
{
    return synth_rodata(context, size);
}

static void export_part(struct synth_kernel *k, const struct synth_export *items, size_t count, bool gpl,
                        const char *const names[5])
{
    struct synth_export_table table = synth_export_table(k, room_in_rodata, k, items, count, gpl);
    if (!table.count)
        return;
    synth_symbol_add(k, names[0], table.symbols, 'R');
    synth_symbol_add(k, names[1], table.symbols + table.count * synth_sizeof(&k->types, "kernel_symbol"), 'R');
    synth_symbol_add(k, names[2], table.crcs, 'R');
    synth_symbol_add(k, names[3], table.crcs + table.count * 4, 'R');
    if (table.flags)
        synth_symbol_add(k, names[4], table.flags, 'R');
}

void synth_kernel_export(struct synth_kernel *k, const struct synth_export *items, size_t count)
{
    static const char *const plain[] = {"__start___ksymtab", "__stop___ksymtab", "__start___kcrctab",
                                        "__stop___kcrctab", "__start___kflagstab"};
    static const char *const gpl[] = {"__start___ksymtab_gpl", "__stop___ksymtab_gpl", "__start___kcrctab_gpl",
                                      "__stop___kcrctab_gpl", ""};
    export_part(k, items, count, false, plain);
    if (k->options.release < SYNTH_7_2)
        export_part(k, items, count, true, gpl);
}
