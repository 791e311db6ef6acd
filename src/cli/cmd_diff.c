#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/disassembly.h"
#include "cli/message.h"
#include "lkmfs/diff.h"

/* A section that differs all over would bury the rest; the counts at the end are complete. */
#define PLACES_SHOWN 64
#define LINES_SHOWN  16

static void print_hex(FILE *out, const char *prefix, const uint8_t *bytes, uint64_t size)
{
    (void)fprintf(out, "%s", prefix);
    for (uint64_t i = 0; i < size && i < LINES_SHOWN; i++)
        (void)fprintf(out, " %02x", bytes[i]);
    (void)fprintf(out, "%s\n", size > LINES_SHOWN ? " ..." : "");
}

static void print_bytes(FILE *out, const struct lkmfs_difference *item)
{
    uint64_t from = item->symbol_offset, to = from + item->size;
    (void)fprintf(out, "%s+0x%" PRIx64, item->section, item->offset);
    if (*item->symbol)
        (void)fprintf(out, " (%s+0x%" PRIx64 ")", item->symbol, item->symbol_offset);
    (void)fprintf(out, ": %" PRIu64 " bytes differ%s\n", item->size, item->significant ? "" : " (run-time data)");
    if (item->code) {
        disassemble(out, "  memory  ", item->memory, item->available, item->address, from, to, LINES_SHOWN);
        disassemble(out, "  file    ", item->file, item->available, item->address, from, to, LINES_SHOWN);
    } else {
        print_hex(out, "  memory ", item->memory + from, item->size);
        print_hex(out, "  file   ", item->file + from, item->size);
    }
}

static void print_item(FILE *out, const struct lkmfs_difference *item)
{
    const char *what = *item->symbol ? "symbol" : "section", *name = *item->symbol ? item->symbol : item->section;
    switch (item->kind) {
    case LKMFS_DIFFERENT_BYTES:
        print_bytes(out, item);
        break;
    case LKMFS_DIFFERENT_ENTRIES:
        (void)fprintf(out, "%s: %" PRIu64 " bytes of entries in memory are not in the file\n", name, item->size);
        break;
    case LKMFS_DIFFERENT_SIZE:
        (void)fprintf(out, "%s: %" PRIu64 " bytes in memory, %" PRIu64 " in the file\n", name, item->offset,
                      item->size);
        break;
    case LKMFS_ONLY_IN_MEMORY:
        (void)fprintf(out, "%s %s: only in memory\n", what, name);
        break;
    case LKMFS_ONLY_IN_FILE:
        (void)fprintf(out, "%s %s: only in the file\n", what, name);
        break;
    case LKMFS_DIFFERENT_SYMBOL:
        (void)fprintf(out, "symbol %s of %s: other value or size (0x%" PRIx64 ", %" PRIu64 " bytes in memory)\n", name,
                      item->section, item->offset, item->size);
        break;
    }
}

/* Significant items first: what matters must not scroll away. */
static void print_diff(FILE *out, const struct lkmfs_diff *diff, bool verbose)
{
    size_t count, shown = 0, significant = 0, runtime = 0;
    const struct lkmfs_difference *items = lkmfs_diff_items(diff, &count);
    for (size_t i = 0; i < count; i++) {
        significant += items[i].significant;
        runtime += !items[i].significant;
        if ((items[i].significant || verbose) && shown++ < PLACES_SHOWN)
            print_item(out, &items[i]);
    }
    if (shown > PLACES_SHOWN)
        (void)fprintf(out, "... and %zu more\n", shown - PLACES_SHOWN);
    (void)fprintf(out, "%s: %" PRIu64 " bytes of read-only sections compared, %zu differences%s\n",
                  significant ? "different" : "equal", lkmfs_diff_compared(diff), significant,
                  runtime ? "" : ", none in writable sections");
    if (runtime)
        (void)fprintf(out, "%zu places of writable sections hold run-time data%s\n", runtime,
                      verbose ? "" : " (--verbose shows them)");
}

static int report(const struct lkmfs_diff *diff, bool verbose)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        message_error("out of memory");
        return EXIT_SYSTEM;
    }
    print_diff(out, diff, verbose);
    bool ok = fclose(out) == 0 && message_output(text, size);
    free(text);
    if (!ok)
        return EXIT_SYSTEM;
    return lkmfs_diff_equal(diff) ? EXIT_OK : EXIT_DIFFERENT;
}

static int compare(const struct lkmfs_session *session, const char *name, FILE *file, const char *path, bool verbose)
{
    struct lkmfs_error err;
    struct lkmfs_object *object = NULL;
    struct lkmfs_diff *diff = NULL;
    const struct lkmfs_builder *builder = lkmfs_session_builder(session);
    const struct lkmfs_module *module = lkmfs_modules_find(lkmfs_session_modules(session), name);
    int status = EXIT_SYSTEM;
    if (!module)
        message_error("no module is called '%s'; 'lkmfs ls' lists them", name);
    else if (!lkmfs_object_build(builder, module, LKMFS_OBJECT_RELOCATABLE, &object, &err) ||
             !lkmfs_diff_open(builder, object, file, path, &diff, &err))
        message_error("%s", err.message);
    else
        status = report(diff, verbose);
    lkmfs_diff_close(diff);
    lkmfs_object_free(object);
    return status;
}

int command_diff(int argc, char **argv)
{
    struct arguments arguments;
    int status = arguments_parse(&arguments, argc, argv, 0, 3, 3);
    if (status != EXIT_OK || arguments.help)
        return status != EXIT_OK ? status : command_help(argv[0]);
    const char *path = arguments.operands[2];
    FILE *file = fopen(path, "rbe"); /* before the process may open nothing any more */
    if (!file) {
        message_error("%s: %s", path, strerror(errno));
        return EXIT_SYSTEM;
    }
    struct lkmfs_session *session;
    status = command_open(arguments.operands[0], &arguments.options, NULL, &session);
    if (status == EXIT_OK) {
        status = compare(session, arguments.operands[1], file, path, arguments.options.verbose);
        lkmfs_session_close(session);
    }
    (void)fclose(file);
    return status;
}
