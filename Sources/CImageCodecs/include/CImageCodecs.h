// libpng and libjpeg-turbo, opened at run time so that a program also runs where they are not installed. Files are
// strangers': sizes are checked before memory is taken, and what the libraries call an error is one here.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// What went wrong.
typedef enum {
    IMAGE_OK = 0,
    /// The library is not installed, or too different.
    IMAGE_LIBRARY_MISSING,
    /// The file is broken.
    IMAGE_BROKEN,
    /// More pixels than the caller allows.
    IMAGE_TOO_LARGE,
    IMAGE_OUT_OF_MEMORY,
} image_status;

/// Colours of `image_pixels`.
typedef enum { IMAGE_GREY = 1, IMAGE_RGB = 3, IMAGE_CMYK = 4 } image_colours;

typedef struct {
    /// `height` rows of `width` pixels of `colours` bytes, to be freed with `image_free`; NULL where reading failed.
    uint8_t *pixels;
    uint32_t width, height;
    image_colours colours;
    /// A colour that the file calls transparent as a whole, as Pillow sees it: red, green and blue.
    bool has_transparent_colour;
    uint8_t transparent_colour[3];
    /// One line; empty where all is well.
    char reason[200];
} image_pixels;

/// Reads a PNG file: grey or RGB, palettes looked up, alpha left out, 16 bits cut to the upper 8; grey of 16 bits is
/// clipped at 255 instead, as Pillow does it.
image_status image_read_png(const uint8_t *bytes, size_t count, uint64_t max_pixels, image_pixels *image);
/// Reads a JPEG file: grey, RGB, or CMYK as Adobe stores it, inverted.
image_status image_read_jpeg(const uint8_t *bytes, size_t count, uint64_t max_pixels, image_pixels *image);
void image_free(image_pixels *image);

typedef struct {
    /// To be freed with `image_free_file`.
    uint8_t *bytes;
    size_t count, capacity;
    char reason[200];
} image_file;

/// Writes pixels as a PNG file of 8 bits: 1 colour is grey, 3 are RGB.
image_status image_write_png(
    const uint8_t *pixels, uint32_t width, uint32_t height, image_colours colours, image_file *file);
void image_free_file(image_file *file);
