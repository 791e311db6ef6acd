/* test_image_nbd.c - images behind an NBD server: few requests, lost connections, and what is fetched ahead. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_builder.h"

#ifndef LKMFS_HAVE_NBD

Test(image_nbd, a_build_without_it_says_so)
{
    expect_refused("nbd://localhost", LKMFS_ERROR_FORMAT, "built without libnbd");
}

#else

#include "image/file.h"
#include "lkmfs/memory.h"
#include "nbd_server.h"
#include "synth_open.h"
#include "synth_sample.h"

#define KIB   ((size_t)1 << 10)
#define BLOCK (32 * KIB)             /* the smallest request */
#define SIZE  (4096 * KIB + 5 * KIB) /* the last block is not whole */

TestSuite(image_nbd, .timeout = 60);

/* An image of that many bytes behind a server. */
struct remote {
    struct builder builder;
    struct nbd_server server;
    struct opened opened;
};

static void begin(struct remote *remote, bool many)
{
    *remote = (struct remote){0};
    builder_memory(&remote->builder, 0, SIZE);
    nbd_server_start(&remote->server, remote->builder.bytes, remote->builder.size, many);
    remote->opened = open_expecting(remote->server.uri, "raw");
    cr_assert(lkmfs_image_prefetches(remote->opened.image));
}

static void end(struct remote *remote)
{
    opened_close(&remote->opened);
    builder_free(&remote->builder);
}

/* What one read after another needs of the server. */
static size_t reads_of(struct remote *remote, size_t from, size_t to, size_t step)
{
    size_t before = atomic_load(&remote->server.reads);
    for (size_t at = from; at < to; at += step)
        expect_memory(remote->opened.image, at, step < to - at ? step : to - at, step < to - at ? step : to - at);
    return atomic_load(&remote->server.reads) - before;
}

Test(image_nbd, what_is_read_in_order_is_read_ahead)
{
    struct remote remote;
    begin(&remote, false);
    cr_expect_eq(lkmfs_image_file_size(remote.opened.image), SIZE);
    /* 129 blocks: requests grow from 4 blocks to 64 */
    cr_expect_leq(reads_of(&remote, 0, SIZE, 4 * KIB), 8);
    cr_expect_eq(reads_of(&remote, 0, SIZE, 4 * KIB), 0, "all of it is held");
    cr_expect_eq(lkmfs_image_bytes_read(remote.opened.image), atomic_load(&remote.server.read_bytes));
    expect_memory(remote.opened.image, SIZE - 16, 64, 16);
    nbd_server_stop(&remote.server);
    end(&remote);
}

Test(image_nbd, what_lies_apart_is_not_read_ahead)
{
    struct remote remote;
    begin(&remote, false);
    size_t before = atomic_load(&remote.server.read_bytes);
    for (size_t at = SIZE - 16; at > 10 * BLOCK; at -= 9 * BLOCK)
        expect_memory(remote.opened.image, at, 16, 16);
    cr_expect_leq(atomic_load(&remote.server.read_bytes) - before, 60 * BLOCK);
    /* 65 to 68, 74 to 77 and so on are held */
    cr_expect_eq(reads_of(&remote, 64 * BLOCK + 8, 128 * BLOCK, 128 * BLOCK), 8);
    nbd_server_stop(&remote.server);
    end(&remote);
}

Test(image_nbd, threads_have_connections_where_the_server_takes_several)
{
    for (int many = 0; many < 2; many++) {
        struct remote remote;
        begin(&remote, many);
        cr_expect_eq(remote.server.connections, many ? 4 : 1);
        nbd_server_stop(&remote.server);
        end(&remote);
    }
}

Test(image_nbd, a_lost_connection_is_made_anew)
{
    struct remote remote;
    begin(&remote, true);
    uint64_t before = lkmfs_image_failures();
    nbd_server_drop(&remote.server);
    expect_memory(remote.opened.image, 90 * BLOCK, BLOCK, BLOCK);
    nbd_server_drop(&remote.server);
    lkmfs_image_prefetch(remote.opened.image, &(struct lkmfs_range){40 * BLOCK, BLOCK}, 1);
    expect_memory(remote.opened.image, 40 * BLOCK, BLOCK, BLOCK);
    cr_expect(lkmfs_image_intact(remote.opened.image, before, NULL));
    nbd_server_stop(&remote.server);
    end(&remote);
}

/* Asserts that `phys` can't be read, for a reason with `text`. */
static void expect_failure(const struct remote *remote, uint64_t phys, const char *text)
{
    struct lkmfs_error err;
    uint64_t before = lkmfs_image_failures();
    expect_memory(remote->opened.image, phys, BLOCK, 0);
    cr_assert_not(lkmfs_image_intact(remote->opened.image, before, &err));
    cr_expect_eq(err.code, LKMFS_ERROR_READ);
    cr_expect_eq(err.address, phys);
    cr_expect_not_null(strstr(err.message, text), "%s", err.message);
    cr_expect_not_null(strstr(err.message, "check the server"), "%s", err.message);
}

Test(image_nbd, a_server_that_is_gone_is_no_hole)
{
    struct remote remote;
    begin(&remote, false);
    nbd_server_stop(&remote.server);
    expect_failure(&remote, 90 * BLOCK, "not connected");
    lkmfs_image_prefetch(remote.opened.image, &(struct lkmfs_range){40 * BLOCK, BLOCK}, 1);
    expect_failure(&remote, 40 * BLOCK, "not connected");
    end(&remote);
}

Test(image_nbd, what_the_server_could_not_read_is_asked_for_again)
{
    struct remote remote;
    begin(&remote, false);
    atomic_store(&remote.server.fail, EIO);
    expect_failure(&remote, 90 * BLOCK, strerror(EIO));
    lkmfs_image_prefetch(remote.opened.image, &(struct lkmfs_range){90 * BLOCK, BLOCK}, 1);
    atomic_store(&remote.server.fail, 0);
    expect_memory(remote.opened.image, 90 * BLOCK, BLOCK, BLOCK);
    nbd_server_stop(&remote.server);
    end(&remote);
}

Test(image_nbd, fetched_ranges_need_no_server)
{
    struct remote remote;
    begin(&remote, false);
    /* out of order, twice, across blocks, up to the end, and beyond what an address can be */
    const struct lkmfs_range ranges[] = {{50 * BLOCK + 100, 2 * BLOCK},
                                         {20 * BLOCK, 40},
                                         {50 * BLOCK, 200},
                                         {SIZE - 10, 1000},
                                         {20 * BLOCK, 60},
                                         {UINT64_MAX - 5, 4},
                                         {UINT64_C(1) << 60, BLOCK * 4},
                                         {0, BLOCK}};
    size_t before = atomic_load(&remote.server.reads);
    lkmfs_image_prefetch(remote.opened.image, ranges, sizeof(ranges) / sizeof(*ranges));
    cr_expect_leq(atomic_load(&remote.server.reads) - before, 4, "one request for blocks side by side");
    before = atomic_load(&remote.server.reads);
    lkmfs_image_prefetch(remote.opened.image, ranges, 3);
    cr_expect_eq(atomic_load(&remote.server.reads), before, "they are held");
    nbd_server_stop(&remote.server);
    expect_memory(remote.opened.image, 50 * BLOCK, 3 * BLOCK, 3 * BLOCK);
    expect_memory(remote.opened.image, 20 * BLOCK, BLOCK, BLOCK);
    expect_memory(remote.opened.image, SIZE - 10, 20, 10);
    expect_failure(&remote, 90 * BLOCK, "not connected");
    end(&remote);
}

Test(image_nbd, many_ranges_are_fetched_at_once)
{
    struct remote remote;
    struct lkmfs_range ranges[64];
    begin(&remote, false);
    for (size_t i = 0; i < 64; i++)
        ranges[i] = (struct lkmfs_range){2 * i * BLOCK, 8};
    lkmfs_image_prefetch(remote.opened.image, ranges, 64);
    nbd_server_stop(&remote.server);
    for (size_t i = 0; i < 64; i++)
        expect_memory(remote.opened.image, 2 * i * BLOCK, BLOCK, BLOCK);
    end(&remote);
}

Test(image_nbd, nothing_that_answers_or_nothing_there)
{
    struct nbd_server server;
    expect_refused("nbd+unix:///?socket=/nonexistent", LKMFS_ERROR_IO, "no answer");
    expect_refused("nbd://", LKMFS_ERROR_IO, "nbd://");
    nbd_server_start(&server, "", 0, false);
    expect_refused(server.uri, LKMFS_ERROR_FORMAT, "is empty");
    nbd_server_stop(&server);
}

static bool is_installed = true;

void *__real_dlopen(const char *file, int mode);
void *__wrap_dlopen(const char *file, int mode);

/* In place of dlopen(3), see CMakeLists.txt. */
void *__wrap_dlopen(const char *file, int mode)
{
    return is_installed ? __real_dlopen(file, mode) : NULL;
}

Test(image_nbd, a_library_that_is_not_installed_is_named)
{
    is_installed = false;
    expect_refused("nbd://localhost", LKMFS_ERROR_IO, "install libnbd0");
}

/* ---- a kernel ---- */

static bool can_read(const struct lkmfs_space *space, uint64_t virt)
{
    uint8_t byte;
    return lkmfs_space_read(space, virt, &byte, 1);
}

/* Fetches pages of a module through its page tables and takes the server away. */
static void fetch_module(unsigned levels, bool writable)
{
    struct nbd_server server;
    struct synth_sample sample;
    struct lkmfs_error err;
    synth_sample_init(&sample, &(struct synth_kernel_options){.release = SYNTH_6_12, .levels = levels});
    const struct synth_kernel *kernel = sample.kernel;
    const uint64_t *region = sample.modules[SYNTH_ALPHA]->region;
    nbd_server_start(&server, kernel->memory.bytes, kernel->memory.size, false);
    struct lkmfs_image *image;
    cr_assert(lkmfs_image_open(server.uri, NULL, &image, &err), "%s", err.message);
    struct lkmfs_space *space = lkmfs_space_new(
        image, levels == 5 ? LKMFS_PAGING_X86_64_5LEVEL : LKMFS_PAGING_X86_64_4LEVEL, kernel->tables.root);
    const struct lkmfs_range ranges[] = {
        {region[SYNTH_TEXT], SYNTH_PAGE},
        {region[SYNTH_DATA], SYNTH_PAGE},
        {UINT64_C(0x0100000000000000), SYNTH_PAGE}, /* no address at all */
        {UINT64_C(0xffffffffff000000), 0xffffff},   /* nothing mapped, to the end */
        {kernel->text, SYNTH_PAGE},                 /* by a larger leaf: no last table */
    };
    lkmfs_space_prefetch(space, ranges, sizeof(ranges) / sizeof(*ranges), writable);
    nbd_server_stop(&server);
    cr_expect(can_read(space, region[SYNTH_DATA]));
    cr_expect_eq(can_read(space, kernel->text), !writable);
    cr_expect_not(can_read(space, kernel->text + 0x100000));
    lkmfs_space_free(space);
    lkmfs_image_close(image);
    synth_sample_free(&sample);
}

Test(image_nbd, pages_are_fetched_through_their_tables)
{
    fetch_module(4, false);
    fetch_module(5, false);
}

Test(image_nbd, only_writable_pages_where_no_others_are_wanted)
{
    fetch_module(4, true);
}

Test(image_nbd, modules_are_the_same_as_of_a_file)
{
    struct nbd_server server;
    struct synth_sample sample;
    struct lkmfs_error err;
    synth_sample_init(&sample, &(struct synth_kernel_options){.release = SYNTH_6_12});
    nbd_server_start(&server, sample.kernel->memory.bytes, sample.kernel->memory.size, true);
    struct synth_opened here = synth_open_modules(sample.kernel), there = synth_open_path(server.uri, NULL);
    cr_assert_not_null(there.kernel);
    cr_assert(lkmfs_modules_open(there.kernel, there.log, &there.modules, &err), "%s", err.message);
    cr_assert_eq(lkmfs_modules_count(there.modules), lkmfs_modules_count(here.modules));
    for (size_t i = 0; i < SYNTH_SAMPLES; i++) {
        const struct lkmfs_module *a = synth_load_module(&here, sample.modules[i]->address);
        const struct lkmfs_module *b = synth_load_module(&there, sample.modules[i]->address);
        cr_expect_str_eq(a->name, b->name);
        cr_expect_eq(a->section_count, b->section_count);
        cr_expect_eq(a->symbol_count, b->symbol_count);
    }
    synth_close(&here);
    synth_close(&there);
    nbd_server_stop(&server);
    synth_sample_free(&sample);
}

#endif
