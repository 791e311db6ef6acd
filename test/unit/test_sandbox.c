/* test_sandbox.c - what a process in the sandbox can and can't do, tried from inside. */
/* The command line is no part of the library. */
#include "src/cli/sandbox.c"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "image_builder.h"

/* SANITIZED: sanitizers need some of what is forbidden. */

TestSuite(sandbox, .init = scratch_begin, .fini = scratch_end);

/* What a child knows. */
struct inside {
    int file;   /* open for reading */
    int folder; /* -1 if none */
    const char *path;
};

typedef int attempts_fn(const struct inside *inside);

/* Runs `attempts` in the sandbox; it returns the line of the first attempt that went wrong, or 0. */
static void expect_inside(attempts_fn *attempts, const struct inside *inside)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct lkmfs_error err;
        int line = sandbox_enter(inside->folder, &err) ? attempts(inside) : 1;
        _exit(line != 0 ? (dprintf(STDERR_FILENO, "%s: line %d\n", __FILE__, line), 1) : 0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "signal %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), 0);
}

static struct inside open_inside(int folder)
{
    struct builder builder = {0};
    builder_memory(&builder, 0, 4096);
    struct inside inside = {.folder = folder, .path = strdup(builder_save(&builder, "file"))};
    builder_free(&builder);
    inside.file = open(inside.path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(inside.file, 0);
    return inside;
}

#define TRY(condition)                                                                                                 \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        if (!(condition))                                                                                              \
            return __LINE__;                                                                                           \
    } while (0)
#define DENIED(call) TRY((call) < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS))

static int files_are_out_of_reach(const struct inside *inside)
{
    DENIED(memfd_create("x", 0));
    DENIED(syscall(SYS_openat2, AT_FDCWD, inside->path, NULL, 0));
    DENIED(syscall(SYS_open_by_handle_at, inside->file, NULL, O_RDONLY));
    if (SANITIZED)
        return 0;
    DENIED(open(inside->path, O_RDONLY));
    DENIED(open(inside->path, O_WRONLY));
    DENIED(open("/proc/self/mem", O_RDWR));
    DENIED(open("/tmp/lkmfs-sandbox", O_WRONLY | O_CREAT, 0600));
    DENIED(openat(inside->file, "x", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    return 0;
}

static int files_stay_as_they_are(const struct inside *inside)
{
    DENIED(unlink(inside->path));
    DENIED(rename(inside->path, "other"));
    DENIED(link(inside->path, "other"));
    DENIED(symlink(inside->path, "other"));
    DENIED(mkdir("other", 0700));
    DENIED(truncate(inside->path, 0));
    DENIED(chmod(inside->path, 0777));
    DENIED(fchmod(inside->file, 0777));
    DENIED(chown(inside->path, 0, 0));
    DENIED(syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL));
    DENIED(syscall(SYS_umount2, "/", 0));
    return 0;
}

static int nobody_is_reached(const struct inside *inside)
{
    (void)inside;
    DENIED(socket(AF_INET, SOCK_STREAM, 0));
    DENIED(socket(AF_UNIX, SOCK_STREAM, 0));
    DENIED(syscall(SYS_io_uring_setup, 8, NULL));
    DENIED(kill(getppid(), 0));
    DENIED(syscall(SYS_tgkill, getppid(), getppid(), 0));
    DENIED(syscall(SYS_pidfd_open, getppid(), 0));
    TRY(SANITIZED || (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 && errno == EPERM));
    DENIED(syscall(SYS_bpf, 0, NULL, 0));
    DENIED(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
    DENIED(syscall(SYS_unshare, 0));
    DENIED(syscall(SYS_setns, inside->file, 0));
    return 0;
}

static int nothing_is_run(const struct inside *inside)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    DENIED(execv("/bin/true", argv));
    DENIED(syscall(SYS_execveat, inside->file, "", argv, NULL, AT_EMPTY_PATH));
    DENIED(syscall(SYS_fork));
    DENIED(syscall(SYS_vfork));
    DENIED(syscall(SYS_clone3, NULL, 0));
    TRY(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TRY(page != MAP_FAILED);
    DENIED(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    return 0;
}

static int rights_are_gone(const struct inside *inside)
{
    (void)inside;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    DENIED(syscall(SYS_capset, &header, data));
    DENIED(setuid(0));
    DENIED(setgid(0));
    TRY(SANITIZED || getuid() != 0);
    TRY(SANITIZED || geteuid() != 0);
    TRY(SANITIZED || getgid() != 0);
    return 0;
}

static void *double_it(void *number)
{
    *(int *)number *= 2;
    return NULL;
}

/* What lkmfs does. */
static int work_goes_on(const struct inside *inside)
{
    char bytes[64];
    struct stat status;
    TRY(pread(inside->file, bytes, sizeof(bytes), 16) == (ssize_t)sizeof(bytes));
    TRY(fstat(inside->file, &status) == 0 && status.st_size == 4096);
    TRY(lseek(inside->file, 0, SEEK_DATA) == 0);
    (void)isatty(STDERR_FILENO);
    void *big = malloc((size_t)64 << 20);
    TRY(big);
    free(big);
    pthread_t thread;
    int number = 21;
    TRY(pthread_create(&thread, NULL, double_it, &number) == 0 && pthread_join(thread, NULL) == 0 && number == 42);
    TRY(sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) == 0);
    TRY(raise(SIGUSR1) == 0);
    TRY(nanosleep(&(struct timespec){.tv_nsec = 1000}, NULL) == 0);
    TRY(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1000}, NULL) == 0);
    return 0;
}

static void *sleep_long(void *context)
{
    (void)sleep(60);
    return context;
}

/* libfuse ends its threads so, and the C library then wants another library. */
static int threads_can_be_cancelled(const struct inside *inside)
{
    (void)inside;
    pthread_t thread;
    void *result;
    TRY(pthread_create(&thread, NULL, sleep_long, NULL) == 0);
    TRY(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    return 0;
}

static void expect_without_folder(attempts_fn *attempts)
{
    struct inside inside = open_inside(-1);
    expect_inside(attempts, &inside);
}

Test(sandbox, files_are_out_of_reach)
{
    expect_without_folder(files_are_out_of_reach);
}

Test(sandbox, files_stay_as_they_are)
{
    expect_without_folder(files_stay_as_they_are);
}

Test(sandbox, nobody_is_reached)
{
    expect_without_folder(nobody_is_reached);
}

Test(sandbox, nothing_is_run)
{
    expect_without_folder(nothing_is_run);
}

Test(sandbox, rights_are_gone)
{
    expect_without_folder(rights_are_gone);
}

Test(sandbox, work_goes_on)
{
    expect_without_folder(work_goes_on);
}

Test(sandbox, threads_can_be_cancelled)
{
    expect_without_folder(threads_can_be_cancelled);
}

#define NEW_FILE (O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC)

static int only_new_files_in_the_folder(const struct inside *inside)
{
    int folder = inside->folder;
    int file = openat(folder, "new", NEW_FILE, 0600);
    TRY(file >= 0);
    TRY(write(file, "x", 1) == 1 && close(file) == 0);
    TRY(renameat(folder, "new", folder, "newer") == 0);
    TRY(openat(folder, "newer", NEW_FILE, 0600) < 0 && errno == EEXIST);
    file = openat(folder, "gone", NEW_FILE, 0600);
    TRY(file >= 0 && close(file) == 0 && unlinkat(folder, "gone", 0) == 0);

    TRY(SANITIZED || openat(folder, "newer", O_WRONLY) < 0);
    TRY(SANITIZED || openat(folder, "newer", O_RDONLY) < 0);
    DENIED(unlinkat(folder, "sub", AT_REMOVEDIR));
    DENIED(renameat(folder, "newer", AT_FDCWD, "newer"));
    return 0;
}

/* Paths that lead out of the folder are for Landlock to see. */
static int no_way_out_of_the_folder(const struct inside *inside)
{
    DENIED(openat(inside->folder, "../out", NEW_FILE, 0600));
    DENIED(openat(inside->folder, "/tmp/lkmfs-sandbox", NEW_FILE, 0600));
    DENIED(unlinkat(inside->folder, inside->path, 0));
    TRY(renameat(inside->folder, inside->path, inside->folder, "stolen") < 0);
    return 0;
}

static struct inside open_with_folder(void)
{
    char *path = strdup(scratch_path("folder"));
    cr_assert_eq(mkdir(path, 0755), 0);
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_geq(folder, 0);
    free(path);
    return open_inside(folder);
}

Test(sandbox, only_new_files_in_the_folder)
{
    struct inside inside = open_with_folder();
    expect_inside(only_new_files_in_the_folder, &inside);
}

Test(sandbox, no_way_out_of_the_folder)
{
    if (SANITIZED || syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
        cr_skip_test("only Landlock tells paths apart");
    struct inside inside = open_with_folder();
    expect_inside(no_way_out_of_the_folder, &inside);
    cr_assert_eq(access(inside.path, F_OK), 0);
}
