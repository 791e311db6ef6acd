/* test_kernel_hints.c - what an ELF core says of page tables, on kernels whose trampoline is gone. */
#include <criterion/criterion.h>
#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cursor.h"
#include "image_builder.h"
#include "synth_open.h"

TestSuite(kernel_hints, .init = scratch_begin, .fini = scratch_end);

#define QEMU_STATE_SIZE 440
#define QEMU_CR0        392
#define QEMU_CR3        416
#define CR0_PE_PG       UINT64_C(0x80000001)

static struct synth_kernel *make(unsigned levels, int pti)
{
    struct synth_kernel_options options = {.release = SYNTH_6_12,
                                           .trampoline = SYNTH_TRAMPOLINE_NONE,
                                           .levels = levels,
                                           .pti = pti,
                                           .text_phys = 0x200000};
    struct synth_kernel *k = synth_kernel_new(&options);
    synth_kernel_finish(k);
    return k;
}

static void add_cr3(struct builder *notes, uint64_t cr3)
{
    uint8_t state[QEMU_STATE_SIZE] = {0};
    put_le32(state, 1);
    put_le32(state + 4, sizeof(state));
    put_le64(state + QEMU_CR0, CR0_PE_PG);
    put_le64(state + QEMU_CR3, cr3);
    builder_note(notes, "QEMU", state, sizeof(state));
}

/* Opens the kernel's memory as an ELF core with these notes. */
static struct synth_opened open_core(const struct synth_kernel *k, const struct builder *notes)
{
    struct builder file = {0};
    uint64_t start = BUILDER_EHDR_SIZE + 2 * BUILDER_PHDR_SIZE;
    builder_elf_header(&file, 2);
    builder_elf_segment(&file, &(struct builder_segment){PT_NOTE, start, 0, notes->size, notes->size});
    builder_elf_segment(&file,
                        &(struct builder_segment){PT_LOAD, start + notes->size, 0, k->memory.size, k->memory.size});
    builder_put(&file, notes->bytes, notes->size);
    builder_put(&file, k->memory.bytes, k->memory.size);
    struct synth_opened opened = synth_open_path(builder_save(&file, "core"), NULL);
    builder_free(&file);
    return opened;
}

static void expect_found(struct synth_opened *opened, const struct synth_kernel *k, const char *source)
{
    cr_assert_not_null(opened->kernel, "%s", opened->err.message);
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(opened->kernel);
    cr_assert_not_null(strstr(facts->root_source, source), "found by %s", facts->root_source);
    cr_assert_eq(facts->text_start, k->text);
    cr_assert_eq(lkmfs_space_root(lkmfs_kernel_space(opened->kernel)), k->tables.root);
    synth_close(opened);
}

Test(kernel_hints, cr3_of_the_kernel)
{
    for (unsigned levels = 4; levels <= 5; levels++) {
        struct synth_kernel *k = make(levels, 0);
        struct builder notes = {0};
        add_cr3(&notes, k->tables.root);
        struct synth_opened opened = open_core(k, &notes);
        expect_found(&opened, k, "CR3");
        builder_free(&notes);
        synth_kernel_free(k);
    }
}

Test(kernel_hints, cr3_of_the_user_half)
{
    struct synth_kernel *k = make(4, 1);
    struct builder notes = {0};
    add_cr3(&notes, k->tables.root | 0x1000 | 0x801); /* PCID in the low bits */
    struct synth_opened opened = open_core(k, &notes);
    expect_found(&opened, k, "CR3");
    builder_free(&notes);
    synth_kernel_free(k);
}

Test(kernel_hints, second_cpu_when_the_first_is_elsewhere)
{
    struct synth_kernel *k = make(4, 0);
    struct builder notes = {0};
    add_cr3(&notes, 0x3000);
    add_cr3(&notes, UINT64_C(0xfffffff000));
    add_cr3(&notes, k->tables.root);
    struct synth_opened opened = open_core(k, &notes);
    expect_found(&opened, k, "CR3");
    builder_free(&notes);
    synth_kernel_free(k);
}

/* A process's own table: the kernel half is the same, so the kernel's own is found through it. */
Test(kernel_hints, cr3_of_a_process)
{
    struct synth_kernel *k = make(4, 0);
    uint64_t process = 0x8000;
    for (unsigned i = 256; i < 512; i++)
        synth_put64(&k->memory, process + i * 8, synth_get64(&k->memory, k->tables.root + i * 8));
    struct builder notes = {0};
    add_cr3(&notes, process);
    struct synth_opened opened = open_core(k, &notes);
    /* 0x8000 is below 1 MiB, so the search for a trampoline sees it first */
    expect_found(&opened, k, "trampoline");
    builder_free(&notes);
    synth_kernel_free(k);
}

static void expect_vmcoreinfo(const char *format, uint64_t table, int64_t base, const struct synth_kernel *k,
                              const char *source)
{
    char text[256];
    (void)snprintf(text, sizeof(text), format, table, base);
    struct builder notes = {0};
    builder_note(&notes, "VMCOREINFO", text, strlen(text));
    struct synth_opened opened = open_core(k, &notes);
    expect_found(&opened, k, source);
    builder_free(&notes);
}

Test(kernel_hints, vmcoreinfo)
{
    struct synth_kernel *k = make(4, 0);
    uint64_t table = k->text + (k->tables.root - k->text_phys);
    int64_t base = (int64_t)(k->text_phys - (k->text - UINT64_C(0xffffffff80000000)));

    expect_vmcoreinfo("OSRELEASE=x\nSYMBOL(swapper_pg_dir)=%" PRIx64 "\nNUMBER(phys_base)=%" PRId64 "\n", table, base,
                      k, "VMCOREINFO");
    /* damaged texts leave the scan */
    expect_vmcoreinfo("SYMBOL(swapper_pg_dir)=%" PRIx64 "\nNUMBER(phys_base)=", table, base, k, "full scan");
    expect_vmcoreinfo("SYMBOL(swapper_pg_dir)=zz%" PRIx64 "\nNUMBER(phys_base)=%" PRId64, table, base, k, "full scan");
    expect_vmcoreinfo("SYMBOL(swapper_pg_dir)=%" PRIx64 "\nNUMBER(phys_base)=%" PRId64, table, base + 4096, k,
                      "full scan");
    synth_kernel_free(k);
}

Test(kernel_hints, wrong_cr3_leaves_the_scan)
{
    struct synth_kernel *k = make(4, 0);
    struct builder notes = {0};
    add_cr3(&notes, 0x5000);
    struct synth_opened opened = open_core(k, &notes);
    expect_found(&opened, k, "full scan");
    builder_free(&notes);
    synth_kernel_free(k);
}
