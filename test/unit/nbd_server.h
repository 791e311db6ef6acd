/*
 * nbd_server.h - a small NBD server in threads of the test, which can fail in the ways that servers do.
 */
#ifndef LKMFS_TEST_NBD_SERVER_H
#define LKMFS_TEST_NBD_SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_SERVER_CONNECTIONS 32

struct nbd_server {
    const uint8_t *bytes; /* what it exports; of the caller */
    uint64_t size;
    bool many;             /* says that clients may have several connections */
    _Atomic uint32_t fail; /* error number of NBD that reads are answered with, 0 for none */
    _Atomic size_t reads, read_bytes;

    char folder[32], uri[96];
    int listener;
    pthread_t acceptor;
    pthread_mutex_t lock;
    int sockets[NBD_SERVER_CONNECTIONS]; /* of all connections there were; -1 once their thread has closed it */
    pthread_t threads[NBD_SERVER_CONNECTIONS];
    size_t connections;
};

/* Serves `size` bytes at server->uri. */
void nbd_server_start(struct nbd_server *server, const void *bytes, uint64_t size, bool many);
/* Breaks the connections there are; new ones are taken. */
void nbd_server_drop(struct nbd_server *server);
/* Breaks the connections and takes no new ones. */
void nbd_server_stop(struct nbd_server *server);

#endif
