#include "fs/words.h"

#include <string.h>

const char *words_state(unsigned state)
{
    static const char *const states[] = {
        [LKMFS_MODULE_LIVE] = "live",
        [LKMFS_MODULE_COMING] = "coming",
        [LKMFS_MODULE_GOING] = "going",
        [LKMFS_MODULE_UNFORMED] = "unformed",
    };
    return state < sizeof(states) / sizeof(*states) ? states[state] : NULL;
}

/* Documentation/admin-guide/tainted-kernels.rst and include/linux/panic.h (TAINT_FWCTL since 6.15). */
static const struct {
    char letter;
    const char *words;
} taint_table[WORDS_TAINT_COUNT] = {
    {'P', "proprietary module"},
    {'F', "module was force loaded"},
    {'S', "kernel running on an out of specification system"},
    {'R', "module was force unloaded"},
    {'M', "processor reported a machine check exception"},
    {'B', "bad page referenced"},
    {'U', "taint requested by userspace"},
    {'D', "kernel died recently"},
    {'A', "ACPI table overridden"},
    {'W', "kernel issued a warning"},
    {'C', "staging driver"},
    {'I', "workaround for a bug in platform firmware"},
    {'O', "out-of-tree module"},
    {'E', "unsigned module"},
    {'L', "soft lockup occurred"},
    {'K', "live patch"},
    {'X', "auxiliary taint of the distribution"},
    {'T', "built with structure layout randomization"},
    {'N', "test module"},
    {'J', "mutating debug operation in fwctl"},
};

void words_taint_letters(uint64_t taints, char letters[WORDS_TAINT_SIZE])
{
    size_t used = 0;
    for (unsigned bit = 0; bit < WORDS_TAINT_COUNT; bit++)
        if (taints >> bit & 1)
            letters[used++] = taint_table[bit].letter;
    if (taints >> WORDS_TAINT_COUNT)
        letters[used++] = '?';
    if (used == 0)
        letters[used++] = '-';
    letters[used] = 0;
}

const char *words_taint(unsigned bit)
{
    return bit < WORDS_TAINT_COUNT ? taint_table[bit].words : NULL;
}

const char *words_trace(unsigned traces, unsigned index)
{
    static const struct {
        enum lkmfs_trace trace;
        const char *name;
    } table[WORDS_TRACE_COUNT] = {
        {LKMFS_TRACE_LIST, "list"},
        {LKMFS_TRACE_SCAN, "scan"},
        {LKMFS_TRACE_LATCH, "latch"},
    };
    return index < WORDS_TRACE_COUNT && (traces & table[index].trace) ? table[index].name : NULL;
}

void words_traces(unsigned traces, char text[WORDS_TRACE_SIZE])
{
    char *end = text;
    for (unsigned i = 0; i < WORDS_TRACE_COUNT; i++) {
        const char *name = words_trace(traces, i);
        if (!name)
            continue;
        if (end != text)
            *end++ = ',';
        end = stpcpy(end, name);
    }
    if (end == text)
        *end++ = '-';
    *end = 0;
}

const char *words_region(enum lkmfs_region_kind kind)
{
    static const char *const kinds[] = {
        [LKMFS_REGION_TEXT] = "text",
        [LKMFS_REGION_RODATA] = "rodata",
        [LKMFS_REGION_RO_AFTER_INIT] = "ro_after_init",
        [LKMFS_REGION_DATA] = "data",
        [LKMFS_REGION_INIT_TEXT] = "init_text",
        [LKMFS_REGION_INIT_DATA] = "init_data",
        [LKMFS_REGION_INIT_RODATA] = "init_rodata",
    };
    return (unsigned)kind < sizeof(kinds) / sizeof(*kinds) ? kinds[kind] : "unknown";
}
