/*
 * traces.h - the traces by which modules are found. None is trusted alone, none is needed.
 */
#ifndef LKMFS_MODULE_TRACES_H
#define LKMFS_MODULE_TRACES_H

#include "module/modules.h"

/* Addresses of struct module, each with the traces that named it. */
struct trace_set {
    struct trace_found {
        uint64_t address;
        unsigned traces;
    } * found;
    size_t count, capacity;
    size_t candidates_left; /* of the scan */
    bool out_of_memory;
};

/* Notes that `trace` names the struct module at `address`. */
void trace_add(struct trace_set *set, uint64_t address, enum lkmfs_trace trace);

/* Each follows one trace and adds what it names. */
void trace_list(const struct lkmfs_modules *modules, struct trace_set *set);
void trace_scan(const struct lkmfs_modules *modules, struct trace_set *set);
void trace_latch_tree(const struct lkmfs_modules *modules, struct trace_set *set);

#endif
