/* test_base_log.c - errors and the log: one line each, whatever an image put into them. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lkmfs/error.h"

Test(error, filled)
{
    struct lkmfs_error err = {0};
    cr_assert_not(lkmfs_fail(&err, LKMFS_ERROR_DAMAGED, 0x1234, "%s at %d", "torn", 7));
    cr_assert_eq(err.code, LKMFS_ERROR_DAMAGED);
    cr_assert_eq(err.address, 0x1234);
    cr_assert_str_eq(err.message, "torn at 7");
    cr_assert_not(lkmfs_fail_memory(&err));
    cr_assert_eq(err.code, LKMFS_ERROR_NO_MEMORY);
    cr_assert_neq(err.message[0], 0);
}

Test(error, null_is_taken)
{
    cr_assert_not(lkmfs_fail(NULL, LKMFS_ERROR_IO, 0, "x"));
    cr_assert_not(lkmfs_fail_memory(NULL));
}

Test(error, long_message_is_cut)
{
    struct lkmfs_error err = {0};
    (void)lkmfs_fail(&err, LKMFS_ERROR_IO, 0, "%2000d", 1);
    cr_assert_eq(strlen(err.message), sizeof(err.message) - 1);
}

static void expect_text(struct lkmfs_log *log, const char *text)
{
    char *got = lkmfs_log_text(log);
    cr_assert_str_eq(got, text);
    free(got);
}

Test(log, lines_and_doubts)
{
    struct lkmfs_log *log = lkmfs_log_new(false);
    expect_text(log, "");
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "found %d", 1);
    lkmfs_log_add(log, LKMFS_LOG_DOUBT, "lost %s", "much");
    lkmfs_log_add(log, LKMFS_LOG_DOUBT, "%s", "");
    expect_text(log, "note: found 1\ndoubt: lost much\ndoubt: \n");
    cr_assert_eq(lkmfs_log_doubts(log), 2);
    lkmfs_log_free(log);
}

Test(log, null_is_taken)
{
    lkmfs_log_add(NULL, LKMFS_LOG_DOUBT, "x");
    cr_assert_eq(lkmfs_log_doubts(NULL), 0);
    expect_text(NULL, "");
    lkmfs_log_free(NULL);
}

Test(log, a_line_stays_a_line)
{
    struct lkmfs_log *log = lkmfs_log_new(false);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "module %s", "a\nnote: forged\r\x1b[31m\x7f");
    expect_text(log, "note: module a?note: forged??[31m?\n");
    lkmfs_log_free(log);
}

Test(log, long_lines_are_cut)
{
    struct lkmfs_log *log = lkmfs_log_new(false);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "%3000d", 1);
    lkmfs_log_add(log, LKMFS_LOG_NOTE, "next");
    char *text = lkmfs_log_text(log);
    char *end = strchr(text, '\n');
    cr_assert_not_null(end);
    cr_assert_leq(end - text, 1024);
    cr_assert_str_eq(end + 1, "note: next\n");
    free(text);
    lkmfs_log_free(log);
}

/* An image can make lkmfs doubt without end; the log can't grow without end. */
Test(log, is_full_some_day)
{
    struct lkmfs_log *log = lkmfs_log_new(false);
    for (unsigned i = 0; i < 20000; i++)
        lkmfs_log_add(log, LKMFS_LOG_DOUBT, "%900u", i);
    char *text = lkmfs_log_text(log);
    cr_assert_lt(strlen(text), (size_t)5 << 20);
    cr_assert_gt(strlen(text), (size_t)3 << 20);
    const char *last = "the log is full; further lines were dropped\n";
    cr_assert_str_eq(text + strlen(text) - strlen(last), last);
    cr_assert_eq(lkmfs_log_doubts(log), 20000); /* counted all the same */
    free(text);
    lkmfs_log_free(log);
}

#define THREADS 8
#define LINES   500

static void *add_lines(void *log)
{
    for (unsigned i = 0; i < LINES; i++)
        lkmfs_log_add(log, i % 2 ? LKMFS_LOG_NOTE : LKMFS_LOG_DOUBT, "a line of one thread");
    return NULL;
}

Test(log, from_several_threads)
{
    struct lkmfs_log *log = lkmfs_log_new(false);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_lines, log), 0);
    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    char *text = lkmfs_log_text(log);
    size_t lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
        cr_assert(strcmp(line, "note: a line of one thread") == 0 || strcmp(line, "doubt: a line of one thread") == 0);
    cr_assert_eq(lines, THREADS * LINES);
    cr_assert_eq(lkmfs_log_doubts(log), THREADS * LINES / 2);
    free(text);
    lkmfs_log_free(log);
}
