// Integer products of a group of 16 columns: a tile of packed rows with one or two registers of tokens.
#pragma once
#include "pack_int8.inl"

enum {
    /// The number of registers that hold one number of each token of a panel of A.
    PANEL_REGISTERS = VL / REGISTER_LANES,
    /// Sums of a tile: of TILE_SUMS / S rows (NR) and S registers of tokens.
    TILE_SUMS = 8,
    MAX_TILE_TOKENS = PANEL_REGISTERS > 2 ? PANEL_REGISTERS : 2,
    /// Panels of A that a tile takes at most.
    TILE_PANELS = MAX_TILE_TOKENS / PANEL_REGISTERS,
};
_Static_assert(TILE_SUMS == 8, "KEEP_ORDER names eight sums");

/// The strides of a packed panel of B. They are constants where the micro-kernel is inlined.
typedef struct {
    /// Bytes from a row's quants to the next row's, from four bytes of a row to its next four, from a line to the next.
    int64_t row, part, line;
    /// Floats: scales of a row and of the next, of a group and of the next, of a line and of the next.
    int64_t row_scales, group_scales, line_scales;
} panel_strides;

/// One line of each row of a tile, and the groups of the panels of A, or of halves of one, that it is multiplied with.
typedef struct {
    const char *quants;
    const float *scales, *minima;
    const char *groups[MAX_TILE_TOKENS];
    panel_strides strides;
} quads_step;

// Where the `s`th register of tokens of a tile begins in panels of A, `stride` bytes apart.
INLINE int64_t register_at(int s, int64_t stride) {
    return s / PANEL_REGISTERS * stride + s % PANEL_REGISTERS * REGISTER_LANES * 4;
}

// The sums of a tile: those of all tokens with the first row, then with the next row.
#define FOR_EACH_SUM UNROLL for (int r = 0; r < TILE_SUMS / S; r++) UNROLL for (int s = 0; s < S; s++)

INLINE int32_t int_at(const char *p) { int32_t x; memcpy(&x, p, sizeof x); return x; }
INLINE const char *group_at(const int format, const quads_step *step, int s, int group) {
    return step->groups[s] + group * group_bytes(format);
}
INLINE vr group_scales(const int format, const quads_step *step, int s, int group) {
    return load_r(group_at(format, step, s, group + 1) - 2 * LINE);
}
INLINE vr group_corrections(const int format, const quads_step *step, int s, int group) {
    return load_r(group_at(format, step, s, group + 1) - LINE);
}
// The `part`th four bytes of the group of a row.
INLINE vri group_quants(const int format, const quads_step *step, int r, int group, int part) {
    const int64_t parts = line_bytes(format) / LINE_SCALES / 4;
    return splat_ri(int_at(step->quants + r * step->strides.row + (group * parts + part) * step->strides.part));
}

// The `part`th vector of a group: quads of the tokens' integers, or pairs.
INLINE vri group_tokens(const int format, const quads_step *step, int s, int group, int part) {
    return (vri)load_r(group_at(format, step, s, group) + part * LINE);
}

// Adds the products of a group, by the instruction for quads.
INLINE void add_dot_products(
    const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    UNROLL for (int part = 0; part < X_GROUP / QUAD; part++) {
        vri tokens[MAX_TILE_TOKENS];
        UNROLL for (int s = 0; s < S; s++) tokens[s] = group_tokens(format, step, s, group, part);
        UNROLL for (int r = 0; r < TILE_SUMS / S; r++) {
            const vri quants = group_quants(format, step, r, group, part);
            UNROLL for (int s = 0; s < S; s++) quads[r * S + s] = dot_r(quads[r * S + s], quants, tokens[s]);
        }
        KEEP_ORDER(quads);
    }
}
// Adds the products of a group as products of pairs of 16 bits.
INLINE void add_pairs_of_group(
    const int format, const int S, const quads_step *step, const int group, vri quads[TILE_SUMS]) {
    UNROLL for (int part = 0; part < X_GROUP / 2; part++) {
        FOR_EACH_SUM {
            const vri quants = group_quants(format, step, r, group, part);
            quads[r * S + s] += multiply_16_r((vr_16)quants, (vr_16)group_tokens(format, step, s, group, part));
        }
        KEEP_ORDER(quads);
    }
}

// Adds the products of `groups` groups as products of pairs of bytes.
INLINE void add_quads_of_groups(
    const int format, const int S, const quads_step *step, const int group, const int groups, vri quads[TILE_SUMS]) {
    const int parts = groups * X_GROUP / QUAD, together = pairs_in_16_bits(format);
    vr_16 pairs[TILE_SUMS];
    UNROLL for (int part = 0; part < parts; part++) {
        const int at = group + part / (X_GROUP / QUAD), of_group = part % (X_GROUP / QUAD);
        FOR_EACH_SUM {
            const int i = r * S + s;
            const vr_16 products =
                multiply_r(group_quants(format, step, r, at, of_group), group_tokens(format, step, s, at, of_group));
            pairs[i] = part % together == 0 ? products : pairs[i] + products;
        }
        KEEP_ORDER(pairs);
        if ((part + 1) % together == 0 || part + 1 == parts)
            FOR_EACH_SUM { quads[r * S + s] += multiply_16_r(pairs[r * S + s], (vr_16){0} + 1); }
    }
}

// Integer products of `groups` times X_GROUP columns of a line, from the `group`th on, which have one scale.
INLINE void multiply_groups(
    const int format, const int S, const quads_step *step, const int group, const int groups, vri quads[TILE_SUMS]) {
    FOR_EACH_SUM {
        quads[r * S + s] = quant_offset(format) == 0 ? splat_ri(0) : (vri)group_corrections(format, step, s, group);
    }
    if (!HAS_DOT_QUADS && !is_paired(format)) {
        add_quads_of_groups(format, S, step, group, groups, quads);
        return;
    }
    UNROLL for (int i = 0; i < groups; i++) {
        if (HAS_DOT_QUADS) add_dot_products(format, S, step, group + i, quads);
        else add_pairs_of_group(format, S, step, group + i, quads);
    }
}
