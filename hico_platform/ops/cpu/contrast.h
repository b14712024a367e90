/* InfoNCE of anchors against a queue. Logits never lie in memory: a block of them is made, taken to its exponentials and
   multiplied by its keys while it is in a core's cache, with the largest so far taken off (as attention does it in one
   pass over the keys, Dao et al. 2022). Loss and gradient take one reading of the queue for each ANCHORS anchors. */

enum {
    ANCHORS = 64, /* of a task */
    KEYS = 128,   /* of a block */
    CHUNK = 512,  /* most keys of a task, until a queue has CHUNKS of them */
    CHUNKS = 64   /* the split does not depend on the threads */
};

/* What a task found: the largest logit of each anchor, the sum of exponentials less it, and of keys times those. */
typedef struct { float *most, *sum, *keys; } Found;

static Found found_at(float *all, int64_t task, int64_t P) {
    float *at = all + task * ANCHORS * (P + 2);
    return (Found){at, at + ANCHORS, at + 2 * ANCHORS};
}

/* Logits of a block ``s`` (keys, ANCHORS), to exponentials. */
static void add_block(float *s, int64_t keys, int64_t rows, int64_t P, Found found) {
    float most[ANCHORS], sum[ANCHORS] = {0};
    memcpy(most, found.most, sizeof most);
    for (int64_t k = 0; k < keys; k++) {
        const float *row = s + k * ANCHORS;
        #pragma omp simd
        for (int64_t r = 0; r < ANCHORS; r++) most[r] = row[r] > most[r] ? row[r] : most[r];
    }
    for (int64_t k = 0; k < keys; k++) {
        float *row = s + k * ANCHORS;
        #pragma omp simd
        for (int64_t r = 0; r < ANCHORS; r++) {
            row[r] = fast_exp(row[r] - most[r]);
            sum[r] += row[r];
        }
    }
    for (int64_t r = 0; r < rows; r++) {
        if (most[r] > found.most[r]) {
            const float less = expf(found.most[r] - most[r]);
            float *to = found.keys + r * P;
            found.sum[r] *= less;
            found.most[r] = most[r];
            #pragma omp simd
            for (int64_t j = 0; j < P; j++) to[j] *= less;
        }
        found.sum[r] += sum[r];
    }
}

/* What a task works on: anchors times the scale, packed to be multiplied from the left, and a block's logits and keys. */
typedef struct { float *scaled, *anchors, *logits, *keys, *all; } Desk;

static int desk(int64_t P, Desk *to) {
    const int64_t scaled = ANCHORS * P, logits = KEYS * ANCHORS, anchors = panels_of(ANCHORS) * panel_room(P);
    to->all = room_for(scaled + logits + anchors + panels_of(P) * panel_room(KEYS));
    if (!to->all) return 0;
    to->scaled = to->all;
    to->logits = to->scaled + scaled;
    to->anchors = to->logits + logits;
    to->keys = to->anchors + anchors;
    return 1;
}

static void against_keys(const float *anchor, int64_t rows, const float *queue, int64_t keys, int64_t P, float scale,
                         Desk on, Found found) {
    for (int64_t i = 0; i < ANCHORS * P; i++) on.scaled[i] = i < rows * P ? anchor[i] * scale : 0.0f;
    pack_right((Matrix){on.scaled, 1, P}, 0, panels_of(ANCHORS), ANCHORS, 0, P, on.anchors);
    for (int64_t r = 0; r < ANCHORS; r++) { found.most[r] = -INFINITY; found.sum[r] = 0.0f; }
    memset(found.keys, 0, rows * P * sizeof(float));
    for (int64_t first = 0; first < keys; first += KEYS) {
        const int64_t some = least(KEYS, keys - first);
        const Matrix block = {queue + first * P, P, 1};
        product_in_place(block, some, on.anchors, 0, panels_of(ANCHORS), ANCHORS, P,
                         (Output){on.logits, ANCHORS, 0, 0});
        add_block(on.logits, some, rows, P, found);
        pack_right(block, 0, panels_of(P), P, 0, some, on.keys);
        product_in_place((Matrix){on.logits, 1, ANCHORS}, rows, on.keys, 0, panels_of(P), P, some,
                         (Output){found.keys, P, 1, 0});
    }
}

/* The loss of one anchor, from what ``chunks`` tasks found ``apart`` floats from each other, and its gradient. */
static float one_loss(const float *anchor, const float *positives, int64_t G, int64_t P, float scale, Found found,
                      int64_t chunks, int64_t apart, float *logits, float *gradient) {
    float most = -INFINITY, near = -INFINITY, sum = 0.0f, of_near = 0.0f;
    for (int64_t c = 0; c < chunks; c++) most = found.most[c * apart] > most ? found.most[c * apart] : most;
    memset(gradient, 0, P * sizeof(float));
    for (int64_t c = 0; c < chunks; c++) {
        const float less = expf(found.most[c * apart] - most), *keys = found.keys + c * apart;
        sum += found.sum[c * apart] * less;
        #pragma omp simd
        for (int64_t j = 0; j < P; j++) gradient[j] += keys[j] * less;
    }
    for (int64_t g = 0; g < G; g++) {
        float logit = 0.0f;
        #pragma omp simd reduction(+ : logit)
        for (int64_t j = 0; j < P; j++) logit += anchor[j] * positives[g * P + j];
        logits[g] = logit * scale;
        near = logits[g] > near ? logits[g] : near;
    }
    for (int64_t g = 0; g < G; g++) of_near += logits[g] = expf(logits[g] - near);
    const float apart_by = (most + logf(sum)) - (near + logf(of_near)), small = expf(-fabsf(apart_by));
    const float share = (apart_by > 0.0f ? 1.0f : small) / (1.0f + small); /* of the queue in the softmax of all */
    for (int64_t j = 0; j < P; j++) gradient[j] *= sum == 0.0f ? 0.0f : scale * share / sum; /* 0: an empty queue */
    for (int64_t g = 0; g < G; g++)
        for (int64_t j = 0; j < P; j++) gradient[j] -= scale * share / of_near * logits[g] * positives[g * P + j];
    return (apart_by > 0.0f ? apart_by : 0.0f) + log1pf(small);
}

/* Of anchors (N, P), positives (N, G, P) and a queue (K, P), with logits times ``scale``: losses (N) and their gradients
   (N, P). */
int info_nce(const float *anchors, const float *positives, const float *queue, int64_t N, int64_t G, int64_t K, int64_t P,
             float scale, float *losses, float *gradients) {
    const int64_t wanted = (K + CHUNK - 1) / CHUNK, chunks = wanted < CHUNKS ? wanted : CHUNKS;
    const int64_t blocks = (N + ANCHORS - 1) / ANCHORS, apart = ANCHORS * (P + 2);
    float *all = room_for(blocks * chunks * apart);
    if (!all) return 1;
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        Desk on = {0};
        float *logits = room_for(G);
        failed |= !logits || !desk(P, &on);
        #pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < blocks * chunks; task++) {
            const int64_t top = task / chunks * ANCHORS, from = K * (task % chunks) / chunks;
            if (on.all)
                against_keys(anchors + top * P, least(ANCHORS, N - top), queue + from * P,
                             K * (task % chunks + 1) / chunks - from, P, scale, on, found_at(all, task, P));
        }
        #pragma omp for schedule(static)
        for (int64_t n = 0; n < N; n++) {
            Found found = found_at(all, n / ANCHORS * chunks, P);
            const int64_t r = n % ANCHORS;
            found = (Found){found.most + r, found.sum + r, found.keys + r * P};
            if (logits)
                losses[n] = one_loss(anchors + n * P, positives + n * G * P, G, P, scale, found, chunks, apart, logits,
                                     gradients + n * P);
        }
        free(logits);
        free(on.all);
    }
    free(all);
    return failed;
}
