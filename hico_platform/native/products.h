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

/* ---- Packing. Left: strips of up to STRIP rows, [k][row]. Right: panels of PANEL columns, [k][column], zeros beyond. */

static inline int64_t strips_of(int64_t rows) { return (rows + STRIP - 1) / STRIP; }
static inline int64_t strip_at(int64_t rows, int64_t s) { return rows * s / strips_of(rows); } /* its first row */
static inline int64_t panels_of(int64_t columns) { return (columns + PANEL - 1) / PANEL; }
static inline int64_t left_room(int64_t rows, int64_t deep) { return rows * deep + strips_of(rows) * PAD; }
static inline int64_t panel_room(int64_t deep) { return PANEL * deep + PAD; }

static float *room_for(int64_t floats) { return aligned_alloc(64, (floats * sizeof(float) + 127) / 64 * 64); }

/* Transposes LANES registers of LANES floats. */
static inline __attribute__((always_inline)) void turn(Lanes rows[LANES]) {
#if defined(__clang__)
    float from[LANES][LANES], to[LANES][LANES];
    memcpy(from, rows, sizeof from);
    for (int r = 0; r < LANES; r++)
        for (int l = 0; l < LANES; l++) to[l][r] = from[r][l];
    memcpy(rows, to, sizeof to);
#else
    #pragma GCC unroll 4
    for (int far = 1; far < LANES; far *= 2) {
        Places low, high;
        #pragma GCC unroll 16
        for (int l = 0; l < LANES; l++) {
            low[l] = l & far ? LANES + l - far : l;
            high[l] = l & far ? LANES + l : l + far;
        }
        #pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) {
            if (r & far) continue;
            Lanes a = rows[r], b = rows[r + far];
            rows[r] = __builtin_shuffle(a, b, low);
            rows[r + far] = __builtin_shuffle(a, b, high);
        }
    }
#endif
}

/* to[k * step + r] = row[r][k] for ``count`` <= LANES rows. May write up to LANES of a step, the last one's too. */
static void pack_rows(const float *const *row, int64_t count, int64_t deep, float *to, int64_t step) {
    int64_t k = 0;
    for (; k + LANES <= deep; k += LANES) {
        Lanes block[LANES];
        #pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) block[r] = r < count ? load(row[r] + k) : (Lanes){0};
        turn(block);
        #pragma GCC unroll 16
        for (int j = 0; j < LANES; j++) store(to + (k + j) * step, block[j]);
    }
    for (; k < deep; k++)
        for (int64_t r = 0; r < count; r++) to[k * step + r] = row[r][k];
}

/* Rows ``first`` to first + rows of ``a``, and ``deep`` of their columns from ``k``; ``all`` rows may be read. */
static void pack_left(Matrix a, int64_t first, int64_t rows, int64_t all, int64_t k, int64_t deep, float *to) {
    const int64_t strips = strips_of(rows);
    int64_t begin[strips + 1];
    for (int64_t s = 0; s <= strips; s++) begin[s] = strip_at(rows, s);
    if (a.row == 1) {
        for (int64_t j = 0; j < deep; j++) {
            const float *from = a.at + first + (k + j) * a.column;
            for (int64_t s = 0; s < strips; s++) {
                const int64_t size = begin[s + 1] - begin[s];
                float *strip = to + begin[s] * deep + s * PAD + j * size;
                if (first + begin[s] + LANES <= all) store(strip, load(from + begin[s]));
                else for (int64_t r = 0; r < size; r++) strip[r] = from[begin[s] + r];
            }
        }
        return;
    }
    for (int64_t s = 0; s < strips; s++) {
        const int64_t size = begin[s + 1] - begin[s];
        float *strip = to + begin[s] * deep + s * PAD;
        const float *row[STRIP];
        for (int64_t r = 0; r < size; r++) row[r] = a.at + (first + begin[s] + r) * a.row + k * a.column;
        if (a.column == 1) pack_rows(row, size, deep, strip, size);
        else
            for (int64_t j = 0; j < deep; j++)
                for (int64_t r = 0; r < size; r++) strip[j * size + r] = row[r][j * a.column];
    }
}

/* Row j of panels ``first`` to ``last`` of a matrix with ``columns``. */
static inline void pack_row(const float *row, int64_t j, int64_t first, int64_t last, int64_t columns, int64_t deep,
                            float *to) {
    for (int64_t p = first; p < last; p++) {
        const float *from = row + p * PANEL;
        float *panel = to + p * panel_room(deep) + j * PANEL;
        if ((p + 1) * PANEL <= columns) {
            store(panel, load(from));
            store(panel + LANES, load(from + LANES));
        } else
            for (int64_t c = 0; c < PANEL; c++) panel[c] = p * PANEL + c < columns ? from[c] : 0.0f;
    }
}

/* Panels ``first`` to ``last`` of ``b``, which has ``columns``; ``deep`` of its rows from ``k``. */
static void pack_right(Matrix b, int64_t first, int64_t last, int64_t columns, int64_t k, int64_t deep, float *to) {
    if (b.column == 1) {
        for (int64_t j = 0; j < deep; j++) pack_row(b.at + (k + j) * b.row, j, first, last, columns, deep, to);
        return;
    }
    for (int64_t p = first; p < last; p++) {
        float *panel = to + p * panel_room(deep);
        if (b.row == 1 && (p + 1) * PANEL <= columns) {
            for (int half = 0; half < PANEL; half += LANES) {
                const float *column[LANES];
                for (int c = 0; c < LANES; c++) column[c] = b.at + k + (p * PANEL + half + c) * b.column;
                pack_rows(column, LANES, deep, panel + half, PANEL);
            }
            continue;
        }
        for (int64_t j = 0; j < deep; j++)
            for (int64_t c = 0; c < PANEL; c++) {
                const int64_t column = p * PANEL + c;
                panel[j * PANEL + c] = column < columns ? b.at[(k + j) * b.row + column * b.column] : 0.0f;
            }
    }
}

/* ---- Multiplying. */

/* What will be read next, brought near meanwhile: ``lines`` of 64 bytes in each of ``rows``, ``each`` at a time. */
typedef struct { const char *row; int64_t stride, lines, rows, line, each; } Ahead;

static inline __attribute__((always_inline)) void fetch(Ahead *ahead) {
    for (int64_t i = 0; i < ahead->each && ahead->rows > 0; i++) {
        __builtin_prefetch(ahead->row + 64 * ahead->line, 0, 2);
        if (++ahead->line == ahead->lines) { ahead->line = 0; ahead->row += ahead->stride; ahead->rows--; }
    }
}

typedef struct { float *at; int64_t lead; int add; const float *bias; } Output;

/* ``size`` rows of a strip times a panel. */
static inline __attribute__((always_inline)) void tile(const int size, int64_t deep, const float *left,
                                                       const float *right, Output out, Ahead *ahead) {
    Lanes sum[STRIP][2];
    #pragma GCC unroll 16
    for (int r = 0; r < size; r++) sum[r][0] = sum[r][1] = (Lanes){0};
    const int64_t part = deep / size + 1; /* so that the output's rows are fetched one after the other */
    const float *wanted = out.at;
    for (int64_t rest = deep; rest > 0; rest -= part, wanted += out.lead) {
        __builtin_prefetch(wanted, 1);
        __builtin_prefetch(wanted + LANES, 1);
        fetch(ahead);
        for (int64_t k = least(rest, part); k > 0; k--, left += size, right += PANEL) {
            const Lanes low = load(right), high = load(right + LANES);
            #pragma GCC unroll 16
            for (int r = 0; r < size; r++) {
                sum[r][0] += left[r] * low;
                sum[r][1] += left[r] * high;
            }
        }
    }
    #pragma GCC unroll 16
    for (int r = 0; r < size; r++) {
        float *to = out.at + r * out.lead;
        if (out.add) {
            sum[r][0] += load(to);
            sum[r][1] += load(to + LANES);
        } else if (out.bias) {
            sum[r][0] += load(out.bias);
            sum[r][1] += load(out.bias + LANES);
        }
        store(to, sum[r][0]);
        store(to + LANES, sum[r][1]);
    }
}

static void sized_tile(int64_t size, int64_t deep, const float *left, const float *right, Output out, Ahead *ahead) {
#define OF_SIZE(size) case size: tile(size, deep, left, right, out, ahead); break;
    switch (size) {
        OF_SIZE(1) OF_SIZE(2) OF_SIZE(3) OF_SIZE(4) OF_SIZE(5) OF_SIZE(6)
#if STRIP == 14
        OF_SIZE(7) OF_SIZE(8) OF_SIZE(9) OF_SIZE(10) OF_SIZE(11) OF_SIZE(12) OF_SIZE(13) OF_SIZE(14)
#endif
    }
#undef OF_SIZE
}

/* Packed ``rows`` times packed panels ``first`` to ``last``; ``out`` has ``columns``. */
static void packed_product(const float *left, int64_t rows, const float *right, int64_t first, int64_t last,
                           int64_t columns, int64_t deep, Output out, Ahead *ahead) {
    for (int64_t p = first; p < last; p++)
        for (int64_t s = 0; s < strips_of(rows); s++) {
            const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
            const int64_t wide = columns - p * PANEL;
            const float *strip = left + begin * deep + s * PAD, *panel = right + p * panel_room(deep);
            float *to = out.at + begin * out.lead + p * PANEL;
            const float *bias = out.bias ? out.bias + p * PANEL : 0;
            if (wide >= PANEL) {
                sized_tile(size, deep, strip, panel, (Output){to, out.lead, out.add, bias}, ahead);
                continue;
            }
            float whole[STRIP * PANEL];
            sized_tile(size, deep, strip, panel, (Output){whole, PANEL, 0, 0}, ahead);
            for (int64_t r = 0; r < size; r++)
                for (int64_t c = 0; c < wide; c++)
                    to[r * out.lead + c] =
                        whole[r * PANEL + c] + (out.add ? to[r * out.lead + c] : bias ? bias[c] : 0.0f);
        }
}

/* What one thread of a team has of a product with ``rows`` and ``panels``. They share the rows where there are many, else
   the panels; all of them pack panels ``begin`` to ``end``. */
typedef struct { int64_t rows, blocks, first, last, low, high, begin, end; } Share;

static Share share_of(int64_t rows, int64_t panels) {
    const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
    const int by_rows = rows >= 2 * STRIP * team || panels < team;
    const int64_t equal = by_rows ? team : 1, blocks = ((rows + BLOCK - 1) / BLOCK + equal - 1) / equal * equal;
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
    float *packed = room_for(panels * panel_room(most));
    if (!packed) return 1;
    int failed = 0;
    #pragma omp parallel reduction(| : failed) if (m * n * k > SMALL)
    {
        const Share share = share_of(m, panels);
        float *strips = room_for(left_room(block_rows(share), most));
        failed = !strips;
        for (int64_t part = 0; part < parts; part++) {
            const int64_t from = k * part / parts, deep = k * (part + 1) / parts - from;
            pack_right(right, share.begin, share.end, n, from, deep, packed);
            #pragma omp barrier
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
                if (rows == 0) continue;
                Ahead ahead = packed_block(left, share, block, from, deep, k, strips);
                packed_product(strips, rows, packed, share.low, share.high, n, deep,
                               (Output){out + top * lead, lead, add || part > 0, bias}, &ahead);
            }
            #pragma omp barrier
        }
        free(strips);
    }
    free(packed);
    return failed;
}

/* Adds to ``sums`` those of each row of a packed block. */
static void add_sums(const float *strips, int64_t rows, int64_t deep, float *sums) {
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *strip = strips + begin * deep + s * PAD;
        Lanes some[4] = {{0}, {0}, {0}, {0}};
        int64_t j = 0;
        for (; j + 4 <= deep; j += 4)
            for (int i = 0; i < 4; i++) some[i] += load(strip + (j + i) * size);
        for (; j < deep; j++) some[0] += load(strip + j * size);
        const Lanes all = (some[0] + some[1]) + (some[2] + some[3]);
        for (int64_t r = 0; r < size; r++) sums[begin + r] += all[r];
    }
}

/* Gradients of a recurrent layer's weights and bias: of_input (2, wide, depth), of_state (2, wide, H), of_bias (2, wide),
   which begins as zeros. ``moved`` (P*N, 2, wide), the gradient of the gates, is summed, and held against ``tokens`` (P*N, depth) and the states (P*N, 2, H) before each: token p's is
   before[d * P + p] or, if that is negative, zero. */
int recurrent_weights_backward(int64_t P, int64_t N, int64_t wide, int64_t depth, int64_t H, const int64_t *before,
                               const float *moved, const float *tokens, const float *states, float *of_input,
                               float *of_state, float *of_bias) {
    const int64_t k = P * N, parts = parts_deep(k), most = (k + parts - 1) / parts;
    const int64_t split = panels_of(depth), panels = split + panels_of(H);
    float *packed = room_for(panels * panel_room(most)), *zeros = calloc(H, sizeof(float));
    int failed = !packed || !zeros;
    #pragma omp parallel reduction(| : failed) if (!failed)
    {
        const Share share = share_of(wide, panels);
        float *strips = room_for(left_room(block_rows(share), most));
        failed |= !strips;
        for (int64_t each = 0; each < 2 * parts && packed && zeros; each++) {
            const int64_t d = each / parts, part = each % parts;
            const int64_t from = k * part / parts, deep = k * (part + 1) / parts - from;
            float *behind = packed + split * panel_room(deep);
            pack_right((Matrix){tokens, depth, 1}, least(share.begin, split), least(share.end, split), depth, from, deep,
                       packed);
            for (int64_t j = 0; j < deep; j++) {
                const int64_t token = before[d * P + (from + j) / N], n = (from + j) % N;
                pack_row(token < 0 ? zeros : states + ((token * N + n) * 2 + d) * H, j, beyond(share.begin, split),
                         beyond(share.end, split), H, deep, behind);
            }
            #pragma omp barrier
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
                if (rows == 0) continue;
                const Matrix left = {moved + d * wide, 1, 2 * wide};
                Ahead ahead = packed_block(left, share, block, from, deep, k, strips);
                if (share.low == 0) add_sums(strips, rows, deep, of_bias + d * wide + top);
                packed_product(strips, rows, packed, least(share.low, split), least(share.high, split), depth, deep,
                               (Output){of_input + (d * wide + top) * depth, depth, part > 0, 0}, &ahead);
                packed_product(strips, rows, behind, beyond(share.low, split), beyond(share.high, split), H, deep,
                               (Output){of_state + (d * wide + top) * H, H, part > 0, 0}, &ahead);
            }
            #pragma omp barrier
        }
        free(strips);
    }
    free(packed);
    free(zeros);
    return failed;
}
#endif
