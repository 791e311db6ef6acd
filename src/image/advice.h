/*
 * advice.h - commands in messages, with the user's own file name in them, fit to be pasted into a shell.
 */
#ifndef LKMFS_IMAGE_ADVICE_H
#define LKMFS_IMAGE_ADVICE_H

#include <stddef.h>

/*
 * Writes `text` to `buffer`, with %I replaced by `path` and %O by the name for what is made of it, both quoted for the
 * shell. %O is the path without `suffix`, or with ".raw" added when it doesn't end so or `suffix` is NULL. What does
 * not fit is cut off.
 */
void image_advice_expand(char *buffer, size_t size, const char *text, const char *path, const char *suffix);

/* How to call the file in a message: its path, or the last part of it where that is long. Points into `path`. */
const char *image_advice_name(const char *path);

#endif
