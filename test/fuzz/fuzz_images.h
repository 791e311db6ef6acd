/*
 * fuzz_images.h - opens an image and checks what image.h promises.
 */
#ifndef LKMFS_FUZZ_IMAGES_H
#define LKMFS_FUZZ_IMAGES_H

/* Opens the image, whatever it is, and reads of it: ranges are in order, the same place always gives the same bytes. */
void fuzz_open_image(const char *path);

#endif
