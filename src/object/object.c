/*
 * object.c - builds a module's file: the steps, in order, and what is kept of them.
 */
#include <stdlib.h>
#include <string.h>

#include "object/builder.h"
#include "object/counterparts.h"
#include "object/layout.h"
#include "object/loadable.h"
#include "object/metadata.h"
#include "object/numbers.h"
#include "object/output.h"
#include "object/symtab.h"

struct lkmfs_object {
    uint8_t *bytes;
    size_t size;
    struct draft draft; /* what the reports point into; its bytes, symbols and relocations are given up */
    struct lkmfs_section_report *reports;
    size_t report_count;
    size_t symbols[LKMFS_PROVENANCE_COUNT];
};

const char *lkmfs_provenance_name(enum lkmfs_provenance provenance)
{
    static const char *const names[LKMFS_PROVENANCE_COUNT] = {"memory", "restored", "inferred", "missing"};
    return (unsigned)provenance < LKMFS_PROVENANCE_COUNT ? names[provenance] : "unknown";
}

static size_t index_of(const struct lkmfs_builder *builder, const struct lkmfs_module *module)
{
    for (size_t i = 0; i < lkmfs_modules_count(builder->modules); i++) {
        if (lkmfs_modules_at(builder->modules, i) == module)
            return i;
    }
    return SIZE_MAX;
}

/* Sections with their bytes, and symbols, as memory shows them. */
static bool draft_memory(const struct lkmfs_builder *builder, struct draft *draft)
{
    struct layout layout = {0};
    layout_read_regions(draft, lkmfs_kernel_space(lkmfs_modules_kernel(builder->modules)));
    bool ok = !draft->out_of_memory && layout_sections(&layout, draft, &builder->evidence);
    if (ok) {
        symtab_draft(&layout);
        symtab_add_named(&layout, builder->exports, index_of(builder, draft->module));
    }
    layout_clear(&layout);
    if (draft->kind != LKMFS_OBJECT_LOADED)
        draft_drop_regions(draft); /* the sections have copies */
    return ok && !draft->out_of_memory;
}

/* From memory to the file on disk: relocations, and the sections that the loader throws away. */
static void draft_file(const struct lkmfs_builder *builder, struct draft *draft)
{
    builder->machine->restore(builder->context, draft);
    if (draft->out_of_memory)
        return;
    if (draft->kind == LKMFS_OBJECT_RELOCATABLE)
        counterparts_draft(draft, builder->exports);
    if (draft->kind == LKMFS_OBJECT_LOADABLE)
        loadable_trim(draft);
    modinfo_draft(draft, builder->modules, builder->exports);
    if (builder->evidence.versions_in_file)
        versions_draft(draft, builder->exports);
    if (draft->kind == LKMFS_OBJECT_RELOCATABLE)
        btf_draft(draft);
}

/* Takes the sections that are left out from `order`; returns how many stay. */
static size_t keep_written(const struct draft *draft, uint32_t *order)
{
    size_t kept = 0;
    for (size_t i = 0; i < draft->section_count; i++)
        if (!draft->sections[order[i]].left_out)
            order[kept++] = order[i];
    return kept;
}

static bool write_file(const struct lkmfs_builder *builder, struct draft *draft, struct output *ret,
                       struct lkmfs_error *err)
{
    uint32_t *order;
    if (!numbers_find(draft, &builder->evidence, &order))
        return lkmfs_fail_memory(err);
    bool ok = draft->kind == LKMFS_OBJECT_LOADED ? output_loaded(draft, order, builder->machine->elf_machine, ret, err)
                                                 : output_relocatable(draft, order, keep_written(draft, order),
                                                                      builder->machine->elf_machine, ret, err);
    free(order);
    return ok;
}

static struct lkmfs_section_report report_of(const struct draft_section *section, uint32_t index)
{
    struct lkmfs_section_report report = {
        .name = section->name,
        .address = section->address,
        .size = section->size,
        .index = index,
        .size_from = section->size_from,
        .header_from = section->header_from,
        .index_from = section->index_from,
        .data_from = section->data_from,
        .size_rule = section->size_rule,
        .relocations = section->relocation_count,
        .restored_bytes = section->restored_bytes,
        .restored_sites = section->restored_sites,
        .missing = section->missing,
        .missing_count = section->missing_count,
    };
    for (size_t i = 0; i < section->relocation_count; i++)
        report.relocations_inferred += section->relocations[i].from == LKMFS_FROM_INFERRED;
    return report;
}

static int compare_reports(const void *a, const void *b)
{
    const struct lkmfs_section_report *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

static bool make_reports(struct lkmfs_object *object, const struct output *output)
{
    const struct draft *draft = &object->draft;
    object->reports = calloc(draft->section_count + 1, sizeof(*object->reports));
    if (!object->reports)
        return false;
    for (size_t i = 0; i < draft->section_count; i++) {
        if (output->indexes[i])
            object->reports[object->report_count++] = report_of(&draft->sections[i], output->indexes[i]);
    }
    qsort(object->reports, object->report_count, sizeof(*object->reports), compare_reports);
    for (size_t i = 0; i < draft->symbol_count; i++)
        object->symbols[draft->symbols[i].from]++;
    for (size_t i = 0; i < draft->import_count; i++)
        object->symbols[draft->imports[i].inferred ? LKMFS_FROM_INFERRED : LKMFS_FROM_RESTORED]++;
    return true;
}

/* The file has copies of these; objects are cached, so they must not keep both. */
static void drop_copied(struct draft *draft)
{
    for (size_t i = 0; i < draft->section_count; i++) {
        struct draft_section *section = &draft->sections[i];
        free(section->data);
        free(section->relocations);
        section->data = NULL;
        section->relocations = NULL;
        section->relocation_count = section->relocation_capacity = 0;
    }
    draft_drop_regions(draft);
    free(draft->symbols);
    free(draft->imports);
    free(draft->import_slots);
    draft->symbols = NULL;
    draft->imports = NULL;
    draft->import_slots = NULL;
    draft->symbol_count = draft->import_count = draft->import_slot_count = 0;
}

static bool build(const struct lkmfs_builder *builder, struct lkmfs_object *object, struct lkmfs_error *err)
{
    struct draft *draft = &object->draft;
    struct output output = {0};

    if (!draft->module->region_count)
        return lkmfs_fail(err, LKMFS_ERROR_DAMAGED, draft->module->address,
                          "nothing is left of module %s: its struct names no memory", draft->module->file);
    if (!draft_memory(builder, draft))
        return lkmfs_fail_memory(err);
    if (draft->kind != LKMFS_OBJECT_LOADED)
        draft_file(builder, draft);
    if (draft->out_of_memory)
        return lkmfs_fail_memory(err);
    if (!write_file(builder, draft, &output, err))
        return false;
    object->bytes = output.bytes;
    object->size = output.size;
    bool ok = make_reports(object, &output);
    free(output.indexes);
    if (!ok)
        return lkmfs_fail_memory(err);
    drop_copied(draft);
    return true;
}

bool lkmfs_object_build(const struct lkmfs_builder *builder, const struct lkmfs_module *module,
                        enum lkmfs_object_kind kind, struct lkmfs_object **ret, struct lkmfs_error *err)
{
    *ret = NULL;
    if (!builder_prepare(builder, err) || !lkmfs_module_load(builder->modules, module, err))
        return false;
    struct lkmfs_object *object = calloc(1, sizeof(*object));
    if (!object)
        return lkmfs_fail_memory(err);
    object->draft = (struct draft){
        .builder = builder,
        .module = module,
        .kind = kind,
        .word = lkmfs_kernel_word(lkmfs_modules_kernel(builder->modules)),
    };
    const struct lkmfs_image *image = lkmfs_space_image(lkmfs_kernel_space(lkmfs_modules_kernel(builder->modules)));
    uint64_t failures = lkmfs_image_failures();
    bool built = build(builder, object, err);
    if (lkmfs_image_intact(image, failures, err) && built) {
        *ret = object;
        return true;
    }
    lkmfs_object_free(object);
    return false;
}

void lkmfs_object_free(struct lkmfs_object *object)
{
    if (!object)
        return;
    draft_clear(&object->draft);
    free(object->reports);
    free(object->bytes);
    free(object);
}

const uint8_t *lkmfs_object_bytes(const struct lkmfs_object *object, size_t *size)
{
    *size = object->size;
    return object->bytes;
}

uint8_t *lkmfs_object_take(struct lkmfs_object *object, size_t *size)
{
    uint8_t *bytes = object->bytes;
    *size = object->size;
    object->bytes = NULL;
    object->size = 0;
    return bytes;
}

const struct lkmfs_section_report *lkmfs_object_sections(const struct lkmfs_object *object, size_t *count)
{
    *count = object->report_count;
    return object->reports;
}

const char *const *lkmfs_object_doubts(const struct lkmfs_object *object, size_t *count)
{
    *count = object->draft.doubt_count;
    return object->draft.doubts;
}

const struct lkmfs_reading *lkmfs_object_readings(const struct lkmfs_object *object, size_t *count)
{
    *count = object->draft.reading_count;
    return object->draft.readings;
}

void lkmfs_object_symbol_counts(const struct lkmfs_object *object, size_t counts[LKMFS_PROVENANCE_COUNT])
{
    memcpy(counts, object->symbols, sizeof(object->symbols));
}
