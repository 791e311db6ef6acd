#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lkmfs/error.h"

/* A hostile image can make lkmfs doubt without end; past this many bytes the log says so and stops growing. */
#define LOG_LIMIT ((size_t)4 << 20)

struct lkmfs_log {
    pthread_mutex_t lock;
    char *text;
    size_t size, capacity; /* size without the NUL */
    size_t doubts;
    bool echo, full;
};

struct lkmfs_log *lkmfs_log_new(bool echo)
{
    struct lkmfs_log *log = calloc(1, sizeof(*log));
    if (!log)
        return NULL;
    log->capacity = 4096;
    log->text = calloc(1, log->capacity);
    if (!log->text || pthread_mutex_init(&log->lock, NULL) != 0) {
        free(log->text);
        free(log);
        return NULL;
    }
    log->echo = echo;
    return log;
}

void lkmfs_log_free(struct lkmfs_log *log)
{
    if (!log)
        return;
    (void)pthread_mutex_destroy(&log->lock);
    free(log->text);
    free(log);
}

static void append(struct lkmfs_log *log, const char *line)
{
    size_t size = strlen(line);
    if (log->full)
        return;
    if (log->size + size >= LOG_LIMIT) {
        log->full = true;
        line = "doubt: the log is full; further lines were dropped\n";
        size = strlen(line);
    }
    if (log->size + size + 1 > log->capacity) {
        size_t grown = (log->capacity + size) * 2;
        char *text = realloc(log->text, grown);
        if (!text) {
            log->full = true;
            return;
        }
        log->text = text;
        log->capacity = grown;
    }
    memcpy(log->text + log->size, line, size + 1);
    log->size += size;
}

void lkmfs_log_add(struct lkmfs_log *log, enum lkmfs_log_kind kind, const char *format, ...)
{
    if (!log)
        return;
    char line[1024];
    int used = snprintf(line, sizeof(line), "%s: ", kind == LKMFS_LOG_DOUBT ? "doubt" : "note");
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
    va_end(args);
    /* Names from the image may hold control characters; a log line must stay one line. */
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    size_t length = strlen(line); /* at most sizeof(line) - 2: vsnprintf() was given one byte less */
    line[length] = '\n';
    line[length + 1] = 0;

    (void)pthread_mutex_lock(&log->lock);
    log->doubts += kind == LKMFS_LOG_DOUBT;
    append(log, line);
    (void)pthread_mutex_unlock(&log->lock);
    if (log->echo)
        (void)fputs(line, stderr);
}

char *lkmfs_log_text(struct lkmfs_log *log)
{
    if (!log)
        return strdup("");
    (void)pthread_mutex_lock(&log->lock);
    char *text = strdup(log->text);
    (void)pthread_mutex_unlock(&log->lock);
    return text;
}

size_t lkmfs_log_doubts(struct lkmfs_log *log)
{
    if (!log)
        return 0;
    (void)pthread_mutex_lock(&log->lock);
    size_t doubts = log->doubts;
    (void)pthread_mutex_unlock(&log->lock);
    return doubts;
}
