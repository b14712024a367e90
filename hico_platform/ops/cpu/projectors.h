/* The projector heads of a small model, all by one call: Linear, ReLU, Linear, over its length. */

/* One head: ``count`` rows, ``lead`` apart and ``size`` long, to ``made`` (count, P) by way of ``hidden`` (count, D). What
   the gradient needs follows: ``given`` is that of ``made``, and makes that of what is before the length, ``ahead``. */
typedef struct {
    const float *rows;
    int64_t count, lead, size;
    const float *weight, *bias, *weight_2, *bias_2;
    float *hidden, *made, *lengths;
    const float *given;
    float *moved, *ahead, *of_weight, *of_bias, *of_weight_2, *of_bias_2;
} Projector;

/* Where a thread packs both factors of a product. */
typedef struct { float *strips, *panels; } Bench;

static int bench_for(int64_t rows, int64_t wide, int64_t deep, Bench *to) {
    to->strips = room_for(left_room(rows, deep) + 16);
    to->panels = room_for(panels_of(wide) * panel_room(deep));
    return to->strips && to->panels;
}

static void clear(Bench *bench) {
    free(bench->strips);
    free(bench->panels);
}

/* out (m, n) = a (m, k) times b (k, n). */
static int product_on(Matrix a, Matrix b, int64_t m, int64_t n, int64_t k, Output out) {
    if (!m || !n) return 0;
    Bench bench;
    Ahead nothing = {0};
    const int able = bench_for(m, n, k, &bench);
    if (able) {
        pack_left(a, 0, m, m, 0, k, bench.strips);
        pack_right(b, 0, panels_of(n), n, 0, k, bench.panels);
        packed_product_float(bench.strips, m, bench.panels, 0, panels_of(n), n, k, out, &nothing);
    }
    clear(&bench);
    return !able;
}

int project_forward(const Projector *all, int64_t heads, int64_t D, int64_t P) {
    int failed = 0;
    #pragma omp parallel for schedule(dynamic) reduction(| : failed)
    for (int64_t task = 0; task < 2 * heads; task++) { /* the largest come last in the list */
        const Projector head = all[heads - 1 - task / 2];
        const int64_t from = task % 2 ? head.count / 2 : 0, m = task % 2 ? head.count - from : head.count / 2;
        float *hidden = head.hidden + from * D, *made = head.made + from * P;
        if (!m) continue;
        failed |= product_on((Matrix){head.rows + from * head.lead, head.lead, 1}, (Matrix){head.weight, 1, head.size}, m, D,
                             head.size, (Output){hidden, D, 0, 0});
        for (int64_t r = 0; r < m; r++)
            #pragma omp simd
            for (int64_t j = 0; j < D; j++) {
                const float value = hidden[r * D + j] + head.bias[j];
                hidden[r * D + j] = value <= 0.0f ? 0.0f : value;
            }
        failed |= product_on((Matrix){hidden, D, 1}, (Matrix){head.weight_2, 1, D}, m, P, D, (Output){made, P, 0, 0});
        for (int64_t r = 0; r < m; r++) {
            float *row = made + r * P, sum = 0.0f;
            #pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < P; j++) {
                row[j] += head.bias_2[j];
                sum += row[j] * row[j];
            }
            const float length = sqrtf(sum), over = length < 1e-12f ? 1e-12f : length;
            head.lengths[from + r] = over;
            #pragma omp simd
            for (int64_t j = 0; j < P; j++) row[j] /= over;
        }
    }
    return failed;
}

/* What each row of a head passes on: before the length, and before ReLU. */
static int back_through(Projector head, int64_t D, int64_t P) {
    memset(head.of_bias, 0, D * sizeof(float));
    memset(head.of_bias_2, 0, P * sizeof(float));
    for (int64_t r = 0; r < head.count; r++) {
        const float *given = head.given + r * P, *made = head.made + r * P;
        float *ahead = head.ahead + r * P, along = 0.0f;
        #pragma omp simd reduction(+ : along)
        for (int64_t j = 0; j < P; j++) along += given[j] * made[j];
        #pragma omp simd
        for (int64_t j = 0; j < P; j++) {
            ahead[j] = (given[j] - made[j] * along) / head.lengths[r];
            head.of_bias_2[j] += ahead[j];
        }
    }
    if (product_on((Matrix){head.ahead, P, 1}, (Matrix){head.weight_2, D, 1}, head.count, D, P, (Output){head.moved, D, 0, 0}))
        return 1;
    for (int64_t r = 0; r < head.count; r++)
        #pragma omp simd
        for (int64_t j = 0; j < D; j++) {
            float *value = head.moved + r * D + j;
            *value = head.hidden[r * D + j] <= 0.0f ? 0.0f : *value;
            head.of_bias[j] += *value;
        }
    return 0;
}

/* The gradient of a branch's features (N, G * D): of its own head's rows, its domain's, and its part of the instance's. */
static int back_to_features(Projector own, Projector domain, Projector instance, int64_t part, int64_t D, float *to) {
    const int64_t N = domain.count, wide = domain.size, lead = own.count == N ? wide : D;
    return product_on((Matrix){domain.moved, D, 1}, (Matrix){domain.weight, wide, 1}, N, wide, D, (Output){to, wide, 0, 0}) |
           product_on((Matrix){instance.moved, D, 1}, (Matrix){instance.weight + part * wide, 2 * wide, 1}, N, wide, D,
                      (Output){to, wide, 1, 0}) |
           product_on((Matrix){own.moved, D, 1}, (Matrix){own.weight, D, 1}, own.count, D, D, (Output){to, lead, 1, 0});
}

/* ``all`` are clip, part, temporal and spatial domain, and instance. */
int project_backward(const Projector *all, int64_t D, int64_t P, float *of_temporal, float *of_spatial) {
    enum { HEADS = 5 };
    int failed = 0;
    #pragma omp parallel reduction(| : failed)
    {
        #pragma omp for schedule(dynamic)
        for (int64_t h = 0; h < HEADS; h++) failed |= back_through(all[h], D, P);
        #pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < 2 + 2 * HEADS; task++) { /* the largest first: instance's, features', the others' */
            const int features = task == 1 || task == 2, second = task >= 2 + HEADS;
            const int64_t h = second ? task - 2 - HEADS : task == 0 ? HEADS - 1 : 1 + HEADS - task;
            const Projector head = all[features ? task - 1 : h];
            if (features)
                failed |= back_to_features(head, all[task + 1], all[HEADS - 1], task - 1, D, task == 1 ? of_temporal : of_spatial);
            else if (second)
                failed |= product_on((Matrix){head.ahead, 1, P}, (Matrix){head.hidden, D, 1}, P, D, head.count,
                                     (Output){head.of_weight_2, D, 0, 0});
            else
                failed |= product_on((Matrix){head.moved, 1, D}, (Matrix){head.rows, head.lead, 1}, D, head.size, head.count,
                                     (Output){head.of_weight, head.size, 0, 0});
        }
    }
    return failed;
}
