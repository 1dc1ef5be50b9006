#include "CImageCodecs.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#define JPEG_FUNCTIONS(F)                                                                                             \
    F(jpeg_std_error)                                                                                                 \
    F(jpeg_CreateDecompress)                                                                                          \
    F(jpeg_destroy_decompress)                                                                                        \
    F(jpeg_mem_src)                                                                                                   \
    F(jpeg_read_header)                                                                                               \
    F(jpeg_start_decompress)                                                                                          \
    F(jpeg_read_scanlines)                                                                                            \
    F(jpeg_finish_decompress)

static struct {
    bool is_open;
    char reason[160];
#define FIELD(name) __typeof__(&name) name;
    JPEG_FUNCTIONS(FIELD)
#undef FIELD
} lib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    void *handle = dlopen("libjpeg.so.62", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        snprintf(lib.reason, sizeof lib.reason, "%s", reason ? reason : "libjpeg.so.62 cannot be opened");
        return;
    }
    lib.is_open = true;
#define LOAD(name)                                                                                                    \
    lib.name = (__typeof__(lib.name))dlsym(handle, #name);                                                            \
    if (!lib.name) lib.is_open = false;
    JPEG_FUNCTIONS(LOAD)
#undef LOAD
    if (!lib.is_open) snprintf(lib.reason, sizeof lib.reason, "libjpeg.so.62 lacks a function that is needed");
}

/// Scans of a progressive file that are read: a hostile one repeats them to take hours.
enum { MAX_SCANS = 500 };

typedef struct {
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr progress;
    jmp_buf exit;
    image_pixels *image;
} failure;

static void fail(j_common_ptr info) {
    failure *target = (failure *)(void *)info->err;
    char message[JMSG_LENGTH_MAX];
    info->err->format_message(info, message);
    snprintf(target->image->reason, sizeof target->image->reason, "%s", message);
    longjmp(target->exit, 1);
}

// Warnings are of data that can be read on, but for a file that ends too early.
static void take_message(j_common_ptr info, int level) {
    if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) fail(info);
}

static void ignore_message(j_common_ptr info) { (void)info; }

static void watch_scans(j_common_ptr info) {
    if (!info->is_decompressor) return;
    failure *target = (failure *)(void *)info->err;
    if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
        snprintf(target->image->reason, sizeof target->image->reason, "has over %d scans", MAX_SCANS);
        longjmp(target->exit, 1);
    }
}

static image_status read_file(j_decompress_ptr jpeg, uint64_t max_pixels, image_pixels *image) {
    lib.jpeg_read_header(jpeg, TRUE);
    image->width = jpeg->image_width;
    image->height = jpeg->image_height;
    if ((uint64_t)image->width * image->height > max_pixels) return IMAGE_TOO_LARGE;
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
        jpeg->out_color_space = JCS_GRAYSCALE;
        image->colours = IMAGE_GREY;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        image->colours = IMAGE_CMYK;
        break;
    case JCS_UNKNOWN:
        snprintf(
            image->reason, sizeof image->reason, "has %d components, which are no known colours",
            jpeg->num_components);
        return IMAGE_BROKEN;
    default:
        jpeg->out_color_space = JCS_RGB;
        image->colours = IMAGE_RGB;
    }
    jpeg->dct_method = JDCT_ISLOW;
    lib.jpeg_start_decompress(jpeg);
    const size_t stride = (size_t)image->width * image->colours;
    image->pixels = calloc(image->height ? image->height : 1, stride ? stride : 1);
    if (!image->pixels) return IMAGE_OUT_OF_MEMORY;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = image->pixels + jpeg->output_scanline * stride;
        lib.jpeg_read_scanlines(jpeg, &row, 1);
    }
    lib.jpeg_finish_decompress(jpeg);
    return IMAGE_OK;
}

image_status image_read_jpeg(const uint8_t *bytes, size_t count, uint64_t max_pixels, image_pixels *image) {
    memset(image, 0, sizeof *image);
    pthread_once(&once, open_library);
    if (!lib.is_open) {
        snprintf(image->reason, sizeof image->reason, "%s", lib.reason);
        return IMAGE_LIBRARY_MISSING;
    }
    struct jpeg_decompress_struct jpeg = {0};
    failure exit = {.image = image};
    jpeg.err = lib.jpeg_std_error(&exit.manager);
    exit.manager.error_exit = fail;
    exit.manager.emit_message = take_message;
    exit.manager.output_message = ignore_message;
    volatile image_status status = IMAGE_BROKEN;
    if (!setjmp(exit.exit)) {
        lib.jpeg_CreateDecompress(&jpeg, JPEG_LIB_VERSION, sizeof jpeg);
        exit.progress.progress_monitor = watch_scans;
        jpeg.progress = &exit.progress;
        // Coefficients of a progressive file take twice its pixels' bytes.
        jpeg.mem->max_memory_to_use = (long)1 << 31;
        lib.jpeg_mem_src(&jpeg, bytes, (unsigned long)count);
        status = read_file(&jpeg, max_pixels, image);
    } else {
        status = IMAGE_BROKEN;
    }
    lib.jpeg_destroy_decompress(&jpeg);
    if (status != IMAGE_OK) image_free(image);
    return status;
}
