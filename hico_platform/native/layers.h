/* A whole float32 GRU or LSTM layer: each direction of some sequences is one thread's, from the first step to the last,
   its states and gates in that thread's cache and its weights packed once. ``visits`` are the layer's steps,
   ``weight`` (2, gates*H, H), ``tokens`` (P*N, depth) with ``weight_in`` (2, gates*H, depth). */

enum { SMALLEST_PART = 8, SHORT = 512 };

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

/* A matrix (deep, wide), packed to be multiplied from the left. */
typedef struct { float *at; int64_t deep, wide; } Packed;

static int packed(Matrix from, int64_t deep, int64_t wide, Packed *to) {
    *to = (Packed){room_for(panels_of(wide) * panel_room(deep)), deep, wide};
    if (to->at) pack_right(from, 0, panels_of(wide), wide, 0, deep, to->at);
    return to->at != 0;
}

static inline int narrow(Packed right) { return right.wide <= NARROW && right.deep <= NARROW; }

static void packed_times(const float *strips, int64_t rows, Packed right, int add, float *out) {
    Ahead nothing = {0};
    packed_product(strips, rows, right.at, 0, panels_of(right.wide), right.wide, right.deep,
                   (Output){out, right.wide, add, 0}, &nothing);
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
    for (int64_t r = 0; narrow(right) && r < rows; r += part.size)
        times_in_place(tokens + place_of(v->token, v, part, d, r) / 2 * right.deep, part.size, right, 0,
                       out + r * right.wide);
    if (narrow(right)) return;
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *row[STRIP];
        for (int64_t r = 0; r < size; r++) row[r] = tokens + place_of(v->token, v, part, d, begin + r) / 2 * right.deep;
        pack_rows(row, size, right.deep, strips + begin * right.deep + s * PAD, size);
    }
    packed_times(strips, rows, right, 0, out);
}

/* What a thread works in: ``wide`` and ``wider`` are rows of gates, ``narrow`` and ``kept`` of states. */
typedef struct { float *wide, *wider, *narrow, *kept, *strips; Packed of_input, of_state; } Room;

static int room(int64_t rows, int64_t wide, int64_t narrow, int64_t deepest, Room *to) {
    to->wide = room_for(rows * (2 * wide + 2 * narrow));
    to->strips = room_for(left_room(rows, deepest));
    if (!to->wide || !to->strips) return 0;
    to->wider = to->wide + rows * wide;
    to->narrow = to->wider + rows * wide;
    to->kept = to->narrow + rows * narrow;
    return 1;
}

/* Room for a direction's pass, with the weights that it multiplies by; false where memory is out. */
static int forward_room(int64_t rows, int64_t wide, int64_t H, int64_t depth, int64_t d, const float *weight_in,
                        const float *weight, Room *to) {
    return room(rows, wide, H, depth > H ? depth : H, to) &&
           packed((Matrix){weight_in + d * wide * depth, 1, depth}, depth, wide, &to->of_input) &&
           packed((Matrix){weight + d * wide * H, 1, H}, H, wide, &to->of_state);
}

static int backward_room(int64_t rows, int64_t wide, int64_t H, int64_t d, const float *weight, Room *to) {
    return room(rows, wide, H, wide, to) && packed((Matrix){weight + d * wide * H, H, 1}, wide, H, &to->of_state);
}

static void leave(Room *room) {
    free(room->wide);
    free(room->strips);
    free(room->of_input.at);
    free(room->of_state.at);
}

#define EACH_PART                                                                                                  \
    int failed = 0;                                                                                                \
    const int64_t N = visits->sequences, H = visits->width, parts = parts_of(N, threads);                          \
    const int64_t most = visits->count * ((N + parts - 1) / parts);                                                \
    _Pragma("omp parallel for schedule(static) reduction(| : failed)")                                             \
    for (int64_t task = 0; task < 2 * parts; task++)

#define ITS_PART                                                                                                   \
    const int64_t d = task / parts;                                                                                \
    const Part part = part_of(N, parts, task % parts);                                                             \
    Room its = {0};

/* For each row of a step: its place, and that of the token before or -1. */
#define EACH_ROW                                                                                                   \
    for (int64_t g = 0, r = 0; g < v->count; g++)                                                                  \
        for (int64_t end = r + part.size, at = place_of(v->token, v, part, d, r),                                  \
                     last = place_of(v->before, v, part, d, r);                                                    \
             r < end; r++, at += 2, last += last < 0 ? 0 : 2)

/* A row of floats that will soon be read and written: a processor does not foresee short ones far apart. */
static inline void foresee(const float *row, int64_t floats) {
    if (floats > SHORT) return;
    for (int64_t i = 0; i < floats; i += 16) __builtin_prefetch(row + i, 1);
}

/* ``gates`` and ``inner`` are null where no backward pass follows. */
int gru_forward_layer(const Visit *visits, int64_t steps, int64_t threads, const float *tokens, int64_t depth,
                      const float *weight_in, const float *weight, const float *bias, const float *bias_state,
                      float *gates, float *inner, float *out) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 3 * H;
        if (forward_room(most, wide, H, depth, d, weight_in, weight, &its)) {
            for (const Visit *v = visits; v < visits + steps; v++) {
                const int64_t rows = v->count * part.size;
                tokens_times(tokens, v, part, d, its.of_input, its.strips, its.wide);
                if (v->before) times(its.narrow, rows, its.of_state, 0, its.strips, its.wider);
                EACH_ROW {
                    float *x = its.wide + r * wide;
                    if (gates && r + 2 < end) foresee(gates + (at + 4) * wide, wide);
                    gru_row_float(x, last < 0 ? 0 : its.wider + r * wide, last < 0 ? 0 : out + last * H, bias + d * wide,
                                  bias_state + d * H, H, gates ? gates + at * wide : x, inner ? inner + at * H : 0,
                                  out + at * H, its.narrow + r * H);
                }
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

int gru_backward_layer(const Visit *visits, int64_t steps, int64_t threads, const float *weight, const float *gradient,
                       float *gates, const float *inner, const float *out, float *behind) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 3 * H;
        if (backward_room(most, wide, H, d, weight, &its)) {
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
                                       gates + at * wide, its.wide + r * wide, behind + at * H);
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
int lstm_forward_layer(const Visit *visits, int64_t steps, int64_t threads, const float *tokens, int64_t depth,
                       const float *weight_in, const float *weight, const float *bias, float *gates, float *cells,
                       float *out) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 4 * H;
        if (forward_room(most, wide, H, depth, d, weight_in, weight, &its)) {
            for (const Visit *v = visits; v < visits + steps; v++) {
                const int64_t rows = v->count * part.size;
                tokens_times(tokens, v, part, d, its.of_input, its.strips, its.wide);
                if (v->before) times(its.narrow, rows, its.of_state, 1, its.strips, its.wide);
                EACH_ROW {
                    float *x = its.wide + r * wide, *cell = its.kept + r * H;
                    if (gates && r + 2 < end) foresee(gates + (at + 4) * wide, wide);
                    lstm_row_float(x, 0, last < 0 ? 0 : cells ? cells + last * H : cell, bias + d * wide, H,
                                   gates ? gates + at * wide : x, cells ? cells + at * H : cell, out + at * H,
                                   its.narrow + r * H);
                }
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}

int lstm_backward_layer(const Visit *visits, int64_t steps, int64_t threads, const float *weight,
                        const float *gradient, float *gates, const float *cells) {
    EACH_PART {
        ITS_PART
        const int64_t wide = 4 * H;
        if (backward_room(most, wide, H, d, weight, &its)) {
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
                                        gates + at * wide, its.wide + r * wide);
                }
                if (v->before) times(its.wide, rows, its.of_state, 0, its.strips, its.narrow);
                later = rows;
            }
        } else failed = 1;
        leave(&its);
    }
    return failed;
}
