/*
 * make_names_image.c - writes a raw image of a small synthetic kernel whose modules have names that are made to do
 * harm.
 *
 * Usage: make_names_image FILE
 *
 * Prints a line for each module: its address and the bytes of its name, both in hexadecimal.
 */
#include <stdio.h>
#include <string.h>

#include "synth_module.h"

/* What module.name holds; the last byte of a name of 55 bytes is followed by a NUL. */
static const char *const names[] = {
    "../../etc/passwd",
    ("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c"
     "\x1d\x1e\x1f\x7f\x1b[2J\x1b]0;owned\x07\x9b\x80\xff\xfe\r\n\t\b\x9c"),
    "",
    "twin",
    "twin",
    "Case",
    "case",
    "CASE",
    ".",
    "..",
    "/",
    ".hidden",
    "-rf",
    "%s%n",
    "a b;reboot&",
    "<script>alert(1)</script>",
    "\"},{\"name\":\"",
    "tw\xc3\xa4n\xe2\x80\xaegnp.ko",
    "unnamed",
    "twin@ffffffffc0000000",
};

#define COUNT (sizeof(names) / sizeof(names[0]))

static void save(const char *path, const struct synth_memory *memory)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(memory->bytes, 1, memory->size, file) != memory->size || fclose(file) != 0)
        synth_die("%s can't be written", path);
}

int main(int argc, char **argv)
{
    struct synth_module *modules[COUNT];
    if (argc != 2)
        synth_die("usage: make_names_image FILE");
    struct synth_kernel *kernel =
        synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12, .text_phys = UINT64_C(0x200000)});
    for (size_t i = 0; i < COUNT; i++)
        modules[i] = synth_module_new(kernel, names[i]);
    for (size_t i = 0; i < COUNT; i++)
        synth_module_finish(modules[i]);
    synth_kernel_finish(kernel);
    save(argv[1], &kernel->memory);
    for (size_t i = 0; i < COUNT; i++) {
        (void)printf("%llx ", (unsigned long long)modules[i]->address);
        for (const char *c = names[i]; *c; c++)
            (void)printf("%02x", (unsigned char)*c);
        (void)printf("\n");
        synth_module_free(modules[i]);
    }
    synth_kernel_free(kernel);
    return 0;
}
