#include "fs/object_json.h"

#include <stdint.h>

#include "fs/json.h"

/* The kinds of field of a section that have a provenance of their own. */
enum field { FIELD_SIZE, FIELD_HEADER, FIELD_INDEX, FIELD_DATA, FIELD_COUNT };

static const char *const field_names[FIELD_COUNT] = {"size", "header", "index", "data"};

struct totals {
    size_t fields[FIELD_COUNT][LKMFS_PROVENANCE_COUNT]; /* sections */
    uint64_t relocations, relocations_inferred;
    uint64_t restored_bytes, restored_sites;
    uint64_t missing_bytes;
};

static enum lkmfs_provenance field_from(const struct lkmfs_section_report *section, enum field field)
{
    switch (field) {
    case FIELD_SIZE:
        return section->size_from;
    case FIELD_HEADER:
        return section->header_from;
    case FIELD_INDEX:
        return section->index_from;
    default:
        return section->data_from;
    }
}

static uint64_t missing_bytes(const struct lkmfs_section_report *section)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < section->missing_count; i++)
        bytes += section->missing[i].size;
    return bytes;
}

static void totals_add(struct totals *totals, const struct lkmfs_section_report *section)
{
    for (enum field field = 0; field < FIELD_COUNT; field++) {
        unsigned from = (unsigned)field_from(section, field);
        if (from < LKMFS_PROVENANCE_COUNT)
            totals->fields[field][from]++;
    }
    totals->relocations += section->relocations;
    totals->relocations_inferred += section->relocations_inferred;
    totals->restored_bytes += section->restored_bytes;
    totals->restored_sites += section->restored_sites;
    totals->missing_bytes += missing_bytes(section);
}

static json_t *pair_json(const char *key, uint64_t value, const char *other_key, uint64_t other, bool *ok)
{
    json_t *object = json_object();
    json_put(object, key, json_count(value), ok);
    json_put(object, other_key, json_count(other), ok);
    return object;
}

static json_t *section_json(const struct lkmfs_section_report *section, bool *ok)
{
    json_t *from = json_object(), *missing = json_array();
    for (enum field field = 0; field < FIELD_COUNT; field++)
        json_put(from, field_names[field], json_string(lkmfs_provenance_name(field_from(section, field))), ok);
    for (size_t i = 0; i < section->missing_count; i++)
        json_push(missing, pair_json("offset", section->missing[i].offset, "size", section->missing[i].size, ok), ok);

    json_t *object = json_object();
    json_put(object, "index", json_count(section->index), ok);
    json_put(object, "name", json_text(section->name), ok);
    json_put(object, "address", section->address ? json_address(section->address) : json_null(), ok);
    json_put(object, "size", json_count(section->size), ok);
    json_put(object, "from", from, ok);
    json_put(object, "size_rule", json_text(section->size_rule), ok);
    json_put(object, "relocations",
             pair_json("count", section->relocations, "inferred", section->relocations_inferred, ok), ok);
    json_put(object, "restored", pair_json("bytes", section->restored_bytes, "sites", section->restored_sites, ok), ok);
    json_put(object, "missing_bytes", json_count(missing_bytes(section)), ok);
    json_put(object, "missing", missing, ok);
    return object;
}

static json_t *counts_json(const size_t counts[LKMFS_PROVENANCE_COUNT], bool *ok)
{
    json_t *object = json_object();
    for (unsigned i = 0; i < LKMFS_PROVENANCE_COUNT; i++)
        json_put(object, lkmfs_provenance_name((enum lkmfs_provenance)i), json_count(counts[i]), ok);
    return object;
}

static json_t *totals_json(const struct totals *totals, const struct lkmfs_object *object, bool *ok)
{
    size_t symbols[LKMFS_PROVENANCE_COUNT];
    lkmfs_object_symbol_counts(object, symbols);

    json_t *sections = json_object(), *json = json_object();
    for (enum field field = 0; field < FIELD_COUNT; field++)
        json_put(sections, field_names[field], counts_json(totals->fields[field], ok), ok);
    json_put(json, "sections", sections, ok);
    json_put(json, "symbols", counts_json(symbols, ok), ok);
    json_put(json, "relocations", pair_json("count", totals->relocations, "inferred", totals->relocations_inferred, ok),
             ok);
    json_put(json, "restored", pair_json("bytes", totals->restored_bytes, "sites", totals->restored_sites, ok), ok);
    json_put(json, "missing_bytes", json_count(totals->missing_bytes), ok);
    return json;
}

json_t *object_json(const struct lkmfs_object *object, bool *ok)
{
    size_t size, count;
    (void)lkmfs_object_bytes(object, &size);
    const struct lkmfs_section_report *sections = lkmfs_object_sections(object, &count);

    struct totals totals = {0};
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        totals_add(&totals, &sections[i]);
        json_push(array, section_json(&sections[i], ok), ok);
    }
    json_t *json = json_object();
    json_put(json, "size", json_count(size), ok);
    json_put(json, "totals", totals_json(&totals, object, ok), ok);
    json_put(json, "sections", array, ok);
    return json;
}
