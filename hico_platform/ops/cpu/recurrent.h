/* One step of a bidirectional GRU or LSTM layer, all granularities together; T is the type of the products.

   Rows are tokens of sequences: token p of sequence n is row p*N + n. ``token`` (2, count) names the token that each
   direction visits in each granularity, ``before`` the one that it visited a step earlier, or is null. Gates, states
   and cells lie in the order of the tokens, (P*N, 2, .); what a product reads or makes is packed, (2, count*N, .), with
   room for ``room`` rows a direction where steps hand it on. */

#define STEP_ROWS                                                                                                  \
    const Part all = {0, v->sequences};                                                                            \
    const int64_t rows = v->count * v->sequences, H = v->width;                                                    \
    _Pragma("omp parallel for schedule(static) if (rows * H > 4096)")                                              \
    for (int64_t each = 0; each < 2 * rows; each++)

#define STEP_PLACES                                                                                                \
    const int64_t d = each / rows, r = each % rows, handed = d * v->room + r;                                      \
    const int64_t at = place_of(v->token, v, all, d, r), last = place_of(v->before, v, all, d, r);

/* ``input`` (P*N, 2, 3H), ``product`` (2, rows, 3H), ``gates`` (P*N, 2, 3H), ``inner`` and ``out`` (P*N, 2, H),
   ``state`` (2, room, H); ``gates`` and ``inner`` are null where no backward pass follows. */
void NAME(gru_forward)(const Visit *v, const T *input, float *gates, const T *product, const float *bias,
                       const float *bias_state, float *inner, float *out, T *state) {
    STEP_ROWS {
        STEP_PLACES
        float spare[3 * H];
        NAME(gru_row)(input + at * 3 * H, last < 0 ? 0 : product + each * 3 * H, last < 0 ? 0 : out + last * H,
                      bias + d * 3 * H, bias_state + d * H, H, gates ? gates + at * 3 * H : spare,
                      inner ? inner + at * H : 0, out + at * H, state + handed * H);
    }
}

/* The step after, with its first ``later`` rows, has left the state's gradient in ``kept`` (2, room, H) and ``product``
   (2, later, H); ``packed`` (2, rows, 3H). What products read afterwards has a direction's rows together: ``moved``
   (2, P*N, 3H), ``behind`` (2, P*N, H). */
void NAME(gru_backward)(const Visit *v, const float *gradient, const float *gates, const float *inner,
                        const float *out, float *kept, const T *product, int64_t later, T *moved, T *packed,
                        T *behind) {
    STEP_ROWS {
        STEP_PLACES
        const int64_t apart = d * v->places + at / 2;
        NAME(gru_row_back)(gradient + at * H, r < later ? product + (d * later + r) * H : 0, gates + at * 3 * H,
                           inner + at * H, last < 0 ? 0 : out + last * H, H, kept + handed * H,
                           moved + apart * 3 * H, packed + each * 3 * H, behind + apart * H);
    }
}

void NAME(lstm_forward)(const Visit *v, const T *input, float *gates, const T *product, const float *bias,
                        float *cells, float *out, T *state) {
    STEP_ROWS {
        STEP_PLACES
        float spare[4 * H];
        NAME(lstm_row)(input + at * 4 * H, last < 0 ? 0 : product + each * 4 * H, last < 0 ? 0 : cells + last * H,
                       bias + d * 4 * H, H, gates ? gates + at * 4 * H : spare, cells + at * H, out + at * H,
                       state + handed * H);
    }
}

/* ``of_cells`` (2, room, H) carries the cells' gradient from the step after; ``moved`` (2, P*N, 4H). */
void NAME(lstm_backward)(const Visit *v, const float *gradient, const float *gates, const float *cells,
                         float *of_cells, const T *product, int64_t later, T *moved, T *packed) {
    STEP_ROWS {
        STEP_PLACES
        const int64_t apart = d * v->places + at / 2;
        NAME(lstm_row_back)(gradient + at * H, r < later ? product + (d * later + r) * H : 0, gates + at * 4 * H,
                            cells + at * H, last < 0 ? 0 : cells + last * H, H, of_cells + handed * H,
                            moved + apart * 4 * H, packed + each * 4 * H);
    }
}

#undef STEP_ROWS
#undef STEP_PLACES
