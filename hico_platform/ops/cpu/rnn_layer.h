/* A whole GRU or LSTM layer in float32, products inside: each direction of some sequences is one thread's from the first step
   to the last, its states and gates in that thread's cache and its weights packed once. Both cells share all but the calls of
   rnn_cell.h: ``num_gates``, 3 for a GRU and 4 for an LSTM, says which it is. The layout is that of rnn_step.h. */

enum { GRU = 3, LSTM = 4 };

static inline int stays_unpacked(PackedMatrix right) { return right.cols <= UNPACKED && right.depth <= UNPACKED; }

static void times_packed(const float *strips, int64_t rows, PackedMatrix right, int add, float *out) {
    Prefetch nothing = {0};
    packed_product(strips, rows, right.at, 0, panels_of(right.cols), right.cols, right.depth,
                   (Output){out, right.cols, add, 0}, &nothing);
}

static void times_in_place(const float *left, int64_t rows, PackedMatrix right, int add, float *out) {
    product_in_place((Matrix){left, right.depth, 1}, rows, right.at, 0, panels_of(right.cols), right.cols, right.depth,
                     (Output){out, right.cols, add, 0});
}

/* out (rows, cols), or what is added to it, = left (rows, depth) times a packed matrix; left is packed into ``strips``. */
static void times(const float *left, int64_t rows, PackedMatrix right, int add, float *strips, float *out) {
    if (stays_unpacked(right)) {
        times_in_place(left, rows, right, add, out);
        return;
    }
    pack_left((Matrix){left, right.depth, 1}, 0, rows, rows, 0, right.depth, strips);
    times_packed(strips, rows, right, add, out);
}

/* The same of the tokens x (P*N, depth) that a step visits. */
static void tokens_times(const float *x, const Step *step, Sequences some, int64_t d, PackedMatrix right, float *strips,
                         float *out) {
    const int64_t rows = step->granularities * some.count;
    if (stays_unpacked(right)) {
        for (int64_t r = 0; r < rows; r += some.count)
            times_in_place(x + token_row(step->token, step, some, d, r) / 2 * right.depth, some.count, right, 0,
                           out + r * right.cols);
        return;
    }
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *row[STRIP];
        for (int64_t r = 0; r < size; r++) row[r] = x + token_row(step->token, step, some, d, begin + r) / 2 * right.depth;
        pack_rows(row, size, right.depth, strips + begin * right.depth + s * PAD, size);
    }
    times_packed(strips, rows, right, 0, out);
}

/* The part of each thread, in which ``d`` is its direction, ``some`` its sequences and ``work`` its memory. */
#define EACH_PART                                                                                                  \
    int failed = 0;                                                                                                \
    const int64_t N = steps->sequences, H = steps->hidden, cols = num_gates * H, parts = parts_of(N, threads);     \
    const int64_t max_rows = steps->granularities * largest_part(N, parts);                                        \
    _Pragma("omp parallel for schedule(static) reduction(| : failed)")                                             \
    for (int64_t task = 0; task < 2 * parts; task++)
#define ITS_PART                                                                                                   \
    const int64_t d = task / parts;                                                                                \
    const Sequences some = sequences_of(N, parts, task % parts);                                                   \
    RnnWorkspace work = {0};

/* Each row r of a step: its row ``at`` among all tokens, and that of the token before or -1. */
#define EACH_ROW                                                                                                   \
    for (int64_t g = 0, r = 0; g < step->granularities; g++)                                                       \
        for (int64_t end = r + some.count, at = token_row(step->token, step, some, d, r),                          \
                     before = token_row(step->previous, step, some, d, r);                                         \
             r < end; r++, at += 2, before += before < 0 ? 0 : 2)

static inline __attribute__((always_inline)) int layer_forward(
    const int num_gates, const Step *steps, int64_t num_steps, int64_t threads, const float *x, int64_t depth,
    const float *const *weight_ih, const float *const *weight_hh, const float *bias, const float *candidate_bias,
    float *gates, float *saved, float *out
) {
    EACH_PART {
        ITS_PART
        const Matrix input_weight = {weight_ih[d], 1, depth}, state_weight = {weight_hh[d], 1, H};
        if (allocate_workspace(max_rows, cols, H, depth > H ? depth : H, &work) &&
            pack_matrix(input_weight, depth, cols, &work.weight_ih) && pack_matrix(state_weight, H, cols, &work.weight_hh)) {
            for (const Step *step = steps; step < steps + num_steps; step++) {
                const int64_t rows = step->granularities * some.count;
                tokens_times(x, step, some, d, work.weight_ih, work.strips, work.gates);
                if (step->previous) /* an LSTM's gates are of the sum of both products */
                    times(work.state, rows, work.weight_hh, num_gates == LSTM, work.strips,
                          num_gates == LSTM ? work.gates : work.state_gates);
                EACH_ROW {
                    float *row_gates = work.gates + r * cols, *saved_gates = gates ? gates + at * cols : row_gates;
                    if (gates && r + 2 < end) prefetch_row(gates + (at + 4) * cols, cols);
                    if (num_gates == LSTM) {
                        float *cell = saved ? saved + at * H : work.carried + r * H;
                        lstm_cell_float(row_gates, 0, before < 0 ? 0 : saved ? saved + before * H : cell, bias + d * cols, H,
                                        saved_gates, cell, out + at * H, work.state + r * H);
                    } else
                        gru_cell_float(row_gates, before < 0 ? 0 : work.state_gates + r * cols, before < 0 ? 0 : out + before * H,
                                       bias + d * cols, candidate_bias + d * H, H, saved_gates, saved ? saved + at * H : 0,
                                       out + at * H, work.state + r * H);
                }
            }
        } else failed = 1;
        free_workspace(&work);
    }
    return failed;
}

static inline __attribute__((always_inline)) int layer_backward(
    const int num_gates, const Step *steps, int64_t num_steps, int64_t threads, const float *const *weight_hh,
    const float *grad_out, const float *gates, const float *saved, const float *out, float *grad_gates,
    float *grad_candidate_h
) {
    EACH_PART {
        ITS_PART
        if (allocate_workspace(max_rows, cols, H, cols, &work) &&
            pack_matrix((Matrix){weight_hh[d], H, 1}, cols, H, &work.weight_hh)) {
            int64_t later_rows = 0;
            for (const Step *step = steps + num_steps - 1; step >= steps; step--) {
                const int64_t rows = step->granularities * some.count;
                EACH_ROW {
                    const float *grad_h = r < later_rows ? work.state + r * H : 0;
                    if (r + 2 < end) {
                        prefetch_row(gates + (at + 4) * cols, cols);
                        prefetch_row(grad_out + (at + 4) * H, H);
                    }
                    if (num_gates == LSTM)
                        lstm_cell_backward_float(grad_out + at * H, grad_h, gates + at * cols, saved + at * H,
                                                 before < 0 ? 0 : saved + before * H, H, work.carried + r * H,
                                                 grad_gates + at * cols, work.gates + r * cols);
                    else
                        gru_cell_backward_float(grad_out + at * H, grad_h, gates + at * cols, saved + at * H,
                                                before < 0 ? 0 : out + before * H, H, work.carried + r * H,
                                                grad_gates + at * cols, work.gates + r * cols, grad_candidate_h + at * H);
                }
                if (step->previous) times(work.gates, rows, work.weight_hh, 0, work.strips, work.state);
                later_rows = rows;
            }
        } else failed = 1;
        free_workspace(&work);
    }
    return failed;
}

int rnn_layer_forward(
    int64_t num_gates,             /* 3: GRU, 4: LSTM */
    const Step *steps,             /* (num_steps) */
    int64_t num_steps,
    int64_t threads,
    const float *x,                /* (P*N, depth) the tokens */
    int64_t depth,
    const float *const *weight_ih, /* (2) of each direction (gates*H, depth) */
    const float *const *weight_hh, /* (2) of each direction (gates*H, H) */
    const float *bias,             /* (2, gates*H) GRU: without the candidate's b_hh */
    const float *candidate_bias,   /* (2, H) GRU: the candidate's b_hh; LSTM: null */
    float *gates,                  /* (P*N, 2, gates*H) out, or null where no backward pass follows */
    float *saved,                  /* (P*N, 2, H) out, or null likewise: the cells; GRU: the candidate's state term */
    float *out                     /* (P*N, 2, H) out: the states */
) {
    if (num_gates == LSTM)
        return layer_forward(LSTM, steps, num_steps, threads, x, depth, weight_ih, weight_hh, bias, 0, gates, saved, out);
    return layer_forward(GRU, steps, num_steps, threads, x, depth, weight_ih, weight_hh, bias, candidate_bias, gates, saved, out);
}

int rnn_layer_backward(
    int64_t num_gates,             /* 3: GRU, 4: LSTM */
    const Step *steps,             /* (num_steps) */
    int64_t num_steps,
    int64_t threads,
    const float *const *weight_hh, /* (2) of each direction (gates*H, H) */
    const float *grad_out,         /* (P*N, 2, H) */
    const float *gates,            /* (P*N, 2, gates*H) as the forward pass left them */
    const float *saved,            /* (P*N, 2, H) likewise */
    const float *out,              /* (P*N, 2, H) likewise */
    float *grad_gates,             /* (P*N, 2, gates*H) out, may be gates: of the gates before their activations */
    float *grad_candidate_h        /* (P*N, 2, H) out: GRU: of the candidate's state term; LSTM: null */
) {
    if (num_gates == LSTM)
        return layer_backward(LSTM, steps, num_steps, threads, weight_hh, grad_out, gates, saved, out, grad_gates, 0);
    return layer_backward(GRU, steps, num_steps, threads, weight_hh, grad_out, gates, saved, out, grad_gates, grad_candidate_h);
}

#undef EACH_PART
#undef ITS_PART
#undef EACH_ROW
