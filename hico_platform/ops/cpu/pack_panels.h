/* A product's matrices packed. Left: strips of up to STRIP rows, [k][row]. Right: panels of PANEL columns, [k][column],
   zeros excess. */

static inline int64_t strips_of(int64_t rows) { return (rows + STRIP - 1) / STRIP; }
static inline int64_t strip_at(int64_t rows, int64_t s) { return rows * s / strips_of(rows); } /* its first row */
static inline int64_t panels_of(int64_t columns) { return (columns + PANEL - 1) / PANEL; }
static inline int64_t strips_floats(int64_t rows, int64_t depth) { return rows * depth + strips_of(rows) * PAD; }
static inline int64_t panel_floats(int64_t depth) { return PANEL * depth + PAD; }

/* Memory for so many floats, or null; it begins with a line of the cache. */
static float *allocate(int64_t floats) { return aligned_alloc(64, (floats * sizeof(float) + 127) / 64 * 64); }

/* Transposes LANES registers of LANES floats. */
static inline __attribute__((always_inline)) void transpose(Lanes rows[LANES]) {
#if defined(__clang__)
    float from[LANES][LANES], to[LANES][LANES];
    memcpy(from, rows, sizeof from);
    for (int r = 0; r < LANES; r++)
        for (int l = 0; l < LANES; l++) to[l][r] = from[r][l];
    memcpy(rows, to, sizeof to);
#else
    #pragma GCC unroll 4
    for (int far = 1; far < LANES; far *= 2) {
        Shuffle low, high;
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
static void pack_rows(const float *const *row, int64_t count, int64_t depth, float *to, int64_t step) {
    int64_t k = 0;
    for (; k + LANES <= depth; k += LANES) {
        Lanes block[LANES];
        #pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) block[r] = r < count ? load(row[r] + k) : (Lanes){0};
        transpose(block);
        #pragma GCC unroll 16
        for (int j = 0; j < LANES; j++) store(to + (k + j) * step, block[j]);
    }
    for (; k < depth; k++)
        for (int64_t r = 0; r < count; r++) to[k * step + r] = row[r][k];
}

/* Rows ``first`` to first + rows of ``a``, and ``depth`` of their columns from ``k``; ``all`` rows may be read. */
static void pack_left(Matrix a, int64_t first, int64_t rows, int64_t all, int64_t k, int64_t depth, float *to) {
    const int64_t strips = strips_of(rows);
    int64_t begin[strips + 1];
    for (int64_t s = 0; s <= strips; s++) begin[s] = strip_at(rows, s);
    if (a.row == 1) {
        for (int64_t j = 0; j < depth; j++) {
            const float *from = a.at + first + (k + j) * a.column;
            for (int64_t s = 0; s < strips; s++) {
                const int64_t size = begin[s + 1] - begin[s];
                float *strip = to + begin[s] * depth + s * PAD + j * size;
                if (first + begin[s] + LANES <= all) store(strip, load(from + begin[s]));
                else for (int64_t r = 0; r < size; r++) strip[r] = from[begin[s] + r];
            }
        }
        return;
    }
    for (int64_t s = 0; s < strips; s++) {
        const int64_t size = begin[s + 1] - begin[s];
        float *strip = to + begin[s] * depth + s * PAD;
        const float *row[STRIP];
        for (int64_t r = 0; r < size; r++) row[r] = a.at + (first + begin[s] + r) * a.row + k * a.column;
        if (a.column == 1) pack_rows(row, size, depth, strip, size);
        else
            for (int64_t j = 0; j < depth; j++)
                for (int64_t r = 0; r < size; r++) strip[j * size + r] = row[r][j * a.column];
    }
}

/* Row j of panels ``first`` to ``last`` of a matrix with ``columns``. */
static inline void pack_row(const float *row, int64_t j, int64_t first, int64_t last, int64_t columns, int64_t depth,
                            float *to) {
    for (int64_t p = first; p < last; p++) {
        const float *from = row + p * PANEL;
        float *panel = to + p * panel_floats(depth) + j * PANEL;
        if ((p + 1) * PANEL <= columns) {
            store(panel, load(from));
            store(panel + LANES, load(from + LANES));
        } else
            for (int64_t c = 0; c < PANEL; c++) panel[c] = p * PANEL + c < columns ? from[c] : 0.0f;
    }
}

/* Panels ``first`` to ``last`` of ``b``, which has ``columns``; ``depth`` of its rows from ``k``. */
static void pack_right(Matrix b, int64_t first, int64_t last, int64_t columns, int64_t k, int64_t depth, float *to) {
    if (b.column == 1) {
        for (int64_t j = 0; j < depth; j++) pack_row(b.at + (k + j) * b.row, j, first, last, columns, depth, to);
        return;
    }
    for (int64_t p = first; p < last; p++) {
        float *panel = to + p * panel_floats(depth);
        if (b.row == 1 && (p + 1) * PANEL <= columns) {
            for (int half = 0; half < PANEL; half += LANES) {
                const float *column[LANES];
                for (int c = 0; c < LANES; c++) column[c] = b.at + k + (p * PANEL + half + c) * b.column;
                pack_rows(column, LANES, depth, panel + half, PANEL);
            }
            continue;
        }
        for (int64_t j = 0; j < depth; j++)
            for (int64_t c = 0; c < PANEL; c++) {
                const int64_t column = p * PANEL + c;
                panel[j * PANEL + c] = column < columns ? b.at[(k + j) * b.row + column * b.column] : 0.0f;
            }
    }
}
