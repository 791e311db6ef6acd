#include "image/content.h"

#include "base/overflow.h"
#include "base/zeros.h"

#define SAMPLE_SIZE 4096

/*
 * Evenly spread samples. A kernel that runs has 1/64 of the memory filled with its page descriptors, which are never
 * all zeros, so 1,024 samples can't all miss it.
 */
#define SAMPLES 1024

/* Read without gaps: x86 has its interrupt vectors and firmware here. */
#define DENSE_SIZE ((uint64_t)1 << 20)

static bool is_text(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];
        bool control = c < 0x20 && !(c >= '\b' && c <= '\r') && c != 0x1b;
        if (control || c == 0x7f)
            return false;
    }
    return true;
}

enum image_content image_content_judge(struct image_file *file)
{
    uint8_t sample[SAMPLE_SIZE];
    uint64_t step = max_u64(file->size / SAMPLES, SAMPLE_SIZE);
    bool text = true;
    bool zeros = true;

    for (uint64_t at = 0; at < file->size && (text || zeros); at += at < DENSE_SIZE ? SAMPLE_SIZE : step) {
        uint64_t data = image_file_next_data(file, at);
        text = text && data == at; /* a hole reads as NUL bytes */
        if (data >= file->size)
            break;
        at = data;
        size_t got = image_file_read(file, at, sample, sizeof(sample));
        if (got == 0) /* unreadable: not for this to judge */
            return IMAGE_CONTENT_OTHER;
        text = text && is_text(sample, got);
        zeros = zeros && is_all_zero(sample, got);
    }
    if (text)
        return IMAGE_CONTENT_TEXT;
    return zeros ? IMAGE_CONTENT_ZEROS : IMAGE_CONTENT_OTHER;
}
