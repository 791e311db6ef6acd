#include "object/conventions.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* Alignments that are no constants. */
#define BY_SYMBOLS 0x0
#define ENTRY_TEXT 0xf1 /* evidence: entry_text_align */
#define KSYMTAB    0xf2 /* evidence: ksymtab_align */
#define KCRCTAB    0xf3 /* evidence: crc_relocated */

struct row {
    const char *name; /* a trailing * makes it a prefix */
    uint8_t kind;
    uint8_t align;
    uint8_t entry;
    uint8_t rela;
    uint16_t flags; /* besides those of the region */
    bool entsize;   /* sh_entsize is `entry`, on kernels where evidence says entsize_kept */
};

/*
 * SECTIONS.md section 4, the same on every kernel seen where no evidence is named; first match wins. Entry sizes are
 * those of tables that struct module does not count (KERNEL.md A.8 has the others) or counts on some kernels only.
 */
static const struct row rows[] = {
    /* code */
    {".text", SECTION_CODE, BY_SYMBOLS, 0, RELA_ALWAYS, 0, false},
    {".text.unlikely", SECTION_CODE, BY_SYMBOLS, 0, RELA_ALWAYS, 0, false},
    {".exit.text", SECTION_CODE, ENTRY_TEXT, 0, RELA_ALWAYS, 0, false},
    {".init.text", SECTION_CODE, ENTRY_TEXT, 0, RELA_ALWAYS, 0, false},
    {".noinstr.text", SECTION_CODE, 16, 0, RELA_ALWAYS, 0, false},
    {".ref.text", SECTION_CODE, 16, 0, RELA_ALWAYS, 0, false},
    {".sched.text", SECTION_CODE, 16, 0, RELA_ALWAYS, 0, false},
    {".static_call.text", SECTION_CODE, 4, 0, RELA_ALWAYS, 0, false},
    {".fixup", SECTION_SNIPPETS, 1, 0, RELA_ALWAYS, 0, false},
    {".altinstr_replacement", SECTION_REPLACEMENTS, 1, 0, RELA_IF_BRANCHES, 0, false},
    {".altinstr_aux", SECTION_SNIPPETS, 1, 0, RELA_ALWAYS, 0, false},
    /* notes */
    {".note.gnu.property", SECTION_NOTE, 8, 0, RELA_NEVER, 0, false},
    {".note*", SECTION_NOTE, 4, 0, RELA_NEVER, 0, false},
    /* tables of sites */
    {"__mcount_loc", SECTION_TABLE, 1, 8, RELA_ALWAYS, 0, false},
    {"__patchable_function_entries", SECTION_TABLE, 8, 8, RELA_ALWAYS, SHF_LINK_ORDER, false},
    {".smp_locks", SECTION_TABLE, 4, 4, RELA_ALWAYS, 0, false},
    {".retpoline_sites", SECTION_TABLE, 1, 4, RELA_ALWAYS, 0, true},
    {".return_sites", SECTION_TABLE, 1, 4, RELA_ALWAYS, 0, true},
    {".call_sites", SECTION_TABLE, 1, 4, RELA_ALWAYS, 0, true},
    {".ibt_endbr_seal", SECTION_TABLE, 1, 4, RELA_ALWAYS, 0, true},
    {".cfi_sites", SECTION_TABLE, 1, 4, RELA_ALWAYS, 0, true},
    {".static_call_sites", SECTION_TABLE, 1, 8, RELA_ALWAYS, 0, true},
    {".orc_unwind", SECTION_TABLE, 1, 6, RELA_NEVER, 0, true},
    {".orc_unwind_ip", SECTION_TABLE, 1, 4, RELA_ALWAYS, 0, true},
    {".orc_header", SECTION_TABLE, 4, 20, RELA_NEVER, 0, false},
    {".altinstructions", SECTION_TABLE, 8, 14, RELA_ALWAYS, 0, false},
    {".parainstructions", SECTION_TABLE, 8, 16, RELA_ALWAYS, 0, false},
    {"__bug_table", SECTION_TABLE, 8, 12, RELA_ALWAYS, 0, false},
    {"__jump_table", SECTION_TABLE, 8, 16, RELA_ALWAYS, 0, false},
    {"__ex_table", SECTION_TABLE, 4, 12, RELA_ALWAYS, 0, false},
    /* exports and parameters */
    {"__ksymtab_strings", SECTION_EXPORT_STRINGS, 1, 1, RELA_NEVER, SHF_MERGE | SHF_STRINGS, false},
    {"__ksymtab*", SECTION_TABLE, KSYMTAB, 12, RELA_ALWAYS, 0, false},
    {"__kcrctab*", SECTION_TABLE, KCRCTAB, 4, RELA_NEVER, 0, false},
    {"__kflagstab", SECTION_TABLE, 1, 1, RELA_NEVER, 0, false},
    {"__param", SECTION_TABLE, 8, 40, RELA_ALWAYS, 0, false},
    /* tracing and debugging */
    {"__tracepoints_ptrs", SECTION_TABLE, 4, 4, RELA_ALWAYS, 0, false},
    {"__tracepoints_strings", SECTION_DATA, BY_SYMBOLS, 0, RELA_NEVER, 0, false},
    {"__tracepoint_check", SECTION_DATA, BY_SYMBOLS, 0, RELA_NEVER, 0, false},
    {"__tracepoints", SECTION_DATA, 32, 0, RELA_ALWAYS, 0, false},
    {"__bpf_raw_tp_map", SECTION_TABLE, 32, 32, RELA_ALWAYS, 0, false},
    {"_ftrace_events", SECTION_TABLE, 8, 8, RELA_ALWAYS, 0, false},
    {"_ftrace_eval_map", SECTION_TABLE, 8, 8, RELA_ALWAYS, 0, false},
    {"__dyndbg_classes", SECTION_DATA, 8, 0, RELA_ALWAYS, 0, false},
    {"__dyndbg", SECTION_TABLE, 8, 56, RELA_ALWAYS, 0, false},
    {"___srcu_struct_ptrs", SECTION_TABLE, 8, 8, RELA_ALWAYS, 0, false},
    {"_error_injection_whitelist", SECTION_TABLE, 8, 16, RELA_ALWAYS, 0, false},
    {".printk_index", SECTION_TABLE, 8, 8, RELA_ALWAYS, 0, false},
    {".BTF_ids", SECTION_TABLE, 1, 4, RELA_NEVER, 0, false},
    /* data */
    {".data.once", SECTION_DATA, 1, 0, RELA_NEVER, 0, false},
    {".data..once", SECTION_DATA, 1, 0, RELA_NEVER, 0, false},
    {".data..do_once", SECTION_DATA, 1, 0, RELA_NEVER, 0, false},
    {".data..cacheline_aligned", SECTION_DATA, 64, 0, RELA_NEVER, 0, false},
    {".data..percpu", SECTION_DATA, BY_SYMBOLS, 0, RELA_NEVER, 0, false},
    {".ref.data", SECTION_DATA, 32, 0, RELA_ALWAYS, 0, false},
    {".exit.data", SECTION_TABLE, 8, 8, RELA_ALWAYS, 0, false},
    {".init.data", SECTION_DATA, 8, 8, RELA_ALWAYS, 0, false},
    {".init.rodata", SECTION_DATA, 32, 0, RELA_ALWAYS, 0, false},
    {".gnu.linkonce.this_module", SECTION_DATA, 64, 0, RELA_IF_ENTRY, 0, false},
    {".bss*", SECTION_ZEROED, BY_SYMBOLS, 0, RELA_NEVER, 0, false},
};

bool convention_is_init(const char *name)
{
    return strncmp(name, ".init", 5) == 0;
}

static bool row_matches(const struct row *row, const char *name)
{
    size_t length = strlen(row->name);
    if (row->name[length - 1] == '*')
        return strncmp(row->name, name, length - 1) == 0;
    return strcmp(row->name, name) == 0;
}

/* The loader sorts sections into regions by these very flags (KERNEL.md B.2), so the region gives them back. */
static uint64_t region_flags(const char *name, enum lkmfs_region_kind region)
{
    if (strcmp(name, ".init.text") == 0)
        return SHF_ALLOC | SHF_EXECINSTR;
    if (strcmp(name, ".init.data") == 0)
        return SHF_ALLOC | SHF_WRITE;
    switch (region) {
    case LKMFS_REGION_TEXT:
    case LKMFS_REGION_INIT_TEXT:
        return SHF_ALLOC | SHF_EXECINSTR;
    case LKMFS_REGION_RODATA:
    case LKMFS_REGION_INIT_RODATA:
        return SHF_ALLOC;
    case LKMFS_REGION_RO_AFTER_INIT:
    case LKMFS_REGION_DATA:
    case LKMFS_REGION_INIT_DATA:
        break;
    }
    return SHF_ALLOC | SHF_WRITE;
}

static uint64_t row_align(const struct row *row, const struct evidence *evidence)
{
    switch (row->align) {
    case ENTRY_TEXT:
        return evidence->entry_text_align;
    case KSYMTAB:
        return evidence->ksymtab_align;
    case KCRCTAB:
        return evidence->crc_relocated ? 1 : 4;
    default:
        return row->align;
    }
}

/* Number after `prefix`, up to `limit`; 0 when there is none. `*rest` is what follows it. */
static uint64_t number_after(const char *name, const char *prefix, uint64_t limit, const char **rest)
{
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0)
        return 0;
    uint64_t number = 0;
    for (name += length; *name >= '0' && *name <= '9' && number <= limit; name++)
        number = number * 10 + (uint64_t)(*name - '0');
    *rest = name;
    return number <= limit ? number : 0;
}

static bool is_power_of_two(uint64_t value)
{
    return value && (value & (value - 1)) == 0;
}

/* .rodata.strN.M: strings of N-byte characters aligned to M. .rodata.cstN[.label]: N-byte constants. */
static bool mergeable(const char *name, struct convention *ret)
{
    const char *rest;
    uint64_t entry = number_after(name, ".rodata.str", 8, &rest);
    if (entry) {
        uint64_t align = number_after(rest, ".", 64, &rest);
        ret->kind = SECTION_STRINGS;
        ret->flags |= SHF_MERGE | SHF_STRINGS;
        ret->align = is_power_of_two(align) ? align : entry;
    } else {
        entry = number_after(name, ".rodata.cst", 4096, &rest);
        if (!entry)
            return false;
        ret->kind = SECTION_CONSTANTS;
        ret->flags |= SHF_MERGE;
        /* Larger constants are hash tables, aligned to a cache line by hand (K256, K512). */
        ret->align = is_power_of_two(entry) && entry < 64 ? entry : 64;
    }
    ret->entry = ret->entsize = entry;
    ret->rela = RELA_NEVER;
    ret->known = true;
    return true;
}

/* What the rows can't say. */
static void apply_evidence(const struct evidence *evidence, const char *name, struct convention *ret)
{
    if (strcmp(name, ".altinstructions") == 0) {
        ret->entry = evidence->alt_instr_size;
        ret->entsize = evidence->tables_merge ? ret->entry : 0;
        ret->flags |= evidence->tables_merge ? SHF_MERGE : 0;
    } else if (strcmp(name, "__ex_table") == 0 && evidence->tables_merge) {
        ret->entsize = ret->entry;
        ret->flags |= SHF_MERGE;
    } else if (strncmp(name, "__kcrctab", 9) == 0) {
        ret->rela = evidence->crc_relocated ? RELA_ALWAYS : RELA_NEVER;
    }
}

/* Tables of words shrink with the word; so do their alignments (SECTIONS.md section 4, i386). */
static void apply_word(const struct evidence *evidence, const char *name, struct convention *ret)
{
    static const char *const word_tables[] = {"__param",    "_ftrace_events",    "_ftrace_eval_map", ".init.data",
                                              ".exit.data", ".parainstructions", "__mcount_loc"};
    if (evidence->word != 4)
        return;
    for (size_t i = 0; i < sizeof(word_tables) / sizeof(*word_tables); i++) {
        if (strcmp(name, word_tables[i]) == 0) {
            ret->align = ret->align == 8 ? 4 : ret->align;
            ret->entry /= 2;
        }
    }
    if (strcmp(name, "__jump_table") == 0)
        ret->entry = 12;
}

struct convention convention_for(const struct evidence *evidence, const char *name, enum lkmfs_region_kind region)
{
    uint64_t flags = region_flags(name, region);
    struct convention ret = {.kind = flags & SHF_EXECINSTR ? SECTION_CODE : SECTION_DATA,
                             .type = SHT_PROGBITS,
                             .flags = flags,
                             .rela = flags & SHF_EXECINSTR ? RELA_ALWAYS : RELA_IF_POINTERS};
    if (mergeable(name, &ret))
        return ret;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const struct row *row = &rows[i];
        if (!row_matches(row, name))
            continue;
        ret.kind = row->kind;
        ret.align = row_align(row, evidence);
        ret.entry = row->entry;
        ret.entsize = row->entsize && evidence->entsize_kept ? row->entry : 0;
        ret.flags |= row->flags;
        ret.rela = row->rela;
        ret.known = true;
        break;
    }
    if (ret.kind == SECTION_ZEROED)
        ret.type = SHT_NOBITS;
    else if (ret.kind == SECTION_NOTE)
        ret.type = SHT_NOTE;
    else if (ret.kind == SECTION_EXPORT_STRINGS)
        ret.entsize = 1;
    apply_evidence(evidence, name, &ret);
    apply_word(evidence, name, &ret);
    return ret;
}
