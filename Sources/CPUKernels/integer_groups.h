// Integer products of a group of 16 columns: expanded rows with strips of tokens. Included by integer_strips.h.
#pragma once

/// One line of each row of a tile, and the groups of its strips, or of halves of one, that it is multiplied with.
typedef struct {
    const char *levels;
    const float *scales, *minima;
    const char *groups[MAX_TILE_TOKENS];
} quads_step;

// Sums of a tile: of all tokens for a row, then of the next row.
#define FOR_EACH_SUM UNROLL for (int r = 0; r < TILE_SUMS / S; r++) UNROLL for (int s = 0; s < S; s++)

INLINE int32_t int_at(const char *p) { int32_t x; memcpy(&x, p, sizeof x); return x; }
INLINE const char *group_at(const int format, const quads_step *step, int s, int group) {
    return step->groups[s] + group * group_bytes(format);
}
INLINE vr group_scales(const int format, const quads_step *step, int s, int group) {
    return load_r(group_at(format, step, s, group + 1) - 2 * LINE);
}
INLINE vr group_sums(const int format, const quads_step *step, int s, int group) {
    return load_r(group_at(format, step, s, group + 1) - LINE);
}
// The `part`th four bytes of the group of a row.
INLINE vri group_levels(const int format, const quads_step *step, int r, int group, int part) {
    const int64_t bytes = line_bytes(format);
    return splat_ri(int_at(step->levels + r * bytes + group * (bytes / LINE_SCALES) + part * 4));
}

// With few registers, makes all of a tile's sums before what follows, which may then not be reordered: row by row, as
// the compiler would have it, each row would load the tokens anew.
#if HAS_AVX512
#define IN_ORDER(x)
#else
#define IN_ORDER(x)                                                                                                   \
    __asm__("" : "+x"(x[0]), "+x"(x[1]), "+x"(x[2]), "+x"(x[3]), "+x"(x[4]), "+x"(x[5]), "+x"(x[6]), "+x"(x[7]))
_Static_assert(TILE_SUMS == 8, "all sums of a tile");
#endif

// The `part`th vector of a group: quads of the tokens' integers, or pairs.
INLINE vri group_tokens(const int format, const quads_step *step, int s, int group, int part) {
    return (vri)load_r(group_at(format, step, s, group) + part * LINE);
}

#if HAS_DPBUSD
// Adds the products of a group.
INLINE void add_group(const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    UNROLL for (int part = 0; part < X_GROUP / LANE; part++) {
        vri tokens[MAX_TILE_TOKENS];
        UNROLL for (int s = 0; s < S; s++) tokens[s] = group_tokens(format, step, s, group, part);
        UNROLL for (int r = 0; r < TILE_SUMS / S; r++) {
            const vri levels = group_levels(format, step, r, group, part);
            UNROLL for (int s = 0; s < S; s++) quads[r * S + s] = dot_r(quads[r * S + s], levels, tokens[s]);
        }
        IN_ORDER(quads);
    }
}
#else
// Products of pairs of 16 bits.
INLINE void add_pairs_of_group(
    const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    UNROLL for (int part = 0; part < X_GROUP / 2; part++) {
        FOR_EACH_SUM {
            const vri levels = group_levels(format, step, r, group, part);
            quads[r * S + s] += multiply_16_r((vr_16)levels, (vr_16)group_tokens(format, step, s, group, part));
        }
        IN_ORDER(quads);
    }
}

// Products of quads. All of them fit in 16 bits together with levels up to 31, two with levels up to 63.
INLINE void add_quads_of_group(
    const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    const int together = format == CPUK_Q6_K ? 2 : X_GROUP / LANE;
    vr_16 pairs[TILE_SUMS];
    UNROLL for (int part = 0; part < X_GROUP / LANE; part++) {
        FOR_EACH_SUM {
            const int i = r * S + s;
            const vr_16 products = multiply_r(
                group_levels(format, step, r, group, part), group_tokens(format, step, s, group, part));
            pairs[i] = part % together == 0 ? products : pairs[i] + products;
        }
        IN_ORDER(pairs);
        if ((part + 1) % together == 0)
            FOR_EACH_SUM { quads[r * S + s] += multiply_16_r(pairs[r * S + s], (vr_16){0} + 1); }
    }
}

INLINE void add_group(const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    if (is_paired(format)) add_pairs_of_group(format, S, step, group, quads);
    else add_quads_of_group(format, S, step, group, quads);
}
#endif

// Integer products of the `group`th X_GROUP elements of a line.
INLINE void multiply_group(
    const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    FOR_EACH_SUM {
        quads[r * S + s] = offset_of(format) == 0 ? splat_ri(0) : (vri)group_sums(format, step, s, group);
    }
    add_group(format, S, step, group, quads);
}
