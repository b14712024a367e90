/* LayerNorm of a sum, rows of D; T is the type of what is added, Y, of this file alone, that of the output. */

void NAME_Y(add_norm_forward)(
    const T *x,             /* (rows, D) */
    T *update,              /* (rows, D) in: what is dropped out and added; out: the sum, which the gradient needs */
    int64_t rows,
    int64_t D,
    const Dropout *dropout, /* of update */
    const float *weight,    /* (D) */
    const float *bias,      /* (D) */
    float eps,
    Y *out,                 /* (rows, D) out: LayerNorm(x + dropout(update)) */
    float *stats            /* (rows, 2) out: mean and rstd */
) {
    const Dropout draw = *dropout;
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const T *x_row = x + r * D;
        T *total = update + r * D;
        Y *out_row = out + r * D;
        float mean, rstd;
        if (draw.threshold) {
            const DropoutRow mask = dropout_row(r * D, draw);
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) total[j] = WRITE(READ(x_row[j]) + READ(total[j]) * dropout_factor(j, mask));
        } else {
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) total[j] = WRITE(READ(x_row[j]) + READ(total[j]));
        }
        NAME(norm_stats)(total, D, eps, &mean, &rstd);
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) out_row[j] = WRITE_Y((READ(total[j]) - mean) * rstd * weight[j] + bias[j]);
        stats[2 * r] = mean;
        stats[2 * r + 1] = rstd;
    }
}

void NAME_Y(add_norm_backward)(
    const T *total,         /* (rows, D) the sum */
    const float *stats,     /* (rows, 2) its mean and rstd */
    const Y *grad_out,      /* (rows, D) */
    int64_t rows,
    int64_t D,
    const Dropout *dropout, /* the draw of the forward pass */
    const float *weight,    /* (D) */
    T *grad_x,              /* (rows, D) out */
    T *grad_update,         /* (rows, D) out; not written where nothing is dropped, for it is grad_x then */
    float *sums,            /* (groups, 2, D) out: each group of rows' gradients of weight and bias */
    int64_t groups          /* of rows, which does not depend on the number of threads */
) {
    const Dropout draw = *dropout;
    #pragma omp parallel for schedule(static)
    for (int64_t group = 0; group < groups; group++) {
        float *grad_weight = sums + group * 2 * D, *grad_bias = grad_weight + D;
        memset(grad_weight, 0, 2 * D * sizeof(float));
        for (int64_t r = rows * group / groups; r < rows * (group + 1) / groups; r++) {
            const T *total_row = total + r * D;
            const Y *grad_row = grad_out + r * D;
            T *grad_x_row = grad_x + r * D, *grad_update_row = grad_update + r * D;
            const float mean = stats[2 * r], rstd = stats[2 * r + 1];
            float sum = 0.0f, dot = 0.0f; /* of the weighted gradient, and with the normalised row */
            #pragma omp simd reduction(+ : sum, dot)
            for (int64_t j = 0; j < D; j++) {
                float normalised = (READ(total_row[j]) - mean) * rstd, grad = READ_Y(grad_row[j]);
                grad_weight[j] += grad * normalised;
                grad_bias[j] += grad;
                sum += grad * weight[j];
                dot += grad * weight[j] * normalised;
            }
            sum /= D;
            dot /= D;
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                float normalised = (READ(total_row[j]) - mean) * rstd;
                grad_x_row[j] = WRITE(rstd * (READ_Y(grad_row[j]) * weight[j] - sum - normalised * dot));
            }
            if (draw.threshold) {
                const DropoutRow mask = dropout_row(r * D, draw);
                #pragma omp simd
                for (int64_t j = 0; j < D; j++) grad_update_row[j] = WRITE(READ(grad_x_row[j]) * dropout_factor(j, mask));
            }
        }
    }
}

#undef Y
#undef NAME_Y
#undef READ_Y
#undef WRITE_Y
