/* The unified downsampling module: depthwise convolution over five tokens, LayerNorm, ReLU, maximum of pairs. T is the type
   of the tokens. */

/* Five rows around each of the tokens of sequence n, as floats with zeros beyond the ends: (L + 4, D). */
static void NAME(padded)(const T *x, int64_t L, int64_t N, int64_t D, int64_t n, float *to) {
    memset(to, 0, MARGIN * D * sizeof(float));
    memset(to + (L + MARGIN) * D, 0, MARGIN * D * sizeof(float));
    for (int64_t l = 0; l < L; l++) {
        const T *row = x + (l * N + n) * D;
        float *padded = to + (l + MARGIN) * D;
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) padded[j] = READ(row[j]);
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

static float NAME(rstd_of)(const float *x, float mean, float eps, int64_t D) {
    float sum = 0.0f;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < D; j++) sum += (x[j] - mean) * (x[j] - mean);
    return 1.0f / sqrtf(sum / D + eps);
}

/* Depthwise convolution, LayerNorm, ReLU, maximum of pairs: x (L, N, D) to y (L/2, N, D). ``taps`` (5, D).
   ``winners`` (L/2, N, D): 0 or 1 for the token that won (the first of equals), 2 where ReLU cut. ``stats`` (L, N, 2).
   The last two are null where no backward pass follows. */
static int NAME(halve)(const T *x, int64_t L, int64_t N, int64_t D, const float *taps, const float *bias,
                       const float *norm_weight, const float *norm_bias, float eps, T *y, uint8_t *winners, float *stats) {
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        float *rows = malloc((L + 2 * MARGIN + 2) * D * sizeof(float));
        if (!rows) { failed = 1; continue; }
        float *even = rows + (L + 2 * MARGIN) * D, *odd = even + D;
        NAME(padded)(x, L, N, D, n, rows);
        for (int64_t l = 0; l < L / 2; l++) {
            float mean[2], rstd[2];
            NAME(convolved)(rows + 2 * l * D, taps, bias, D, even, &mean[0]);
            NAME(convolved)(rows + (2 * l + 1) * D, taps, bias, D, odd, &mean[1]);
            rstd[0] = NAME(rstd_of)(even, mean[0], eps, D);
            rstd[1] = NAME(rstd_of)(odd, mean[1], eps, D);
            T *to = y + (l * N + n) * D;
            uint8_t *winner = winners ? winners + (l * N + n) * D : 0;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                float first = (even[j] - mean[0]) * rstd[0] * norm_weight[j] + norm_bias[j];
                float second = (odd[j] - mean[1]) * rstd[1] * norm_weight[j] + norm_bias[j];
                /* A NaN stays one. */
                float larger = second > first || second != second ? second : first;
                to[j] = WRITE(larger <= 0.0f ? 0.0f : larger);
                even[j] = first; odd[j] = second;
            }
            if (winner) {
                #pragma omp simd
                for (int64_t j = 0; j < D; j++)
                    winner[j] = (uint8_t)(even[j] <= 0.0f && odd[j] <= 0.0f ? 2 : odd[j] > even[j] ? 1 : 0);
                for (int i = 0; i < 2; i++) {
                    float *stat = stats + ((2 * l + i) * N + n) * 2;
                    stat[0] = mean[i]; stat[1] = rstd[i];
                }
            }
        }
        free(rows);
    }
    return failed;
}

int NAME(downsample_forward)(
    const T *tokens,          /* (L, N, D) */
    const int64_t *lengths,   /* (G) L, L / 2, ... */
    int64_t G,
    int64_t N,
    int64_t D,
    const float *taps,        /* (5, D) the convolution's weight */
    const float *bias,        /* (D) the convolution's */
    const float *norm_weight, /* (D) */
    const float *norm_bias,   /* (D) */
    float eps,
    T *levels,                /* (P, N, D) out: the tokens of all granularities */
    uint8_t *winners,         /* (P - L, N, D) out, or null: see halve */
    float *stats              /* (P, N, 2) out, or null: mean and rstd of each token; none of the last granularity's */
) {
    const int64_t first = lengths[0] * N * D;
    #pragma omp parallel for schedule(static)
    for (int64_t l = 0; l < lengths[0]; l++) memcpy(levels + l * N * D, tokens + l * N * D, N * D * sizeof(T));
    for (int64_t g = 0, at = 0; g + 1 < G; at += lengths[g++] * N * D) {
        const int64_t next = at + lengths[g] * N * D;
        if (NAME(halve)(levels + at, lengths[g], N, D, taps, bias, norm_weight, norm_bias, eps, levels + next,
                        winners ? winners + next - first : 0, stats ? stats + at / D * 2 : 0)) return 1;
    }
    return 0;
}

/* ``grad_out`` (L/2, N, D) is the gradient of halve's y, ``grad_skip`` (L, N, D) what else arrives at x; writes ``grad_x``
   (L, N, D) and adds to each sequence's sums (N, 8, D): gradients of norm_weight, norm_bias, bias and taps. */
static int NAME(halve_backward)(const T *x, int64_t L, int64_t N, int64_t D, const float *taps, const float *bias,
                                const float *norm_weight, const uint8_t *winners, const float *stats, const T *grad_out,
                                const T *grad_skip, T *grad_x, float *sums) {
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        const int64_t padded = (L + 2 * MARGIN) * D;
        float *rows = malloc((2 * padded + 2 * D) * sizeof(float));
        if (!rows) { failed = 1; continue; }
        float *grad_padded = rows + padded, *normalised = grad_padded + padded, *grad_mixed = normalised + D;
        float *grad_norm_weight = sums + n * DOWNSAMPLE_SUMS * D, *grad_norm_bias = grad_norm_weight + D;
        float *grad_bias = grad_norm_bias + D, *grad_taps = grad_bias + D;
        NAME(padded)(x, L, N, D, n, rows);
        NAME(padded)(grad_skip, L, N, D, n, grad_padded);
        for (int64_t l = 0; l < L / 2 * 2; l++) {
            const uint8_t *winner = winners + (l / 2 * N + n) * D, parity = (uint8_t)(l % 2);
            const T *g = grad_out + (l / 2 * N + n) * D;
            const float mean = stats[(l * N + n) * 2], rstd = stats[(l * N + n) * 2 + 1];
            float ignored, sum = 0.0f, dot = 0.0f;
            NAME(convolved)(rows + l * D, taps, bias, D, normalised, &ignored);
            #pragma omp simd reduction(+ : sum, dot)
            for (int64_t j = 0; j < D; j++) {
                float value = (normalised[j] - mean) * rstd, gradient = winner[j] == parity ? READ(g[j]) : 0.0f;
                grad_norm_weight[j] += gradient * value;
                grad_norm_bias[j] += gradient;
                gradient *= norm_weight[j];
                sum += gradient;
                dot += gradient * value;
                normalised[j] = value;
                grad_mixed[j] = gradient;
            }
            sum /= D;
            dot /= D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                grad_mixed[j] = rstd * (grad_mixed[j] - sum - normalised[j] * dot);
                grad_bias[j] += grad_mixed[j];
            }
            for (int64_t s = 0; s < KERNEL; s++) {
                const float *from = rows + (l + s) * D, *w = taps + s * D;
                float *to = grad_padded + (l + s) * D, *grad_tap = grad_taps + s * D;
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) {
                    grad_tap[j] += grad_mixed[j] * from[j];
                    to[j] += grad_mixed[j] * w[j];
                }
            }
        }
        for (int64_t l = 0; l < L; l++) {
            T *to = grad_x + (l * N + n) * D;
            const float *from = grad_padded + (l + MARGIN) * D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) to[j] = WRITE(from[j]);
        }
        free(rows);
    }
    return failed;
}

int NAME(downsample_backward)(
    const T *levels,          /* (P, N, D) */
    const int64_t *lengths,   /* (G) */
    int64_t G,
    int64_t N,
    int64_t D,
    const float *taps,        /* (5, D) */
    const float *bias,        /* (D) */
    const float *norm_weight, /* (D) */
    const uint8_t *winners,   /* (P - L, N, D) */
    const float *stats,       /* (P, N, 2) */
    const T *grad_levels,     /* (P, N, D) */
    T *grad_tokens,           /* (P, N, D) out: the first L are the gradient of the tokens, the rest what led there */
    float *sums               /* (N, 8, D) in: zeros; out: each sequence's gradients of norm_weight, norm_bias, bias, taps */
) {
    const int64_t first = lengths[0] * N * D;
    int64_t next = 0;
    for (int64_t g = 0; g + 1 < G; g++) next += lengths[g] * N * D;
    const T *grad_next = grad_levels + next;
    for (int64_t g = G - 2; g >= 0; g--) {
        const int64_t at = next - lengths[g] * N * D;
        if (NAME(halve_backward)(levels + at, lengths[g], N, D, taps, bias, norm_weight, winners + next - first,
                                 stats + at / D * 2, grad_next, grad_levels + at, grad_tokens + at, sums)) return 1;
        grad_next = grad_tokens + at;
        next = at;
    }
    return 0;
}
