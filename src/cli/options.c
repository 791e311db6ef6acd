#include "cli/options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lkmfs/tree.h"

#define MAX_CACHE_MIB ((uint64_t)1 << 24)
#define MAX_THREADS   1024
#define MAX_TIMEOUT   ((uint64_t)366 * 24 * 3600)
/* Physical addresses of x86_64 and arm64 have at most 52 bits. */
#define MAX_PHYSICAL (((uint64_t)1 << 52) - 1)

enum option_id {
    OPTION_SYMBOLS,
    OPTION_TYPES,
    OPTION_DTB,
    OPTION_HOLE,
    OPTION_CACHE,
    OPTION_THREADS,
    OPTION_ALLOW_OTHER,
    OPTION_NONEMPTY,
    OPTION_TIMEOUT,
    OPTION_VERBOSE,
    OPTION_SANDBOX,
};

static const struct option_info table[] = {
    [OPTION_SYMBOLS] = {"symbols", "PATH", "types and symbols from a file or folder (not supported yet)", false},
    [OPTION_TYPES] = {"types", "SOURCE", "where types come from: auto or btf", false},
    [OPTION_DTB] = {"dtb", "ADDRESS", "physical address of the kernel's page tables", false},
    [OPTION_HOLE] = {"hole", "START-END", "addresses without memory that a raw image leaves out", false},
    [OPTION_CACHE] = {"cache", "MIB", "memory for finished files (default: 256)", false},
    [OPTION_THREADS] = {"threads", "N", "how many threads work (default: as many as are useful)", false},
    [OPTION_ALLOW_OTHER] = {"allow_other", NULL, "let other users see the mount", true},
    [OPTION_NONEMPTY] = {"nonempty", NULL, "mount over a folder that is not empty", true},
    [OPTION_TIMEOUT] = {"timeout", "SECONDS", "unmount after that long without use (default: 0, never)", true},
    [OPTION_VERBOSE] = {"verbose", NULL, "say on standard error what is found and how", false},
    [OPTION_SANDBOX] = {"sandbox", "on|off", "give up all rights but those to read the image (default: on)", false},
};
#define TABLE_SIZE (sizeof(table) / sizeof(*table))

/* What mount(8), fstab(5) and mount.fuse(8) say to the kernel, to init or to each other; x-* and X-* as well. */
static const char *const foreign[] = {
    "rw",       "ro",         "nofail", "user",   "nouser",   "users",       "owner",
    "group",    "_netdev",    "exec",   "noexec", "suid",     "nosuid",      "dev",
    "nodev",    "auto",       "noauto", "atime",  "noatime",  "relatime",    "norelatime",
    "diratime", "nodiratime", "sync",   "async",  "dirsync",  "strictatime", "nostrictatime",
    "lazytime", "nolazytime", "silent", "loud",   "defaults", "comment",     "default_permissions",
};

void options_init(struct cli_options *options)
{
    *options = (struct cli_options){.cache_bytes = LKMFS_CACHE_DEFAULT, .sandbox = true};
}

const struct option_info *options_table(size_t *count)
{
    *count = TABLE_SIZE;
    return table;
}

void options_help(FILE *out, bool mount)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (table[i].mount_only && !mount)
            continue;
        char name[64];
        (void)snprintf(name, sizeof(name), "%s%s%s%s", mount ? "" : "--", table[i].name, table[i].value ? "=" : "",
                       table[i].value ? table[i].value : "");
        (void)fprintf(out, "  %-20s  %s\n", name, table[i].help);
    }
}

bool options_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret)
{
    unsigned base = 10;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    uint64_t number = 0;
    for (const char *c = text; *c; c++) {
        unsigned digit = *c >= '0' && *c <= '9'   ? (unsigned)(*c - '0')
                         : *c >= 'a' && *c <= 'f' ? (unsigned)(*c - 'a') + 10
                         : *c >= 'A' && *c <= 'F' ? (unsigned)(*c - 'A') + 10
                                                  : base;
        if (digit >= base || __builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, digit, &number))
            return false;
    }
    *ret = number;
    return *text && number >= least && number <= most;
}

static bool set_number(const char *name, const char *value, uint64_t least, uint64_t most, uint64_t *ret,
                       struct lkmfs_error *err)
{
    if (options_number(value, least, most, ret))
        return true;
    return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0,
                      "option '%s' takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'", name, least, most,
                      value);
}

static bool set_dtb(struct cli_options *options, const char *value, struct lkmfs_error *err)
{
    if (!options_number(value, 0, MAX_PHYSICAL, &options->kernel.root) || options->kernel.root % 4096 != 0)
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0,
                          "option 'dtb' takes a physical address on a page boundary, like 0x2a10000, not '%s'", value);
    options->kernel.has_root = true;
    return true;
}

/* START-END, or START alone when the hole ends at 4 GiB, as nearly all do. */
static bool set_hole(struct cli_options *options, const char *value, struct lkmfs_error *err)
{
    struct lkmfs_hole hole = {.end = (uint64_t)1 << 32};
    char start[32];
    const char *dash = strchr(value, '-');
    size_t size = dash ? (size_t)(dash - value) : strlen(value);
    bool valid = size < sizeof(start);
    if (valid) {
        memcpy(start, value, size);
        start[size] = '\0';
        valid = options_number(start, 0, MAX_PHYSICAL, &hole.start) &&
                (!dash || options_number(dash + 1, 0, MAX_PHYSICAL, &hole.end)) && hole.start < hole.end &&
                (hole.start | hole.end) % 4096 == 0;
    }
    if (!valid)
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0,
                          "option 'hole' takes two physical addresses on page boundaries, like "
                          "0xc0000000-0x100000000, not '%s'",
                          value);
    options->hole = hole;
    return true;
}

static bool set_types(const char *value, struct lkmfs_error *err)
{
    if (strcmp(value, "auto") == 0 || strcmp(value, "btf") == 0)
        return true;
    if (strcmp(value, "isf") == 0 || strcmp(value, "dwarf") == 0 || strcmp(value, "infer") == 0)
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "types=%s is not supported yet: use auto or btf", value);
    return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "option 'types' takes auto or btf, not '%s'", value);
}

static bool set_sandbox(struct cli_options *options, const char *value, struct lkmfs_error *err)
{
    options->sandbox = strcmp(value, "on") == 0;
    if (options->sandbox || strcmp(value, "off") == 0)
        return true;
    return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "option 'sandbox' takes on or off, not '%s'", value);
}

static bool set_known(struct cli_options *options, enum option_id option, const char *value, struct lkmfs_error *err)
{
    uint64_t number = 0;
    const char *name = table[option].name;
    if (!value)
        value = ""; /* options_set() saw to it that those below that need one have it */
    switch (option) {
    case OPTION_HOLE:
        return set_hole(options, value, err);
    case OPTION_SYMBOLS:
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "option '%s' is not supported yet", name);
    case OPTION_TYPES:
        return set_types(value, err);
    case OPTION_DTB:
        return set_dtb(options, value, err);
    case OPTION_CACHE:
        if (!set_number(name, value, 1, MAX_CACHE_MIB, &number, err))
            return false;
        options->cache_bytes = number << 20;
        return true;
    case OPTION_THREADS:
        if (!set_number(name, value, 1, MAX_THREADS, &number, err))
            return false;
        options->threads = (unsigned)number;
        return true;
    case OPTION_TIMEOUT:
        if (!set_number(name, value, 0, MAX_TIMEOUT, &number, err))
            return false;
        options->timeout = (unsigned)number;
        return true;
    case OPTION_ALLOW_OTHER:
        options->allow_other = true;
        return true;
    case OPTION_NONEMPTY:
        options->nonempty = true;
        return true;
    case OPTION_VERBOSE:
        options->verbose = true;
        return true;
    case OPTION_SANDBOX:
        return set_sandbox(options, value, err);
    }
    return false;
}

static bool find_option(const char *name, enum option_id *ret)
{
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (strcmp(table[i].name, name) == 0) {
            *ret = (enum option_id)i;
            return true;
        }
    }
    return false;
}

bool options_set(struct cli_options *options, const char *name, const char *value, struct lkmfs_error *err)
{
    enum option_id option;
    if (!find_option(name, &option))
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "unknown option '%s'", name);
    if (table[option].value && !value)
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "option '%s' needs a value: %s=%s", name, name,
                          table[option].value);
    if (!table[option].value && value)
        return lkmfs_fail(err, LKMFS_ERROR_USAGE, 0, "option '%s' takes no value", name);
    return set_known(options, option, value, err);
}

static bool is_foreign(const char *name)
{
    if (strncmp(name, "x-", 2) == 0 || strncmp(name, "X-", 2) == 0)
        return true;
    for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
        if (strcmp(foreign[i], name) == 0)
            return true;
    return false;
}

static bool set_word(struct cli_options *options, char *word, bool sloppy, struct lkmfs_error *err)
{
    char *value = strchr(word, '=');
    if (value)
        *value++ = 0;
    enum option_id option;
    if (*word == 0 && !value)
        return true;
    if (!find_option(word, &option) && (sloppy || is_foreign(word)))
        return true;
    return options_set(options, word, value, err);
}

bool options_set_list(struct cli_options *options, const char *list, bool sloppy, struct lkmfs_error *err)
{
    char *copy = strdup(list);
    if (!copy)
        return lkmfs_fail_memory(err);
    bool ok = true;
    for (char *rest = copy, *word; ok && (word = strsep(&rest, ","));)
        ok = set_word(options, word, sloppy, err);
    free(copy);
    return ok;
}
