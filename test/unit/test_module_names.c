/* test_module_names.c - hostile module names give safe, unique and stable names of files. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synth_open.h"
#include "synth_sample.h"

#define NAMES_MAX 24

struct fixture {
    struct synth_kernel *kernel;
    struct synth_module *modules[NAMES_MAX];
    size_t count;
    struct synth_opened opened;
};

static void add(struct fixture *f, const char *name)
{
    struct synth_module *m = synth_module_new(f->kernel, name);
    synth_module_finish(m);
    f->modules[f->count++] = m;
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){0};
    f->kernel = synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12});
}

static void open_all(struct fixture *f)
{
    synth_kernel_finish(f->kernel);
    f->opened = synth_open_modules(f->kernel);
    cr_assert_eq(lkmfs_modules_count(f->opened.modules), f->count);
}

static void end(struct fixture *f)
{
    synth_close(&f->opened);
    for (size_t i = 0; i < f->count; i++)
        synth_module_free(f->modules[i]);
    synth_kernel_free(f->kernel);
}

static const char *file_of(const struct fixture *f, size_t i)
{
    return synth_find_module(&f->opened, f->modules[i]->address)->file;
}

static void expect_safe(const char *file)
{
    cr_assert_neq(file[0], 0);
    cr_assert_neq(file[0], '.', "%s is hidden", file);
    cr_assert_neq(file[0], '-', "%s is an option", file);
    cr_assert_lt(strlen(file), 128);
    cr_assert_null(strstr(file, ".."), "%s", file);
    for (const char *c = file; *c; c++)
        cr_assert_not_null(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@", *c),
                           "0x%02x in a name", (unsigned char)*c);
}

static void expect_all_safe_and_unique(const struct fixture *f)
{
    for (size_t i = 0; i < f->count; i++) {
        expect_safe(file_of(f, i));
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(file_of(f, i), file_of(f, j));
    }
}

Test(module_names, hostile)
{
    struct fixture f;
    char controls[56] = {0};
    for (unsigned i = 0; i < 55; i++)
        controls[i] = (char)(i % 31 + 1);
    begin(&f);
    add(&f, "../../etc/passwd");
    add(&f, controls);
    add(&f, "");
    add(&f, ".");
    add(&f, "..");
    add(&f, ".hidden");
    add(&f, "a/b");
    add(&f, "\xff\xfe\x80");
    add(&f, "white space\ttab\nnewline");
    add(&f, "\x1b]0;title\x07");
    add(&f, "-rf");
    add(&f, "name.");
    add(&f, "a...b");
    add(&f, "%s%n%x");
    open_all(&f);
    expect_all_safe_and_unique(&f);
    cr_assert_str_eq(file_of(&f, 0), "_.__._etc_passwd");
    cr_assert_str_eq(file_of(&f, 2), "unnamed");
    /* the name itself stays as it is in memory */
    cr_assert_str_eq(synth_find_module(&f.opened, f.modules[1]->address)->name, controls);
    cr_assert_str_eq(synth_find_module(&f.opened, f.modules[0]->address)->name, "../../etc/passwd");
    end(&f);
}

Test(module_names, full_length_without_an_end)
{
    struct fixture f;
    char name[57];
    memset(name, 'x', sizeof(name) - 1);
    name[56] = 0;
    begin(&f);
    add(&f, name);
    open_all(&f);
    cr_assert_str_eq(file_of(&f, 0), name);
    cr_assert_str_eq(synth_find_module(&f.opened, f.modules[0]->address)->name, name);
    end(&f);
}

Test(module_names, duplicates)
{
    struct fixture f;
    begin(&f);
    add(&f, "twin");
    add(&f, "twin");
    add(&f, "twin");
    add(&f, "a/b");
    add(&f, "a_b");
    add(&f, "");
    add(&f, "unnamed");
    open_all(&f);
    expect_all_safe_and_unique(&f);
    cr_assert_str_eq(file_of(&f, 0), "twin"); /* the lowest address keeps it */
    char expected[64];
    (void)snprintf(expected, sizeof(expected), "twin@%llx", (unsigned long long)f.modules[1]->address);
    cr_assert_str_eq(file_of(&f, 1), expected);
    end(&f);
}

/* A module that is not on the list can't take the name of one that is. */
Test(module_names, the_listed_one_keeps_its_name)
{
    struct fixture f;
    begin(&f);
    struct synth_module *impostor = synth_module_new(f.kernel, "honest");
    impostor->unlisted = true;
    synth_module_finish(impostor);
    f.modules[f.count++] = impostor;
    add(&f, "honest");
    open_all(&f);
    cr_assert_lt(f.modules[0]->address, f.modules[1]->address);
    cr_assert_str_eq(file_of(&f, 1), "honest");
    cr_assert_eq(strncmp(file_of(&f, 0), "honest@", 7), 0);
    end(&f);
}

Test(module_names, case_differs)
{
    struct fixture f;
    begin(&f);
    add(&f, "Module");
    add(&f, "module");
    add(&f, "MODULE");
    open_all(&f);
    expect_all_safe_and_unique(&f);
    cr_assert_str_eq(file_of(&f, 0), "Module");
    cr_assert_str_eq(file_of(&f, 1), "module");
    cr_assert_str_eq(file_of(&f, 2), "MODULE");
    end(&f);
}

Test(module_names, no_option)
{
    struct fixture f;
    begin(&f);
    add(&f, "-rf");
    add(&f, "a-b");
    open_all(&f);
    expect_all_safe_and_unique(&f);
    cr_assert_str_eq(file_of(&f, 0), "_rf");
    cr_assert_str_eq(file_of(&f, 1), "a-b");
    end(&f);
}

/* As modprobe does, - and _ are alike in what is looked for. */
Test(module_names, find_takes_dashes)
{
    struct fixture f;
    begin(&f);
    add(&f, "snd_hda_intel");
    open_all(&f);
    cr_assert_not_null(lkmfs_modules_find(f.opened.modules, "snd-hda-intel"));
    cr_assert_not_null(lkmfs_modules_find(f.opened.modules, "snd_hda-intel"));
    cr_assert_null(lkmfs_modules_find(f.opened.modules, "snd.hda.intel"));
    cr_assert_null(lkmfs_modules_find(f.opened.modules, ""));
    end(&f);
}

/* A name as lkmfs makes them for duplicates can't be had by calling a module so. */
Test(module_names, suffix_forged)
{
    struct fixture f;
    begin(&f);
    add(&f, "twin");
    add(&f, "twin");
    char forged[64];
    (void)snprintf(forged, sizeof(forged), "twin@%llx", (unsigned long long)f.modules[1]->address);
    add(&f, forged);
    open_all(&f);
    expect_all_safe_and_unique(&f);
    end(&f);
}

Test(module_names, stable)
{
    struct fixture f;
    char *first[NAMES_MAX];
    begin(&f);
    for (unsigned i = 0; i < 12; i++)
        add(&f, i % 3 ? "same" : "a\1b");
    open_all(&f);
    for (size_t i = 0; i < f.count; i++)
        first[i] = strdup(file_of(&f, i));
    synth_close(&f.opened);
    f.opened = synth_open_modules(f.kernel);
    for (size_t i = 0; i < f.count; i++) {
        cr_assert_str_eq(file_of(&f, i), first[i]);
        free(first[i]);
    }
    end(&f);
}
