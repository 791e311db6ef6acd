/*
 * image_builder.h - tiny memory images, made by the tests themselves in a folder that is gone after the test.
 */
#ifndef LKMFS_TEST_IMAGE_BUILDER_H
#define LKMFS_TEST_IMAGE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/image.h"

/* A fresh folder for this test's files; to be called before a test, and the other after it. */
void scratch_begin(void);
void scratch_end(void);
/* Path of `name` in that folder; good until the next call. */
const char *scratch_path(const char *name);

/* A file under construction. Start with {0}. */
struct builder {
    uint8_t *bytes;
    size_t size, capacity;
};

void builder_free(struct builder *builder);
void builder_put(struct builder *builder, const void *bytes, size_t size);
void builder_put16(struct builder *builder, uint16_t value);
void builder_put32(struct builder *builder, uint32_t value);
void builder_put64(struct builder *builder, uint64_t value);
void builder_zeros(struct builder *builder, size_t size);
/* The bytes that memory at `phys` is made of in these tests: each address has its own. */
void builder_memory(struct builder *builder, uint64_t phys, size_t size);
/* Writes the first `size` bytes to the file `name` and returns its path. */
const char *builder_save_part(const struct builder *builder, const char *name, size_t size);
const char *builder_save(const struct builder *builder, const char *name);

/* A LiME header; then one with its memory. */
void builder_lime_header(struct builder *builder, uint64_t start, uint64_t last);
void builder_lime(struct builder *builder, uint64_t start, size_t size);

/* A program header of an ELF core. */
struct builder_segment {
    uint32_t type;
    uint64_t offset, phys, file_size, size;
};

#define BUILDER_EHDR_SIZE 64
#define BUILDER_PHDR_SIZE 56

/* An ELF64 core header for `phnum` program headers that follow it; then one of those. */
void builder_elf_header(struct builder *builder, uint16_t phnum);
void builder_elf_segment(struct builder *builder, const struct builder_segment *segment);
/* A note with type 0, padded. */
void builder_note(struct builder *builder, const char *name, const void *desc, size_t size);

/* An image as it was opened, or why it was not. */
struct opened {
    struct lkmfs_image *image; /* NULL when it was refused */
    struct lkmfs_log *log;
    struct lkmfs_error err;
};

struct opened open_path(const char *path);
/* Opens an image that must be accepted and be of this format. */
struct opened open_expecting(const char *path, const char *format);
void opened_close(struct opened *opened);
/* True when the log has a doubt, or a line of any kind, that contains `text`. */
bool opened_log_has(const struct opened *opened, const char *text);

/* Asserts that `path` is refused in one line, with this code, and `text` in the message. */
void expect_refused(const char *path, enum lkmfs_error_code code, const char *text);
/* Asserts that range number `index` is this. */
void expect_range(const struct lkmfs_image *image, size_t index, uint64_t start, uint64_t size);
void expect_ranges(const struct lkmfs_image *image, size_t count);
/* Asserts that reading `size` bytes at `phys` gives the first `held` bytes that builder_memory() makes. */
void expect_memory(const struct lkmfs_image *image, uint64_t phys, size_t size, size_t held);

#endif
