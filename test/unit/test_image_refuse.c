/* test_image_refuse.c - every file that is no image is refused in one line that helps. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/advice.h"
#include "image_builder.h"

TestSuite(image_refuse, .init = scratch_begin, .fini = scratch_end);

Test(image_refuse, no_such_file)
{
    expect_refused(scratch_path("none"), LKMFS_ERROR_IO, "no such file");
    expect_refused("/etc/passwd/none", LKMFS_ERROR_IO, "no such file");
    expect_refused("", LKMFS_ERROR_IO, "no such file");
}

Test(image_refuse, not_a_file)
{
    const char *pipe_path = scratch_path("pipe");
    expect_refused("/", LKMFS_ERROR_FORMAT, "is a directory");
    expect_refused("/dev/null", LKMFS_ERROR_FORMAT, "character device");
    cr_assert_eq(mkfifo(pipe_path, 0600), 0);
    expect_refused(pipe_path, LKMFS_ERROR_FORMAT, "pipe or socket");
}

Test(image_refuse, unreadable)
{
    struct builder builder = {0};
    builder_memory(&builder, 0, 0x10000);
    cr_assert_eq(chmod(scratch_path(""), 0755), 0);
    const char *path = builder_save(&builder, "image.raw");
    builder_free(&builder);
    cr_assert_eq(chmod(path, 0), 0);
    /* Root reads everything, so be somebody else; scratch_end() takes it back. */
    if (geteuid() == 0 && seteuid(65534) != 0)
        cr_skip_test("cannot give up root's rights");
    expect_refused(path, LKMFS_ERROR_IO, "no permission");
}

Test(image_refuse, empty)
{
    /* /proc/self/mem is a regular file of size 0, as far as stat(2) knows. */
    struct builder builder = {0};
    expect_refused(builder_save(&builder, "image.raw"), LKMFS_ERROR_FORMAT, "is empty");
    expect_refused("/proc/self/mem", LKMFS_ERROR_FORMAT, "is empty");
}

Test(image_refuse, text)
{
    struct builder builder = {0};
    builder_put(&builder, "x\n", 2);
    expect_refused(builder_save(&builder, "notes.txt"), LKMFS_ERROR_FORMAT, "is a text file");
    for (int i = 0; i < 20000; i++)
        builder_put(&builder, "0000 12 34 gr\xc3\xbc\xc3\x9f\r\n", 19);
    expect_refused(builder_save(&builder, "notes.txt"), LKMFS_ERROR_FORMAT, "is a text file");

    /* A page of text at its start makes no text of an image. */
    builder_memory(&builder, 0, 0x100000);
    struct opened opened = open_expecting(builder_save(&builder, "image.raw"), "raw");
    opened_close(&opened);
    builder_free(&builder);
}

Test(image_refuse, zeros)
{
    struct builder builder = {0};
    builder_zeros(&builder, 0x300000);
    const char *path = builder_save(&builder, "image.raw");
    expect_refused(path, LKMFS_ERROR_FORMAT, "nothing but zeros");
    builder_free(&builder);

    cr_assert_eq(truncate(path, 0), 0);
    cr_assert_eq(truncate(path, (off_t)1 << 42), 0);
    expect_refused(path, LKMFS_ERROR_FORMAT, "nothing but zeros");
}

Test(image_refuse, zeros_with_one_page_of_data_far_in_a_sparse_file)
{
    struct builder builder = {0};
    const char *path = builder_save(&builder, "image.raw");
    cr_assert_eq(truncate(path, (off_t)1 << 40), 0);
    FILE *file = fopen(path, "r+b");
    cr_assert_not_null(file);
    cr_assert_eq(fseeko(file, ((off_t)1 << 39) + 0x5123, SEEK_SET), 0);
    cr_assert_eq(fputc(1, file), 1);
    cr_assert_eq(fclose(file), 0);

    struct opened opened = open_path(path);
    /* Only where the file system knows of holes. */
    if (!opened.image)
        cr_assert_not_null(strstr(opened.err.message, "zeros"));
    opened_close(&opened);
}

Test(image_refuse, too_small)
{
    struct builder builder = {0};
    builder_memory(&builder, 0, 0xffff);
    expect_refused(builder_save(&builder, "image.raw"), LKMFS_ERROR_FORMAT, "too small to be a memory image (65535");
    expect_refused(builder_save_part(&builder, "image.raw", 5), LKMFS_ERROR_FORMAT, "too small");
    builder_free(&builder);
}

/* A file with `size` bytes of magic at `at`, in a place where all else is noise. */
static void expect_magic(const char *name, size_t at, const char *magic, size_t size, const char *text)
{
    struct builder builder = {0};
    builder_memory(&builder, 0, 0x20000);
    memcpy(builder.bytes + at, magic, size);
    const char *path = builder_save(&builder, name);
    expect_refused(path, LKMFS_ERROR_FORMAT, text);

    /* The same in the shortest file that has it. */
    expect_refused(builder_save_part(&builder, name, at + size), LKMFS_ERROR_FORMAT, text);
    builder_free(&builder);
}

/* The command in the message, with the file's own name: "TOOL < FILE > OUT". */
static void expect_command(const char *name, const char *magic, size_t size, const char *tool, const char *out)
{
    char command[512];
    char in[256];
    (void)snprintf(in, sizeof(in), "%s", scratch_path(name));
    (void)snprintf(command, sizeof(command), "%s < %s > %s", tool, in, scratch_path(out));
    expect_magic(name, 0, magic, size, command);
}

Test(image_refuse, compressed)
{
    expect_command("mem.lime.gz", "\x1f\x8b\x08", 3, "gzip -dc", "mem.lime");
    expect_command("mem.lime", "\x1f\x8b\x08", 3, "gzip -dc", "mem.lime.raw");
    expect_command("mem.xz", "\3757zXZ\0", 6, "xz -dc", "mem");
    expect_command("mem.zst", "\x28\xb5\x2f\xfd", 4, "zstd -dc --long=31", "mem");
    expect_command("mem.lz4", "\x04\x22\x4d\x18", 4, "lz4 -dc", "mem");
    expect_command("mem.bz2", "BZh9", 4, "bzip2 -dc", "mem");
    expect_command("mem.lzo", "\x89LZO\0\r\n", 7, "lzop -dc", "mem");
}

Test(image_refuse, archives)
{
    expect_magic("mem.zip", 0, "PK\3\4", 4, "unzip /tmp/");
    expect_magic("mem.7z", 0, "7z\xbc\xaf\x27\x1c", 6, "7z x /tmp/");
    expect_magic("mem.rar", 0, "Rar!\x1a\7", 6, "unrar x /tmp/");
    expect_magic("mem.tar", 257, "ustar", 5, "tar -xf /tmp/");
}

Test(image_refuse, forensic_containers)
{
    expect_magic("mem.E01", 0, "EVF\x09\x0d\x0a\xff\0", 8, "ewfmount /tmp/");
    expect_magic("mem.Ex01", 0, "EVF2\x0d\x0a\x81\0", 8, "ewfmount /tmp/");
    expect_magic("mem.L01", 0, "LVF\x09\x0d\x0a\xff\0", 8, "logical EWF");
    expect_magic("mem.aff4", 0, "PK\3\4 container.description", 26, "AFF4");
}

Test(image_refuse, dumps_not_supported)
{
    expect_magic("vm.save", 0, "LibvirtQemudPart", 16, "unfinished");
    expect_magic("vm.sav", 0, "\x7fVirtualBox SavedState V2.0\n", 28, "dumpvmcore");
}

Test(image_refuse, windows)
{
    expect_magic("MEMORY.DMP", 0, "PAGEDU64", 8, "Windows crash dump");
    expect_magic("MEMORY.DMP", 0, "PAGEDUMP", 8, "Windows crash dump");
    expect_magic("mini.dmp", 0, "MDMP\x93\xa7", 6, "Windows minidump");
    expect_magic("hiberfil.sys", 0, "HIBR", 4, "hibernation");
    expect_magic("hiberfil.sys", 0, "hibr", 4, "hibernation");
    expect_magic("hiberfil.sys", 0, "WAKE", 4, "hibernation");
    expect_magic("hiberfil.sys", 0, "wake", 4, "hibernation");
    expect_magic("hiberfil.sys", 0, "RSTR", 4, "hibernation");
}

Test(image_refuse, disks)
{
    expect_magic("disk.qcow2", 0, "QFI\xfb", 4, "qcow2");
    expect_magic("disk.vmdk", 0, "KDMV", 4, "VMDK");
    expect_magic("disk.vmdk", 0, "# Disk DescriptorFile", 21, "VMDK");
    expect_magic("disk.vdi", 64, "\x7f\x10\xda\xbe", 4, "VDI");
    expect_magic("disk.vhdx", 0, "vhdxfile", 8, "VHDX");
    expect_magic("disk.vhd", 0, "conectix", 8, "VHD");
    expect_magic("disk.iso", 0x8001, "CD001", 5, "ISO 9660");
}

Test(image_refuse, programs)
{
    struct builder builder = {0};
    builder_put(&builder, "MZ", 2);
    builder_zeros(&builder, 0x3a);
    builder_put32(&builder, 0x80);
    builder_zeros(&builder, 0x40);
    builder_put(&builder, "PE\0", 4);
    builder_memory(&builder, 0, 0x20000);
    expect_refused(builder_save(&builder, "a.exe"), LKMFS_ERROR_FORMAT, "program (PE)");

    /* arm64's kernel has a PE header, too, and may lie at the start of memory. */
    memcpy(builder.bytes + 0x38, "ARM\x64", 4);
    struct opened opened = open_expecting(builder_save(&builder, "arm64.raw"), "raw");
    opened_close(&opened);

    memcpy(builder.bytes + 0x202, "HdrS", 4);
    expect_refused(builder_save(&builder, "vmlinuz"), LKMFS_ERROR_FORMAT, "boot image (vmlinuz)");

    /* "MZ" alone, with an absurd e_lfanew, is nothing. */
    memset(builder.bytes + 0x202, 0, 4);
    memset(builder.bytes + 0x38, 0xff, 8);
    opened = open_expecting(builder_save(&builder, "any.raw"), "raw");
    opened_close(&opened);
    builder_free(&builder);
}

static void expect_advice(const char *path, const char *suffix, const char *expected)
{
    char advice[128];
    image_advice_expand(advice, sizeof(advice), "t %I %O", path, suffix);
    cr_assert_str_eq(advice, expected);
}

Test(image_refuse, names_are_quoted_for_the_shell)
{
    expect_advice("a/b.gz", ".gz", "t a/b.gz a/b");
    expect_advice("a b.gz", ".gz", "t 'a b.gz' 'a b'");
    expect_advice("it's", NULL, "t 'it'\\''s' 'it'\\''s.raw'");
    expect_advice("-rf", ".gz", "t ./-rf ./-rf.raw");
    expect_advice("$(x)", NULL, "t '$(x)' '$(x).raw'");
    expect_advice(".gz", ".gz", "t .gz .gz.raw");
}

Test(image_refuse, long_names_are_cut_not_overrun)
{
    char path[4096];
    char advice[480];
    memset(path, '\'', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    image_advice_expand(advice, sizeof(advice), "%I", path, NULL);
    cr_assert_eq(strlen(advice), sizeof(advice) - 1);

    cr_assert_str_eq(image_advice_name("/a/b"), "/a/b");
    memset(path, 'x', sizeof(path) - 1);
    path[200] = '/';
    cr_assert_eq(image_advice_name(path), path + 201);
}
