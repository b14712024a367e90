/* One row of a GRU's or LSTM's gates, forwards and back; T is the type of products. */

/* ``x`` is the token's part of the gates, ``u`` the state's, null in the first step; ``h`` the state before. Leaves the
   gates in ``g`` (which may be ``x``), the candidate's part of the state in ``in`` unless null, the state in ``o``, ``s``. */
static inline void NAME(gru_row)(const T *x, const T *u, const float *h, const float *b, const float *bs, int64_t H,
                                 float *g, float *in, float *o, T *s) {
    if (!u) {
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) {
            float reset, update;
            two_sigmoids(READ(x[j]) + b[j], READ(x[H + j]) + b[H + j], &reset, &update);
            float candidate = fast_tanh(READ(x[2 * H + j]) + b[2 * H + j] + reset * bs[j]);
            float value = candidate - update * candidate;
            g[j] = reset; g[H + j] = update; g[2 * H + j] = candidate; o[j] = value; s[j] = WRITE(value);
        }
    } else {
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) {
            float reset, update;
            two_sigmoids(READ(x[j]) + READ(u[j]) + b[j], READ(x[H + j]) + READ(u[H + j]) + b[H + j], &reset,
                         &update);
            float candidate = fast_tanh(READ(x[2 * H + j]) + b[2 * H + j] + reset * (READ(u[2 * H + j]) + bs[j]));
            float value = candidate + update * (h[j] - candidate);
            g[j] = reset; g[H + j] = update; g[2 * H + j] = candidate; o[j] = value; s[j] = WRITE(value);
        }
    }
    if (in) {
        #pragma omp simd
        for (int64_t j = 0; j < H; j++) in[j] = bs[j] + (u ? READ(u[2 * H + j]) : 0.0f);
    }
}

/* ``a`` is the gradient of the output, ``u`` what the step after adds to ``keep`` as the state's gradient, or null.
   Leaves the gradient of the gates before their activations in ``m`` (which may be ``g``), as the state sees it in
   ``s``, and of that the candidate's in ``c``. */
static inline void NAME(gru_row_back)(const float *a, const T *u, const float *g, const float *in, const float *h,
                                      int64_t H, float *keep, T *m, T *s, T *c) {
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float reset = g[j], update = g[H + j], candidate = g[2 * H + j];
        float arriving = a[j] + (u ? keep[j] + READ(u[j]) : 0.0f);
        float of_update = arriving * ((h ? h[j] : 0.0f) - candidate) * update * (1.0f - update);
        float stays = arriving * update;
        float of_candidate = (arriving - stays) * (1.0f - candidate * candidate);
        float of_reset = of_candidate * in[j] * reset * (1.0f - reset), through = of_candidate * reset;
        keep[j] = stays;
        m[j] = WRITE(of_reset); m[H + j] = WRITE(of_update); m[2 * H + j] = WRITE(of_candidate);
        s[j] = WRITE(of_reset); s[H + j] = WRITE(of_update); s[2 * H + j] = WRITE(through);
        c[j] = WRITE(through);
    }
}

/* As the GRU's, where ``u`` may be null too if ``x`` has the sum; gates in PyTorch's order: input, forget, cell, output.
   ``old`` is the cell before, null in the first step. */
static inline void NAME(lstm_row)(const T *x, const T *u, const float *old, const float *b, int64_t H, float *g,
                                  float *c, float *o, T *s) {
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float enter, forget, bent, leave; /* tanh(x) is 2 sigmoid(2x) - 1 */
        two_sigmoids(READ(x[j]) + (u ? READ(u[j]) : 0.0f) + b[j],
                     READ(x[H + j]) + (u ? READ(u[H + j]) : 0.0f) + b[H + j], &enter, &forget);
        two_sigmoids(2.0f * (READ(x[2 * H + j]) + (u ? READ(u[2 * H + j]) : 0.0f) + b[2 * H + j]),
                     READ(x[3 * H + j]) + (u ? READ(u[3 * H + j]) : 0.0f) + b[3 * H + j], &bent, &leave);
        float candidate = 2.0f * bent - 1.0f;
        float cell = enter * candidate + (old ? forget * old[j] : 0.0f), value = leave * fast_tanh(cell);
        g[j] = enter; g[H + j] = forget; g[2 * H + j] = candidate; g[3 * H + j] = leave;
        c[j] = cell; o[j] = value; s[j] = WRITE(value);
    }
}

static inline void NAME(lstm_row_back)(const float *a, const T *u, const float *g, const float *cell,
                                       const float *old, int64_t H, float *carried, T *m, T *s) {
    #pragma omp simd
    for (int64_t j = 0; j < H; j++) {
        float enter = g[j], forget = g[H + j], candidate = g[2 * H + j], leave = g[3 * H + j];
        float bent = fast_tanh(cell[j]), arriving = a[j] + (u ? READ(u[j]) : 0.0f);
        float of_cell = arriving * leave * (1.0f - bent * bent) + (u ? carried[j] : 0.0f);
        float of_enter = of_cell * candidate * enter * (1.0f - enter);
        float of_forget = of_cell * (old ? old[j] : 0.0f) * forget * (1.0f - forget);
        float of_candidate = of_cell * enter * (1.0f - candidate * candidate);
        float of_leave = arriving * bent * leave * (1.0f - leave);
        carried[j] = of_cell * forget;
        m[j] = WRITE(of_enter); m[H + j] = WRITE(of_forget);
        m[2 * H + j] = WRITE(of_candidate); m[3 * H + j] = WRITE(of_leave);
        s[j] = WRITE(of_enter); s[H + j] = WRITE(of_forget);
        s[2 * H + j] = WRITE(of_candidate); s[3 * H + j] = WRITE(of_leave);
    }
}
