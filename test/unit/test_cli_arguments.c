#include <criterion/criterion.h>
#include <string.h>

/* The command line is no part of the library. */
#include "src/cli/arguments.c"
#include "src/cli/message.c"
#include "src/cli/options.c"

static struct arguments arguments;

/* Parses a command line given as one string; words are separated by single spaces. */
static int parse(const char *line, unsigned flags, int least, int most)
{
    static char copy[500];
    static char *argv[30];
    int argc = 0;
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *rest = copy, *word; (word = strsep(&rest, " "));)
        argv[argc++] = word;
    argv[argc] = NULL;
    return arguments_parse(&arguments, argc, argv, flags, least, most);
}

Test(cli_arguments, operands_and_options_in_any_order)
{
    cr_assert_eq(parse("extract image --threads=3 a -o out b --loaded", ARGUMENT_OUTPUT | ARGUMENT_KIND, 1, -1),
                 EXIT_OK);
    cr_assert_eq(arguments.operand_count, 3);
    cr_assert_str_eq(arguments.operands[0], "image");
    cr_assert_str_eq(arguments.operands[2], "b");
    cr_assert_str_eq(arguments.output, "out");
    cr_assert(arguments.loaded && !arguments.loadable && !arguments.json);
    cr_assert_eq(arguments.options.threads, 3);
}

Test(cli_arguments, shared_options)
{
    cr_assert_eq(parse("ls image --json --cache 12 --dtb=0x1000 -v", ARGUMENT_JSON, 1, 1), EXIT_OK);
    cr_assert(arguments.json && arguments.options.verbose);
    cr_assert_eq(arguments.options.cache_bytes, 12u << 20);
    cr_assert_eq(arguments.options.kernel.root, 0x1000);
}

Test(cli_arguments, double_dash_ends_options)
{
    cr_assert_eq(parse("cat -- image --json", 0, 2, 2), EXIT_OK);
    cr_assert_str_eq(arguments.operands[1], "--json");
}

Test(cli_arguments, help_comes_before_everything)
{
    cr_assert_eq(parse("ls -h", 0, 1, 1), EXIT_OK);
    cr_assert(arguments.help);
    cr_assert_eq(parse("ls --help a b c", 0, 1, 1), EXIT_OK);
    cr_assert(arguments.help);
}

Test(cli_arguments, wrong_usage)
{
    static const char *const lines[] = {
        "ls",           "ls a b",         "ls --frobnicate a", "ls -q a",
        "ls a --cache", "ls a --cache=x", "ls a --verbose=1",  "ls a --allow_other", /* for mount only */
        "ls a -o x",    "ls a --loaded",  "ls a --json=yes",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        cr_assert_eq(parse(lines[i], ARGUMENT_JSON, 1, 1), EXIT_USAGE, "%s", lines[i]);
    cr_assert_eq(parse("extract a --loaded --loadable", ARGUMENT_KIND, 1, -1), EXIT_USAGE);
    cr_assert_eq(parse("cat image", 0, 2, 2), EXIT_USAGE);
}
