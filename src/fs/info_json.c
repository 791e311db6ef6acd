#include "fs/info_json.h"

#include <stdio.h>

#include "fs/json.h"
#include "fs/module_json.h"
#include "fs/object_json.h"
#include "fs/words.h"

static json_t *regions_json(const struct lkmfs_module *module, bool *ok)
{
    json_t *array = json_array();
    for (size_t i = 0; i < module->region_count; i++) {
        const struct lkmfs_region *region = &module->regions[i];
        json_t *object = json_object();
        json_put(object, "kind", json_string(words_region(region->kind)), ok);
        json_put(object, "address", json_address(region->address), ok);
        json_put(object, "size", json_count(region->size), ok);
        json_push(array, object, ok);
    }
    return array;
}

static json_t *parameters_json(const struct lkmfs_module *module, bool *ok)
{
    json_t *array = json_array();
    for (size_t i = 0; i < module->parameter_count; i++) {
        const struct lkmfs_parameter *parameter = &module->parameters[i];
        json_t *object = json_object();
        json_put(object, "name", json_text(parameter->name), ok);
        json_put(object, "type", json_text(parameter->type), ok);
        json_put(object, "value", json_text(parameter->value), ok);
        json_put(object, "mode", json_sprintf("%04o", (unsigned)parameter->mode), ok);
        json_push(array, object, ok);
    }
    return array;
}

static json_t *percpu_json(const struct lkmfs_module *module, bool *ok)
{
    if (module->percpu_size == 0)
        return json_null();
    json_t *object = json_object();
    json_put(object, "address", json_address(module->percpu), ok);
    json_put(object, "size", json_count(module->percpu_size), ok);
    return object;
}

static void push_doubts(json_t *array, const char *const *doubts, size_t count, bool *ok)
{
    for (size_t i = 0; i < count; i++)
        json_push(array, json_text(doubts[i]), ok);
}

static json_t *doubts_json(const struct lkmfs_module *module, const struct lkmfs_object *object, const char *why,
                           bool *ok)
{
    json_t *array = json_array();
    push_doubts(array, module->doubts, module->doubt_count, ok);
    if (object) {
        size_t count;
        const char *const *doubts = lkmfs_object_doubts(object, &count);
        push_doubts(array, doubts, count, ok);
    } else {
        push_doubts(array, &why, 1, ok);
    }
    return array;
}

char *info_json(const struct lkmfs_modules *modules, const struct lkmfs_module *module,
                const struct lkmfs_object *object, const char *why, size_t *size)
{
    bool ok = true;
    json_t *info = module_json(modules, module, &ok);
    json_put(info, "build_id", json_text(module->build_id), &ok);
    json_put(info, "args", json_text(module->args), &ok);
    json_put(info, "struct_module", json_address(module->address), &ok);
    json_put(info, "init", json_address(module->init), &ok);
    json_put(info, "exit", json_address(module->exit), &ok);
    json_put(info, "percpu", percpu_json(module, &ok), &ok);
    json_put(info, "regions", regions_json(module, &ok), &ok);
    json_put(info, "parameters", parameters_json(module, &ok), &ok);
    json_put(info, "object", object ? object_json(object, &ok) : json_null(), &ok);
    json_put(info, "doubts", doubts_json(module, object, why, &ok), &ok);
    return json_finish(info, ok, size);
}
