#include "CImageCodecs.h"

#include <dlfcn.h>
#include <png.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The functions that are used, by the types that the header gives them.
#define PNG_FUNCTIONS(F)                                                                                              \
    F(png_create_read_struct)                                                                                         \
    F(png_create_write_struct)                                                                                        \
    F(png_create_info_struct)                                                                                         \
    F(png_destroy_read_struct)                                                                                        \
    F(png_destroy_write_struct)                                                                                       \
    F(png_set_user_limits)                                                                                            \
    F(png_set_chunk_malloc_max)                                                                                       \
    F(png_set_chunk_cache_max)                                                                                        \
    F(png_set_read_fn)                                                                                                \
    F(png_set_write_fn)                                                                                               \
    F(png_get_io_ptr)                                                                                                 \
    F(png_get_error_ptr)                                                                                              \
    F(png_read_info)                                                                                                  \
    F(png_get_IHDR)                                                                                                   \
    F(png_get_PLTE)                                                                                                   \
    F(png_get_tRNS)                                                                                                   \
    F(png_set_palette_to_rgb)                                                                                         \
    F(png_set_expand_gray_1_2_4_to_8)                                                                                 \
    F(png_set_strip_16)                                                                                               \
    F(png_set_strip_alpha)                                                                                            \
    F(png_set_interlace_handling)                                                                                     \
    F(png_read_update_info)                                                                                           \
    F(png_get_rowbytes)                                                                                               \
    F(png_read_row)                                                                                                   \
    F(png_set_IHDR)                                                                                                   \
    F(png_write_info)                                                                                                 \
    F(png_write_row)                                                                                                  \
    F(png_write_end)

static struct {
    bool is_open;
    char reason[160];
#define FIELD(name) __typeof__(&name) name;
    PNG_FUNCTIONS(FIELD)
#undef FIELD
} lib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    void *handle = dlopen("libpng16.so.16", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        snprintf(lib.reason, sizeof lib.reason, "%s", reason ? reason : "libpng16.so.16 cannot be opened");
        return;
    }
    lib.is_open = true;
#define LOAD(name)                                                                                                    \
    lib.name = (__typeof__(lib.name))dlsym(handle, #name);                                                            \
    if (!lib.name) lib.is_open = false;
    PNG_FUNCTIONS(LOAD)
#undef LOAD
    if (!lib.is_open) snprintf(lib.reason, sizeof lib.reason, "libpng16.so.16 lacks a function that is needed");
}

/// Where an error of the library goes.
typedef struct {
    jmp_buf exit;
    char *reason;
    size_t size;
} failure;

static void fail(png_structp png, png_const_charp message) {
    failure *target = lib.png_get_error_ptr(png);
    snprintf(target->reason, target->size, "%s", message ? message : "is broken");
    longjmp(target->exit, 1);
}

static void ignore_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

typedef struct {
    const uint8_t *bytes;
    size_t count, position;
    /// Set where a size is over the limit.
    bool is_too_large;
    bool is_out_of_memory;
} png_source;

static void read_bytes(png_structp png, png_bytep target, size_t count) {
    png_source *source = lib.png_get_io_ptr(png);
    if (count > source->count - source->position) {
        failure *exit = lib.png_get_error_ptr(png);
        snprintf(exit->reason, exit->size, "ends in the middle");
        longjmp(exit->exit, 1);
    }
    memcpy(target, source->bytes + source->position, count);
    source->position += count;
}

/// Reads the rows, all of which an interlaced file writes several times; `row` holds one of 16 bits.
static void read_rows(png_structp png, image_pixels *image, int passes, bool is_wide, uint8_t *row) {
    const size_t width = image->width, stride = width * image->colours;
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < image->height; y++) {
            if (!is_wide) {
                lib.png_read_row(png, image->pixels + y * stride, NULL);
                continue;
            }
            // Interlaced rows are completed over the passes, so that they are kept whole.
            uint8_t *wide = row + (passes > 1 ? (size_t)y * width * 2 : 0);
            lib.png_read_row(png, wide, NULL);
            for (size_t x = 0; x < width; x++)
                image->pixels[y * stride + x] = wide[2 * x] ? 255 : wide[2 * x + 1];
        }
}

/// The one colour that is transparent: of a palette the entry that is it wholly while no other is at all, else the
/// colour that the file names, by the numbers that it has there.
static void find_transparent_colour(png_structp png, png_infop info, int type, int depth, image_pixels *image) {
    png_bytep alphas = NULL;
    png_color_16p colour = NULL;
    int count = 0;
    if (depth > 8 || !lib.png_get_tRNS(png, info, &alphas, &count, &colour)) return;
    uint16_t parts[3] = {256, 256, 256};
    if (type == PNG_COLOR_TYPE_PALETTE) {
        png_colorp palette = NULL;
        int colours = 0, index = -1;
        if (!alphas || !lib.png_get_PLTE(png, info, &palette, &colours) || !palette) return;
        for (int i = 0; i < count; i++) {
            if (alphas[i] == 255) continue;
            if (alphas[i] != 0 || index >= 0) return;
            index = i;
        }
        if (index < 0 || index >= colours) return;
        parts[0] = palette[index].red, parts[1] = palette[index].green, parts[2] = palette[index].blue;
    } else if (colour && type == PNG_COLOR_TYPE_GRAY) {
        parts[0] = parts[1] = parts[2] = colour->gray;
    } else if (colour && type == PNG_COLOR_TYPE_RGB) {
        parts[0] = colour->red, parts[1] = colour->green, parts[2] = colour->blue;
    }
    for (int i = 0; i < 3; i++) {
        if (parts[i] > 255) return;
        image->transparent_colour[i] = (uint8_t)parts[i];
    }
    image->has_transparent_colour = true;
}

static void read_file(
    png_structp png, png_infop info, png_source *source, uint64_t max_pixels, image_pixels *image,
    uint8_t *volatile *row) {
    png_uint_32 width, height;
    int depth, type, interlace;
    lib.png_read_info(png, info);
    lib.png_get_IHDR(png, info, &width, &height, &depth, &type, &interlace, NULL, NULL);
    if ((uint64_t)width * height > max_pixels) {
        source->is_too_large = true;
        image->width = width;
        image->height = height;
        return;
    }
    find_transparent_colour(png, info, type, depth, image);
    const bool is_grey = !(type & PNG_COLOR_MASK_COLOR), is_wide = type == PNG_COLOR_TYPE_GRAY && depth == 16;
    if (type == PNG_COLOR_TYPE_PALETTE) lib.png_set_palette_to_rgb(png);
    if (is_grey && depth < 8) lib.png_set_expand_gray_1_2_4_to_8(png);
    if (depth == 16 && !is_wide) lib.png_set_strip_16(png);
    // Palettes with transparent colours become pixels with alpha too.
    if (type & PNG_COLOR_MASK_ALPHA || type == PNG_COLOR_TYPE_PALETTE) lib.png_set_strip_alpha(png);
    const int passes = lib.png_set_interlace_handling(png);
    lib.png_read_update_info(png, info);
    image->width = width;
    image->height = height;
    image->colours = is_grey ? IMAGE_GREY : IMAGE_RGB;
    const size_t row_bytes = lib.png_get_rowbytes(png, info), bytes = (size_t)width * height * image->colours;
    if (row_bytes != (size_t)width * (is_wide ? 2 : image->colours)) fail(png, "has rows of an unknown layout");
    // Every pixel takes compressed bits: a file that is a thousand times smaller than deflate can make it is hostile.
    if (bytes / 1100 > source->count) fail(png, "is too short for its size");
    // Pages of zeros cost nothing until rows are read.
    image->pixels = calloc(1, bytes ? bytes : 1);
    if (is_wide) *row = calloc(passes > 1 ? height : 1, (size_t)width * 2);
    if (!image->pixels || (is_wide && !*row)) {
        source->is_out_of_memory = true;
        return;
    }
    read_rows(png, image, passes, is_wide, *row);
}

image_status image_read_png(const uint8_t *bytes, size_t count, uint64_t max_pixels, image_pixels *image) {
    memset(image, 0, sizeof *image);
    pthread_once(&once, open_library);
    if (!lib.is_open) {
        snprintf(image->reason, sizeof image->reason, "%s", lib.reason);
        return IMAGE_LIBRARY_MISSING;
    }
    failure exit = {.reason = image->reason, .size = sizeof image->reason};
    png_source source = {.bytes = bytes, .count = count};
    png_structp png = lib.png_create_read_struct(PNG_LIBPNG_VER_STRING, &exit, fail, ignore_warning);
    if (!png) return IMAGE_OUT_OF_MEMORY;
    png_infop info = lib.png_create_info_struct(png);
    const bool has_info = info;
    uint8_t *volatile row = NULL;
    volatile bool is_read = false;
    if (has_info && !setjmp(exit.exit)) {
        lib.png_set_user_limits(png, 1u << 24, 1u << 24);
        lib.png_set_chunk_malloc_max(png, 8u << 20);
        lib.png_set_chunk_cache_max(png, 64);
        lib.png_set_read_fn(png, &source, read_bytes);
        read_file(png, info, &source, max_pixels, image, &row);
        is_read = true;
    }
    lib.png_destroy_read_struct(&png, &info, NULL);
    free(row);
    if (is_read && !source.is_too_large && !source.is_out_of_memory) return IMAGE_OK;
    image_free(image);
    if (source.is_too_large) return IMAGE_TOO_LARGE;
    return source.is_out_of_memory || !has_info ? IMAGE_OUT_OF_MEMORY : IMAGE_BROKEN;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t count) {
    image_file *file = lib.png_get_io_ptr(png);
    if (count > file->capacity - file->count) {
        const size_t capacity = (file->capacity + count) * 2;
        uint8_t *grown = realloc(file->bytes, capacity);
        if (!grown) fail(png, "out of memory");
        file->bytes = grown;
        file->capacity = capacity;
    }
    memcpy(file->bytes + file->count, bytes, count);
    file->count += count;
}

static void flush_nothing(png_structp png) { (void)png; }

image_status image_write_png(
    const uint8_t *pixels, uint32_t width, uint32_t height, image_colours colours, image_file *file) {
    memset(file, 0, sizeof *file);
    pthread_once(&once, open_library);
    if (!lib.is_open) {
        snprintf(file->reason, sizeof file->reason, "%s", lib.reason);
        return IMAGE_LIBRARY_MISSING;
    }
    failure exit = {.reason = file->reason, .size = sizeof file->reason};
    png_structp png = lib.png_create_write_struct(PNG_LIBPNG_VER_STRING, &exit, fail, ignore_warning);
    if (!png) return IMAGE_OUT_OF_MEMORY;
    png_infop info = lib.png_create_info_struct(png);
    volatile bool is_written = false;
    if (info && !setjmp(exit.exit)) {
        lib.png_set_write_fn(png, file, write_bytes, flush_nothing);
        lib.png_set_IHDR(
            png, info, width, height, 8, colours == IMAGE_GREY ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
            PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        lib.png_write_info(png, info);
        for (uint32_t y = 0; y < height; y++) lib.png_write_row(png, pixels + (size_t)y * width * colours);
        lib.png_write_end(png, info);
        is_written = true;
    }
    lib.png_destroy_write_struct(&png, &info);
    if (is_written) return IMAGE_OK;
    image_free_file(file);
    return IMAGE_BROKEN;
}

void image_free(image_pixels *image) {
    free(image->pixels);
    image->pixels = NULL;
}

void image_free_file(image_file *file) {
    free(file->bytes);
    file->bytes = NULL;
    file->count = file->capacity = 0;
}
