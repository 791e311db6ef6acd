/*
 * make_corpus.c - writes the inputs that fuzzing starts from: one sound file of each format, and lists of pokes.
 *
 * Usage: make_corpus FOLDER
 */
#include <elf.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "pokes.h"
#include "synth_sample.h"

#define BLOCK 4096

static const char *corpus;

static void save(const char *target, const char *name, struct synth_bytes *bytes)
{
    char path[512];
    (void)mkdir(corpus, 0755);
    (void)snprintf(path, sizeof(path), "%s/%s", corpus, target);
    (void)mkdir(path, 0755);
    (void)snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes->bytes, 1, bytes->size, file) != bytes->size || fclose(file) != 0)
        synth_die("%s can't be written", path);
    synth_bytes_free(bytes);
}

static void put(struct synth_bytes *b, const void *bytes, size_t size)
{
    if (size)
        memcpy(synth_bytes_add(b, size), bytes, size);
}

static void put_be(struct synth_bytes *b, uint64_t value, unsigned width)
{
    for (unsigned i = width; i-- > 0;)
        synth_bytes_le(b, value >> (8 * i), 1);
}

static void put_memory(struct synth_bytes *b, size_t size)
{
    uint8_t *at = synth_bytes_add(b, size);
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(i * 31 >> 4);
}

static void put_lime(struct synth_bytes *b, uint64_t start, size_t size)
{
    put(b, "EMiL\1\0\0\0", 8);
    synth_bytes_le(b, start, 8);
    synth_bytes_le(b, start + size - 1, 8);
    synth_bytes_le(b, 0, 8);
    put_memory(b, size);
}

static void make_lime(void)
{
    struct synth_bytes b = {0};
    put_lime(&b, 0x3000, 0x1800);
    put_lime(&b, 0x1000, 0x1000);
    put_lime(&b, 0x2000, 0x2000);
    save("fuzz_image_lime", "overlapping", &b);
    put_lime(&b, 0, 0x400);
    put(&b, "EMiL\1\0\0\0", 8);
    synth_bytes_le(&b, 0x10000, 8);
    synth_bytes_le(&b, UINT64_MAX, 8);
    save("fuzz_image_lime", "cut", &b);
}

static void put_segment(struct synth_bytes *b, uint32_t type, uint64_t offset, uint64_t phys, uint64_t size)
{
    const uint64_t words[] = {offset, 0xffff888000000000 + phys, phys, size, size, 0};
    synth_bytes_le(b, type, 4);
    synth_bytes_le(b, PF_R, 4);
    for (size_t i = 0; i < 6; i++)
        synth_bytes_le(b, words[i], 8);
}

static void put_note(struct synth_bytes *b, const char *name, const void *desc, size_t size)
{
    size_t name_size = strlen(name) + 1;
    synth_bytes_le(b, name_size, 4);
    synth_bytes_le(b, size, 4);
    synth_bytes_le(b, 0, 4);
    put(b, name, name_size);
    synth_bytes_align(b, 4);
    put(b, desc, size);
    synth_bytes_align(b, 4);
}

static void put_notes(struct synth_bytes *b)
{
    uint8_t cpu[440] = {0};
    synth_le(cpu, 1, 4);
    synth_le(cpu + 4, sizeof(cpu), 4);
    synth_le(cpu + 392, 0x80000001, 8); /* CR0: paging is on */
    synth_le(cpu + 416, 0x1000, 8);     /* CR3 */
    put_note(b, "QEMU", cpu, sizeof(cpu));
    put_note(b, "VMCOREINFO", "OSRELEASE=6.1\nNUMBER(phys_base)=0\nSYMBOL(swapper_pg_dir)=ffffffff82000000\n", 70);
}

static void make_elf(void)
{
    static const uint8_t ident[EI_NIDENT] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
    struct synth_bytes b = {0}, notes = {0};
    put_notes(&notes);
    uint64_t at = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr);
    put(&b, ident, sizeof(ident));
    synth_bytes_le(&b, ET_CORE, 2);
    synth_bytes_le(&b, EM_X86_64, 2);
    synth_bytes_le(&b, 1, 4);
    synth_bytes_le(&b, 0, 8);
    synth_bytes_le(&b, sizeof(Elf64_Ehdr), 8);
    synth_bytes_le(&b, 0, 8);
    synth_bytes_le(&b, 0, 4);
    const uint16_t sizes[] = {sizeof(Elf64_Ehdr), sizeof(Elf64_Phdr), 3, 0, 0, 0};
    for (size_t i = 0; i < 6; i++)
        synth_bytes_le(&b, sizes[i], 2);
    put_segment(&b, PT_NOTE, at, 0, notes.size);
    put_segment(&b, PT_LOAD, at + notes.size, 0, 0x1000);
    put_segment(&b, PT_LOAD, at + notes.size + 0x1000, 0x100000, 0x1000);
    put(&b, notes.bytes, notes.size);
    put_memory(&b, 0x2000);
    synth_bytes_free(&notes);
    save("fuzz_image_elf", "qemu", &b);
}

/* Snappy's framing: the stream's name, a plain chunk and a packed one that is a single literal and a copy of it. */
static void make_avml(void)
{
    struct synth_bytes b = {0};
    put(&b, "AVML\2\0\0\0", 8);
    const uint64_t words[] = {0x1000, 0x1000 + 0x200 - 1, 0};
    for (size_t i = 0; i < 3; i++)
        synth_bytes_le(&b, words[i], 8);
    put(&b, "\xff\x06\0\0sNaPpY", 10);
    put(&b, "\1\4\1\0", 4); /* plain, 4 + 256 bytes */
    synth_bytes_le(&b, 0, 4);
    put_memory(&b, 0x100);
    static const uint8_t packed[] = {0x00, 18,  0,   0,   0,    0, 0, 0,    0x80, 0x02, 0x0c,
                                     'a',  'b', 'c', 'd', 0xfe, 4, 0, 0xfe, 4,    0,    0xfe};
    put(&b, packed, sizeof(packed));
    put(&b, "\4\0\0\0\0\0\0\0\0", 9);
    save("fuzz_image_avml", "two_chunks", &b);
}

enum packing { ZLIB = 1, LZO = 2, SNAPPY = 4, ZSTD = 32 }; /* as a kdump's page descriptors have it */

static size_t pack(enum packing packing, const uint8_t page[BLOCK], uint8_t packed[2 * BLOCK])
{
    static uint8_t work[LZO1X_1_MEM_COMPRESS];
    size_t size = 2 * BLOCK;
    lzo_uint lzo_size = size;
    switch (packing) {
    case ZLIB:
        return compress(packed, &size, page, BLOCK) == Z_OK ? size : 0;
    case LZO:
        return lzo1x_1_compress(page, BLOCK, packed, &lzo_size, work) == LZO_E_OK ? lzo_size : 0;
    case SNAPPY:
        return snappy_compress((const char *)page, BLOCK, (char *)packed, &size) == SNAPPY_OK ? size : 0;
    case ZSTD:
        size = ZSTD_compress(packed, size, page, BLOCK, 1);
        return ZSTD_isError(size) ? 0 : size;
    }
    return 0;
}

static void put_kdump(struct synth_bytes *b, enum packing packing)
{
    uint8_t page[BLOCK], packed[2 * BLOCK];
    memset(page, 0x5a, sizeof(page));
    size_t size = pack(packing, page, packed);
    if (!size)
        synth_die("packing %d fails", (int)packing);
    put(b, "KDUMP   ", 8);
    synth_bytes_le(b, 6, 4);
    (void)synth_bytes_add(b, 424 - b->size);
    const uint32_t sizes[] = {0, BLOCK, 1, 2, 40};
    for (size_t i = 0; i < 5; i++)
        synth_bytes_le(b, sizes[i], 4);
    (void)synth_bytes_add(b, BLOCK - b->size + 8);
    synth_bytes_le(b, 1, 4); /* dump level */
    (void)synth_bytes_add(b, 4 * BLOCK - b->size);
    synth_le(b->bytes + BLOCK + 96, 40, 8);
    b->bytes[2 * BLOCK] = 0xff;
    b->bytes[3 * BLOCK] = 0x16; /* pages 1, 2 and 4 */
    uint64_t data = 4 * BLOCK + 3 * 24;
    for (unsigned i = 0; i < 3; i++) {
        synth_bytes_le(b, i ? data + BLOCK : data, 8);
        synth_bytes_le(b, i ? size : BLOCK, 4);
        synth_bytes_le(b, i ? packing : 0, 4);
        synth_bytes_le(b, 0, 8);
    }
    put_memory(b, BLOCK);
    put(b, packed, size);
}

static void make_kdump(void)
{
    struct synth_bytes b = {0}, flat = {0};
    put_kdump(&b, ZLIB);
    put(&flat, "makedumpfile\0\0\0\0", 16);
    put_be(&flat, 1, 8);
    put_be(&flat, 1, 8);
    (void)synth_bytes_add(&flat, BLOCK - flat.size);
    for (size_t at = 0; at < b.size; at += 2 * BLOCK) {
        size_t part = b.size - at < 2 * BLOCK ? b.size - at : 2 * BLOCK;
        put_be(&flat, at, 8);
        put_be(&flat, part, 8);
        put(&flat, b.bytes + at, part);
    }
    put_be(&flat, UINT64_MAX, 8);
    put_be(&flat, UINT64_MAX, 8);
    save("fuzz_image_kdump", "three_pages", &b);
    static const enum packing others[] = {LZO, SNAPPY, ZSTD};
    for (size_t i = 0; i < 3; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "packed_%d", (int)others[i]);
        put_kdump(&b, others[i]);
        save("fuzz_image_kdump", name, &b);
    }
    save("fuzz_image_flat", "of_a_kdump", &flat);
}

static void put_qemu(struct synth_bytes *b)
{
    put(b, "QEVM\0\0\0\3\7\0\0\0\2pc", 15);
    put(b, "\1\0\0\0\2\3ram\0\0\0\0\0\0\0\4", 17);
    put_be(b, 0x10000 | 4, 8);
    put(b, "\6pc.ram", 7);
    put_be(b, 0x10000, 8);
    put_be(b, 0x10, 8);
    put(b, "\x7e\0\0\0\2\3\0\0\0\2", 10);
    put_be(b, 0x1000 | 8, 8);
    put(b, "\6pc.ram", 7);
    put_memory(b, BLOCK);
    put_be(b, 0x2000 | 0x22, 8);
    synth_bytes_le(b, 0x77, 1);
    put_be(b, 0x10, 8);
}

static void make_qemu(void)
{
    struct synth_bytes b = {0};
    put_qemu(&b);
    save("fuzz_image_qemu", "two_pages", &b);
    put(&b, "LibvirtQemudSave\2\0\0\0\10\0\0\0\1\0\0\0\0\0\0\0", 32);
    (void)synth_bytes_add(&b, 92 - b.size);
    put(&b, "<domain>", 8);
    put_qemu(&b);
    save("fuzz_image_libvirt", "two_pages", &b);
}

static void put_item(struct synth_bytes *b, const char *name, unsigned indices, uint32_t index, uint64_t value,
                     unsigned width)
{
    synth_bytes_le(b, width | indices << 6, 1);
    synth_bytes_le(b, strlen(name), 1);
    put(b, name, strlen(name));
    for (unsigned i = 0; i < indices; i++)
        synth_bytes_le(b, index, 4);
    synth_bytes_le(b, value, width);
}

static void put_vmware(struct synth_bytes *ret)
{
    struct synth_bytes b = {0};
    put(&b, "\xd2\xbe\xd2\xbe\x08\0\0\0\2\0\0\0", 12);
    size_t groups = b.size;
    (void)synth_bytes_add(&b, 2 * 80);
    memcpy(b.bytes + groups, "cpu", 3);
    memcpy(b.bytes + groups + 80, "memory", 6);
    synth_le(b.bytes + groups + 64, b.size, 8);
    put_item(&b, "CR64", 2, 3, 0x1000, 8);
    synth_bytes_le(&b, 0, 2);
    synth_le(b.bytes + groups + 80 + 64, b.size, 8);
    put_item(&b, "regionsCount", 0, 0, 2, 4);
    for (uint32_t i = 0; i < 2; i++) {
        put_item(&b, "regionPageNum", 1, i, i, 4);
        put_item(&b, "regionPPN", 1, i, 16 * i, 4);
        put_item(&b, "regionSize", 1, i, 1, 4);
    }
    synth_bytes_le(&b, 0x3f, 1);
    synth_bytes_le(&b, 6, 1);
    put(&b, "Memory", 6);
    synth_bytes_le(&b, 2 * BLOCK, 8);
    synth_bytes_le(&b, 2 * BLOCK, 8);
    synth_bytes_le(&b, 0, 2);
    put_memory(&b, 2 * BLOCK);
    synth_bytes_le(&b, 0, 2);
    *ret = b;
}

static void make_vmware(void)
{
    struct synth_bytes b = {0};
    put_vmware(&b);
    save("fuzz_image_vmware", "two_regions", &b);
}

static void put_section(struct synth_bytes *b, uint32_t name, uint64_t offset, uint64_t size)
{
    const uint64_t words[] = {0, 0, offset, size, 0, 0, 0};
    synth_bytes_le(b, name, 4);
    synth_bytes_le(b, SHT_PROGBITS, 4);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        synth_bytes_le(b, words[i], i == 4 ? 4 : 8);
    synth_bytes_le(b, 0, 4);
}

static void make_xen(void)
{
    static const uint8_t ident[EI_NIDENT] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
    static const char names[] = "\0.xen_pages\0.xen_pfn\0.xen_p2m\0.shstrtab";
    static const uint64_t numbers[] = {0, 1, 16, UINT64_MAX};
    struct synth_bytes b = {0};
    uint64_t after = sizeof(Elf64_Ehdr) + 4 * sizeof(Elf64_Shdr);
    uint64_t pages = after + sizeof(names) + sizeof(numbers);
    put(&b, ident, sizeof(ident));
    synth_bytes_le(&b, ET_CORE, 2);
    synth_bytes_le(&b, EM_X86_64, 2);
    (void)synth_bytes_add(&b, sizeof(Elf64_Ehdr) - b.size);
    synth_le(b.bytes + 40, sizeof(Elf64_Ehdr), 8); /* e_shoff, then e_shentsize, e_shnum, e_shstrndx */
    synth_le(b.bytes + 58, sizeof(Elf64_Shdr), 2);
    synth_le(b.bytes + 60, 4, 2);
    synth_le(b.bytes + 62, 3, 2);
    put_section(&b, 0, 0, 0);
    put_section(&b, 1, pages, 4 * BLOCK);
    put_section(&b, 12, after + sizeof(names), sizeof(numbers));
    put_section(&b, 30, after, sizeof(names));
    put(&b, names, sizeof(names));
    put(&b, numbers, sizeof(numbers));
    put_memory(&b, 4 * BLOCK);
    save("fuzz_image_xen", "four_pages", &b);
}

/* Parts of a cut file, by numbers and by letters, and with one missing; a state file with its memory. */
static void make_siblings(void)
{
    static const uint16_t sizes[][8] = {{0, 600, 600, 600, 300}, {600, 600, 600}, {600, 0, 600, 600}};
    for (unsigned i = 0; i < 3; i++) {
        struct synth_bytes b = {0};
        char name[16];
        synth_bytes_le(&b, i & 1, 1);
        for (size_t part = 0; part < 8; part++)
            synth_bytes_le(&b, sizes[i][part], 2);
        synth_bytes_le(&b, i == 0, 1);
        put_memory(&b, 2400);
        (void)snprintf(name, sizeof(name), "parts_%u", i);
        save("fuzz_image_siblings", name, &b);
    }
    for (unsigned i = 2; i < 4; i++) {
        struct synth_bytes b = {0}, state = {0};
        put_vmware(&state);
        synth_bytes_le(&b, i, 1);
        synth_bytes_le(&b, state.size, 2);
        put(&b, state.bytes, state.size);
        put_memory(&b, 2 * BLOCK);
        synth_bytes_free(&state);
        save("fuzz_image_siblings", i == 2 ? "suspended" : "snapshot", &b);
    }
}

/* The same lists of pokes do for all that take them: no poke, one of each way and width, a few together. */
static void make_pokes(const char *target, unsigned kinds, unsigned lead)
{
    for (unsigned kind = 0; kind < kinds; kind++) {
        struct synth_bytes b = {0};
        char name[32];
        synth_bytes_le(&b, kind, 1);
        (void)synth_bytes_add(&b, lead - 1);
        (void)snprintf(name, sizeof(name), "none_%u", kind);
        save(target, name, &b);
        synth_bytes_le(&b, kind, 1);
        (void)synth_bytes_add(&b, lead - 1);
        for (unsigned i = 0; i < 12; i++) {
            synth_bytes_le(&b, i * 3 + kind, 1);
            synth_bytes_le(&b, i * 40, 2);
            synth_bytes_le(&b, i | (i % 4) << 4, 1);
            synth_bytes_le(&b, i * UINT64_C(0x0101010101010101), 8);
        }
        (void)snprintf(name, sizeof(name), "some_%u", kind);
        save(target, name, &b);
    }
}

/* Instructions that hold an address, a call, a jump, a static branch, what the kernel patches. */
static void make_code(void)
{
    static const char *const code[] = {
        "\xe8\1\2\3\4\xe9\1\2\3\4\x0f\x84\1\2\3\4\xeb\x10\x74\x10\xc3\xcc\xcc\xcc\xcc",
        "\x48\x8b\x05\1\2\3\4\x48\xc7\xc7\1\2\3\xc0\x48\x8d\x3d\1\2\3\4\x65\x48\x8b\x04\x25\x28\1\1\1",
        "\x0f\x1f\x44\x20\x20\xf3\x0f\x1e\xfa\x66\x90\x3e\xff\xd0\xff\xe0\x0f\x0b\xf0\x0f\xb1\x0f\x2e\x2e",
    };
    for (unsigned i = 0; i < sizeof(code) / sizeof(code[0]); i++) {
        struct synth_bytes b = {0};
        char name[16];
        synth_bytes_le(&b, i, 1);
        synth_bytes_le(&b, i * 16, 1);
        put(&b, code[i], strlen(code[i]));
        (void)snprintf(name, sizeof(name), "code_%u", i);
        save("fuzz_code", name, &b);
    }
}

static void make_options(void)
{
    static const char *const lists[] = {"0rw,dtb=0x1000,cache=16", "1ro,nofail,user=me,threads=4,verbose,whatever",
                                        "0allow_other,timeout=60,nonempty", "0symbols=a\\,b,types=auto,hole=1-2"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct synth_bytes b = {0};
        char name[16];
        (void)snprintf(name, sizeof(name), "list_%zu", i);
        put(&b, lists[i], strlen(lists[i]));
        save("fuzz_options", name, &b);
    }
}

static void make_raw(void)
{
    struct synth_kernel *k =
        synth_kernel_new(&(struct synth_kernel_options){.release = SYNTH_6_12, .text_phys = 0x200000});
    struct synth_bytes b = {0};
    put(&b, synth_phys(&k->memory, 0x98000, 0x10000), 0x10000);
    save("fuzz_image_any", "raw", &b);
    put(&b, "\x1f\x8b\x08", 3);
    put_memory(&b, 4096);
    save("fuzz_image_any", "gzip", &b);
    synth_kernel_free(k);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        synth_die("usage: make_corpus FOLDER");
    corpus = argv[1];
    make_raw();
    make_lime();
    make_elf();
    make_avml();
    make_kdump();
    make_qemu();
    make_vmware();
    make_xen();
    make_siblings();
    make_pokes("fuzz_kallsyms", 17, 1);
    make_pokes("fuzz_btf", 7, 1);
    make_pokes("fuzz_paging", 2, 9);
    make_pokes("fuzz_kernel", 12, 1);
    make_pokes("fuzz_modules", 6, 1);
    make_pokes("fuzz_object", 18, 1);
    make_code();
    make_options();
    return 0;
}
