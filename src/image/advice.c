#include "image/advice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Longer paths leave no room for the advice in a message. */
#define NAME_MAX_SHOWN 100

#define SHELL_PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-:@%,="

struct text {
    char *bytes;
    size_t size;
    size_t used;
};

static void text_add(struct text *text, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && text->used + 1 < text->size; i++)
        text->bytes[text->used++] = bytes[i];
    text->bytes[text->used] = '\0';
}

/* Adds the first `size` bytes of `name` and `suffix` as one word of a shell command. */
static void text_add_quoted(struct text *text, const char *name, size_t size, const char *suffix)
{
    bool plain = strspn(name, SHELL_PLAIN) >= size;

    if (!plain)
        text_add(text, "'", 1);
    if (name[0] == '-') /* else the command takes it for an option */
        text_add(text, "./", 2);
    for (size_t i = 0; i < size; i++) {
        if (name[i] == '\'')
            text_add(text, "'\\''", 4);
        else
            text_add(text, &name[i], 1);
    }
    text_add(text, suffix, strlen(suffix));
    if (!plain)
        text_add(text, "'", 1);
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    return size > strlen(suffix) && strcmp(name + size - strlen(suffix), suffix) == 0;
}

void image_advice_expand(char *buffer, size_t size, const char *text, const char *path, const char *suffix)
{
    struct text out = {.bytes = buffer, .size = size};

    for (const char *at = text; *at; at++) {
        if (at[0] == '%' && at[1] == 'I') {
            text_add_quoted(&out, path, strlen(path), "");
            at++;
        } else if (at[0] == '%' && at[1] == 'O') {
            bool cut = suffix && ends_with(path, suffix);
            text_add_quoted(&out, path, strlen(path) - (cut ? strlen(suffix) : 0), cut ? "" : ".raw");
            at++;
        } else {
            text_add(&out, at, 1);
        }
    }
}

const char *image_advice_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strlen(path) > NAME_MAX_SHOWN && slash && slash[1] ? slash + 1 : path;
}
