/* Parameters of a module: struct kernel_param (include/linux/moduleparam.h), values as they are now. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/overflow.h"
#include "module/modules.h"

#define PARAMETERS_MAX 1024
#define NAME_LIMIT     256
#define VALUE_LIMIT    1024
#define ELEMENTS_MAX   64

/* Kinds by the kernel's own ops: param_ops_<name>. `size` 0 is a pointer to text. */
struct parameter_kind {
    const char *ops, *type;
    unsigned size;
    bool is_signed;
};

static const struct parameter_kind kinds[] = {
    {"param_ops_byte", "byte", 1, false},       {"param_ops_short", "short", 2, true},
    {"param_ops_ushort", "ushort", 2, false},   {"param_ops_int", "int", 4, true},
    {"param_ops_uint", "uint", 4, false},       {"param_ops_long", "long", 8, true},
    {"param_ops_ulong", "ulong", 8, false},     {"param_ops_ullong", "ullong", 8, false},
    {"param_ops_hexint", "hexint", 4, false},   {"param_ops_bool", "bool", 1, false},
    {"param_ops_invbool", "invbool", 1, false}, {"param_ops_bint", "bint", 4, true},
    {"param_ops_charp", "charp", 0, false},
};

struct parameter_layout {
    uint64_t size;
    struct lkmfs_field name, ops, perm, arg;
    struct lkmfs_field array_ops, array_max, array_size, array_num, array_elements, string_text;
};

static bool layout_init(const struct lkmfs_types *types, struct parameter_layout *l)
{
    return lkmfs_types_size(types, "kernel_param", &l->size) &&
           lkmfs_types_field(types, "kernel_param", "name", &l->name) &&
           lkmfs_types_field(types, "kernel_param", "ops", &l->ops) &&
           lkmfs_types_field(types, "kernel_param", "perm", &l->perm) &&
           lkmfs_types_field(types, "kernel_param", "arg", &l->arg) &&
           lkmfs_types_field(types, "kparam_array", "ops", &l->array_ops) &&
           lkmfs_types_field(types, "kparam_array", "max", &l->array_max) &&
           lkmfs_types_field(types, "kparam_array", "elemsize", &l->array_size) &&
           lkmfs_types_field(types, "kparam_array", "num", &l->array_num) &&
           lkmfs_types_field(types, "kparam_array", "elem", &l->array_elements) &&
           lkmfs_types_field(types, "kparam_string", "string", &l->string_text);
}

static bool ops_named(const struct lkmfs_modules *modules, uint64_t ops, const char *name)
{
    struct lkmfs_symbol symbol;
    return ops && lkmfs_symbols_nearest(lkmfs_kernel_symbols(modules->kernel), ops, &symbol) && symbol.address == ops &&
           strcmp(symbol.name, name) == 0;
}

static const struct parameter_kind *kind_of(const struct lkmfs_modules *modules, uint64_t ops)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (ops_named(modules, ops, kinds[i].ops))
            return &kinds[i];
    return NULL;
}

/* Text of one value at `address`, as param_get_*() would print it. */
static const char *value_at(const struct lkmfs_modules *modules, struct arena *arena, const struct parameter_kind *kind,
                            uint64_t address)
{
    if (!kind->size) {
        uint64_t text;
        return lkmfs_space_u64(modules->space, address, &text) ? string_at(modules, arena, text, VALUE_LIMIT) : NULL;
    }
    uint8_t bytes[8] = {0};
    if (!lkmfs_space_read_exact(modules->space, address, bytes, kind->size))
        return NULL;
    struct lkmfs_field field = {.size = kind->size};
    uint64_t value = lkmfs_field_value(&field, bytes, sizeof(bytes));
    unsigned shift = 64 - 8 * kind->size;
    if (strcmp(kind->type, "bool") == 0)
        return value ? "Y" : "N";
    if (strcmp(kind->type, "invbool") == 0)
        return value ? "N" : "Y";
    if (strcmp(kind->type, "hexint") == 0)
        return arena_format(arena, "%#08" PRIx64, value);
    return kind->is_signed ? arena_format(arena, "%" PRId64, (int64_t)(value << shift) >> shift)
                           : arena_format(arena, "%" PRIu64, value);
}

/* param_array_get(): the values with commas between, as many as *num says, or all where there is no num. */
static const char *array_value(const struct lkmfs_modules *modules, struct arena *arena,
                               const struct parameter_layout *l, const struct parameter_kind *kind, uint64_t array)
{
    uint64_t count = field_at(modules, array, &l->array_max), num = field_at(modules, array, &l->array_num);
    uint64_t size = field_at(modules, array, &l->array_size), at = field_at(modules, array, &l->array_elements);
    uint32_t used;
    if (num && lkmfs_space_u32(modules->space, num, &used))
        count = min_u64(count, used);
    const char *text = "";
    for (uint64_t i = 0; text && i < min_u64(count, ELEMENTS_MAX); i++) {
        const char *value = value_at(modules, arena, kind, at + i * size);
        text = value ? arena_format(arena, "%s%s%s", text, i ? "," : "", value) : NULL;
    }
    return text;
}

static struct lkmfs_parameter read_parameter(const struct lkmfs_modules *modules, struct arena *arena,
                                             const struct parameter_layout *l, uint64_t at)
{
    struct lkmfs_parameter ret = {.type = ""};
    ret.name = string_at(modules, arena, field_at(modules, at, &l->name), NAME_LIMIT);
    ret.mode = (uint16_t)field_at(modules, at, &l->perm);
    uint64_t ops = field_at(modules, at, &l->ops), arg = field_at(modules, at, &l->arg);
    const struct parameter_kind *kind = kind_of(modules, ops);
    if (kind) {
        ret.type = kind->type;
        ret.value = value_at(modules, arena, kind, arg);
    } else if (ops_named(modules, ops, "param_array_ops")) {
        kind = kind_of(modules, field_at(modules, arg, &l->array_ops));
        ret.type = kind ? arena_format(arena, "array of %s", kind->type) : "";
        ret.value = kind ? array_value(modules, arena, l, kind, arg) : NULL;
    } else if (ops_named(modules, ops, "param_ops_string")) {
        ret.type = "string";
        ret.value = string_at(modules, arena, field_at(modules, arg, &l->string_text), VALUE_LIMIT);
    }
    return ret;
}

void module_read_parameters(const struct lkmfs_modules *modules, struct module_entry *entry)
{
    struct lkmfs_module *module = &entry->module;
    struct parameter_layout layout;
    uint64_t table = module_field(module, &modules->layout.kp), count = module_field(module, &modules->layout.num_kp);
    if (!table || !count || !layout_init(modules->types, &layout))
        return;
    if (count > PARAMETERS_MAX) {
        module_doubt(entry, &entry->arena, "%" PRIu64 " parameters are absurd; left out", count);
        return;
    }
    struct lkmfs_parameter *parameters = arena_array(&entry->arena, count, sizeof(*parameters));
    if (!parameters)
        return;
    module->parameters = parameters;
    size_t start = entry->arena.used;
    for (size_t i = 0; i < count && !module_share_used(modules, entry, start, "parameters"); i++) {
        struct lkmfs_parameter one = read_parameter(modules, &entry->arena, &layout, table + i * layout.size);
        if (one.name && one.type)
            parameters[module->parameter_count++] = one;
        else
            module_doubt(entry, &entry->arena, "parameter %zu has no readable name", i);
    }
}
