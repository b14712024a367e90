/* How a recurrent layer is shared out among threads, and the memory that each works in. */

enum {
    MIN_SEQUENCES = 8,  /* that a thread has */
    MAX_PREFETCH = 512  /* floats of a row beyond which the processor prefetches by itself */
};

/* How many parts the sequences of a direction are split into, so that every thread has one. */
static int64_t parts_of(int64_t sequences, int64_t threads) {
    int64_t wanted = (threads + 1) / 2, most = sequences / MIN_SEQUENCES;
    return wanted < most ? wanted : most > 0 ? most : 1;
}

static Sequences sequences_of(int64_t sequences, int64_t parts, int64_t part) {
    const int64_t first = sequences * part / parts;
    return (Sequences){first, sequences * (part + 1) / parts - first};
}

static int64_t largest_part(int64_t sequences, int64_t parts) { return (sequences + parts - 1) / parts; }

/* A right matrix (depth, cols), packed. */
typedef struct { float *at; int64_t depth, cols; } PackedMatrix;

static int pack_matrix(Matrix from, int64_t depth, int64_t cols, PackedMatrix *to) {
    *to = (PackedMatrix){allocate(panels_of(cols) * panel_floats(depth)), depth, cols};
    if (to->at) pack_right(from, 0, panels_of(cols), cols, 0, depth, to->at);
    return to->at != 0;
}

/* What a thread works in: rows of gates, of states, and what its products read. */
typedef struct {
    float *gates, *state_gates; /* (rows, gates*H) each */
    float *state, *carried;     /* (rows, H) each */
    float *strips;              /* the left matrix of a product, packed */
    PackedMatrix weight_ih, weight_hh;
} RnnWorkspace;

static int allocate_workspace(int64_t rows, int64_t gate_cols, int64_t H, int64_t max_depth, RnnWorkspace *to) {
    to->gates = allocate(rows * (2 * gate_cols + 2 * H));
    to->strips = allocate(strips_floats(rows, max_depth));
    if (!to->gates || !to->strips) return 0;
    to->state_gates = to->gates + rows * gate_cols;
    to->state = to->state_gates + rows * gate_cols;
    to->carried = to->state + rows * H;
    return 1;
}

static void free_workspace(RnnWorkspace *workspace) {
    free(workspace->gates);
    free(workspace->strips);
    free(workspace->weight_ih.at);
    free(workspace->weight_hh.at);
}

/* A row of floats that will soon be read and written: a processor does not prefetch short ones far apart. */
static inline void prefetch_row(const float *row, int64_t floats) {
    if (floats > MAX_PREFETCH) return;
    for (int64_t i = 0; i < floats; i += 16) __builtin_prefetch(row + i, 1);
}
