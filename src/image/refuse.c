#include "image/refuse.h"

#include <inttypes.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "image/advice.h"
#include "image/content.h"

/* No Linux kernel fits in less; raw images that small are something else. */
#define RAW_SIZE_MIN ((uint64_t)64 << 10)

/* Parts of the table below: a magic number at an offset; what such a file is, and what to do about it. */
#define MAGIC(at, bytes) .offset = (at), .magic = (bytes), .magic_size = sizeof(bytes) - 1
#define IS(a, b)         .what = (a), .advice = b

#define UNPACK    "; unpack it first: "
#define NOT_YET   ", which is not supported yet; "
#define NO_MEMORY ", which holds no image of memory; "
#define NOT_LINUX ", but lkmfs reads memory of Linux only; try MemProcFS"

#define ACQUIRE   "acquire the memory of the running system with avml or LiME"
#define MOUNT_EWF "; mount it first: mkdir -p /mnt/ewf && ewfmount %I /mnt/ewf, then give /mnt/ewf/ewf1"
#define DUMP_QEMU "dump it with QEMU's dump-guest-memory or virsh dump --memory-only instead"
#define USE_VMEM  "give the .vmem file that lies beside it"

struct refusal {
    uint64_t offset;
    const char *magic;
    size_t magic_size;
    bool (*confirm)(const struct image_head *head); /* a second look where the magic alone proves too little */
    const char *what;                               /* completes "FILE is ..." */
    const char *advice;                             /* follows at once; see image_advice_expand() */
    const char *suffix;                             /* of the file's name, to take off for %O */
};

/* AFF4 is a zip file whose first member says so. */
static bool head_is_aff4(const struct image_head *head)
{
    return memmem(head->bytes, head->size, "container.description", strlen("container.description")) ||
           memmem(head->bytes, head->size, "aff4://", strlen("aff4://"));
}

/* An x86 boot image is a PE file, too; so is arm64's, but that lies at the start of memory on some boards. */
static bool head_is_pe(const struct image_head *head)
{
    if (head->size < 0x40 || memcmp(head->bytes + 0x38, "ARM\x64", 4) == 0)
        return false;
    uint32_t pe = le32(head->bytes + 0x3c);
    return range_fits(pe, 4, head->size) && memcmp(head->bytes + pe, "PE\0", 4) == 0;
}

static bool head_is_vmlinuz(const struct image_head *head)
{
    return range_fits(0x202, 4, head->size) && memcmp(head->bytes + 0x202, "HdrS", 4) == 0;
}

/* The first that fits counts. */
static const struct refusal refusals[] = {
    /* Compressed wholes: there is no reading at an offset in them. */
    {MAGIC(0, "\x1f\x8b\x08"), IS("gzip-compressed", UNPACK "gzip -dc < %I > %O"), .suffix = ".gz"},
    {MAGIC(0, "\3757zXZ\0"), IS("xz-compressed", UNPACK "xz -dc < %I > %O"), .suffix = ".xz"},
    {MAGIC(0, "\x28\xb5\x2f\xfd"), IS("zstd-compressed", UNPACK "zstd -dc --long=31 < %I > %O"), .suffix = ".zst"},
    {MAGIC(0, "\x04\x22\x4d\x18"), IS("lz4-compressed", UNPACK "lz4 -dc < %I > %O"), .suffix = ".lz4"},
    {MAGIC(0, "BZh"), IS("bzip2-compressed", UNPACK "bzip2 -dc < %I > %O"), .suffix = ".bz2"},
    {MAGIC(0, "\x89LZO\0"), IS("lzop-compressed", UNPACK "lzop -dc < %I > %O"), .suffix = ".lzo"},
    {MAGIC(0, "PK\3\4"), IS("an AFF4 image", NOT_YET "export its memory stream as a raw file first"),
     .confirm = head_is_aff4},
    {MAGIC(0, "PK\3\4"), IS("a zip archive", UNPACK "unzip %I")},
    {MAGIC(0, "7z\xbc\xaf\x27\x1c"), IS("a 7z archive", UNPACK "7z x %I")},
    {MAGIC(0, "Rar!\x1a\7"), IS("a RAR archive", UNPACK "unrar x %I")},
    {MAGIC(257, "ustar"), IS("a tar archive", UNPACK "tar -xf %I")},

    /* Forensic containers. */
    {MAGIC(0, "EVF\x09\x0d\x0a\xff\0"), IS("an EWF (E01) image", MOUNT_EWF)},
    {MAGIC(0, "EVF2\x0d\x0a\x81\0"), IS("an EWF (Ex01) image", MOUNT_EWF)},
    {MAGIC(0, "LVF\x09\x0d\x0a\xff\0"), IS("a logical EWF (L01) image of files", NO_MEMORY ACQUIRE)},

    /* Dumps of hypervisors and kernels. */
    {MAGIC(0, "LibvirtQemudPart"), IS("an unfinished libvirt save file", "; " DUMP_QEMU)},
    {MAGIC(0, "\x7fVirtualBox SavedState"),
     IS("a VirtualBox saved state",
        NOT_YET "dump the running machine: VBoxManage debugvm NAME dumpvmcore --filename FILE")},

    /* Windows. */
    {MAGIC(0, "PAGEDU64"), IS("a Windows crash dump", NOT_LINUX)},
    {MAGIC(0, "PAGEDUMP"), IS("a Windows crash dump", NOT_LINUX)},
    {MAGIC(0, "MDMP\x93\xa7"), IS("a Windows minidump", NOT_LINUX)},
    {MAGIC(0, "HIBR"), IS("a Windows hibernation file", NOT_LINUX)},
    {MAGIC(0, "hibr"), IS("a Windows hibernation file", NOT_LINUX)},
    {MAGIC(0, "WAKE"), IS("a Windows hibernation file", NOT_LINUX)},
    {MAGIC(0, "wake"), IS("a Windows hibernation file", NOT_LINUX)},
    {MAGIC(0, "RSTR"), IS("a Windows hibernation file", NOT_LINUX)},

    /* Disks and programs given by mistake. */
    {MAGIC(0, "QFI\xfb"), IS("a qcow2 disk image", NO_MEMORY ACQUIRE)},
    {MAGIC(0, "KDMV"), IS("a VMDK disk image", NO_MEMORY USE_VMEM)},
    {MAGIC(0, "# Disk DescriptorFile"), IS("a VMDK disk descriptor", NO_MEMORY USE_VMEM)},
    {MAGIC(64, "\x7f\x10\xda\xbe"), IS("a VDI disk image", NO_MEMORY ACQUIRE)},
    {MAGIC(0, "vhdxfile"), IS("a VHDX disk image", NO_MEMORY ACQUIRE)},
    {MAGIC(0, "conectix"), IS("a VHD disk image", NO_MEMORY ACQUIRE)},
    {MAGIC(0x8001, "CD001"), IS("an ISO 9660 disk image", NO_MEMORY ACQUIRE)},
    {MAGIC(0, "MZ"), IS("a Linux boot image (vmlinuz)", NO_MEMORY ACQUIRE), .confirm = head_is_vmlinuz},
    {MAGIC(0, "MZ"), IS("a Windows or EFI program (PE)", NO_MEMORY ACQUIRE), .confirm = head_is_pe},
};

static bool refusal_fits(const struct refusal *refusal, struct image_file *file, const struct image_head *head)
{
    uint8_t bytes[32];
    const uint8_t *found = bytes;

    if (range_fits(refusal->offset, refusal->magic_size, head->size))
        found = head->bytes + refusal->offset;
    else if (image_file_read(file, refusal->offset, bytes, refusal->magic_size) < refusal->magic_size)
        return false;
    return memcmp(found, refusal->magic, refusal->magic_size) == 0 && (!refusal->confirm || refusal->confirm(head));
}

static bool refuse_by_magic(struct image_file *file, const struct image_head *head, struct lkmfs_error *err)
{
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *refusal = &refusals[i];
        if (!refusal_fits(refusal, file, head))
            continue;
        char advice[sizeof(err->message)];
        image_advice_expand(advice, sizeof(advice), refusal->advice, file->path, refusal->suffix);
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, refusal->offset, "%s is %s%s", image_advice_name(file->path),
                          refusal->what, advice);
    }
    return true;
}

bool image_refuse(struct image_file *file, const struct image_head *head, struct lkmfs_error *err)
{
    if (!refuse_by_magic(file, head, err))
        return false;

    switch (image_content_judge(file)) {
    case IMAGE_CONTENT_TEXT:
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is a text file; give the memory image itself",
                          image_advice_name(file->path));
    case IMAGE_CONTENT_ZEROS:
        return lkmfs_fail(
            err, LKMFS_ERROR_FORMAT, 0,
            "%s holds nothing but zeros; the acquisition failed (a locked-down kernel? no permission?), so "
            "repeat it with avml or LiME",
            image_advice_name(file->path));
    case IMAGE_CONTENT_OTHER:
        break;
    }
    if (file->size < RAW_SIZE_MIN)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                          "%s is too small to be a memory image (%" PRIu64
                          " bytes); it is something else, or was cut short, so check the path and the copy",
                          image_advice_name(file->path), file->size);
    return true;
}
