/*
 * endbr.c - .ibt_endbr_seal: endbr64 in the file, a NOP of four bytes in memory on CPUs with IBT.
 */
#include <string.h>

#include "object/x86_64/sites.h"

static void undo_seal(struct restore *r, const struct site *site, const struct site_entry *entry)
{
    static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
    static const uint8_t forms[][4] = {
        {0xf3, 0x0f, 0x1e, 0xfa}, /* not sealed */
        {0x66, 0x0f, 0x1f, 0x00}, /* gen_endbr_poison() [5.18-6.14] */
        {0x0f, 0x1f, 0x40, 0xd6}, /* [6.15+] */
    };
    (void)entry;
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms) && site->size >= 4; i++) {
        if (memcmp(site->bytes, forms[i], 4) == 0) {
            site_write(r, site, endbr64, sizeof(endbr64));
            return;
        }
    }
    restore_failed(r, RULE_ENDBR, site->address, "neither endbr64 nor its seal");
}

const struct site_rule endbr_rule = {".ibt_endbr_seal", 4, false, RULE_ENDBR, undo_seal};
