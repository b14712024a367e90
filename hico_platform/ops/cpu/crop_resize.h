/* Crop, resize and spatial augmentation of stored poses, a sequence at a time. */

/* Frames are resized linearly with half-pixel centres; a matrix gives out[c] = sum over k of matrix[c][k] * in[k]. */
int crop_resize(
    const float *values,     /* flat; sequence n is (frames, num_bodies[n], J, C) from offsets[n] */
    const int64_t *offsets,  /* (N) in floats */
    const int64_t *num_bodies, /* (N) */
    const int64_t *start,    /* (N) first frame of the crop */
    const int64_t *length,   /* (N) frames of the crop */
    const float *matrices,   /* (N, J, C, C) for each joint, or null */
    int64_t N,
    int64_t T,               /* frames of the output */
    int64_t M,               /* bodies of the output */
    int64_t J,
    int64_t C,
    float *out               /* (N, T, M, J, C) out; absent bodies are zeros */
) {
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
        const int64_t last_frame = length[n] - 1, frame = num_bodies[n] * row;
        for (int64_t t = 0; t < T; t++) {
            float position = ((float)t + 0.5f) * scale - 0.5f;
            position = position < 0.0f ? 0.0f : position;
            int64_t below = (int64_t)position;
            below = below < last_frame ? below : last_frame;
            const int64_t above = below < last_frame ? below + 1 : last_frame;
            const float share = position - (float)below;
            const float *lower = values + offsets[n] + (start[n] + below) * frame;
            const float *upper = values + offsets[n] + (start[n] + above) * frame;
            float *out_row = out + (n * T + t) * M * row;
            for (int64_t m = 0; m < num_bodies[n] && m < M; m++, lower += row, upper += row, out_row += row) {
                float *blend = matrices ? mixed : out_row;
                #pragma omp simd
                for (int64_t i = 0; i < row; i++) blend[i] = lower[i] + (upper[i] - lower[i]) * share;
                if (!matrices) continue;
                if (C == 3) {
                    const float *d0 = diagonals, *d1 = d0 + row, *d2 = d1 + row, *d3 = d2 + row, *d4 = d3 + row;
                    #pragma omp simd
                    for (int64_t i = 0; i < row; i++)
                        out_row[i] = d0[i] * mixed[i - 2] + d1[i] * mixed[i - 1] + d2[i] * mixed[i] + d3[i] * mixed[i + 1] +
                                d4[i] * mixed[i + 2];
                } else {
                    memset(out_row, 0, row * sizeof(float));
                    for (int64_t s = 0; s < 2 * C - 1; s++)
                        for (int64_t i = 0; i < row; i++) out_row[i] += diagonals[s * row + i] * mixed[i + s - pad];
                }
            }
            if (num_bodies[n] < M) memset(out_row, 0, (M - num_bodies[n]) * row * sizeof(float));
        }
        free(diagonals);
    }
    return failed;
}
