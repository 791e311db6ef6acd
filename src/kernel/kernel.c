#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "kernel/kernel_image.h"
#include "kernel/kernel_types.h"
#include "kernel/roots.h"
#include "kernel/symbols.h"

#define BANNER_PREFIX  "Linux version "
#define BANNER_MAX     512
#define VMCOREINFO_MAX 4096
/* A kernel image has some 30 MiB, and few tables but the right one lead to anything that large. */
#define PROOF_BYTES_MAX ((uint64_t)1 << 30)
/* Link addresses with the default CONFIG_PHYSICAL_START (arch/x86/Kconfig). */
#define PHYSICAL_START UINT64_C(0x1000000)
/* MODULES_VADDR without and with RANDOMIZE_BASE, MODULES_END (mm.rst). */
#define MODULES_LOW  UINT64_C(0xffffffffa0000000)
#define MODULES_HIGH UINT64_C(0xffffffffc0000000)
#define MODULES_END  UINT64_C(0xffffffffff000000)

struct lkmfs_kernel {
    const struct lkmfs_image *image;
    struct lkmfs_space *space;
    struct lkmfs_symbols *symbols;
    struct lkmfs_types *types;
    struct lkmfs_kernel_facts facts;
    char banner[BANNER_MAX];
    char release[BANNER_MAX];
    char vmcoreinfo[VMCOREINFO_MAX + 1];
};

/* State of the search while guesses are tried. */
struct search {
    struct lkmfs_kernel *kernel;
    struct lkmfs_log *log;
    struct lkmfs_error types_error; /* why a kernel that was found has no types */
    uint64_t bytes_left;            /* of kernel images that may still be read for proof */
    bool image_seen;                /* page tables that map something like a kernel */
    bool types_missing, out_of_memory;
};

static bool take_banner(struct lkmfs_kernel *kernel, const struct lkmfs_space *space, uint64_t address)
{
    char text[BANNER_MAX];
    if (!lkmfs_space_string(space, address, text, sizeof(text)) || strncmp(text, BANNER_PREFIX, 14) != 0)
        return false;
    text[strcspn(text, "\n")] = 0;
    /* It goes into messages of one line, and to terminals. */
    for (char *c = text; *c; c++)
        if (*c < 0x20 || *c >= 0x7f)
            *c = '?';
    memcpy(kernel->banner, text, sizeof(text));
    memcpy(kernel->release, text + strlen(BANNER_PREFIX), sizeof(text) - strlen(BANNER_PREFIX));
    kernel->release[strcspn(kernel->release, " ")] = 0;
    return true;
}

/* linux_banner is a data symbol: kernels without KALLSYMS_ALL do not name it, but hold it beside kallsyms. */
static bool prove_banner(struct lkmfs_kernel *kernel, const struct lkmfs_space *space,
                         const struct lkmfs_symbols *symbols, const struct segment *segment)
{
    uint64_t address;
    if (lkmfs_symbols_find(symbols, "linux_banner", &address))
        return take_banner(kernel, space, address);
    const uint8_t *at = segment->bytes;
    while ((at = memmem(at, segment->size - (size_t)(at - segment->bytes), BANNER_PREFIX, strlen(BANNER_PREFIX)))) {
        if (take_banner(kernel, space, segment->address + (size_t)(at - segment->bytes)))
            return true;
        at++;
    }
    return false;
}

/* Symbols, banner and types all lie in .rodata: one read of it serves them. */
static bool prove_part(struct search *search, const struct lkmfs_space *space, const struct kernel_image *image,
                       const struct image_part *part)
{
    struct lkmfs_kernel *kernel = search->kernel;
    if (part->size > search->bytes_left) {
        if (search->bytes_left)
            lkmfs_log_add(search->log, LKMFS_LOG_DOUBT,
                          "too many page tables map what could be a kernel; further ones are not looked at");
        search->bytes_left = 0;
        return false;
    }
    search->bytes_left -= part->size;
    struct segment segment = kernel_image_read(space, part);
    if (!segment.bytes) {
        search->out_of_memory = true;
        return false;
    }
    struct lkmfs_symbols *symbols = NULL;
    struct lkmfs_error err = {0};
    bool proven = symbols_decode(&segment, image->start, image->end, &symbols, &err);
    if (proven && !prove_banner(kernel, space, symbols, &segment)) {
        lkmfs_log_add(search->log, LKMFS_LOG_DOUBT, "kallsyms at 0x%" PRIx64 " do not lead to a Linux banner",
                      segment.address);
        symbols_free(symbols);
        proven = false;
    }
    if (proven) {
        kernel->symbols = symbols;
        search->types_missing = !kernel_types_find(space, &segment, symbols, &kernel->types, &search->types_error);
    } else if (err.code == LKMFS_ERROR_DAMAGED) {
        lkmfs_log_add(search->log, LKMFS_LOG_DOUBT, "%s", err.message);
    }
    search->out_of_memory |= err.code == LKMFS_ERROR_NO_MEMORY;
    free((void *)segment.bytes);
    return proven;
}

/* kallsyms is in read-only data; kernels without strict permissions keep it in a part that is writable or executable.
 */
static bool prove_parts(struct search *search, const struct lkmfs_space *space, const struct kernel_image *image)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < image->part_count; i++) {
            const struct image_part *part = &image->parts[i];
            bool rodata = !part->writable && !part->executable;
            if (rodata == (pass == 0) && prove_part(search, space, image, part))
                return true;
        }
    return false;
}

static void take_addresses(struct lkmfs_kernel *kernel, const struct kernel_image *image)
{
    struct lkmfs_kernel_facts *facts = &kernel->facts;
    facts->image_start = image->start;
    facts->image_end = image->end;
    facts->text_start = image->start;
    facts->text_phys = image->phys;
    uint64_t text;
    struct lkmfs_mapping leaf;
    if (lkmfs_symbols_find(kernel->symbols, "_text", &text) && lkmfs_space_translate(kernel->space, text, &leaf)) {
        facts->text_start = text;
        facts->text_phys = leaf.phys;
    }
    facts->virtual_slide = facts->text_start - KERNEL_MAP_START - PHYSICAL_START;
    facts->physical_slide = facts->text_phys - PHYSICAL_START;
    facts->module_start = image->end > MODULES_LOW ? MODULES_HIGH : MODULES_LOW;
    facts->module_end = MODULES_END;
}

/*
 * Tables copied at boot lack top-level entries made later, and before 5.15 all of the direct map: the kernel's own
 * table is better wherever it is named.
 */
static void prefer_own_root(struct lkmfs_kernel *kernel)
{
    uint64_t own;
    struct lkmfs_mapping leaf, text;
    if (!lkmfs_symbols_find(kernel->symbols, "init_top_pgt", &own) ||
        !lkmfs_space_translate(kernel->space, own, &leaf) || leaf.phys == lkmfs_space_root(kernel->space))
        return;
    struct lkmfs_space *space = lkmfs_space_new(kernel->image, lkmfs_space_paging(kernel->space), leaf.phys);
    if (space && lkmfs_space_translate(space, own, &text) && text.phys == leaf.phys) {
        lkmfs_space_free(kernel->space);
        kernel->space = space;
    } else {
        lkmfs_space_free(space);
    }
}

static bool prove_root(void *context, const struct root_guess *guess)
{
    struct search *search = context;
    struct lkmfs_kernel *kernel = search->kernel;
    if (search->out_of_memory)
        return false;
    struct lkmfs_space *space = lkmfs_space_new(kernel->image, guess->paging, guess->root);
    if (!space) {
        search->out_of_memory = true;
        return false;
    }
    struct kernel_image image;
    bool mapped = kernel_image_map(space, &image);
    search->image_seen |= mapped;
    if (!mapped || !prove_parts(search, space, &image)) {
        lkmfs_space_free(space);
        return false;
    }
    kernel->space = space;
    kernel->facts.root_source = guess->source;
    take_addresses(kernel, &image);
    prefer_own_root(kernel);
    lkmfs_log_add(search->log, LKMFS_LOG_NOTE, "page tables: %s, root 0x%" PRIx64 " (%s, first seen at 0x%" PRIx64 ")",
                  lkmfs_paging_name(guess->paging), lkmfs_space_root(kernel->space), guess->source, guess->root);
    return true;
}

static void read_vmcoreinfo(struct lkmfs_kernel *kernel)
{
    uint64_t variable, text;
    const struct lkmfs_hints *hints = lkmfs_image_hints(kernel->image);
    /* vmcoreinfo_data is a pointer to a page of text since 4.13 */
    if (lkmfs_symbols_find(kernel->symbols, "vmcoreinfo_data", &variable) &&
        lkmfs_space_u64(kernel->space, variable, &text) &&
        lkmfs_space_read(kernel->space, text, kernel->vmcoreinfo, VMCOREINFO_MAX) > 0 &&
        strncmp(kernel->vmcoreinfo, "OSRELEASE=", 10) == 0)
        kernel->facts.vmcoreinfo = kernel->vmcoreinfo;
    else
        kernel->facts.vmcoreinfo = hints->vmcoreinfo;
}

static bool fail_no_kernel(const struct lkmfs_image *image, const struct lkmfs_kernel_options *options,
                           const struct scan_sight *sight, bool image_seen, struct lkmfs_error *err)
{
    const char *path = lkmfs_image_path(image);
    if (options && options->has_root)
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, options->root,
                          "%s: the page table given by dtb= (0x%" PRIx64 ") maps no Linux kernel; leave the option out "
                          "to have it searched for",
                          path, options->root);
    if (sight->banner[0] && image_seen)
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, 0,
                          "%s: holds \"%.60s...\" and page tables that map a kernel, but no sound table of its symbols "
                          "(kallsyms): damaged, or torn while it was acquired; acquire it again",
                          path, sight->banner);
    if (sight->banner[0])
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, 0,
                          "%s: holds \"%.60s...\" but no page tables that fit: a cut image, or one whose physical "
                          "addresses are lost (LiME format=raw?); acquire it again with LiME format=lime or padded",
                          path, sight->banner);
    if (sight->windows)
        return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, 0, "%s: this is Windows memory; lkmfs reads Linux only", path);
    return lkmfs_fail(err, LKMFS_ERROR_NOT_FOUND, 0,
                      "%s: no Linux kernel in it; not x86_64 Linux memory, or encrypted, compressed or cut", path);
}

static void log_losses(const struct lkmfs_kernel *kernel, struct lkmfs_log *log)
{
    size_t symbols = symbols_lost(kernel->symbols), types = kernel->types->lost;
    if (symbols)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "kallsyms: %zu symbols are lost, on pages that are missing or torn; what needs them is, too",
                      symbols);
    if (types)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT,
                      "types: %zu are lost, on pages that are missing or torn; what lkmfs takes for a field that this "
                      "kernel does not have may be of one of them",
                      types);
    if (kernel->types->names_lost)
        lkmfs_log_add(
            log, LKMFS_LOG_DOUBT,
            "types: some names are lost, on pages that are missing or torn; what lkmfs takes for a field that this "
            "kernel does not have may have one of them");
}

static bool kernel_find(const struct lkmfs_image *image, const struct lkmfs_kernel_options *options,
                        struct lkmfs_log *log, struct lkmfs_kernel **ret, struct lkmfs_error *err)
{
    struct lkmfs_kernel *kernel = calloc(1, sizeof(*kernel));
    if (!kernel)
        return lkmfs_fail_memory(err);
    kernel->image = image;
    struct search search = {.kernel = kernel, .log = log, .bytes_left = PROOF_BYTES_MAX};
    struct scan_sight sight = {0};
    bool found = roots_try_hints(image, options, prove_root, &search);
    if (!found && !search.out_of_memory && !(options && options->has_root)) {
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "no page tables where they are expected; scanning the whole image");
        found = roots_try_scan(image, prove_root, &search, &sight);
    }
    if (!found) {
        lkmfs_kernel_close(kernel);
        return search.out_of_memory ? lkmfs_fail_memory(err)
                                    : fail_no_kernel(image, options, &sight, search.image_seen, err);
    }
    if (search.types_missing) {
        (void)lkmfs_fail(
            err, LKMFS_ERROR_NOT_FOUND, 0,
            "%s: found Linux %.80s but no types in it (%.100s): a kernel without CONFIG_DEBUG_INFO_BTF, or a "
            "torn image; its struct layouts would have to come from symbols=PATH (an ISF or a vmlinux of this very "
            "kernel)",
            lkmfs_image_path(image), kernel->release, search.types_error.message);
        lkmfs_kernel_close(kernel);
        return false;
    }
    kernel->facts.banner = kernel->banner;
    kernel->facts.release = kernel->release;
    read_vmcoreinfo(kernel);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "kernel: %s", kernel->banner);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "kallsyms: %s", symbols_layout(kernel->symbols));
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "types: %s", lkmfs_types_source(kernel->types));
    log_losses(kernel, log);
    *ret = kernel;
    return true;
}

bool lkmfs_kernel_open(const struct lkmfs_image *image, const struct lkmfs_kernel_options *options,
                       struct lkmfs_log *log, struct lkmfs_kernel **ret, struct lkmfs_error *err)
{
    uint64_t failures = lkmfs_image_failures();
    bool found = kernel_find(image, options, log, ret, err);
    if (lkmfs_image_intact(image, failures, err))
        return found;
    if (found)
        lkmfs_kernel_close(*ret);
    return false;
}

void lkmfs_kernel_close(struct lkmfs_kernel *kernel)
{
    if (!kernel)
        return;
    types_free(kernel->types);
    symbols_free(kernel->symbols);
    lkmfs_space_free(kernel->space);
    free(kernel);
}

const struct lkmfs_kernel_facts *lkmfs_kernel_facts(const struct lkmfs_kernel *kernel)
{
    return &kernel->facts;
}

const struct lkmfs_space *lkmfs_kernel_space(const struct lkmfs_kernel *kernel)
{
    return kernel->space;
}

const struct lkmfs_symbols *lkmfs_kernel_symbols(const struct lkmfs_kernel *kernel)
{
    return kernel->symbols;
}

const struct lkmfs_types *lkmfs_kernel_types(const struct lkmfs_kernel *kernel)
{
    return kernel->types;
}

unsigned lkmfs_kernel_word(const struct lkmfs_kernel *kernel)
{
    (void)kernel;
    return 8;
}
