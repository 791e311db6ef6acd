/* fuzz_options.c - option lists as mount(8) and fstab hand them over. */
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    bool sloppy = input_take(&input, 1) & 1;
    struct cli_options options;
    struct lkmfs_error err = {0};
    uint64_t number;
    char *text = malloc(input.size + 1);
    if (!text)
        return 0;
    if (input.size)
        memcpy(text, input.bytes, input.size);
    text[input.size] = 0;
    options_init(&options);
    if (!options_set_list(&options, text, sloppy, &err)) {
        FUZZ_CHECK(err.code == LKMFS_ERROR_USAGE || err.code == LKMFS_ERROR_NO_MEMORY);
        FUZZ_CHECK(err.message[0]);
    }
    if (options_number(text, 10, 1000, &number))
        FUZZ_CHECK(number >= 10 && number <= 1000);
    free(text);
    return 0;
}
