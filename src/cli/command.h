/*
 * command.h - the commands of lkmfs.
 */
#ifndef LKMFS_CLI_COMMAND_H
#define LKMFS_CLI_COMMAND_H

#include "cli/options.h"
#include "lkmfs/tree.h"

struct command {
    const char *name;
    const char *arguments; /* "IMAGE [--json]" */
    const char *summary;   /* one line, for the overview */
    const char *help;      /* more lines, each with its newline */
    /* argv[0] is the name of the command. Returns an exit code. */
    int (*run)(int argc, char **argv);
};

/* The command called `name`, NULL when there is none. */
const struct command *command_find(const char *name);

/* Prints the help of the command called `name`, or the overview for NULL, on standard output; an exit code. */
int command_help(const char *name);

int command_mount(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_extract(int argc, char **argv);
int command_info(int argc, char **argv);
int command_diff(int argc, char **argv);
int command_check(int argc, char **argv);
int command_cat(int argc, char **argv);

/* command_mount() as mount(8) calls it: argv[0] is mount.lkmfs, -f means not to mount. */
int command_mount_helper(int argc, char **argv);

/* The folder that a command writes to, opened when the image proved to be one. */
struct command_output {
    const char *path;
    int folder; /* descriptor, for the command to close; -1 while not open */
};

/*
 * Opens the image at `path` with progress on a terminal, and puts the process into the sandbox on the way, unless
 * `options` say otherwise: from then on, it can open nothing but files in `output`, which is NULL for a command that
 * writes none. Returns EXIT_OK and *ret for the caller to close, or another exit code after saying why.
 */
int command_open(const char *path, const struct cli_options *options, struct command_output *output,
                 struct lkmfs_session **ret);

/* Says on standard error how many doubts there are of the image at `path`, unless there are none or all are shown. */
void command_say_doubts(const char *path, const struct cli_options *options, const struct lkmfs_session *session);

/* Writes the file at `path` of the tree over `session` to standard output; an exit code. */
int command_put_file(const struct lkmfs_session *session, const struct cli_options *options, const char *path);

#endif
