/*
 * has_rela.c - which sections had a .rela section (SECTIONS.md section 5): the numbers of those behind it depend on it.
 */
#include <elf.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "object/layout.h"

static bool in_range(const struct lkmfs_range *range, uint64_t address)
{
    return address - range->start < range->size;
}

/* Pointers to the kernel and to modules were relocated; those to the heap were stored at run time. */
static bool holds_pointer(const struct layout *layout, const struct view *view, uint64_t size)
{
    const struct evidence *evidence = layout->evidence;
    unsigned word = evidence->word;
    for (uint64_t at = 0; view->bytes && at <= view->upper && range_fits(at, word, size); at += 4) {
        uint64_t value = word == 8 ? le64(view->bytes + at) : le32(view->bytes + at);
        if (in_range(&evidence->kernel, value) || in_range(&evidence->area, value))
            return true;
    }
    return false;
}

static bool holds_branch(const struct view *view, uint64_t size)
{
    for (uint64_t at = 0; view->bytes && at < size; at++) {
        if (view->bytes[at] == 0xe8 || view->bytes[at] == 0xe9)
            return true;
    }
    return false;
}

static bool has_rela(const struct layout *layout, uint32_t index)
{
    const struct draft_section *section = &layout->draft->sections[index];
    const struct view *view = &layout->views[index];
    if (!section->size && !convention_is_init(section->name))
        return false;
    switch (view->convention.rela) {
    case RELA_ALWAYS:
        return true;
    case RELA_IF_POINTERS:
        return holds_pointer(layout, view, min_u64(section->size, view->upper));
    case RELA_IF_BRANCHES:
        return holds_branch(view, min_u64(section->size, view->upper));
    case RELA_IF_ENTRY:
        return layout->draft->module->init || layout->draft->module->exit;
    case RELA_NEVER:
        break;
    }
    return false;
}

void layout_find_relas(struct layout *layout)
{
    for (uint32_t i = 0; i < layout->view_count; i++)
        layout->draft->sections[i].has_rela = has_rela(layout, i);
}
