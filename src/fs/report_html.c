#include "fs/report_html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/escape.h"
#include "fs/session_json.h"
#include "fs/words.h"

/* The policy keeps the page harmless even if an escape were missing. */
static const char head[] =
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>lkmfs report</title>\n<style>\n"
    "body { font: 15px/1.45 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; }\n"
    "table { border-collapse: collapse; width: 100%; margin: 1em 0 2em; }\n"
    "th, td { text-align: left; vertical-align: top; padding: .3em .7em; border-bottom: 1px solid #ddd; }\n"
    "thead th { border-bottom: 2px solid #888; }\n"
    "td.n { text-align: right; font-variant-numeric: tabular-nums; }\n"
    "code, pre { font: 13px/1.4 monospace; overflow-wrap: anywhere; }\n"
    "pre { white-space: pre-wrap; background: #f6f6f6; padding: 1em; }\n"
    "tr.hidden { background: #fde8e8; }\n"
    "</style>\n</head>\n<body>\n<h1>Kernel modules of a memory image</h1>\n";

struct page {
    FILE *out;
    bool failed;
};

/* Prints text from the image or the host, escaped; NULL as a dash. */
static void put_text(struct page *page, const char *text)
{
    char *escaped = escape_html(text ? text : "\xe2\x80\x93");
    if (!escaped) {
        page->failed = true;
        return;
    }
    (void)fputs(escaped, page->out);
    free(escaped);
}

static void put_row(struct page *page, const char *label, const char *value)
{
    (void)fprintf(page->out, "<tr><th>%s</th><td><code>", label);
    put_text(page, value);
    (void)fputs("</code></td></tr>\n", page->out);
}

static void put_row_format(struct page *page, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put_row_format(struct page *page, const char *label, const char *format, ...)
{
    char value[160];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    put_row(page, label, value);
}

static void put_facts(struct page *page, const struct lkmfs_session *session)
{
    const struct lkmfs_image *image = lkmfs_session_image(session);
    const struct lkmfs_kernel *kernel = lkmfs_session_kernel(session);
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(kernel);
    const struct lkmfs_space *space = lkmfs_kernel_space(kernel);

    (void)fputs("<table>\n", page->out);
    put_row(page, "Image", lkmfs_image_path(image));
    put_row_format(page, "Format", "%s, %" PRIu64 " bytes", lkmfs_image_format(image), lkmfs_image_file_size(image));
    put_row(page, "Kernel", facts->banner);
    put_row_format(page, "Page tables", "0x%" PRIx64 ", %s", lkmfs_space_root(space),
                   lkmfs_paging_name(lkmfs_space_paging(space)));
    put_row(page, "found by", facts->root_source);
    put_row_format(page, "Kernel text", "virtual 0x%016" PRIx64 ", physical 0x%" PRIx64, facts->text_start,
                   facts->text_phys);
    put_row_format(page, "KASLR slides", "virtual 0x%" PRIx64 ", physical 0x%" PRIx64, facts->virtual_slide,
                   facts->physical_slide);
    put_row_format(page, "Symbols", "%zu, kallsyms in the image", lkmfs_symbols_count(lkmfs_kernel_symbols(kernel)));
    put_row(page, "Types", lkmfs_types_source(lkmfs_kernel_types(kernel)));
    put_row_format(page, "Modules", "%zu, of them %zu not on the kernel's list",
                   lkmfs_modules_count(lkmfs_session_modules(session)), session_hidden(session));
    (void)fputs("</table>\n", page->out);
}

static void put_taints(struct page *page, uint64_t taints)
{
    char letters[WORDS_TAINT_SIZE];
    words_taint_letters(taints, letters);
    (void)fprintf(page->out, "<td title=\"");
    for (unsigned bit = 0; bit < WORDS_TAINT_COUNT; bit++)
        if (taints >> bit & 1)
            (void)fprintf(page->out, "%s. ", words_taint(bit));
    (void)fprintf(page->out, "\">%s</td>", letters);
}

static void put_module(struct page *page, const struct lkmfs_modules *modules, const struct lkmfs_module *module)
{
    char traces[WORDS_TRACE_SIZE];
    words_traces(module->traces, traces);
    const char *state = words_state(module->state);

    (void)fprintf(page->out, "<tr%s><td><code>", module->traces & LKMFS_TRACE_LIST ? "" : " class=\"hidden\"");
    put_text(page, module->name);
    (void)fputs("</code></td><td><code>", page->out);
    put_text(page, module->file);
    (void)fprintf(page->out, "</code></td><td><code>0x%016" PRIx64 "</code></td><td class=\"n\">%" PRIu64 "</td>",
                  module->base, module->size);
    (void)fprintf(page->out, "<td>%s</td>", state ? state : "unknown");
    put_taints(page, module->taints);
    if (module->refcount < 0)
        (void)fputs("<td class=\"n\">?</td><td>", page->out);
    else
        (void)fprintf(page->out, "<td class=\"n\">%" PRId64 "</td><td>", module->refcount);
    for (size_t i = 0; i < module->user_count; i++) {
        (void)fputs(i ? ", " : "", page->out);
        put_text(page, lkmfs_modules_at(modules, module->users[i])->file);
    }
    (void)fprintf(page->out, "</td><td>%s</td></tr>\n", traces);
}

static void put_log(struct page *page, const char *log)
{
    (void)fputs("<h2>Log</h2>\n<pre>", page->out);
    for (const char *line = log; *line;) {
        const char *end = line;
        while (*end && *end != '\n')
            end++;
        char *copy = strndup(line, (size_t)(end - line));
        if (!copy) {
            page->failed = true;
            return;
        }
        put_text(page, copy);
        (void)fputc('\n', page->out);
        free(copy);
        line = *end ? end + 1 : end;
    }
    (void)fputs("</pre>\n", page->out);
}

char *report_html(const struct lkmfs_session *session, size_t *size)
{
    char *text = NULL;
    struct page page = {.out = open_memstream(&text, size)};
    if (!page.out)
        return NULL;
    const struct lkmfs_modules *modules = lkmfs_session_modules(session);
    (void)fputs(head, page.out);
    put_facts(&page, session);
    (void)fputs(
        "<h2>Modules</h2>\n<table>\n<thead><tr><th>Name</th><th>File</th><th>Base</th><th>Size</th><th>State</th>"
        "<th>Taints</th><th>References</th><th>Used by</th><th>Found by</th></tr></thead>\n<tbody>\n",
        page.out);
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++)
        put_module(&page, modules, lkmfs_modules_at(modules, i));
    (void)fputs("</tbody>\n</table>\n", page.out);
    put_log(&page, lkmfs_session_log_text(session));
    (void)fputs("</body>\n</html>\n", page.out);
    page.failed = ferror(page.out) || page.failed;
    if (fclose(page.out) != 0 || page.failed) {
        free(text);
        return NULL;
    }
    return text;
}
