/* Downsampling of tokens (L, N, D) and their maximum; T is the type of the tokens. */

/* Five rows around each of the tokens of sequence n, as floats with zeros beyond the ends: (L + 4, D). */
static void NAME(padded)(const T *x, int64_t L, int64_t N, int64_t D, int64_t n, float *to) {
    memset(to, 0, MARGIN * D * sizeof(float));
    memset(to + (L + MARGIN) * D, 0, MARGIN * D * sizeof(float));
    for (int64_t l = 0; l < L; l++) {
        const T *row = x + (l * N + n) * D;
        float *wide = to + (l + MARGIN) * D;
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) wide[j] = READ(row[j]);
    }
}

static void NAME(convolved)(const float *x, const float *w, const float *bias, int64_t D, float *to, float *mean) {
    const float *x1 = x + D, *x2 = x + 2 * D, *x3 = x + 3 * D, *x4 = x + 4 * D;
    const float *w1 = w + D, *w2 = w + 2 * D, *w3 = w + 3 * D, *w4 = w + 4 * D;
    float sum = 0.0f;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < D; j++) {
        float value = bias[j] + x[j] * w[j] + x1[j] * w1[j] + x2[j] * w2[j] + x3[j] * w3[j] + x4[j] * w4[j];
        to[j] = value;
        sum += value;
    }
    *mean = sum / D;
}

static float NAME(inverse_deviation)(const float *x, float mean, float epsilon, int64_t D) {
    float sum = 0.0f;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < D; j++) sum += (x[j] - mean) * (x[j] - mean);
    return 1.0f / sqrtf(sum / D + epsilon);
}

/* Depthwise convolution, LayerNorm, ReLU, maximum of pairs: x (L, N, D) to y (L/2, N, D). ``weight`` (5, D).
   ``chosen`` (L/2, N, D): 0 or 1 for the token that won (the first of equals), 2 where ReLU cut. ``moments`` (L, N, 2).
   The last two are null where no backward pass follows. */
static int NAME(halve)(const T *x, int64_t L, int64_t N, int64_t D, const float *weight, const float *bias,
                       const float *gamma, const float *beta, float epsilon, T *y, uint8_t *chosen, float *moments) {
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        float *rows = malloc((L + 2 * MARGIN + 2) * D * sizeof(float));
        if (!rows) { failed = 1; continue; }
        float *even = rows + (L + 2 * MARGIN) * D, *odd = even + D;
        NAME(padded)(x, L, N, D, n, rows);
        for (int64_t l = 0; l < L / 2; l++) {
            float mean[2], scale[2];
            NAME(convolved)(rows + 2 * l * D, weight, bias, D, even, &mean[0]);
            NAME(convolved)(rows + (2 * l + 1) * D, weight, bias, D, odd, &mean[1]);
            scale[0] = NAME(inverse_deviation)(even, mean[0], epsilon, D);
            scale[1] = NAME(inverse_deviation)(odd, mean[1], epsilon, D);
            T *to = y + (l * N + n) * D;
            uint8_t *which = chosen ? chosen + (l * N + n) * D : 0;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                float first = (even[j] - mean[0]) * scale[0] * gamma[j] + beta[j];
                float second = (odd[j] - mean[1]) * scale[1] * gamma[j] + beta[j];
                /* A NaN stays one. */
                float most = second > first || second != second ? second : first;
                to[j] = WRITE(most <= 0.0f ? 0.0f : most);
                even[j] = first; odd[j] = second;
            }
            if (which) {
                #pragma omp simd
                for (int64_t j = 0; j < D; j++)
                    which[j] = (uint8_t)(even[j] <= 0.0f && odd[j] <= 0.0f ? 2 : odd[j] > even[j] ? 1 : 0);
                for (int i = 0; i < 2; i++) {
                    float *keep = moments + ((2 * l + i) * N + n) * 2;
                    keep[0] = mean[i]; keep[1] = scale[i];
                }
            }
        }
        free(rows);
    }
    return failed;
}

/* Tokens (L, N, D) to those of G granularities: ``levels`` (P, N, D), of which ``chosen`` lacks the first and ``moments``
   may lack the last. */
int NAME(downsample_forward)(const T *tokens, const int64_t *lengths, int64_t G, int64_t N, int64_t D,
                             const float *weight, const float *bias, const float *gamma, const float *beta,
                             float epsilon, T *levels, uint8_t *chosen, float *moments) {
    const int64_t first = lengths[0] * N * D;
    #pragma omp parallel for schedule(static)
    for (int64_t l = 0; l < lengths[0]; l++) memcpy(levels + l * N * D, tokens + l * N * D, N * D * sizeof(T));
    for (int64_t g = 0, at = 0; g + 1 < G; at += lengths[g++] * N * D) {
        const int64_t next = at + lengths[g] * N * D;
        if (NAME(halve)(levels + at, lengths[g], N, D, weight, bias, gamma, beta, epsilon, levels + next,
                        chosen ? chosen + next - first : 0, moments ? moments + at / D * 2 : 0)) return 1;
    }
    return 0;
}

/* ``of_y`` (L/2, N, D) is the gradient of y, ``others`` (L, N, D) what else arrives at x; writes ``of_x`` (L, N, D) and
   adds to each sequence's sums (N, 8, D): gradients of gamma, beta, bias and the five weights. */
static int NAME(halve_backward)(const T *x, int64_t L, int64_t N, int64_t D, const float *weight, const float *bias,
                                const float *gamma, const uint8_t *chosen, const float *moments, const T *of_y,
                                const T *others, T *of_x, float *sums) {
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        const int64_t padded = (L + 2 * MARGIN) * D;
        float *rows = malloc((2 * padded + 2 * D) * sizeof(float));
        if (!rows) { failed = 1; continue; }
        float *moved = rows + padded, *unit = moved + padded, *arriving = unit + D;
        float *of_gamma = sums + n * SUMS * D, *of_beta = of_gamma + D, *of_bias = of_beta + D, *of_weight = of_bias + D;
        NAME(padded)(x, L, N, D, n, rows);
        NAME(padded)(others, L, N, D, n, moved);
        for (int64_t l = 0; l < L / 2 * 2; l++) {
            const uint8_t *which = chosen + (l / 2 * N + n) * D, wanted = (uint8_t)(l % 2);
            const T *g = of_y + (l / 2 * N + n) * D;
            const float mean = moments[(l * N + n) * 2], scale = moments[(l * N + n) * 2 + 1];
            float ignored, sum = 0.0f, along = 0.0f;
            NAME(convolved)(rows + l * D, weight, bias, D, unit, &ignored);
            #pragma omp simd reduction(+ : sum, along)
            for (int64_t j = 0; j < D; j++) {
                float value = (unit[j] - mean) * scale, gradient = which[j] == wanted ? READ(g[j]) : 0.0f;
                of_gamma[j] += gradient * value;
                of_beta[j] += gradient;
                gradient *= gamma[j];
                sum += gradient;
                along += gradient * value;
                unit[j] = value;
                arriving[j] = gradient;
            }
            sum /= D;
            along /= D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                arriving[j] = scale * (arriving[j] - sum - unit[j] * along);
                of_bias[j] += arriving[j];
            }
            for (int64_t s = 0; s < KERNEL; s++) {
                const float *from = rows + (l + s) * D, *w = weight + s * D;
                float *to = moved + (l + s) * D, *of_w = of_weight + s * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) {
                    of_w[j] += arriving[j] * from[j];
                    to[j] += arriving[j] * w[j];
                }
            }
        }
        for (int64_t l = 0; l < L; l++) {
            T *to = of_x + (l * N + n) * D;
            const float *from = moved + (l + MARGIN) * D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) to[j] = WRITE(from[j]);
        }
        free(rows);
    }
    return failed;
}

/* ``gradient`` (P, N, D) of all granularities to that of the tokens, the first of ``moved`` (P, N, D); ``sums`` (N, 8, D)
   begin as zeros. */
int NAME(downsample_backward)(const T *levels, const int64_t *lengths, int64_t G, int64_t N, int64_t D,
                              const float *weight, const float *bias, const float *gamma, const uint8_t *chosen,
                              const float *moments, const T *gradient, T *moved, float *sums) {
    const int64_t first = lengths[0] * N * D;
    int64_t next = 0;
    for (int64_t g = 0; g + 1 < G; g++) next += lengths[g] * N * D;
    const T *arriving = gradient + next;
    for (int64_t g = G - 2; g >= 0; g--) {
        const int64_t at = next - lengths[g] * N * D;
        if (NAME(halve_backward)(levels + at, lengths[g], N, D, weight, bias, gamma, chosen + next - first,
                                 moments + at / D * 2, arriving, gradient + at, moved + at, sums)) return 1;
        arriving = moved + at;
        next = at;
    }
    return 0;
}

/* The maximum over the tokens of each granularity: x (P, N, D) to y (N, G, D). */
void NAME(maximum_forward)(const T *x, const int64_t *lengths, int64_t G, int64_t N, int64_t D, T *y) {
    #pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < N; n++) {
        int64_t p = 0;
        for (int64_t g = 0; g < G; g++) {
            T *most = y + (n * G + g) * D;
            memcpy(most, x + (p * N + n) * D, D * sizeof(T));
            for (int64_t end = p++ + lengths[g]; p < end; p++) {
                const T *row = x + (p * N + n) * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) {
                    float value = READ(row[j]);
                    most[j] = value > READ(most[j]) || value != value ? row[j] : most[j];
                }
            }
        }
    }
}

/* Its gradient, shared out among equals: of_y (N, G, D) to of_x (P, N, D). */
int NAME(maximum_backward)(const T *x, const T *y, const int64_t *lengths, int64_t G, int64_t N, int64_t D,
                           const T *of_y, T *of_x) {
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        float *share = malloc(D * sizeof(float));
        if (!share) { failed = 1; continue; }
        int64_t first = 0;
        for (int64_t g = 0; g < G; g++) {
            const T *most = y + (n * G + g) * D, *gradient = of_y + (n * G + g) * D;
            const int64_t end = first + lengths[g];
            memset(share, 0, D * sizeof(float));
            for (int64_t p = first; p < end; p++) {
                const T *row = x + (p * N + n) * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) share[j] += READ(row[j]) == READ(most[j]) ? 1.0f : 0.0f;
            }
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) share[j] = READ(gradient[j]) / share[j];
            for (int64_t p = first; p < end; p++) {
                const T *row = x + (p * N + n) * D;
                T *to = of_x + (p * N + n) * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) to[j] = WRITE(READ(row[j]) == READ(most[j]) ? share[j] : 0.0f);
            }
            first = end;
        }
        free(share);
    }
    return failed;
}

/* The sums of columns of x (rows, columns), in float32: of 128 rows first, then of those. */
void NAME(column_sums)(const T *x, int64_t rows, int64_t columns, float *out) {
    enum { WIDE = 256, ROWS = 128 };
    #pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t first = 0; first < columns; first += WIDE) {
        const int64_t wide = columns - first < WIDE ? columns - first : WIDE;
        float total[WIDE] = {0};
        for (int64_t top = 0; top < rows; top += ROWS) {
            float some[WIDE] = {0};
            for (int64_t r = top; r < rows && r < top + ROWS; r++) {
                const T *row = x + r * columns + first;
                #pragma omp simd
                for (int64_t j = 0; j < wide; j++) some[j] += READ(row[j]);
            }
            for (int64_t j = 0; j < wide; j++) total[j] += some[j];
        }
        memcpy(out + first, total, wide * sizeof(float));
    }
}
