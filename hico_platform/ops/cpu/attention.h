/* Multi-head self-attention of sequences of several lengths; T is the type of the tokens. One head of one sequence is
   worked on at a time, whole, in a core's cache: scores and their softmax never lie in memory, the gradient makes them
   again. Arithmetic is float32.

   A head's scores are softmax(scale * q k), (L, L); the gradient of its softmax p is p * (grad_p - sum of p * grad_p). */

/* The tokens' queries, keys and values or gradients of one head: row l is at[l * row_stride]. */
static void NAME(gather)(const T *at, int64_t row_stride, int64_t L, int64_t size, float scale, float *to) {
    for (int64_t l = 0; l < L; l++)
        for (int64_t j = 0; j < size; j++) to[l * size + j] = scale * READ(at[l * row_stride + j]);
}

static void NAME(scatter)(const float *from, int64_t L, int64_t size, float scale, T *at, int64_t row_stride) {
    for (int64_t l = 0; l < L; l++)
        for (int64_t j = 0; j < size; j++) at[l * row_stride + j] = WRITE(scale * from[l * size + j]);
}

/* A head's queries times ``scale``, keys and values, and its scores. */
static void NAME(scores)(const T *q, int64_t row_stride, int64_t D, int64_t L, int64_t size, float scale,
                         const AttentionWorkspace *work) {
    NAME(gather)(q, row_stride, L, size, scale, work->q);
    NAME(gather)(q + D, row_stride, L, size, 1.0f, work->k);
    NAME(gather)(q + 2 * D, row_stride, L, size, 1.0f, work->v);
    small_matmul((Matrix){work->q, size, 1}, (Matrix){work->k, 1, size}, L, L, size, work, work->p, work->score_cols);
}

int NAME(attention_forward)(
    const T *qkv,           /* (P*N, 3D) queries, keys and values */
    const int64_t *lengths, /* (G) */
    int64_t G,
    int64_t N,
    int64_t heads,
    int64_t D,
    float softmax_scale,    /* 1 / sqrt(D / heads) */
    const Dropout *dropout, /* of the softmax */
    T *out                  /* (P*N, D) out */
) {
    const AttentionShape all = {lengths, G, N, heads, D / heads};
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        AttentionWorkspace work;
        const int able = allocate_attention(all, &work);
        failed |= !able;
        #pragma omp for schedule(dynamic, 4)
        for (int64_t task = 0; task < G * N * heads; task++) {
            if (!able) continue;
            const HeadIndex at = head_index(all, task);
            const int64_t size = all.size, L = at.length, score_cols = work.score_cols;
            NAME(scores)(qkv + at.token * 3 * D + at.head * size, 3 * D * N, D, L, size, softmax_scale, &work);
            for (int64_t l = 0; l < L; l++) {
                float *row = work.p + l * score_cols;
                softmax(row, L);
                if (dropout->threshold) {
                    const DropoutRow mask = dropout_row(at.score + l * L, *dropout);
                    #pragma omp simd
                    for (int64_t j = 0; j < L; j++) row[j] *= dropout_factor(j, mask);
                }
            }
            small_matmul((Matrix){work.p, score_cols, 1}, (Matrix){work.v, size, 1}, L, size, L, &work, work.out, size);
            NAME(scatter)(work.out, L, size, 1.0f, out + at.token * D + at.head * size, D * N);
        }
        free(work.all);
    }
    return failed;
}

int NAME(attention_backward)(
    const T *qkv,           /* (P*N, 3D) */
    const T *grad_out,      /* (P*N, D) */
    const int64_t *lengths, /* (G) */
    int64_t G,
    int64_t N,
    int64_t heads,
    int64_t D,
    float softmax_scale,    /* 1 / sqrt(D / heads) */
    const Dropout *dropout, /* the draw of the forward pass */
    T *grad_qkv             /* (P*N, 3D) out */
) {
    const AttentionShape all = {lengths, G, N, heads, D / heads};
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        AttentionWorkspace work;
        const int able = allocate_attention(all, &work);
        failed |= !able;
        #pragma omp for schedule(dynamic, 4)
        for (int64_t task = 0; task < G * N * heads; task++) {
            if (!able) continue;
            const HeadIndex at = head_index(all, task);
            const int64_t size = all.size, L = at.length, score_cols = work.score_cols, first = at.token * 3 * D + at.head * size;
            T *grad_q = grad_qkv + first;
            NAME(scores)(qkv + first, 3 * D * N, D, L, size, softmax_scale, &work);
            NAME(gather)(grad_out + at.token * D + at.head * size, D * N, L, size, 1.0f, work.grad_out);
            small_matmul((Matrix){work.grad_out, size, 1}, (Matrix){work.v, 1, size}, L, L, size, &work, work.grad_p, score_cols);
            for (int64_t l = 0; l < L; l++) {
                float *p = work.p + l * score_cols, *grad_p = work.grad_p + l * score_cols, *dropped_p = work.dropped_p + l * score_cols;
                float sum = 0.0f;
                softmax(p, L);
                if (dropout->threshold) {
                    const DropoutRow mask = dropout_row(at.score + l * L, *dropout);
                    #pragma omp simd
                    for (int64_t j = 0; j < L; j++) {
                        const float keep = dropout_factor(j, mask);
                        dropped_p[j] = p[j] * keep;
                        grad_p[j] *= keep;
                    }
                } else memcpy(dropped_p, p, L * sizeof(float));
                #pragma omp simd reduction(+ : sum)
                for (int64_t j = 0; j < L; j++) sum += p[j] * grad_p[j];
                #pragma omp simd
                for (int64_t j = 0; j < L; j++) grad_p[j] = p[j] * (grad_p[j] - sum);
            }
            small_matmul((Matrix){work.dropped_p, 1, score_cols}, (Matrix){work.grad_out, size, 1}, L, size, L, &work, work.out,
                         size);
            NAME(scatter)(work.out, L, size, 1.0f, grad_q + 2 * D, 3 * D * N);
            small_matmul((Matrix){work.grad_p, 1, score_cols}, (Matrix){work.q, size, 1}, L, size, L, &work, work.out, size);
            NAME(scatter)(work.out, L, size, 1.0f, grad_q + D, 3 * D * N);
            small_matmul((Matrix){work.grad_p, score_cols, 1}, (Matrix){work.k, size, 1}, L, size, L, &work, work.out, size);
            NAME(scatter)(work.out, L, size, softmax_scale, grad_q, 3 * D * N);
        }
        free(work.all);
    }
    return failed;
}
