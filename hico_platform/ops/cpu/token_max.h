/* The maximum over the tokens of each granularity, whose gradient is shared out among equals. T is the type of the tokens. */

void NAME(token_max_forward)(
    const T *x,             /* (P, N, D) */
    const int64_t *lengths, /* (G) */
    int64_t G,
    int64_t N,
    int64_t D,
    T *out                  /* (N, G, D) out */
) {
    #pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < N; n++) {
        int64_t p = 0;
        for (int64_t g = 0; g < G; g++) {
            T *maximum = out + (n * G + g) * D;
            memcpy(maximum, x + (p * N + n) * D, D * sizeof(T));
            for (int64_t end = p++ + lengths[g]; p < end; p++) {
                const T *row = x + (p * N + n) * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) {
                    float value = READ(row[j]);
                    maximum[j] = value > READ(maximum[j]) || value != value ? row[j] : maximum[j];
                }
            }
        }
    }
}

int NAME(token_max_backward)(
    const T *x,             /* (P, N, D) */
    const T *out,           /* (N, G, D) */
    const int64_t *lengths, /* (G) */
    int64_t G,
    int64_t N,
    int64_t D,
    const T *grad_out,      /* (N, G, D) */
    T *grad_x               /* (P, N, D) out */
) {
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        float *share = malloc(D * sizeof(float));
        if (!share) { failed = 1; continue; }
        int64_t first = 0;
        for (int64_t g = 0; g < G; g++) {
            const T *maximum = out + (n * G + g) * D, *grad = grad_out + (n * G + g) * D;
            const int64_t end = first + lengths[g];
            memset(share, 0, D * sizeof(float));
            for (int64_t p = first; p < end; p++) {
                const T *row = x + (p * N + n) * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) share[j] += READ(row[j]) == READ(maximum[j]) ? 1.0f : 0.0f;
            }
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) share[j] = READ(grad[j]) / share[j];
            for (int64_t p = first; p < end; p++) {
                const T *row = x + (p * N + n) * D;
                T *grad_row = grad_x + (p * N + n) * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) grad_row[j] = WRITE(READ(row[j]) == READ(maximum[j]) ? share[j] : 0.0f);
            }
            first = end;
        }
        free(share);
    }
    return failed;
}
