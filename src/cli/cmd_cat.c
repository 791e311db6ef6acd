#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/message.h"

int command_cat(int argc, char **argv)
{
    struct arguments arguments;
    int status = arguments_parse(&arguments, argc, argv, 0, 2, 2);
    if (status != EXIT_OK || arguments.help)
        return status != EXIT_OK ? status : command_help(argv[0]);
    struct lkmfs_session *session;
    status = command_open(arguments.operands[0], &arguments.options, NULL, &session);
    if (status != EXIT_OK)
        return status;
    status = command_put_file(session, &arguments.options, arguments.operands[1]);
    lkmfs_session_close(session);
    return status;
}
