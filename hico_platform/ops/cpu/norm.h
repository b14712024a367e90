/* What LayerNorm takes off a row and multiplies it by; T is the type of the row. */
static inline void NAME(row_moments)(const T *row, int64_t D, float epsilon, float *mean, float *scale) {
    float sum = 0.0f, squares = 0.0f;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < D; j++) sum += READ(row[j]);
    const float middle = sum / D;
    #pragma omp simd reduction(+ : squares)
    for (int64_t j = 0; j < D; j++) squares += (READ(row[j]) - middle) * (READ(row[j]) - middle);
    *mean = middle;
    *scale = 1.0f / sqrtf(squares / D + epsilon);
}
