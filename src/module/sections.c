/* sect_attrs and notes_attrs: what /sys/module/<name>/{sections,notes} show (KERNEL.md A.5, A.6). */
#include <inttypes.h>
#include <string.h>

#include "module/modules.h"

#define SECTIONS_MAX 2048 /* e_shnum of the largest modules is below 200; -ffunction-sections ones reach a thousand */
#define NAME_MAX_LEN 256

/* Where the entries of an attribute array lie: one after the other, or pointed to by a NULL-terminated list. */
struct entries {
    uint64_t first, stride; /* address of entry 0, bytes from one to the next */
    size_t count;
};

/* Since 6.14 there is no count: grp.bin_attrs points to an array of pointers to the entries, ended by NULL. */
static size_t count_list(const struct lkmfs_modules *modules, uint64_t list)
{
    size_t count = 0;
    uint64_t pointer;
    while (count < SECTIONS_MAX && lkmfs_space_u64(modules->space, list + count * 8, &pointer) && pointer)
        count++;
    return count;
}

static struct entries find_entries(const struct lkmfs_modules *modules, uint64_t table, const struct lkmfs_field *count,
                                   const struct lkmfs_field *first, const struct lkmfs_field *list, uint64_t stride)
{
    struct entries ret = {.first = table + first->offset, .stride = stride};
    if (!table || !stride)
        return ret;
    uint64_t number =
        count->size ? field_at(modules, table, count) : count_list(modules, field_at(modules, table, list));
    ret.count = number <= SECTIONS_MAX ? (size_t)number : 0;
    return ret;
}

/* Names that the loader puts into the init part, which is gone once the module is LIVE (module_init_section()). */
static bool is_init_name(const char *name)
{
    return strncmp(name, ".init", 5) == 0 || strcmp(name, ".symtab") == 0 || strcmp(name, ".strtab") == 0;
}

static int region_of(const struct lkmfs_module *module, const char *name, uint64_t address)
{
    int region = module_region_around(module, address);
    if (region < 0 || !is_init_name(name))
        return region;
    /* A stale address may lie in what this module or another one has there now. */
    return module->regions[region].kind >= LKMFS_REGION_INIT_TEXT ? region : -1;
}

void module_read_sections(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    const struct module_layout *l = &modules->layout;
    struct lkmfs_module *module = &entry->module;
    uint64_t table = module_field(module, &l->sect_attrs);
    struct entries entries =
        find_entries(modules, table, &l->sect_count, &l->sect_first, &l->sect_list, l->sect_stride);
    struct lkmfs_section_entry *sections = arena_array(&entry->arena, entries.count, sizeof(*sections));
    if (!sections)
        return;
    module->sections = sections;
    size_t start = entry->arena.used;
    if (!entries.count)
        module_doubt(entry, &entry->arena, "no section table: sect_attrs is %s (0x%" PRIx64 ")",
                     table ? "unreadable or empty" : "NULL", table);
    for (size_t i = 0; i < entries.count && !module_share_used(modules, entry, start, "section names"); i++) {
        uint64_t at = entries.first + i * entries.stride;
        const char *name = string_at(modules, &entry->arena, field_at(modules, at, &l->sect_name), NAME_MAX_LEN);
        if (!name || !*name) {
            module_doubt(entry, &entry->arena, "entry %zu of the section table has no readable name", i);
            continue;
        }
        uint64_t address = field_at(modules, at, &l->sect_address);
        sections[module->section_count++] =
            (struct lkmfs_section_entry){name, address, region_of(module, name, address)};
    }
}

static void read_build_id(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    const struct lkmfs_field *field = &modules->layout.build_id;
    static const char digits[] = "0123456789abcdef";
    uint8_t id[20] = {0}, any = 0; /* BUILD_ID_SIZE_MAX */
    if (field->size == sizeof(id) && field->offset + sizeof(id) <= entry->module.bytes_size)
        memcpy(id, entry->module.bytes + field->offset, sizeof(id));
    /* Before 5.14 the note itself: namesz 4, descsz, type, "GNU\0", then the id. */
    for (size_t i = 0; i < entry->module.note_count && !field->size; i++) {
        const struct lkmfs_note_entry *note = &entry->module.notes[i];
        if (strcmp(note->name, ".note.gnu.build-id") == 0 && note->size == 16 + sizeof(id))
            (void)lkmfs_space_read_exact(modules->space, note->address + 16, id, sizeof(id));
    }
    char *text = arena_alloc(&entry->arena, 2 * sizeof(id) + 1);
    for (size_t i = 0; text && i < sizeof(id); i++) {
        any |= id[i];
        text[2 * i] = digits[id[i] >> 4];
        text[2 * i + 1] = digits[id[i] & 15];
    }
    entry->module.build_id = any ? text : NULL;
}

void module_read_notes(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    const struct module_layout *l = &modules->layout;
    uint64_t table = module_field(&entry->module, &l->notes_attrs);
    struct entries entries =
        find_entries(modules, table, &l->notes_count, &l->notes_first, &l->notes_list, l->bin_stride);
    struct lkmfs_note_entry *notes = arena_array(&entry->arena, entries.count, sizeof(*notes));
    if (!notes)
        return;
    entry->module.notes = notes;
    size_t start = entry->arena.used;
    for (size_t i = 0; i < entries.count && !module_share_used(modules, entry, start, "notes"); i++) {
        uint64_t at = entries.first + i * entries.stride;
        const char *name = string_at(modules, &entry->arena, field_at(modules, at, &l->bin_name), NAME_MAX_LEN);
        if (name)
            notes[entry->module.note_count++] = (struct lkmfs_note_entry){name, field_at(modules, at, &l->bin_private),
                                                                          field_at(modules, at, &l->bin_size)};
    }
    read_build_id(modules, entry);
}
