/*
 * arguments.h - the command line of every command but mount: shared options, a few flags, operands.
 */
#ifndef LKMFS_CLI_ARGUMENTS_H
#define LKMFS_CLI_ARGUMENTS_H

#include <stdbool.h>

#include "cli/options.h"

/* Flags that a command may take besides the shared options. */
enum argument_flag {
    ARGUMENT_JSON = 1 << 0,   /* --json */
    ARGUMENT_OUTPUT = 1 << 1, /* -o DIR, --output=DIR */
    ARGUMENT_KIND = 1 << 2,   /* --loaded, --loadable */
};

struct arguments {
    struct cli_options options;
    bool help; /* -h, --help: nothing else was checked */
    bool json, loaded, loadable;
    const char *output;
    char **operands; /* inside argv */
    int operand_count;
};

/*
 * Parses argv of `command` (argv[0] is its name). `flags` says what it takes, `least` and `most` how many operands
 * (most -1: any number). Returns EXIT_OK, or EXIT_USAGE after saying what is wrong.
 */
int arguments_parse(struct arguments *arguments, int argc, char **argv, unsigned flags, int least, int most);

#endif
