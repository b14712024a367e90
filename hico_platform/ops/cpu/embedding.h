/* LayerNorm and ReLU between an embedding's two products, which also bring the tokens of a step together: rows (N, L) go in,
   rows (L, N) come out. T is the type of the tokens. */

/* x (N, L, D) to y (L, N, D); ``moments`` (L, N, 2) or null. */
void NAME(norm_relu_forward)(const T *x, int64_t N, int64_t L, int64_t D, const float *gamma, const float *beta,
                             float epsilon, T *y, float *moments) {
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < L * N; r++) {
        const T *from = x + (r % N * L + r / N) * D;
        T *to = y + r * D;
        float mean, scale;
        NAME(row_moments)(from, D, epsilon, &mean, &scale);
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) {
            float value = (READ(from[j]) - mean) * scale * gamma[j] + beta[j];
            to[j] = WRITE(value <= 0.0f ? 0.0f : value); /* a NaN stays one */
        }
        if (moments) {
            moments[2 * r] = mean;
            moments[2 * r + 1] = scale;
        }
    }
}

/* ``of_y`` (L, N, D) to ``of_x`` (N, L, D), and each of ``parts`` parts' sums (parts, 2, D): gradients of gamma and beta. */
void NAME(norm_relu_backward)(const T *x, const T *y, const float *moments, const T *of_y, int64_t N, int64_t L,
                              int64_t D, const float *gamma, T *of_x, float *sums, int64_t parts) {
    const int64_t rows = L * N;
    #pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < parts; part++) {
        float *of_gamma = sums + part * 2 * D, *of_beta = of_gamma + D;
        memset(of_gamma, 0, 2 * D * sizeof(float));
        for (int64_t r = rows * part / parts; r < rows * (part + 1) / parts; r++) {
            const int64_t place = (r % N * L + r / N) * D;
            const T *from = x + place, *left = y + r * D, *g = of_y + r * D;
            T *to = of_x + place;
            const float mean = moments[2 * r], scale = moments[2 * r + 1];
            float sum = 0.0f, along = 0.0f;
            #pragma omp simd reduction(+ : sum, along)
            for (int64_t j = 0; j < D; j++) {
                float unit = (READ(from[j]) - mean) * scale, gradient = READ(left[j]) == 0.0f ? 0.0f : READ(g[j]);
                of_gamma[j] += gradient * unit;
                of_beta[j] += gradient;
                sum += gradient * gamma[j];
                along += gradient * gamma[j] * unit;
            }
            sum /= D;
            along /= D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                float unit = (READ(from[j]) - mean) * scale, gradient = READ(left[j]) == 0.0f ? 0.0f : READ(g[j]);
                to[j] = WRITE(scale * (gradient * gamma[j] - sum - unit * along));
            }
        }
    }
}
