#include "fs/module_json.h"

#include <stdio.h>

#include "fs/json.h"
#include "fs/words.h"

static json_t *state_json(unsigned state)
{
    const char *word = words_state(state);
    return word ? json_string(word) : json_sprintf("unknown (%u)", state);
}

static json_t *taints_json(uint64_t taints, bool *ok)
{
    char letters[WORDS_TAINT_SIZE];
    words_taint_letters(taints, letters);
    json_t *object = json_object(), *words = json_array();
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(taints >> bit & 1))
            continue;
        const char *word = words_taint(bit);
        json_push(words, word ? json_string(word) : json_sprintf("unknown taint %u", bit), ok);
    }
    json_put(object, "bits", json_address(taints), ok);
    json_put(object, "letters", json_string(taints ? letters : ""), ok);
    json_put(object, "words", words, ok);
    return object;
}

static json_t *traces_json(unsigned traces, bool *ok)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < WORDS_TRACE_COUNT; i++)
        if (words_trace(traces, i))
            json_push(array, json_string(words_trace(traces, i)), ok);
    return array;
}

/* File names of the modules with these indexes. */
static json_t *files_json(const struct lkmfs_modules *modules, const size_t *indexes, size_t count, bool *ok)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_push(array, json_text(lkmfs_modules_at(modules, indexes[i])->file), ok);
    return array;
}

json_t *module_json(const struct lkmfs_modules *modules, const struct lkmfs_module *module, bool *ok)
{
    json_t *record = json_object();
    json_put(record, "name", json_text(module->name), ok);
    json_put(record, "file", json_text(module->file), ok);
    json_put(record, "base", json_address(module->base), ok);
    json_put(record, "size", json_count(module->size), ok);
    json_put(record, "state", state_json(module->state), ok);
    json_put(record, "taints", taints_json(module->taints, ok), ok);
    json_put(record, "refcount", module->refcount < 0 ? json_null() : json_integer(module->refcount), ok);
    json_put(record, "used_by", files_json(modules, module->users, module->user_count, ok), ok);
    json_put(record, "uses", files_json(modules, module->uses, module->use_count, ok), ok);
    json_put(record, "found_by", traces_json(module->traces, ok), ok);
    json_put(record, "hidden", json_boolean(!(module->traces & LKMFS_TRACE_LIST)), ok);
    json_put(record, "version", json_text(module->version), ok);
    json_put(record, "srcversion", json_text(module->srcversion), ok);
    return record;
}

char *modules_json(const struct lkmfs_modules *modules, size_t *size)
{
    bool ok = true;
    json_t *array = json_array();
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++)
        json_push(array, module_json(modules, lkmfs_modules_at(modules, i), &ok), &ok);
    return json_finish(array, ok, size);
}
