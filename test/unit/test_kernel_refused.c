/* test_kernel_refused.c - images in which no kernel, or not all of one, is found: what the user is told. */
#include <criterion/criterion.h>
#include <string.h>

#include "image_builder.h"
#include "kernel/kernel_image.h"
#include "synth_open.h"

TestSuite(kernel_refused, .init = scratch_begin, .fini = scratch_end);

static struct synth_kernel *make(const struct synth_kernel_options *options)
{
    struct synth_kernel *k = synth_kernel_new(options);
    synth_kernel_finish(k);
    return k;
}

static void expect_message(struct synth_opened *opened, const char *text)
{
    cr_assert_null(opened->kernel);
    cr_assert_eq(opened->err.code, LKMFS_ERROR_NOT_FOUND, "code %d", (int)opened->err.code);
    cr_assert_not_null(strstr(opened->err.message, text), "no '%s' in: %s", text, opened->err.message);
    cr_assert_null(strchr(opened->err.message, '\n'));
    synth_close(opened);
}

/* Saves `size` bytes of a kernel's memory from `start` on: an image whose addresses are off by that much. */
static const char *save_part(const struct synth_kernel *k, uint64_t start, uint64_t size)
{
    struct builder file = {0};
    builder_put(&file, synth_phys(&k->memory, start, size), size);
    const char *path = builder_save(&file, "part.raw");
    builder_free(&file);
    return path;
}

Test(kernel_refused, no_types)
{
    struct synth_kernel_options options = {.release = SYNTH_5_10, .no_btf = true};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = synth_open_kernel(k, NULL);

    cr_assert_not_null(strstr(opened.err.message, "5.10.0-synth"), "%s", opened.err.message);
    expect_message(&opened, "symbols=");
    synth_kernel_free(k);
}

Test(kernel_refused, all_types_torn)
{
    struct synth_kernel_options options = {.release = SYNTH_6_1};
    struct synth_kernel *k = make(&options);
    memset(synth_at(k, k->btf + 64), 0xa5, k->btf_size / 4 * 3);
    struct synth_opened opened = synth_open_kernel(k, NULL);

    cr_assert_not_null(strstr(opened.err.message, "torn"), "%s", opened.err.message);
    expect_message(&opened, "symbols=");
    synth_kernel_free(k);
}

Test(kernel_refused, types_without_struct_module)
{
    struct synth_kernel_options options = {.release = SYNTH_6_1, .no_btf = true};
    struct synth_kernel *k = make(&options);
    struct synth_types types;
    struct synth_bytes bytes = {0};
    synth_types_init(&types);
    synth_struct_begin(&types, "task_struct", false);
    synth_field(&types, "pid", "u32", 0);
    synth_struct_end(&types, 0);
    synth_btf(&bytes, &types, SYNTH_BTF_PLAIN);
    memcpy(synth_at(k, synth_rodata(k, bytes.size)), bytes.bytes, bytes.size);
    struct synth_opened opened = synth_open_kernel(k, NULL);

    expect_message(&opened, "symbols=");
    synth_bytes_free(&bytes);
    synth_types_free(&types);
    synth_kernel_free(k);
}

Test(kernel_refused, random_bytes)
{
    struct builder file = {0};
    builder_memory(&file, 0, 0x400000);
    struct synth_opened opened = synth_open_path(builder_save(&file, "random.raw"), NULL);
    expect_message(&opened, "no Linux kernel in it");
    builder_free(&file);
}

Test(kernel_refused, windows)
{
    struct builder file = {0};
    builder_memory(&file, 0, 0x200000);
    builder_put(&file, "ntkrnlmp.pdb", 13);
    builder_memory(&file, 0x200000, 0x1000);
    struct synth_opened opened = synth_open_path(builder_save(&file, "windows.raw"), NULL);
    expect_message(&opened, "Windows");
    builder_free(&file);
}

/* LiME format=raw puts ranges one behind the other without their addresses. */
Test(kernel_refused, addresses_lost)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .text_phys = 0x400000};
    struct synth_kernel *k = make(&options);
    const char *path = save_part(k, 0x1000, k->memory.size - 0x1000);
    struct synth_opened opened = synth_open_path(path, NULL);

    cr_assert_not_null(strstr(opened.err.message, "Linux version 6.12.0-synth"), "%s", opened.err.message);
    expect_message(&opened, "format=raw");
    synth_kernel_free(k);
}

Test(kernel_refused, cut_before_the_page_tables)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .text_phys = 0x200000};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = synth_open_path(save_part(k, 0, synth_phys_of(k, k->data)), NULL);
    expect_message(&opened, "cut image");
    synth_kernel_free(k);
}

/* Only a part of the names are there: kallsyms must not be half believed. */
Test(kernel_refused, cut_in_kallsyms)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = make(&options);
    uint64_t names = k->kallsyms_start + k->kallsyms.names;
    memset(synth_at(k, names + 256), 0, 4096);
    struct synth_opened opened = synth_open_kernel(k, NULL);
    expect_message(&opened, "Linux version 6.12");
    synth_kernel_free(k);
}

Test(kernel_refused, kallsyms_lead_to_no_banner)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .banner = "no banner at all"};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = synth_open_kernel(k, NULL);

    cr_assert(synth_log_has(&opened, "do not lead to a Linux banner"));
    expect_message(&opened, "no Linux kernel");
    synth_kernel_free(k);
}

Test(kernel_refused, banner_without_an_end)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = make(&options);
    memset(synth_at(k, k->at.banner + 14), '6', 4096);
    struct synth_opened opened = synth_open_kernel(k, NULL);
    cr_assert_null(opened.kernel);
    synth_close(&opened);
    synth_kernel_free(k);
}

/* The text of the error is one line whatever the banner holds. */
Test(kernel_refused, hostile_banner_in_a_message)
{
    struct builder file = {0};
    builder_memory(&file, 0, 0x100000);
    builder_put(&file, "Linux version 6\n\x1b[31m%s%n", 26);
    builder_memory(&file, 0, 0x1000);
    struct synth_opened opened = synth_open_path(builder_save(&file, "hostile.raw"), NULL);
    for (const char *c = opened.err.message; *c; c++)
        cr_assert(*c >= 0x20 && *c < 0x7f);
    expect_message(&opened, "Linux version 6");
    builder_free(&file);
}

Test(kernel_refused, hostile_release_in_a_message)
{
    struct synth_kernel_options options = {
        .release = SYNTH_6_12, .banner = "Linux version 6.12\r\x1b[31m\x7f\xff%n (x)\n", .no_btf = true};
    struct synth_kernel *k = make(&options);
    struct synth_opened opened = synth_open_kernel(k, NULL);
    for (const char *c = opened.err.message; *c; c++)
        cr_assert(*c >= 0x20 && *c < 0x7f, "0x%02x", (unsigned char)*c);
    expect_message(&opened, "symbols=");
    synth_kernel_free(k);
}

Test(kernel_refused, banner_at_the_very_end)
{
    struct builder file = {0};
    builder_memory(&file, 0, 0x400000 - 18); /* a block of the scan ends right behind it */
    builder_put(&file, "Linux version 6.12", 18);
    struct synth_opened opened = synth_open_path(builder_save(&file, "end.raw"), NULL);
    cr_assert_null(opened.kernel);
    synth_close(&opened);
    builder_free(&file);
}

/* Every low page is a table that maps 256 MiB of what could be a kernel: the search for one has an end. */
Test(kernel_refused, a_hundred_roots_to_nothing, .timeout = 60)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12, .text_phys = 0x200000};
    struct synth_kernel *k = synth_kernel_new(&options); /* without kallsyms */
    for (unsigned i = 0; i < 128; i++)
        synth_map(&k->tables, k->end + i * SYNTH_2M, 0x200000, SYNTH_2M, SYNTH_NX);
    uint64_t kernel_entry = synth_get64(&k->memory, k->tables.root + UINT64_C(511) * 8);
    for (uint64_t page = 0x1000; page < 0x9d000; page += SYNTH_PAGE)
        synth_put64(&k->memory, page + UINT64_C(511) * 8, kernel_entry);
    struct synth_opened opened = synth_open_kernel(k, NULL);
    cr_assert(synth_log_has(&opened, "too many page tables"));
    cr_assert_null(opened.kernel);
    synth_close(&opened);
    synth_kernel_free(k);
}

/* One flipped bit makes a page of 1 GiB of the table that maps the image: none of it may be taken for a part of it. */
Test(kernel_refused, image_in_a_page_of_1_gib)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = make(&options);
    uint64_t entry = synth_entry(&k->tables, k->text, 3);
    synth_put64(&k->memory, entry, synth_get64(&k->memory, entry) | 0x80);
    struct synth_opened opened = synth_open_kernel(k, NULL);
    struct lkmfs_space *space = lkmfs_space_new(opened.image, LKMFS_PAGING_X86_64_4LEVEL, k->tables.root);
    struct kernel_image image;

    (void)kernel_image_map(space, &image);
    cr_assert_eq(image.part_count, 0);
    lkmfs_space_free(space);
    expect_message(&opened, "kallsyms");
    synth_kernel_free(k);
}

/* The page tables are sound, so it would be wrong to blame them. */
Test(kernel_refused, symbols_torn)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_kernel *k = make(&options);
    memset(synth_at(k, k->kallsyms_start + k->kallsyms.token_table), 0, 64);
    struct synth_opened opened = synth_open_kernel(k, NULL);

    expect_message(&opened, "kallsyms");
    synth_kernel_free(k);
}
