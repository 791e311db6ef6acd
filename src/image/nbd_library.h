/*
 * nbd_library.h - libnbd, loaded when an image turns out to be remote: it brings TLS, XML and Unicode libraries along,
 * which take longer to load than many a local image to open.
 */
#ifndef LKMFS_IMAGE_NBD_LIBRARY_H
#define LKMFS_IMAGE_NBD_LIBRARY_H

#include <libnbd.h>

#include "lkmfs/error.h"

/* libnbd(3)'s functions that are used, without their prefix. */
struct nbd_library {
    void *handle; /* of dlopen(3) */
    __typeof__(nbd_create) *create;
    __typeof__(nbd_close) *close;
    __typeof__(nbd_connect_uri) *connect_uri;
    __typeof__(nbd_get_size) *get_size;
    __typeof__(nbd_can_multi_conn) *can_multi_conn;
    __typeof__(nbd_pread) *pread;
    __typeof__(nbd_aio_pread) *aio_pread;
    __typeof__(nbd_aio_in_flight) *aio_in_flight;
    __typeof__(nbd_poll) *poll;
    __typeof__(nbd_get_errno) *get_errno;
    __typeof__(nbd_get_error) *get_error;
};

/* Loads the library for the image at `uri`. Error: IO (it is not installed). */
bool nbd_library_load(struct nbd_library *library, const char *uri, struct lkmfs_error *err);

/* Does nothing where loading failed. What the library keeps for the process stays. */
void nbd_library_unload(struct nbd_library *library);

#endif
