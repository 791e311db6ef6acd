/* test_image_progress.c - how far it is, told to people only, and only when it takes long. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "image/progress.h"

/* What a terminal (or a file) in place of standard error gets of an index that took `seconds` so far. */
static const char *shown(bool terminal, int seconds)
{
    static char text[256];
    int ends[2], old = dup(STDERR_FILENO);
    memset(text, 0, sizeof(text));
    cr_assert_eq(terminal ? openpty(&ends[0], &ends[1], NULL, NULL, NULL) : pipe(ends), 0);
    cr_assert_geq(dup2(ends[1], STDERR_FILENO), 0);
    struct image_progress progress = image_progress_begin(1000);
    progress.begun.tv_sec -= seconds;
    image_progress_show(&progress, 0);
    image_progress_show(&progress, 421);
    image_progress_show(&progress, 422); /* the same */
    image_progress_show(&progress, 2000);
    image_progress_end(&progress);
    cr_assert_geq(dup2(old, STDERR_FILENO), 0);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (ssize_t got, at = 0; (got = read(ends[0], text + at, sizeof(text) - 1 - (size_t)at)) > 0;)
        at += got;
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(old);
    return text;
}

Test(image_progress, is_shown_and_taken_back)
{
    cr_expect_str_eq(shown(true, 10), "\rlkmfs: reading the image's index: 42 %"
                                      "\rlkmfs: reading the image's index: 100 %"
                                      "\r\033[K");
}

Test(image_progress, says_nothing_when_it_is_soon_done_or_nobody_looks)
{
    cr_expect_str_empty(shown(true, 0));
    cr_expect_str_empty(shown(false, 10));
}
