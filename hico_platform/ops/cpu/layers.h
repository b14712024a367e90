/* A whole GRU or LSTM layer: each direction of some sequences is one thread's, from the first step to the last, its states
   and gates in that thread's cache and its weights packed once. ``visits`` are the layer's steps, ``tokens`` (P*N, depth).
   T is the type of ``tokens``, weights and what else goes into products, floats or, in pairs, bfloat16; ``depth`` and H
   are then even.

   Of each direction, ``weight_in`` (gates*H, depth) and ``weight`` (gates*H, H); backwards the latter is (H, gates*H) of
   pairs, whose neighbours must lie next to each other. The gradient of the gates, float's
   in their place (P*N, 2, gates*H), has a direction's rows together with pairs, (2, P*N, gates*H). */

#define WORDS(elements) ((elements) * (int64_t)sizeof(T) / 4) /* floats' places that they take */
#define OF_PAIRS (sizeof(T) == 2)

/* The row of a token's place ``at`` among what products will read: see above. */
static inline int64_t NAME(row_of)(const Visit *v, int64_t at) {
    return OF_PAIRS ? at % 2 * v->places + at / 2 : at;
}

static inline int NAME(narrow)(Packed right) { return !OF_PAIRS && right.wide <= NARROW && right.deep <= NARROW; }

static void NAME(packed_times)(const float *strips, int64_t rows, Packed right, int add, float *out) {
    Ahead nothing = {0};
    NAME(packed_product)(strips, rows, right.at, 0, panels_of(right.wide), right.wide, right.deep,
                  (Output){out, right.wide, add, 0, 0}, &nothing);
}

static void NAME(times_in_place)(const float *left, int64_t rows, Packed right, int add, float *out) {
    product_in_place((Matrix){left, right.deep, 1}, rows, right.at, 0, panels_of(right.wide), right.wide, right.deep,
                     (Output){out, right.wide, add, 0, 0});
}

/* out (rows, wide), or what is added to it, = left (rows, deep) times a packed matrix; ``strips`` is where left is packed. */
static void NAME(times)(const float *left, int64_t rows, Packed right, int add, float *strips, float *out) {
    if (NAME(narrow)(right)) {
        NAME(times_in_place)(left, rows, right, add, out);
        return;
    }
    if (OF_PAIRS) __asm__ volatile("" ::: "memory"); /* what was written as bfloat16 is read as floats */
    pack_left((Matrix){left, right.deep, 1}, 0, rows, rows, 0, right.deep, strips);
    NAME(packed_times)(strips, rows, right, add, out);
}

/* The same of the tokens that a step visits. */
static void NAME(tokens_times)(const float *tokens, const Visit *v, Part part, int64_t d, Packed right, float *strips,
                               float *out) {
    const int64_t rows = v->count * part.size;
    if (NAME(narrow)(right)) {
        for (int64_t r = 0; r < rows; r += part.size)
            NAME(times_in_place)(tokens + place_of(v->token, v, part, d, r) / 2 * right.deep, part.size, right, 0,
                                 out + r * right.wide);
        return;
    }
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *row[STRIP];
        for (int64_t r = 0; r < size; r++) row[r] = tokens + place_of(v->token, v, part, d, begin + r) / 2 * right.deep;
        pack_rows(row, size, right.deep, strips + begin * right.deep + s * PAD, size);
    }
    NAME(packed_times)(strips, rows, right, 0, out);
}

/* Room for a direction's pass, with the weights that it multiplies by; false where memory is out. */
static int NAME(forward_room)(int64_t rows, int64_t wide, int64_t H, int64_t depth, const T *weight_in, const T *weight,
                              Room *to) {
    const Matrix of_input = {(const float *)weight_in, 1, WORDS(depth)};
    const Matrix of_state = {(const float *)weight, 1, WORDS(H)};
    return room(rows, wide, H, depth > H ? depth : H, to) &&
           packed(of_input, WORDS(depth), wide, &to->of_input) && packed(of_state, WORDS(H), wide, &to->of_state);
}

/* The same by seven products, ``joined`` those of tokens and of states or apart. */
static int NAME(forward_room_of_sevenths)(int64_t rows, int64_t wide, int64_t H, int64_t depth, const T *weight_in,
                                          const T *weight, int joined, Room *to) {
    const Matrix of_input = {(const float *)weight_in, 1, depth}, of_state = {(const float *)weight, 1, H}, none = {0};
    if (!room_of_sevenths(rows, wide, H, joined ? depth + H : depth > H ? depth : H, to)) return 0;
    if (joined) return packed_by_sevenths(of_input, depth, of_state, H, wide, &to->of_input);
    return packed_by_sevenths(of_input, depth, none, 0, wide, &to->of_input) &&
           packed_by_sevenths(none, 0, of_state, H, wide, &to->of_state);
}

static int NAME(backward_room)(int64_t rows, int64_t wide, int64_t H, const T *weight, Room *to) {
    const float *from = (const float *)weight;
    const Matrix of_state = OF_PAIRS ? (Matrix){from, 1, WORDS(wide)} : (Matrix){from, H, 1};
    return room(rows, wide, H, wide, to) && packed(of_state, WORDS(wide), H, &to->of_state);
}

static int NAME(backward_room_of_sevenths)(int64_t rows, int64_t wide, int64_t H, const T *weight, Room *to) {
    const Matrix of_state = {(const float *)weight, H, 1}, none = {0};
    return room_of_sevenths(rows, wide, H, wide, to) && packed_by_sevenths(none, 0, of_state, wide, H, &to->of_state);
}

/* ``gates`` and ``inner`` are null where no backward pass follows. */
int NAME(gru_forward_layer)(const Visit *visits, int64_t steps, int64_t threads, const T *tokens, int64_t depth,
                            const T *const *weight_in, const T *const *weight, const float *bias, const float *bias_state,
                            float *gates, float *inner, float *out) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 3 * H;
        const int sevenths = !OF_PAIRS && seven_pay_in_steps(N, wide, depth) && seven_pay_in_steps(N, wide, H);
        if (sevenths ? NAME(forward_room_of_sevenths)(most, wide, H, depth, weight_in[d], weight[d], 0, &its)
                     : NAME(forward_room)(most, wide, H, depth, weight_in[d], weight[d], &its)) {
            T *state = (T *)its.narrow;
            for (const Visit *v = visits; v < visits + steps; v++) {
                const int64_t rows = v->count * part.size;
                if (sevenths) {
                    times_by_sevenths((const float *)tokens, depth, 0, 0, v, part, d, its.of_input, its.strips, its.wide);
                    if (v->before)
                        times_by_sevenths(0, 0, its.narrow, H, v, part, d, its.of_state, its.strips, its.wider);
                } else {
                    NAME(tokens_times)((const float *)tokens, v, part, d, its.of_input, its.strips, its.wide);
                    if (v->before) NAME(times)(its.narrow, rows, its.of_state, 0, its.strips, its.wider);
                }
                EACH_ROW {
                    float *x = its.wide + r * wide;
                    if (gates && r + 2 < end) foresee(gates + (at + 4) * wide, wide);
                    NAME(gru_row)(x, last < 0 ? 0 : its.wider + r * wide, last < 0 ? 0 : out + last * H, bias + d * wide,
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
int NAME(gru_backward_layer)(const Visit *visits, int64_t steps, int64_t threads, const T *const *weight,
                             const float *gradient, const float *gates, const float *inner, const float *out, T *moved,
                             T *behind) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 3 * H;
        const int sevenths = !OF_PAIRS && seven_pay_in_steps(N, H, wide);
        if ((sevenths ? NAME(backward_room_of_sevenths) : NAME(backward_room))(most, wide, H, weight[d], &its)) {
            T *seen = (T *)its.wide;
            int64_t later = 0;
            for (const Visit *v = visits + steps - 1; v >= visits; v--) {
                const int64_t rows = v->count * part.size;
                EACH_ROW {
                    const int64_t apart = NAME(row_of)(v, at);
                    if (r + 2 < end) {
                        foresee(gates + (at + 4) * wide, wide);
                        foresee(gradient + (at + 4) * H, H);
                    }
                    NAME(gru_row_back)(gradient + at * H, r < later ? its.narrow + r * H : 0, gates + at * wide,
                                       inner + at * H, last < 0 ? 0 : out + last * H, H, its.kept + r * H,
                                       moved + apart * wide, seen + r * wide, behind + apart * H);
                }
                if (v->before && sevenths)
                    times_by_sevenths(0, 0, its.wide, wide, v, part, d, its.of_state, its.strips, its.narrow);
                else if (v->before) NAME(times)(its.wide, rows, its.of_state, 0, its.strips, its.narrow);
                later = rows;
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

/* ``gates`` and ``cells`` are null where no backward pass follows. */
int NAME(lstm_forward_layer)(const Visit *visits, int64_t steps, int64_t threads, const T *tokens, int64_t depth,
                             const T *const *weight_in, const T *const *weight, const float *bias, float *gates, float *cells,
                             float *out) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 4 * H;
        const int sevenths = !OF_PAIRS && seven_pay_in_steps(N, wide, depth) && H % 2 == 0;
        if (sevenths ? NAME(forward_room_of_sevenths)(most, wide, H, depth, weight_in[d], weight[d], 1, &its)
                     : NAME(forward_room)(most, wide, H, depth, weight_in[d], weight[d], &its)) {
            T *state = (T *)its.narrow;
            for (const Visit *v = visits; v < visits + steps; v++) {
                const int64_t rows = v->count * part.size;
                if (sevenths)
                    times_by_sevenths((const float *)tokens, depth, v->before ? its.narrow : 0, H, v, part, d, its.of_input,
                                      its.strips, its.wide);
                else {
                    NAME(tokens_times)((const float *)tokens, v, part, d, its.of_input, its.strips, its.wide);
                    if (v->before) NAME(times)(its.narrow, rows, its.of_state, 1, its.strips, its.wide);
                }
                EACH_ROW {
                    float *x = its.wide + r * wide, *cell = its.kept + r * H;
                    if (gates && r + 2 < end) foresee(gates + (at + 4) * wide, wide);
                    NAME(lstm_row)(x, 0, last < 0 ? 0 : cells ? cells + last * H : cell, bias + d * wide, H,
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
int NAME(lstm_backward_layer)(const Visit *visits, int64_t steps, int64_t threads, const T *const *weight,
                              const float *gradient, const float *gates, const float *cells, T *moved) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 4 * H;
        const int sevenths = !OF_PAIRS && seven_pay_in_steps(N, H, wide);
        if ((sevenths ? NAME(backward_room_of_sevenths) : NAME(backward_room))(most, wide, H, weight[d], &its)) {
            T *seen = (T *)its.wide;
            int64_t later = 0;
            for (const Visit *v = visits + steps - 1; v >= visits; v--) {
                const int64_t rows = v->count * part.size;
                EACH_ROW {
                    if (r + 2 < end) {
                        foresee(gates + (at + 4) * wide, wide);
                        foresee(gradient + (at + 4) * H, H);
                    }
                    NAME(lstm_row_back)(gradient + at * H, r < later ? its.narrow + r * H : 0, gates + at * wide,
                                        cells + at * H, last < 0 ? 0 : cells + last * H, H, its.kept + r * H,
                                        moved + NAME(row_of)(v, at) * wide, seen + r * wide);
                }
                if (v->before && sevenths)
                    times_by_sevenths(0, 0, its.wide, wide, v, part, d, its.of_state, its.strips, its.narrow);
                else if (v->before) NAME(times)(its.wide, rows, its.of_state, 0, its.strips, its.narrow);
                later = rows;
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

#undef WORDS
#undef OF_PAIRS
