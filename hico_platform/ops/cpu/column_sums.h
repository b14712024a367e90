/* The sums of columns, in float32: of 128 rows first, then of those. */
void NAME(column_sums)(
    const T *x,      /* (rows, columns) */
    int64_t rows,
    int64_t columns,
    float *out       /* (columns) out */
) {
    enum { COLS = 256, ROWS = 128 };
    #pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t first = 0; first < columns; first += COLS) {
        const int64_t cols = columns - first < COLS ? columns - first : COLS;
        float total[COLS] = {0};
        for (int64_t top = 0; top < rows; top += ROWS) {
            float partial[COLS] = {0};
            for (int64_t r = top; r < rows && r < top + ROWS; r++) {
                const T *row = x + r * columns + first;
                #pragma omp simd
                for (int64_t j = 0; j < cols; j++) partial[j] += READ(row[j]);
            }
            for (int64_t j = 0; j < cols; j++) total[j] += partial[j];
        }
        memcpy(out + first, total, cols * sizeof(float));
    }
}
