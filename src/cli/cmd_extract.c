#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/message.h"
#include "cli/output_folder.h"
#include "cli/select.h"

#define MAX_WORKERS 1024

/* The work, shared by all threads. */
struct extraction {
    const struct lkmfs_session *session;
    enum lkmfs_object_kind kind;
    int folder;
    size_t *wanted; /* indexes of modules */
    size_t wanted_count;
    atomic_size_t next, done, failed;
    atomic_bool unreadable;
};

static bool extract_one(struct extraction *work, const struct lkmfs_module *module, struct lkmfs_error *err)
{
    struct lkmfs_object *object = NULL;
    if (!lkmfs_object_build(lkmfs_session_builder(work->session), module, work->kind, &object, err))
        return false;
    char name[LKMFS_NAME_SIZE];
    (void)snprintf(name, sizeof(name), "%s%s", module->file, work->kind == LKMFS_OBJECT_LOADED ? ".elf" : ".ko");
    size_t size;
    const uint8_t *bytes = lkmfs_object_bytes(object, &size);
    bool ok = output_folder_write(work->folder, name, bytes, size, err);
    lkmfs_object_free(object);
    return ok;
}

/* An image that the host can't read is no matter of one module: that is said once, and ends it all. */
static void fail_one(struct extraction *work, const struct lkmfs_module *module, const struct lkmfs_error *err)
{
    bool whole = err->code == LKMFS_ERROR_READ;
    if (!whole || !atomic_exchange(&work->unreadable, true))
        message_error("%s: %s", module->file, err->message);
    if (whole)
        atomic_store(&work->next, work->wanted_count);
    atomic_fetch_add(&work->failed, 1);
}

static void *worker(void *context)
{
    struct extraction *work = context;
    size_t index;
    while ((index = atomic_fetch_add(&work->next, 1)) < work->wanted_count) {
        const struct lkmfs_module *module = lkmfs_modules_at(lkmfs_session_modules(work->session), work->wanted[index]);
        struct lkmfs_error err;
        if (!extract_one(work, module, &err))
            fail_one(work, module, &err);
        message_progress("%zu of %zu modules", atomic_fetch_add(&work->done, 1) + 1, work->wanted_count);
    }
    return NULL;
}

static size_t worker_count(unsigned asked, size_t modules)
{
    cpu_set_t set;
    size_t count = asked;
    if (count == 0)
        count = sched_getaffinity(0, sizeof(set), &set) == 0 ? (size_t)CPU_COUNT(&set) : 1;
    count = count < modules ? count : modules;
    return count < MAX_WORKERS ? count : MAX_WORKERS;
}

/* One thread may be all there is: this one works, too. */
static void run_workers(struct extraction *work, size_t count)
{
    pthread_t threads[MAX_WORKERS];
    size_t started = 0;
    while (started + 1 < count && pthread_create(&threads[started], NULL, worker, work) == 0)
        started++;
    (void)worker(work);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    message_progress_done();
}

static bool is_wanted(const struct lkmfs_module *module, char **names, int count)
{
    for (int i = 0; i < count; i++)
        if (select_matches(names[i], module->file))
            return true;
    return count == 0;
}

/* Says so and returns false when `name` means no module at all. */
static bool is_known(const struct lkmfs_modules *modules, const char *name)
{
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++)
        if (select_matches(name, lkmfs_modules_at(modules, i)->file))
            return true;
    message_error("no module is called '%s'; 'lkmfs ls' lists them", name);
    return false;
}

/* Gathers the modules that the names mean, each once; returns how many names mean none. */
static size_t select_modules(struct extraction *work, char **names, int count)
{
    const struct lkmfs_modules *modules = lkmfs_session_modules(work->session);
    size_t unknown = 0;
    for (size_t i = 0; i < lkmfs_modules_count(modules); i++)
        if (is_wanted(lkmfs_modules_at(modules, i), names, count))
            work->wanted[work->wanted_count++] = i;
    for (int i = 0; i < count; i++)
        unknown += !is_known(modules, names[i]);
    return unknown;
}

static int extract(const struct lkmfs_session *session, const struct arguments *arguments, int folder)
{
    struct extraction work = {
        .session = session,
        .folder = folder,
        .kind = arguments->loaded     ? LKMFS_OBJECT_LOADED
                : arguments->loadable ? LKMFS_OBJECT_LOADABLE
                                      : LKMFS_OBJECT_RELOCATABLE,
    };
    work.wanted = calloc(lkmfs_modules_count(lkmfs_session_modules(session)) + 1, sizeof(*work.wanted));
    if (!work.wanted) {
        message_error("out of memory");
        return EXIT_SYSTEM;
    }
    size_t unknown = select_modules(&work, arguments->operands + 1, arguments->operand_count - 1);
    run_workers(&work, worker_count(arguments->options.threads, work.wanted_count));
    free(work.wanted);
    return unknown || atomic_load(&work.failed) ? EXIT_SYSTEM : EXIT_OK;
}

int command_extract(int argc, char **argv)
{
    struct arguments arguments;
    int status = arguments_parse(&arguments, argc, argv, ARGUMENT_OUTPUT | ARGUMENT_KIND, 1, -1);
    if (status != EXIT_OK || arguments.help)
        return status != EXIT_OK ? status : command_help(argv[0]);
    struct lkmfs_session *session;
    struct command_output output = {.path = arguments.output ? arguments.output : ".", .folder = -1};
    status = command_open(arguments.operands[0], &arguments.options, &output, &session);
    if (status == EXIT_OK) {
        command_say_doubts(arguments.operands[0], &arguments.options, session);
        status = extract(session, &arguments, output.folder);
        lkmfs_session_close(session);
    }
    if (output.folder >= 0)
        (void)close(output.folder);
    return status;
}
