/*
 * fuse_stderr.h - catches what libfuse and fusermount3(1) print, to make one line of it.
 */
#ifndef LKMFS_FS_FUSE_STDERR_H
#define LKMFS_FS_FUSE_STDERR_H

#include <stddef.h>

struct stderr_catch {
    int saved;  /* the true standard error, -1 when nothing is caught */
    int caught; /* a nameless file in its place */
};

/* Redirects standard error, of child processes as well. Best effort: without it, messages are just printed. */
void stderr_catch_begin(struct stderr_catch *catch);
/* Ends that, and gives what was printed, lines joined by "; ", cut to `size` bytes with the NUL; "" if nothing. */
void stderr_catch_end(struct stderr_catch *catch, char *text, size_t size);

#endif
