#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "object/elf_writer.h"
#include "object/output.h"

/* A file in the making. Symbols: null, sections that relocations name, locals, globals, imports. */
struct making {
    struct draft *draft;
    const uint32_t *order; /* sections that are written */
    size_t order_count;
    struct elf_section *sections; /* in file order */
    size_t section_count;
    uint32_t *headers;         /* header index of each drafted section */
    uint32_t *section_symbols; /* symbol index of each drafted section, 0 if none names it */
    uint32_t first_symbol;     /* symbol index of the draft's first symbol */
    uint32_t first_global;
    uint32_t symbol_count;
    uint32_t symtab; /* header index */
    uint8_t *symbols;
    uint8_t **relas; /* of each drafted section */
    struct elf_strings strings;
};

static bool is_local(const struct draft_symbol *symbol)
{
    return ELF64_ST_BIND(symbol->info) == STB_LOCAL;
}

/* A relocation that any reader can take: inside its section, of a target that is there. */
static bool is_sound(const struct draft *draft, const struct draft_section *section,
                     const struct draft_relocation *relocation)
{
    if (relocation->offset >= section->size)
        return false;
    switch (relocation->target.kind) {
    case DRAFT_TARGET_SECTION:
        return relocation->target.index < draft->section_count;
    case DRAFT_TARGET_SYMBOL:
        return relocation->target.index < draft->symbol_count;
    case DRAFT_TARGET_IMPORT:
        return relocation->target.index < draft->import_count;
    }
    return false;
}

static int compare_relocations(const void *a, const void *b)
{
    const struct draft_relocation *x = a, *y = b;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->type < y->type ? -1 : x->type > y->type;
}

/* Sorts by offset and drops what is not sound, which would be an error of ours or a trick of the image's. */
static void sort_relocations(struct draft *draft, struct draft_section *section)
{
    size_t kept = 0;
    bool sorted = true;
    for (size_t i = 0; i < section->relocation_count; i++) {
        if (!is_sound(draft, section, &section->relocations[i]))
            continue;
        section->relocations[kept++] = section->relocations[i];
        sorted = sorted && (kept < 2 ||
                            compare_relocations(&section->relocations[kept - 2], &section->relocations[kept - 1]) <= 0);
    }
    if (kept < section->relocation_count)
        draft_doubt(draft, "%zu relocations of %s point nowhere: left out", section->relocation_count - kept,
                    section->name);
    section->relocation_count = kept;
    if (!sorted)
        qsort(section->relocations, kept, sizeof(*section->relocations), compare_relocations);
}

/* Section symbols go to the sections that relocations name, as GNU as does it since 2.36. */
static void number_symbols(struct making *making)
{
    struct draft *draft = making->draft;
    for (size_t i = 0; i < draft->section_count; i++) {
        const struct draft_section *section = &draft->sections[i];
        for (size_t j = 0; j < section->relocation_count; j++) {
            const struct draft_target *target = &section->relocations[j].target;
            if (target->kind == DRAFT_TARGET_SECTION)
                making->section_symbols[target->index] = 1;
        }
    }
    uint32_t next = 1;
    for (size_t i = 0; i < making->order_count; i++) {
        if (making->section_symbols[making->order[i]])
            making->section_symbols[making->order[i]] = next++;
    }
    making->first_symbol = making->first_global = next;
    while (making->first_global - next < draft->symbol_count && is_local(&draft->symbols[making->first_global - next]))
        making->first_global++;
    making->symbol_count = next + (uint32_t)(draft->symbol_count + draft->import_count);
}

/* Headers: each section, directly behind it its .rela, then .symtab, .strtab (and the writer's .shstrtab). */
static void number_sections(struct making *making)
{
    uint32_t next = 1;
    for (size_t i = 0; i < making->order_count; i++) {
        uint32_t index = making->order[i];
        making->headers[index] = next++;
        next += making->draft->sections[index].relocation_count > 0;
    }
    making->symtab = next;
}

static uint32_t header_of(const struct making *making, uint32_t section)
{
    return section < making->draft->section_count ? making->headers[section] : 0;
}

static void make_section(struct making *making, uint32_t index)
{
    const struct draft_section *section = &making->draft->sections[index];
    making->sections[making->section_count++] = (struct elf_section){
        .name = section->name,
        .type = section->data || !section->size ? section->type : SHT_NOBITS,
        .flags = section->flags,
        .size = section->size,
        .link = header_of(making, section->link),
        .info = section->info,
        .align = section->align,
        .entsize = section->entsize,
        .data = section->data,
        .segment = -1,
    };
}

static uint32_t symbol_of(const struct making *making, const struct draft_target *target)
{
    switch (target->kind) {
    case DRAFT_TARGET_SECTION:
        return making->section_symbols[target->index];
    case DRAFT_TARGET_SYMBOL:
        return making->first_symbol + target->index;
    case DRAFT_TARGET_IMPORT:
        break;
    }
    return making->first_symbol + (uint32_t)making->draft->symbol_count + target->index;
}

static bool make_rela(struct making *making, uint32_t index)
{
    struct draft *draft = making->draft;
    const struct draft_section *section = &draft->sections[index];
    size_t step = elf_rela_size(draft->word);
    if (!section->relocation_count)
        return true;
    uint8_t *bytes = calloc(section->relocation_count, step);
    making->relas[index] = bytes;
    if (!bytes)
        return false;
    for (size_t i = 0; i < section->relocation_count; i++) {
        const struct draft_relocation *relocation = &section->relocations[i];
        struct elf_rela rela = {.offset = relocation->offset,
                                .symbol = symbol_of(making, &relocation->target),
                                .type = relocation->type,
                                .addend = relocation->target.addend};
        elf_put_rela(draft->word, bytes + i * step, &rela);
    }
    making->sections[making->section_count++] = (struct elf_section){
        .name = draft_string(draft, ".rela%s", section->name),
        .type = SHT_RELA,
        .flags = SHF_INFO_LINK,
        .size = section->relocation_count * step,
        .link = making->symtab,
        .info = making->headers[index],
        .align = draft->word,
        .entsize = step,
        .data = bytes,
        .late = true,
        .segment = -1,
    };
    return true;
}

static uint8_t *put_defined(struct making *making, uint8_t *at, bool *ok)
{
    const struct draft *draft = making->draft;
    size_t step = elf_symbol_size(draft->word);
    for (size_t i = 0; i < draft->symbol_count && *ok; i++, at += step) {
        const struct draft_symbol *symbol = &draft->symbols[i];
        struct elf_symbol out = {
            .info = symbol->info,
            .other = symbol->other,
            .section = symbol->section == DRAFT_NONE ? SHN_ABS : (uint16_t)header_of(making, symbol->section),
            .value = symbol->value,
            .size = symbol->size};
        *ok = elf_strings_add(&making->strings, symbol->name, &out.name);
        elf_put_symbol(draft->word, at, &out);
    }
    return at;
}

static bool make_symbols(struct making *making)
{
    const struct draft *draft = making->draft;
    size_t step = elf_symbol_size(draft->word);
    uint32_t ignored;
    bool ok = elf_strings_add(&making->strings, "", &ignored);
    making->symbols = calloc(making->symbol_count, step);
    if (!making->symbols || !ok)
        return false;
    for (uint32_t i = 0; i < draft->section_count; i++) {
        struct elf_symbol symbol = {.info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION),
                                    .section = (uint16_t)making->headers[i]};
        if (making->section_symbols[i])
            elf_put_symbol(draft->word, making->symbols + making->section_symbols[i] * step, &symbol);
    }
    uint8_t *at = put_defined(making, making->symbols + making->first_symbol * step, &ok);
    for (size_t i = 0; i < draft->import_count && ok; i++, at += step) {
        unsigned binding = draft->imports[i].weak ? STB_WEAK : STB_GLOBAL;
        struct elf_symbol symbol = {.info = (uint8_t)ELF64_ST_INFO(binding, STT_NOTYPE)};
        ok = elf_strings_add(&making->strings, draft->imports[i].name, &symbol.name);
        elf_put_symbol(draft->word, at, &symbol);
    }
    return ok;
}

static bool make_all(struct making *making)
{
    struct draft *draft = making->draft;
    for (size_t i = 0; i < draft->section_count; i++)
        sort_relocations(draft, &draft->sections[i]);
    number_symbols(making);
    number_sections(making);
    for (size_t i = 0; i < making->order_count; i++) {
        make_section(making, making->order[i]);
        if (!make_rela(making, making->order[i]))
            return false;
    }
    if (!make_symbols(making) || draft->out_of_memory)
        return false;
    making->sections[making->section_count++] =
        (struct elf_section){.name = ".symtab",
                             .type = SHT_SYMTAB,
                             .size = making->symbol_count * elf_symbol_size(draft->word),
                             .link = making->symtab + 1,
                             .info = making->first_global,
                             .align = draft->word,
                             .entsize = elf_symbol_size(draft->word),
                             .data = making->symbols,
                             .segment = -1};
    making->sections[making->section_count++] = (struct elf_section){.name = ".strtab",
                                                                     .type = SHT_STRTAB,
                                                                     .size = making->strings.size,
                                                                     .align = 1,
                                                                     .data = making->strings.bytes,
                                                                     .segment = -1};
    return true;
}

static void clear(struct making *making)
{
    for (size_t i = 0; making->relas && i < making->draft->section_count; i++)
        free(making->relas[i]);
    free(making->relas);
    free(making->sections);
    free(making->section_symbols);
    free(making->headers);
    free(making->symbols);
    elf_strings_free(&making->strings);
}

bool output_relocatable(struct draft *draft, const uint32_t *order, size_t order_count, uint16_t machine,
                        struct output *ret, struct lkmfs_error *err)
{
    size_t count = draft->section_count;
    struct making making = {.draft = draft, .order = order, .order_count = order_count};
    making.sections = calloc(2 * count + 2, sizeof(*making.sections));
    making.headers = calloc(count + 1, sizeof(*making.headers));
    making.section_symbols = calloc(count + 1, sizeof(*making.section_symbols));
    making.relas = calloc(count + 1, sizeof(*making.relas));
    bool ok = making.sections && making.headers && making.section_symbols && making.relas && make_all(&making);
    if (!ok) {
        lkmfs_fail_memory(err);
    } else {
        struct elf_file file = {.word = draft->word,
                                .type = ET_REL,
                                .machine = machine,
                                .sections = making.sections,
                                .section_count = making.section_count};
        ok = elf_write(&file, &ret->bytes, &ret->size, err);
    }
    if (ok) {
        ret->indexes = making.headers;
        making.headers = NULL;
    }
    clear(&making);
    return ok;
}
