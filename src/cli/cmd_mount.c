#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/message.h"
#include "fs/fuse_guard.h"
#include "fs/fuse_mount.h"
#include "fs/fuse_serve.h"

struct mount_arguments {
    struct cli_options options;
    const char *image, *mountpoint;
    const char *name_space; /* -N: mount there */
    char **lists;           /* values of -o, in their order */
    size_t list_count;
    bool helper; /* called by mount(8) */
    bool help, foreground, fake, sloppy;
};

static int apply(struct mount_arguments *arguments, int code)
{
    switch (code) {
    case 1: /* an operand: mount(8) puts them first */
        if (arguments->mountpoint)
            return message_usage("mount", "too many arguments: '%s'", optarg);
        *(arguments->image ? &arguments->mountpoint : &arguments->image) = optarg;
        return EXIT_OK;
    case 'o':
        arguments->lists[arguments->list_count++] = optarg;
        return EXIT_OK;
    case 'f':
        *(arguments->helper ? &arguments->fake : &arguments->foreground) = true;
        return EXIT_OK;
    case 's':
        arguments->sloppy = true;
        return EXIT_OK;
    case 'v':
        arguments->options.verbose = true;
        return EXIT_OK;
    case 'N':
        arguments->name_space = optarg;
        return EXIT_OK;
    case 'h':
        arguments->help = true;
        return EXIT_OK;
    case 'n': /* don't write /etc/mtab: nobody does */
    case 't': /* the type: this is it */
        return EXIT_OK;
    case ':':
        return message_usage("mount", "option '-%c' needs a value", optopt);
    default:
        return message_usage("mount", "unknown option '-%c'", optopt ? optopt : '-');
    }
}

/* -s counts for all lists, wherever it stands. */
static int apply_lists(struct mount_arguments *arguments)
{
    struct lkmfs_error err;
    for (size_t i = 0; i < arguments->list_count; i++)
        if (!options_set_list(&arguments->options, arguments->lists[i], arguments->sloppy, &err))
            return message_usage("mount", "%s", err.message);
    return EXIT_OK;
}

static int parse(struct mount_arguments *arguments, int argc, char **argv)
{
    static const struct option longs[] = {{"help", no_argument, NULL, 'h'}, {0}};
    options_init(&arguments->options);
    opterr = 0;
    optind = 0;
    int code, status = EXIT_OK;
    while (status == EXIT_OK && (code = getopt_long(argc, argv, "-:o:fsvnht:N:", longs, NULL)) != -1)
        status = code == '?' && optopt == 0 ? message_usage("mount", "unknown option '%s'", argv[optind - 1])
                                            : apply(arguments, code);
    for (; status == EXIT_OK && optind < argc; optind++) { /* after "--" */
        optarg = argv[optind];
        status = apply(arguments, 1);
    }
    if (status != EXIT_OK || arguments->help)
        return status;
    if (!arguments->mountpoint)
        return message_usage("mount", "%s", arguments->image ? "mount where?" : "which image?");
    return apply_lists(arguments);
}

/* Goes where `mount -N` wants the mount; the image was opened before, where the caller is. */
static bool enter_name_space(const char *path, struct lkmfs_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && setns(fd, CLONE_NEWNS) == 0;
    if (!ok)
        (void)lkmfs_fail(err, LKMFS_ERROR_IO, 0, "cannot enter the mount name space '%s': %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* What both processes know. */
struct mount {
    const struct mount_arguments *arguments;
    const char *image; /* absolute */
    char *mountpoint;  /* absolute; NULL until it is known */
    uid_t uid;         /* the caller's, whatever the sandbox makes of it */
    gid_t gid;
};

static void on_idle(void *link)
{
    fuse_guard_idle(link);
}

static int serve_tree(struct lkmfs_tree *tree, const struct mount *mount, const struct fuse_link *link)
{
    struct lkmfs_error err;
    const struct fuse_serve_options options = {
        .uid = mount->uid,
        .gid = mount->gid,
        .threads = mount->arguments->options.threads,
        .timeout = mount->arguments->options.timeout,
        .on_idle = on_idle,
        .idle_context = (void *)(uintptr_t)link,
    };
    int device = fuse_guard_ready(link);
    if (device < 0)
        return EXIT_NO_USE;
    return fuse_serve(tree, device, &options, &err) ? EXIT_OK : message_open_failed(&err);
}

/* All of the process that reads the image. */
static int serve(void *context, const struct fuse_link *link)
{
    const struct mount *mount = context;
    const struct cli_options *options = &mount->arguments->options;
    struct lkmfs_error err;
    struct lkmfs_session *session;
    struct lkmfs_tree *tree;
    int status = command_open(mount->image, options, NULL, &session);
    if (status != EXIT_OK)
        return status;
    command_say_doubts(mount->image, options, session);
    if (lkmfs_tree_new(session, options->cache_bytes, &tree, &err)) {
        status = serve_tree(tree, mount, link);
        lkmfs_tree_free(tree);
    } else {
        status = message_open_failed(&err);
    }
    lkmfs_session_close(session);
    return status;
}

/* With -N, the mount point is in another name space than the image. */
static const char *find_mountpoint(void *context, struct lkmfs_error *err)
{
    struct mount *mount = context;
    const struct mount_arguments *arguments = mount->arguments;
    if (!mount->mountpoint && enter_name_space(arguments->name_space, err))
        mount->mountpoint = fuse_mount_point(arguments->mountpoint, arguments->options.nonempty, err);
    return mount->mountpoint;
}

static int mount_image(const struct mount_arguments *arguments, const char *image)
{
    struct lkmfs_error err;
    struct mount mount = {.arguments = arguments, .image = image, .uid = getuid(), .gid = getgid()};
    /* Without -N the mount point is looked at first, as that is quick. */
    if (!arguments->name_space &&
        !(mount.mountpoint = fuse_mount_point(arguments->mountpoint, arguments->options.nonempty, &err)))
        return message_open_failed(&err);
    const struct fuse_guard_options options = {
        .source = image,
        .foreground = arguments->foreground,
        .allow_other = arguments->options.allow_other,
        .mountpoint = find_mountpoint,
        .serve = serve,
        .context = &mount,
    };
    int status = EXIT_OK;
    if (!fuse_guard_run(&options, &status, &err))
        status = message_open_failed(&err);
    free(mount.mountpoint);
    return status;
}

static int run(struct mount_arguments *arguments, int argc, char **argv)
{
    arguments->lists = calloc((size_t)argc + 1, sizeof(*arguments->lists));
    if (!arguments->lists) {
        message_error("out of memory");
        return EXIT_SYSTEM;
    }
    int status = parse(arguments, argc, argv);
    free(arguments->lists);
    if (status != EXIT_OK)
        return status;
    if (arguments->help)
        return command_help("mount");
    if (arguments->fake)
        return EXIT_OK;
    /* Absolute, as the daemon leaves this folder. A path that leads nowhere is for the image layer to complain of. */
    char *absolute = realpath(arguments->image, NULL);
    status = mount_image(arguments, absolute ? absolute : arguments->image);
    free(absolute);
    return status;
}

int command_mount(int argc, char **argv)
{
    return run(&(struct mount_arguments){0}, argc, argv);
}

int command_mount_helper(int argc, char **argv)
{
    return run(&(struct mount_arguments){.helper = true}, argc, argv);
}
