#include "object/x86_64/undone.h"

#include <string.h>

#include "object/x86_64/kin.h"
#include "object/x86_64/units.h"

#define CALLS_MAX   512 /* to functions of the module that are looked at */
#define HELPERS_MAX 16  /* local functions that the exit function calls, and whose calls count too */

/* From what nearly always undoes an init function to what often undoes something else. */
static const char *const undoing[] = {"uninit",     "deinit",     "exit",    "fini",
                                      "unregister", "deregister", "cleanup", "shutdown"};
static const char *const doing[] = {"init", "setup", "create", "register", "add", "start"};
#define UNDOING_WEAK 6 /* index of the first of the latter */

/* ---- names ---- */

/* Whether `name` is `like` with a word for doing something in place of the `length` bytes at `at`. */
static bool is_counterpart(const char *name, const char *like, size_t at, size_t length)
{
    if (strncmp(name, like, at) != 0)
        return false;
    for (size_t i = 0; i < sizeof(doing) / sizeof(*doing); i++)
        if (has_prefix(name + at, doing[i]) && strcmp(name + at + strlen(doing[i]), like + at + length) == 0)
            return true;
    return false;
}

static bool has_counterpart(const struct restore *r, const char *name, size_t at, size_t length)
{
    for (size_t i = 0; i < r->place_count; i++)
        if (is_counterpart(r->draft->symbols[r->places[i].symbol].name, name, at, length))
            return true;
    return false;
}

/* Whether the function at `address` undoes something that nothing kept did. */
static bool is_undoing(const struct restore *r, uint64_t address, bool *is_weak)
{
    size_t place = place_from(r->places, r->place_count, address);
    if (place >= r->place_count || r->places[place].address != address)
        return false;
    const char *name = r->draft->symbols[r->places[place].symbol].name;
    for (size_t i = 0; i < sizeof(undoing) / sizeof(*undoing); i++) {
        const char *word = strstr(name, undoing[i]);
        *is_weak = i >= UNDOING_WEAK;
        if (word)
            return !has_counterpart(r, name, (size_t)(word - name), strlen(undoing[i]));
    }
    return false;
}

/* ---- calls of the exit function ---- */

/* Where a call leads to that was left to the linker; false when it is none of own code. */
static bool find_callee(const struct restore *r, const struct draft_relocation *relocation, struct tie_end *ret)
{
    const struct draft_target *target = &relocation->target;
    if (relocation->type != R_X86_64_PLT32 && relocation->type != R_X86_64_PC32)
        return false;
    if (target->kind == DRAFT_TARGET_SECTION)
        *ret = (struct tie_end){target->index, (uint64_t)(target->addend + 4)};
    else if (target->kind == DRAFT_TARGET_SYMBOL)
        *ret = (struct tie_end){r->draft->symbols[target->index].section, r->draft->symbols[target->index].value};
    else
        return false;
    return ret->line < r->draft->section_count && is_code(section_at(r, ret->line));
}

/* Adds the objects of what the function at `place` calls; fills `helpers` with the local ones among these. */
static size_t look_at(struct inits *inits, struct tie_end place, struct tie_end helpers[HELPERS_MAX], size_t *calls)
{
    const struct restore *r = inits->r;
    const struct draft_section *section = section_at(r, place.line);
    size_t count = 0, functions;
    const uint64_t *starts = units_functions(r->units, place.line, &functions);
    if (!units_are_named(r->units, place.line) || !is_same_part(r, place.line, place.place, 0))
        return 0;
    uint64_t function = units_end(r->units, place.line, place.place).place;
    uint64_t start = starts[function], end = function + 1 < functions ? starts[function + 1] : section->size;
    for (size_t i = 0; i < section->relocation_count && *calls < CALLS_MAX; i++) {
        const struct draft_relocation *relocation = &section->relocations[i];
        struct tie_end callee;
        bool is_weak;
        if (relocation->offset - start >= end - start || !find_callee(r, relocation, &callee))
            continue;
        ++*calls;
        if (relocation->target.kind == DRAFT_TARGET_SECTION && count < HELPERS_MAX)
            helpers[count++] = callee;
        if (is_undoing(r, section_at(r, callee.line)->address + callee.place, &is_weak))
            inits_add(inits, is_weak ? INIT_UNDONE_WEAK : INIT_UNDONE, callee.line, callee.place);
    }
    return count;
}

void undone_find(struct inits *inits)
{
    struct target hook;
    struct tie_end helpers[HELPERS_MAX], none[HELPERS_MAX];
    size_t calls = 0;
    if (!kin_hook(inits->r, true, &hook) || !is_code(section_at(inits->r, hook.section)))
        return;
    size_t count = look_at(inits, (struct tie_end){hook.section, hook.offset}, helpers, &calls);
    for (size_t i = 0; i < count; i++)
        look_at(inits, helpers[i], none, &calls);
}
