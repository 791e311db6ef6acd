/*
 * tree.h - a memory image opened from end to end (the session), and the tree of files that it turns into.
 *
 * Neither knows of FUSE: the tree is what the mount serves and what `lkmfs cat` reads without one. After opening, both
 * are immutable but for the cache of built files inside the tree; all functions are safe from several threads.
 */
#ifndef LKMFS_TREE_H
#define LKMFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lkmfs/error.h"
#include "lkmfs/image.h"
#include "lkmfs/kernel.h"
#include "lkmfs/module.h"
#include "lkmfs/object.h"

/* ---- session ---- */

struct lkmfs_session;

/* Called when a step of opening begins; `step` is a constant like those in struct lkmfs_timing. */
typedef void lkmfs_step_fn(void *context, const char *step);

/* False, with the reason in *err, when what it does failed. */
typedef bool lkmfs_confine_fn(void *context, struct lkmfs_error *err);

struct lkmfs_session_options {
    struct lkmfs_kernel_options kernel;
    struct lkmfs_hole hole; /* hole=; end is 0 when it's for lkmfs to find */
    bool verbose;           /* the log goes to standard error, too */
    lkmfs_step_fn *step;    /* may be NULL */
    void *step_context;
    /*
     * Called once when all files are open that lkmfs will need, before the memory in them is looked at: the time to
     * give up rights. May be NULL. When it fails, opening does, with its error.
     */
    lkmfs_confine_fn *confine;
    void *confine_context;
};

/* Wall-clock time of one step of opening. */
struct lkmfs_timing {
    const char *step; /* "image", "kernel", "modules", "builder" */
    double seconds;
};

/*
 * Opens the image at `path`: finds its kernel and modules and prepares for building. `options` may be NULL. No module's
 * contents are read. *ret is owned by the caller. Errors: those of lkmfs_image_open(), lkmfs_kernel_open(),
 * lkmfs_modules_open() and lkmfs_builder_new().
 */
bool lkmfs_session_open(const char *path, const struct lkmfs_session_options *options, struct lkmfs_session **ret,
                        struct lkmfs_error *err);
void lkmfs_session_close(struct lkmfs_session *session);

/* The parts; owned by the session. */
const struct lkmfs_image *lkmfs_session_image(const struct lkmfs_session *session);
const struct lkmfs_kernel *lkmfs_session_kernel(const struct lkmfs_session *session);
const struct lkmfs_modules *lkmfs_session_modules(const struct lkmfs_session *session);
const struct lkmfs_builder *lkmfs_session_builder(const struct lkmfs_session *session);
/* The log, for later additions (builds that failed ...). */
struct lkmfs_log *lkmfs_session_log(const struct lkmfs_session *session);
/* What the log said when opening was done: how /log.txt begins, and how many of its lines are doubts. */
const char *lkmfs_session_log_text(const struct lkmfs_session *session);
size_t lkmfs_session_doubts(const struct lkmfs_session *session);
/* One entry a step, in the order done. */
const struct lkmfs_timing *lkmfs_session_timings(const struct lkmfs_session *session, size_t *count);

/* ---- tree ---- */

struct lkmfs_tree;

/*
 * A file, folder or link: its inode number. The same image always gives the same numbers: fixed ones for what every
 * image has, a block for each module in the order of lkmfs_modules_at().
 */
typedef uint64_t lkmfs_node;
#define LKMFS_NODE_NONE ((lkmfs_node)0)
#define LKMFS_NODE_ROOT ((lkmfs_node)1)

enum lkmfs_node_kind {
    LKMFS_NODE_FOLDER,
    LKMFS_NODE_FILE,
    LKMFS_NODE_LINK,
};

#define LKMFS_NAME_SIZE 256 /* bytes of the longest name in the tree, its NUL included */

/* One name in a folder. */
struct lkmfs_entry {
    lkmfs_node node;
    enum lkmfs_node_kind kind;
    char name[LKMFS_NAME_SIZE];
};

/* The bytes of a file while they are held; see lkmfs_tree_hold(). */
struct lkmfs_view {
    const uint8_t *bytes; /* NULL when size is 0 */
    size_t size;
    lkmfs_node node;
};

#define LKMFS_CACHE_DEFAULT ((uint64_t)256 << 20) /* bytes */

/*
 * The tree over `session`, which must outlive it. `cache_bytes` bounds the memory that finished files take while nobody
 * holds them; the one used last always stays. Nothing is built here. *ret is owned by the caller. Errors: NO_MEMORY.
 */
bool lkmfs_tree_new(const struct lkmfs_session *session, uint64_t cache_bytes, struct lkmfs_tree **ret,
                    struct lkmfs_error *err);
void lkmfs_tree_free(struct lkmfs_tree *tree);

const struct lkmfs_session *lkmfs_tree_session(const struct lkmfs_tree *tree);
/* Number of nodes in the tree, for statfs. */
uint64_t lkmfs_tree_count(const struct lkmfs_tree *tree);

/* False when there is no such node. */
bool lkmfs_tree_kind(const struct lkmfs_tree *tree, lkmfs_node node, enum lkmfs_node_kind *ret);
/* The child of folder `parent` called `name`, LKMFS_NODE_NONE when there is none. Builds nothing. */
lkmfs_node lkmfs_tree_lookup(const struct lkmfs_tree *tree, lkmfs_node parent, const char *name);
/*
 * The node at `path` from the root; empty components and "." are skipped, ".." is never found, a link at the end is
 * followed. LKMFS_NODE_NONE when there is none.
 */
lkmfs_node lkmfs_tree_resolve(const struct lkmfs_tree *tree, const char *path);
/* Child `index` (from 0) of `folder`, "." and ".." left out; false past the last one. Builds nothing. */
bool lkmfs_tree_entry(const struct lkmfs_tree *tree, lkmfs_node folder, uint64_t index, struct lkmfs_entry *ret);
/* The folder that holds folder `node`; the root is its own. */
lkmfs_node lkmfs_tree_parent(const struct lkmfs_tree *tree, lkmfs_node node);
/* Folders right inside `folder`. */
size_t lkmfs_tree_subfolders(const struct lkmfs_tree *tree, lkmfs_node folder);
/* Where link `node` points, relative to its folder; false when `node` is no link. */
bool lkmfs_tree_link(const struct lkmfs_tree *tree, lkmfs_node node, char target[LKMFS_NAME_SIZE + 16]);

/* True for the one file that can get longer: /log.txt, by a line for each file that could not be made. */
bool lkmfs_tree_grows(lkmfs_node node);

/*
 * Exact size in bytes of file or link `node`, 0 for a folder. The first call for a file builds it; the size never
 * changes afterwards, unless lkmfs_tree_grows(). Errors: NOT_FOUND (no such node), NO_MEMORY, IO, READ.
 */
bool lkmfs_tree_size(struct lkmfs_tree *tree, lkmfs_node node, uint64_t *ret, struct lkmfs_error *err);

/*
 * Holds the finished bytes of file `node` in memory, building them when they aren't, until lkmfs_tree_drop(). Memory
 * missing from the image is no error. Errors: NOT_FOUND (no such file), NO_MEMORY, IO (the bytes can't be made again as
 * they were before), READ (the host failed to read the image: nothing is kept, and the next call tries again).
 */
bool lkmfs_tree_hold(struct lkmfs_tree *tree, lkmfs_node node, struct lkmfs_view *ret, struct lkmfs_error *err);
void lkmfs_tree_drop(struct lkmfs_tree *tree, const struct lkmfs_view *view);

/*
 * Copies up to `size` bytes from `offset` of file `node`; *ret is how many there were, 0 at or past the end. Errors: as
 * lkmfs_tree_hold().
 */
bool lkmfs_tree_read(struct lkmfs_tree *tree, lkmfs_node node, uint64_t offset, void *buffer, size_t size, size_t *ret,
                     struct lkmfs_error *err);

#endif
