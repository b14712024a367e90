/* LayerNorm of a sum; T is the type of what is added, Y, of this file alone, that of what is made. */

/* y = LayerNorm(x + dropout(a)), rows of D. ``a`` becomes the sum, which the gradient needs. ``moments`` (rows, 2). */
void NAME_Y(add_norm_forward)(const T *x, T *a, int64_t rows, int64_t D, const Drop *drop, const float *gamma,
                              const float *beta, float epsilon, Y *y, float *moments) {
    const Drop how = *drop;
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const T *from = x + r * D;
        T *both = a + r * D;
        Y *to = y + r * D;
        float mean, scale;
        if (how.dropped) {
            const Dropping row = dropping(r * D, how);
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) both[j] = WRITE(READ(from[j]) + READ(both[j]) * kept(j, row));
        } else {
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) both[j] = WRITE(READ(from[j]) + READ(both[j]));
        }
        NAME(row_moments)(both, D, epsilon, &mean, &scale);
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) to[j] = WRITE_Y((READ(both[j]) - mean) * scale * gamma[j] + beta[j]);
        moments[2 * r] = mean;
        moments[2 * r + 1] = scale;
    }
}

/* ``of_y`` to the gradients of x and a, and each of ``parts`` parts' sums (parts, 2, D): gradients of gamma and beta. */
void NAME_Y(add_norm_backward)(const T *both, const float *moments, const Y *of_y, int64_t rows, int64_t D,
                               const Drop *drop, const float *gamma, T *of_x, T *of_a, float *sums, int64_t parts) {
    const Drop how = *drop;
    #pragma omp parallel for schedule(static)
    for (int64_t part = 0; part < parts; part++) {
        float *of_gamma = sums + part * 2 * D, *of_beta = of_gamma + D;
        memset(of_gamma, 0, 2 * D * sizeof(float));
        for (int64_t r = rows * part / parts; r < rows * (part + 1) / parts; r++) {
            const T *from = both + r * D;
            const Y *g = of_y + r * D;
            T *to = of_x + r * D, *other = of_a + r * D;
            const float mean = moments[2 * r], scale = moments[2 * r + 1];
            float sum = 0.0f, along = 0.0f;
            #pragma omp simd reduction(+ : sum, along)
            for (int64_t j = 0; j < D; j++) {
                float unit = (READ(from[j]) - mean) * scale, gradient = READ_Y(g[j]);
                of_gamma[j] += gradient * unit;
                of_beta[j] += gradient;
                sum += gradient * gamma[j];
                along += gradient * gamma[j] * unit;
            }
            sum /= D;
            along /= D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                float unit = (READ(from[j]) - mean) * scale;
                to[j] = WRITE(scale * (READ_Y(g[j]) * gamma[j] - sum - unit * along));
            }
            if (how.dropped) {
                const Dropping row = dropping(r * D, how);
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) other[j] = WRITE(READ(to[j]) * kept(j, row));
            }
        }
    }
}

#undef Y
#undef NAME_Y
#undef READ_Y
#undef WRITE_Y
