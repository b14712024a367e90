/* Gradients of a recurrent layer's weights and bias, in one reading of the gradient of its gates. */

/* Adds to ``sums`` those of each row of a packed block. */
static void add_sums(const float *strips, int64_t rows, int64_t depth, float *sums) {
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *strip = strips + begin * depth + s * PAD;
        Lanes some[4] = {{0}, {0}, {0}, {0}};
        int64_t j = 0;
        for (; j + 4 <= depth; j += 4)
            for (int i = 0; i < 4; i++) some[i] += load(strip + (j + i) * size);
        for (; j < depth; j++) some[0] += load(strip + j * size);
        const Lanes all = (some[0] + some[1]) + (some[2] + some[3]);
        for (int64_t r = 0; r < size; r++) sums[begin + r] += all[r];
    }
}

/* rnn_weight_grad where packing would take as long as multiplying. */
static void unpacked_weight_grad(int64_t P, int64_t N, int64_t gate_cols, int64_t x_cols, int64_t H, const int64_t *previous,
                                 const float *grad_gates, const float *x, const float *states, float *grad_weight_ih,
                                 float *grad_weight_hh, float *grad_bias) {
    const int64_t strips = strips_of(gate_cols), inputs = strips * panels_of(x_cols), tiles = inputs + strips * panels_of(H);
    memset(grad_weight_ih, 0, 2 * gate_cols * x_cols * sizeof(float));
    memset(grad_weight_hh, 0, 2 * gate_cols * H * sizeof(float));
    #pragma omp parallel
    {
        const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        const int64_t low = 2 * tiles * me / team, high = 2 * tiles * (me + 1) / team;
        float spare[PANEL * UNPACKED_DEPTH + PAD];
        for (int64_t d = low / tiles; d < 2 && d * tiles < high; d++) {
            const int64_t first = excess(low, d * tiles), last = min_of(high - d * tiles, tiles);
            for (int64_t p = 0, next; p < P; p = next) { /* states before them in a row */
                const int64_t token = previous[d * P + p];
                for (next = p + 1; next < P && (next - p) * N < UNPACKED_DEPTH; next++)
                    if (token < 0 || previous[d * P + next] != token + next - p) break;
                const int64_t rows = (next - p) * N;
                const Matrix left = {grad_gates + (2 * p * N + d) * gate_cols, 1, 2 * gate_cols};
                add_outer(left, (Matrix){x + p * N * x_cols, x_cols, 1}, gate_cols, x_cols, rows, min_of(first, inputs),
                          min_of(last, inputs), (Output){grad_weight_ih + d * gate_cols * x_cols, x_cols, 1, 0}, spare);
                if (token >= 0)
                    add_outer(left, (Matrix){states + (2 * token * N + d) * H, 2 * H, 1}, gate_cols, H, rows,
                              excess(first, inputs), excess(last, inputs), (Output){grad_weight_hh + d * gate_cols * H, H, 1, 0},
                              spare);
                const int64_t begin = strip_at(gate_cols, min_of(first, strips)), end = strip_at(gate_cols, min_of(last, strips));
                for (int64_t r = begin; r < end; r += UNPACKED_DEPTH) { /* of the first panel's strips, each some thread's */
                    const int64_t some = min_of(UNPACKED_DEPTH, end - r);
                    float sums[UNPACKED_DEPTH] = {0}, *bias_part = grad_bias + d * gate_cols + r;
                    for (int64_t j = 0; j < rows; j++) {
                        const float *row = left.at + r + j * left.column;
                        #pragma omp simd
                        for (int64_t i = 0; i < some; i++) sums[i] += row[i];
                    }
                    for (int64_t i = 0; i < some; i++) bias_part[i] += sums[i];
                }
            }
        }
    }
}

int rnn_weight_grad(
    int64_t P,
    int64_t N,
    int64_t gate_cols,       /* gates*H */
    int64_t x_cols,          /* width of x */
    int64_t H,
    const int64_t *previous, /* (2, P) the token that each direction visits before each token, -1 before its first */
    const float *grad_gates, /* (P*N, 2, gates*H) */
    const float *x,          /* (P*N, x_cols) the tokens */
    const float *states,     /* (P*N, 2, H) */
    float *grad_weight_ih,   /* (2, gates*H, x_cols) out: grad_gates transposed times x */
    float *grad_weight_hh,   /* (2, gates*H, H) out: grad_gates transposed times the states of the previous tokens */
    float *grad_bias         /* (2, gates*H) in: zeros; out: the sums of grad_gates' rows */
) {
    if (gate_cols * (x_cols > H ? x_cols : H) <= UNPACKED_WEIGHT) {
        unpacked_weight_grad(P, N, gate_cols, x_cols, H, previous, grad_gates, x, states, grad_weight_ih, grad_weight_hh, grad_bias);
        return 0;
    }
    const int64_t k = P * N, parts = parts_deep(k), max_depth = (k + parts - 1) / parts;
    const int64_t split = panels_of(x_cols), panels = split + panels_of(H);
    const int64_t packed_floats = panels * panel_floats(max_depth), blocks = (gate_cols + BLOCK - 1) / BLOCK;
    float *all = allocate(2 * packed_floats), *zeros = calloc(H, sizeof(float));
    int failed = !all || !zeros;
    #pragma omp parallel reduction(| : failed) if (!failed)
    {
        /* Two threads have a direction each and do not wait for one another; any other number shares every direction. */
        const int64_t me = omp_get_thread_num();
        const int alone = omp_get_num_threads() == 2;
        const ThreadShare share = alone ? (ThreadShare){gate_cols, blocks, 0, blocks, 0, panels, 0, panels}
                                        : thread_share(gate_cols, panels, BLOCK);
        float *packed_x = all + (alone ? me * packed_floats : 0), *strips = allocate(strips_floats(block_rows(share), max_depth));
        failed |= !strips;
        for (int64_t each = alone ? me * parts : 0; each < (alone ? me + 1 : 2) * parts && all && zeros; each++) {
            const int64_t d = each / parts, part = each % parts;
            const int64_t from = k * part / parts, depth = k * (part + 1) / parts - from;
            float *packed_states = packed_x + split * panel_floats(depth);
            pack_right((Matrix){x, x_cols, 1}, min_of(share.pack_first, split), min_of(share.pack_last, split), x_cols, from, depth,
                       packed_x);
            for (int64_t j = 0; j < depth; j++) {
                const int64_t token = previous[d * P + (from + j) / N], n = (from + j) % N;
                pack_row(token < 0 ? zeros : states + ((token * N + n) * 2 + d) * H, j, excess(share.pack_first, split),
                         excess(share.pack_last, split), H, depth, packed_states);
            }
            if (!alone) {
                #pragma omp barrier
            }
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
                if (rows == 0) continue;
                const Matrix left = {grad_gates + d * gate_cols, 1, 2 * gate_cols};
                Prefetch prefetch = packed_block(left, share, block, from, depth, k, strips);
                if (share.low == 0) add_sums(strips, rows, depth, grad_bias + d * gate_cols + top);
                packed_product(strips, rows, packed_x, min_of(share.low, split), min_of(share.high, split), x_cols, depth,
                                     (Output){grad_weight_ih + (d * gate_cols + top) * x_cols, x_cols, part > 0, 0}, &prefetch);
                packed_product(strips, rows, packed_states, excess(share.low, split), excess(share.high, split), H, depth,
                                     (Output){grad_weight_hh + (d * gate_cols + top) * H, H, part > 0, 0}, &prefetch);
            }
            if (!alone) {
                #pragma omp barrier
            }
        }
        free(strips);
    }
    free(all);
    free(zeros);
    return failed;
}
