#ifdef LKMFS_HAVE_NBD

#include "image/nbd_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define LIBRARY "libnbd.so.0" /* the ABI of libnbd 1.x */

/* Where a function's address goes, as an offset: dlsym(3) gives object pointers, and POSIX makes them convertible. */
struct entry {
    const char *name;
    size_t offset;
};

static const struct entry entries[] = {
    {"nbd_create", offsetof(struct nbd_library, create)},
    {"nbd_close", offsetof(struct nbd_library, close)},
    {"nbd_connect_uri", offsetof(struct nbd_library, connect_uri)},
    {"nbd_get_size", offsetof(struct nbd_library, get_size)},
    {"nbd_can_multi_conn", offsetof(struct nbd_library, can_multi_conn)},
    {"nbd_pread", offsetof(struct nbd_library, pread)},
    {"nbd_aio_pread", offsetof(struct nbd_library, aio_pread)},
    {"nbd_aio_in_flight", offsetof(struct nbd_library, aio_in_flight)},
    {"nbd_poll", offsetof(struct nbd_library, poll)},
    {"nbd_get_errno", offsetof(struct nbd_library, get_errno)},
    {"nbd_get_error", offsetof(struct nbd_library, get_error)},
};

bool nbd_library_load(struct nbd_library *library, const char *uri, struct lkmfs_error *err)
{
    *library = (struct nbd_library){.handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)};
    bool whole = library->handle != NULL;
    for (size_t i = 0; whole && i < sizeof(entries) / sizeof(entries[0]); i++) {
        void *function = dlsym(library->handle, entries[i].name);
        memcpy((char *)library + entries[i].offset, &function, sizeof(function));
        whole = function != NULL;
    }
    if (whole)
        return true;
    nbd_library_unload(library);
    return lkmfs_fail(err, LKMFS_ERROR_IO, 0, "%s: remote images take " LIBRARY ", which is missing; install libnbd0",
                      uri);
}

void nbd_library_unload(struct nbd_library *library)
{
    if (library->handle)
        (void)dlclose(library->handle);
    *library = (struct nbd_library){0};
}

#endif
