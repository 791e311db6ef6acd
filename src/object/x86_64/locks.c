/*
 * locks.c - .smp_locks: the lock prefix, f0, in the file; 3e in memory on machines with one CPU.
 */
#include "object/x86_64/sites.h"

static void undo_lock(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    static const uint8_t lock[] = {0xf0};
    (void)entry;
    /* The decoder must still see the instruction: the byte is changed, but not owned. */
    if (site->bytes[0] == 0x3e) {
        site_write(r, site, lock, sizeof(lock));
        r->owned[site->section][site->offset] = 0;
    } else if (site->bytes[0] != 0xf0 && !(site->bytes[0] == 0x66 && site->size > 1 && site->bytes[1] == 0xf0)) {
        restore_failed(r, RULE_LOCK, site->address, "no lock prefix");
    }
}

const struct site_rule lock_rule = {".smp_locks", 4, false, RULE_LOCK, undo_lock};
