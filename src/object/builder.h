/*
 * builder.h - what all builds of one image share.
 */
#ifndef LKMFS_OBJECT_BUILDER_H
#define LKMFS_OBJECT_BUILDER_H

#include <pthread.h>

#include "object/evidence.h"
#include "object/patches.h"

struct lkmfs_builder {
    const struct lkmfs_modules *modules;
    struct lkmfs_log *log;
    const struct machine *machine;

    /* The rest is made at the first build, because it reads all modules; immutable from then on. */
    pthread_mutex_t lock;
    bool ready;
    struct lkmfs_exports *exports;
    struct machine_context *context;
    struct evidence evidence;
};

/* Makes what is made late. Safe from several threads. Errors: NO_MEMORY. */
bool builder_prepare(const struct lkmfs_builder *builder, struct lkmfs_error *err);

#endif
