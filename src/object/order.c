/*
 * order.c - puts the sections that the kernel does not list among those that it does.
 *
 * sect_attrs is in header order. Empty sections, .modinfo, __versions, .data..percpu and what was never loaded are not
 * in it; where compiler and linker put those is convention (measured, SECTIONS.md section 5).
 */
#include <elf.h>
#include <string.h>

#include "base/array.h"
#include "base/overflow.h"
#include "object/conventions.h"
#include "object/numbers.h"

static size_t find_slot(const struct slots *slots, const char *name)
{
    for (size_t i = 0; i < slots->count; i++) {
        if (strcmp(slots->items[i].name, name) == 0)
            return i;
    }
    return SIZE_MAX;
}

/* Place of the first slot with one of these names (NULL ends the list); `otherwise` when there is none. */
static size_t first_of(const struct slots *slots, const char *const *names, size_t otherwise)
{
    size_t best = SIZE_MAX;
    for (; *names; names++) {
        size_t at = find_slot(slots, *names);
        best = at < best ? at : best;
    }
    return best == SIZE_MAX ? otherwise : best;
}

/* Place behind the slot called `name`, SIZE_MAX if there is none. */
static size_t after(const struct slots *slots, const char *name)
{
    size_t at = find_slot(slots, name);
    return at == SIZE_MAX ? SIZE_MAX : at + 1;
}

static bool insert(struct slots *slots, size_t at, const struct slot *slot)
{
    if (!ARRAY_RESERVE(&slots->items, &slots->capacity, slots->count))
        return false;
    at = at > slots->count ? slots->count : at;
    memmove(&slots->items[at + 1], &slots->items[at], (slots->count - at) * sizeof(*slots->items));
    slots->items[at] = *slot;
    slots->count++;
    return true;
}

/* Headers of a slot: its own and that of its relocations. */
static uint32_t headers(const struct slot *slot)
{
    return slot->rela ? 2 : 1;
}

/*
 * Place of a slot whose index is known: between the anchored slots around that index, where counting on from the one
 * before gives it; `at`, moved between them, when counting does not.
 */
static size_t clamp(const struct slots *slots, size_t at, uint32_t anchor)
{
    size_t low = 0, high = slots->count;
    if (anchor == DRAFT_NONE)
        return at;
    for (size_t i = 0; i < slots->count; i++) {
        if (slots->items[i].anchor == DRAFT_NONE)
            continue;
        if (slots->items[i].anchor < anchor)
            low = i + 1;
        else
            high = i < high ? i : high;
    }
    if (high < low)
        return at;
    uint32_t number = low ? slots->items[low - 1].anchor + headers(&slots->items[low - 1]) : 1;
    for (size_t i = low; i <= high; i++) {
        if (number == anchor)
            return i;
        number += i < high ? headers(&slots->items[i]) : 0;
    }
    return at < low ? low : at > high ? high : at;
}

static struct slot slot_of(const struct draft *draft, uint32_t index)
{
    const struct draft_section *section = &draft->sections[index];
    return (struct slot){.section = index,
                         .name = section->name,
                         .anchor = section->original_index,
                         .rela = section->has_rela || section->relocation_count > 0};
}

/* Pointers that were stored at run time look like relocated ones; what is freed can't be looked at. */
static bool is_doubtful(const struct draft_section *section, const struct evidence *evidence)
{
    if (convention_is_init(section->name) && !(section->flags & SHF_EXECINSTR))
        return true;
    struct convention convention = convention_for(evidence, section->name, LKMFS_REGION_DATA);
    return section->flags & SHF_WRITE && convention.rela == RELA_IF_POINTERS;
}

/* Sections of sect_attrs come first in the draft. */
static size_t listed_count(const struct draft *draft)
{
    size_t count = 0;
    for (size_t i = 0; i < draft->module->section_count; i++) {
        const char *name = draft->module->sections[i].name;
        count += strcmp(name, ".symtab") != 0 && strcmp(name, ".strtab") != 0;
    }
    return min_u64(count, draft->section_count);
}

static size_t place_of_text(const struct slots *slots)
{
    size_t at = 0;
    while (at < slots->count && strncmp(slots->items[at].name, ".note", 5) == 0)
        at++;
    return at;
}

static size_t place_of_data(const struct slots *slots, const struct evidence *evidence)
{
    static const char *const followers[] = {".exit.data", "__dyndbg", ".gnu.linkonce.this_module", NULL};
    size_t at = after(slots, evidence->strings_in_rodata ? ".bss" : "__patchable_function_entries");
    return at != SIZE_MAX ? at : first_of(slots, followers, slots->count);
}

static size_t place_of_bss(const struct slots *slots, const struct evidence *evidence)
{
    return after(slots, evidence->strings_in_rodata ? ".text" : ".gnu.linkonce.this_module");
}

static size_t place_of_percpu(const struct slots *slots)
{
    static const char *const followers[] = {".static_call_sites", ".gnu.linkonce.this_module", NULL};
    return first_of(slots, followers, slots->count);
}

static size_t place_of_versions(const struct draft *draft, const struct slots *slots)
{
    size_t at = find_slot(slots, ".orc_header");
    for (size_t i = 0; at == SIZE_MAX && i < slots->count; i++) {
        if (slots->items[i].section != DRAFT_NONE && draft->sections[slots->items[i].section].flags & SHF_WRITE)
            at = i;
    }
    return at;
}

/*
 * The first object that has a .modinfo brings it: before its __param, behind its .rodata, before objtool's tables.
 * Tables before __mcount_loc are those of assembly linked in front, which has none.
 */
static size_t place_of_modinfo(const struct draft *draft, const struct slots *slots, const struct evidence *evidence)
{
    static const char *const tables[] = {".retpoline_sites", ".return_sites", ".call_sites", ".ibt_endbr_seal",
                                         ".orc_unwind",      "__bug_table",   NULL};
    static const char *const merged[] = {".exit.data",       ".init.data",    "__param", ".static_call_sites",
                                         ".retpoline_sites", ".return_sites", NULL};
    if (evidence->strings_in_rodata)
        return first_of(slots, merged, slots->count);
    size_t param = find_slot(slots, "__param"), low = find_slot(slots, "__mcount_loc"), best = SIZE_MAX;
    if (param != SIZE_MAX)
        return param;
    low = low == SIZE_MAX ? 0 : low;
    for (size_t i = 0; tables[i]; i++) {
        size_t at = find_slot(slots, tables[i]);
        best = at >= low && at < best ? at : best;
    }
    size_t versions = place_of_versions(draft, slots), rodata = find_slot(slots, ".rodata");
    best = versions < best ? versions : best;
    return rodata != SIZE_MAX && rodata > low && rodata < best ? rodata + 1 : best;
}

/* Inserts the drafted section called `name`, or a slot for one that is not rebuilt when it was in the file all the
 * same. */
static bool place(const struct draft *draft, struct slots *slots, const char *name, size_t at, bool was_in_file)
{
    uint32_t index = draft_find_section(draft, name);
    if (find_slot(slots, name) != SIZE_MAX || (index == DRAFT_NONE && !was_in_file))
        return true;
    struct slot slot = {.section = DRAFT_NONE, .name = name, .anchor = DRAFT_NONE};
    if (index != DRAFT_NONE)
        slot = slot_of(draft, index);
    slot.movable = slot.anchor == DRAFT_NONE && strcmp(name, ".BTF") != 0;
    return insert(slots, clamp(slots, at, slot.anchor), &slot);
}

/* Adds a slot for a section that is in every file but not rebuilt. */
static bool place_unseen(struct slots *slots, const char *name, size_t at)
{
    struct slot slot = {.section = DRAFT_NONE, .name = name, .anchor = DRAFT_NONE, .movable = true};
    return insert(slots, at, &slot);
}

/* Builds that merge strings into .rodata leave these behind the leading sections, and a second note from modpost's
 * object. */
static bool place_comments(struct slots *slots, const struct evidence *evidence)
{
    if (!evidence->strings_in_rodata)
        return place_unseen(slots, ".comment", slots->count) && place_unseen(slots, ".note.GNU-stack", slots->count);
    size_t at = after(slots, ".rodata");
    at = at != SIZE_MAX ? at : after(slots, ".data");
    return place_unseen(slots, ".note.GNU-stack", at) && place_unseen(slots, ".comment", at + (at != SIZE_MAX)) &&
           place_unseen(slots, ".note.GNU-stack", after(slots, ".gnu.linkonce.this_module"));
}

static bool place_conventional(const struct draft *draft, const struct evidence *evidence, struct slots *slots)
{
    return place(draft, slots, ".text", place_of_text(slots), false) &&
           place(draft, slots, ".bss", place_of_bss(slots, evidence), false) &&
           place(draft, slots, ".data", place_of_data(slots, evidence), false) &&
           place(draft, slots, ".data..percpu", place_of_percpu(slots), false) &&
           place(draft, slots, ".modinfo", place_of_modinfo(draft, slots, evidence), true) &&
           place(draft, slots, "__versions", place_of_versions(draft, slots), evidence->versions_in_file) &&
           place_comments(slots, evidence);
}

bool order_sections(const struct draft *draft, const struct evidence *evidence, struct slots *ret)
{
    size_t listed = listed_count(draft);
    *ret = (struct slots){0};
    for (uint32_t i = 0; i < listed; i++) {
        struct slot slot = slot_of(draft, i);
        slot.rela_doubtful = is_doubtful(&draft->sections[i], evidence);
        if (!insert(ret, ret->count, &slot))
            return false;
    }
    if (!place_conventional(draft, evidence, ret))
        return false;
    /* Whatever else a step has added. */
    for (uint32_t i = (uint32_t)listed; i < draft->section_count; i++) {
        if (!place(draft, ret, draft->sections[i].name, ret->count, false))
            return false;
    }
    return true;
}
