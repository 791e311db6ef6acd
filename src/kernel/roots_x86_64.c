/* Guesses for x86_64 that need no scan (KERNEL.md D.2, D.3). */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "kernel/kernel_image.h"
#include "kernel/roots.h"

#define PAGE      UINT64_C(4096)
#define LOW_LIMIT 0x100000 /* reserve_real_mode() allocates the trampoline below 1 MiB */
#define LAST_SLOT (UINT64_C(511) * 8)

static bool try_both(root_proof_fn *proof, void *context, uint64_t root, const char *source)
{
    struct root_guess guess = {LKMFS_PAGING_X86_64_4LEVEL, root, source};
    if (proof(context, &guess))
        return true;
    guess.paging = LKMFS_PAGING_X86_64_5LEVEL;
    return proof(context, &guess);
}

/*
 * setup_real_mode() copies init_top_pgt[511], the kernel's own entry, into the last slot of a table below 1 MiB; the
 * secondary CPUs start with it.
 */
static bool try_trampoline(const struct lkmfs_image *image, root_proof_fn *proof, void *context)
{
    const struct lkmfs_range low = {0, LOW_LIMIT};
    lkmfs_image_prefetch(image, &low, 1);
    for (uint64_t page = 0; page < LOW_LIMIT; page += PAGE) {
        uint8_t entry[8];
        if (lkmfs_image_read(image, page + LAST_SLOT, entry, sizeof(entry)) != sizeof(entry))
            continue;
        /* present and writable, neither a leaf nor user: _KERNPG_TABLE, _PAGE_TABLE without PTI */
        if ((le64(entry) & 0x83) == 0x03 && try_both(proof, context, page, "real-mode trampoline page table"))
            return true;
    }
    return false;
}

static bool number_after(const char *text, const char *key, int base, uint64_t *ret)
{
    const char *at = strstr(text, key);
    if (!at)
        return false;
    char *end;
    *ret = strtoull(at + strlen(key), &end, base);
    return end != at + strlen(key);
}

static bool try_vmcoreinfo(const struct lkmfs_hints *hints, root_proof_fn *proof, void *context)
{
    uint64_t table, base;
    if (!hints->vmcoreinfo || !number_after(hints->vmcoreinfo, "SYMBOL(swapper_pg_dir)=", 16, &table) ||
        !number_after(hints->vmcoreinfo, "NUMBER(phys_base)=", 10, &base))
        return false;
    return try_both(proof, context, table - KERNEL_MAP_START + base, "VMCOREINFO note");
}

bool roots_try_hints(const struct lkmfs_image *image, const struct lkmfs_kernel_options *options, root_proof_fn *proof,
                     void *context)
{
    if (options && options->has_root)
        return try_both(proof, context, options->root, "dtb= option");
    if (try_trampoline(image, proof, context))
        return true;
    const struct lkmfs_hints *hints = lkmfs_image_hints(image);
    if (try_vmcoreinfo(hints, proof, context))
        return true;
    for (size_t i = 0; i < hints->cr3_count; i++) {
        /* With PTI, bit 12 selects the user half of a pair of tables and the kernel's is the even one. */
        uint64_t root = hints->cr3[i] & ~UINT64_C(0xfff);
        if (try_both(proof, context, root & ~UINT64_C(0x1000), "CR3 of a CPU in the image's notes") ||
            (root & 0x1000 && try_both(proof, context, root, "CR3 of a CPU in the image's notes")))
            return true;
    }
    return false;
}
