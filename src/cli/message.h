/*
 * message.h - what lkmfs says to its user, and the exit codes, which are mount(8)'s.
 */
#ifndef LKMFS_CLI_MESSAGE_H
#define LKMFS_CLI_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lkmfs/error.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_DIFFERENT = 1, /* diff: not equal; check: something found */
    EXIT_USAGE = 1,
    EXIT_SYSTEM = 2,
    EXIT_NO_USE = 32, /* mount failed, or the image is of no use */
};

/* Prints "lkmfs: MESSAGE" as one line on standard error; control characters from names become '?'. */
void message_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Says that the command line is wrong, with the way to the help of `command` (NULL: of lkmfs). Returns EXIT_USAGE. */
int message_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints err->message and returns the exit code of an image or mount point that is of no use for that reason. */
int message_open_failed(const struct lkmfs_error *err);

/* Progress on standard error, only on a terminal: replaces the line shown before. */
void message_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Removes the progress line. */
void message_progress_done(void);

/* Writes to standard output; false, after saying so, when that fails (full disk, closed pipe). */
bool message_output(const void *bytes, size_t size);

#endif
