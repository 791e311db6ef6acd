/*
 * sandbox.h - takes from the process all rights but those that reading an open image takes: once, for all of its
 * threads, and for good. Image bytes are hostile; should they get the better of lkmfs, this is what they have won.
 */
#ifndef LKMFS_CLI_SANDBOX_H
#define LKMFS_CLI_SANDBOX_H

#include <stdbool.h>

#include "lkmfs/error.h"

/*
 * Enters the sandbox. What is open stays usable; but no file, socket or program can be opened or run, no other process
 * be touched, and memory not be made executable: the system calls for that fail with EPERM. With `folder` (a
 * descriptor; -1: none) new files can be made in that folder, and nothing else be opened. Root becomes nobody, or with
 * a `folder` keeps only the right to write there. Errors: IO (the system has no seccomp).
 *
 * Layers: no_new_privs, Landlock (where the kernel has it: Linux 5.13), user and capabilities, seccomp.
 */
bool sandbox_enter(int folder, struct lkmfs_error *err);

#endif
