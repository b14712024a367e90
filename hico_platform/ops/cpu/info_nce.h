/* InfoNCE of anchors against a queue. Logits never lie in memory: a block of them is made, taken to its exponentials and
   multiplied by its keys while it is in a core's cache, with the largest so far taken off (as attention does it in one
   pass over the keys, Dao et al. 2022). Loss and gradient take one reading of the queue for each ANCHORS anchors. */

enum {
    ANCHORS = 64, /* of a task */
    KEYS = 128,   /* of a block */
    CHUNK = 512,  /* most keys of a task, until a queue has CHUNKS of them */
    CHUNKS = 64   /* the split does not depend on the threads */
};

/* What a task found: of each anchor the largest logit, the sum of exponentials of logits less that, and of keys times those. */
typedef struct { float *max_logit, *sum, *keys; } Partial;

static Partial partial_at(float *all, int64_t task, int64_t P) {
    float *at = all + task * ANCHORS * (P + 2);
    return (Partial){at, at + ANCHORS, at + 2 * ANCHORS};
}

/* Logits of a block ``s`` (keys, ANCHORS), to exponentials. */
static void add_block(float *s, int64_t keys, int64_t rows, int64_t P, Partial partial) {
    float max_logit[ANCHORS], sum[ANCHORS] = {0};
    memcpy(max_logit, partial.max_logit, sizeof max_logit);
    for (int64_t k = 0; k < keys; k++) {
        const float *row = s + k * ANCHORS;
        #pragma omp simd
        for (int64_t r = 0; r < ANCHORS; r++) max_logit[r] = row[r] > max_logit[r] ? row[r] : max_logit[r];
    }
    for (int64_t k = 0; k < keys; k++) {
        float *row = s + k * ANCHORS;
        #pragma omp simd
        for (int64_t r = 0; r < ANCHORS; r++) {
            row[r] = fast_exp(row[r] - max_logit[r]);
            sum[r] += row[r];
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        if (max_logit[r] > partial.max_logit[r]) {
            const float rescale = expf(partial.max_logit[r] - max_logit[r]);
            float *to = partial.keys + r * P;
            partial.sum[r] *= rescale;
            partial.max_logit[r] = max_logit[r];
            #pragma omp simd
            for (int64_t j = 0; j < P; j++) to[j] *= rescale;
        }
        partial.sum[r] += sum[r];
    }
}

/* What a task works in: anchors over the temperature, packed to be multiplied from the left, and a block's logits and keys. */
typedef struct { float *scaled, *anchors, *logits, *keys, *all; } InfoNceWorkspace;

static int allocate_info_nce(int64_t P, InfoNceWorkspace *to) {
    const int64_t scaled = ANCHORS * P, logits = KEYS * ANCHORS, anchors = panels_of(ANCHORS) * panel_floats(P);
    to->all = allocate(scaled + logits + anchors + panels_of(P) * panel_floats(KEYS));
    if (!to->all) return 0;
    to->scaled = to->all;
    to->logits = to->scaled + scaled;
    to->anchors = to->logits + logits;
    to->keys = to->anchors + anchors;
    return 1;
}

static void contrast_with_keys(const float *anchor, int64_t rows, const float *queue, int64_t keys, int64_t P,
                               float inv_temperature, InfoNceWorkspace work, Partial partial) {
    for (int64_t i = 0; i < ANCHORS * P; i++) work.scaled[i] = i < rows * P ? anchor[i] * inv_temperature : 0.0f;
    pack_right((Matrix){work.scaled, 1, P}, 0, panels_of(ANCHORS), ANCHORS, 0, P, work.anchors);
    for (int64_t r = 0; r < ANCHORS; r++) { partial.max_logit[r] = -INFINITY; partial.sum[r] = 0.0f; }
    memset(partial.keys, 0, rows * P * sizeof(float));
    for (int64_t first = 0; first < keys; first += KEYS) {
        const int64_t block_keys = min_of(KEYS, keys - first);
        const Matrix block = {queue + first * P, P, 1};
        product_in_place(block, block_keys, work.anchors, 0, panels_of(ANCHORS), ANCHORS, P,
                         (Output){work.logits, ANCHORS, 0, 0});
        add_block(work.logits, block_keys, rows, P, partial);
        pack_right(block, 0, panels_of(P), P, 0, block_keys, work.keys);
        product_in_place((Matrix){work.logits, 1, ANCHORS}, rows, work.keys, 0, panels_of(P), P, block_keys,
                         (Output){partial.keys, P, 1, 0});
    }
}

/* The loss of one anchor and its gradient, from what ``chunks`` tasks found, ``stride`` floats from each other. */
static float one_loss(const float *anchor, const float *positives, int64_t G, int64_t P, float inv_temperature,
                      Partial partial, int64_t chunks, int64_t stride, float *logits, float *grad_anchor) {
    float max_logit = -INFINITY, max_positive = -INFINITY, sum = 0.0f, positive_sum = 0.0f;
    for (int64_t c = 0; c < chunks; c++)
        max_logit = partial.max_logit[c * stride] > max_logit ? partial.max_logit[c * stride] : max_logit;
    memset(grad_anchor, 0, P * sizeof(float));
    for (int64_t c = 0; c < chunks; c++) {
        const float rescale = expf(partial.max_logit[c * stride] - max_logit), *keys = partial.keys + c * stride;
        sum += partial.sum[c * stride] * rescale;
        #pragma omp simd
        for (int64_t j = 0; j < P; j++) grad_anchor[j] += keys[j] * rescale;
    }
    for (int64_t g = 0; g < G; g++) {
        float logit = 0.0f;
        #pragma omp simd reduction(+ : logit)
        for (int64_t j = 0; j < P; j++) logit += anchor[j] * positives[g * P + j];
        logits[g] = logit * inv_temperature;
        max_positive = logits[g] > max_positive ? logits[g] : max_positive;
    }
    for (int64_t g = 0; g < G; g++) positive_sum += logits[g] = expf(logits[g] - max_positive);
    const float difference = (max_logit + logf(sum)) - (max_positive + logf(positive_sum)); /* of both logsumexp */
    const float small = expf(-fabsf(difference));
    const float queue_share = (difference > 0.0f ? 1.0f : small) / (1.0f + small); /* of the queue in the softmax of all */
    for (int64_t j = 0; j < P; j++) /* an empty queue has the sum 0 */
        grad_anchor[j] *= sum == 0.0f ? 0.0f : inv_temperature * queue_share / sum;
    for (int64_t g = 0; g < G; g++)
        for (int64_t j = 0; j < P; j++)
            grad_anchor[j] -= inv_temperature * queue_share / positive_sum * logits[g] * positives[g * P + j];
    return (difference > 0.0f ? difference : 0.0f) + log1pf(small);
}

int info_nce(
    const float *anchors,   /* (N, P) */
    const float *positives, /* (N, G, P) */
    const float *queue,     /* (K, P) */
    int64_t N,
    int64_t G,
    int64_t K,
    int64_t P,
    float inv_temperature,
    float *losses,          /* (N) out: of each anchor */
    float *grad_anchors     /* (N, P) out: of each loss */
) {
    const int64_t wanted = (K + CHUNK - 1) / CHUNK, chunks = wanted < CHUNKS ? wanted : CHUNKS;
    const int64_t blocks = (N + ANCHORS - 1) / ANCHORS, stride = ANCHORS * (P + 2);
    float *all = allocate(blocks * chunks * stride);
    if (!all) return 1;
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        InfoNceWorkspace work = {0};
        float *logits = allocate(G);
        failed |= !logits || !allocate_info_nce(P, &work);
        #pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < blocks * chunks; task++) {
            const int64_t top = task / chunks * ANCHORS, from = K * (task % chunks) / chunks;
            if (work.all)
                contrast_with_keys(anchors + top * P, min_of(ANCHORS, N - top), queue + from * P,
                                   K * (task % chunks + 1) / chunks - from, P, inv_temperature, work, partial_at(all, task, P));
        }
        #pragma omp for schedule(static)
        for (int64_t n = 0; n < N; n++) {
            Partial partial = partial_at(all, n / ANCHORS * chunks, P);
            const int64_t r = n % ANCHORS;
            partial = (Partial){partial.max_logit + r, partial.sum + r, partial.keys + r * P};
            if (logits)
                losses[n] = one_loss(anchors + n * P, positives + n * G * P, G, P, inv_temperature, partial, chunks, stride,
                                     logits, grad_anchors + n * P);
        }
        free(logits);
        free(work.all);
    }
    free(all);
    return failed;
}
