#include "test/unit/fake_lower.h"

#include <criterion/criterion.h>
#include <pthread.h>

static struct lkmfs_session *session;
static struct lkmfs_tree *tree;

static void open_tree(uint64_t cache_bytes)
{
    struct lkmfs_error err;
    cr_assert(lkmfs_session_open("fake", NULL, &session, &err), "%s", err.message);
    cr_assert(lkmfs_tree_new(session, cache_bytes, &tree, &err), "%s", err.message);
}

static void open_default(void)
{
    open_tree(LKMFS_CACHE_DEFAULT);
}

static void close_tree(void)
{
    lkmfs_tree_free(tree);
    lkmfs_session_close(session);
}

TestSuite(fs_tree, .init = open_default, .fini = close_tree);

/* Visits all nodes below `folder`; returns how many there are. */
static size_t walk(lkmfs_node folder)
{
    size_t count = 0;
    struct lkmfs_entry entry;
    for (uint64_t i = 0; lkmfs_tree_entry(tree, folder, i, &entry); i++) {
        enum lkmfs_node_kind kind;
        cr_assert_eq(lkmfs_tree_lookup(tree, folder, entry.name), entry.node, "%s", entry.name);
        cr_assert(lkmfs_tree_kind(tree, entry.node, &kind));
        cr_assert_eq(kind, entry.kind);
        cr_assert_not(strchr(entry.name, '/'));
        count++;
        if (kind == LKMFS_NODE_FOLDER) {
            cr_assert_eq(lkmfs_tree_parent(tree, entry.node), folder);
            count += walk(entry.node);
        }
    }
    return count;
}

Test(fs_tree, listing_and_lookup_agree_and_build_nothing)
{
    cr_assert_eq(walk(LKMFS_NODE_ROOT) + 1, lkmfs_tree_count(tree));
    cr_assert_eq(fake.builds, 0);
    cr_assert_eq(fake.loads, 0);
}

Test(fs_tree, files_about_all_modules_read_no_contents)
{
    static const char *const paths[] = {"modules.json", "modules.txt", "report.html", "log.txt", "kernel/version"};
    uint64_t size;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        cr_assert(lkmfs_tree_size(tree, lkmfs_tree_resolve(tree, paths[i]), &size, NULL));
    cr_assert_eq(fake.builds, 0);
    cr_assert_eq(fake.loads, 0);
}

Test(fs_tree, inode_numbers_never_change)
{
    static const struct {
        const char *path;
        lkmfs_node node;
    } known[] = {
        {"", 1},
        {"modules", 2},
        {"loaded", 3},
        {"info", 4},
        {"hidden", 5},
        {"kernel", 6},
        {"modules.json", 7},
        {"modules.txt", 8},
        {"report.html", 9},
        {"log.txt", 10},
        {"kernel/version", 11},
        {"kernel/kallsyms", 13},
        {"kernel/btf", 14},
        {"modules/alpha.ko", 0x1000},
        {"loaded/alpha.elf", 0x1001},
        {"info/alpha.json", 0x1002},
        {"modules/beta_gamma.ko", 0x1008},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        cr_assert_eq(lkmfs_tree_resolve(tree, known[i].path), known[i].node, "%s", known[i].path);
}

Test(fs_tree, what_is_not_there)
{
    static const char *const paths[] = {
        "nothing",
        "modules/alpha",
        "modules/.ko",
        "modules/alpha.elf",
        "loaded/alpha.ko",
        "hidden/alpha.ko",
        "..",
        "modules/../modules",
        "modules/ALPHA.ko",
        "modules/beta-gamma.ko",
        "kernel/vmcoreinfo",
        "modules/alpha.ko/x",
        "modules.json/x",
        "modules/../../etc",
        "kernel/config",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
        cr_assert_eq(lkmfs_tree_resolve(tree, paths[i]), LKMFS_NODE_NONE, "%s", paths[i]);

    char name[1000];
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = 0;
    cr_assert_eq(lkmfs_tree_lookup(tree, lkmfs_tree_resolve(tree, "modules"), name), LKMFS_NODE_NONE);

    static const lkmfs_node nodes[] = {0, 12, 15, 0xfff, 0x1003, 0x1004, 0x1000 + 8 * FAKE_MODULES, UINT64_MAX};
    for (size_t i = 0; i < sizeof(nodes) / sizeof(*nodes); i++) {
        enum lkmfs_node_kind kind;
        struct lkmfs_view view;
        struct lkmfs_error err;
        uint64_t size;
        cr_assert_not(lkmfs_tree_kind(tree, nodes[i], &kind));
        cr_assert_not(lkmfs_tree_size(tree, nodes[i], &size, &err));
        cr_assert_eq(err.code, LKMFS_ERROR_NOT_FOUND);
        cr_assert_not(lkmfs_tree_hold(tree, nodes[i], &view, &err));
    }
}

Test(fs_tree, slashes_and_dots_in_paths)
{
    cr_assert_eq(lkmfs_tree_resolve(tree, "/"), LKMFS_NODE_ROOT);
    cr_assert_eq(lkmfs_tree_resolve(tree, "//modules//./alpha.ko"), lkmfs_tree_resolve(tree, "modules/alpha.ko"));
}

Test(fs_tree, hidden_modules_have_links)
{
    lkmfs_node hidden = lkmfs_tree_resolve(tree, "hidden");
    struct lkmfs_entry entry;
    char target[LKMFS_NAME_SIZE + 16];
    uint64_t size;
    cr_assert(lkmfs_tree_entry(tree, hidden, 0, &entry));
    cr_assert_str_eq(entry.name, "rootkit.ko");
    cr_assert_eq(entry.kind, LKMFS_NODE_LINK);
    cr_assert_not(lkmfs_tree_entry(tree, hidden, 1, &entry));
    cr_assert(lkmfs_tree_link(tree, entry.node, target));
    cr_assert_str_eq(target, "../modules/rootkit.ko");
    cr_assert(lkmfs_tree_size(tree, entry.node, &size, NULL));
    cr_assert_eq(size, strlen(target));
    cr_assert_eq(lkmfs_tree_resolve(tree, "hidden/rootkit.ko"), lkmfs_tree_resolve(tree, "modules/rootkit.ko"));
}

Test(fs_tree, report_and_object_come_from_one_build)
{
    uint64_t size;
    cr_assert(lkmfs_tree_size(tree, lkmfs_tree_resolve(tree, "modules/alpha.ko"), &size, NULL));
    cr_assert_eq(size, fake_size(0, LKMFS_OBJECT_RELOCATABLE));
    cr_assert(lkmfs_tree_size(tree, lkmfs_tree_resolve(tree, "info/alpha.json"), &size, NULL));
    cr_assert_gt(size, 100);
    cr_assert_eq(fake.builds, 1);
    cr_assert(lkmfs_tree_size(tree, lkmfs_tree_resolve(tree, "loaded/alpha.elf"), &size, NULL));
    cr_assert_eq(size, fake_size(0, LKMFS_OBJECT_LOADED));
    cr_assert_eq(fake.builds, 2);
}

static void check_read(size_t index, enum lkmfs_object_kind kind, lkmfs_node node, uint64_t offset, size_t length)
{
    static _Thread_local uint8_t buffer[20000];
    size_t got, size = fake_size(index, kind);
    struct lkmfs_error err;
    cr_assert(lkmfs_tree_read(tree, node, offset, buffer, length, &got, &err), "%s", err.message);
    cr_assert_eq(got, offset >= size ? 0 : length < size - offset ? length : size - offset);
    for (size_t i = 0; i < got; i++)
        cr_assert_eq(buffer[i], fake_byte(index, kind, offset + i));
}

static void check_random_reads(unsigned seed, int count)
{
    for (int i = 0; i < count; i++) {
        static const size_t whole[] = {0, 1, 2, 3, 5};
        size_t index = whole[(size_t)rand_r(&seed) % 5];
        bool loaded = rand_r(&seed) % 2;
        char path[LKMFS_NAME_SIZE + 16];
        (void)snprintf(path, sizeof(path), loaded ? "loaded/%s.elf" : "modules/%s.ko", fake_modules[index].file);
        check_read(index, loaded ? LKMFS_OBJECT_LOADED : LKMFS_OBJECT_RELOCATABLE, lkmfs_tree_resolve(tree, path),
                   (uint64_t)rand_r(&seed) % 310000 >> rand_r(&seed) % 10, (size_t)rand_r(&seed) % 20000);
    }
}

Test(fs_tree, reads_at_random_offsets)
{
    check_random_reads(1, 3000);
    lkmfs_node node = lkmfs_tree_resolve(tree, "modules/alpha.ko");
    check_read(0, LKMFS_OBJECT_RELOCATABLE, node, UINT64_MAX, 10);
    check_read(0, LKMFS_OBJECT_RELOCATABLE, node, 1000, 10);
    check_read(0, LKMFS_OBJECT_RELOCATABLE, node, 0, 0);
}

static void *random_reader(void *context)
{
    check_random_reads(*(unsigned *)context, 300);
    return NULL;
}

Test(fs_tree, many_readers_of_a_small_cache)
{
    close_tree();
    open_tree(4000);
    pthread_t threads[8];
    unsigned seeds[8];
    for (unsigned i = 0; i < 8; i++) {
        seeds[i] = i;
        cr_assert_eq(pthread_create(&threads[i], NULL, random_reader, &seeds[i]), 0);
    }
    for (size_t i = 0; i < 8; i++)
        (void)pthread_join(threads[i], NULL);
}

Test(fs_tree, a_module_of_which_nothing_is_left_is_an_empty_file)
{
    uint64_t size;
    cr_assert(lkmfs_tree_size(tree, lkmfs_tree_resolve(tree, "modules/damaged.ko"), &size, NULL));
    cr_assert_eq(size, 0);
    cr_assert(lkmfs_tree_size(tree, lkmfs_tree_resolve(tree, "loaded/damaged.elf"), &size, NULL));
    cr_assert_eq(size, 0);

    struct lkmfs_view view;
    cr_assert(lkmfs_tree_hold(tree, lkmfs_tree_resolve(tree, "info/damaged.json"), &view, NULL));
    cr_assert(memmem(view.bytes, view.size, "nothing is left", strlen("nothing is left")));
    lkmfs_tree_drop(tree, &view);
}

Test(fs_tree, trouble_of_the_host_is_an_error_and_passes)
{
    uint64_t size;
    struct lkmfs_error err;
    lkmfs_node node = lkmfs_tree_resolve(tree, "modules/alpha.ko");
    fake.fail = LKMFS_ERROR_NO_MEMORY;
    cr_assert_not(lkmfs_tree_size(tree, node, &size, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_NO_MEMORY);
    fake.fail = LKMFS_ERROR_NONE;
    cr_assert(lkmfs_tree_size(tree, node, &size, &err));
}

Test(fs_tree, a_file_that_changes_is_an_error_and_in_the_log)
{
    close_tree();
    open_tree(1);
    uint64_t size;
    size_t got;
    char byte;
    struct lkmfs_error err;
    lkmfs_node node = lkmfs_tree_resolve(tree, "modules/alpha.ko");
    cr_assert(lkmfs_tree_size(tree, node, &size, &err));
    cr_assert(lkmfs_tree_read(tree, lkmfs_tree_resolve(tree, "modules/big.ko"), 0, &byte, 1, &got, &err));
    fake.growth = 1;
    cr_assert_not(lkmfs_tree_read(tree, node, 0, &byte, 1, &got, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_IO);
    char *log = lkmfs_log_text(lkmfs_session_log(session));
    cr_assert(strstr(log, "built again"));
    free(log);
}

/* The bytes of a file as a string for the caller to free. */
static char *slurp(const char *path)
{
    struct lkmfs_view view;
    struct lkmfs_error err;
    cr_assert(lkmfs_tree_hold(tree, lkmfs_tree_resolve(tree, path), &view, &err), "%s: %s", path, err.message);
    char *text = strndup((const char *)view.bytes, view.size);
    cr_assert_eq(strlen(text), view.size);
    lkmfs_tree_drop(tree, &view);
    return text;
}

Test(fs_tree, texts)
{
    char *log = slurp("log.txt"), *version = slurp("kernel/version"), *symbols = slurp("kernel/kallsyms");
    char *table = slurp("modules.txt"), *page = slurp("report.html");
    cr_assert_str_eq(log, "note: image: fake\ndoubt: kernel: fake\n");
    cr_assert_str_eq(version, "Linux version 6.1 <\\x1b>\n");
    cr_assert_str_eq(symbols, "ffffffff81000000 T _text\nffffffff81000001 T start_\\x0akernel\n"
                              "ffffffffc0000010 t fake_init\t[alpha]\n");

    size_t lines = 0;
    for (const char *c = table; *c; c++)
        lines += *c == '\n';
    cr_assert_eq(lines, FAKE_MODULES);
    cr_assert(strstr(table, "\"../../etc/\\x01\\xff\"<x>\""));
    cr_assert(strstr(table, "state-77"));

    cr_assert_not(strstr(page, "<x>"));
    cr_assert_not(strchr(page, 0x1b));
    cr_assert(strstr(page, "/evidence/&lt;fake&gt;.raw"));
    char *texts[] = {log, version, symbols, table, page};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        free(texts[i]);
}

Test(fs_tree, what_the_kernel_lacks_is_absent, .init = NULL)
{
    fake.vmcoreinfo = "OSRELEASE=6.1\n";
    fake.no_btf = true;
    open_default();
    char *text = slurp("kernel/vmcoreinfo");
    cr_assert_str_eq(text, "OSRELEASE=6.1\n");
    free(text);
    cr_assert_eq(lkmfs_tree_resolve(tree, "kernel/btf"), LKMFS_NODE_NONE);
    cr_assert_eq(walk(LKMFS_NODE_ROOT) + 1, lkmfs_tree_count(tree));
}

Test(fs_session, tells_what_it_did)
{
    struct lkmfs_error err;
    cr_assert_not(lkmfs_session_open("missing", NULL, &session, &err));
    cr_assert_eq(err.code, LKMFS_ERROR_IO);

    open_default();
    size_t count;
    const struct lkmfs_timing *timings = lkmfs_session_timings(session, &count);
    cr_assert_eq(count, 4);
    cr_assert_str_eq(timings[0].step, "image");
    cr_assert_str_eq(timings[3].step, "builder");
    cr_assert_eq(lkmfs_session_doubts(session), 1);
    close_tree();
}
