/* One level of Strassen's scheme: of matrices cut into quarters (a b / c d), seven products of sums of quarters do what
   eight of quarters would. The sums are made where quarters are packed and a product goes from the registers to the
   quarters of the output that it is part of (Huang et al., SC16), so nothing else goes through memory.

   Rounding errors are about twice a plain product's, relative to the larger of two that are added: rows next to each other
   (half a matrix apart where the left is turned), columns of the right half a matrix apart, and both halves of the terms. So
   what was zero beside something else is some 5e-7 of that, and what is not finite makes the other NaN too. */

enum {
    SEVEN = 7,
    HALF_DEEP = 512,         /* terms of a half's sum between two visits of the output */
    HALF_BLOCK = 28 / STRIP * STRIP, /* rows of a half that a thread packs at once: seven of them stay in its cache */
    SEVEN_ROWS = 512, SEVEN_EACH = 256, SEVEN_WEIGHT = 1 << 17 /* of a whole product, from which seven products pay */
};

/* The places, among the seven packed matrices of either side, of a, b - d, c - a, d, a + d, c + d and a + b. */
static const int LEFT_PLACES[SEVEN] = {2, 6, 5, 3, 0, 1, 4}, RIGHT_PLACES[SEVEN] = {1, 2, 3, 4, 0, 6, 5};

/* The quarters of the output, a b c d as 0 1 2 3, that a product is part of, the second, which goes on, with this sign;
   whether it is not the first of the first's parts, or the last. */
static const struct { int to, to_begun, last, also; float sign; } GOES_TO[SEVEN] = {
    {0, 0, 0, 3, 1}, {2, 0, 0, 3, -1}, {1, 0, 0, 3, 1}, {2, 1, 1, 0, 1}, {1, 1, 1, 0, -1}, {3, 1, 1, -1, 0}, {0, 1, 1, -1, 0}
};

static inline int seven_pay(int64_t m, int64_t n, int64_t k) {
    return m % 2 == 0 && k % 2 == 0 && n % (2 * PANEL) == 0 && m >= SEVEN_ROWS && least(n, k) >= SEVEN_EACH &&
           n * k >= SEVEN_WEIGHT;
}

static inline void store_sums(Lanes a, Lanes b, Lanes c, Lanes d, float *at, int64_t step, const int places[SEVEN]) {
    store(at + places[1] * step, b - d);
    store(at + places[2] * step, c - a);
    store(at + places[4] * step, a + d);
    store(at + places[5] * step, c + d);
    store(at + places[6] * step, a + b);
}

/* Makes of a, b, c and d, packed in their places ``step`` floats apart, all seven: of each ``count``. */
static void sums_of_quarters(float *at, int64_t step, int64_t count, const int places[SEVEN]) {
    for (float *end = at + count; at < end; at += LANES)
        store_sums(load(at + places[0] * step), load(at + places[1] * step), load(at + places[2] * step),
                   load(at + places[3] * step), at, step, places);
}

static inline void store_sevenths(Lanes a, Lanes b, Lanes c, Lanes d, float *at, int64_t step, const int places[SEVEN]) {
    store(at + places[0] * step, a);
    store(at + places[3] * step, d);
    store_sums(a, b, c, d, at, step, places);
}

static inline int64_t strips_room(int64_t rows, int64_t deep) { /* whole registers */
    return (left_room(rows, deep) + LANES - 1) / LANES * LANES;
}

/* A left matrix whose rows are paired: ``below`` floats after each of ``upper`` lies its other half's. */
typedef struct { Matrix upper; int64_t below; } Halves;

static Halves halves_of(Matrix a, int64_t m) {
    if (a.row == 1) return (Halves){a, m / 2};
    return (Halves){{a.at, 2 * a.row, a.column}, a.row};
}

/* Where seven products go: the first quarter, and how far from it lie those below and beside. */
typedef struct { Output first; int64_t below, beside; } Quarters;

static inline Output quarter(Quarters out, int which, int64_t row, int64_t column) {
    const int64_t beside = which % 2 * out.beside + column;
    return (Output){out.first.at + which / 2 * out.below + row * out.first.lead + beside, out.first.lead, out.first.add,
                    out.first.bias ? out.first.bias + beside : 0, 0};
}

/* Rows ``first`` to first + rows of each half, ``deep`` columns from ``k`` and as many after them; ``all`` may be read. */
static void pack_left_sevenths(Halves a, int64_t first, int64_t rows, int64_t all, int64_t k, int64_t deep, float *to) {
    const int64_t room = strips_room(rows, deep), strips = strips_of(rows);
    if (a.upper.row == 1 && first + rows + LANES <= all) {
        for (int64_t j = 0; j < deep; j++) {
            const float *upper = a.upper.at + first + (k + j) * a.upper.column, *beside = upper + deep * a.upper.column;
            for (int64_t s = 0; s < strips; s++) {
                const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
                store_sevenths(load(upper + begin), load(beside + begin), load(upper + a.below + begin),
                               load(beside + a.below + begin), to + begin * deep + s * PAD + j * size, room, LEFT_PLACES);
            }
        }
        return;
    }
    for (int64_t s = 0; s < strips; s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        float *strip = to + begin * deep + s * PAD;
        for (int i = 0; i < 4; i++) {
            const Matrix half = {a.upper.at + i / 2 * a.below, a.upper.row, a.upper.column};
            pack_left(half, first + begin, size, all, k + i % 2 * deep, deep, strip + LEFT_PLACES[i] * room);
        }
        sums_of_quarters(strip, room, size * deep, LEFT_PLACES);
    }
}

/* Row j of panels ``first`` to ``last``, of which each half has ``panels``, with room for ``deep`` rows: of the upper half
   and of the lower one. */
static inline void pack_row_sevenths(const float *upper, const float *lower, int64_t j, int64_t first, int64_t last,
                                     int64_t panels, int64_t deep, float *to) {
    const int64_t beside = panels * PANEL;
    for (int64_t p = first; p < last; p++)
        for (int64_t c = p * PANEL; c < (p + 1) * PANEL; c += LANES)
            store_sevenths(load(upper + c), load(upper + beside + c), load(lower + c), load(lower + beside + c),
                           to + p * panel_room(deep) + j * PANEL + c - p * PANEL, panels * panel_room(deep), RIGHT_PLACES);
}

/* Those panels of ``b``: ``deep`` of its rows from ``k`` and as many after them, with room for ``deeper``. */
static void pack_right_sevenths(Matrix b, int64_t first, int64_t last, int64_t panels, int64_t k, int64_t deep,
                                int64_t deeper, float *to) {
    const int64_t room = panels * panel_room(deeper);
    if (b.column == 1) {
        for (int64_t j = 0; j < deep; j++)
            pack_row_sevenths(b.at + (k + j) * b.row, b.at + (k + deep + j) * b.row, j, first, last, panels, deeper, to);
        return;
    }
    for (int64_t p = first; p < last; p++) {
        float *panel = to + p * panel_room(deeper);
        for (int i = 0; i < 4; i++) {
            const Matrix quarter = {b.at + (i % 2 * panels + p) * PANEL * b.column, b.row, b.column};
            pack_right(quarter, 0, 1, PANEL, k + i / 2 * deep, deep, panel + RIGHT_PLACES[i] * room);
        }
        sums_of_quarters(panel, room, PANEL * deep, RIGHT_PLACES);
    }
}

/* Strips of ``rows`` and ``deep`` terms, packed as above, times panels ``first`` to ``last`` of ``panels``, which may be
   packed ``deeper``. */
static void seven_products(const float *strips, int64_t rows, int64_t deep, const float *right, int64_t deeper,
                           int64_t first, int64_t last, int64_t panels, Quarters out, Ahead *ahead) {
    const int64_t room = strips_room(rows, deep);
    float begun[4][STRIP * PANEL];
    for (int64_t p = first; p < last; p++)
        for (int64_t s = 0; s < strips_of(rows); s++) {
            const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
            Output to[4];
            for (int q = 0; q < 4; q++) to[q] = quarter(out, q, begin, p * PANEL);
            for (int i = 0; i < SEVEN; i++) {
                const float *panel = right + (i * panels + p) * panel_room(deeper);
                const float *strip = strips + i * room + begin * deep + s * PAD;
                const int one = GOES_TO[i].to, two = GOES_TO[i].also;
                Output here = GOES_TO[i].last ? to[one] : (Output){begun[one], PANEL, 0, 0, 0};
                if (GOES_TO[i].to_begun) here.begun = begun[one];
                if (two < 0) packed_tile(size, deep, strip, panel, here, ahead);
                else {
                    Output there = {begun[two], PANEL, 0, 0, 0};
                    if (i > 0) there.begun = begun[two];
                    tile_to_both(size, deep, strip, panel, here, there, GOES_TO[i].sign, ahead);
                }
            }
        }
}

/* A block of both halves' rows, and terms from ``from`` on, ``deep`` of each half. */
typedef struct { int64_t top, rows, from, deep; } Piece;

static inline int64_t parts_halved(int64_t k, int64_t most) { return (k / 2 + most - 1) / most; }

static Piece piece_of(Share share, int64_t k, int64_t parts, int64_t part, int64_t block) {
    const int64_t top = block_at(share, block), from = k / 2 * part / parts;
    return (Piece){top, block_at(share, block + 1) - top, 2 * from, k / 2 * (part + 1) / parts - from};
}

/* A thread's next, or nothing. */
static Piece piece_after(Share share, int64_t k, int64_t parts, int64_t part, int64_t block) {
    if (block + 1 < share.last) return piece_of(share, k, parts, part, block + 1);
    return part + 1 < parts ? piece_of(share, k, parts, part + 1, share.first) : (Piece){0};
}

/* As packed_block: packs a piece, and has the one after it fetched. */
static Ahead packed_sevenths(Halves left, Share share, Piece now, Piece next, float *strips) {
    pack_left_sevenths(left, now.top, now.rows, share.rows, now.from, now.deep, strips);
    const Matrix a = left.upper;
    const int apart = a.row == 1;
    Ahead ahead = {(const char *)(a.at + next.top * a.row + next.from * a.column), 4 * (apart ? a.column : left.below),
                   (apart ? next.rows : 2 * next.deep) / 16 + 1, apart ? 2 * next.deep : 2 * next.rows, 0, 0,
                   apart ? 4 * left.below : 0};
    ahead.each = ahead.lines * ahead.rows / (SEVEN * (share.high - share.low) * now.rows + 1) + 1;
    return ahead;
}

/* float_product, where it pays. */
static int product_of_sevenths(int64_t m, int64_t n, int64_t k, Matrix a, Matrix right, const float *bias, float *out,
                               int64_t lead, int add) {
    const Halves left = halves_of(a, m);
    const int64_t parts = parts_halved(k, HALF_DEEP), most = (k / 2 + parts - 1) / parts;
    const int64_t half = m / 2, panels = n / 2 / PANEL;
    const int64_t below = a.row == 1 ? half * lead : lead, apart = a.row == 1 ? lead : 2 * lead;
    float *packed = room_for(SEVEN * panels * panel_room(most));
    int failed = !packed;
    #pragma omp parallel reduction(| : failed) if (!failed)
    {
        const Share share = share_of(half, panels, HALF_BLOCK);
        float *strips = room_for(SEVEN * strips_room(block_rows(share), most));
        failed |= !strips;
        for (int64_t part = 0; part < parts && packed; part++) {
            const Piece all = piece_of(share, k, parts, part, 0);
            pack_right_sevenths(right, share.begin, share.end, panels, all.from, all.deep, all.deep, packed);
            #pragma omp barrier
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const Piece now = piece_of(share, k, parts, part, block);
                if (now.rows == 0) continue;
                Ahead ahead = packed_sevenths(left, share, now, piece_after(share, k, parts, part, block), strips);
                const Output first = {out + now.top * apart, apart, add || part > 0, bias, 0};
                seven_products(strips, now.rows, now.deep, packed, now.deep, share.low, share.high, panels,
                               (Quarters){first, below, n / 2}, &ahead);
            }
            #pragma omp barrier
        }
        free(strips);
    }
    free(packed);
    return failed;
}
