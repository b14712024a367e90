/* Gradients of a recurrent layer's weights and bias, in one reading of the gradient of its gates. */

/* Adds to ``sums`` those of each row of a packed block. */
static void add_sums(const float *strips, int64_t rows, int64_t deep, float *sums) {
    for (int64_t s = 0; s < strips_of(rows); s++) {
        const int64_t begin = strip_at(rows, s), size = strip_at(rows, s + 1) - begin;
        const float *strip = strips + begin * deep + s * PAD;
        Lanes some[4] = {{0}, {0}, {0}, {0}};
        int64_t j = 0;
        for (; j + 4 <= deep; j += 4)
            for (int i = 0; i < 4; i++) some[i] += load(strip + (j + i) * size);
        for (; j < deep; j++) some[0] += load(strip + j * size);
        const Lanes all = (some[0] + some[1]) + (some[2] + some[3]);
        for (int64_t r = 0; r < size; r++) sums[begin + r] += all[r];
    }
}

/* As rnn_weight_grad, where packing would take as long as multiplying. */
static void small_weights_backward(int64_t P, int64_t N, int64_t wide, int64_t depth, int64_t H, const int64_t *before,
                                   const float *moved, const float *tokens, const float *states, float *of_input,
                                   float *of_state, float *of_bias) {
    const int64_t strips = strips_of(wide), inputs = strips * panels_of(depth), tiles = inputs + strips * panels_of(H);
    memset(of_input, 0, 2 * wide * depth * sizeof(float));
    memset(of_state, 0, 2 * wide * H * sizeof(float));
    #pragma omp parallel
    {
        const int64_t team = omp_get_num_threads(), me = omp_get_thread_num();
        const int64_t low = 2 * tiles * me / team, high = 2 * tiles * (me + 1) / team;
        float spare[PANEL * NEAR + PAD];
        for (int64_t d = low / tiles; d < 2 && d * tiles < high; d++) {
            const int64_t first = beyond(low, d * tiles), last = least(high - d * tiles, tiles);
            for (int64_t p = 0, next; p < P; p = next) { /* tokens whose states before lie in a row, as they do */
                const int64_t token = before[d * P + p];
                for (next = p + 1; next < P && (next - p) * N < NEAR; next++)
                    if (token < 0 || before[d * P + next] != token + next - p) break;
                const int64_t rows = (next - p) * N;
                const Matrix left = {moved + (2 * p * N + d) * wide, 1, 2 * wide};
                add_outer(left, (Matrix){tokens + p * N * depth, depth, 1}, wide, depth, rows, least(first, inputs),
                          least(last, inputs), (Output){of_input + d * wide * depth, depth, 1, 0}, spare);
                if (token >= 0)
                    add_outer(left, (Matrix){states + (2 * token * N + d) * H, 2 * H, 1}, wide, H, rows,
                              beyond(first, inputs), beyond(last, inputs), (Output){of_state + d * wide * H, H, 1, 0},
                              spare);
                const int64_t begin = strip_at(wide, least(first, strips)), end = strip_at(wide, least(last, strips));
                for (int64_t r = begin; r < end; r += NEAR) { /* of the first panel's strips, each some thread's */
                    const int64_t some = least(NEAR, end - r);
                    float sums[NEAR] = {0}, *to = of_bias + d * wide + r;
                    for (int64_t j = 0; j < rows; j++) {
                        const float *row = left.at + r + j * left.column;
                        #pragma omp simd
                        for (int64_t i = 0; i < some; i++) sums[i] += row[i];
                    }
                    for (int64_t i = 0; i < some; i++) to[i] += sums[i];
                }
            }
        }
    }
}

/* Gradients of a recurrent layer's weights and bias: of_input (2, wide, depth), of_state (2, wide, H), of_bias (2, wide),
   which begins as zeros. ``moved`` (P*N, 2, wide), the gradient of the gates, is summed, and held against ``tokens``
   (P*N, depth) and the states (P*N, 2, H) before each: token p's is before[d * P + p] or, if that is negative, zero. */
int rnn_weight_grad(int64_t P, int64_t N, int64_t wide, int64_t depth, int64_t H, const int64_t *before,
                               const float *moved, const float *tokens, const float *states, float *of_input,
                               float *of_state, float *of_bias) {
    if (wide * (depth > H ? depth : H) <= WEIGHT) {
        small_weights_backward(P, N, wide, depth, H, before, moved, tokens, states, of_input, of_state, of_bias);
        return 0;
    }
    const int64_t k = P * N, parts = parts_deep(k), most = (k + parts - 1) / parts;
    const int64_t split = panels_of(depth), panels = split + panels_of(H);
    const int64_t room = panels * panel_room(most), blocks = (wide + BLOCK - 1) / BLOCK;
    float *all = room_for(2 * room), *zeros = calloc(H, sizeof(float));
    int failed = !all || !zeros;
    #pragma omp parallel reduction(| : failed) if (!failed)
    {
        /* Two threads have a direction each and do not wait for one another; any other number shares every direction. */
        const int64_t me = omp_get_thread_num();
        const int alone = omp_get_num_threads() == 2;
        const Share share = alone ? (Share){wide, blocks, 0, blocks, 0, panels, 0, panels} : share_of(wide, panels, BLOCK);
        float *packed = all + (alone ? me * room : 0), *strips = room_for(left_room(block_rows(share), most));
        failed |= !strips;
        for (int64_t each = alone ? me * parts : 0; each < (alone ? me + 1 : 2) * parts && all && zeros; each++) {
            const int64_t d = each / parts, part = each % parts;
            const int64_t from = k * part / parts, deep = k * (part + 1) / parts - from;
            float *behind = packed + split * panel_room(deep);
            pack_right((Matrix){tokens, depth, 1}, least(share.begin, split), least(share.end, split), depth, from, deep,
                       packed);
            for (int64_t j = 0; j < deep; j++) {
                const int64_t token = before[d * P + (from + j) / N], n = (from + j) % N;
                pack_row(token < 0 ? zeros : states + ((token * N + n) * 2 + d) * H, j, beyond(share.begin, split),
                         beyond(share.end, split), H, deep, behind);
            }
            if (!alone) {
                #pragma omp barrier
            }
            for (int64_t block = share.first; block < share.last && strips; block++) {
                const int64_t top = block_at(share, block), rows = block_at(share, block + 1) - top;
                if (rows == 0) continue;
                const Matrix left = {moved + d * wide, 1, 2 * wide};
                Ahead ahead = packed_block(left, share, block, from, deep, k, strips);
                if (share.low == 0) add_sums(strips, rows, deep, of_bias + d * wide + top);
                packed_product(strips, rows, packed, least(share.low, split), least(share.high, split), depth, deep,
                                     (Output){of_input + (d * wide + top) * depth, depth, part > 0, 0}, &ahead);
                packed_product(strips, rows, behind, beyond(share.low, split), beyond(share.high, split), H, deep,
                                     (Output){of_state + (d * wide + top) * H, H, part > 0, 0}, &ahead);
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
