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

/* Panels ``first`` to ``last`` of ``b``, which has ``columns``; ``deep`` of its rows from ``k``. */
static void pack_right(Matrix b, int64_t first, int64_t last, int64_t columns, int64_t k, int64_t deep, float *to) {
    const int64_t whole = least(last, columns / PANEL);
    if (b.column == 1) {
        for (int64_t j = 0; j < deep; j++)
            for (int64_t p = first; p < whole; p++) {
                const float *from = b.at + (k + j) * b.row + p * PANEL;
                float *panel = to + p * panel_room(deep) + j * PANEL;
                store(panel, load(from));
                store(panel + LANES, load(from + LANES));
            }
    } else if (b.row == 1) {
        for (int64_t p = first; p < whole; p++)
            for (int half = 0; half < PANEL; half += LANES) {
                const float *row[LANES];
                for (int r = 0; r < LANES; r++) row[r] = b.at + k + (p * PANEL + half + r) * b.column;
                pack_rows(row, LANES, deep, to + p * panel_room(deep) + half, PANEL);
            }
    }
    for (int64_t p = b.column == 1 || b.row == 1 ? (whole > first ? whole : first) : first; p < last; p++)
        for (int64_t j = 0; j < deep; j++)
            for (int64_t c = 0; c < PANEL; c++) {
                const int64_t column = p * PANEL + c;
                to[p * panel_room(deep) + j * PANEL + c] =
                    column < columns ? b.at[(k + j) * b.row + column * b.column] : 0.0f;
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

/* out (m, n), its rows ``lead`` apart, = a (m, k) times b (k, n), plus ``bias`` (n) or, with ``add``, what is there. */
int float_product(int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row, int64_t a_column, const float *b,
                  int64_t b_row, int64_t b_column, const float *bias, float *out, int64_t lead, int64_t add) {
    const Matrix left = {a, a_row, a_column}, right = {b, b_row, b_column};
    const int64_t panels = panels_of(n), parts = k > DEEP ? (k + DEEP - 1) / DEEP : 1, most = (k + parts - 1) / parts;
    float *packed = room_for(panels * panel_room(most));
    if (!packed) return 1;
    int failed = 0;
    #pragma omp parallel reduction(| : failed) if (m * n * k > SMALL)
    {
        const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        /* Threads share the rows where there are many, else the columns. */
        const int by_rows = m >= 2 * STRIP * team || panels < team;
        const int64_t share = by_rows ? team : 1, blocks = ((m + BLOCK - 1) / BLOCK + share - 1) / share * share;
        const int64_t first = by_rows ? blocks * me / team : 0, last = by_rows ? blocks * (me + 1) / team : blocks;
        const int64_t begin = panels * me / team, end = panels * (me + 1) / team;
        float *strips = room_for(left_room((m + blocks - 1) / blocks, most));
        failed = !strips;
        for (int64_t part = 0; part < parts; part++) {
            const int64_t from = k * part / parts, deep = k * (part + 1) / parts - from;
            pack_right(right, begin, end, n, from, deep, packed);
            #pragma omp barrier
            for (int64_t block = first; block < last && strips; block++) {
                const int64_t top = m * block / blocks, rows = m * (block + 1) / blocks - top;
                if (rows == 0) continue;
                pack_left(left, top, rows, m, from, deep, strips);
                const int again = block + 1 == last; /* then the first block's next columns */
                const int64_t next = again ? first : block + 1, far = again ? from + deep : from;
                const int64_t next_top = m * next / blocks, high = m * (next + 1) / blocks - next_top;
                const int64_t inner = a_row == 1 ? high : deep, outer = a_row == 1 ? deep : high;
                Ahead ahead = {(const char *)(a + next_top * a_row + far * a_column),
                               4 * (a_row == 1 ? a_column : a_row), inner / 16 + 1, far + deep <= k ? outer : 0};
                const int64_t low = by_rows ? 0 : begin, top_panel = by_rows ? panels : end;
                ahead.each = ahead.lines * ahead.rows / ((top_panel - low) * rows + 1) + 1;
                packed_product(strips, rows, packed, low, top_panel, n, deep,
                               (Output){out + top * lead, lead, add || part > 0, bias}, &ahead);
            }
            #pragma omp barrier
        }
        free(strips);
    }
    free(packed);
    return failed;
}
#endif
