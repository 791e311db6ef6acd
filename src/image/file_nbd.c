/*
 * file_nbd.c - an image behind an NBD server (nbdkit, qemu-nbd, ...), which may take its time: blocks are kept, what is
 * read in order is read ahead, and threads have connections of their own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/overflow.h"
#include "image/cache.h"
#include "image/failure.h"
#include "image/file.h"

static const char *const schemes[] = {"nbd://", "nbds://", "nbd+unix://", "nbds+unix://", "nbd+vsock://"};

bool image_file_is_remote(const char *path)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(path, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

#ifdef LKMFS_HAVE_NBD

#include <pthread.h>

#include "image/nbd_library.h"

/* Modules lie scattered, and what is known to be needed is fetched all at once: small blocks waste the least. */
#define BLOCK       ((size_t)32 << 10)
#define CACHE_BYTES ((size_t)128 << 20)
#define CONNECTIONS 4

/*
 * Blocks of one request. What was not foreseen has neighbours that are likely to follow; reading in order doubles their
 * number up to the second, a large read has up to the third, and of several requests at once each has the last.
 */
#define AHEAD_MIN  4
#define AHEAD_MAX  64
#define WANTED_MAX 128
#define FLIGHT_MAX 16

/* Requests at once on one connection: as many as nbdkit serves at a time. */
#define FLIGHTS_MAX 16

/* Of what is fetched at once, a part of the cache: it must still be there when it is needed. */
#define PREFETCH_BLOCKS (CACHE_BYTES / 2 / BLOCK)

struct connection {
    pthread_mutex_t lock;
    struct nbd_handle *handle; /* NULL when it broke */
};

struct nbd_file {
    struct image_file base; /* first: a struct image_file * of this source points here */
    struct nbd_library library;
    struct connection connections[CONNECTIONS];
    size_t connection_count; /* that are used */
    struct image_cache *cache;
    _Atomic uint64_t next;  /* the block after those that were fetched last */
    _Atomic uint64_t ahead; /* how many blocks are fetched when it comes next */
};

static struct nbd_handle *nbd_open(const struct nbd_file *nbd)
{
    struct nbd_handle *handle = nbd->library.create();
    if (handle && nbd->library.connect_uri(handle, nbd->base.path) == 0)
        return handle;
    nbd->library.close(handle);
    return NULL;
}

/* Locks a connection that is free, or else waits for one. */
static struct connection *nbd_take(struct nbd_file *nbd, uint64_t block)
{
    for (size_t i = 0; i < nbd->connection_count; i++)
        if (pthread_mutex_trylock(&nbd->connections[i].lock) == 0)
            return &nbd->connections[i];
    struct connection *connection = &nbd->connections[block % max_u64(nbd->connection_count, 1)];
    (void)pthread_mutex_lock(&connection->lock);
    return connection;
}

/* Reads `size` bytes at `offset` from the server; once more on a new connection if that fails. Sets errno on failure.
 */
static bool nbd_get(struct nbd_file *nbd, uint64_t offset, void *buffer, size_t size)
{
    struct connection *connection = nbd_take(nbd, offset / BLOCK);
    bool done = false;
    int error = 0;
    for (unsigned attempt = 0; attempt < 2 && !done; attempt++) {
        if (!connection->handle)
            connection->handle = nbd_open(nbd);
        done = connection->handle && nbd->library.pread(connection->handle, buffer, size, offset, 0) == 0;
        if (!done) {
            error = connection->handle ? nbd->library.get_errno() : ENOTCONN; /* the sandbox allows no new socket */
            nbd->library.close(connection->handle);
            connection->handle = NULL;
        }
    }
    (void)pthread_mutex_unlock(&connection->lock);
    if (done)
        atomic_fetch_add_explicit(&nbd->base.bytes_read, size, memory_order_relaxed);
    errno = error ? error : EIO;
    return done;
}

/* Fetches blocks that are not held: what is wanted, and more when it goes on where the last fetch ended. */
static void nbd_fetch(struct nbd_file *nbd, uint64_t block, uint64_t wanted)
{
    uint64_t end = nbd->base.size / BLOCK + (nbd->base.size % BLOCK != 0);
    uint64_t count = 1;
    bool goes_on = atomic_load(&nbd->next) == block;
    uint64_t ahead = goes_on ? min_u64(atomic_load(&nbd->ahead) * 2, AHEAD_MAX) : AHEAD_MIN;
    uint64_t most = min_u64(max_u64(ahead, min_u64(wanted, WANTED_MAX)), end - block);
    while (count < most && !image_cache_has(nbd->cache, block + count))
        count++;
    atomic_store(&nbd->next, block + count);
    atomic_store(&nbd->ahead, ahead);

    size_t size = (size_t)min_u64(count * BLOCK, nbd->base.size - block * BLOCK);
    uint8_t *bytes = malloc(size);
    if (bytes && nbd_get(nbd, block * BLOCK, bytes, size))
        for (size_t at = 0; at < size; at += BLOCK)
            image_cache_put(nbd->cache, block + at / BLOCK, bytes + at, size - at);
    free(bytes);
}

/* For a block that could not be fetched with others, or was dropped again at once. */
static size_t nbd_fill(void *context, uint64_t key, uint8_t *block)
{
    struct nbd_file *nbd = context;
    size_t size = (size_t)min_u64(BLOCK, nbd->base.size - key * BLOCK);
    if (nbd_get(nbd, key * BLOCK, block, size))
        return size;
    image_failure_note(key * BLOCK, errno); /* so that the block is asked for again, not taken for empty */
    return 0;
}

static size_t nbd_source_pread(struct image_file *file, uint64_t offset, void *buffer, size_t size)
{
    struct nbd_file *nbd = (struct nbd_file *)file;
    size_t done = 0;
    while (done < size) {
        uint64_t block = (offset + done) / BLOCK;
        size_t skip = (size_t)((offset + done) % BLOCK);
        size_t want = (size_t)min_u64(size - done, BLOCK - skip);
        if (!image_cache_has(nbd->cache, block))
            nbd_fetch(nbd, block, (skip + (size - done) + BLOCK - 1) / BLOCK);
        size_t got = image_cache_read(nbd->cache, block, skip, (uint8_t *)buffer + done, want, nbd_fill, nbd);
        done += got;
        if (got < want)
            break;
    }
    return done;
}

/* One of several requests under way. */
struct flight {
    struct nbd_file *nbd;
    uint64_t block; /* the first */
    size_t size;
    uint8_t bytes[];
};

/* What arrived is kept; what did not is left for nbd_source_pread() to find out about. */
static int flight_land(void *user_data, int *error)
{
    const struct flight *flight = user_data;
    for (size_t at = 0; *error == 0 && at < flight->size; at += BLOCK)
        image_cache_put(flight->nbd->cache, flight->block + at / BLOCK, flight->bytes + at, flight->size - at);
    if (*error == 0)
        atomic_fetch_add_explicit(&flight->nbd->base.bytes_read, flight->size, memory_order_relaxed);
    return 1; /* nobody else asks for how it ended */
}

static bool flight_start(struct nbd_file *nbd, struct nbd_handle *handle, uint64_t block, uint64_t count)
{
    size_t size = (size_t)min_u64(count * BLOCK, nbd->base.size - block * BLOCK);
    struct flight *flight = malloc(sizeof(*flight) + size);
    if (!flight)
        return false;
    *flight = (struct flight){.nbd = nbd, .block = block, .size = size};
    /* libnbd frees it in any case. */
    nbd_completion_callback landing = {.callback = flight_land, .user_data = flight, .free = free};
    return nbd->library.aio_pread(handle, flight->bytes, size, block * BLOCK, landing, 0) >= 0;
}

/* Waits until fewer than `most` requests are under way. False when the connection is lost. */
static bool flights_wait(const struct nbd_library *library, struct nbd_handle *handle, int most)
{
    while (library->aio_in_flight(handle) >= most)
        if (library->poll(handle, -1) < 0)
            return false;
    return true;
}

/* Fetches blocks, ascending and none twice, with many requests under way at a time. */
static void nbd_fetch_all(struct nbd_file *nbd, const uint64_t *blocks, size_t count)
{
    struct connection *connection = nbd_take(nbd, blocks[0]);
    if (!connection->handle)
        connection->handle = nbd_open(nbd);
    bool ok = connection->handle != NULL;
    for (size_t i = 0, next; ok && i < count; i = next) {
        for (next = i + 1; next < count && next - i < FLIGHT_MAX && blocks[next] == blocks[i] + (next - i);)
            next++;
        ok = flights_wait(&nbd->library, connection->handle, FLIGHTS_MAX) &&
             flight_start(nbd, connection->handle, blocks[i], next - i);
    }
    if (!ok || !flights_wait(&nbd->library, connection->handle, 1)) {
        nbd->library.close(connection->handle);
        connection->handle = NULL;
    }
    (void)pthread_mutex_unlock(&connection->lock);
}

static int compare_blocks(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The blocks of these parts that are not held, ascending and none twice; returns how many. */
static size_t nbd_list_missing(struct nbd_file *nbd, const struct image_span *spans, size_t span_count,
                               uint64_t *blocks)
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < span_count; i++) {
        uint64_t end = min_u64(spans[i].offset + spans[i].size, nbd->base.size);
        for (uint64_t block = spans[i].offset / BLOCK; block * BLOCK < end && count < PREFETCH_BLOCKS; block++)
            if ((count == 0 || blocks[count - 1] != block) && !image_cache_has(nbd->cache, block))
                blocks[count++] = block;
    }
    qsort(blocks, count, sizeof(*blocks), compare_blocks);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || blocks[kept - 1] != blocks[i])
            blocks[kept++] = blocks[i];
    return kept;
}

static void nbd_source_prefetch(struct image_file *file, const struct image_span *spans, size_t count)
{
    struct nbd_file *nbd = (struct nbd_file *)file;
    uint64_t *blocks = calloc(PREFETCH_BLOCKS, sizeof(*blocks));
    size_t missing = blocks ? nbd_list_missing(nbd, spans, count, blocks) : 0;
    if (missing)
        nbd_fetch_all(nbd, blocks, missing);
    free(blocks);
}

static uint64_t nbd_source_next_data(struct image_file *file, uint64_t offset)
{
    (void)file;
    return offset;
}

static void nbd_source_close(struct image_file *file)
{
    struct nbd_file *nbd = (struct nbd_file *)file;
    for (size_t i = 0; i < CONNECTIONS; i++) {
        if (nbd->connections[i].handle)
            nbd->library.close(nbd->connections[i].handle);
        (void)pthread_mutex_destroy(&nbd->connections[i].lock);
    }
    nbd_library_unload(&nbd->library);
    image_cache_free(nbd->cache);
    free(nbd);
}

static const struct image_source nbd_source = {
    .pread = nbd_source_pread,
    .next_data = nbd_source_next_data,
    .prefetch = nbd_source_prefetch,
    .close = nbd_source_close,
    .counts = true,
};

/*
 * Connects, which shows whether there is anything; as often as threads may want to, since there are no new sockets once
 * the process is confined. A server that wants only one client would let the others wait.
 */
static bool nbd_begin(struct nbd_file *nbd, struct lkmfs_error *err)
{
    const char *path = nbd->base.path;
    nbd->connections[0].handle = nbd_open(nbd);
    if (!nbd->connections[0].handle)
        return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: no answer: %s; check the server with nbdinfo", path,
                          nbd->library.get_error() ? nbd->library.get_error() : "unknown error");
    int64_t size = nbd->library.get_size(nbd->connections[0].handle);
    if (size <= 0)
        return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0, "%s is empty; check what the server exports with nbdinfo --list",
                          path);
    nbd->base.size = (uint64_t)size;
    nbd->connection_count = 1;
    if (nbd->library.can_multi_conn(nbd->connections[0].handle) == 1)
        while (nbd->connection_count < CONNECTIONS &&
               (nbd->connections[nbd->connection_count].handle = nbd_open(nbd)) != NULL)
            nbd->connection_count++;
    return true;
}

bool image_file_open_remote(const char *uri, struct image_file **ret, struct lkmfs_error *err)
{
    struct nbd_file *nbd = calloc(1, sizeof(*nbd));
    if (!nbd)
        return lkmfs_fail_memory(err);
    nbd->base.source = &nbd_source;
    nbd->next = UINT64_MAX;
    for (size_t i = 0; i < CONNECTIONS; i++)
        (void)pthread_mutex_init(&nbd->connections[i].lock, NULL);
    nbd->base.path = strdup(uri);
    nbd->cache = image_cache_new(BLOCK, CACHE_BYTES);
    bool memory = nbd->base.path && nbd->cache;
    if (!memory || !nbd_library_load(&nbd->library, uri, err) || !nbd_begin(nbd, err)) {
        image_file_close(&nbd->base);
        return memory ? false : lkmfs_fail_memory(err);
    }
    *ret = &nbd->base;
    return true;
}

#else

bool image_file_open_remote(const char *uri, struct image_file **ret, struct lkmfs_error *err)
{
    (void)ret;
    return lkmfs_fail(err, LKMFS_ERROR_FORMAT, 0,
                      "%s: this lkmfs was built without libnbd; connect it to a device instead: nbd-client or qemu-nbd "
                      "--connect",
                      uri);
}

#endif
