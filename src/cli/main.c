#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/heap.h"
#include "cli/message.h"

/*
 * Closed standard descriptors would be taken by the image or by FUSE, and a message end up in them. Each is opened the
 * wrong way round, so that using it is still an error.
 */
static bool fill_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd == STDIN_FILENO || fd == STDOUT_FILENO || fd == STDERR_FILENO) {
            (void)close(fd);
            fd = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    } while (fd >= 0 && fd <= STDERR_FILENO);
    return fd > STDERR_FILENO && close(fd) == 0;
}

static bool is_mount_helper(const char *program)
{
    const char *slash = strrchr(program, '/');
    return strcmp(slash ? slash + 1 : program, "mount.lkmfs") == 0;
}

/* mount.fuse3(8) runs `lkmfs IMAGE DIR -o ...` for the file system type fuse.lkmfs. */
static bool is_bare_mount(int argc, char **argv)
{
    return argc >= 3 && argv[1][0] != '-' && (strchr(argv[1], '/') || access(argv[1], F_OK) == 0);
}

static int run(int argc, char **argv)
{
    if (argc > 0 && is_mount_helper(argv[0]))
        return command_mount_helper(argc, argv);
    if (argc < 2)
        return message_usage(NULL, "which command?");
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return message_output("lkmfs " LKMFS_VERSION "\n", strlen("lkmfs " LKMFS_VERSION "\n")) ? EXIT_OK : EXIT_SYSTEM;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return command_help(NULL);
    if (strcmp(argv[1], "help") == 0)
        return argc > 3 ? message_usage(NULL, "too many arguments: '%s'", argv[3]) : command_help(argv[2]);
    const struct command *command = command_find(argv[1]);
    if (command)
        return command->run(argc - 1, argv + 1);
    if (is_bare_mount(argc, argv))
        return command_mount(argc, argv);
    return message_usage(NULL, "unknown %s '%s'", argv[1][0] == '-' ? "option" : "command", argv[1]);
}

int main(int argc, char **argv)
{
    if (!fill_standard_descriptors())
        return EXIT_SYSTEM;
    heap_prepare();
    /* A closed pipe is an error of writing like any other. */
    (void)signal(SIGPIPE, SIG_IGN);
    return run(argc, argv);
}
