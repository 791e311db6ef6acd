#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "base/overflow.h"
#include "memory/paging.h"

/*
 * Recently used blocks, direct-mapped by physical address: of page tables, and of what is read in small pieces, as
 * lists and structs are; a system call for each piece would cost more than all else. What a pointer leads to is
 * scattered, so whole pages would read more of the image than is looked at.
 */
#define CACHE_SLOTS 2048
#define CACHE_LOCKS 64
#define BLOCK       1024
#define PAGE        4096
#define SMALL_READ  256 /* larger reads go to the image itself */

struct block_slot {
    uint64_t block; /* number of the block held, plus 1; 0 if none */
    size_t valid;   /* leading bytes that the image holds */
};

struct lkmfs_space {
    const struct lkmfs_image *image;
    const struct paging *paging;
    enum lkmfs_paging kind;
    uint64_t root;
    pthread_mutex_t locks[CACHE_LOCKS];
    struct block_slot *slots;
    uint8_t (*blocks)[BLOCK]; /* what the slots hold; only touched for those that are used */
};

static const struct paging *const pagings[] = {
    [LKMFS_PAGING_X86_64_4LEVEL] = &paging_x86_64_4level,
    [LKMFS_PAGING_X86_64_5LEVEL] = &paging_x86_64_5level,
};

struct lkmfs_space *lkmfs_space_new(const struct lkmfs_image *image, enum lkmfs_paging paging, uint64_t root)
{
    struct lkmfs_space *space = calloc(1, sizeof(*space));
    if (!space)
        return NULL;
    space->image = image;
    space->paging = pagings[paging];
    space->kind = paging;
    space->root = root & ~(uint64_t)(PAGE - 1);
    space->slots = calloc(CACHE_SLOTS, sizeof(*space->slots));
    space->blocks = malloc(CACHE_SLOTS * sizeof(*space->blocks));
    if (!space->slots || !space->blocks) {
        free(space->slots);
        free(space->blocks);
        free(space);
        return NULL;
    }
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        (void)pthread_mutex_init(&space->locks[i], NULL);
    return space;
}

void lkmfs_space_free(struct lkmfs_space *space)
{
    if (!space)
        return;
    for (size_t i = 0; i < CACHE_LOCKS; i++)
        (void)pthread_mutex_destroy(&space->locks[i]);
    free(space->slots);
    free(space->blocks);
    free(space);
}

enum lkmfs_paging lkmfs_space_paging(const struct lkmfs_space *space)
{
    return space->kind;
}

const struct paging *space_paging(const struct lkmfs_space *space)
{
    return space->paging;
}

const char *lkmfs_paging_name(enum lkmfs_paging paging)
{
    return pagings[paging]->name;
}

uint64_t lkmfs_space_root(const struct lkmfs_space *space)
{
    return space->root;
}

const struct lkmfs_image *lkmfs_space_image(const struct lkmfs_space *space)
{
    return space->image;
}

/* Reads from one block by way of the cache; returns how many of the `size` bytes the image holds. */
static size_t read_cached(const struct lkmfs_space *space, uint64_t phys, void *buffer, size_t size)
{
    uint64_t block = phys / BLOCK;
    size_t offset = phys % BLOCK;
    struct block_slot *slot = &space->slots[block % CACHE_SLOTS];
    uint8_t *bytes = space->blocks[block % CACHE_SLOTS];
    /* The cache is the one thing that changes behind a const space. */
    pthread_mutex_t *lock = (pthread_mutex_t *)&space->locks[block % CACHE_LOCKS];

    (void)pthread_mutex_lock(lock);
    if (slot->block != block + 1) {
        uint64_t failures = lkmfs_image_failures();
        slot->valid = lkmfs_image_read(space->image, block * BLOCK, bytes, BLOCK);
        slot->block = lkmfs_image_failures() == failures ? block + 1 : 0;
    }
    size_t got = offset < slot->valid ? (size_t)min_u64(size, slot->valid - offset) : 0;
    memcpy(buffer, bytes + offset, got);
    (void)pthread_mutex_unlock(lock);
    return got;
}

uint64_t space_table_entry(const struct lkmfs_space *space, uint64_t phys)
{
    uint8_t entry[8];
    return read_cached(space, phys, entry, sizeof(entry)) == sizeof(entry) ? le64(entry) : 0;
}

bool lkmfs_space_translate(const struct lkmfs_space *space, uint64_t virt, struct lkmfs_mapping *ret)
{
    uint64_t next;
    return space->paging->translate(space, virt, ret, &next);
}

bool lkmfs_space_next(const struct lkmfs_space *space, uint64_t virt, uint64_t end, struct lkmfs_mapping *ret)
{
    while (virt < end) {
        uint64_t next;
        if (space->paging->translate(space, virt, ret, &next)) {
            ret->size = min_u64(ret->size, end - virt);
            return true;
        }
        if (next <= virt)
            return false;
        virt = next;
    }
    return false;
}

size_t lkmfs_space_read(const struct lkmfs_space *space, uint64_t virt, void *buffer, size_t size)
{
    uint8_t *out = buffer;
    size_t done = 0;
    while (done < size) {
        struct lkmfs_mapping leaf;
        if (virt + done < virt || !lkmfs_space_translate(space, virt + done, &leaf))
            break;
        size_t want = (size_t)min_u64(leaf.size, size - done);
        bool is_small = want <= SMALL_READ && leaf.phys % BLOCK + want <= BLOCK;
        size_t got = is_small ? read_cached(space, leaf.phys, out + done, want)
                              : lkmfs_image_read(space->image, leaf.phys, out + done, want);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

bool lkmfs_space_read_exact(const struct lkmfs_space *space, uint64_t virt, void *buffer, size_t size)
{
    if (lkmfs_space_read(space, virt, buffer, size) == size)
        return true;
    memset(buffer, 0, size);
    return false;
}

uint64_t lkmfs_space_read_sparse(const struct lkmfs_space *space, uint64_t virt, void *buffer, size_t size,
                                 lkmfs_missing_fn *missing, void *context)
{
    uint8_t *out = buffer;
    uint64_t lost = 0, run = 0; /* run: bytes missing right before `done` and not reported yet */
    size_t done = 0;
    while (done < size) {
        size_t got = lkmfs_space_read(space, virt + done, out + done, size - done);
        if (got && run && missing)
            missing(context, virt + done - run, run);
        if (got)
            run = 0;
        done += got;
        if (done == size)
            break;
        /* An image can end inside a page, so a page is the smallest step that skips what is missing. */
        size_t hole = (size_t)min_u64(PAGE - ((virt + done) & (PAGE - 1)), size - done);
        memset(out + done, 0, hole);
        done += hole;
        run += hole;
        lost += hole;
    }
    if (run && missing)
        missing(context, virt + size - run, run);
    return lost;
}

bool lkmfs_space_u64(const struct lkmfs_space *space, uint64_t virt, uint64_t *ret)
{
    uint8_t bytes[8];
    bool ok = lkmfs_space_read_exact(space, virt, bytes, sizeof(bytes));
    *ret = le64(bytes);
    return ok;
}

bool lkmfs_space_u32(const struct lkmfs_space *space, uint64_t virt, uint32_t *ret)
{
    uint8_t bytes[4];
    bool ok = lkmfs_space_read_exact(space, virt, bytes, sizeof(bytes));
    *ret = le32(bytes);
    return ok;
}

bool lkmfs_space_string(const struct lkmfs_space *space, uint64_t virt, char *buffer, size_t size)
{
    /* Most strings are short: steps that end where SMALL_READ bytes do, and with them every cached block. */
    for (size_t done = 0; done < size;) {
        size_t want = (size_t)min_u64(size - done, SMALL_READ - (virt + done) % SMALL_READ);
        size_t got = lkmfs_space_read(space, virt + done, buffer + done, want);
        if (memchr(buffer + done, 0, got))
            return true;
        if (got < want)
            break;
        done += want;
    }
    buffer[0] = 0;
    return false;
}
