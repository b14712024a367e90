/* The logarithm of the sum of exponentials over rows of L logits. */

void logsumexp_forward(const float *logits, int64_t rows, int64_t L, float *out) {
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const float *row = logits + r * L;
        float most = row[0], sum = 0.0f;
        #pragma omp simd reduction(max : most)
        for (int64_t j = 0; j < L; j++) most = row[j] > most ? row[j] : most;
        #pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < L; j++) sum += fast_exp(row[j] - most);
        out[r] = most + logf(sum);
    }
}

/* The gradient of the logits: softmax times that of the logarithm. */
void logsumexp_backward(const float *logits, const float *made, const float *gradient, int64_t rows, int64_t L,
                        float *of_logits) {
    #pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) {
        const float *row = logits + r * L;
        float *to = of_logits + r * L;
        const float all = made[r], g = gradient[r];
        #pragma omp simd
        for (int64_t j = 0; j < L; j++) to[j] = g * fast_exp(row[j] - all);
    }
}
