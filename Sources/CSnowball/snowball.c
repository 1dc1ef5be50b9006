#include "CSnowball.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static struct {
    char reason[160];
    snowball_stemmer *(*create)(const char *language, const char *encoding);
    void (*destroy)(snowball_stemmer *stemmer);
    const uint8_t *(*stem)(snowball_stemmer *stemmer, const uint8_t *word, int byte_count);
    int (*length)(snowball_stemmer *stemmer);
    const char **(*list)(void);
} lib;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_library(void) {
    void *handle = dlopen("libstemmer.so.0d", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *reason = dlerror();
        snprintf(lib.reason, sizeof lib.reason, "%s", reason ? reason : "libstemmer.so.0d cannot be opened");
        return;
    }
    lib.create = (__typeof__(lib.create))dlsym(handle, "sb_stemmer_new");
    lib.destroy = (__typeof__(lib.destroy))dlsym(handle, "sb_stemmer_delete");
    lib.stem = (__typeof__(lib.stem))dlsym(handle, "sb_stemmer_stem");
    lib.length = (__typeof__(lib.length))dlsym(handle, "sb_stemmer_length");
    lib.list = (__typeof__(lib.list))dlsym(handle, "sb_stemmer_list");
    if (!lib.create || !lib.destroy || !lib.stem || !lib.length || !lib.list)
        snprintf(lib.reason, sizeof lib.reason, "libstemmer.so.0d lacks a function that is needed");
}

const char *snowball_missing_reason(void) {
    pthread_once(&once, open_library);
    return lib.reason[0] ? lib.reason : NULL;
}

const char *const *snowball_languages(void) { return snowball_missing_reason() ? NULL : lib.list(); }

snowball_stemmer *snowball_create(const char *language) {
    return snowball_missing_reason() ? NULL : lib.create(language, "UTF_8");
}

void snowball_destroy(snowball_stemmer *stemmer) {
    if (stemmer) lib.destroy(stemmer);
}

const uint8_t *snowball_stem(
    snowball_stemmer *stemmer, const uint8_t *word, int32_t byte_count, int32_t *stem_byte_count) {
    const uint8_t *stem = lib.stem(stemmer, word, byte_count);
    *stem_byte_count = stem ? lib.length(stemmer) : 0;
    return stem;
}
