#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/message.h"
#include "fs/escape.h"
#include "fs/session_json.h"

static void put(FILE *out, const char *label, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* One line "label  value"; the value is escaped, as it may come from the image. */
static void put(FILE *out, const char *label, const char *format, ...)
{
    char value[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    char *escaped = escape_text(value);
    (void)fprintf(out, "%-16s %s\n", label, escaped ? escaped : "?");
    free(escaped);
}

static void put_image(FILE *out, const struct lkmfs_image *image)
{
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    put(out, "image", "%s", lkmfs_image_path(image));
    put(out, "format", "%s, %" PRIu64 " bytes", lkmfs_image_format(image), lkmfs_image_file_size(image));
    for (size_t i = 0; i < count && i < 32; i++)
        put(out, i ? "" : "memory", "0x%012" PRIx64 "-0x%012" PRIx64, ranges[i].start,
            ranges[i].start + ranges[i].size - 1);
    if (count > 32)
        put(out, "", "and %zu more ranges (--json lists all)", count - 32);
}

static void put_kernel(FILE *out, const struct lkmfs_kernel *kernel)
{
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(kernel);
    const struct lkmfs_space *space = lkmfs_kernel_space(kernel);
    put(out, "kernel", "%s", facts->banner);
    put(out, "release", "%s", facts->release);
    put(out, "paging", "%s, tables at 0x%" PRIx64, lkmfs_paging_name(lkmfs_space_paging(space)),
        lkmfs_space_root(space));
    put(out, "tables found by", "%s", facts->root_source);
    put(out, "kernel text", "0x%016" PRIx64 " at physical 0x%" PRIx64, facts->text_start, facts->text_phys);
    put(out, "KASLR slide", "virtual 0x%" PRIx64 ", physical 0x%" PRIx64, facts->virtual_slide, facts->physical_slide);
    put(out, "module area", "0x%016" PRIx64 "-0x%016" PRIx64, facts->module_start, facts->module_end);
    put(out, "symbols", "%zu, kallsyms in the image", lkmfs_symbols_count(lkmfs_kernel_symbols(kernel)));
    put(out, "types", "%s", lkmfs_types_source(lkmfs_kernel_types(kernel)));
    put(out, "vmcoreinfo", "%s", facts->vmcoreinfo ? "found" : "not found");
}

static void put_rest(FILE *out, const struct lkmfs_session *session)
{
    size_t count;
    const struct lkmfs_timing *timings = lkmfs_session_timings(session, &count);
    put(out, "modules", "%zu, of them %zu not on the kernel's list",
        lkmfs_modules_count(lkmfs_session_modules(session)), session_hidden(session));
    put(out, "doubts", "%zu ('lkmfs cat IMAGE log.txt' lists them)", lkmfs_session_doubts(session));
    put(out, "bytes read", "%" PRIu64, lkmfs_image_bytes_read(lkmfs_session_image(session)));
    for (size_t i = 0; i < count; i++)
        put(out, i ? "" : "time", "%8.3f s  %s", timings[i].seconds, timings[i].step);
}

static char *info_text(const struct lkmfs_session *session, size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    put_image(out, lkmfs_session_image(session));
    put_kernel(out, lkmfs_session_kernel(session));
    put_rest(out, session);
    bool ok = !ferror(out);
    if (fclose(out) != 0 || !ok) {
        free(text);
        return NULL;
    }
    return text;
}

int command_info(int argc, char **argv)
{
    struct arguments arguments;
    int status = arguments_parse(&arguments, argc, argv, ARGUMENT_JSON, 1, 1);
    if (status != EXIT_OK || arguments.help)
        return status != EXIT_OK ? status : command_help(argv[0]);
    struct lkmfs_session *session;
    status = command_open(arguments.operands[0], &arguments.options, NULL, &session);
    if (status != EXIT_OK)
        return status;
    size_t size = 0;
    char *text = arguments.json ? session_json(session, &size) : info_text(session, &size);
    if (!text) {
        message_error("out of memory");
        status = EXIT_SYSTEM;
    } else if (!message_output(text, size)) {
        status = EXIT_SYSTEM;
    }
    free(text);
    lkmfs_session_close(session);
    return status;
}
