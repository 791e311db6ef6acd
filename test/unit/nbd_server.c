/* The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle, simple replies. */
#include "nbd_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "synth.h"

#define OPTION_ABORT    2
#define OPTION_GO       7
#define REPLY_ACK       1
#define REPLY_INFO      3
#define REPLY_UNKNOWN   UINT32_C(0x80000001)
#define COMMAND_READ    0
#define FLAG_HAS_FLAGS  1
#define FLAG_READ_ONLY  2
#define FLAG_MULTI_CONN (1 << 8)

struct client {
    struct nbd_server *server;
    size_t index;
    int socket;
};

static uint64_t big_endian(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void put(uint8_t *at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> 8 * (width - 1 - i));
}

static bool receive(int fd, void *buffer, size_t size)
{
    return size == 0 || recv(fd, buffer, size, MSG_WAITALL) == (ssize_t)size; /* none would be waited for */
}

static bool give(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t sent = send(fd, (const uint8_t *)bytes + done, size - done, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        done += (size_t)sent;
    }
    return true;
}

static bool give_option_reply(int fd, uint64_t option, uint32_t type, const uint8_t *data, size_t size)
{
    uint8_t reply[20];
    put(reply, UINT64_C(0x3e889045565a9), 8);
    put(reply + 8, option, 4);
    put(reply + 12, type, 4);
    put(reply + 16, size, 4);
    return give(fd, reply, sizeof(reply)) && give(fd, data, size);
}

/* Every option but the one that begins transmission is unknown here. */
static bool negotiate(const struct client *client)
{
    uint8_t greeting[18] = "NBDMAGICIHAVEOPT\0\3", option[16], data[4096], info[12] = {0};
    if (!give(client->socket, greeting, sizeof(greeting)) || !receive(client->socket, data, 4))
        return false;
    put(info + 2, client->server->size, 8);
    put(info + 10, FLAG_HAS_FLAGS | FLAG_READ_ONLY | (client->server->many ? FLAG_MULTI_CONN : 0), 2);
    while (receive(client->socket, option, sizeof(option))) {
        uint64_t type = big_endian(option + 8, 4), size = big_endian(option + 12, 4);
        if (size > sizeof(data) || !receive(client->socket, data, size) || type == OPTION_ABORT)
            return false;
        if (type == OPTION_GO)
            return give_option_reply(client->socket, type, REPLY_INFO, info, sizeof(info)) &&
                   give_option_reply(client->socket, type, REPLY_ACK, NULL, 0);
        if (!give_option_reply(client->socket, type, REPLY_UNKNOWN, NULL, 0))
            return false;
    }
    return false;
}

static bool answer(const struct client *client)
{
    struct nbd_server *server = client->server;
    uint8_t request[28], reply[16];
    if (!receive(client->socket, request, sizeof(request)) || big_endian(request + 6, 2) != COMMAND_READ)
        return false;
    uint64_t offset = big_endian(request + 16, 8), size = big_endian(request + 24, 4);
    if (offset > server->size || size > server->size - offset)
        synth_die("%llu bytes at %llu asked of a server that has %llu", (unsigned long long)size,
                  (unsigned long long)offset, (unsigned long long)server->size);
    uint32_t error = atomic_load(&server->fail);
    atomic_fetch_add(&server->reads, 1);
    put(reply, 0x67446698, 4);
    put(reply + 4, error, 4);
    memcpy(reply + 8, request + 8, 8);
    if (!give(client->socket, reply, sizeof(reply)))
        return false;
    if (error)
        return true;
    atomic_fetch_add(&server->read_bytes, size);
    return give(client->socket, server->bytes + offset, size);
}

static void *serve(void *context)
{
    struct client *client = context;
    struct nbd_server *server = client->server;
    if (negotiate(client))
        while (answer(client))
            ;
    (void)pthread_mutex_lock(&server->lock);
    (void)close(client->socket);
    server->sockets[client->index] = -1;
    (void)pthread_mutex_unlock(&server->lock);
    free(client);
    return NULL;
}

static void *accept_clients(void *context)
{
    struct nbd_server *server = context;
    for (int fd; (fd = accept(server->listener, NULL, NULL)) >= 0;) {
        struct client *client = malloc(sizeof(*client));
        (void)pthread_mutex_lock(&server->lock);
        if (!client || server->connections == NBD_SERVER_CONNECTIONS)
            synth_die("too many connections");
        size_t index = server->connections++;
        *client = (struct client){server, index, fd};
        server->sockets[index] = fd;
        if (pthread_create(&server->threads[index], NULL, serve, client) != 0)
            synth_die("no thread for a connection");
        (void)pthread_mutex_unlock(&server->lock);
    }
    return NULL;
}

void nbd_server_start(struct nbd_server *server, const void *bytes, uint64_t size, bool many)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *server = (struct nbd_server){.bytes = bytes, .size = size, .many = many};
    (void)pthread_mutex_init(&server->lock, NULL);
    strcpy(server->folder, "/tmp/lkmfs-nbd-XXXXXX");
    if (!mkdtemp(server->folder))
        synth_die("no folder for a socket");
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", server->folder);
    (void)snprintf(server->uri, sizeof(server->uri), "nbd+unix:///?socket=%s/socket", server->folder);
    server->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(server->listener, NBD_SERVER_CONNECTIONS) != 0 ||
        pthread_create(&server->acceptor, NULL, accept_clients, server) != 0)
        synth_die("the server of %s does not start", server->uri);
}

void nbd_server_drop(struct nbd_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->connections; i++)
        if (server->sockets[i] >= 0)
            (void)shutdown(server->sockets[i], SHUT_RDWR);
    (void)pthread_mutex_unlock(&server->lock);
}

void nbd_server_stop(struct nbd_server *server)
{
    char path[64];
    (void)shutdown(server->listener, SHUT_RDWR); /* ends accept(2) */
    (void)pthread_join(server->acceptor, NULL);
    (void)close(server->listener);
    nbd_server_drop(server);
    for (size_t i = 0; i < server->connections; i++)
        (void)pthread_join(server->threads[i], NULL);
    (void)snprintf(path, sizeof(path), "%s/socket", server->folder);
    (void)unlink(path);
    (void)rmdir(server->folder);
    (void)pthread_mutex_destroy(&server->lock);
}
