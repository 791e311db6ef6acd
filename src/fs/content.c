#include "fs/content.h"

#include <stdlib.h>

#include "fs/info_json.h"
#include "fs/kernel_text.h"
#include "fs/module_json.h"
#include "fs/modules_text.h"
#include "fs/report_html.h"

/* A blob that owns a malloc'd text; false for NULL. */
static bool blob_text(struct cache_blob *blob, char *text, size_t size, struct lkmfs_error *err)
{
    if (!text)
        return lkmfs_fail_memory(err);
    *blob = (struct cache_blob){.bytes = (const uint8_t *)text, .size = size, .owner = text, .release = free};
    return true;
}

/* A blob that owns the file of an object, and nothing else of it. */
static void blob_object(struct cache_blob *blob, struct lkmfs_object *object)
{
    uint8_t *bytes = lkmfs_object_take(object, &blob->size);
    blob->bytes = bytes;
    blob->owner = bytes;
    blob->release = free;
    lkmfs_object_free(object);
}

/*
 * Builds one object; *ret is NULL, and that a success, when nothing of the module is left: the host is well, the image
 * isn't.
 */
static bool build(const struct lkmfs_session *session, const struct lkmfs_module *module, enum lkmfs_object_kind kind,
                  struct lkmfs_object **ret, struct lkmfs_error *err)
{
    *ret = NULL;
    if (lkmfs_object_build(lkmfs_session_builder(session), module, kind, ret, err))
        return true;
    *ret = NULL;
    if (err->code == LKMFS_ERROR_NO_MEMORY || err->code == LKMFS_ERROR_IO || err->code == LKMFS_ERROR_READ)
        return false;
    lkmfs_log_add(lkmfs_session_log(session), LKMFS_LOG_DOUBT, "%s: nothing could be rebuilt: %s", module->file,
                  err->message);
    return true;
}

static bool make_relocatable(const struct lkmfs_session *session, const struct lkmfs_module *module,
                             struct cache_blob parts[CACHE_PARTS], struct lkmfs_error *err)
{
    struct lkmfs_object *object;
    if (!lkmfs_module_load(lkmfs_session_modules(session), module, err) ||
        !build(session, module, LKMFS_OBJECT_RELOCATABLE, &object, err))
        return false;
    size_t size = 0;
    char *info = info_json(lkmfs_session_modules(session), module, object, object ? NULL : err->message, &size);
    if (!blob_text(&parts[CONTENT_INFO], info, size, err)) {
        if (object)
            lkmfs_object_free(object);
        return false;
    }
    if (object)
        blob_object(&parts[CONTENT_KO], object);
    return true;
}

static bool make_loaded(const struct lkmfs_session *session, const struct lkmfs_module *module, struct cache_blob *blob,
                        struct lkmfs_error *err)
{
    struct lkmfs_object *object;
    if (!build(session, module, LKMFS_OBJECT_LOADED, &object, err))
        return false;
    if (object)
        blob_object(blob, object);
    return true;
}

static char *make_text(const struct lkmfs_session *session, enum content_unit unit, size_t *size)
{
    const struct lkmfs_modules *modules = lkmfs_session_modules(session);
    switch (unit) {
    case CONTENT_MODULES_JSON:
        return modules_json(modules, size);
    case CONTENT_MODULES_TEXT:
        return modules_text(modules, false, size);
    case CONTENT_REPORT:
        return report_html(session, size);
    case CONTENT_VERSION:
        return version_text(lkmfs_session_kernel(session), size);
    case CONTENT_KALLSYMS:
        return kallsyms_text(modules, size);
    case CONTENT_TEXT_COUNT:
        break;
    }
    return NULL;
}

bool content_make(void *context, size_t unit, struct cache_blob parts[CACHE_PARTS], struct lkmfs_error *err)
{
    const struct lkmfs_session *session = context;
    struct lkmfs_error own;
    if (!err)
        err = &own;
    if (unit < CONTENT_TEXT_COUNT) {
        size_t size = 0;
        uint64_t failures = lkmfs_image_failures();
        char *text = make_text(session, (enum content_unit)unit, &size);
        if (lkmfs_image_intact(lkmfs_session_image(session), failures, err))
            return blob_text(&parts[0], text, size, err);
        free(text);
        return false;
    }
    size_t index = (unit - CONTENT_TEXT_COUNT) / 2;
    const struct lkmfs_module *module = lkmfs_modules_at(lkmfs_session_modules(session), index);
    if (unit == content_relocatable_unit(index))
        return make_relocatable(session, module, parts, err);
    return make_loaded(session, module, &parts[0], err);
}
