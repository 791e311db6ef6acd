/*
 * session_json.h - the image and the kernel found in it as JSON: `lkmfs info --json`.
 */
#ifndef LKMFS_FS_SESSION_JSON_H
#define LKMFS_FS_SESSION_JSON_H

#include <stddef.h>

#include "lkmfs/tree.h"

/* malloc'd; NULL without memory. Timings make it differ from run to run, so it is no file of the tree. */
char *session_json(const struct lkmfs_session *session, size_t *size);

/* How many modules are not on the kernel's list. */
size_t session_hidden(const struct lkmfs_session *session);

#endif
