/*
 * options.h - the options that all commands share, given as `-o NAME=VALUE,...` to mount and as --NAME=VALUE to the
 * others.
 */
#ifndef LKMFS_CLI_OPTIONS_H
#define LKMFS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lkmfs/error.h"
#include "lkmfs/kernel.h"

struct cli_options {
    struct lkmfs_kernel_options kernel; /* dtb= */
    struct lkmfs_hole hole;             /* hole=; end is 0 when not given */
    uint64_t cache_bytes;               /* cache=, in bytes here */
    unsigned threads;                   /* threads=; 0 when not given */
    bool verbose;
    bool sandbox; /* sandbox=: on unless told otherwise */
    /* for mount only */
    bool allow_other;
    bool nonempty;
    unsigned timeout; /* timeout=, seconds; 0: never */
};

void options_init(struct cli_options *options);

/* The table of options, for help and for getopt_long(3). */
struct option_info {
    const char *name;
    const char *value; /* name of the value in help texts, NULL if it takes none */
    const char *help;
    bool mount_only;
};
const struct option_info *options_table(size_t *count);

/* Prints one line an option; with `mount` as words after -o, else as long options. */
void options_help(FILE *out, bool mount);

/*
 * Applies one option; `value` is NULL when none was given. Errors, all USAGE: unknown, value missing, superfluous, not
 * a number or out of range, not supported yet. The message names the option.
 */
bool options_set(struct cli_options *options, const char *name, const char *value, struct lkmfs_error *err);

/*
 * Applies a list "NAME[=VALUE],..." as mount(8) passes it. What mount(8) and fstab say to others than lkmfs is
 * swallowed; unknown options are an error unless `sloppy`. Errors: as options_set(), NO_MEMORY.
 */
bool options_set_list(struct cli_options *options, const char *list, bool sloppy, struct lkmfs_error *err);

/*
 * The number that `text` is, whole, in decimal or after 0x in hexadecimal, if it lies in [least, most]. Nothing else is
 * accepted: no sign, no space, no unit.
 */
bool options_number(const char *text, uint64_t least, uint64_t most, uint64_t *ret);

#endif
