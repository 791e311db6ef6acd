#include "cli/select.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* In brackets, - makes a range. */
static void dashes_to_underscores(char *text, bool is_pattern)
{
    bool bracket = false;
    for (char *c = text; *c; c++) {
        if (is_pattern && *c == '[')
            bracket = true;
        else if (*c == ']')
            bracket = false;
        else if (*c == '-' && !bracket)
            *c = '_';
    }
}

bool select_matches(const char *pattern, const char *file)
{
    char *wanted = strdup(pattern), *name = strdup(file);
    bool matches = false;
    if (wanted && name) {
        size_t length = strlen(wanted);
        if (length > 3 && strcmp(wanted + length - 3, ".ko") == 0)
            wanted[length - 3] = 0;
        dashes_to_underscores(wanted, true);
        dashes_to_underscores(name, false);
        matches = fnmatch(wanted, name, 0) == 0 || strcmp(wanted, name) == 0;
    }
    free(wanted);
    free(name);
    return matches;
}
