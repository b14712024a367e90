/* From tokens that are frames to tokens that are joints. */
void joints_first(
    const float *poses, /* (N, T, K, C) */
    int64_t N,
    int64_t T,          /* frames */
    int64_t K,          /* joints of all bodies */
    int64_t C,          /* coordinates */
    float *out          /* (N, K, T, C) out */
) {
    #pragma omp parallel for collapse(2) schedule(static)
    for (int64_t n = 0; n < N; n++)
        for (int64_t k = 0; k < K; k++) {
            const float *from = poses + (n * T * K + k) * C;
            float *to = out + (n * K + k) * T * C;
            if (C == 3)
                for (int64_t t = 0; t < T; t++, from += 3 * K, to += 3) { to[0] = from[0]; to[1] = from[1]; to[2] = from[2]; }
            else
                for (int64_t t = 0; t < T; t++, from += C * K, to += C)
                    for (int64_t c = 0; c < C; c++) to[c] = from[c];
        }
}
