#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "object/elf_writer.h"
#include "object/output.h"

struct making {
    struct draft *draft;
    struct elf_section *sections;
    size_t section_count;
    struct elf_segment *segments;
    size_t segment_count;
    int *segment_of;   /* segment of each region, -1 if none */
    uint32_t *headers; /* header index of each drafted section, 0 if left out */
    uint8_t *symbols;
    uint32_t symbol_count, first_global;
    struct elf_strings strings;
};

static uint32_t region_flags(enum lkmfs_region_kind kind)
{
    switch (kind) {
    case LKMFS_REGION_TEXT:
    case LKMFS_REGION_INIT_TEXT:
        return PF_R | PF_X;
    case LKMFS_REGION_RODATA:
    case LKMFS_REGION_RO_AFTER_INIT:
    case LKMFS_REGION_INIT_RODATA:
        return PF_R;
    case LKMFS_REGION_DATA:
    case LKMFS_REGION_INIT_DATA:
        break;
    }
    return PF_R | PF_W;
}

static int compare_segments(const void *a, const void *b)
{
    const struct elf_segment *x = a, *y = b;
    return x->address < y->address ? -1 : x->address > y->address;
}

/* Program headers ascend by address (ELF specification, "Program Header"). */
static void make_segments(struct making *making)
{
    const struct draft *draft = making->draft;
    const struct lkmfs_module *module = draft->module;
    for (size_t i = 0; i < module->region_count; i++) {
        making->segment_of[i] = -1;
        if (draft->regions[i].bytes && draft->regions[i].size)
            making->segments[making->segment_count++] =
                (struct elf_segment){.address = module->regions[i].address,
                                     .size = draft->regions[i].size,
                                     .flags = region_flags(module->regions[i].kind),
                                     .data = draft->regions[i].bytes};
    }
    qsort(making->segments, making->segment_count, sizeof(*making->segments), compare_segments);
    for (size_t i = 0; i < module->region_count; i++) {
        for (size_t j = 0; j < making->segment_count; j++) {
            if (making->segments[j].data == draft->regions[i].bytes)
                making->segment_of[i] = (int)j;
        }
    }
}

/* What can be shown at its run-time address, and what needs none. */
static bool is_shown(const struct draft_section *section)
{
    return section->in_memory || (!(section->flags & SHF_ALLOC) && section->data);
}

static void make_section(struct making *making, uint32_t index)
{
    const struct draft_section *section = &making->draft->sections[index];
    if (!is_shown(section))
        return;
    struct elf_section out = {.name = section->name,
                              .type = section->type,
                              .flags = section->flags & ~(uint64_t)SHF_LINK_ORDER,
                              .address = section->in_memory ? section->address : 0,
                              .size = section->size,
                              .align = section->align,
                              .entsize = section->entsize,
                              .data = section->data,
                              .segment = -1};
    if (section->region >= 0 && making->segment_of[section->region] >= 0) {
        out.segment = making->segment_of[section->region];
        out.segment_offset = section->address - making->draft->module->regions[section->region].address;
    } else if (!section->data) {
        out.type = SHT_NOBITS;
    }
    making->sections[making->section_count++] = out;
    making->headers[index] = (uint32_t)making->section_count;
}

static bool make_symbols(struct making *making)
{
    const struct draft *draft = making->draft;
    size_t step = elf_symbol_size(draft->word);
    uint32_t ignored;
    making->symbol_count = making->first_global = 1;
    making->symbols = calloc(draft->symbol_count + 1, step);
    if (!making->symbols || !elf_strings_add(&making->strings, "", &ignored))
        return false;
    for (size_t i = 0; i < draft->symbol_count; i++) {
        const struct draft_symbol *symbol = &draft->symbols[i];
        bool placed = symbol->section != DRAFT_NONE;
        struct elf_symbol out = {
            .info = symbol->info,
            .other = symbol->other,
            .section = SHN_ABS,
            .value = symbol->value + (placed ? draft->sections[symbol->section].address : 0),
            .size = symbol->size,
        };
        if (placed && making->headers[symbol->section])
            out.section = (uint16_t)making->headers[symbol->section];
        if (!elf_strings_add(&making->strings, symbol->name, &out.name))
            return false;
        making->first_global += ELF64_ST_BIND(symbol->info) == STB_LOCAL;
        elf_put_symbol(draft->word, making->symbols + making->symbol_count++ * step, &out);
    }
    return true;
}

static void add_table(struct making *making, const char *name, uint32_t type, uint64_t size, const uint8_t *data)
{
    bool symtab = type == SHT_SYMTAB;
    unsigned word = making->draft->word;
    uint32_t link = (uint32_t)making->section_count + 2;
    making->sections[making->section_count++] = (struct elf_section){.name = name,
                                                                     .type = type,
                                                                     .size = size,
                                                                     .link = symtab ? link : 0,
                                                                     .info = symtab ? making->first_global : 0,
                                                                     .align = symtab ? word : 1,
                                                                     .entsize = symtab ? elf_symbol_size(word) : 0,
                                                                     .data = data,
                                                                     .segment = -1};
}

static bool make_all(struct making *making, const uint32_t *order)
{
    make_segments(making);
    for (size_t i = 0; i < making->draft->section_count; i++)
        make_section(making, order[i]);
    if (!make_symbols(making))
        return false;
    add_table(making, ".symtab", SHT_SYMTAB, making->symbol_count * elf_symbol_size(making->draft->word),
              making->symbols);
    add_table(making, ".strtab", SHT_STRTAB, making->strings.size, making->strings.bytes);
    return true;
}

bool output_loaded(struct draft *draft, const uint32_t *order, uint16_t machine, struct output *ret,
                   struct lkmfs_error *err)
{
    size_t regions = draft->module->region_count;
    struct making making = {.draft = draft};
    making.sections = calloc(draft->section_count + 2, sizeof(*making.sections));
    making.headers = calloc(draft->section_count + 1, sizeof(*making.headers));
    making.segments = calloc(regions + 1, sizeof(*making.segments));
    making.segment_of = calloc(regions + 1, sizeof(*making.segment_of));
    bool ok = making.sections && making.headers && making.segments && making.segment_of && make_all(&making, order);
    if (!ok) {
        lkmfs_fail_memory(err);
    } else {
        struct elf_file file = {.word = draft->word,
                                .type = ET_EXEC,
                                .machine = machine,
                                .sections = making.sections,
                                .section_count = making.section_count,
                                .segments = making.segments,
                                .segment_count = making.segment_count};
        ok = elf_write(&file, &ret->bytes, &ret->size, err);
    }
    if (ok) {
        ret->indexes = making.headers;
        making.headers = NULL;
    }
    free(making.sections);
    free(making.headers);
    free(making.segments);
    free(making.segment_of);
    free(making.symbols);
    elf_strings_free(&making.strings);
    return ok;
}
