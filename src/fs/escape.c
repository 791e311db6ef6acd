#include "fs/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The longest replacement of one byte: "&quot;". */
#define GROWTH 6

/*
 * Decodes one character of UTF-8 (RFC 3629: shortest form, no surrogates) at NUL-terminated `s` and returns its length
 * in bytes, 0 when it is none.
 */
static size_t decode(const unsigned char *s, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
    if (length < 2) {
        *ret = s[0];
        return length;
    }
    uint32_t c = s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    *ret = c;
    return c < least[length] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : length;
}

/* Characters that show as themselves and nothing else. */
static bool is_plain(uint32_t c)
{
    return c >= 0x20 && !(c >= 0x7f && c < 0xa0)                             /* controls */
           && c != 0xad && c != 0x61c && c != 0x180e                         /* soft hyphen, Arabic mark, separator */
           && !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) /* zero width, marks, line separators */
           && !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff                   /* joiners, isolates, byte order mark */
           && !(c >= 0xfff0 && c <= 0xffff) && !(c >= 0xe0000 && c <= 0xe0fff); /* specials, tags */
}

static size_t put_hex(char *out, const unsigned char *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    return count * 4;
}

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

static char *escape(const char *text, bool html)
{
    size_t size = strlen(text);
    char *out = size < (SIZE_MAX - 1) / GROWTH ? malloc(size * GROWTH + 1) : NULL;
    if (!out)
        return NULL;
    size_t used = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        uint32_t c;
        size_t length = decode(s, &c);
        const char *replacement = html ? entity(*s) : NULL;
        if (length == 0 || !is_plain(c)) {
            used += put_hex(out + used, s, length ? length : 1);
        } else if (*s == '\\') {
            out[used++] = '\\';
            out[used++] = '\\';
        } else if (replacement) {
            used += (size_t)(stpcpy(out + used, replacement) - (out + used));
        } else {
            memcpy(out + used, s, length);
            used += length;
        }
        s += length ? length : 1;
    }
    out[used] = 0;
    char *fitted = realloc(out, used + 1);
    return fitted ? fitted : out;
}

char *escape_text(const char *text)
{
    return escape(text, false);
}

char *escape_html(const char *text)
{
    return escape(text, true);
}
