#include "fs/fuse_stderr.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void stderr_catch_begin(struct stderr_catch *catch)
{
    (void)fflush(stderr);
    catch->saved = -1;
    catch->caught = memfd_create("lkmfs-stderr", MFD_CLOEXEC);
    if (catch->caught < 0)
        return;
    catch->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (catch->saved >= 0 && dup2(catch->caught, STDERR_FILENO) < 0) {
        (void)close(catch->saved);
        catch->saved = -1;
    }
}

static void join_lines(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = 0;
    for (char *c = text; (c = strchr(c, '\n'));)
        *c = ';';
}

void stderr_catch_end(struct stderr_catch *catch, char *text, size_t size)
{
    ssize_t length = 0;
    if (catch->saved >= 0) {
        (void)fflush(stderr);
        (void)dup2(catch->saved, STDERR_FILENO);
        (void)close(catch->saved);
        length = pread(catch->caught, text, size - 1, 0);
    }
    if (catch->caught >= 0)
        (void)close(catch->caught);
    text[length > 0 ? length : 0] = 0;
    join_lines(text);
}
