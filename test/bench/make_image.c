/*
 * make_image.c - writes the image whose handling is counted in instructions: synthetic, so that it stays the same
 * whatever kernels the distributions ship.
 *
 * Usage: bench_image FILE
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "synth_sample.h"

#define MODULES   16
#define CODE_SIZE 0x1800

/* A function as compilers write them: frame, fields of a struct, a string, a loop, calls of the kernel and of its own.
 */
static const uint8_t function[] = {
    0x0f, 0x1f, 0x44, 0x00, 0x00,                   /* NOP of ftrace */
    0x55,                                           /* push %rbp */
    0x48, 0x89, 0xe5,                               /* mov %rsp,%rbp */
    0x41, 0x54,                                     /* push %r12 */
    0x53,                                           /* push %rbx */
    0x48, 0x83, 0xec, 0x18,                         /* sub $24,%rsp */
    0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0,    0, 0, /* mov %gs:40,%rax */
    0x48, 0x8b, 0x9f, 0x88, 0x01, 0x00, 0x00,       /* mov 392(%rdi),%rbx */
    0x48, 0x85, 0xdb,                               /* test %rbx,%rbx */
    0x74, 0x21,                                     /* je */
    0x44, 0x0f, 0xb6, 0x63, 0x08,                   /* movzbl 8(%rbx),%r12d */
    0x48, 0x8d, 0x35, 0x00, 0x00, 0x00, 0x00,       /* lea string(%rip),%rsi */
    0xe8, 0x00, 0x00, 0x00, 0x00,                   /* call kernel */
    0xf0, 0x41, 0x0f, 0xc1, 0x04, 0x24,             /* lock xadd %eax,(%r12) */
    0x83, 0xc0, 0x01,                               /* add $1,%eax */
    0x75, 0xe9,                                     /* jne */
    0xe8, 0x00, 0x00, 0x00, 0x00,                   /* call own */
    0xb8, 0xf4, 0xff, 0xff, 0xff,                   /* mov $-12,%eax */
    0x48, 0x8d, 0x65, 0xf0,                         /* lea -16(%rbp),%rsp */
    0x5b, 0x41, 0x5c, 0x5d,                         /* pop %rbx, %r12, %rbp */
    0xc3, 0xcc, 0xcc, 0xcc, 0xcc,                   /* ret */
};

enum { STRING_AT = 45, CALL_AT = 50, OWN_AT = 66 }; /* the 32-bit fields of lea and call */

static void put_relative(uint8_t *code, uint64_t address, size_t at, uint64_t target)
{
    synth_le(code + at, target - (address + at + 4), 4);
}

#define STEP  96 /* from one function to the next */
#define COUNT (CODE_SIZE / STEP)

/* Many functions in a section of their own, with a symbol each. */
static void add_code(struct synth_module *module)
{
    struct synth_kernel *k = module->kernel;
    uint64_t text = synth_module_section(module, ".text.hot", SYNTH_TEXT, CODE_SIZE, 16);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t address = text + (uint64_t)i * STEP;
        uint8_t *code = synth_at(k, address);
        char name[16];
        memset(code, 0xcc, STEP);
        memcpy(code, function, sizeof(function));
        put_relative(code, address, STRING_AT, module->region[SYNTH_RODATA]);
        put_relative(code, address, CALL_AT, synth_symbol(k, i % 2 ? "printk" : "kmalloc"));
        put_relative(code, address, OWN_AT, text + (uint64_t)(i / 2) * STEP);
        (void)snprintf(name, sizeof(name), "work_%u", i);
        synth_module_symbol(module, name, ".text.hot", (uint64_t)i * STEP, sizeof(function),
                            ELF64_ST_INFO(STB_LOCAL, STT_FUNC), 't');
    }
}

static void write_memory(const struct synth_memory *memory, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(memory->bytes, 1, memory->size, file) != memory->size || fclose(file) != 0)
        synth_die("%s can't be written", path);
}

int main(int argc, char **argv)
{
    const struct synth_kernel_options options = {.release = SYNTH_6_12};
    struct synth_sample sample;
    if (argc != 2)
        synth_die("usage: bench_image FILE");
    synth_sample_init(&sample, &options);
    for (unsigned i = 0; i < MODULES; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "driver_%02u", i);
        struct synth_module *module = synth_module_new(sample.kernel, name);
        synth_fill_module(module);
        add_code(module);
        synth_module_finish(module);
        synth_module_free(module);
    }
    write_memory(&sample.kernel->memory, argv[1]);
    synth_sample_free(&sample);
    return 0;
}
