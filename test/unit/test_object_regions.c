/* The bytes of a module's regions, and those that are missing. */
#include <criterion/criterion.h>

#include "synth_paging.h"
#include "test_object_fake.h"

#define MIB    UINT64_C(0x100000)
#define TABLES (4 * MIB)

/* The module's regions in memory, but for the pages that a test takes away. */
struct fixture {
    struct synth_memory memory;
    struct synth_tables tables;
    struct lkmfs_image *image;
    struct lkmfs_space *space;
    struct fake_module *fake;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.fake = fake_module_new()};
    synth_memory_init(&f->memory, TABLES + MIB);
    synth_tables_init(&f->tables, &f->memory, 4, TABLES, TABLES + MIB);
    for (unsigned i = 0; i < FAKE_REGIONS; i++) {
        f->fake->regions[i].size = 2 * SYNTH_PAGE;
        memset(synth_phys(&f->memory, (i + 1) * UINT64_C(0x10000), 2 * SYNTH_PAGE), (int)(0x10 + i), 2 * SYNTH_PAGE);
    }
}

static void map(struct fixture *f, unsigned region, uint64_t page)
{
    synth_map(&f->tables, fake_address(region, page * SYNTH_PAGE), (region + 1) * UINT64_C(0x10000) + page * SYNTH_PAGE,
              SYNTH_4K, 0);
}

static void read_regions(struct fixture *f)
{
    f->image = synth_memory_open(&f->memory, NULL);
    f->space = lkmfs_space_new(f->image, LKMFS_PAGING_X86_64_4LEVEL, f->tables.root);
    f->fake->draft = (struct draft){.module = &f->fake->module, .kind = LKMFS_OBJECT_LOADED, .word = 8};
    layout_read_regions(&f->fake->draft, f->space);
    cr_assert_not(f->fake->draft.out_of_memory);
}

static void end(struct fixture *f)
{
    lkmfs_space_free(f->space);
    lkmfs_image_close(f->image);
    synth_memory_free(&f->memory);
    fake_module_free(f->fake);
}

Test(object_regions, pages_that_are_gone_are_told_in_their_sections)
{
    struct fixture f;
    begin(&f);
    map(&f, FAKE_TEXT, 0);
    map(&f, FAKE_TEXT, 1);
    map(&f, FAKE_RODATA, 1);
    map(&f, FAKE_DATA, 0);
    fake_section(f.fake, ".text", FAKE_TEXT, 0);
    fake_section(f.fake, ".rodata", FAKE_RODATA, 0);
    fake_section(f.fake, ".rodata.lost", FAKE_RO_AFTER_INIT, 0);
    fake_section(f.fake, ".data", FAKE_DATA, 0x10);
    fake_symbol(f.fake, "table", fake_address(FAKE_RODATA, 0x20), 0x1100, 2, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 'r');
    fake_symbol(f.fake, "lost", fake_address(FAKE_RO_AFTER_INIT, 0), 16, 3, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 'd');
    read_regions(&f);
    cr_assert_eq(f.fake->draft.regions[FAKE_TEXT].missing_count, 0);
    cr_assert_eq(f.fake->draft.regions[FAKE_RODATA].missing_count, 1);
    cr_assert(layout_sections(&f.fake->layout, &f.fake->draft, &f.fake->evidence));

    cr_expect_eq(fake_find(f.fake, ".text")->missing_count, 0);
    cr_expect_eq(fake_find(f.fake, ".text")->data_from, LKMFS_FROM_MEMORY);
    const struct draft_section *rodata = fake_find(f.fake, ".rodata");
    cr_assert_eq(rodata->missing_count, 1);
    cr_expect_eq(rodata->missing[0].offset, 0);
    cr_expect_eq(rodata->missing[0].size, SYNTH_PAGE);
    cr_expect_eq(rodata->data[SYNTH_PAGE - 1], 0);
    cr_expect_eq(rodata->data[SYNTH_PAGE], 0x10 + FAKE_RODATA);
    cr_expect_eq(rodata->data_from, LKMFS_FROM_MEMORY, "in part");
    cr_expect_eq(fake_find(f.fake, ".rodata.lost")->data_from, LKMFS_FROM_MISSING);
    cr_expect_eq(fake_find(f.fake, ".data")->missing_count, 0);
    end(&f);
}
