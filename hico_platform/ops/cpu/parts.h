/* How a recurrent layer is shared out among threads, and what each works in. */

enum { SMALLEST_PART = 8, SHORT = 512 };

/* How many parts the sequences of a direction are split into, so that every thread has one. */
static int64_t parts_of(int64_t sequences, int64_t threads) {
    int64_t wanted = (threads + 1) / 2, most = sequences / SMALLEST_PART;
    return wanted < most ? wanted : most > 0 ? most : 1;
}

static Part part_of(int64_t sequences, int64_t parts, int64_t index) {
    const int64_t first = sequences * index / parts;
    return (Part){first, sequences * (index + 1) / parts - first};
}

static int64_t largest_part(int64_t sequences, int64_t parts) { return (sequences + parts - 1) / parts; }

/* A matrix (deep, wide), packed to be multiplied from the left. */
typedef struct { float *at; int64_t deep, wide; } Packed;

static int packed(Matrix from, int64_t deep, int64_t wide, Packed *to) {
    *to = (Packed){room_for(panels_of(wide) * panel_room(deep)), deep, wide};
    if (to->at) pack_right(from, 0, panels_of(wide), wide, 0, deep, to->at);
    return to->at != 0;
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
