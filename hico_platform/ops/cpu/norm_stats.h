/* The mean of a row (D) and its rstd, 1 / sqrt(variance + eps), as LayerNorm takes them; T is the type of the row. */
static inline void NAME(norm_stats)(const T *row, int64_t D, float eps, float *mean, float *rstd) {
    float sum = 0.0f, squares = 0.0f;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < D; j++) sum += READ(row[j]);
    const float middle = sum / D;
    #pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < D; j++) squares += (READ(row[j]) - middle) * (READ(row[j]) - middle);
    *mean = middle;
    *rstd = 1.0f / sqrtf(squares / D + eps);
}
