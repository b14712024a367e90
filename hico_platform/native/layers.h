/* A whole float32 GRU or LSTM layer: each direction of some sequences is one thread's, from the first step to the last,
   its state and its products in that thread's cache. ``visits`` are the layer's steps, ``weight`` (2, gates*H, H). */

enum { SMALLEST_PART = 16 };

/* How many parts the sequences of a direction are split into, so that every thread has one. */
static int64_t parts_of(int64_t sequences, int64_t threads) {
    int64_t wanted = (threads + 1) / 2, most = sequences / SMALLEST_PART;
    return wanted < most ? wanted : most > 0 ? most : 1;
}

static Part part_of(int64_t sequences, int64_t parts, int64_t index) {
    Part part = {sequences * index / parts, 0};
    part.size = sequences * (index + 1) / parts - part.first;
    return part;
}

/* out (rows, wide) = left (rows, deep) times weight (wide, deep) transposed, or times weight (deep, wide). */
static void times(Sgemm gemm, const float *left, const float *weight, int transposed, int64_t rows, int64_t wide,
                  int64_t deep, float *out) {
    const int m = (int)wide, n = (int)rows, k = (int)deep, lead = transposed ? k : m;
    const float one = 1.0f, zero = 0.0f;
    gemm(transposed ? "T" : "N", "N", &m, &n, &k, &one, weight, &lead, left, &k, &zero, out, &m);
}

#define EACH_PART(v)                                                                                               \
    int failed = 0;                                                                                                \
    const int64_t N = (v)->sequences, H = (v)->width, parts = parts_of(N, threads);                                \
    _Pragma("omp parallel for schedule(static) reduction(| : failed)")                                             \
    for (int64_t task = 0; task < 2 * parts; task++)

#define ITS_ROOM(v, gates, more)                                                                                   \
    const int64_t d = task / parts, most = (v)->count * ((N + parts - 1) / parts);                                 \
    const Part part = part_of(N, parts, task % parts);                                                             \
    const float *w = weight + d * (gates) * H * H;                                                                 \
    float *wide = malloc(most * ((gates) + (more)) * H * sizeof(float)), *narrow = wide + most * (gates) * H;      \
    if (!wide) { failed = 1; continue; }

int gru_forward_layer(const Visit *visits, int64_t steps, int64_t threads, Sgemm gemm, const float *weight,
                      float *gates, const float *bias, const float *bias_state, float *inner, float *out) {
    EACH_PART(visits) {
        ITS_ROOM(visits, 3, 1)
        for (const Visit *v = visits; v < visits + steps; v++) {
            const int64_t rows = v->count * part.size;
            if (v->before) times(gemm, narrow, w, 1, rows, 3 * H, H, wide);
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at = place_of(v->token, v, part, d, r), last = place_of(v->before, v, part, d, r);
                gru_row_float(gates + at * 3 * H, last < 0 ? 0 : wide + r * 3 * H, last < 0 ? 0 : out + last * H,
                              bias + d * 3 * H, bias_state + d * H, H, gates + at * 3 * H,
                              inner ? inner + at * H : 0, out + at * H, narrow + r * H);
            }
        }
        free(wide);
    }
    return failed;
}

int gru_backward_layer(const Visit *visits, int64_t steps, int64_t threads, Sgemm gemm, const float *weight,
                       const float *gradient, float *gates, const float *inner, const float *out, float *behind) {
    EACH_PART(visits) {
        ITS_ROOM(visits, 3, 2)
        float *keep = narrow + most * H;
        int64_t later = 0;
        for (const Visit *v = visits + steps - 1; v >= visits; v--) {
            const int64_t rows = v->count * part.size;
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at = place_of(v->token, v, part, d, r), last = place_of(v->before, v, part, d, r);
                gru_row_back_float(gradient + at * H, r < later ? narrow + r * H : 0, gates + at * 3 * H,
                                   inner + at * H, last < 0 ? 0 : out + last * H, H, keep + r * H,
                                   gates + at * 3 * H, wide + r * 3 * H, behind + at * H);
            }
            if (v->before) times(gemm, wide, w, 0, rows, H, 3 * H, narrow);
            later = rows;
        }
        free(wide);
    }
    return failed;
}

int lstm_forward_layer(const Visit *visits, int64_t steps, int64_t threads, Sgemm gemm, const float *weight,
                       float *gates, const float *bias, float *cells, float *out) {
    EACH_PART(visits) {
        ITS_ROOM(visits, 4, 1)
        for (const Visit *v = visits; v < visits + steps; v++) {
            const int64_t rows = v->count * part.size;
            if (v->before) times(gemm, narrow, w, 1, rows, 4 * H, H, wide);
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at = place_of(v->token, v, part, d, r), last = place_of(v->before, v, part, d, r);
                lstm_row_float(gates + at * 4 * H, last < 0 ? 0 : wide + r * 4 * H, last < 0 ? 0 : cells + last * H,
                               bias + d * 4 * H, H, gates + at * 4 * H, cells + at * H, out + at * H, narrow + r * H);
            }
        }
        free(wide);
    }
    return failed;
}

int lstm_backward_layer(const Visit *visits, int64_t steps, int64_t threads, Sgemm gemm, const float *weight,
                        const float *gradient, float *gates, const float *cells) {
    EACH_PART(visits) {
        ITS_ROOM(visits, 4, 2)
        float *carried = narrow + most * H;
        int64_t later = 0;
        for (const Visit *v = visits + steps - 1; v >= visits; v--) {
            const int64_t rows = v->count * part.size;
            for (int64_t r = 0; r < rows; r++) {
                const int64_t at = place_of(v->token, v, part, d, r), last = place_of(v->before, v, part, d, r);
                lstm_row_back_float(gradient + at * H, r < later ? narrow + r * H : 0, gates + at * 4 * H,
                                    cells + at * H, last < 0 ? 0 : cells + last * H, H, carried + r * H,
                                    gates + at * 4 * H, wide + r * 4 * H);
            }
            if (v->before) times(gemm, wide, w, 0, rows, H, 4 * H, narrow);
            later = rows;
        }
        free(wide);
    }
    return failed;
}
