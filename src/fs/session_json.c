#include "fs/session_json.h"

#include "fs/json.h"

static json_t *image_json(const struct lkmfs_image *image, bool *ok)
{
    size_t count;
    const struct lkmfs_range *ranges = lkmfs_image_ranges(image, &count);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *range = json_object();
        json_put(range, "start", json_address(ranges[i].start), ok);
        json_put(range, "size", json_count(ranges[i].size), ok);
        json_push(array, range, ok);
    }
    json_t *object = json_object();
    json_put(object, "path", json_text(lkmfs_image_path(image)), ok);
    json_put(object, "format", json_text(lkmfs_image_format(image)), ok);
    json_put(object, "file_size", json_count(lkmfs_image_file_size(image)), ok);
    json_put(object, "mtime", json_integer((json_int_t)lkmfs_image_mtime(image)), ok);
    json_put(object, "ranges", array, ok);
    json_put(object, "bytes_read", json_count(lkmfs_image_bytes_read(image)), ok);
    return object;
}

static json_t *kernel_json(const struct lkmfs_kernel *kernel, bool *ok)
{
    const struct lkmfs_kernel_facts *facts = lkmfs_kernel_facts(kernel);
    const struct lkmfs_space *space = lkmfs_kernel_space(kernel);
    json_t *object = json_object();
    json_put(object, "banner", json_text(facts->banner), ok);
    json_put(object, "release", json_text(facts->release), ok);
    json_put(object, "paging", json_text(lkmfs_paging_name(lkmfs_space_paging(space))), ok);
    json_put(object, "page_tables", json_address(lkmfs_space_root(space)), ok);
    json_put(object, "page_tables_source", json_text(facts->root_source), ok);
    json_put(object, "text_virtual", json_address(facts->text_start), ok);
    json_put(object, "text_physical", json_address(facts->text_phys), ok);
    json_put(object, "virtual_slide", json_address(facts->virtual_slide), ok);
    json_put(object, "physical_slide", json_address(facts->physical_slide), ok);
    json_put(object, "image_start", json_address(facts->image_start), ok);
    json_put(object, "image_end", json_address(facts->image_end), ok);
    json_put(object, "module_start", json_address(facts->module_start), ok);
    json_put(object, "module_end", json_address(facts->module_end), ok);
    json_put(object, "vmcoreinfo", json_boolean(facts->vmcoreinfo != NULL), ok);
    json_put(object, "symbols", json_count(lkmfs_symbols_count(lkmfs_kernel_symbols(kernel))), ok);
    json_put(object, "symbols_source", json_string("kallsyms in the image"), ok);
    json_put(object, "types_source", json_text(lkmfs_types_source(lkmfs_kernel_types(kernel))), ok);
    return object;
}

size_t session_hidden(const struct lkmfs_session *session)
{
    const struct lkmfs_modules *modules = lkmfs_session_modules(session);
    size_t hidden = 0;
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++)
        hidden += !(lkmfs_modules_at(modules, i)->traces & LKMFS_TRACE_LIST);
    return hidden;
}

static json_t *modules_json_counts(const struct lkmfs_session *session, bool *ok)
{
    const struct lkmfs_modules *modules = lkmfs_session_modules(session);
    json_t *object = json_object();
    json_put(object, "count", json_count(lkmfs_modules_count(modules)), ok);
    json_put(object, "hidden", json_count(session_hidden(session)), ok);
    json_put(object, "vermagic", json_text(lkmfs_modules_vermagic(modules)), ok);
    return object;
}

static json_t *timings_json(const struct lkmfs_session *session, bool *ok)
{
    size_t count;
    const struct lkmfs_timing *timings = lkmfs_session_timings(session, &count);
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_object();
        json_put(object, "step", json_string(timings[i].step), ok);
        json_put(object, "seconds", json_real(timings[i].seconds), ok);
        json_push(array, object, ok);
    }
    return array;
}

char *session_json(const struct lkmfs_session *session, size_t *size)
{
    bool ok = true;
    json_t *object = json_object();
    json_put(object, "image", image_json(lkmfs_session_image(session), &ok), &ok);
    json_put(object, "kernel", kernel_json(lkmfs_session_kernel(session), &ok), &ok);
    json_put(object, "modules", modules_json_counts(session, &ok), &ok);
    json_put(object, "doubts", json_count(lkmfs_session_doubts(session)), &ok);
    json_put(object, "timings", timings_json(session, &ok), &ok);
    return json_finish(object, ok, size);
}
