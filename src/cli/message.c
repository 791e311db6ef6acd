#include "cli/message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 2048

static void print_line(const char *format, va_list args)
{
    char line[LINE_SIZE];
    (void)vsnprintf(line, sizeof(line), format, args);
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    message_progress_done();
    (void)fprintf(stderr, "lkmfs: %s\n", line);
}

void message_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

int message_usage(const char *command, const char *format, ...)
{
    char text[LINE_SIZE / 2];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    message_error("%s; see 'lkmfs help%s%s'", text, command ? " " : "", command ? command : "");
    return EXIT_USAGE;
}

int message_open_failed(const struct lkmfs_error *err)
{
    message_error("%s", err->message);
    switch (err->code) {
    case LKMFS_ERROR_NO_MEMORY:
    case LKMFS_ERROR_READ:
        return EXIT_SYSTEM;
    case LKMFS_ERROR_USAGE:
        return EXIT_USAGE;
    default:
        return EXIT_NO_USE;
    }
}

/* Progress comes from several threads of `extract`. */
static atomic_bool progress_shown;

void message_progress(const char *format, ...)
{
    if (!isatty(STDERR_FILENO))
        return;
    char line[LINE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    atomic_store(&progress_shown, true);
    (void)fprintf(stderr, "\r\033[Klkmfs: %s", line);
    (void)fflush(stderr);
}

void message_progress_done(void)
{
    if (atomic_exchange(&progress_shown, false))
        (void)fputs("\r\033[K", stderr);
}

bool message_output(const void *bytes, size_t size)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, next, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            message_error("standard output: %s", strerror(written < 0 ? errno : EIO));
            return false;
        }
        next += written;
        size -= (size_t)written;
    }
    return true;
}
