/*
 * report_html.h - /report.html: what was found, as one self-contained page for a browser.
 */
#ifndef LKMFS_FS_REPORT_HTML_H
#define LKMFS_FS_REPORT_HTML_H

#include <stddef.h>

#include "lkmfs/tree.h"

/* malloc'd; NULL without memory. The same image always gives the same page. */
char *report_html(const struct lkmfs_session *session, size_t *size);

#endif
