#include "cli/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define NOBODY 65534 /* the kernel's overflow user and group, whatever the system calls them */

/* Files that libraries would open when it is too late. */
static void load_late_files(void)
{
    json_object_seed(0); /* /dev/urandom */
    (void)dlopen("libgcc_s.so.1",
                 RTLD_NOW | RTLD_LOCAL); /* by pthread_cancel(3), which libfuse ends its threads with */
}

/* ---- Landlock: no path leads anywhere but into the folder ---- */

/* What kernels know that are newer than the header. */
#define ACCESS_TRUNCATE  (UINT64_C(1) << 14)
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15)

static uint64_t landlock_rights(long version)
{
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* all of version 1 */
    rights |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    rights |= version >= 3 ? ACCESS_TRUNCATE : 0;
    return rights | (version >= 5 ? ACCESS_IOCTL_DEV : 0);
}

static bool landlock_allow(int rules, int folder, uint64_t rights)
{
    const struct landlock_path_beneath_attr beneath = {.allowed_access = rights, .parent_fd = folder};
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
}

/* Without Landlock seccomp has to do, which can't tell one path from another. */
static bool enter_landlock(int folder)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return true;
    const struct landlock_ruleset_attr attr = {.handled_access_fs = landlock_rights(version)};
    int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    if (rules < 0)
        return false;
    bool ok = folder < 0 || landlock_allow(rules, folder,
                                           LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                               LANDLOCK_ACCESS_FS_REMOVE_FILE);
    ok = ok && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
    (void)close(rules);
    return ok;
}

/* ---- user and capabilities ---- */

/* Keeps those in `mask`, of the first 32; losing what one has is always allowed. */
static bool keep_capabilities(uint32_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    if (syscall(SYS_capget, &header, data) != 0)
        return false;
    data[0].permitted = data[0].effective = data[0].permitted & mask;
    data[1] = (struct __user_cap_data_struct){0};
    data[0].inheritable = 0;
    return syscall(SYS_capset, &header, data) == 0;
}

static bool drop_user(int folder)
{
    if (folder >= 0)
        return keep_capabilities(1U << CAP_DAC_OVERRIDE);
    if (geteuid() == 0 &&
        (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0))
        errno = 0; /* no such user in this container: root is left, but without any capability */
    return keep_capabilities(0);
}

/* ---- seccomp ---- */

/* What reading, building, FUSE, NBD, threads and the C library take, whatever their arguments. */
static const int plain_calls[] = {
    /* open descriptors */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(lseek),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(dup2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(shutdown),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    /* threads and signals */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(membarrier),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(restart_syscall),
    /* time, chance, and who I am */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getrandom),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(sysinfo),
    /* a daemon's first steps; no file comes of them */
    SCMP_SYS(chdir),
    SCMP_SYS(setsid),
};

/* Calls of which only some uses are allowed: argument `arg`, masked, must be `value`. */
static const struct {
    int call;
    struct scmp_arg_cmp arg;
} guarded_calls[] = {
    {SCMP_SYS(mmap), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {SCMP_SYS(mprotect), SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    {SCMP_SYS(clone), SCMP_A0_64(SCMP_CMP_MASKED_EQ, CLONE_VM | CLONE_THREAD, CLONE_VM | CLONE_THREAD)},
    {SCMP_SYS(ioctl), SCMP_A1_64(SCMP_CMP_EQ, TCGETS, 0)}, /* isatty(3) */
    {SCMP_SYS(fcntl), SCMP_A1_64(SCMP_CMP_EQ, F_GETFD, 0)},
    {SCMP_SYS(fcntl), SCMP_A1_64(SCMP_CMP_EQ, F_GETFL, 0)},
    {SCMP_SYS(newfstatat), SCMP_A3_64(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH)}, /* fstat(3) */
    {SCMP_SYS(prctl), SCMP_A0_64(SCMP_CMP_EQ, PR_SET_NAME, 0)},
    {SCMP_SYS(prctl), SCMP_A0_64(SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0)},
};

/* What sanitizers do to look for leaks and to print where they found something. */
static const int sanitizer_calls[] = {
    SCMP_SYS(openat),
    SCMP_SYS(open),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getdents64),
    SCMP_SYS(getdents),
    SCMP_SYS(clone),
    SCMP_SYS(ptrace),
    SCMP_SYS(wait4),
    SCMP_SYS(prctl),
    SCMP_SYS(newfstatat),
    SCMP_SYS(stat),
    SCMP_SYS(prlimit64),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(sched_setscheduler),
    SCMP_SYS(personality),
    SCMP_SYS(getrlimit),
    SCMP_SYS(uname),
    SCMP_SYS(mincore),
    SCMP_SYS(process_vm_readv),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The 32-bit argument `arg` is `value`. */
static struct scmp_arg_cmp argument_is(unsigned arg, uint32_t value)
{
    return (struct scmp_arg_cmp){.arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = UINT32_MAX, .datum_b = value};
}

static bool allow_calls(scmp_filter_ctx filter, const int *calls, size_t count)
{
    bool ok = true;
    for (size_t i = 0; i < count; i++)
        ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) == 0;
    return ok;
}

/* As output_folder_write() does it: only new files, and never through a link. */
static bool allow_folder(scmp_filter_ctx filter, int folder)
{
    const uint32_t flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const struct scmp_arg_cmp here = argument_is(0, (uint32_t)folder);
    const struct scmp_arg_cmp there = argument_is(2, (uint32_t)folder);
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 2, here, argument_is(2, flags)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(renameat), 2, here, there) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(unlinkat), 2, here, argument_is(2, 0)) == 0;
}

static bool add_rules(scmp_filter_ctx filter, int folder)
{
    bool ok = allow_calls(filter, plain_calls, COUNT(plain_calls));
    for (size_t i = 0; i < COUNT(guarded_calls); i++)
        ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, guarded_calls[i].call, 1, guarded_calls[i].arg) == 0;
    /* Its flags are out of a filter's sight; glibc goes back to clone when told that there is no such call. */
    ok = ok && seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) == 0;
    /* abort(3) */
    ok = ok && seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, argument_is(0, (uint32_t)getpid())) == 0;
    if (SANITIZED)
        ok = ok && allow_calls(filter, sanitizer_calls, COUNT(sanitizer_calls));
    return ok && (folder < 0 || allow_folder(filter, folder));
}

static bool enter_seccomp(int folder)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter || seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0 || !add_rules(filter, folder)) {
        seccomp_release(filter);
        errno = EINVAL;
        return false;
    }
    int result = seccomp_load(filter);
    seccomp_release(filter);
    errno = -result;
    return result == 0;
}

bool sandbox_enter(int folder, struct lkmfs_error *err)
{
    load_late_files();
    /* Sanitizers read /proc, and trace the process to look for leaks, for which it must be its user's own. */
    bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
              (SANITIZED || (enter_landlock(folder) && drop_user(folder))) && enter_seccomp(folder);
    return ok || lkmfs_fail(err, LKMFS_ERROR_IO, 0,
                            "cannot enter the sandbox, which takes a kernel with seccomp: %s; sandbox=off goes without",
                            strerror(errno));
}
