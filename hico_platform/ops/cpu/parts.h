/* How a recurrent layer is shared out among threads, and what each works in. */

enum { SMALLEST_PART = 8, SHORT = 512, SEVEN_SEQUENCES = 32 };

/* How many parts the sequences of a direction are split into, so that every thread has one. */
static int64_t parts_of(int64_t sequences, int64_t threads) {
    int64_t wanted = (threads + 1) / 2, most = sequences / SMALLEST_PART;
    return wanted < most ? wanted : most > 0 ? most : 1;
}

/* Sequences that are not parted: an even number of them can be paired. */
static int64_t together(int64_t sequences) { return sequences % 2 == 0 ? 2 : 1; }

static Part part_of(int64_t sequences, int64_t parts, int64_t index) {
    const int64_t each = together(sequences), all = sequences / each;
    const int64_t first = all * index / parts * each;
    return (Part){first, all * (index + 1) / parts * each - first};
}

static int64_t largest_part(int64_t sequences, int64_t parts) {
    const int64_t each = together(sequences);
    return (sequences / each + parts - 1) / parts * each;
}

/* A matrix (deep, wide), packed to be multiplied from the left. */
typedef struct { float *at; int64_t deep, wide; } Packed;

static int packed(Matrix from, int64_t deep, int64_t wide, Packed *to) {
    *to = (Packed){room_for(panels_of(wide) * panel_room(deep)), deep, wide};
    if (to->at) pack_right(from, 0, panels_of(wide), wide, 0, deep, to->at);
    return to->at != 0;
}

/* Whether they pay for a step of so many sequences: that does not depend on how many of them a thread has. */
static int seven_pay_in_steps(int64_t sequences, int64_t wide, int64_t deep) {
    return sequences % 2 == 0 && sequences >= SEVEN_SEQUENCES && seven_pay(SEVEN_ROWS, wide, deep);
}

/* Matrices (depth, wide) and (H, wide), packed for seven products: of each half of the terms ``deep``, the first matrix's
   and then the other's. */
static int packed_by_sevenths(Matrix of_input, int64_t depth, Matrix of_state, int64_t H, int64_t wide, Packed *to) {
    const int64_t panels = wide / 2 / PANEL, deep = (depth + H) / 2;
    *to = (Packed){room_for(SEVEN * panels * panel_room(deep)), deep, wide};
    if (!to->at) return 0;
    if (depth) pack_right_sevenths(of_input, 0, panels, panels, 0, depth / 2, deep, to->at);
    if (H) pack_right_sevenths(of_state, 0, panels, panels, 0, H / 2, deep, to->at + depth / 2 * PANEL);
    return 1;
}

/* out (rows, wide) = the tokens that a step visits (., depth) and its states (rows, H), unless null, times such a matrix.
   A sequence's row is paired with the next one's. */
static void times_by_sevenths(const float *tokens, int64_t depth, const float *states, int64_t H, const Visit *v, Part part,
                              int64_t d, Packed right, float *strips, float *out) {
    const int64_t rows = v->count * part.size / 2, deep = (depth + (states ? H : 0)) / 2, panels = right.wide / 2 / PANEL;
    const int64_t blocks = (rows + HALF_BLOCK - 1) / HALF_BLOCK;
    for (int64_t block = 0; block < blocks; block++) {
        const int64_t top = rows * block / blocks, some = rows * (block + 1) / blocks - top, room = strips_room(some, deep);
        for (int64_t s = 0; s < strips_of(some); s++) {
            const int64_t begin = strip_at(some, s), size = strip_at(some, s + 1) - begin;
            float *strip = strips + begin * deep + s * PAD;
            for (int i = 0; i < 4; i++) {
                const float *token[STRIP], *state[STRIP];
                for (int64_t r = 0; r < size; r++) {
                    const int64_t row = 2 * (top + begin + r) + i / 2;
                    if (tokens) token[r] = tokens + place_of(v->token, v, part, d, row) / 2 * depth + i % 2 * depth / 2;
                    if (states) state[r] = states + row * H + i % 2 * H / 2;
                }
                float *to = strip + LEFT_PLACES[i] * room;
                if (tokens) pack_rows(token, size, depth / 2, to, size);
                if (states) pack_rows(state, size, H / 2, to + depth / 2 * size, size);
            }
            sums_of_quarters(strip, room, size * deep, LEFT_PLACES);
        }
        Ahead nothing = {0};
        const Output first = {out + 2 * top * right.wide, 2 * right.wide, 0, 0, 0};
        seven_products(strips, some, deep, right.at, right.deep, 0, panels, panels,
                       (Quarters){first, right.wide, right.wide / 2}, &nothing);
    }
}

/* What a thread works in: ``wide`` and ``wider`` are rows of gates, ``narrow`` and ``kept`` of states. */
typedef struct { float *wide, *wider, *narrow, *kept, *strips; Packed of_input, of_state; } Room;

static int room_with(int64_t rows, int64_t wide, int64_t narrow, int64_t strips, Room *to) {
    to->wide = room_for(rows * (2 * wide + 2 * narrow));
    to->strips = room_for(strips);
    if (!to->wide || !to->strips) return 0;
    to->wider = to->wide + rows * wide;
    to->narrow = to->wider + rows * wide;
    to->kept = to->narrow + rows * narrow;
    return 1;
}

static int room(int64_t rows, int64_t wide, int64_t narrow, int64_t deepest, Room *to) {
    return room_with(rows, wide, narrow, left_room(rows, deepest), to);
}

static int room_of_sevenths(int64_t rows, int64_t wide, int64_t narrow, int64_t deepest, Room *to) {
    return room_with(rows, wide, narrow, SEVEN * strips_room(HALF_BLOCK, deepest / 2), to);
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
    const int64_t most = visits->count * largest_part(N, parts);                                                   \
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
