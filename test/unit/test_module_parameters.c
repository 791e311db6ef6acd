/* test_module_parameters.c - parameters of each kind, as sysfs would show them. */
#include <criterion/criterion.h>
#include <string.h>

#include "synth_module.h"
#include "synth_open.h"

struct fixture {
    struct synth_kernel *kernel;
    struct synth_module *in;
    uint64_t values; /* where the parameters' variables lie, 32 bytes each */
    struct synth_opened opened;
    const struct lkmfs_module *module;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->kernel = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12});
    f->in = synth_module_new(f->kernel, "parameters");
    f->values = synth_module_section(f->in, ".data", SYNTH_DATA, 0x400, 32);
}

/* A parameter whose variable holds `value`. */
static void add(struct fixture *f, const char *name, const char *ops, uint64_t value, uint16_t mode)
{
    uint64_t at = f->values + 32 * f->in->parameter_count;
    synth_set(f->kernel, at, value, 8);
    synth_module_parameter(f->in, name, ops, at, mode);
}

static void load(struct fixture *f)
{
    synth_module_finish(f->in);
    synth_kernel_finish(f->kernel);
    f->opened = synth_open_modules(f->kernel);
    f->module = synth_load_module(&f->opened, f->in->address);
}

static void end(struct fixture *f)
{
    synth_close(&f->opened);
    synth_module_free(f->in);
    synth_kernel_free(f->kernel);
}

static void expect(const struct fixture *f, const char *name, const char *type, const char *value)
{
    for (size_t i = 0; i < f->module->parameter_count; i++) {
        const struct lkmfs_parameter *p = &f->module->parameters[i];
        if (strcmp(p->name, name) != 0)
            continue;
        cr_assert_str_eq(p->type, type, "%s is a %s", name, p->type);
        if (value)
            cr_assert_str_eq(p->value, value, "%s is %s", name, p->value ? p->value : "NULL");
        else
            cr_assert_null(p->value, "%s is %s", name, p->value);
        return;
    }
    cr_assert_fail("no parameter %s", name);
}

Test(module_parameters, numbers)
{
    struct fixture f;
    begin(&f);
    add(&f, "byte", "param_ops_byte", 0xffffffffffffffff, 0);
    add(&f, "short", "param_ops_short", 0xffffffffffff8000, 0);
    add(&f, "ushort", "param_ops_ushort", 0xffffffffffff8000, 0);
    add(&f, "int", "param_ops_int", 0xffffffffffffffff, 0);
    add(&f, "uint", "param_ops_uint", 0xffffffffffffffff, 0);
    add(&f, "long", "param_ops_long", 0x8000000000000000, 0);
    add(&f, "ulong", "param_ops_ulong", 0xffffffffffffffff, 0);
    add(&f, "ullong", "param_ops_ullong", 0x8000000000000000, 0);
    add(&f, "zero", "param_ops_int", 0, 0);
    load(&f);
    cr_assert_eq(f.module->parameter_count, 9);
    expect(&f, "byte", "byte", "255");
    expect(&f, "short", "short", "-32768");
    expect(&f, "ushort", "ushort", "32768");
    expect(&f, "int", "int", "-1");
    expect(&f, "uint", "uint", "4294967295");
    expect(&f, "long", "long", "-9223372036854775808");
    expect(&f, "ulong", "ulong", "18446744073709551615");
    expect(&f, "ullong", "ullong", "9223372036854775808");
    expect(&f, "zero", "int", "0");
    end(&f);
}

/* param_get_hexint() prints %#08x */
Test(module_parameters, hexadecimal)
{
    struct fixture f;
    begin(&f);
    add(&f, "mask", "param_ops_hexint", 0xffffffff0000abcd, 0);
    add(&f, "none", "param_ops_hexint", 0, 0);
    load(&f);
    expect(&f, "mask", "hexint", "0x00abcd");
    expect(&f, "none", "hexint", "00000000");
    end(&f);
}

Test(module_parameters, truth)
{
    struct fixture f;
    begin(&f);
    add(&f, "yes", "param_ops_bool", 1, 0);
    add(&f, "no", "param_ops_bool", 0xffffffffffffff00, 0);
    add(&f, "inverted", "param_ops_invbool", 1, 0);
    add(&f, "wide", "param_ops_bint", 1, 0);
    add(&f, "wide_no", "param_ops_bint", 0, 0);
    load(&f);
    expect(&f, "yes", "bool", "Y");
    expect(&f, "no", "bool", "N");
    expect(&f, "inverted", "invbool", "N");
    expect(&f, "wide", "bint", "1"); /* param_ops_bint reads truth and prints a number */
    expect(&f, "wide_no", "bint", "0");
    end(&f);
}

Test(module_parameters, text)
{
    struct fixture f;
    begin(&f);
    add(&f, "pointer", "param_ops_charp", synth_string(f.kernel, "some text"), 0);
    add(&f, "null", "param_ops_charp", 0, 0);
    add(&f, "wild", "param_ops_charp", 0xdead000000000000, 0);
    uint64_t string = synth_heap(f.kernel, synth_sizeof(&f.kernel->types, "kparam_string"));
    synth_set_field(f.kernel, "kparam_string", string, "maxlen", 16);
    synth_set_field(f.kernel, "kparam_string", string, "string", synth_string(f.kernel, "in place"));
    synth_module_parameter(f.in, "buffer", "param_ops_string", string, 0);
    synth_module_parameter(f.in, "lost", "param_ops_string", 0x1000, 0);
    load(&f);
    expect(&f, "pointer", "charp", "some text");
    expect(&f, "null", "charp", NULL);
    expect(&f, "wild", "charp", NULL);
    expect(&f, "buffer", "string", "in place");
    expect(&f, "lost", "string", NULL);
    end(&f);
}

Test(module_parameters, arrays)
{
    struct fixture f;
    begin(&f);
    uint64_t array = synth_heap(f.kernel, synth_sizeof(&f.kernel->types, "kparam_array"));
    synth_set_field(f.kernel, "kparam_array", array, "ops", synth_symbol(f.kernel, "param_ops_uint"));
    /* Two of room for three are in use; they are the members max and elemsize of this very struct. */
    synth_set_field(f.kernel, "kparam_array", array, "max", 3);
    synth_set_field(f.kernel, "kparam_array", array, "elemsize", 4);
    synth_set_field(f.kernel, "kparam_array", array, "elem", array);
    synth_module_parameter(f.in, "list", "param_array_ops", array, 0);
    uint64_t used = synth_heap(f.kernel, synth_sizeof(&f.kernel->types, "kparam_array"));
    synth_set_field(f.kernel, "kparam_array", used, "max", 2);
    synth_set_field(f.kernel, "kparam_array", array, "num", used);
    synth_module_parameter(f.in, "lost", "param_array_ops", 0x1000, 0);
    load(&f);
    expect(&f, "list", "array of uint", "3,4");
    expect(&f, "lost", "", NULL);
    end(&f);
}

Test(module_parameters, unknown_kinds_and_lost_names)
{
    struct fixture f;
    begin(&f);
    add(&f, "own", NULL, 0, 0);
    add(&f, "here", "param_ops_int", 7, 0644);
    add(&f, "gone", "param_ops_int", 7, 0644);
    load(&f);
    synth_close(&f.opened);
    uint64_t table = synth_module_get(f.in, "kp"), size = synth_sizeof(&f.kernel->types, "kernel_param");
    synth_set_field(f.kernel, "kernel_param", table, "ops", f.in->region[SYNTH_DATA]); /* the module's own ops */
    synth_set_field(f.kernel, "kernel_param", table + 2 * size, "name", 0x1000);
    f.opened = synth_open_modules(f.kernel);
    f.module = synth_load_module(&f.opened, f.in->address);

    cr_assert_eq(f.module->parameter_count, 2);
    expect(&f, "own", "", NULL);
    expect(&f, "here", "int", "7");
    cr_assert_eq(f.module->parameters[1].mode, 0644);
    cr_assert_eq(f.module->doubt_count, 1);
    end(&f);
}

Test(module_parameters, variable_that_is_not_there)
{
    struct fixture f;
    begin(&f);
    synth_module_parameter(f.in, "lost", "param_ops_int", 0xffffffffc0f00000, 0444);
    synth_module_parameter(f.in, "crossing", "param_ops_ulong", f.in->region[SYNTH_DATA] + SYNTH_REGION_SIZE - 4, 0444);
    load(&f);
    expect(&f, "lost", "int", NULL);
    expect(&f, "crossing", "ulong", NULL);
    end(&f);
}
