/*
 * escape.h - text from the image made safe to print: names may hold any byte.
 */
#ifndef LKMFS_FS_ESCAPE_H
#define LKMFS_FS_ESCAPE_H

#include <stddef.h>

/*
 * A malloc'd copy of `text` in valid UTF-8 without control characters, NULL without memory. Bytes that are no UTF-8 and
 * characters that a terminal acts upon or that hide other text (controls, line separators, directional marks,
 * zero-width characters) become \xNN, one for each byte; a backslash becomes two, so that nothing is lost.
 */
char *escape_text(const char *text);

/* escape_text() for HTML element content and double-quoted attributes: & < > " ' become entities, too. */
char *escape_html(const char *text);

#endif
