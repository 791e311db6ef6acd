#include "test/unit/fake_lower.h"

#include <criterion/criterion.h>

static struct lkmfs_modules modules;

/* `size` by pointer, as `text` comes from a call that sets it. */
static json_t *parse(char *text, const size_t *size)
{
    cr_assert(text);
    cr_assert_eq(strlen(text), *size);
    cr_assert_eq(text[*size - 1], '\n');
    json_error_t error;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    cr_assert(value, "%s", error.text);
    free(text);
    return value;
}

static json_t *info_of(size_t index)
{
    struct lkmfs_object *object;
    size_t size;
    cr_assert(lkmfs_object_build(NULL, &fake_modules[index], LKMFS_OBJECT_RELOCATABLE, &object, NULL));
    json_t *info = parse(info_json(&modules, &fake_modules[index], object, NULL, &size), &size);
    lkmfs_object_free(object);
    return info;
}

/* The value at a path of keys and indexes separated by dots. */
static const json_t *at(const json_t *value, const char *path)
{
    char *copy = strdup(path);
    for (char *rest = copy, *key; value && (key = strsep(&rest, "."));)
        value = json_is_array(value) ? json_array_get(value, (size_t)atoi(key)) : json_object_get(value, key);
    free(copy);
    cr_assert(value, "%s", path);
    return value;
}

static void check_text(const json_t *value, const char *path, const char *expected)
{
    cr_assert(json_is_string(at(value, path)), "%s", path);
    cr_assert_str_eq(json_string_value(at(value, path)), expected);
}

static void check_number(const json_t *value, const char *path, json_int_t expected)
{
    cr_assert(json_is_integer(at(value, path)), "%s", path);
    cr_assert_eq(json_integer_value(at(value, path)), expected, "%s", path);
}

Test(fs_json, facts_of_a_module)
{
    json_t *info = info_of(0);
    check_text(info, "name", "alpha");
    check_text(info, "base", "0xffffffffc0000000");
    check_number(info, "size", 0x2000);
    check_text(info, "state", "live");
    check_text(info, "taints.letters", "OE");
    check_text(info, "taints.words.1", "unsigned module");
    check_number(info, "refcount", 1);
    check_text(info, "used_by.0", "beta_gamma");
    check_text(info, "found_by.2", "latch");
    cr_assert(json_is_false(at(info, "hidden")));
    check_text(info, "args", "debug=7");
    check_text(info, "build_id", "00ff");
    check_number(info, "percpu.size", 8);
    check_text(info, "regions.1.kind", "data");
    check_text(info, "parameters.0.mode", "0644");
    check_text(info, "parameters.1.value", "/tmp/\\xff<b>");
    cr_assert(json_is_null(at(info, "parameters.2.value")));
    json_decref(info);
}

Test(fs_json, provenance_of_an_object)
{
    json_t *info = info_of(0);
    check_text(info, "object.sections.0.from.size", "restored");
    check_text(info, "object.sections.0.from.data", "missing");
    check_text(info, "object.sections.0.size_rule", "the region's end");
    check_number(info, "object.sections.0.missing.1.offset", 0x3000);
    check_number(info, "object.sections.0.missing_bytes", 0x1800);
    check_number(info, "object.sections.0.relocations.inferred", 3);
    check_number(info, "object.sections.0.restored.sites", 4);
    cr_assert(json_is_null(at(info, "object.sections.1.address")));
    check_number(info, "object.totals.sections.size.restored", 1);
    check_number(info, "object.totals.sections.size.memory", 1);
    check_number(info, "object.totals.sections.data.inferred", 1);
    check_number(info, "object.totals.symbols.missing", 30);
    check_number(info, "object.totals.relocations.count", 12);
    check_number(info, "object.totals.missing_bytes", 0x1800);
    check_text(info, "doubts.0", ".text: a page is gone");
    json_decref(info);
}

Test(fs_json, hostile_module)
{
    json_t *info = info_of(3);
    check_text(info, "name", "../../etc/\\x01\\xff\"<x>");
    check_text(info, "state", "unknown (77)");
    check_text(info, "taints.letters", "?");
    check_text(info, "taints.words.0", "unknown taint 40");
    check_text(info, "doubts.0", "the list's pointer is \\x1b[31mred");
    json_decref(info);
}

Test(fs_json, hidden_module)
{
    json_t *info = info_of(2);
    cr_assert(json_is_true(at(info, "hidden")));
    cr_assert(json_is_null(at(info, "refcount")));
    check_text(info, "found_by.0", "scan");
    json_decref(info);
}

Test(fs_json, module_without_object)
{
    size_t size;
    json_t *info = parse(info_json(&modules, &fake_modules[4], NULL, "nothing is left", &size), &size);
    cr_assert(json_is_null(at(info, "object")));
    check_text(info, "doubts.0", "nothing is left");
    json_decref(info);
}

Test(fs_json, all_modules)
{
    size_t size;
    json_t *array = parse(modules_json(&modules, &size), &size);
    cr_assert_eq(json_array_size(array), FAKE_MODULES);
    check_text(array, "1.uses.0", "alpha");
    json_decref(array);
}

Test(fs_json, session)
{
    struct lkmfs_session *session;
    size_t size;
    cr_assert(lkmfs_session_open("fake", NULL, &session, NULL));
    json_t *json = parse(session_json(session, &size), &size);
    check_text(json, "kernel.banner", "Linux version 6.1 <\\x1b>");
    check_number(json, "modules.hidden", 1);
    check_text(json, "timings.3.step", "builder");
    check_number(json, "image.ranges.0.size", 0x100000);
    json_decref(json);
    lkmfs_session_close(session);
}

Test(fs_json, numbers_that_no_json_number_holds)
{
    json_t *count = json_count(UINT64_MAX), *address = json_address(UINT64_MAX);
    cr_assert_eq(json_integer_value(count), INT64_MAX);
    cr_assert_str_eq(json_string_value(address), "0xffffffffffffffff");
    json_decref(count);
    json_decref(address);
}
