#include "cli/arguments.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/message.h"

#define MAX_LONG 24
/* getopt_long's values: short letters for flags, from here on rows of options_table(). */
#define TABLE_FIRST 256
enum { VALUE_JSON = 128, VALUE_LOADED, VALUE_LOADABLE };

static void add_long(struct option *longs, size_t *count, const char *name, bool value, int code)
{
    if (*count + 1 < MAX_LONG)
        longs[(*count)++] =
            (struct option){.name = name, .has_arg = value ? required_argument : no_argument, .val = code};
}

static void fill_longs(struct option longs[MAX_LONG], unsigned flags)
{
    size_t count = 0, table_count;
    const struct option_info *table = options_table(&table_count);
    for (size_t i = 0; i < table_count; i++)
        if (!table[i].mount_only)
            add_long(longs, &count, table[i].name, table[i].value, TABLE_FIRST + (int)i);
    add_long(longs, &count, "help", false, 'h');
    if (flags & ARGUMENT_JSON)
        add_long(longs, &count, "json", false, VALUE_JSON);
    if (flags & ARGUMENT_OUTPUT)
        add_long(longs, &count, "output", true, 'o');
    if (flags & ARGUMENT_KIND) {
        add_long(longs, &count, "loaded", false, VALUE_LOADED);
        add_long(longs, &count, "loadable", false, VALUE_LOADABLE);
    }
    longs[count] = (struct option){0};
}

/* One result of getopt_long(); EXIT_OK or EXIT_USAGE. */
static int apply(struct arguments *arguments, int code, char **argv)
{
    struct lkmfs_error err;
    size_t count;
    const struct option_info *table = options_table(&count);
    switch (code) {
    case 'h':
        arguments->help = true;
        return EXIT_OK;
    case 'v':
        arguments->options.verbose = true;
        return EXIT_OK;
    case 'o':
        arguments->output = optarg;
        return EXIT_OK;
    case VALUE_JSON:
        arguments->json = true;
        return EXIT_OK;
    case VALUE_LOADED:
        arguments->loaded = true;
        return EXIT_OK;
    case VALUE_LOADABLE:
        arguments->loadable = true;
        return EXIT_OK;
    case ':':
        return message_usage(argv[0], "option '%s' needs a value", argv[optind - 1]);
    case '?':
        if (optopt > 0 && optopt < 128)
            return message_usage(argv[0], "unknown option '-%c'", optopt);
        if (optopt >= 128)
            return message_usage(argv[0], "option '%s' takes no value", argv[optind - 1]);
        return message_usage(argv[0], "unknown option '%s'", argv[optind - 1]);
    default:
        if (!options_set(&arguments->options, table[code - TABLE_FIRST].name, optarg, &err))
            return message_usage(argv[0], "%s", err.message);
        return EXIT_OK;
    }
}

int arguments_parse(struct arguments *arguments, int argc, char **argv, unsigned flags, int least, int most)
{
    *arguments = (struct arguments){0};
    options_init(&arguments->options);
    struct option longs[MAX_LONG];
    fill_longs(longs, flags);

    opterr = 0;
    optind = 0; /* glibc: start afresh */
    int code;
    while ((code = getopt_long(argc, argv, flags & ARGUMENT_OUTPUT ? ":hvo:" : ":hv", longs, NULL)) != -1) {
        int status = apply(arguments, code, argv);
        if (status != EXIT_OK || arguments->help)
            return status;
    }
    arguments->operands = argv + optind;
    arguments->operand_count = argc - optind;
    if (arguments->operand_count < least)
        return message_usage(argv[0], "%s", arguments->operand_count == 0 ? "which image?" : "an argument is missing");
    if (most >= 0 && arguments->operand_count > most)
        return message_usage(argv[0], "too many arguments: '%s'", arguments->operands[most]);
    if (arguments->loaded && arguments->loadable)
        return message_usage(argv[0], "--loaded and --loadable exclude each other");
    return EXIT_OK;
}
