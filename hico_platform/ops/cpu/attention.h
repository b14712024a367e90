/* Multi-head self-attention of sequences of several lengths; T is the type of the tokens. One head of one sequence is
   worked on at a time, whole, in a core's cache: scores and their softmax never lie in memory, the gradient makes them
   again. Arithmetic is float32.

   ``qkv`` (P*N, 3D) holds queries, keys and values of all granularities' tokens, ``lengths`` (G) adds up to P. */

/* The tokens' queries, keys and values or gradients of one head: row l is at[l * lead]. */
static void NAME(gather)(const T *at, int64_t lead, int64_t L, int64_t size, float factor, float *to) {
    for (int64_t l = 0; l < L; l++)
        for (int64_t j = 0; j < size; j++) to[l * size + j] = factor * READ(at[l * lead + j]);
}

static void NAME(scatter)(const float *from, int64_t L, int64_t size, float factor, T *at, int64_t lead) {
    for (int64_t l = 0; l < L; l++)
        for (int64_t j = 0; j < size; j++) at[l * lead + j] = WRITE(factor * from[l * size + j]);
}

/* The head's queries times ``factor``, keys and values, and its scores, L rows of ``head->wide``. */
static void NAME(scores)(const T *q, int64_t lead, int64_t D, int64_t L, int64_t size, float factor, const Head *head) {
    NAME(gather)(q, lead, L, size, factor, head->q);
    NAME(gather)(q + D, lead, L, size, 1.0f, head->k);
    NAME(gather)(q + 2 * D, lead, L, size, 1.0f, head->v);
    multiply((Matrix){head->q, size, 1}, (Matrix){head->k, 1, size}, L, L, size, head, head->p, head->wide);
}

/* ``out`` (P*N, D). */
int NAME(attention_forward)(const T *qkv, const int64_t *lengths, int64_t G, int64_t N, int64_t heads, int64_t D,
                            float factor, const Drop *drop, T *out) {
    const Attended all = {lengths, G, N, heads, D / heads};
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        Head head;
        const int able = head_room(all, &head);
        failed |= !able;
        #pragma omp for schedule(dynamic, 4)
        for (int64_t task = 0; task < G * N * heads; task++) {
            if (!able) continue;
            const Place at = place_in(all, task);
            const int64_t size = all.size, L = at.length, wide = head.wide;
            NAME(scores)(qkv + at.token * 3 * D + at.head * size, 3 * D * N, D, L, size, factor, &head);
            for (int64_t l = 0; l < L; l++) {
                float *row = head.p + l * wide;
                softmax(row, L);
                if (drop->dropped) {
                    const Dropping how = dropping(at.score + l * L, *drop);
                    #pragma omp simd
                    for (int64_t j = 0; j < L; j++) row[j] *= kept(j, how);
                }
            }
            multiply((Matrix){head.p, wide, 1}, (Matrix){head.v, size, 1}, L, size, L, &head, head.made, size);
            NAME(scatter)(head.made, L, size, 1.0f, out + at.token * D + at.head * size, D * N);
        }
        free(head.all);
    }
    return failed;
}

/* ``of_out`` (P*N, D) to ``of_qkv`` (P*N, 3D). */
int NAME(attention_backward)(const T *qkv, const T *of_out, const int64_t *lengths, int64_t G, int64_t N, int64_t heads,
                             int64_t D, float factor, const Drop *drop, T *of_qkv) {
    const Attended all = {lengths, G, N, heads, D / heads};
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        Head head;
        const int able = head_room(all, &head);
        failed |= !able;
        #pragma omp for schedule(dynamic, 4)
        for (int64_t task = 0; task < G * N * heads; task++) {
            if (!able) continue;
            const Place at = place_in(all, task);
            const int64_t size = all.size, L = at.length, wide = head.wide, first = at.token * 3 * D + at.head * size;
            T *of_q = of_qkv + first;
            NAME(scores)(qkv + first, 3 * D * N, D, L, size, factor, &head);
            NAME(gather)(of_out + at.token * D + at.head * size, D * N, L, size, 1.0f, head.given);
            multiply((Matrix){head.given, size, 1}, (Matrix){head.v, 1, size}, L, L, size, &head, head.of_p, wide);
            for (int64_t l = 0; l < L; l++) {
                float *p = head.p + l * wide, *of_p = head.of_p + l * wide, *dropped = head.dropped + l * wide;
                float sum = 0.0f;
                softmax(p, L);
                if (drop->dropped) {
                    const Dropping how = dropping(at.score + l * L, *drop);
                    #pragma omp simd
                    for (int64_t j = 0; j < L; j++) {
                        const float keep = kept(j, how);
                        dropped[j] = p[j] * keep;
                        of_p[j] *= keep;
                    }
                } else memcpy(dropped, p, L * sizeof(float));
                #pragma omp simd reduction(+ : sum)
                for (int64_t j = 0; j < L; j++) sum += p[j] * of_p[j];
                #pragma omp simd
                for (int64_t j = 0; j < L; j++) of_p[j] = p[j] * (of_p[j] - sum);
            }
            multiply((Matrix){head.dropped, 1, wide}, (Matrix){head.given, size, 1}, L, size, L, &head, head.made, size);
            NAME(scatter)(head.made, L, size, 1.0f, of_q + 2 * D, 3 * D * N);
            multiply((Matrix){head.of_p, 1, wide}, (Matrix){head.q, size, 1}, L, size, L, &head, head.made, size);
            NAME(scatter)(head.made, L, size, 1.0f, of_q + D, 3 * D * N);
            multiply((Matrix){head.of_p, wide, 1}, (Matrix){head.k, size, 1}, L, size, L, &head, head.made, size);
            NAME(scatter)(head.made, L, size, factor, of_q, 3 * D * N);
        }
        free(head.all);
    }
    return failed;
}
