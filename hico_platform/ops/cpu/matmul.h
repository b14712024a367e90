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
    MAX_DEPTH = 512,      /* terms of a sum between two visits of the output */
    UNPACKED_DEPTH = 64,  /* the same where nothing is packed */
    UNPACKED = 256,       /* columns up to which packing rows of as many terms takes longer than it saves */
    UNPACKED_WEIGHT = 1 << 14, /* elements up to which it does for a sum over rows */
    BLOCK = 8 * STRIP,    /* rows that a thread packs at once */
    PAD = 48,             /* floats after each strip and panel, or all would begin in the same lines of the cache */
    ONE_THREAD = 1 << 18  /* multiplications that one thread has done before another has begun */
};

int64_t lanes_of_products(void) { return LANES; }

typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t Shuffle __attribute__((vector_size(4 * LANES)));

static inline Lanes load(const float *from) { return *(const Lanes *)from; }
static inline void store(float *to, Lanes values) { *(Lanes *)to = values; }
static inline int64_t min_of(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t excess(int64_t a, int64_t b) { return a > b ? a - b : 0; } /* of a over b */

/* Element (r, c) is at[r * row + c * column]. */
typedef struct { const float *at; int64_t row, column; } Matrix;

#include "pack_panels.h"

/* What will be read next and is prefetched meanwhile: ``lines`` of 64 bytes in each of ``rows``, ``each`` at a time. */
typedef struct { const char *row; int64_t stride, lines, rows, line, each; } Prefetch;

static inline __attribute__((always_inline)) void prefetch_next(Prefetch *prefetch) {
    for (int64_t i = 0; prefetch && i < prefetch->each && prefetch->rows > 0; i++) {
        __builtin_prefetch(prefetch->row + 64 * prefetch->line, 0, 2);
        if (++prefetch->line == prefetch->lines) { prefetch->line = 0; prefetch->row += prefetch->stride; prefetch->rows--; }
    }
}

/* Where a product goes: rows ``row_stride`` floats apart, with ``add`` to what is there, else with ``bias`` unless null. */
typedef struct { float *at; int64_t row_stride; int add; const float *bias; } Output;

static inline __attribute__((always_inline)) void store_tile(const int size, Lanes sum[][2], Output out) {
    #pragma GCC unroll 16
    for (int r = 0; r < size; r++) {
        float *to = out.at + r * out.row_stride;
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
static inline __attribute__((always_inline)) void tile(const int size, int64_t depth, Matrix left, const float *right,
                                                       int64_t step, Output out, Prefetch *prefetch) {
    Lanes sum[STRIP][2];
    #pragma GCC unroll 16
    for (int r = 0; r < size; r++) sum[r][0] = sum[r][1] = (Lanes){0};
    const int64_t part = depth / size + 1; /* so that the output's rows are fetched one after the other */
    const float *next_out = out.at;
    for (int64_t rest = depth; rest > 0; rest -= part, next_out += out.row_stride) {
        __builtin_prefetch(next_out, 1);
        __builtin_prefetch(next_out + LANES, 1);
        prefetch_next(prefetch);
        for (int64_t k = min_of(rest, part); k > 0; k--, left.at += left.column, right += step) {
            const Lanes low = load(right), high = load(right + LANES);
            #pragma GCC unroll 16
            for (int r = 0; r < size; r++) {
                sum[r][0] += left.at[r * left.row] * low;
                sum[r][1] += left.at[r * left.row] * high;
            }
        }
    }
    store_tile(size, sum, out);
}

#if STRIP == 14
#define EACH_SIZE(OF) OF(1) OF(2) OF(3) OF(4) OF(5) OF(6) OF(7) OF(8) OF(9) OF(10) OF(11) OF(12) OF(13) OF(14)
#else
#define EACH_SIZE(OF) OF(1) OF(2) OF(3) OF(4) OF(5) OF(6)
#endif
#define PACKED(size) case size: tile(size, depth, (Matrix){strip, 1, size}, right, PANEL, out, prefetch); break;
#define BY_COLUMNS(size) case size: tile(size, depth, (Matrix){left.at, 1, left.column}, right, step, out, 0); break;
#define BY_ROWS(size) case size: tile(size, depth, (Matrix){left.at, left.row, 1}, right, step, out, 0); break;

static void packed_tile(int64_t size, int64_t depth, const float *strip, const float *right, Output out, Prefetch *prefetch) {
    switch (size) { EACH_SIZE(PACKED) }
}

/* Of a left matrix where it lies: its rows next to each other, or its columns. */
static void tile_in_place(int64_t size, int64_t depth, Matrix left, const float *right, int64_t step, Output out) {
    if (left.row == 1) switch (size) { EACH_SIZE(BY_COLUMNS) }
    else switch (size) { EACH_SIZE(BY_ROWS) }
}

/* The first ``cols`` columns of a tile that lies in ``whole``. */
static void store_part_of_tile(int64_t size, const float *whole, int64_t cols, Output out) {
    for (int64_t r = 0; r < size; r++) {
        float *to = out.at + r * out.row_stride;
        for (int64_t c = 0; c < cols; c++)
            to[c] = whole[r * PANEL + c] + (out.add ? to[c] : out.bias ? out.bias[c] : 0.0f);
    }
}

/* ``rows``, packed or where they lie, times packed panels ``first`` to ``last``; ``out`` has ``columns``. */
static inline __attribute__((always_inline)) void panel_product(const int packed, Matrix left, int64_t rows,
                                                                const float *right, int64_t first, int64_t last,
                                                                int64_t columns, int64_t depth, Output out,
                                                                Prefetch *prefetch) {
    float whole[STRIP * PANEL];
    for (int64_t p = first; p < last; p++)
        for (int64_t s = 0; s < strips_of(rows); s++) {
            const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin, cols = columns - p * PANEL;
            const float *panel = right + p * panel_floats(depth);
            const Output here = {out.at + begin * out.row_stride + p * PANEL, out.row_stride, out.add,
                                 out.bias ? out.bias + p * PANEL : 0};
            const Output to = cols >= PANEL ? here : (Output){whole, PANEL, 0, 0};
            const float *strip = left.at + begin * depth + s * PAD;
            if (packed) packed_tile(size, depth, strip, panel, to, prefetch);
            else tile_in_place(size, depth, (Matrix){left.at + begin * left.row, left.row, left.column}, panel, PANEL, to);
            if (cols < PANEL) store_part_of_tile(size, whole, cols, here);
        }
}

static void packed_product(const float *strips, int64_t rows, const float *right, int64_t first, int64_t last,
                           int64_t columns, int64_t depth, Output out, Prefetch *prefetch) {
    panel_product(1, (Matrix){strips, 0, 0}, rows, right, first, last, columns, depth, out, prefetch);
}

static void product_in_place(Matrix left, int64_t rows, const float *right, int64_t first, int64_t last, int64_t columns,
                             int64_t depth, Output out) {
    panel_product(0, left, rows, right, first, last, columns, depth, out, 0);
}

/* Adds to ``out`` (m, n) a sum over rows: ``a`` (m, k) by columns times ``b`` (k, n) by rows, both where they lie. Tiles
   ``first`` to ``last`` are this thread's; ``spare`` has room for a panel of UNPACKED_DEPTH rows. */
static void add_outer(Matrix a, Matrix b, int64_t m, int64_t n, int64_t k, int64_t first, int64_t last, Output out,
                      float *spare) {
    const int64_t strips = strips_of(m);
    float whole[STRIP * PANEL];
    for (int64_t from = 0; from < k; from += UNPACKED_DEPTH) {
        const int64_t depth = min_of(UNPACKED_DEPTH, k - from);
        for (int64_t t = first; t < last; t++) {
            const int64_t p = t / strips, s = t % strips, top = strip_at(m, s), size = strip_at(m, s + 1) - top;
            const int64_t cols = n - p * PANEL;
            const Matrix left = {a.at + top + from * a.column, 1, a.column};
            const Output here = {out.at + top * out.row_stride + p * PANEL, out.row_stride, out.add || from > 0, 0};
            if (cols >= PANEL) {
                tile_in_place(size, depth, left, b.at + from * b.row + p * PANEL, b.row, here);
                continue;
            }
            if (t == first || s == 0) pack_right((Matrix){b.at + p * PANEL, b.row, 1}, 0, 1, cols, from, depth, spare);
            tile_in_place(size, depth, left, spare, PANEL, (Output){whole, PANEL, 0, 0});
            store_part_of_tile(size, whole, cols, here);
        }
    }
}

/* What one thread of a team has of a product of ``rows`` with panels: blocks of rows ``first`` to ``last`` times panels
   ``low`` to ``high``. Threads share the rows where there are many, else the panels; each packs panels ``pack_first`` to
   ``pack_last``. A block has at most ``max_rows`` rows, which a thread packs at once. */
typedef struct { int64_t rows, blocks, first, last, low, high, pack_first, pack_last; } ThreadShare;

static ThreadShare thread_share(int64_t rows, int64_t panels, int64_t max_rows) {
    const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
    const int by_rows = rows >= 2 * STRIP * team || panels < team;
    const int64_t equal = by_rows ? team : 1, blocks = ((rows + max_rows - 1) / max_rows + equal - 1) / equal * equal;
    ThreadShare share = {rows, blocks, 0, blocks, 0, panels, panels * me / team, panels * (me + 1) / team};
    if (by_rows) {
        share.first = blocks * me / team;
        share.last = blocks * (me + 1) / team;
    } else {
        share.low = share.pack_first;
        share.high = share.pack_last;
    }
    return share;
}

static inline int64_t block_at(ThreadShare share, int64_t block) { return share.rows * block / share.blocks; }
static inline int64_t block_rows(ThreadShare share) { return (share.rows + share.blocks - 1) / share.blocks; }
static inline int64_t parts_deep(int64_t k) { return k > MAX_DEPTH ? (k + MAX_DEPTH - 1) / MAX_DEPTH : 1; }

/* Packs a block, and has the one after it prefetched while it is multiplied: of the next ``depth`` columns after the last. */
static Prefetch packed_block(Matrix left, ThreadShare share, int64_t block, int64_t from, int64_t depth, int64_t k,
                             float *strips) {
    const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
    pack_left(left, top, rows, share.rows, from, depth, strips);
    const int again = block + 1 == share.last;
    const int64_t next = again ? share.first : block + 1, far = again ? from + depth : from;
    const int64_t next_top = block_at(share, next), more = block_at(share, next + 1) - next_top;
    const int64_t inner = left.row == 1 ? more : depth, outer = left.row == 1 ? depth : more;
    Prefetch prefetch = {(const char *)(left.at + next_top * left.row + far * left.column),
                         4 * (left.row == 1 ? left.column : left.row), inner / 16 + 1, far + depth <= k ? outer : 0, 0, 0};
    prefetch.each = prefetch.lines * prefetch.rows / ((share.high - share.low) * rows + 1) + 1;
    return prefetch;
}

int matmul(
    int64_t m,
    int64_t n,
    int64_t k,
    const float *a,     /* (m, k) element (r, c) is at r * a_row + c * a_column */
    int64_t a_row,
    int64_t a_column,
    const float *b,     /* (k, n) likewise */
    int64_t b_row,
    int64_t b_column,
    const float *bias,  /* (n) added to each row, or null */
    float *out,         /* (m, n) out: a times b */
    int64_t row_stride, /* of out */
    int64_t add         /* whether the product is added to what is in out; there is no bias then */
) {
    const Matrix left = {a, a_row, a_column}, right = {b, b_row, b_column};
    const int64_t panels = panels_of(n), parts = parts_deep(k), most = (k + parts - 1) / parts;
    const int unpacked = a_column == 1 && n <= UNPACKED && k <= UNPACKED;
    int failed = 0;
    if (a_row == 1 && b_column == 1 && m * n <= UNPACKED_WEIGHT && k > UNPACKED && !bias) {
        #pragma omp parallel if (m * n * k > ONE_THREAD)
        {
            const int64_t team = omp_get_num_threads(), me = omp_get_thread_num(), tiles = panels * strips_of(m);
            float spare[PANEL * UNPACKED_DEPTH + PAD];
            add_outer(left, right, m, n, k, tiles * me / team, tiles * (me + 1) / team, (Output){out, row_stride, add, 0}, spare);
        }
        return 0;
    }
    float *packed = allocate(panels * panel_floats(most));
    if (!packed) return 1;
    #pragma omp parallel reduction(| : failed) if (m * n * k > ONE_THREAD)
    {
        const ThreadShare share = thread_share(m, panels, BLOCK);
        float *strips = allocate(strips_floats(block_rows(share), most));
        failed = !strips;
        for (int64_t part = 0; part < parts; part++) {
            const int64_t from = k * part / parts, depth = k * (part + 1) / parts - from;
            pack_right(right, share.pack_first, share.pack_last, n, from, depth, packed);
            #pragma omp barrier
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
                if (rows == 0) continue;
                const Output to = {out + top * row_stride, row_stride, add || part > 0, bias};
                if (unpacked) {
                    product_in_place((Matrix){a + top * a_row, a_row, 1}, rows, packed, share.low, share.high, n, depth, to);
                    continue;
                }
                Prefetch prefetch = packed_block(left, share, block, from, depth, k, strips);
                packed_product(strips, rows, packed, share.low, share.high, n, depth, to, &prefetch);
            }
            #pragma omp barrier
        }
        free(strips);
    }
    free(packed);
    return failed;
}
#endif
