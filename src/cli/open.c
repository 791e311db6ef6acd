#include "cli/command.h"

#include "cli/message.h"
#include "cli/output_folder.h"
#include "cli/sandbox.h"

/* For confine(), below. */
struct confinement {
    struct command_output *output; /* NULL if none */
    bool sandbox;
    int status; /* exit code when confine() failed */
};

static void show_step(void *context, const char *step)
{
    message_progress("%s: looking for %s ...", (const char *)context, step);
}

static bool confine(void *context, struct lkmfs_error *err)
{
    struct confinement *confinement = context;
    struct command_output *output = confinement->output;
    confinement->status = EXIT_SYSTEM;
    if (output && (output->folder = output_folder_open(output->path, err)) < 0)
        return false;
    if (confinement->sandbox && !sandbox_enter(output ? output->folder : -1, err))
        return false;
    confinement->status = EXIT_OK;
    return true;
}

int command_open(const char *path, const struct cli_options *options, struct command_output *output,
                 struct lkmfs_session **ret)
{
    struct confinement confinement = {.output = output, .sandbox = options->sandbox};
    const struct lkmfs_session_options session = {
        .kernel = options->kernel,
        .hole = options->hole,
        .verbose = options->verbose,
        .step = options->verbose ? NULL : show_step,
        .step_context = (void *)(uintptr_t)path,
        .confine = confine,
        .confine_context = &confinement,
    };
    struct lkmfs_error err;
    if (!lkmfs_session_open(path, &session, ret, &err)) {
        int status = message_open_failed(&err);
        return confinement.status != EXIT_OK ? confinement.status : status;
    }
    message_progress_done();
    return EXIT_OK;
}

void command_say_doubts(const char *path, const struct cli_options *options, const struct lkmfs_session *session)
{
    size_t count = lkmfs_session_doubts(session);
    if (count > 0 && !options->verbose)
        message_error("%s: %zu %s, so this may not be all; see /log.txt ('lkmfs cat IMAGE log.txt')", path, count,
                      count == 1 ? "doubt" : "doubts");
}

int command_put_file(const struct lkmfs_session *session, const struct cli_options *options, const char *path)
{
    struct lkmfs_error err;
    struct lkmfs_tree *tree;
    if (!lkmfs_tree_new(session, options->cache_bytes, &tree, &err)) {
        message_error("%s", err.message);
        return EXIT_SYSTEM;
    }
    int status = EXIT_SYSTEM;
    lkmfs_node node = lkmfs_tree_resolve(tree, path);
    enum lkmfs_node_kind kind;
    struct lkmfs_view view;
    if (!node || !lkmfs_tree_kind(tree, node, &kind)) {
        message_error("%s: no such file in the tree; 'lkmfs help cat' lists what there is", path);
    } else if (kind == LKMFS_NODE_FOLDER) {
        message_error("%s: is a folder", path);
    } else if (!lkmfs_tree_hold(tree, node, &view, &err)) {
        message_error("%s: %s", path, err.message);
    } else {
        status = message_output(view.bytes, view.size) ? EXIT_OK : EXIT_SYSTEM;
        lkmfs_tree_drop(tree, &view);
    }
    lkmfs_tree_free(tree);
    return status;
}
