#include <criterion/criterion.h>
#include <sys/stat.h>

/* The command line is no part of the library. */
#include "src/cli/output_folder.c"
#include "src/cli/select.c"

Test(cli_select, names)
{
    cr_assert(select_matches("xfs", "xfs"));
    cr_assert(select_matches("xfs.ko", "xfs"));
    cr_assert(select_matches("snd-hda-intel", "snd_hda_intel"));
    cr_assert(select_matches("snd_hda-intel", "snd_hda_intel"));
    cr_assert(select_matches("snd_hda_intel", "snd-hda_intel"));
    cr_assert_not(select_matches("xf", "xfs"));
    cr_assert_not(select_matches("XFS", "xfs"));
    cr_assert_not(select_matches("", "xfs"));
    cr_assert_not(select_matches(".ko", "xfs"));
}

Test(cli_select, patterns)
{
    cr_assert(select_matches("*", "xfs"));
    cr_assert(select_matches("snd-*", "snd_hda_intel"));
    cr_assert(select_matches("snd_*.ko", "snd_hda_intel"));
    cr_assert(select_matches("x?s", "xfs"));
    cr_assert(select_matches("nf[a-z]*", "nfnetlink"));
    cr_assert_not(select_matches("nf[a-z]*", "nf_tables"));
    cr_assert(select_matches("nf[_a]*", "nf_tables"));
    cr_assert_not(select_matches("snd-?", "snd_hda_intel"));
}

static char folder_path[] = "/tmp/lkmfs-test-XXXXXX";
static int folder;
static struct lkmfs_error err;

static void make_folder(void)
{
    cr_assert(mkdtemp(folder_path));
    folder = output_folder_open(folder_path, &err);
    cr_assert_geq(folder, 0);
}

static void remove_folder(void)
{
    static const char *const names[] = {"a.ko", "b.ko", "outside"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        (void)unlinkat(folder, names[i], 0);
    (void)unlinkat(folder, "folder.ko", AT_REMOVEDIR);
    (void)close(folder);
    cr_assert_eq(rmdir(folder_path), 0, "something was left behind: %s", strerror(errno));
}

TestSuite(cli_output, .init = make_folder, .fini = remove_folder);

static void check_contents(const char *name, const char *expected)
{
    char bytes[100] = "";
    int file = openat(folder, name, O_RDONLY);
    cr_assert_geq(file, 0);
    cr_assert_eq(read(file, bytes, sizeof(bytes)), (ssize_t)strlen(expected));
    cr_assert_str_eq(bytes, expected);
    (void)close(file);
}

Test(cli_output, writes_and_replaces)
{
    cr_assert(output_folder_write(folder, "a.ko", "hello", 5, &err));
    check_contents("a.ko", "hello");
    cr_assert(output_folder_write(folder, "a.ko", "bye", 3, &err));
    check_contents("a.ko", "bye");
    cr_assert(output_folder_write(folder, "b.ko", NULL, 0, &err));
    check_contents("b.ko", "");
}

Test(cli_output, replaces_a_link_instead_of_following_it)
{
    cr_assert(output_folder_write(folder, "outside", "keep", 4, &err));
    cr_assert_eq(symlinkat("outside", folder, "a.ko"), 0);
    cr_assert(output_folder_write(folder, "a.ko", "new", 3, &err));
    check_contents("outside", "keep");
    check_contents("a.ko", "new");
    struct stat attr;
    cr_assert_eq(fstatat(folder, "a.ko", &attr, AT_SYMLINK_NOFOLLOW), 0);
    cr_assert(S_ISREG(attr.st_mode));
}

Test(cli_output, refuses_paths_and_folders)
{
    cr_assert_not(output_folder_write(folder, "../a.ko", "x", 1, &err));
    cr_assert_not(output_folder_write(folder, "/tmp/a.ko", "x", 1, &err));
    cr_assert_eq(mkdirat(folder, "folder.ko", 0700), 0);
    cr_assert_not(output_folder_write(folder, "folder.ko", "x", 1, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_IO);
    cr_assert_lt(output_folder_open("/proc/version", &err), 0);
    cr_assert_lt(output_folder_open("/nonexistent/folder", &err), 0);
}
