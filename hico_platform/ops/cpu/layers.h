/* A whole GRU or LSTM layer: each direction of some sequences is one thread's, from the first step to the last, its states
   and gates in that thread's cache and its weights packed once. ``visits`` are the layer's steps, ``tokens`` (P*N, depth).

   Of each direction, ``weight_in`` (gates*H, depth) and ``weight`` (gates*H, H). */

static inline int narrow(Packed right) { return right.wide <= NARROW && right.deep <= NARROW; }

static void packed_times(const float *strips, int64_t rows, Packed right, int add, float *out) {
    Ahead nothing = {0};
    packed_product(strips, rows, right.at, 0, panels_of(right.wide), right.wide, right.deep, (Output){out, right.wide, add, 0},
                   &nothing);
}

static void times_in_place(const float *left, int64_t rows, Packed right, int add, float *out) {
    product_in_place((Matrix){left, right.deep, 1}, rows, right.at, 0, panels_of(right.wide), right.wide, right.deep,
                     (Output){out, right.wide, add, 0});
}

/* out (rows, wide), or what is added to it, = left (rows, deep) times a packed matrix; ``strips`` is where left is packed. */
static void times(const float *left, int64_t rows, Packed right, int add, float *strips, float *out) {
    if (narrow(right)) {
        times_in_place(left, rows, right, add, out);
        return;
    }
    pack_left((Matrix){left, right.deep, 1}, 0, rows, rows, 0, right.deep, strips);
    packed_times(strips, rows, right, add, out);
}

/* The same of the tokens that a step visits. */
static void tokens_times(const float *tokens, const Visit *v, Part part, int64_t d, Packed right, float *strips,
                               float *out) {
    const int64_t rows = v->count * part.size;
    if (narrow(right)) {
        for (int64_t r = 0; r < rows; r += part.size)
            times_in_place(tokens + place_of(v->token, v, part, d, r) / 2 * right.deep, part.size, right, 0,
                                 out + r * right.wide);
        return;
    }
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *row[STRIP];
        for (int64_t r = 0; r < size; r++) row[r] = tokens + place_of(v->token, v, part, d, begin + r) / 2 * right.deep;
        pack_rows(row, size, right.deep, strips + begin * right.deep + s * PAD, size);
    }
    packed_times(strips, rows, right, 0, out);
}

/* Room for a direction's pass, with the weights that it multiplies by; false where memory is out. */
static int forward_room(int64_t rows, int64_t wide, int64_t H, int64_t depth, const float *weight_in, const float *weight,
                              Room *to) {
    const Matrix of_input = {weight_in, 1, depth}, of_state = {weight, 1, H};
    return room(rows, wide, H, depth > H ? depth : H, to) && packed(of_input, depth, wide, &to->of_input) &&
           packed(of_state, H, wide, &to->of_state);
}

static int backward_room(int64_t rows, int64_t wide, int64_t H, const float *weight, Room *to) {
    return room(rows, wide, H, wide, to) && packed((Matrix){weight, H, 1}, wide, H, &to->of_state);
}

/* ``gates`` and ``inner`` are null where no backward pass follows. */
int gru_layer_forward(const Visit *visits, int64_t steps, int64_t threads, const float *tokens, int64_t depth,
                            const float *const *weight_in, const float *const *weight, const float *bias, const float *bias_state,
                            float *gates, float *inner, float *out) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 3 * H;
        if (forward_room(most, wide, H, depth, weight_in[d], weight[d], &its)) {
            float *state = its.narrow;
            for (const Visit *v = visits; v < visits + steps; v++) {
                const int64_t rows = v->count * part.size;
                tokens_times(tokens, v, part, d, its.of_input, its.strips, its.wide);
                if (v->before) times(its.narrow, rows, its.of_state, 0, its.strips, its.wider);
                EACH_ROW {
                    float *x = its.wide + r * wide;
                    if (gates && r + 2 < end) foresee(gates + (at + 4) * wide, wide);
                    gru_row_float(x, last < 0 ? 0 : its.wider + r * wide, last < 0 ? 0 : out + last * H, bias + d * wide,
                                  bias_state + d * H, H, gates ? gates + at * wide : x, inner ? inner + at * H : 0,
                                  out + at * H, state + r * H);
                }
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

/* Leaves the gradient of the gates in ``moved`` (which may be ``gates``), the candidate's as the state sees it in
   ``behind``. */
int gru_layer_backward(const Visit *visits, int64_t steps, int64_t threads, const float *const *weight,
                             const float *gradient, const float *gates, const float *inner, const float *out, float *moved,
                             float *behind) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 3 * H;
        if (backward_room(most, wide, H, weight[d], &its)) {
            float *seen = its.wide;
            int64_t later = 0;
            for (const Visit *v = visits + steps - 1; v >= visits; v--) {
                const int64_t rows = v->count * part.size;
                EACH_ROW {
                    if (r + 2 < end) {
                        foresee(gates + (at + 4) * wide, wide);
                        foresee(gradient + (at + 4) * H, H);
                    }
                    gru_row_back_float(gradient + at * H, r < later ? its.narrow + r * H : 0, gates + at * wide,
                                       inner + at * H, last < 0 ? 0 : out + last * H, H, its.kept + r * H,
                                       moved + at * wide, seen + r * wide, behind + at * H);
                }
                if (v->before) times(its.wide, rows, its.of_state, 0, its.strips, its.narrow);
                later = rows;
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

/* ``gates`` and ``cells`` are null where no backward pass follows. */
int lstm_layer_forward(const Visit *visits, int64_t steps, int64_t threads, const float *tokens, int64_t depth,
                             const float *const *weight_in, const float *const *weight, const float *bias, float *gates, float *cells,
                             float *out) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 4 * H;
        if (forward_room(most, wide, H, depth, weight_in[d], weight[d], &its)) {
            float *state = its.narrow;
            for (const Visit *v = visits; v < visits + steps; v++) {
                const int64_t rows = v->count * part.size;
                tokens_times(tokens, v, part, d, its.of_input, its.strips, its.wide);
                if (v->before) times(its.narrow, rows, its.of_state, 1, its.strips, its.wide);
                EACH_ROW {
                    float *x = its.wide + r * wide, *cell = its.kept + r * H;
                    if (gates && r + 2 < end) foresee(gates + (at + 4) * wide, wide);
                    lstm_row_float(x, 0, last < 0 ? 0 : cells ? cells + last * H : cell, bias + d * wide, H,
                                   gates ? gates + at * wide : x, cells ? cells + at * H : cell, out + at * H,
                                   state + r * H);
                }
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

/* Leaves the gradient of the gates in ``moved`` (which may be ``gates``). */
int lstm_layer_backward(const Visit *visits, int64_t steps, int64_t threads, const float *const *weight,
                              const float *gradient, const float *gates, const float *cells, float *moved) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 4 * H;
        if (backward_room(most, wide, H, weight[d], &its)) {
            float *seen = its.wide;
            int64_t later = 0;
            for (const Visit *v = visits + steps - 1; v >= visits; v--) {
                const int64_t rows = v->count * part.size;
                EACH_ROW {
                    if (r + 2 < end) {
                        foresee(gates + (at + 4) * wide, wide);
                        foresee(gradient + (at + 4) * H, H);
                    }
                    lstm_row_back_float(gradient + at * H, r < later ? its.narrow + r * H : 0, gates + at * wide,
                                        cells + at * H, last < 0 ? 0 : cells + last * H, H, its.kept + r * H,
                                        moved + at * wide, seen + r * wide);
                }
                if (v->before) times(its.wide, rows, its.of_state, 0, its.strips, its.narrow);
                later = rows;
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}
