/* Float32 matrix products, laid out as in BLIS: blocks of the left matrix that fit a core's cache, panels of the right one,
   both packed so that the innermost loop reads them in order, its sums in registers. A sum's order does not depend on
   the number of threads.

   Only where the registers are known: elsewhere, and without threads, ``lanes_of_products`` is 0 and the library that
   PyTorch brings does it. */

#if defined(_OPENMP) && defined(__AVX512F__)
#define LANES 16 /* floats in a register */
#define STRIP 14 /* rows of a tile: two registers of sums each */
#elif defined(_OPENMP) && defined(__AVX2__) && defined(__FMA__)
#define LANES 8
#define STRIP 6
#endif

#ifndef LANES
int64_t lanes_of_products(void) { return 0; }
#else
#include <omp.h>

enum {
    PANEL = 2 * LANES,    /* columns of a tile */
    DEEP = 512,           /* terms of a sum between two visits of the output */
    NEAR = 64,            /* the same where nothing is packed */
    NARROW = 256,         /* columns up to which packing rows of as many terms takes longer than it saves */
    WEIGHT = 1 << 14,     /* elements up to which it does for a sum over rows */
    BLOCK = 8 * STRIP,    /* rows that a thread packs at once */
    PAD = 48,             /* floats after each strip and panel, or all would begin in the same lines of the cache */
    SMALL = 1 << 18       /* multiplications that one thread has done before another has begun */
};

int64_t lanes_of_products(void) { return LANES; }

typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Places __attribute__((vector_size(4 * LANES)));

static inline Lanes load(const float *from) { return *(const Lanes *)from; }
static inline void store(float *to, Lanes values) { *(Lanes *)to = values; }
static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t beyond(int64_t a, int64_t b) { return a > b ? a - b : 0; }

/* Element (r, c) is at[r * row + c * column]. */
typedef struct { const float *at; int64_t row, column; } Matrix;

#include "packing.h"

/* What will be read next, brought near meanwhile: ``lines`` of 64 bytes in each of ``rows``, ``each`` at a time. */
typedef struct { const char *row; int64_t stride, lines, rows, line, each; } Ahead;

static inline __attribute__((always_inline)) void fetch(Ahead *ahead) {
    for (int64_t i = 0; ahead && i < ahead->each && ahead->rows > 0; i++) {
        __builtin_prefetch(ahead->row + 64 * ahead->line, 0, 2);
        if (++ahead->line == ahead->lines) { ahead->line = 0; ahead->row += ahead->stride; ahead->rows--; }
    }
}

typedef struct { float *at; int64_t lead; int add; const float *bias; } Output;

static inline __attribute__((always_inline)) void leave_tile(const int size, Lanes sum[][2], Output out) {
    #pragma GCC unroll 16
    for (int r = 0; r < size; r++) {
        float *to = out.at + r * out.lead;
        Lanes low = sum[r][0], high = sum[r][1];
        if (out.add) {
            low += load(to);
            high += load(to + LANES);
        } else if (out.bias) {
            low += load(out.bias);
            high += load(out.bias + LANES);
        }
        store(to, low);
        store(to + LANES, high);
    }
}

/* ``size`` rows of ``left`` times a panel whose rows are ``step`` apart. */
static inline __attribute__((always_inline)) void tile(const int size, int64_t deep, Matrix left, const float *right,
                                                       int64_t step, Output out, Ahead *ahead) {
    Lanes sum[STRIP][2];
    #pragma GCC unroll 16
    for (int r = 0; r < size; r++) sum[r][0] = sum[r][1] = (Lanes){0};
    const int64_t part = deep / size + 1; /* so that the output's rows are fetched one after the other */
    const float *wanted = out.at;
    for (int64_t rest = deep; rest > 0; rest -= part, wanted += out.lead) {
        __builtin_prefetch(wanted, 1);
        __builtin_prefetch(wanted + LANES, 1);
        fetch(ahead);
        for (int64_t k = least(rest, part); k > 0; k--, left.at += left.column, right += step) {
            const Lanes low = load(right), high = load(right + LANES);
            #pragma GCC unroll 16
            for (int r = 0; r < size; r++) {
                sum[r][0] += left.at[r * left.row] * low;
                sum[r][1] += left.at[r * left.row] * high;
            }
        }
    }
    leave_tile(size, sum, out);
}

#if STRIP == 14
#define EACH_SIZE(OF) OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8) OF(9) OF(10) OF(11) OF(12) OF(13) OF(14)
#else
#define EACH_SIZE(OF) OF(1) OF(2) OF(3) OF(4) OF(5) OF(6)
#endif
#define PACKED(size) case size: tile(size, deep, (Matrix){strip, 1, size}, right, PANEL, out, ahead); break;
#define BY_COLUMNS(size) case size: tile(size, deep, (Matrix){left.at, 1, left.column}, right, step, out, 0); break;
#define BY_ROWS(size) case size: tile(size, deep, (Matrix){left.at, left.row, 1}, right, step, out, 0); break;

static void packed_tile(int64_t size, int64_t deep, const float *strip, const float *right, Output out, Ahead *ahead) {
    switch (size) { EACH_SIZE(PACKED) }
}

/* Of a left matrix where it lies: its rows next to each other, or its columns. */
static void tile_in_place(int64_t size, int64_t deep, Matrix left, const float *right, int64_t step, Output out) {
    if (left.row == 1) switch (size) { EACH_SIZE(BY_COLUMNS) }
    else switch (size) { EACH_SIZE(BY_ROWS) }
}

/* The first ``wide`` columns of a tile that lies in ``whole``. */
static void part_of_tile(int64_t size, const float *whole, int64_t wide, Output out) {
    for (int64_t r = 0; r < size; r++) {
        float *to = out.at + r * out.lead;
        for (int64_t c = 0; c < wide; c++)
            to[c] = whole[r * PANEL + c] + (out.add ? to[c] : out.bias ? out.bias[c] : 0.0f);
    }
}

/* ``rows``, packed or where they lie, times packed panels ``first`` to ``last``; ``out`` has ``columns``. */
static inline __attribute__((always_inline)) void panel_product(const int packed, Matrix left, int64_t rows,
                                                                const float *right, int64_t first, int64_t last,
                                                                int64_t columns, int64_t deep, Output out, Ahead *ahead) {
    float whole[STRIP * PANEL];
    for (int64_t p = first; p < last; p++)
        for (int64_t s = 0; s < strips_of(rows); s++) {
            const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin, wide = columns - p * PANEL;
            const float *panel = right + p * panel_room(deep);
            const Output here = {out.at + begin * out.lead + p * PANEL, out.lead, out.add,
                                 out.bias ? out.bias + p * PANEL : 0};
            const Output to = wide >= PANEL ? here : (Output){whole, PANEL, 0, 0};
            const float *strip = left.at + begin * deep + s * PAD;
            if (packed) packed_tile(size, deep, strip, panel, to, ahead);
            else tile_in_place(size, deep, (Matrix){left.at + begin * left.row, left.row, left.column}, panel, PANEL, to);
            if (wide < PANEL) part_of_tile(size, whole, wide, here);
        }
}

static void packed_product(const float *strips, int64_t rows, const float *right, int64_t first, int64_t last,
                           int64_t columns, int64_t deep, Output out, Ahead *ahead) {
    panel_product(1, (Matrix){strips, 0, 0}, rows, right, first, last, columns, deep, out, ahead);
}

static void product_in_place(Matrix left, int64_t rows, const float *right, int64_t first, int64_t last, int64_t columns,
                             int64_t deep, Output out) {
    panel_product(0, left, rows, right, first, last, columns, deep, out, 0);
}

/* Adds to ``out`` (m, n) a sum over rows: ``a`` (m, k) by columns times ``b`` (k, n) by rows, both where they lie. Tiles
   ``first`` to ``last`` are this thread's; ``spare`` has room for a panel of NEAR rows. */
static void add_outer(Matrix a, Matrix b, int64_t m, int64_t n, int64_t k, int64_t first, int64_t last, Output out,
                      float *spare) {
    const int64_t strips = strips_of(m);
    float whole[STRIP * PANEL];
    for (int64_t from = 0; from < k; from += NEAR) {
        const int64_t deep = least(NEAR, k - from);
        for (int64_t t = first; t < last; t++) {
            const int64_t p = t / strips, s = t % strips, top = strip_at(m, s), size = strip_at(m, s + 1) - top;
            const int64_t wide = n - p * PANEL;
            const Matrix left = {a.at + top + from * a.column, 1, a.column};
            const Output here = {out.at + top * out.lead + p * PANEL, out.lead, out.add || from > 0, 0};
            if (wide >= PANEL) {
                tile_in_place(size, deep, left, b.at + from * b.row + p * PANEL, b.row, here);
                continue;
            }
            if (t == first || s == 0) pack_right((Matrix){b.at + p * PANEL, b.row, 1}, 0, 1, wide, from, deep, spare);
            tile_in_place(size, deep, left, spare, PANEL, (Output){whole, PANEL, 0, 0});
            part_of_tile(size, whole, wide, here);
        }
    }
}

/* What one thread of a team has of a product with ``rows``, of which it packs ``most`` at once, and ``panels``. They share the rows where there are many, else
   the panels; all of them pack panels ``begin`` to ``end``. */
typedef struct { int64_t rows, blocks, first, last, low, high, begin, end; } Share;

static Share share_of(int64_t rows, int64_t panels, int64_t most) {
    const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
    const int by_rows = rows >= 2 * STRIP * team || panels < team;
    const int64_t equal = by_rows ? team : 1, blocks = ((rows + most - 1) / most + equal - 1) / equal * equal;
    Share share = {rows, blocks, 0, blocks, 0, panels, panels * me / team, panels * (me + 1) / team};
    if (by_rows) {
        share.first = blocks * me / team;
        share.last = blocks * (me + 1) / team;
    } else {
        share.low = share.begin;
        share.high = share.end;
    }
    return share;
}

static inline int64_t block_at(Share share, int64_t block) { return share.rows * block / share.blocks; }
static inline int64_t block_rows(Share share) { return (share.rows + share.blocks - 1) / share.blocks; }
static inline int64_t parts_deep(int64_t k) { return k > DEEP ? (k + DEEP - 1) / DEEP : 1; }

/* Packs a block, and has the one after it fetched while it is multiplied: of the next ``deep`` columns after the last. */
static Ahead packed_block(Matrix left, Share share, int64_t block, int64_t from, int64_t deep, int64_t k, float *strips) {
    const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
    pack_left(left, top, rows, share.rows, from, deep, strips);
    const int again = block + 1 == share.last;
    const int64_t next = again ? share.first : block + 1, far = again ? from + deep : from;
    const int64_t next_top = block_at(share, next), more = block_at(share, next + 1) - next_top;
    const int64_t inner = left.row == 1 ? more : deep, outer = left.row == 1 ? deep : more;
    Ahead ahead = {(const char *)(left.at + next_top * left.row + far * left.column),
                   4 * (left.row == 1 ? left.column : left.row), inner / 16 + 1, far + deep <= k ? outer : 0, 0, 0};
    ahead.each = ahead.lines * ahead.rows / ((share.high - share.low) * rows + 1) + 1;
    return ahead;
}

/* out (m, n), its rows ``lead`` apart, = a (m, k) times b (k, n), plus ``bias`` (n) or, with ``add``, what is there. */
int float_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b,
                  int64_t b_row, int64_t b_column, const float *bias, float *out, int64_t lead, int64_t add) {
    const Matrix left = {a, a_row, a_column}, right = {b, b_row, b_column};
    const int64_t panels = panels_of(n), parts = parts_deep(k), most = (k + parts - 1) / parts;
    const int unpacked = a_column == 1 && n <= NARROW && k <= NARROW;
    int failed = 0;
    if (a_row == 1 && b_column == 1 && m * n <= WEIGHT && k > NARROW && !bias) {
        #pragma omp parallel if (m * n * k > SMALL)
        {
            const int64_t team = omp_get_num_threads(), me = omp_get_thread_num(), tiles = panels * strips_of(m);
            float spare[PANEL * NEAR + PAD];
            add_outer(left, right, m, n, k, tiles * me / team, tiles * (me + 1) / team, (Output){out, lead, add, 0}, spare);
        }
        return 0;
    }
    float *packed = room_for(panels * panel_room(most));
    if (!packed) return 1;
    #pragma omp parallel reduction(| : failed) if (m * n * k > SMALL)
    {
        const Share share = share_of(m, panels, BLOCK);
        float *strips = room_for(left_room(block_rows(share), most));
        failed = !strips;
        for (int64_t part = 0; part < parts; part++) {
            const int64_t from = k * part / parts, deep = k * (part + 1) / parts - from;
            pack_right(right, share.begin, share.end, n, from, deep, packed);
            #pragma omp barrier
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
                if (rows == 0) continue;
                const Output to = {out + top * lead, lead, add || part > 0, bias};
                if (unpacked) {
                    product_in_place((Matrix){a + top * a_row, a_row, 1}, rows, packed, share.low, share.high, n, deep, to);
                    continue;
                }
                Ahead ahead = packed_block(left, share, block, from, deep, k, strips);
                packed_product(strips, rows, packed, share.low, share.high, n, deep, to, &ahead);
            }
            #pragma omp barrier
        }
        free(strips);
    }
    free(packed);
    return failed;
}
#endif
