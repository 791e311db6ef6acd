#include "fs/modules_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/escape.h"
#include "fs/words.h"

/* All columns but the last, which has no fixed width. */
#define LINE_FORMAT(base, size) "%-*s  " base "  " size "  %-8s  %-6s  %4s  %-15s  "

static int longest_file(const struct lkmfs_modules *modules)
{
    size_t longest = strlen("NAME");
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++) {
        size_t length = strlen(lkmfs_modules_at(modules, i)->file);
        longest = length > longest ? length : longest;
    }
    return longest < 64 ? (int)longest : 64;
}

static void print_users(FILE *out, const struct lkmfs_modules *modules, const struct lkmfs_module *module)
{
    for (size_t i = 0; i < module->user_count; i++)
        (void)fprintf(out, "%s%s", i ? "," : "", lkmfs_modules_at(modules, module->users[i])->file);
    if (module->user_count == 0)
        (void)fputc('-', out);
}

static void format_state(unsigned state, char text[24])
{
    const char *word = words_state(state);
    if (word)
        (void)snprintf(text, 24, "%s", word);
    else
        (void)snprintf(text, 24, "state-%u", state);
}

static void format_references(int64_t count, char text[24])
{
    if (count < 0)
        (void)snprintf(text, 24, "?");
    else
        (void)snprintf(text, 24, "%" PRId64, count);
}

/* False without memory. */
static bool print_module(FILE *out, const struct lkmfs_modules *modules, const struct lkmfs_module *module, int width)
{
    char taints[WORDS_TAINT_SIZE], traces[WORDS_TRACE_SIZE], state[24], references[24];
    words_taint_letters(module->taints, taints);
    words_traces(module->traces, traces);
    format_state(module->state, state);
    format_references(module->refcount, references);

    (void)fprintf(out, LINE_FORMAT("0x%016" PRIx64, "%9" PRIu64), width, module->file, module->base, module->size,
                  state, taints, references, traces);
    print_users(out, modules, module);
    if (strcmp(module->name, module->file) != 0) {
        char *name = escape_text(module->name);
        if (!name)
            return false;
        (void)fprintf(out, "  \"%s\"", name);
        free(name);
    }
    (void)fputc('\n', out);
    return true;
}

char *modules_text(const struct lkmfs_modules *modules, bool header, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    int width = longest_file(modules);
    bool ok = true;
    if (header)
        (void)fprintf(out, LINE_FORMAT("%-18s", "%9s") "%s\n", width, "NAME", "BASE", "SIZE", "STATE", "TAINTS", "REFS",
                      "FOUND", "USED BY");
    for (size_t i = 0; i < lkmfs_modules_count(modules) && ok; i++)
        ok = print_module(out, modules, lkmfs_modules_at(modules, i), width);
    ok = !ferror(out) && ok;
    if (fclose(out) != 0 || !ok) {
        free(text);
        return NULL;
    }
    return text;
}
