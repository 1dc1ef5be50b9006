// Conformance of the CPU kernels on a processor that tests do not run on: a program without Swift, built for that
// processor and run in an emulator (Tools/check_neon.sh). Every kernel set that runs is held against double precision.
#include "CPUKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int cases, failures;
static uint64_t state = 88172645463325252u;

static uint32_t random_bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}
static float random_float(void) { return (float)(random_bits() % 20001) / 10000.0f - 1.0f; }

static void *room(size_t bytes) {
    void *p = calloc(bytes + 64, 1);
    if (!p) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    return p;
}
static float *random_floats(int64_t count) {
    float *x = room((size_t)count * 4);
    for (int64_t i = 0; i < count; i++) x[i] = random_float();
    return x;
}

static void judge(const char *what, const char *set, const float *found, const double *expected, int64_t count,
                  double bound) {
    double error = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        error += ((double)found[i] - expected[i]) * ((double)found[i] - expected[i]);
        size += expected[i] * expected[i];
    }
    cases++;
    if (error <= bound * size) return;
    failures++;
    printf("%s on %s: NMSE %.2e, at most %.0e\n", what, set, error / size, bound);
}

static float half_value(uint16_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 0    ? ldexpf((float)fraction, -24)
                       : exponent == 31 ? (fraction ? NAN : INFINITY)
                                        : ldexpf((float)(fraction + 1024), exponent - 25);
    return bits >> 15 ? -size : size;
}
static float bfloat_value(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}
static double element(cpuk_format format, const void *data, int64_t i) {
    if (format == CPUK_F32) return ((const float *)data)[i];
    if (format == CPUK_BF16) return bfloat_value(((const uint16_t *)data)[i]);
    if (format == CPUK_F16) return half_value(((const uint16_t *)data)[i]);
    return ((const int8_t *)data)[i];
}

// ---- Matrix products

static int64_t row_bytes_of(const number_format_row *row, int64_t columns) {
    return columns / row->block_size * row->block_bytes;
}

static void fill_weight(cpuk_format format, const number_format_row *row, uint8_t *data, int64_t elements) {
    if (row->block_size == 1) {
        for (int64_t i = 0; i < elements; i++) {
            const float x = random_float();
            uint32_t bits;
            memcpy(&bits, &x, 4);
            if (format == CPUK_F32) memcpy(data + 4 * i, &x, 4);
            else if (format == CPUK_I8) data[i] = (uint8_t)(random_bits() % 255 + 129);
            else if (format == CPUK_BF16) memcpy(data + 2 * i, (const uint8_t *)&bits + 2, 2);
            else ((uint16_t *)(void *)data)[i] = (uint16_t)((random_bits() & 0x83ff) | 0x3400);
        }
        return;
    }
    for (int64_t b = 0; b < elements / row->block_size; b++) {
        uint8_t *block = data + b * row->block_bytes;
        for (int i = 0; i < row->block_bytes; i++) block[i] = (uint8_t)random_bits();
        if (format == CPUK_MXFP4) block[0] = (uint8_t)(118 + random_bits() % 8);
        for (int i = 0; format != CPUK_MXFP4 && i < row->scale_count; i++) {
            const uint16_t scale = (uint16_t)((0x2000 + random_bits() % 0x800) | (random_bits() & 0x8000));
            memcpy(block + row->scale_at + 2 * i, &scale, 2);
        }
    }
}

static void products(cpuk_context *context, cpuk_context *plain, const char *set, cpuk_format format, bool rounds) {
    const number_format_row *row = number_format_row_of(format);
    const int64_t shapes[][3] = {{1, 1, 1},  {17, 2, 3}, {32, 3, 2}, {64, 8, 3},  {96, 5, 9},
                                 {70, 9, 2}, {33, 40, 3}, {48, 16, 7}, {20, 32, 1}, {64, 130, 2}};
    // A single sum that nearly vanishes says nothing of rounded activations.
    for (size_t s = rounds ? 1 : 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t rows = shapes[s][0], tokens = shapes[s][1];
        // Rows of int8 are packed where they are whole groups of 32.
        const int64_t values_alone = format == CPUK_I8 && s % 2 ? 64 : 45;
        const int64_t unit = row->block_size == 1 ? values_alone : row->block_size;
        const int64_t columns = unit * (row->block_size == 256 ? 1 + shapes[s][2] % 2 : shapes[s][2]);
        const int64_t bytes = row_bytes_of(row, columns);
        uint8_t *data = room((size_t)(bytes * rows));
        fill_weight(format, row, data, rows * columns);
        float *scales = random_floats(rows), *x = random_floats(tokens * columns), *bias = random_floats(rows);
        const cpuk_weight_part part = {
            .rows = rows, .data = data, .scales = format == CPUK_I8 ? scales : NULL};
        cpuk_weight weight = {
            .format = format, .rows = rows, .columns = columns, .row_bytes = bytes, .part_count = 1, .parts = &part,
            .reduced = rounds};
        // The values of the weight, by the plainest kernels.
        float *values = room((size_t)(rows * columns) * 4), *y = room((size_t)(rows * tokens) * 4);
        int32_t *ids = room((size_t)rows * 4);
        for (int64_t r = 0; r < rows; r++) ids[r] = (int32_t)r;
        cpuk_embed(plain, ids, rows, &weight, 1, false, (cpuk_rows){values, columns});
        double *expected = room((size_t)(rows * tokens) * 8);
        for (int64_t t = 0; t < tokens; t++)
            for (int64_t r = 0; r < rows; r++) {
                double sum = bias[r];
                for (int64_t k = 0; k < columns; k++) sum += (double)values[r * columns + k] * x[t * columns + k];
                expected[t * rows + r] = sum;
            }
        const cpuk_matmul_args args = {
            .x = {x, columns}, .tokens = tokens, .weight = &weight, .output = {y, rows}, .bias = bias};
        cpuk_matmul(context, &args);
        char name[128];
        snprintf(name, sizeof name, "product %s %lldx%lldx%lld", row->name, (long long)rows, (long long)tokens,
                 (long long)columns);
        judge(name, set, y, expected, rows * tokens, rounds ? 3e-4 : 1e-9);
        const int64_t packed_bytes = cpuk_packed_bytes(context, &weight);
        if (packed_bytes > 0) {
            void *packed = room((size_t)packed_bytes);
            cpuk_pack(context, &weight, 0, rows, packed);
            weight.packed = packed;
            memset(y, 0xff, (size_t)(rows * tokens) * 4);
            cpuk_matmul(context, &args);
            strcat(name, " packed");
            judge(name, set, y, expected, rows * tokens, rounds ? 3e-4 : 1e-9);
            free(packed);
        }
        free(data), free(scales), free(x), free(bias), free(values), free(y), free(ids), free(expected);
    }
}

// The formats whose layout is simple, decoded here once more.
static void decoding(cpuk_context *context, const char *set) {
    enum { COLUMNS = 96 };
    const cpuk_format formats[] = {CPUK_F32, CPUK_BF16, CPUK_F16, CPUK_Q8_0, CPUK_Q4_0};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        const number_format_row *row = number_format_row_of(formats[f]);
        uint8_t data[4 * COLUMNS];
        float found[COLUMNS];
        double expected[COLUMNS];
        fill_weight(formats[f], row, data, COLUMNS);
        for (int i = 0; i < COLUMNS; i++) {
            if (row->block_size == 1) {
                expected[i] = element(formats[f], data, i);
                continue;
            }
            const uint8_t *block = data + i / 32 * row->block_bytes;
            uint16_t scale;
            memcpy(&scale, block, 2);
            const int place = i % 32;
            const int quant = formats[f] == CPUK_Q8_0 ? (int8_t)block[2 + place]
                                                      : (block[2 + place % 16] >> (place / 16 * 4) & 15) - 8;
            expected[i] = (double)half_value(scale) * quant;
        }
        const cpuk_weight_part part = {.rows = 1, .data = data};
        const cpuk_weight weight = {
            .format = formats[f], .rows = 1, .columns = COLUMNS, .row_bytes = row_bytes_of(row, COLUMNS),
            .part_count = 1, .parts = &part};
        const int32_t id = 0;
        cpuk_embed(context, &id, 1, &weight, 1, false, (cpuk_rows){found, COLUMNS});
        judge(row->name, set, found, expected, COLUMNS, 1e-14);
    }
}

// ---- Attention

typedef struct {
    cpuk_format format;
    int64_t heads, kv_heads, size, context, queries, window;
    float cap;
} attention_case;

static double score(const attention_case *c, const cpuk_cache *cache, const float *query, int64_t row) {
    const double scale = c->format == CPUK_I8 ? cache->key_scales[row] : 1;
    double sum = 0;
    for (int64_t d = 0; d < c->size; d++) sum += query[d] * scale * element(c->format, cache->keys, row * c->size + d);
    sum *= 0.3;
    return c->cap > 0 ? c->cap * tanh(sum / c->cap) : sum;
}

static void attend(const attention_case *c, const cpuk_cache *cache, const int32_t *table, const float *query,
                   double *output) {
    double *weights = room((size_t)c->context * 8);
    for (int64_t q = 0; q < c->queries; q++)
        for (int64_t h = 0; h < c->heads; h++) {
            const int64_t end = c->context - c->queries + q + 1;
            const int64_t begin = c->window > 0 && end > c->window ? end - c->window : 0;
            const int64_t kv = h / (c->heads / c->kv_heads);
            double total = 0, *row_output = output + (q * c->heads + h) * c->size;
            for (int64_t j = begin; j < end; j++) {
                const int64_t row = (table[j / 16] * c->kv_heads + kv) * 16 + j % 16;
                weights[j] = exp(score(c, cache, query + (q * c->heads + h) * c->size, row));
                total += weights[j];
            }
            for (int64_t j = begin; j < end; j++) {
                const int64_t row = (table[j / 16] * c->kv_heads + kv) * 16 + j % 16;
                const double scale = c->format == CPUK_I8 ? cache->value_scales[row] : 1;
                for (int64_t d = 0; d < c->size; d++)
                    row_output[d] +=
                        weights[j] / total * scale * element(c->format, cache->values, row * c->size + d);
            }
        }
    free(weights);
}

static void attention(cpuk_context *context, const char *set, const attention_case *c, double bound) {
    const int64_t blocks = (c->context + 15) / 16, rows = blocks * c->kv_heads * 16;
    const int64_t width = c->kv_heads * c->size, outputs = c->queries * c->heads * c->size;
    cpuk_cache cache = {
        .format = c->format, .keys = room((size_t)(rows * c->size) * 4), .values = room((size_t)(rows * c->size) * 4),
        .key_scales = room((size_t)rows * 4), .value_scales = room((size_t)rows * 4), .blocks = blocks,
        .kv_heads = c->kv_heads, .block_tokens = 16, .head_size = c->size};
    int32_t *table = room((size_t)blocks * 4), *slots = room((size_t)c->context * 4);
    for (int64_t b = 0; b < blocks; b++) table[b] = (int32_t)(blocks - 1 - b);
    for (int64_t j = 0; j < c->context; j++) slots[j] = table[j / 16] * 16 + (int32_t)(j % 16);
    float *keys = random_floats(c->context * width), *values = random_floats(c->context * width);
    float *query = random_floats(outputs), *output = room((size_t)outputs * 4);
    const cpuk_store_args store = {
        .key = {keys, width}, .value = {values, width}, .slots = slots, .tokens = c->context, .cache = cache};
    cpuk_store_key_value(context, &store);
    // What was stored is near what was given.
    double *given = room((size_t)c->size * 8);
    float *stored = room((size_t)c->size * 4);
    for (int64_t d = 0; d < c->size; d++) {
        const int64_t row = (int64_t)table[0] * c->kv_heads * 16;
        given[d] = keys[d];
        stored[d] = (float)element(c->format, cache.keys, row * c->size + d)
                    * (c->format == CPUK_I8 ? cache.key_scales[row] : 1);
    }
    judge("store", set, stored, given, c->size,
          c->format == CPUK_F32 ? 0 : c->format == CPUK_F16 ? 1e-7 : c->format == CPUK_BF16 ? 1e-5 : 1e-4);
    const int32_t offsets[2] = {0, (int32_t)c->queries}, length = (int32_t)c->context;
    const cpuk_attention_args args = {
        .query = {query, c->heads * c->size}, .output = {output, c->heads * c->size}, .heads = c->heads,
        .cache = cache, .scale = 0.3f, .soft_cap = c->cap, .window = c->window, .query_offsets = offsets,
        .context_lengths = &length, .block_tables = table, .table_stride = blocks, .table_columns = blocks,
        .sequences = 1, .tokens = c->queries};
    int64_t bad = 0;
    double *expected = room((size_t)outputs * 8);
    attend(c, &cache, table, query, expected);
    if (cpuk_paged_attention(context, &args, &bad) != CPUK_ATTENTION_OK) output[0] = NAN;
    char name[128];
    snprintf(name, sizeof name, "attention %s, %lld/%lld heads of %lld, context %lld, %lld queries, window %lld",
             number_format_row_of(c->format)->name, (long long)c->heads, (long long)c->kv_heads, (long long)c->size,
             (long long)c->context, (long long)c->queries, (long long)c->window);
    judge(name, set, output, expected, outputs, bound);
    free(cache.keys), free(cache.values), free(cache.key_scales), free(cache.value_scales), free(table), free(slots);
    free(keys), free(values), free(query), free(output), free(given), free(stored), free(expected);
}

static void attentions(cpuk_context *context, const char *set, double bound) {
    const cpuk_format formats[] = {CPUK_F32, CPUK_F16, CPUK_BF16, CPUK_I8};
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++) {
        const attention_case list[] = {
            {formats[f], 9, 3, 64, 300, 1, 0, 0},  {formats[f], 4, 4, 20, 17, 1, 0, 0},
            {formats[f], 14, 2, 64, 40, 1, 16, 0}, {formats[f], 8, 1, 128, 530, 1, 0, 5},
            {formats[f], 9, 3, 64, 150, 33, 0, 0}, {formats[f], 2, 1, 36, 90, 70, 32, 5},
            {formats[f], 4, 2, 256, 70, 70, 0, 0}};
        for (size_t i = 0; i < sizeof list / sizeof *list; i++) attention(context, set, &list[i], bound);
    }
}

// ---- Attention without a cache

// Two sequences of `queries` queries each over `keys` key rows, every one of which they see.
static void varlen(cpuk_context *context, const char *set, int64_t heads, int64_t size, int64_t keys, int64_t queries) {
    const int64_t width = heads * size, rows = 2 * queries;
    float *query = random_floats(rows * width), *key = random_floats(2 * keys * width);
    float *value = random_floats(2 * keys * width), *output = room((size_t)(rows * width) * 4);
    double *expected = room((size_t)(rows * width) * 8), *weights = room((size_t)keys * 8);
    for (int64_t q = 0; q < rows; q++)
        for (int64_t h = 0; h < heads; h++) {
            const float *first = key + q / queries * keys * width + h * size;
            double total = 0;
            for (int64_t j = 0; j < keys; j++) {
                double sum = 0;
                for (int64_t d = 0; d < size; d++)
                    sum += (double)query[q * width + h * size + d] * first[j * width + d];
                total += weights[j] = exp(0.3 * sum);
            }
            for (int64_t j = 0; j < keys; j++)
                for (int64_t d = 0; d < size; d++)
                    expected[q * width + h * size + d] +=
                        weights[j] / total * value[(q / queries * keys + j) * width + h * size + d];
        }
    const int32_t offsets[3] = {0, (int32_t)queries, (int32_t)rows};
    const int32_t ranges[4] = {0, (int32_t)keys, (int32_t)keys, (int32_t)(2 * keys)};
    const cpuk_varlen_attention_args args = {
        .query = {query, width}, .key = {key, width}, .value = {value, width}, .output = {output, width},
        .heads = heads, .head_size = size, .scale = 0.3f, .query_offsets = offsets, .key_ranges = ranges,
        .sequences = 2, .tokens = rows, .key_rows = 2 * keys};
    int64_t bad = 0;
    if (cpuk_varlen_attention(context, &args, &bad) != CPUK_ATTENTION_OK) output[0] = NAN;
    char name[96];
    snprintf(name, sizeof name, "attention without a cache, %lld heads of %lld, %lld keys, %lld queries",
             (long long)heads, (long long)size, (long long)keys, (long long)queries);
    judge(name, set, output, expected, rows * width, 1e-11);
    free(query), free(key), free(value), free(output), free(expected), free(weights);
}

static void varlens(cpuk_context *context, const char *set) {
    const int64_t list[][4] = {{1, 32, 1, 1},   {2, 32, 12, 12}, {3, 64, 17, 7}, {2, 20, 33, 5}, {1, 128, 64, 25},
                               {2, 36, 63, 15}, {1, 16, 65, 3},  {2, 64, 70, 70}, {5, 64, 197, 31}, {1, 24, 301, 13},
                               {1, 256, 257, 3}, {1, 64, 1025, 100}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        varlen(context, set, list[i][0], list[i][1], list[i][2], list[i][3]);
}

// ---- Rows

static void rows(cpuk_context *context, const char *set) {
    for (int64_t columns = 1; columns <= 131; columns += 26) {
        enum { ROWS = 5 };
        float *x = random_floats(ROWS * columns), *weight = random_floats(columns);
        float *y = room((size_t)(ROWS * columns) * 4);
        double *expected = room((size_t)(ROWS * columns) * 8);
        const cpuk_rows in = {x, columns}, out = {y, columns};
        const cpuk_norm_args norm = {
            .rows = ROWS, .groups = 1, .columns = columns, .x = in, .output = out, .weight = weight, .epsilon = 1e-5f};
        cpuk_norm(context, &norm);
        for (int64_t r = 0; r < ROWS; r++) {
            double squares = 0;
            for (int64_t i = 0; i < columns; i++) squares += (double)x[r * columns + i] * x[r * columns + i];
            for (int64_t i = 0; i < columns; i++)
                expected[r * columns + i] = x[r * columns + i] / sqrt(squares / columns + 1e-5) * weight[i];
        }
        judge("RMSNorm", set, y, expected, ROWS * columns, 1e-10);
        const cpuk_pointwise_args point = {
            .rows = ROWS, .columns = columns, .x = in, .output = out, .activation = CPUK_SILU, .scale = 1};
        cpuk_activate(context, &point);
        for (int64_t i = 0; i < ROWS * columns; i++) expected[i] = x[i] / (1 + exp(-(double)x[i]));
        judge("SiLU", set, y, expected, ROWS * columns, 1e-10);
        cpuk_softmax(context, &point);
        for (int64_t r = 0; r < ROWS; r++) {
            double total = 0;
            for (int64_t i = 0; i < columns; i++) total += exp(x[r * columns + i]);
            for (int64_t i = 0; i < columns; i++) expected[r * columns + i] = exp(x[r * columns + i]) / total;
        }
        judge("softmax", set, y, expected, ROWS * columns, 1e-10);
        free(x), free(weight), free(y), free(expected);
    }
}

static cpuk_context *context_of(const int *sets, int count) {
    cpuk_context *context = cpuk_create(2, sets, count);
    const cpuk_limits limits = {
        .tokens = 160, .sequences = 2, .context_length = 600, .matmul_inputs = 4096, .heads = 16, .head_size = 256};
    if (context && cpuk_reserve(context, &limits)) return context;
    fprintf(stderr, "no context\n");
    exit(1);
}

static bool rounds_with(const int *sets, int count, cpuk_set_kind kind) {
    for (int i = 0; i < count; i++)
        if (cpuk_kernel_set_at(sets[i]).kind == kind) return true;
    return false;
}

// The cases of a context of these sets, of which those of floats alone compute all that no other does.
static void check(cpuk_context *plain, const char *name, const int *sets, int count) {
    const bool to_bf16 = rounds_with(sets, count, CPUK_SET_OF_BF16);
    const bool rounds = to_bf16 || rounds_with(sets, count, CPUK_SET_OF_INT8);
    cpuk_context *context = context_of(sets, count);
    const int before = cases;
    for (int f = 0; f < NUMBER_FORMAT_COUNT; f++)
        if (number_format_row_of((cpuk_format)f)->weight_name)
            products(context, plain, name, (cpuk_format)f, rounds);
    // Queries, keys and weights may be rounded to BF16.
    attentions(context, name, to_bf16 ? 3e-5 : 1e-11);
    if (!rounds) {
        decoding(context, name);
        varlens(context, name);
        rows(context, name);
    }
    printf("%s: %d cases\n", name, cases - before);
    cpuk_destroy(context);
}

// Each set with the floats of its instructions.
static void check_alone(cpuk_context *plain) {
    for (int i = 0; i < cpuk_kernel_set_count(); i++) {
        const cpuk_kernel_set set = cpuk_kernel_set_at(i);
        if (!set.runs || set.only_by_name) continue;
        int sets[CPUK_MAX_SETS] = {i}, count = 1;
        for (int j = 0; set.kind != CPUK_SET_OF_FLOATS && j < cpuk_kernel_set_count(); j++) {
            const cpuk_kernel_set other = cpuk_kernel_set_at(j);
            if (other.isa == set.isa && other.kind == CPUK_SET_OF_FLOATS && other.runs) sets[count++] = j;
        }
        check(plain, set.name, sets, count);
    }
}

// All sets that a processor of each instruction set takes by itself.
static void check_together(cpuk_context *plain) {
    for (int isa = CPUK_GENERIC; isa <= CPUK_AVX512; isa++) {
        int sets[CPUK_MAX_SETS];
        const int count = cpuk_default_sets((cpuk_isa)isa, sets);
        char name[128] = "";
        for (int i = 0; i < count; i++) strcat(strcat(name, i ? " and " : ""), cpuk_kernel_set_at(sets[i]).name);
        if (count > 1) check(plain, name, sets, count);
    }
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);  // What failed is seen while the rest runs.
    int generic = -1;
    for (int i = 0; i < cpuk_kernel_set_count(); i++)
        if (!strcmp(cpuk_kernel_set_at(i).name, "generic")) generic = i;
    cpuk_context *plain = context_of(&generic, 1);
    check_alone(plain);
    check_together(plain);
    cpuk_destroy(plain);
    printf("%d cases, %d failed\n", cases, failures);
    return failures > 0;
}
