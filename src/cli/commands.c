#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/message.h"

static const struct command commands[] = {
    {"mount", "IMAGE DIR [-f] [-v] [-s] [-o OPTION,...]", "mount IMAGE on DIR",
     "  -f  stay in the foreground\n"
     "  -v  say on standard error what is found and how\n"
     "  -s  ignore unknown options\n"
     "Unmount with umount(8) or, for users, fusermount3 -u.\n",
     command_mount},
    {"ls", "IMAGE [--json]", "list the modules",
     "Columns: file name, base address, size, state, taints, references, which traces led to it, who uses it.\n",
     command_ls},
    {"extract", "IMAGE [-o DIR] [--loaded|--loadable] [NAME...]", "write rebuilt modules to DIR",
     "Writes DIR/NAME.ko for each NAME, for all modules without one. NAME may hold *, ? and [...]; - and _ are alike.\n"
     "  -o DIR      the folder, made when missing (default: the current one)\n"
     "  --loaded    write NAME.elf instead: bytes as in memory, at their run-time addresses\n"
     "  --loadable  write a .ko that insmod takes on the same kernel\n",
     command_extract},
    {"info", "IMAGE [--json]", "tell what the image and its kernel are", "", command_info},
    {"diff", "IMAGE NAME FILE.ko", "compare a module in memory with a file",
     "All legitimate run-time changes are undone first. Exit code 0: equal where it must be; 1: not.\n"
     "FILE.ko may be gzip, xz or zstd compressed. With --verbose run-time data is shown, too.\n",
     command_diff},
    {"check", "IMAGE [--against DIR]", "look for signs of hiding and tampering (not in this version yet)", "",
     command_check},
    {"cat", "IMAGE PATH", "write a file of the tree to standard output",
     "The tree: modules/NAME.ko loaded/NAME.elf info/NAME.json hidden/NAME.ko modules.json modules.txt\n"
     "kernel/version kernel/vmcoreinfo kernel/kallsyms kernel/btf report.html log.txt\n",
     command_cat},
};
#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_overview(FILE *out)
{
    (void)fputs("lkmfs shows the kernel modules in a Linux memory image as files.\n\nUsage:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  lkmfs %s %s\n      %s\n", commands[i].name, commands[i].arguments, commands[i].summary);
    (void)fputs(
        "  lkmfs help [COMMAND]\n  lkmfs --version\n"
        "\nExit codes: 0 success, 1 wrong usage, 2 trouble of this system, 32 mount failed or image of no use.\n",
        out);
}

static void print_command(FILE *out, const struct command *command)
{
    bool mount = command->run == command_mount;
    (void)fprintf(out, "Usage: lkmfs %s %s\n\n%c%s.\n%s", command->name, command->arguments,
                  command->summary[0] - 'a' + 'A', command->summary + 1, command->help);
    (void)fprintf(out, "\nOptions%s:\n", mount ? " after -o" : "");
    options_help(out, mount);
}

int command_help(const char *name)
{
    const struct command *command = name ? command_find(name) : NULL;
    if (name && !command)
        return message_usage(NULL, "unknown command '%s'", name);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        message_error("out of memory");
        return EXIT_SYSTEM;
    }
    if (command)
        print_command(out, command);
    else
        print_overview(out);
    bool ok = fclose(out) == 0 && message_output(text, size);
    free(text);
    return ok ? EXIT_OK : EXIT_SYSTEM;
}
