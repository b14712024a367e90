/* LayerNorm and ReLU between an embedding's two products, which also bring the tokens of a step together: rows (N, L) go in,
   rows (L, N) come out. T is the type of the tokens. */

void NAME(norm_relu_forward)(
    const T *x,          /* (N, L, D) */
    int64_t N,
    int64_t L,
    int64_t D,
    const float *weight, /* (D) */
    const float *bias,   /* (D) */
    float eps,
    T *out,              /* (L, N, D) out */
    float *stats         /* (L, N, 2) out: mean and rstd; or null */
) {
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < L * N; r++) {
        const T *x_row = x + (r % N * L + r / N) * D;
        T *out_row = out + r * D;
        float mean, rstd;
        NAME(norm_stats)(x_row, D, eps, &mean, &rstd);
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) {
            float value = (READ(x_row[j]) - mean) * rstd * weight[j] + bias[j];
            out_row[j] = WRITE(value <= 0.0f ? 0.0f : value); /* a NaN stays one */
        }
        if (stats) {
            stats[2 * r] = mean;
            stats[2 * r + 1] = rstd;
        }
    }
}

void NAME(norm_relu_backward)(
    const T *x,          /* (N, L, D) */
    const T *out,        /* (L, N, D) */
    const float *stats,  /* (L, N, 2) */
    const T *grad_out,   /* (L, N, D) */
    int64_t N,
    int64_t L,
    int64_t D,
    const float *weight, /* (D) */
    T *grad_x,           /* (N, L, D) out */
    float *sums,         /* (groups, 2, D) out: each group of rows' gradients of weight and bias */
    int64_t groups
) {
    const int64_t rows = L * N;
    #pragma omp parallel for schedule(static)
    for (int64_t group = 0; group < groups; group++) {
        float *grad_weight = sums + group * 2 * D, *grad_bias = grad_weight + D;
        memset(grad_weight, 0, 2 * D * sizeof(float));
        for (int64_t r = rows * group / groups; r < rows * (group + 1) / groups; r++) {
            const int64_t x_index = (r % N * L + r / N) * D;
            const T *x_row = x + x_index, *out_row = out + r * D, *grad_row = grad_out + r * D;
            T *grad_x_row = grad_x + x_index;
            const float mean = stats[2 * r], rstd = stats[2 * r + 1];
            float sum = 0.0f, dot = 0.0f; /* of the weighted gradient, and with the normalised row */
            #pragma omp simd reduction(+ : sum, dot)
            for (int64_t j = 0; j < D; j++) {
                float normalised = (READ(x_row[j]) - mean) * rstd, grad = READ(out_row[j]) == 0.0f ? 0.0f : READ(grad_row[j]);
                grad_weight[j] += grad * normalised;
                grad_bias[j] += grad;
                sum += grad * weight[j];
                dot += grad * weight[j] * normalised;
            }
            sum /= D;
            dot /= D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                float normalised = (READ(x_row[j]) - mean) * rstd, grad = READ(out_row[j]) == 0.0f ? 0.0f : READ(grad_row[j]);
                grad_x_row[j] = WRITE(rstd * (grad * weight[j] - sum - normalised * dot));
            }
        }
    }
}
