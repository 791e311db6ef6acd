#include "image/failure.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "image/file.h"
#include "lkmfs/image.h"

/* Of each thread, as errno is: what one thread makes of an image is no worse for what another could not read. */
static _Thread_local struct {
    uint64_t count;
    uint64_t offset; /* of the last one, as is `error` */
    int error;
} failures;

void image_failure_note(uint64_t offset, int error)
{
    failures.count++;
    failures.offset = offset;
    failures.error = error;
}

uint64_t lkmfs_image_failures(void)
{
    return failures.count;
}

bool lkmfs_image_intact(const struct lkmfs_image *image, uint64_t before, struct lkmfs_error *err)
{
    if (failures.count == before)
        return true;
    if (failures.error == ENOMEM)
        return lkmfs_fail_memory(err);
    const char *path = lkmfs_image_path(image);
    uint64_t offset = failures.offset;
    if (failures.error == 0)
        return lkmfs_fail(err, LKMFS_ERROR_READ, offset,
                          "%s ends before offset 0x%" PRIx64 ", and did not when it was opened: was it cut or written "
                          "anew? put it back and open it again",
                          path, offset);
    return lkmfs_fail(err, LKMFS_ERROR_READ, offset, "%s: reading at offset 0x%" PRIx64 " failed: %s; %s", path, offset,
                      strerror(failures.error),
                      image_file_is_remote(path) ? "check the server and open it again"
                                                 : "copy it off the failing disk first, for example with ddrescue");
}
