/*
 * vmware.h - the memory of VMware guests: a .vmem file and the state file beside it.
 */
#ifndef LKMFS_IMAGE_VMWARE_H
#define LKMFS_IMAGE_VMWARE_H

#include "image/file.h"

/* The state file beside NAME.vmem: NAME.vmss or NAME.vmsn; NULL if `path` is not so called or there's none. */
struct image_file *vmware_open_state(const char *path);

#endif
