#include "cli/command.h"
#include "cli/message.h"

int command_check(int argc, char **argv)
{
    (void)argc;
    message_error("%s: not in this version yet", argv[0]);
    /* Not 1, which says what was asked for: something was found. */
    return EXIT_SYSTEM;
}
