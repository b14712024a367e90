/* One head of one sequence's attention: where it is and what it is worked on in (attention.h). */

typedef struct { const int64_t *lengths; int64_t granularities, sequences, heads, size; } Attended;

/* Its first token's row, how many rows of ``sequences`` apart follow, and the place of its first score among all. */
typedef struct { int64_t token, length, head, score; } Place;

static Place place_in(Attended all, int64_t task) {
    const int64_t each = all.sequences * all.heads, granularity = task / each, index = task % each;
    Place at = {index / all.heads, all.lengths[granularity], index % all.heads, 0};
    for (int64_t g = 0; g < granularity; g++) {
        at.token += all.lengths[g] * all.sequences;
        at.score += all.lengths[g] * all.lengths[g] * each;
    }
    at.score += index * at.length * at.length;
    return at;
}

/* ``p`` and the like are rows of ``wide`` scores. */
typedef struct { float *all, *q, *k, *v, *given, *made, *p, *of_p, *dropped, *strips, *panels; int64_t wide; } Head;

static int head_room(Attended of, Head *to) {
    int64_t most = 0;
    for (int64_t g = 0; g < of.granularities; g++) most = of.lengths[g] > most ? of.lengths[g] : most;
    const int64_t size = of.size, wide = panels_of(most) * PANEL, deepest = size > most ? size : most;
    const int64_t token = (most * size + 31) / 16 * 16, score = most * wide;
    const int64_t panels = size > most ? panels_of(size) : panels_of(most);
    float **parts[] = {&to->q, &to->k, &to->v, &to->given, &to->made, &to->p, &to->of_p, &to->dropped, &to->strips};
    to->all = room_for(5 * token + 3 * score + left_room(most, deepest) + 64 + panels * panel_room(deepest));
    if (!to->all) return 0;
    float *at = to->all;
    for (int i = 0; i < 9; i++) {
        *parts[i] = at;
        at += i < 5 ? token : i < 8 ? score : (left_room(most, deepest) + 31) / 16 * 16;
    }
    to->panels = at;
    to->wide = wide;
    return 1;
}

/* out (m, n), rows ``lead`` apart, = a (m, k) times b (k, n). */
static void multiply(Matrix a, Matrix b, int64_t m, int64_t n, int64_t k, const Head *in, float *out, int64_t lead) {
    Ahead nothing = {0};
    pack_left(a, 0, m, m, 0, k, in->strips);
    pack_right(b, 0, panels_of(n), n, 0, k, in->panels);
    packed_product(in->strips, m, in->panels, 0, panels_of(n), n, k, (Output){out, lead, 0, 0}, &nothing);
}

/* ``L`` scores to their softmax. */
static void softmax(float *row, int64_t L) {
    float most = row[0], sum = 0.0f;
    #pragma omp simd reduction(max : most)
    for (int64_t j = 0; j < L; j++) most = row[j] > most ? row[j] : most;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < L; j++) {
        row[j] = fast_exp(row[j] - most);
        sum += row[j];
    }
    sum = 1.0f / sum;
    #pragma omp simd
    for (int64_t j = 0; j < L; j++) row[j] *= sum;
}
