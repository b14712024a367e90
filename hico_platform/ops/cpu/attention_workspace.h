/* One head of one sequence's attention: where it lies and the memory that it is worked on in (attention.h). */

typedef struct { const int64_t *lengths; int64_t granularities, sequences, heads, size; } AttentionShape;

/* Of a head of a sequence: the row of its first token, the tokens that follow ``sequences`` rows apart, which head, and the index of
   its first score among all scores, by which dropout's mask is drawn. */
typedef struct { int64_t token, length, head, score; } HeadIndex;

static HeadIndex head_index(AttentionShape all, int64_t task) {
    const int64_t each = all.sequences * all.heads, granularity = task / each, index = task % each;
    HeadIndex at = {index / all.heads, all.lengths[granularity], index % all.heads, 0};
    for (int64_t g = 0; g < granularity; g++) {
        at.token += all.lengths[g] * all.sequences;
        at.score += all.lengths[g] * all.lengths[g] * each;
    }
    at.score += index * at.length * at.length;
    return at;
}

/* q, k, v, grad_out and out are (L, D / heads); p, the softmax, grad_p and dropped_p are L rows of ``score_cols``. */
typedef struct { float *all, *q, *k, *v, *grad_out, *out, *p, *grad_p, *dropped_p, *strips, *panels; int64_t score_cols; } AttentionWorkspace;

static int allocate_attention(AttentionShape of, AttentionWorkspace *to) {
    int64_t max_length = 0;
    for (int64_t g = 0; g < of.granularities; g++) max_length = of.lengths[g] > max_length ? of.lengths[g] : max_length;
    const int64_t size = of.size, score_cols = panels_of(max_length) * PANEL, max_depth = size > max_length ? size : max_length;
    const int64_t token = (max_length * size + 31) / 16 * 16, score = max_length * score_cols;
    const int64_t panels = size > max_length ? panels_of(size) : panels_of(max_length);
    float **parts[] = {&to->q, &to->k, &to->v, &to->grad_out, &to->out, &to->p, &to->grad_p, &to->dropped_p, &to->strips};
    to->all = allocate(5 * token + 3 * score + strips_floats(max_length, max_depth) + 64 + panels * panel_floats(max_depth));
    if (!to->all) return 0;
    float *at = to->all;
    for (int i = 0; i < 9; i++) {
        *parts[i] = at;
        at += i < 5 ? token : i < 8 ? score : (strips_floats(max_length, max_depth) + 31) / 16 * 16;
    }
    to->panels = at;
    to->score_cols = score_cols;
    return 1;
}

/* out (m, n), rows ``row_stride`` apart, = a (m, k) times b (k, n). */
static void small_matmul(Matrix a, Matrix b, int64_t m, int64_t n, int64_t k, const AttentionWorkspace *in, float *out, int64_t row_stride) {
    Prefetch nothing = {0};
    pack_left(a, 0, m, m, 0, k, in->strips);
    pack_right(b, 0, panels_of(n), n, 0, k, in->panels);
    packed_product(in->strips, m, in->panels, 0, panels_of(n), n, k, (Output){out, row_stride, 0, 0}, &nothing);
}

/* ``L`` scores to their softmax. */
static void softmax(float *row, int64_t L) {
    float max_score = row[0], sum = 0.0f;
    #pragma omp simd reduction(max : max_score)
    for (int64_t j = 0; j < L; j++) max_score = row[j] > max_score ? row[j] : max_score;
    #pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < L; j++) {
        row[j] = fast_exp(row[j] - max_score);
        sum += row[j];
    }
    sum = 1.0f / sum;
    #pragma omp simd
    for (int64_t j = 0; j < L; j++) row[j] *= sum;
}
