#include <stdlib.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/message.h"
#include "fs/modules_text.h"

static int put_table(const struct lkmfs_session *session)
{
    size_t size = 0;
    char *text = modules_text(lkmfs_session_modules(session), true, &size);
    if (!text) {
        message_error("out of memory");
        return EXIT_SYSTEM;
    }
    bool ok = message_output(text, size);
    free(text);
    return ok ? EXIT_OK : EXIT_SYSTEM;
}

int command_ls(int argc, char **argv)
{
    struct arguments arguments;
    int status = arguments_parse(&arguments, argc, argv, ARGUMENT_JSON, 1, 1);
    if (status != EXIT_OK || arguments.help)
        return status != EXIT_OK ? status : command_help(argv[0]);
    struct lkmfs_session *session;
    status = command_open(arguments.operands[0], &arguments.options, NULL, &session);
    if (status != EXIT_OK)
        return status;
    command_say_doubts(arguments.operands[0], &arguments.options, session);
    status = arguments.json ? command_put_file(session, &arguments.options, "modules.json") : put_table(session);
    lkmfs_session_close(session);
    return status;
}
