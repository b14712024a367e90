/* Crop, resize and spatial augmentation of stored poses, a sequence at a time. */

/* Sequence i of ``values`` lies from ``offsets[i]``, (frames, bodies[i], J, C). Cuts
   ``length[i]`` frames from ``start[i]``, resizes them to T with half-pixel centres, and puts ``matrices`` (N, J, C, C)
   on the joints, unless null: out[c] = sum over k of matrix[c][k] * in[k]. ``out`` (N, T, M, J, C), absent bodies zero. */
int crop_views(const float *values, const int64_t *offsets, const int64_t *bodies, const int64_t *start,
               const int64_t *length, const float *matrices, int64_t N, int64_t T, int64_t M, int64_t J, int64_t C,
               float *out) {
    const int64_t row = J * C, pad = C - 1;
    int failed = 0;
    #pragma omp parallel for schedule(static) reduction(| : failed)
    for (int64_t n = 0; n < N; n++) {
        /* The matrices as 2C - 1 diagonals: out[i] = sum over s of diagonal[s][i] * in[i + s - (C - 1)]. */
        float *diagonals = calloc((2 * C - 1) * row + row + 2 * pad, sizeof(float));
        if (!diagonals) { failed = 1; continue; }
        float *mixed = diagonals + (2 * C - 1) * row + pad;
        for (int64_t j = 0; matrices && j < J; j++)
            for (int64_t c = 0; c < C; c++)
                for (int64_t k = 0; k < C; k++)
                    diagonals[(k - c + C - 1) * row + j * C + c] = matrices[((n * J + j) * C + c) * C + k];
        const float scale = (float)length[n] / (float)T;
        const int64_t end = length[n] - 1, frame = bodies[n] * row;
        for (int64_t t = 0; t < T; t++) {
            float position = ((float)t + 0.5f) * scale - 0.5f;
            position = position < 0.0f ? 0.0f : position;
            int64_t below = (int64_t)position;
            below = below < end ? below : end;
            const int64_t above = below < end ? below + 1 : end;
            const float share = position - (float)below;
            const float *lower = values + offsets[n] + (start[n] + below) * frame;
            const float *upper = values + offsets[n] + (start[n] + above) * frame;
            float *to = out + (n * T + t) * M * row;
            for (int64_t m = 0; m < bodies[n] && m < M; m++, lower += row, upper += row, to += row) {
                float *blend = matrices ? mixed : to;
                #pragma omp simd
                for (int64_t i = 0; i < row; i++) blend[i] = lower[i] + (upper[i] - lower[i]) * share;
                if (!matrices) continue;
                if (C == 3) {
                    const float *d0 = diagonals, *d1 = d0 + row, *d2 = d1 + row, *d3 = d2 + row, *d4 = d3 + row;
                    #pragma omp simd
                    for (int64_t i = 0; i < row; i++)
                        to[i] = d0[i] * mixed[i - 2] + d1[i] * mixed[i - 1] + d2[i] * mixed[i] + d3[i] * mixed[i + 1] +
                                d4[i] * mixed[i + 2];
                } else {
                    memset(to, 0, row * sizeof(float));
                    for (int64_t s = 0; s < 2 * C - 1; s++)
                        for (int64_t i = 0; i < row; i++) to[i] += diagonals[s * row + i] * mixed[i + s - pad];
                }
            }
            if (bodies[n] < M) memset(to, 0, (M - bodies[n]) * row * sizeof(float));
        }
        free(diagonals);
    }
    return failed;
}

/* (N, T, K, C) to (N, K, T, C): joints of bodies before frames. */
void joints_first(const float *poses, int64_t N, int64_t T, int64_t K, int64_t C, float *out) {
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
