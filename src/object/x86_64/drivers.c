/*
 * drivers.c - struct device_driver in writable data: {name, bus, owner, mod_name}. Registering it stores bus and owner,
 * for most buses the name as well, copied from the structure around it, and for some the module's name. Over 218 such
 * structs of 5.10, 6.12 and 7.2 no bus and 3 owners were there on disk; all 109 names that stood there a second time
 * were copies. Of 118 module's names behind an owner in 6.1's full kernel one was there on disk, in no driver.
 */
#include <string.h>

#include "base/cursor.h"
#include "object/x86_64/data.h"

#define DRIVER_MAX      1024 /* bytes of the largest structure around a struct device_driver */
#define NAME_MAX_LENGTH 64   /* bytes of a module's name in struct module, and more */
#define COPY_WITHIN     256  /* a driver's own name stands so close before its struct device_driver */

static bool is_bus(const struct restore *r, uint64_t address)
{
    const char *name = context_exact(r->context, address);
    size_t length = name ? strlen(name) : 0;
    return name && (strstr(name, "bus_type") || (length > 4 && strcmp(name + length - 4, "_bus") == 0));
}

bool driver_fate(const struct restore *r, const struct draft_section *section, uint64_t offset)
{
    return offset + 16 <= section->size && is_bus(r, le64(section->data + offset)) &&
           le64(section->data + offset + 8) == r->draft->module->address;
}

bool driver_module_fate(const struct restore *r, const struct draft_section *section, uint64_t offset)
{
    const char *name = r->draft->module->name;
    char text[NAME_MAX_LENGTH];
    size_t size = strlen(name) + 1;
    return offset + 8 <= section->size && size <= sizeof(text) &&
           context_read(r->context, le64(section->data + offset), text, size) && memcmp(text, name, size) == 0;
}

bool is_registered_driver(const struct restore *r, const struct draft_section *section,
                          const struct draft_symbol *object)
{
    uint8_t words[DRIVER_MAX];
    uint64_t size = object->size < sizeof(words) ? object->size : sizeof(words);
    if (!context_read(r->context, section->address + object->value, words, size))
        return false;
    for (uint64_t at = 0; at + 16 <= size; at += 8)
        if (le64(words + at + 8) == r->draft->module->address && is_bus(r, le64(words + at)))
            return true;
    return false;
}

bool driver_name_fate(const struct restore *r, const struct draft_section *section, uint64_t offset)
{
    uint8_t words[COPY_WITHIN];
    uint64_t size = offset < COPY_WITHIN ? offset : COPY_WITHIN;
    if (offset + 24 > section->size || !driver_fate(r, section, offset + 8) ||
        !context_read(r->context, section->address + offset - size, words, size))
        return false;
    for (uint64_t at = 0; at + 8 <= size; at += 8)
        if (le64(words + at) == le64(section->data + offset))
            return true;
    return false;
}
