#include "image/vmware.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/advice.h"
#include "image/format.h"
#include "image/vmware_state.h"

/* The file beside `path` with another suffix, NULL if there is none. */
static struct image_file *open_sibling(const char *path, const char *suffix)
{
    const char *dot = strrchr(path, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - path) : strlen(path);
    size_t size = stem + strlen(suffix) + 1;
    struct image_file *file = NULL;
    char *name = malloc(size);
    if (!name)
        return NULL;
    (void)snprintf(name, size, "%.*s%s", (int)stem, path, suffix);
    if (strcmp(name, path) == 0 || !image_file_open_local(name, &file, NULL))
        file = NULL;
    free(name);
    return file;
}

struct image_file *vmware_open_state(const char *path)
{
    static const char *const suffixes[] = {".vmss", ".vmsn"};
    const char *dot = strrchr(path, '.');
    if (!dot || strcmp(dot, ".vmem") != 0)
        return NULL;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        uint8_t head[4];
        struct image_file *file = open_sibling(path, suffixes[i]);
        if (file && vmware_is_state(head, image_file_read(file, 0, head, sizeof(head))))
            return file;
        image_file_close(file);
    }
    return NULL;
}

/* Lays out memory of `size` bytes that begins at `base` of the image's file. False without memory. */
static bool vmware_lay_out(struct lkmfs_image *image, const struct vmware_state *state, uint64_t base, uint64_t size)
{
    if (state->region_count == 0)
        return image_extents_add(&image->extents, 0, base, size);
    for (size_t i = 0; i < state->region_count; i++) {
        const struct vmware_region *region = &state->regions[i];
        if (!image_extents_add(&image->extents, region->phys, base + region->offset, region->size))
            return false;
    }
    return true;
}

static void vmware_log(const struct vmware_state *state, const char *path, struct lkmfs_log *log)
{
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "vmware: %zu regions of memory, by %s", state->region_count, path);
    if (state->region_count == 0)
        lkmfs_log_add(log, LKMFS_LOG_NOTE, "vmware: no regions, so memory lies as in a raw image");
}

static bool vmware_probe(const struct image_head *head)
{
    return vmware_is_state(head->bytes, head->size);
}

/* A state file was given. */
static bool vmware_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct vmware_state state;
    if (!vmware_state_read(image->file, &state, &image->hints, log, err))
        return false;
    if (state.packed)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, state.memory_offset,
                          "%s holds the guest's memory compressed, which is not supported; take a snapshot with a "
                          ".vmem file (mainMem.useNamedFile = TRUE)",
                          image_advice_name(image->file->path));
    vmware_log(&state, image->file->path, log);
    if (state.memory_size)
        return vmware_lay_out(image, &state, state.memory_offset, state.memory_size) || lkmfs_fail_memory(err);

    struct image_file *memory = open_sibling(image->file->path, ".vmem");
    if (!memory)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s holds no memory, and the .vmem file that does is not beside it; put it there",
                          image_advice_name(image->file->path));
    image_file_close(image->file);
    image->file = memory;
    return vmware_lay_out(image, &state, 0, memory->size) || lkmfs_fail_memory(err);
}

/* A .vmem file was given that has a state file beside it. */
static bool vmem_open(struct lkmfs_image *image, struct lkmfs_log *log, struct lkmfs_error *err)
{
    struct image_file *file = vmware_open_state(image->file->path);
    struct vmware_state state = {0};
    struct lkmfs_error why = {.message = "it is gone"};
    bool known = file && vmware_state_read(file, &state, &image->hints, log, &why) && state.region_count;
    image_file_close(file);
    if (!known) {
        if (why.code)
            lkmfs_log_add(log, LKMFS_LOG_DOUBT, "vmware: the state file is of no use: %s", why.message);
        image->format = &image_format_raw;
        return image->format->open(image, log, err);
    }
    vmware_log(&state, "the state file beside it", log);
    return vmware_lay_out(image, &state, 0, image->file->size) || lkmfs_fail_memory(err);
}

const struct image_format image_format_vmware = {
    .name = "VMware",
    .probe = vmware_probe,
    .open = vmware_open,
    .overlap_kind = LKMFS_LOG_DOUBT,
};

const struct image_format image_format_vmem = {
    .name = "VMware vmem",
    .open = vmem_open,
    .overlap_kind = LKMFS_LOG_DOUBT,
};
