#include "BundledModel.h"

#include <stdalign.h>
#include <string.h>

// Page alignment lets a driver use the weights where they lie (CL_MEM_USE_HOST_PTR without a copy).
#define EMBEDDED alignas(bundled_model_alignment) static const unsigned char

EMBEDDED config_json[] = {
#embed "bard/config.json"
};
EMBEDDED generation_config_json[] = {
#embed "bard/generation_config.json"
};
EMBEDDED tokenizer_json[] = {
#embed "bard/tokenizer.json"
};
EMBEDDED tokenizer_config_json[] = {
#embed "bard/tokenizer_config.json"
};
EMBEDDED model_safetensors[] = {
#embed "bard/model.safetensors"
};

EMBEDDED reader_config_json[] = {
#embed "digit-reader/config.json"
};
EMBEDDED reader_safetensors[] = {
#embed "digit-reader/model.safetensors"
};
EMBEDDED writer_config_json[] = {
#embed "digit-writer/config.json"
};
EMBEDDED writer_safetensors[] = {
#embed "digit-writer/model.safetensors"
};

static const bundled_model_file files[] = {
    {"config.json", config_json, sizeof config_json},
    {"generation_config.json", generation_config_json, sizeof generation_config_json},
    {"tokenizer.json", tokenizer_json, sizeof tokenizer_json},
    {"tokenizer_config.json", tokenizer_config_json, sizeof tokenizer_config_json},
    {"model.safetensors", model_safetensors, sizeof model_safetensors},
    {"digit-reader/config.json", reader_config_json, sizeof reader_config_json},
    {"digit-reader/model.safetensors", reader_safetensors, sizeof reader_safetensors},
    {"digit-writer/config.json", writer_config_json, sizeof writer_config_json},
    {"digit-writer/model.safetensors", writer_safetensors, sizeof writer_safetensors},
};

size_t bundled_model_file_count(void) { return sizeof files / sizeof files[0]; }

const bundled_model_file *bundled_model_file_at(size_t index) {
    return index < bundled_model_file_count() ? &files[index] : NULL;
}

const bundled_model_file *bundled_model_find(const char *name) {
    for (size_t i = 0; i < bundled_model_file_count(); i++) {
        if (strcmp(files[i].name, name) == 0) return &files[i];
    }
    return NULL;
}
