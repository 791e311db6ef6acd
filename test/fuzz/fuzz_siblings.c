/* fuzz_siblings.c - images of several files: parts of one that was cut, memory with its state file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_images.h"
#include "synth.h"

#define PARTS_MAX   8
#define MEMORY_SIZE (1 << 20)

static char folder[] = "/tmp/lkmfs-fuzz-XXXXXX";

static void remove_folder(void)
{
    (void)rmdir(folder);
}

static void path_of(char path[64], const char *name)
{
    static bool made;
    if (!made && (!mkdtemp(folder) || atexit(remove_folder) != 0))
        synth_die("no folder %s", folder);
    made = true;
    (void)snprintf(path, 64, "%s/%s", folder, name);
}

/* Writes the next `size` bytes of the input, or all that are left, to a file of this name. */
static void save(struct input *input, const char *name, size_t size)
{
    char path[64];
    path_of(path, name);
    size = size < input->size ? size : input->size;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, input->bytes, size) != (ssize_t)size || close(fd) != 0)
        synth_die("%s can't be written", path);
    input->bytes += size;
    input->size -= size;
}

static void discard(const char *name)
{
    char path[64];
    path_of(path, name);
    (void)unlink(path);
}

/* Each part's size, 0 for one that is missing, then the bytes. */
static void split(struct input *input, const char *const names[PARTS_MAX])
{
    size_t sizes[PARTS_MAX];
    char path[64];
    for (size_t i = 0; i < PARTS_MAX; i++)
        sizes[i] = input_take(input, 2);
    size_t given = input_take(input, 1) % PARTS_MAX;
    for (size_t i = 0; i < PARTS_MAX; i++)
        if (sizes[i] || i == given)
            save(input, names[i], sizes[i]);
    path_of(path, names[given]);
    fuzz_open_image(path);
    for (size_t i = 0; i < PARTS_MAX; i++)
        discard(names[i]);
}

static void with_state(struct input *input, const char *state)
{
    char path[64];
    save(input, state, input_take(input, 2));
    save(input, "image.vmem", input->size);
    path_of(path, "image.vmem");
    if (truncate(path, MEMORY_SIZE) != 0) /* no memory is smaller */
        synth_die("%s can't grow", path);
    fuzz_open_image(path);
    discard("image.vmem");
    discard(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const numbers[PARTS_MAX] = {"image.000", "image.001", "image.002", "image.003",
                                                   "image.004", "image.005", "image.006", "image.010"};
    static const char *const letters[PARTS_MAX] = {"image.aa", "image.ab", "image.ac", "image.ad",
                                                   "image.ae", "image.af", "image.ag", "image.ba"};
    struct input input = {data, size};
    switch (input_take(&input, 1) % 4) {
    case 0:
        split(&input, numbers);
        break;
    case 1:
        split(&input, letters);
        break;
    case 2:
        with_state(&input, "image.vmss");
        break;
    default:
        with_state(&input, "image.vmsn");
    }
    return 0;
}
