#include <criterion/criterion.h>
#include <string.h>

/* The command line is no part of the library. */
#include "src/cli/options.c"

static struct cli_options options;
static struct lkmfs_error err;

static void init(void)
{
    options_init(&options);
    err = (struct lkmfs_error){0};
}

TestSuite(cli_options, .init = init);

static void check_refused(const char *list, const char *word)
{
    init();
    cr_assert_not(options_set_list(&options, list, false, &err), "%s", list);
    cr_assert_eq(err.code, LKMFS_ERROR_USAGE);
    cr_assert(strstr(err.message, word), "%s: %s", list, err.message);
    cr_assert_not(strchr(err.message, '\n'));
}

Test(cli_options, defaults)
{
    cr_assert_eq(options.cache_bytes, 256u << 20);
    cr_assert_eq(options.threads, 0);
    cr_assert_eq(options.timeout, 0);
    cr_assert_not(options.kernel.has_root);
}

Test(cli_options, known)
{
    cr_assert(options_set_list(&options,
                               "cache=64,threads=3,timeout=60,allow_other,nonempty,verbose,types=btf,"
                               "dtb=0x2a10000",
                               false, &err),
              "%s", err.message);
    cr_assert_eq(options.cache_bytes, 64u << 20);
    cr_assert_eq(options.threads, 3);
    cr_assert_eq(options.timeout, 60);
    cr_assert(options.allow_other && options.nonempty && options.verbose);
    cr_assert(options.kernel.has_root);
    cr_assert_eq(options.kernel.root, 0x2a10000);
}

Test(cli_options, what_mount_8_passes)
{
    cr_assert(options_set_list(&options,
                               "rw,ro,nofail,user,user=jane,_netdev,exec,suid,dev,noexec,nosuid,nodev,noatime,auto,"
                               "noauto,x-systemd.automount,x-gvfs-name=a%20b,X-mount.mkdir,comment=x,defaults,,",
                               false, &err),
              "%s", err.message);
}

Test(cli_options, unknown)
{
    check_refused("ro,frobnicate=3,cache=1", "frobnicate");
    check_refused("remount", "remount");
    check_refused("=3", "''");
    check_refused("Cache=3", "Cache");
    init();
    cr_assert(options_set_list(&options, "frobnicate=3,cache=2", true, &err));
    cr_assert_eq(options.cache_bytes, 2u << 20);
    cr_assert_not(options_set_list(&options, "cache=x", true, &err), "sloppy is about unknown options only");
}

Test(cli_options, hole)
{
    init();
    cr_assert(options_set_list(&options, "hole=0xc0000000-0x100000000", false, &err), "%s", err.message);
    cr_assert(options.hole.start == 0xc0000000 && options.hole.end == 0x100000000);
    cr_assert(options_set_list(&options, "hole=0x80000000", false, &err), "%s", err.message);
    cr_assert(options.hole.start == 0x80000000 && options.hole.end == 0x100000000);
    check_refused("hole=0x100000000-0xc0000000", "hole");
    check_refused("hole=0xc0000001-0x100000000", "hole");
    check_refused("hole=-0x100000000", "hole");
    check_refused("hole=0x1000-", "hole");
    check_refused("hole=0x00000000000000000000000000000000000000001000-0x2000", "hole");
}

Test(cli_options, not_supported_yet)
{
    check_refused("symbols=/x", "symbols");
    check_refused("types=isf", "not supported yet");
    check_refused("types=dwarf", "not supported yet");
    check_refused("types=infer", "not supported yet");
}

Test(cli_options, bad_values)
{
    static const char *const lists[] = {
        "cache",
        "cache=",
        "cache=0",
        "cache=-1",
        "cache=+1",
        "cache= 1",
        "cache=1 ",
        "cache=1M",
        "cache=1.5",
        "cache=99999999999",
        "cache=0x",
        "cache=18446744073709551617",
        "cache=0x10000000000000001",
        "cache=a",
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
        check_refused(lists[i], "cache");
    check_refused("threads=0", "threads");
    check_refused("threads=1025", "threads");
    check_refused("timeout=99999999", "timeout");
    check_refused("verbose=1", "verbose");
    check_refused("allow_other=", "allow_other");
    check_refused("types=", "types");
    check_refused("types=BTF", "types");
    check_refused("dtb=0x123", "dtb");
    check_refused("dtb=0x10000000000000", "dtb");
    check_refused("dtb=2a10000", "dtb");
}

Test(cli_options, holes)
{
    cr_assert(options_set_list(&options, "hole=0xc0000000-0x110000000", false, &err), "%s", err.message);
    cr_assert_eq(options.hole.start, 0xc0000000);
    cr_assert_eq(options.hole.end, 0x110000000);
    cr_assert(options_set_list(&options, "hole=0x80000000", false, &err), "%s", err.message);
    cr_assert_eq(options.hole.end, 0x100000000);
    check_refused("hole=", "hole");
    check_refused("hole=-", "hole");
    check_refused("hole=0xc0000000-", "hole");
    check_refused("hole=0xc0000000-0xb0000000", "hole");
    check_refused("hole=0xc0000001-0x100000000", "hole");
    check_refused("hole=0x0000000000000000000000000000000000000000c0000000", "hole");
}

Test(cli_options, numbers)
{
    uint64_t number;
    cr_assert(options_number("18446744073709551615", 0, UINT64_MAX, &number));
    cr_assert_eq(number, UINT64_MAX);
    cr_assert(options_number("0XfFfF", 0, UINT64_MAX, &number));
    cr_assert_eq(number, 0xffff);
    cr_assert(options_number("010", 0, 10, &number));
    cr_assert_eq(number, 10);
    cr_assert_not(options_number("18446744073709551616", 0, UINT64_MAX, &number));
    cr_assert_not(options_number("", 0, UINT64_MAX, &number));
}

Test(cli_options, every_row_of_the_table_is_usable)
{
    size_t count;
    const struct option_info *rows = options_table(&count);
    for (size_t i = 0; i < count; i++) {
        cr_assert(rows[i].name && rows[i].help);
        init();
        (void)options_set(&options, rows[i].name, rows[i].value ? "1" : NULL, &err);
        cr_assert_not(strstr(err.message, "unknown"), "%s", rows[i].name);
    }
}
