/*
 * error.h - the one error type and the log of what was found and doubted.
 *
 * Every function that can fail returns bool (or a count) and fills a caller-owned struct lkmfs_error. The message is
 * one line made where the cause is known; it is printed once, at the edge of the program.
 */
#ifndef LKMFS_ERROR_H
#define LKMFS_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum lkmfs_error_code {
    LKMFS_ERROR_NONE = 0,
    LKMFS_ERROR_NO_MEMORY, /* the host ran out of memory */
    LKMFS_ERROR_IO,        /* the host could not read or write a file */
    LKMFS_ERROR_READ,      /* the host could not read an image that was open already */
    LKMFS_ERROR_USAGE,     /* a bad option or argument */
    LKMFS_ERROR_FORMAT,    /* the file is no memory image that lkmfs reads */
    LKMFS_ERROR_NOT_FOUND, /* no kernel, no such module, no such field */
    LKMFS_ERROR_DAMAGED,   /* there, but unreadable or contradicting itself */
};

struct lkmfs_error {
    enum lkmfs_error_code code;
    uint64_t address;  /* file offset, physical or virtual address the message speaks of; 0 if none */
    char message[480]; /* one line, no newline */
};

/* Fills *err, which may be NULL. */
void lkmfs_error_set(struct lkmfs_error *err, enum lkmfs_error_code code, uint64_t address, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline bool lkmfs_failed(void)
{
    return false;
}

/*
 * lkmfs_error_set() for `return lkmfs_fail(...)`: false, in a way that compilers and analyzers see.
 */
#define lkmfs_fail(...) (lkmfs_error_set(__VA_ARGS__), lkmfs_failed())

/* lkmfs_fail() for an allocation that failed. */
static inline bool lkmfs_fail_memory(struct lkmfs_error *err)
{
    return lkmfs_fail(err, LKMFS_ERROR_NO_MEMORY, 0, "out of memory");
}

/*
 * The log: an append-only text, one line an entry, safe to append to from several threads. It becomes /log.txt. Every
 * function taking a log accepts NULL.
 */
struct lkmfs_log;

enum lkmfs_log_kind {
    LKMFS_LOG_NOTE,  /* how something was found */
    LKMFS_LOG_DOUBT, /* something lost, contradictory or guessed */
};

/* Returns a new empty log, or NULL without memory. With `echo` every line also goes to standard error (verbose). */
struct lkmfs_log *lkmfs_log_new(bool echo);
void lkmfs_log_free(struct lkmfs_log *log);
void lkmfs_log_add(struct lkmfs_log *log, enum lkmfs_log_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns the whole text so far, malloc'd and NUL-terminated, for the caller to free; NULL without memory. */
char *lkmfs_log_text(struct lkmfs_log *log);

/* Number of LKMFS_LOG_DOUBT lines so far. */
size_t lkmfs_log_doubts(struct lkmfs_log *log);

#endif
