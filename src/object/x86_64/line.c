#include "object/x86_64/line.h"

#include <stdlib.h>

bool line_init(struct line *line, size_t count)
{
    line->count = count;
    line->bridges = calloc(count + 2, sizeof(*line->bridges));
    line->group = calloc(count + 2, sizeof(*line->group));
    return line->bridges && line->group;
}

void line_free(struct line *line)
{
    free(line->bridges);
    free(line->group);
}

void line_bind(struct line *line, size_t first, size_t last)
{
    if (first > last) {
        size_t swap = first;
        first = last;
        last = swap;
    }
    if (first < last && last < line->count) {
        line->bridges[first + 1]++;
        line->bridges[last + 1]--;
    }
}

bool line_group(struct line *line)
{
    uint32_t before = line->groups;
    int64_t bridges = 0;
    line->groups = line->count > 0;
    for (size_t i = 0; i < line->count; i++) {
        bridges += line->bridges[i];
        if (i > 0 && bridges == 0)
            line->groups++;
        line->group[i] = line->groups - 1;
    }
    return line->groups != before;
}
